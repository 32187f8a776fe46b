"""
One connection to the broker: aiomqtt, and what it leaves to us.

aiomqtt does not tell why the broker did not take a message, waits for a broker that has already hung up, and cannot be
cancelled while it connects. `_Client` adds these; so it knows aiomqtt from the inside, and setup.cfg names its version.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import aiomqtt
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY, MQTT_ERR_SUCCESS
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from weatherd.errors import SinkError, Unreachable
from weatherd.sinks.mqtt.answers import LOOK_AT_SCHEME, REFUSED_FROM, Refusal, refused_connection, silence
from weatherd.sinks.mqtt.messages import Message

PORTS = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}
"""Those that a scheme has where the url names none (IANA)."""

PACKET_SIZE_MAX = 512 * 1024
"""Bytes that a broker with MQTT 5 may send us in one packet: our discovery has to come back to us."""

INCOMING_MAX = 16
"""Messages that wait until we have read them; more are dropped."""

BYE_S = 2.0
"""For a last word, and the broker's end of the connection."""


_silent = logging.getLogger("weatherd.sinks.mqtt")
_silent.setLevel(logging.CRITICAL)  # what paho logs of a broken connection is told by our errors, once


class Address(NamedTuple):
    """
    Where and as whom to connect.

    Attributes:
        url: ``mqtt``, ``mqtts``, ``ws`` or ``wss``.
        password: In no error and no log.
        ssl_context: From `weatherd.tls`; for ``mqtts`` and ``wss``.
        is_version_5: Else MQTT 3.1.1.
        session_expiry_s: So long the broker keeps a broken connection's session, and its last will to itself.
    """

    url: str
    username: str | None = None
    password: str | None = None
    ssl_context: ssl.SSLContext | None = None
    is_version_5: bool = True
    keep_alive_s: int = 60
    session_expiry_s: int = 0
    message_expiry_s: int = 300
    timeout_s: float = 10.0

    @property
    def shown(self) -> str:
        """How it is called in front of people."""
        parts = urlsplit(self.url)
        return f"mqtt at {parts.scheme}://{parts.netloc}"


class Received(NamedTuple):
    """A message for us; the last two are those of a request (MQTT 5)."""

    topic: str
    payload: bytes
    is_retained: bool
    response_topic: str | None
    correlation: bytes | None


class Connection:
    """
    An open connection.

    Args:
        address: Where to.
        client_id: No other client may have it.
        will: What the broker says for us when we are gone without a word.
    """

    def __init__(self, address: Address, client_id: str, will: Message | None) -> None:
        self._address = address
        self._client = _Client(address, client_id, will)
        self.shown = address.shown

    async def open(self) -> None:
        """
        Connect.

        Raises:
            Unreachable: If there is no answer, or one that says "later".
            Unwelcome: If the broker wants other settings.
        """
        entering = asyncio.ensure_future(self._client.__aenter__())
        try:
            await asyncio.shield(entering)
        except asyncio.CancelledError:
            # A thread of aiomqtt's is connecting, and cannot be cancelled: what it brings about is closed again.
            _abandoned.add(entering)
            entering.add_done_callback(_abandoned.discard)
            entering.add_done_callback(lambda done: None if done.cancelled() else self._client.abandon())
            raise
        except aiomqtt.MqttError as error:
            self._client.abandon()
            raise self._explained(error) from None  # with the password in its frames

    async def subscribe(self, topics: Sequence[str]) -> Sequence[str]:
        """
        Subscribe; return the topics that the broker does not let us have.

        Raises:
            Unreachable: If the connection has ended.
        """
        try:
            codes: Sequence[Any] = await self._client.subscribe([(topic, 1) for topic in topics])
        except aiomqtt.MqttError as error:
            raise self._explained(error) from None
        return [
            topic for topic, code in zip(topics, codes, strict=True) if getattr(code, "value", code) >= REFUSED_FROM
        ]

    async def send(self, messages: Sequence[Message], *, correlation: bytes | None = None) -> Sequence[Refusal]:
        """
        Publish; return when the broker has answered to all, with those that it did not take.

        Raises:
            Unreachable: If the connection has ended, or nothing is heard. Some may have been taken.
        """
        try:
            return await self._client.send(messages, correlation)
        except aiomqtt.MqttError as error:
            raise self._explained(error) from None

    async def messages(self) -> AsyncIterator[Received]:
        """
        Yield what arrives.

        Raises:
            Unreachable: When the connection ends.
        """
        try:
            async for message in self._client.messages:
                yield _received(message)
        except aiomqtt.MqttError as error:
            raise self._explained(error) from None

    async def close(self, last: Sequence[Message] = ()) -> None:
        """Say a last word and close, without the last will. Raises nothing, and takes no longer than `BYE_S`."""
        try:
            async with asyncio.timeout(BYE_S):
                if last:
                    await self._client.send(last, None)
                if self._client.is_connected:
                    await self._client.__aexit__(None, None, None)
        except (aiomqtt.MqttError, TimeoutError):
            pass  # then the last will tells it
        finally:
            self._client.abandon()

    def drop(self) -> None:
        """Close without a word: the broker then says the last will."""
        self._client.abandon()

    def _explained(self, error: aiomqtt.MqttError) -> SinkError:
        shown = self._address.shown
        causes = (error, error.__cause__, error.__context__)
        for cause in causes:
            if isinstance(cause, aiomqtt.MqttCodeError) and isinstance(cause.rc, ReasonCode):
                if cause.rc.value >= REFUSED_FROM and cause.rc.getName() != "Unspecified error":
                    return refused_connection(shown, cause.rc.value, cause.rc.getName())
                return Unreachable(f"{shown} closed the connection", LOOK_AT_SCHEME)
        network = next((cause for cause in causes if isinstance(cause, OSError)), None)
        if network is None and not isinstance(error.__context__, TimeoutError) and "timed out" not in str(error):
            return Unreachable(f"{shown} closed the connection: {error}", LOOK_AT_SCHEME)
        return silence(shown, network, self._address.timeout_s)


_abandoned: set[asyncio.Future[Any]] = set()
"""Connections that are being made, and that nobody wants any more."""


class _Sending:
    """Messages on their way; done when the broker has answered to all."""

    __slots__ = ("done", "mids", "refusals")

    def __init__(self) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.mids: dict[int, str] = {}
        self.refusals: list[Refusal] = []


class _Client(aiomqtt.Client):
    """aiomqtt's client, with reasons."""

    def __init__(self, address: Address, client_id: str, will: Message | None) -> None:
        parts = urlsplit(address.url)
        is_tls = parts.scheme in {"mqtts", "wss"}
        is_web = parts.scheme in {"ws", "wss"}
        is_5 = address.is_version_5
        super().__init__(
            parts.hostname or "",
            parts.port or PORTS[parts.scheme],
            username=address.username,
            password=address.password,
            identifier=client_id,
            logger=_silent,
            protocol=aiomqtt.ProtocolVersion.V5 if is_5 else aiomqtt.ProtocolVersion.V311,
            will=None if will is None else _will(will, address),
            clean_session=None if is_5 else True,
            clean_start=address.session_expiry_s == 0 if is_5 else MQTT_CLEAN_START_FIRST_ONLY,
            transport="websockets" if is_web else "tcp",
            websocket_path=(parts.path or "/mqtt") + (f"?{parts.query}" if parts.query else "") if is_web else None,
            timeout=address.timeout_s,
            keepalive=address.keep_alive_s,
            max_queued_incoming_messages=INCOMING_MAX,
            properties=_connect_properties(address) if is_5 else None,
            tls_context=(address.ssl_context or ssl.create_default_context()) if is_tls else None,
        )
        self._client.connect_timeout = min(address.timeout_s, 5.0)
        self._address = address
        self._expiring = _expiring(address)
        self._sendings: dict[int, _Sending] = {}

    @property
    def is_connected(self) -> bool:
        """Whether there is somebody to say goodbye to."""
        is_let_in = self._connected.done() and not self._connected.cancelled() and self._connected.exception() is None
        return is_let_in and not self._disconnected.done()

    async def send(self, messages: Sequence[Message], correlation: bytes | None) -> Sequence[Refusal]:
        """Publish all, and wait once. Raises MqttError."""
        sending = _Sending()
        try:
            for message in messages:
                self._send(message, sending, correlation)
            if sending.mids:
                await asyncio.wait(
                    [sending.done, self._disconnected],
                    timeout=self.timeout,
                    return_when=asyncio.FIRST_COMPLETED,
                )
        finally:
            for mid in sending.mids:
                self._sendings.pop(mid, None)
        if sending.mids and not sending.done.done():
            gone = self._disconnected.exception() if self._disconnected.done() else TimeoutError()
            raise aiomqtt.MqttError("Disconnected" if self._disconnected.done() else "Operation timed out") from gone
        return sending.refusals

    def _send(self, message: Message, sending: _Sending, correlation: bytes | None) -> None:
        info = self._client.publish(
            message.topic, message.payload, 1, message.is_retained, self._properties_of(message, correlation)
        )
        if info.rc != MQTT_ERR_SUCCESS:
            raise aiomqtt.MqttError("Disconnected") from (
                self._disconnected.exception() if self._disconnected.done() else None
            )
        sending.mids[info.mid] = message.topic
        self._sendings[info.mid] = sending

    def _properties_of(self, message: Message, correlation: bytes | None) -> Properties | None:
        if not self._address.is_version_5:
            return None
        if correlation is None:
            return self._expiring if message.expires else None
        properties = _expiring(self._address)
        properties.CorrelationData = correlation
        return properties

    def abandon(self) -> None:
        """Close the socket, whatever state it is in: aiomqtt leaves it open, and with its readers it would stay."""
        self._client._reset_sockets()  # noqa: SLF001  -- there is no other way
        if self._misc_task is not None:
            self._misc_task.cancel()
        for future in (self._connected, self._disconnected):
            if future.done() and not future.cancelled():
                future.exception()  # it has been told, or nobody wants to know

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason_code: ReasonCode, properties: Any) -> None:
        super()._on_publish(client, userdata, mid, reason_code, properties)
        sending = self._sendings.pop(mid, None)
        if sending is None:
            return
        topic = sending.mids.pop(mid)
        if reason_code.value >= REFUSED_FROM:
            sending.refusals.append(Refusal(topic, reason_code.value, reason_code.getName()))
        if not sending.mids and not sending.done.done():
            sending.done.set_result(None)

    def _on_disconnect(
        self, client: Any, userdata: Any, flags: Any, reason_code: ReasonCode, properties: Any = None
    ) -> None:
        if not self._connected.done():  # the broker has hung up instead of answering
            self._connected.set_exception(aiomqtt.MqttCodeError(reason_code, "Hung up"))
            return
        super()._on_disconnect(client, userdata, flags, reason_code, properties)


def _will(will: Message, address: Address) -> aiomqtt.Will:
    properties = None
    if address.is_version_5 and address.session_expiry_s:
        properties = Properties(PacketTypes.WILLMESSAGE)  # type: ignore[no-untyped-call]
        properties.WillDelayInterval = address.session_expiry_s
    return aiomqtt.Will(will.topic, will.payload, 1, will.is_retained, properties)


def _expiring(address: Address) -> Properties:
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.MessageExpiryInterval = address.message_expiry_s
    return properties


def _connect_properties(address: Address) -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = address.session_expiry_s
    properties.MaximumPacketSize = PACKET_SIZE_MAX
    properties.ReceiveMaximum = INCOMING_MAX
    return properties


def _received(message: aiomqtt.Message) -> Received:
    asked = message.properties
    return Received(
        message.topic.value,
        message.payload,
        bool(message.retain),
        getattr(asked, "ResponseTopic", None),
        getattr(asked, "CorrelationData", None),
    )
