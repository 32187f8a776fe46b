import asyncio
import socket
from collections.abc import Iterator

import aiomqtt
import pytest

from weatherd.sinks.mqtt.address import Address
from weatherd.sinks.mqtt.client import INCOMING_MAX, JOINED_SIZE_MAX, PACKET_SIZE_MAX, Client, _Inbox


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


def _over(ours: socket.socket) -> Client:
    client = Client(Address("mqtt://127.0.0.1"), "weatherd-s-1", None)
    client._client._sock = ours  # type: ignore[assignment]
    return client


async def _received(theirs: socket.socket) -> bytes:
    return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(theirs, 4 * JOINED_SIZE_MAX), 10)
