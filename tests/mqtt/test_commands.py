"""What other people ask of a station, and how little it costs when they ask too much."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.end_to_end.stations import eventually
from tests.mqtt.brokers import broker, decoded, listening, needs_mosquitto, publishing
from tests.mqtt.test_publishing import STATES

pytestmark = needs_mosquitto


COMMANDS = "weatherd/s/command"
RESPONSE = "weatherd/s/response"


def asking(correlation: bytes, topic: str) -> Properties:
    properties = Properties(PacketTypes.PUBLISH)
    properties.CorrelationData = correlation
    properties.ResponseTopic = topic
    return properties


async def answers(listener: Any, count: int, topic: str = RESPONSE) -> Sequence[Any]:
    await eventually(lambda: len(listener.payloads(topic)) >= count)
    return [decoded(payload) for payload in listener.payloads(topic)]


async def test_an_observation_is_made_when_it_is_asked_for(tmp_path: Path) -> None:
    """Long before its period is over; the answer has the correlation data of the request, and goes where it said."""

    def slow(text: str) -> str:
        return text.replace("report_period_s = 1.0", "report_period_s = 3600.0")

    async with (
        broker(tmp_path) as one,
        listening(one.port) as listener,
        publishing(tmp_path / "a", one.url, "commands = true", change=slow) as running,
    ):
        await eventually(lambda: listener.last("weatherd/s/barometer/availability") == b"online")
        request = b'{"command": "report", "sensor": "barometer"}'
        await listener.say(COMMANDS, request, properties=asking(b"\x00\x01", f"{RESPONSE}/me"))
        (answer,) = await answers(listener, 1, f"{RESPONSE}/me")
        await listener.until(STATES[0])
        message = next(one for one in listener.messages if one.topic.value == f"{RESPONSE}/me")
        assert len(running.logged("mqtt.commanded")) == 1
    assert answer == {"command": "report", "ok": True, "count": 1}
    assert message.properties is not None
    assert message.properties.CorrelationData == b"\x00\x01"


async def test_requeue_answers_how_many_there_were(tmp_path: Path) -> None:
    """None are in quarantine here; an answer for elsewhere than our response topic stays on it."""
    async with (
        broker(tmp_path) as one,
        listening(one.port) as listener,
        publishing(tmp_path / "a", one.url, "commands = true") as running,
    ):
        await listener.until("weatherd/s/availability", b"online")
        await running.connected()
        await listener.say(COMMANDS, b"requeue", properties=asking(b"x", "homeassistant/status"))
        assert await answers(listener, 1) == [{"command": "requeue", "ok": True, "count": 0}]
    assert listener.payloads("homeassistant/status") == []


async def test_what_is_no_command_is_answered_by_why(tmp_path: Path) -> None:
    """Whatever it is: it does no harm, and the next one is followed."""
    bad = [b"", b"\xff\xfe", b"[" * 4000, b'{"command": "halt"}', b'{"command": "report", "sensor": "roof"}']
    async with (
        broker(tmp_path) as one,
        listening(one.port) as listener,
        publishing(tmp_path / "a", one.url, "commands = true") as running,
    ):
        await listener.until("weatherd/s/availability", b"online")
        for payload in bad:
            await listener.say(COMMANDS, payload)
        refused = await answers(listener, len(bad))
        assert all(not answer["ok"] and answer["error"] for answer in refused)
        # The burst is used up by now; one more is let through each second.
        await eventually(lambda: _asked(listener))
        assert len(running.logged("mqtt.command_refused")) >= len(bad)


async def _asked(listener: Any) -> bool:
    await listener.say(COMMANDS, b"report")
    return any(decoded(payload)["ok"] for payload in listener.payloads(RESPONSE))


async def test_a_command_of_a_megabyte_does_no_harm(tmp_path: Path) -> None:
    """It is refused by its size, and the next one is followed."""
    async with broker(tmp_path) as one, listening(one.port) as listener:
        for protocol in ("5", "3.1.1"):
            more = f'commands = true\nprotocol = "{protocol}"'
            async with publishing(tmp_path / protocol, one.url, more) as running:
                await listener.until("weatherd/s/availability", b"online")
                await running.connected()
                listener.heard.clear()
                await listener.say(COMMANDS, b"x" * 1_000_000)
                await listener.say(COMMANDS, b"report")
                found = await answers(listener, 2)
                assert [answer["ok"] for answer in found] == [False, True]
                assert "1,000,000 bytes are more than 4,096" in found[0]["error"]
                assert running.sink["attempts"] == {"connected": 1}


async def test_commands_are_off_by_default(tmp_path: Path) -> None:
    """Nobody listens there then."""
    async with (
        broker(tmp_path) as one,
        listening(one.port) as listener,
        publishing(tmp_path / "a", one.url) as running,
    ):
        await listener.until(STATES[0])
        await listener.say(COMMANDS, b"report")
        await listener.say("weatherd/s/availability", b"offline", retain=True)
        await eventually(lambda: len(running.logged("mqtt.corrected")) == 1)
    assert listener.payloads(RESPONSE) == []


async def test_a_flood_of_commands_is_let_through_in_drops(tmp_path: Path) -> None:
    """A few at once, then one a second; the values go on meanwhile."""
    async with (
        broker(tmp_path) as one,
        listening(one.port) as listener,
        publishing(tmp_path / "a", one.url, "commands = true") as running,
    ):
        await listener.until(STATES[0])
        for _ in range(100):
            await listener.say(COMMANDS, b"report")
        shown = len(listener.payloads(STATES[0]))
        await eventually(lambda: len(listener.payloads(STATES[0])) > shown)
        assert len(listener.payloads(RESPONSE)) < 10
        assert any("too many" in line for line in running.logged("mqtt.command_refused"))


async def test_a_retained_command_is_not_followed(tmp_path: Path) -> None:
    """Nobody knows when it was meant, and it would come again at each start."""
    async with broker(tmp_path) as one, listening(one.port) as listener:
        await listener.say(COMMANDS, b"report", retain=True)
        async with publishing(tmp_path / "a", one.url, "commands = true") as running:
            await eventually(lambda: len(running.logged("mqtt.command_refused")) == 1)
            await listener.say(COMMANDS, b"requeue")
            assert await answers(listener, 1) == [{"command": "requeue", "ok": True, "count": 0}]
