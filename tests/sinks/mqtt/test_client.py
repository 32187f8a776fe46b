import asyncio
import socket
from collections.abc import Iterator

import aiomqtt
import pytest

from weatherd.sinks.mqtt.address import Address
from weatherd.sinks.mqtt.client import (
    CONTROL_SIZE_MAX,
    FRAME_SIZE_MAX,
    INCOMING_MAX,
    JOINED_SIZE_MAX,
    PACKET_SIZE_MAX,
    READ_MAX,
    READ_SIZE_MAX,
    UNSENT_MAX,
    Client,
    _Inbox,
)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two sockets that keep what is sent in one go apart from what is sent in the next."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        yield ours, theirs


def message(size: int) -> aiomqtt.Message:
    return aiomqtt.Message("a", b"x" * size, 1, retain=False, mid=1, properties=None)


@pytest.mark.parametrize(("size", "count"), [(1, INCOMING_MAX), (PACKET_SIZE_MAX // 2, 3), (4 * PACKET_SIZE_MAX, 1)])
async def test_what_nobody_has_read_yet_takes_so_many_bytes_and_no_more(size: int, count: int) -> None:
    """Many small ones find room, few large ones; and there is room again when they are read."""
    inbox = _Inbox(INCOMING_MAX)
    for _ in range(2):
        for _ in range(count):
            inbox.put_nowait(message(size))
        with pytest.raises(asyncio.QueueFull):
            inbox.put_nowait(message(size))
        for _ in range(count):
            inbox.get_nowait()


async def test_messages_that_wait_together_go_out_in_one_piece(pair: tuple[socket.socket, socket.socket]) -> None:
    """In their order, and each whole."""
    ours, theirs = pair
    client = _over(ours)
    for number in range(5):
        client._client.publish("a", f"number {number}", 1)
    sent = await _received(theirs)
    assert [sent.find(f"number {number}".encode()) for number in range(5)] == [8 + 16 * number for number in range(5)]
    assert len(sent) == 5 * 16


async def test_what_is_sent_in_one_piece_has_a_limit(pair: tuple[socket.socket, socket.socket]) -> None:
    """A message that is larger than it goes alone, and none is lost."""
    ours, theirs = pair
    client = _over(ours)
    sizes = [JOINED_SIZE_MAX // 2, JOINED_SIZE_MAX // 3, JOINED_SIZE_MAX // 3, 2 * JOINED_SIZE_MAX, 1]
    for size in sizes:
        client._client.publish("a", b"x" * size, 1)
    pieces = [await _received(theirs) for _ in range(4)]
    assert [piece.count(b"x") for piece in pieces] == [sizes[0] + sizes[1], *sizes[2:]]


async def test_what_is_no_message_keeps_its_place(pair: tuple[socket.socket, socket.socket]) -> None:
    """A subscription between two messages is sent between them, alone."""
    ours, theirs = pair
    client = _over(ours)
    client._client.publish("a", b"before", 1)
    client._client.subscribe("asked")
    client._client.publish("a", b"behind", 1)
    pieces = [await _received(theirs) for _ in range(3)]
    assert [piece[-6:] for piece in pieces] == [b"before", b"asked\x00", b"behind"]


class Held:
    """
    A socket that holds back what the kernel knows nothing of any more, as TLS does.

    Attributes:
        data: What is not read yet.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data

    def recv(self, size: int) -> bytes:
        if not self.data:
            raise BlockingIOError
        read, self.data = self.data[:size], self.data[size:]
        return read

    def send(self, _: bytes) -> int:
        raise BlockingIOError

    def pending(self) -> int:
        return len(self.data)

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        self.data = b""


def holding(data: bytes) -> Client:
    """Return a client to which a broker has said some bytes, whatever it has said itself."""
    client = Client(Address("mqtt://127.0.0.1"), "weatherd-s-1", None)
    client._client._sock = Held(data)  # type: ignore[assignment]
    return client


def published(properties: bytes = b"", qos: int = 0) -> bytes:
    """Return a PUBLISH of MQTT 5 on the topic a."""
    body = b"\x00\x01a" + (b"\x00\x07" if qos else b"") + bytes([len(properties)]) + properties
    return bytes([0x30 | qos << 1, len(body)]) + body


async def test_a_flood_leaves_others_their_turn() -> None:
    """Only so much is read at once, also of what TLS holds back; and all of it in the end."""
    client = holding(published() * 5 * READ_MAX)
    client._read()
    assert client._queue.qsize() == READ_MAX
    client._read()  # for the loop has seen something
    assert client._queue.qsize() == 2 * READ_MAX
    await asyncio.sleep(0)
    assert client._queue.qsize() == 3 * READ_MAX
    for _ in range(2):
        await asyncio.sleep(0)
    assert client._queue.qsize() == 5 * READ_MAX


async def test_a_large_message_leaves_others_their_turn() -> None:
    """It arrives whole, after several of ours."""
    body = b"\x00\x01a\x00" + b"x" * 4 * READ_SIZE_MAX
    client = holding(b"\x30" + bytes([len(body) & 0x7F | 0x80, len(body) >> 7 & 0x7F | 0x80, len(body) >> 14]) + body)
    client._read()
    assert len(client._client._sock.data) > 3 * READ_SIZE_MAX  # type: ignore[union-attr]
    for _ in range(4):
        assert client._queue.empty()
        await asyncio.sleep(0)
    assert len(client._queue.get_nowait().payload) == 4 * READ_SIZE_MAX


async def test_what_a_publisher_adds_to_a_message_is_not_taken_apart() -> None:
    """Paho takes a square of time for it: a message of 4 MB would hold up the station for half an hour."""
    client = holding(published(b"\x26\x00\x01a\x00\x01b" + b"\x09\x00\x01c"))
    client._read()
    properties = client._queue.get_nowait().properties
    assert properties is not None
    assert properties.CorrelationData == b"c"
    assert not hasattr(properties, "UserProperty")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x20\xff\xff\xff\x7f", "in one packet"),
        (b"\x20" + bytes([CONTROL_SIZE_MAX % 128 + 1 | 0x80, CONTROL_SIZE_MAX // 128]), "in one packet"),
        (b"\x30\x03\x00\x01\xff", "properties that are none"),
        (b"\x30\x04\x00\x01\xff\x00", "utf-8"),
        (b"\x30\x04\x00\x01#\x00", "Invalid topic"),
        (published(qos=1) * (UNSENT_MAX + READ_MAX + 1), "does not read"),
    ],
    ids=["large", "control", "short", "encoding", "wildcard", "unread"],
)
async def test_a_broker_that_cannot_be_read_is_left_at_once(data: bytes, words: str) -> None:
    """Though it has not let us in yet: what cannot be read would be tried again and again, until the time is over."""
    client = holding(data)
    for _ in range(UNSENT_MAX):
        if client._connected.done():
            break
        client._read()
    with pytest.raises(aiomqtt.MqttError, match=words):
        client._connected.result()
    assert not client._disconnected.done()
    assert len(client._client._out_packet) <= UNSENT_MAX + 1
    client._client._sock = None


async def test_a_frame_of_a_websocket_has_an_end() -> None:
    """It is kept until there; one that has none would fill the memory."""
    client = holding(published())
    client._client._sock._readbuffer = bytearray(FRAME_SIZE_MAX + 1)  # type: ignore[union-attr]
    client._read()
    with pytest.raises(aiomqtt.MqttError, match="frames without an end"):
        client._connected.result()


async def test_a_second_word_of_welcome_changes_nothing() -> None:
    """A broker may say its limits once."""
    welcome = b"\x20\x03\x00\x00\x00"
    smaller = b"\x20\x0b\x00\x00\x08\x21\x00\x01\x27\x00\x00\x00\x01"
    client = holding(welcome + smaller)
    client._read()
    assert client._connected.result() is None
    assert client._packet_size_max == PACKET_SIZE_MAX


def _over(ours: socket.socket) -> Client:
    client = Client(Address("mqtt://127.0.0.1"), "weatherd-s-1", None)
    client._client._sock = ours  # type: ignore[assignment]
    return client


async def _received(theirs: socket.socket) -> bytes:
    return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(theirs, 4 * JOINED_SIZE_MAX), 10)
