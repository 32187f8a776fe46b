"""Connections to a broker that keeps to the rules badly, or to a websocket that does not take all at once."""

import asyncio
from collections import Counter
from pathlib import Path

import aiomqtt
import pytest

from tests.mqtt.brokers import broker, listening, needs_mosquitto
from tests.mqtt.proxies import PUBACK, proxy, websocket
from weatherd.sinks.mqtt.address import Address
from weatherd.sinks.mqtt.client import Client
from weatherd.sinks.mqtt.messages import Message

pytestmark = needs_mosquitto


@pytest.mark.parametrize("is_version_5", [True, False])
async def test_what_a_websocket_takes_in_parts_arrives_whole(tmp_path: Path, *, is_version_5: bool) -> None:
    """Each message once, though none of the large ones finds room at once; small ones between them, too."""
    sizes = [3_000_000, 1, 3_000_001, 30] * 2
    async with broker(tmp_path) as one, websocket(one.port) as url, listening(one.port) as listener:
        async with Client(Address(url, is_version_5=is_version_5), "c", None) as client:
            assert await client.send([Message("t", b"x" * size) for size in sizes], None) == []
        await listener.say("end", b"")
        await listener.until("end")
        assert [len(payload) for payload in listener.payloads("t")] == sizes


async def test_a_message_that_is_never_answered_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    """Though others are: a broker answers in order, so this one is lost (MQTT 5, section 4.6)."""
    answers: Counter[bytes] = Counter()

    def swallow(packet: bytes) -> bytes:
        answers[packet[:1]] += 1
        return b"" if packet[0] == PUBACK and answers[packet[:1]] == 1 else packet

    async def go_on(client: Client) -> None:
        while True:
            await client.send([Message("others", b"x")], None)
            await asyncio.sleep(0.05)

    async with broker(tmp_path) as one, proxy(one.port) as between:
        between.change = swallow
        async with Client(Address(between.url, timeout_s=1.0), "c", None) as client:
            lost = asyncio.create_task(client.send([Message("lost", b"x")], None))
            await asyncio.sleep(0)
            others = asyncio.create_task(go_on(client))
            async with asyncio.timeout(20):
                with pytest.raises(aiomqtt.MqttError, match="timed out"):
                    await lost
            assert answers[bytes([PUBACK])] > 1
            others.cancel()
            await asyncio.gather(others, return_exceptions=True)
