"""
aiomqtt's client, and what it leaves to us.

aiomqtt does not tell why the broker did not take a message, waits for a broker that has already hung up, sends what the
broker has said it will not take, and keeps nobody from filling its inbox. `Client` adds these; so it knows aiomqtt from
the inside, and setup.cfg names its version.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Sequence
from typing import Any, Self
from urllib.parse import urlsplit

import aiomqtt
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY, MQTT_ERR_AGAIN, MQTT_ERR_SUCCESS, PUBLISH
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from weatherd.sinks.mqtt.address import Address
from weatherd.sinks.mqtt.answers import PACKET_TOO_LARGE, REFUSED_FROM, Refusal
from weatherd.sinks.mqtt.frames import framed
from weatherd.sinks.mqtt.messages import Message
from weatherd.sinks.mqtt.packets import without_ballast

PORTS = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}
"""Those that a scheme has where the url names none (IANA)."""

PACKET_SIZE_MAX = 4 * 1024 * 1024
"""
Bytes of a packet, either way: our discovery has to come back to us, with 800 bytes for each of the 23 quantities of 200
sensors. A broker with MQTT 5 is told; one with 3.1.1 may send 256 MB, and more than this is not read.
"""

FRAME_SIZE_MAX = 2 * PACKET_SIZE_MAX
"""Bytes of a frame of a websocket, which may hold several packets."""

CONTROL_SIZE_MAX = 4096
"""Bytes of a packet that is no message; paho takes a square of time for the properties in it."""

READ_MAX = 10
"""Packets that are read before others on the loop have their turn: a millisecond here, ten on a small Pi."""

READ_SIZE_MAX = 256 * 1024
"""Bytes that are read likewise."""

UNSENT_MAX = 1000
"""Packets that wait for a broker to read them, while it wants more answers."""

INCOMING_MAX = 1000
"""Messages that wait until we have read them, with as many bytes as one packet may have; more are dropped."""

INCOMING_AT_ONCE_MAX = 16
"""Messages that a broker with MQTT 5 may send us before we have acknowledged one."""

UNANSWERED_MAX = 20
"""Messages of ours on their way at once: paho's own limit; a broker with MQTT 5 may set a lower one."""

ID_SIZE = 2
"""Bytes of a packet identifier, at the beginning of a PUBACK (MQTT 5, section 3.4.2)."""

HEADER_SIZE_MAX = 32
"""Bytes of a packet beside topic, content and correlation data (MQTT 5, section 3.3)."""

JOINED_SIZE_MAX = 16 * 1024
"""Bytes of messages that are sent in one go: a record of TLS holds so many (RFC 8446, section 5.1)."""

PUBLISH_MASK, PUBLISH_2 = 0xF6, 0x34
"""The first byte of a packet without DUP and RETAIN; that of a PUBLISH with QoS 2 (MQTT 5, section 3.3.1)."""

QOS_MASK = 0x06
"""Of the first byte of a PUBLISH."""

_silent = logging.getLogger("weatherd.sinks.mqtt")
_silent.setLevel(logging.CRITICAL)  # what paho logs of a broken connection is told by our errors, once


class _Sending:
    """Messages on their way; done when the broker has answered to all."""

    __slots__ = ("done", "mids", "refusals")

    def __init__(self) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.mids: dict[int, str] = {}
        self.refusals: list[Refusal] = []


class _Inbox(asyncio.Queue[aiomqtt.Message]):
    """Messages that nobody has read yet: so many, and so many bytes; aiomqtt drops what finds no room."""

    def _init(self, maxsize: int) -> None:
        super()._init(maxsize)
        self._size = 0

    def _put(self, item: aiomqtt.Message) -> None:
        self._size += len(item.payload)
        super()._put(item)

    def _get(self) -> aiomqtt.Message:
        item: aiomqtt.Message = super()._get()
        self._size -= len(item.payload)
        return item

    def full(self) -> bool:
        """Tell whether there is no room."""
        return super().full() or self._size > PACKET_SIZE_MAX


class Client(aiomqtt.Client):
    """
    Connect, publish and listen.

    Args:
        address: Where to.
        client_id: No other client may have it.
        will: What the broker says for us when we are gone without a word.
    """

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
            queue_type=_Inbox,
            max_queued_incoming_messages=INCOMING_MAX,
            properties=_connect_properties(address) if is_5 else None,
            tls_context=(address.ssl_context or ssl.create_default_context()) if is_tls else None,
        )
        self._client.connect_timeout = min(address.timeout_s, 5.0)
        self._address = address
        self._expiring = _Packed(_expiring(address))
        self._sendings: dict[int, _Sending] = {}
        self._room = READ_SIZE_MAX
        self._reading_on: asyncio.Handle | None = None
        self._sock: socket.socket | None = None
        self._paho_create = self._client._create_socket_connection  # noqa: SLF001
        self._client._create_socket_connection = self._create  # type: ignore[method-assign]  # noqa: SLF001
        self._client._ssl_wrap_socket = self._begin_tls  # type: ignore[method-assign,assignment]  # noqa: SLF001
        self._paho_receive = self._client._sock_recv  # noqa: SLF001
        self._client._sock_recv = self._receive  # type: ignore[method-assign,assignment]  # noqa: SLF001
        self._paho_transmit = self._client._sock_send  # noqa: SLF001
        self._client._sock_send = self._transmit  # type: ignore[method-assign,assignment]  # noqa: SLF001
        self._paho_take = self._client._handle_publish  # noqa: SLF001
        self._client._handle_publish = self._take  # type: ignore[method-assign]  # noqa: SLF001
        self._paho_acknowledge = self._client._handle_pubackcomp  # noqa: SLF001
        self._client._handle_pubackcomp = self._acknowledge  # type: ignore[method-assign,assignment]  # noqa: SLF001
        self._packet_size_max = PACKET_SIZE_MAX

    @property
    def is_connected(self) -> bool:
        """Whether there is somebody to say goodbye to."""
        is_let_in = self._connected.done() and not self._connected.cancelled() and self._connected.exception() is None
        return is_let_in and not self._disconnected.done()

    async def __aenter__(self) -> Self:
        """Connect; a broker may end the connection in one breath with letting us in, and aiomqtt forgets it."""
        ended = self._disconnected
        await super().__aenter__()
        if ended.done():
            ended.result()
            raise aiomqtt.MqttError("Disconnected")
        return self

    async def send(self, messages: Sequence[Message], correlation: bytes | None) -> Sequence[Refusal]:
        """
        Publish all, and wait until each is answered, for as long as answers come: a slow broker is not a dead one.

        It answers in the order in which messages were sent (MQTT 5, section 4.6); so one that answers others, but not
        the oldest, will not answer it any more.

        Raises MqttError.
        """
        sending = _Sending()
        try:
            for message in messages:
                self._send(message, sending, correlation)
            oldest = None
            while sending.mids and not self._disconnected.done() and oldest != (oldest := self._oldest()):
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

    def _oldest(self) -> int | None:
        """Return the identifier of the oldest message that is not answered yet."""
        return next(iter(self._client._out_messages), None)  # noqa: SLF001

    def _send(self, message: Message, sending: _Sending, correlation: bytes | None) -> None:
        size = len(message.topic.encode()) + len(message.payload) + len(correlation or b"") + HEADER_SIZE_MAX
        if size > self._packet_size_max:  # it would end the connection
            sending.refusals.append(Refusal(message.topic, PACKET_TOO_LARGE, "Packet too large"))
            return
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

    def interrupt(self) -> None:
        """Have whoever reads or writes find the connection ended, be it a thread of aiomqtt's that is connecting."""
        if self._sock is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._sock, socket.SHUT_RDWR)  # that of TLS would change what the thread uses

    def abandon(self) -> None:
        """Close the socket, whatever state it is in: aiomqtt leaves it open, and with its readers it would stay."""
        self._client._reset_sockets()  # noqa: SLF001  -- there is no other way
        if self._sock is not None:
            self._sock.close()
        if self._misc_task is not None:
            self._misc_task.cancel()
        for future in (self._connected, self._disconnected):
            if future.done() and not future.cancelled():
                future.exception()  # it has been told, or nobody wants to know

    def _on_connect(
        self, client: Any, userdata: Any, flags: Any, reason_code: ReasonCode, properties: Properties | None = None
    ) -> None:
        if self._connected.done():  # it may say this once
            return
        self._packet_size_max = min(PACKET_SIZE_MAX, getattr(properties, "MaximumPacketSize", PACKET_SIZE_MAX))
        # paho does not look at it, and its setter wants to be called before there is a connection.
        self._client._max_inflight_messages = min(  # noqa: SLF001
            self._client.max_inflight_messages, getattr(properties, "ReceiveMaximum", UNANSWERED_MAX)
        )
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _begin_tls(self, sock: Any) -> ssl.SSLSocket:
        """Begin TLS; paho leaves a socket open over which it does not come about, one each attempt."""
        assert self._client._ssl_context is not None  # noqa: SLF001
        wrapped = self._client._ssl_context.wrap_socket(  # noqa: SLF001
            sock, server_hostname=self._hostname, do_handshake_on_connect=False
        )
        try:
            wrapped.settimeout(self._client.connect_timeout)
            wrapped.do_handshake()
        except OSError:
            wrapped.close()
            raise
        self._sock = wrapped
        return wrapped

    def _create(self) -> socket.socket:
        self._sock = self._paho_create()
        return self._sock

    def _receive(self, size: int) -> bytes:
        """
        Receive some of a packet, unless it would cost more memory than it may.

        Paho asks for all that is left of a packet, and would keep all of it; and each message with QoS 2, which nobody
        has asked for, it keeps until it hears more of it.
        """
        command = self._client._in_packet["command"]  # noqa: SLF001
        if len(getattr(self._client._sock, "_readbuffer", b"")) > FRAME_SIZE_MAX:  # noqa: SLF001  -- kept to its end
            raise aiomqtt.MqttError("it sends frames without an end")
        if size > (PACKET_SIZE_MAX if command & 0xF0 == PUBLISH else CONTROL_SIZE_MAX):
            raise aiomqtt.MqttError(f"it sends {size:,} bytes in one packet")
        if command & PUBLISH_MASK == PUBLISH_2:
            raise aiomqtt.MqttError("it sends with QoS 2 what was asked for with QoS 1")
        if not self._room:
            raise BlockingIOError
        received = self._paho_receive(min(size, self._room))
        self._room -= len(received)
        return received

    def _transmit(self, data: bytes | bytearray) -> int:
        """
        Send some of a packet.

        A websocket that took a frame in part says 0, and takes no notice of what it is given until it has sent the
        rest; paho would throw the packet away, and count the rest as the next packet's.
        """
        size = self._paho_transmit(data)
        if data and not size:
            raise BlockingIOError
        return size

    def _take(self) -> Any:
        """Take a message in the place of paho, and hand it on without what it must not see."""
        packet = self._client._in_packet  # noqa: SLF001
        if self._address.is_version_5:
            try:
                id_size = ID_SIZE if packet["command"] & QOS_MASK else 0
                packet["packet"] = bytearray(without_ballast(packet["packet"], id_size))
            except ValueError as error:
                raise aiomqtt.MqttError(f"it sends {error}") from None
        return self._paho_take()

    def _acknowledge(self, command: Any) -> Any:
        """
        Take a PUBACK in the place of paho.

        Paho makes five objects with their tables out of each, which was a fifth of the time that a message took; and it
        ends the connection over a reason that it does not know. Mosquitto says 0x95, packet too large, which is in
        paho's table for other packets alone: so the station would connect, say too much and be thrown out by its own
        library, for ever.
        """
        packet = self._client._in_packet["packet"]  # noqa: SLF001
        if command != "PUBACK" or len(packet) < ID_SIZE:
            return self._paho_acknowledge(command)
        mid = int.from_bytes(packet[:ID_SIZE], "big")
        if mid not in self._client._out_messages:  # noqa: SLF001  -- answered before
            return MQTT_ERR_SUCCESS
        self._answered(mid, packet[ID_SIZE] if len(packet) > ID_SIZE else 0)
        return self._client._do_on_publish(mid, _TAKEN, _NOTHING)  # noqa: SLF001

    def _answered(self, mid: int, code: int) -> None:
        sending = self._sendings.pop(mid, None)
        if sending is None:
            return
        topic = sending.mids.pop(mid)
        if code >= REFUSED_FROM:
            sending.refusals.append(Refusal(topic, code, _named(code)))
        if not sending.mids and not sending.done.done():
            sending.done.set_result(None)

    def _on_socket_open(self, _: Any, __: Any, sock: Any) -> None:
        if hasattr(sock, "_create_frame"):
            sock._create_frame = framed  # noqa: SLF001

        def watch() -> None:
            if sock.fileno() >= 0:
                self._loop.add_reader(sock.fileno(), self._read)
                self._misc_task = self._loop.create_task(self._misc_loop())

        self._loop.call_soon_threadsafe(watch)

    def _read(self) -> None:
        """
        Read some packets.

        aiomqtt reads on while TLS holds something back, which it always does while more arrives than we can read.
        """
        client = self._client
        if self._reading_on is not None:  # the loop has called us, too
            self._reading_on.cancel()
        self._room = READ_SIZE_MAX
        try:
            for _ in range(READ_MAX):
                if client._sock is None:  # noqa: SLF001
                    return
                if len(client._out_packet) > UNSENT_MAX:  # noqa: SLF001
                    raise aiomqtt.MqttError("it does not read what it is answered")
                result = client._packet_read()  # noqa: SLF001
                if result not in {MQTT_ERR_SUCCESS, MQTT_ERR_AGAIN}:
                    client._loop_rc_handle(result)  # noqa: SLF001
                    return
                if result == MQTT_ERR_AGAIN:
                    break
            if getattr(client._sock, "pending", int)():  # noqa: SLF001  -- the loop does not see it
                self._reading_on = self._loop.call_soon(self._read)
        except Exception as error:  # noqa: BLE001  -- paho lets through what the network and TLS throw at it
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """End the connection; one that is not made yet, at once: what cannot be read would be read again and again."""
        if not self._connected.done():
            self._connected.set_exception(_worded(error))
        elif not self._disconnected.done():
            self._disconnected.set_exception(error if isinstance(error, OSError) else _worded(error))

    def _on_socket_register_write(self, _: Any, __: Any, sock: Any) -> None:
        """Watch a socket only if it is still open when the loop comes to it: else its number may be another's."""

        def watch() -> None:
            if sock.fileno() >= 0:
                self._loop.add_writer(sock.fileno(), self._write)

        self._loop.call_soon_threadsafe(watch)

    def _write(self) -> None:
        self._join()
        try:
            self._client.loop_write()
        except Exception as error:  # noqa: BLE001  -- paho lets through what the network and TLS throw at it
            self._fail(error)

    def _join(self) -> None:
        """Make one of the messages that wait: alone, each is a call of the kernel, a segment and a record of TLS."""
        waiting = self._client._out_packet  # noqa: SLF001
        while len(waiting) > 1 and _are_published(waiting[0], waiting[1]):
            first, second = waiting.popleft(), waiting.popleft()
            first["packet"] += second["packet"]
            first["to_process"] += second["to_process"]
            waiting.appendleft(first)

    def _on_disconnect(
        self, client: Any, userdata: Any, flags: Any, reason_code: ReasonCode, properties: Any = None
    ) -> None:
        if not self._connected.done():  # the broker has hung up instead of answering
            self._connected.set_exception(aiomqtt.MqttCodeError(reason_code, "Hung up"))
            return
        super()._on_disconnect(client, userdata, flags, reason_code, properties)


def _worded(error: Exception) -> aiomqtt.MqttError:
    return error if isinstance(error, aiomqtt.MqttError) else aiomqtt.MqttError(str(error))


def _are_published(*packets: Any) -> bool:
    size = sum(len(packet["packet"]) for packet in packets)
    return size <= JOINED_SIZE_MAX and all(packet["command"] & 0xF0 == PUBLISH for packet in packets)


_TAKEN = ReasonCode(PacketTypes.PUBACK)
_NOTHING = Properties(PacketTypes.PUBACK)  # type: ignore[no-untyped-call]


class _Packed(Properties):
    """Properties whose bytes are made once: they are the same in each message."""

    def __init__(self, properties: Properties) -> None:
        super().__init__(properties.packetType)  # type: ignore[no-untyped-call]
        self.__dict__["packed"] = properties.pack()  # type: ignore[no-untyped-call]  # it takes no name of ours

    def pack(self) -> Any:
        return self.__dict__["packed"]


def _named(code: int) -> str:
    try:
        return ReasonCode(PacketTypes.PUBACK, identifier=code).getName()
    except (KeyError, ValueError):
        return f"reason 0x{code:02X}"


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
    properties.ReceiveMaximum = INCOMING_AT_ONCE_MAX
    return properties
