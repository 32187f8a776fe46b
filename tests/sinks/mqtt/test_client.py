import asyncio

import aiomqtt
import pytest

from weatherd.sinks.mqtt.client import INCOMING_MAX, PACKET_SIZE_MAX, _Inbox


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
