"""What brokers, other clients and people do to a station, and what it says of it."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.end_to_end.stations import eventually
from tests.mqtt.brokers import broker, decoded, listening, needs_mosquitto, publishing, settings_of
from tests.mqtt.proxies import SUBACK, proxy
from tests.mqtt.test_publishing import CONFIG, STATES, now_line
from weatherd import config

pytestmark = needs_mosquitto


async def test_a_full_broker_is_told_and_the_backlog_waits(tmp_path: Path) -> None:
    """Quota exceeded is nothing that a person must mend here: it is tried again until there is room."""
    async with (
        broker(tmp_path) as one,
        proxy(one.port) as between,
        publishing(tmp_path / "a", between.url, "backlog = true") as running,
    ):
        await running.connected()
        await eventually(lambda: running.sink["lag"] == 0 and running.sink["delivered_count"] > 0)
        between.puback_code = 0x97
        await eventually(lambda: running.sink["lag"] >= 2)
        assert running.sink["error"]["code"] == "sink.unreachable"
        assert "quota exceeded" in running.sink["error"]["message"]
        between.puback_code = None
        await eventually(lambda: running.sink["lag"] <= 1 and running.sink["state"] == "answers")


@pytest.mark.parametrize(
    ("code", "words"), [(0x83, "implementation specific error"), (0x8F, "reason 0x8f"), (0xE0, "reason 0xe0")]
)
async def test_a_reason_that_nobody_knows_is_told_by_its_number(tmp_path: Path, code: int, words: str) -> None:
    """One of another packet, or of a later standard, does not end the connection."""
    async with (
        broker(tmp_path) as one,
        proxy(one.port) as between,
        publishing(tmp_path / "a", between.url) as running,
    ):
        await running.connected()
        between.puback_code = code
        await eventually(lambda: running.sink["error"] is not None)
        assert words in running.sink["error"]["message"]
        between.puback_code = None
        await eventually(lambda: running.sink["state"] == "answers" and running.sink["error"] is None)
        assert running.sink["attempts"] == {"connected": 1}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda packet: bytes([SUBACK, packet[1] - 1, *packet[2:-1]]), "answered 4 of 5 subscriptions"),
        (lambda packet: bytes([SUBACK, packet[1] + 1, *packet[2:], 1]), "answered 6 of 5 subscriptions"),
        (lambda packet: packet + b"\x34\x06\x00\x01a\x00\x01\x00", "with QoS 2"),
    ],
)
async def test_a_broker_that_breaks_the_rules_is_left_and_tried_again(
    tmp_path: Path, change: Callable[[bytes], bytes], words: str
) -> None:
    """Codes for other subscriptions than ours, and a message that it would make us keep, end the connection."""
    async with (
        broker(tmp_path) as one,
        proxy(one.port) as between,
    ):
        between.change = lambda packet: change(packet) if packet[0] == SUBACK else packet
        async with publishing(tmp_path / "a", between.url) as running:
            await eventually(lambda: running.sink["error"] is not None and running.sink["attempts"]["connected"] > 1)
            assert words in running.sink["error"]["message"]
            assert running.logged("supervision.loop_failed") == []
            between.change = bytes
            await eventually(lambda: running.sink["state"] == "answers" and running.sink["delivered_count"] > 0)


async def test_a_broker_that_drops_us_again_and_again_is_survived(tmp_path: Path) -> None:
    """Each time the station is back, and shows what is fresh; the waits grow, for such a connection is not healthy."""
    async with (
        broker(tmp_path) as one,
        proxy(one.port) as between,
        listening(one.port) as listener,
        publishing(tmp_path / "a", between.url) as running,
    ):
        for count in range(1, 4):
            await eventually(lambda count=count: running.sink["attempts"].get("connected", 0) == count)
            listener.heard.clear()
            await listener.until(STATES[0])
            between.drop()
        await eventually(lambda: running.sink["attempts"]["connected"] == 4)
        listener.heard.clear()
        await listener.until(STATES[0])
        assert len(running.logged("mqtt.lost")) == 3
        assert "closed the connection" in running.logged("mqtt.lost")[0]


async def test_a_broker_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    """A connection that takes everything and answers nothing ends by its deadline, at its start or later."""
    async with broker(tmp_path) as one, proxy(one.port) as between:
        between.is_mute = True
        async with publishing(tmp_path / "a", between.url, change=quick) as running:
            await eventually(lambda: running.sink["state"] == "lost")
            assert "did not answer within 1 s" in running.sink["error"]["message"]
            between.is_mute = False
            await running.connected()
            between.is_mute = True
            await eventually(lambda: running.sink["state"] == "lost")
            assert "did not answer within 1 s" in running.sink["error"]["message"]


async def test_a_broker_that_hangs_up_is_told_at_once(tmp_path: Path) -> None:
    """Nobody waits for the answer of somebody who is gone."""

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, publishing(tmp_path / "a", f"mqtt://127.0.0.1:{port}") as running:
        await eventually(lambda: running.sink["state"] == "lost")
        assert running.sink["error"]["message"] == f"mqtt at mqtt://127.0.0.1:{port} closed the connection"


def quick(text: str) -> str:
    return text.replace("timeout_s = 3.0", "timeout_s = 1.0")


async def test_a_last_will_that_comes_late_is_taken_back(tmp_path: Path) -> None:
    """Whoever says offline while we are there is contradicted at once."""
    async with (
        broker(tmp_path) as one,
        listening(one.port) as listener,
        publishing(tmp_path / "a", one.url) as running,
    ):
        await listener.until(STATES[0])
        await listener.say("weatherd/s/availability", b"offline", retain=True)
        await eventually(lambda: listener.payloads("weatherd/s/availability")[-2:] == [b"offline", b"online"])
        await eventually(lambda: len(running.logged("mqtt.corrected")) == 1)


async def test_two_stations_with_one_id_are_told_apart(tmp_path: Path) -> None:
    """Neither pushes the other out; both say it as an event and in their status, and go on."""
    async with broker(tmp_path) as one, publishing(tmp_path / "a", one.url) as first:
        await first.connected()
        async with publishing(tmp_path / "b", one.url) as second:
            for running, other in ((first, second), (second, first)):
                await eventually(lambda running=running: running.sink["state"] == "lost", 20)
                error = running.sink["error"]
                assert other.daemon.parts.run_id in error["message"]
                assert "station.id" in error["hint"]
                assert len(running.logged("mqtt.twin")) == 1
                assert running.sink["attempts"] == {"connected": 1}


def without_barometer(text: str) -> str:
    start = text.index('[[sensors]]\nname = "barometer"')
    return text[:start] + text[text.index('[[sensors]]\nname = "garden"') :]


async def test_what_is_left_of_a_sensor_that_is_gone_is_removed(tmp_path: Path) -> None:
    """Its entities and its availability, over a restart, by what the broker has retained and nothing else."""
    async with broker(tmp_path) as one:
        async with listening(one.port) as listener, publishing(tmp_path / "a", one.url) as running:
            await listener.until(STATES[0])
            await now_line(running, 10.0)
            await eventually(lambda: b"garden.air_temperature" in (listener.last(CONFIG) or b""))
            await eventually(lambda: b"barometer.air_pressure" in (listener.last(CONFIG) or b""))
        async with (
            listening(one.port) as listener,
            publishing(tmp_path / "b", one.url, change=without_barometer) as running,
        ):
            await eventually(lambda: len(listener.payloads(CONFIG)) >= 4)
            await listener.until("weatherd/s/barometer/availability", b"")
        async with listening(one.port) as late:
            await late.until(CONFIG)
    removing = [decoded(payload)["components"] for payload in listener.payloads(CONFIG)]
    assert {"platform": "sensor"} in [one.get("barometer.air_pressure") for one in removing]
    left = decoded(late.last(CONFIG))["components"]
    assert "garden.air_temperature" in left, "it is configured, though it was not seen since the start"
    assert not any(key.startswith("barometer.") for key in left)
    assert "weatherd/s/barometer/availability" not in {topic for topic, _, _ in late.heard}


async def test_home_assistants_birth_is_answered(tmp_path: Path) -> None:
    """Discovery comes again, then the current values: it has forgotten them."""
    async with (
        broker(tmp_path) as one,
        listening(one.port) as listener,
        publishing(tmp_path / "a", one.url) as running,
    ):
        await listener.until(STATES[0])
        await eventually(lambda: b"barometer.air_pressure" in (listener.last(CONFIG) or b""))
        told = len(listener.payloads(CONFIG))
        await listener.say("homeassistant/status", b"online")
        await eventually(lambda: len(listener.payloads(CONFIG)) > told)
        told = len(listener.payloads("weatherd/s/status"))
        await eventually(lambda: len(listener.payloads("weatherd/s/status")) > told)
        assert running.sink["state"] == "answers"


@pytest.mark.parametrize("more", ["", "home_assistant = false\n"])
async def test_reloading_changes_the_topic_alone(tmp_path: Path, more: str) -> None:
    """Another topic is taken at once, the sensors go on, and nothing is retained under the one of before."""
    settings: list[config.Config] = []
    async with (
        broker(tmp_path) as one,
        listening(one.port) as listener,
        publishing(tmp_path / "a", one.url, more, reread=lambda: settings[0]) as running,
    ):
        await listener.until(STATES[0])
        sampler = running.daemon.parts.samplers[0]
        settings.append(settings_of(tmp_path / "a", one.url, f'{more}topic = "elsewhere/{{station}}"'))
        running.daemon.reload()
        await listener.until("elsewhere/s/barometer/air_pressure")
        assert running.daemon.parts.samplers[0] is sampler
        assert listener.payloads("weatherd/s/availability")[-2:] == [b"offline", b""]
        async with listening(one.port, "weatherd/#") as late:
            await late.say("weatherd/end", b"")
            await late.until("weatherd/end")
        assert [topic for topic, _, _ in late.heard] == ["weatherd/end"]


async def test_reloading_takes_a_sensor_away(tmp_path: Path) -> None:
    """Its entities and its availability go at once, over the same connection."""
    settings: list[config.Config] = []
    async with (
        broker(tmp_path) as one,
        listening(one.port) as listener,
        publishing(tmp_path / "a", one.url, reread=lambda: settings[0]) as running,
    ):
        await listener.until(STATES[0])
        await eventually(lambda: b"barometer.air_pressure" in (listener.last(CONFIG) or b""))
        settings.append(settings_of(tmp_path / "a", one.url, change=without_barometer))
        running.daemon.reload()
        await listener.until("weatherd/s/barometer/availability", b"")
        await eventually(lambda: b"barometer" not in (listener.last(CONFIG) or b""))
        assert running.sink["attempts"] == {"connected": 1}
    components = [decoded(payload)["components"].get("barometer.air_pressure") for payload in listener.payloads(CONFIG)]
    assert {"platform": "sensor"} in components


async def test_reloading_can_take_the_broker_away(tmp_path: Path) -> None:
    """Without the table there is no sink, and the station says goodbye."""
    settings: list[config.Config] = []
    async with (
        broker(tmp_path) as one,
        listening(one.port) as listener,
        publishing(tmp_path / "a", one.url, reread=lambda: settings[0]) as running,
    ):
        await listener.until(STATES[0])
        text = settings_of(tmp_path / "a", one.url)
        settings.append(msgspec.structs.replace(text, sinks=config.Sinks()))
        running.daemon.reload()
        await eventually(lambda: running.daemon.status()["sinks"] == [])
        await eventually(lambda: listener.last("weatherd/s/availability") == b"offline")
