"""
One connection to the broker, in words of ours: errors with a hint, and the messages that concern us.

aiomqtt cannot be cancelled while it connects; what such a connection brings about is closed again here.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

import aiomqtt
from paho.mqtt.reasoncodes import ReasonCode

from weatherd.errors import SinkError, Unreachable
from weatherd.sinks.mqtt.address import Address
from weatherd.sinks.mqtt.answers import LOOK_AT_SCHEME, REFUSED_FROM, Refusal, refused_connection, silence
from weatherd.sinks.mqtt.client import Client
from weatherd.sinks.mqtt.messages import Message

STEPS_MAX = 4
"""Of a connection that is made: TCP, TLS, websocket, MQTT."""

BYE_S = 2.0
"""For a last word, and the broker's end of the connection."""


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
        self._client = Client(address, client_id, will)
        self.shown = address.shown

    async def open(self) -> None:
        """
        Connect.

        Raises:
            Unreachable: If there is no answer, or one that says "later".
            Unwelcome: If the broker wants other settings.
        """
        entering = asyncio.ensure_future(self._client.__aenter__())
        # Each step has its limit, but for the greeting of a websocket: there paho waits anew for each byte.
        limit = asyncio.get_running_loop().call_later(STEPS_MAX * self._address.timeout_s, self._client.interrupt)
        try:
            await asyncio.shield(entering)
        except asyncio.CancelledError:
            # A thread of aiomqtt's is connecting, and cannot be cancelled: what it brings about is closed again.
            _abandoned.add(entering)
            entering.add_done_callback(_abandoned.discard)
            entering.add_done_callback(lambda done: None if done.cancelled() else self._client.abandon())
            self._client.interrupt()
            raise
        except aiomqtt.MqttError as error:
            self._client.abandon()
            raise self._explained(error) from None  # with the password in its frames
        finally:
            limit.cancel()

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
        if len(codes) != len(topics):
            sentence = f"{self.shown} answered {len(codes)} of {len(topics)} subscriptions"
            raise Unreachable(sentence, "look into the broker's log, and for another one")
        return [topic for topic, code in zip(topics, codes, strict=True) if _code_of(code) >= REFUSED_FROM]

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
            told = error.__cause__ if isinstance(error.__cause__, aiomqtt.MqttError) else error
            return Unreachable(f"{shown} closed the connection: {told}", LOOK_AT_SCHEME)
        return silence(shown, network, self._address.timeout_s)


_abandoned: set[asyncio.Future[Any]] = set()
"""Connections that are being made, and that nobody wants any more."""


def _code_of(code: ReasonCode | int) -> int:
    return code.value if isinstance(code, ReasonCode) else code


def _received(message: aiomqtt.Message) -> Received:
    asked = message.properties
    return Received(
        message.topic.value,
        message.payload,
        bool(message.retain),
        getattr(asked, "ResponseTopic", None),
        getattr(asked, "CorrelationData", None),
    )
