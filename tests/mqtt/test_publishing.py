"""What a station shows at a real broker, and that nothing stale is ever among it."""

from pathlib import Path
from typing import Any

import msgspec

from tests.end_to_end.stations import eventually, station
from tests.mqtt.brokers import Broker, Station, broker, decoded, listening, needs_mosquitto, publishing
from tests.mqtt.proxies import proxy, websocket
from tests.panel.stations import write_lines
from weatherd.processing.documents import iso_8601
from weatherd.testing.logstash import LogstashStandIn

pytestmark = needs_mosquitto

CONFIG = "homeassistant/device/weatherd-s/config"
STATES = ("weatherd/s/barometer/air_pressure", "weatherd/s/barometer/air_temperature")


async def now_line(running: Station, value: float) -> dict[str, Any]:
    """Let the garden observe a value now."""
    line = {"time": iso_8601(running.daemon.parts.clock.now_ms()), "t": value}
    await write_lines(running.folder, line)
    return line


async def test_the_whole_station_is_there(tmp_path: Path) -> None:
    """Each entity of the discovery has a state, attributes, and an availability that is online."""
    async with broker(tmp_path) as one, listening(one.port) as listener:
        async with publishing(tmp_path / "a", one.url) as running:
            await listener.until(STATES[0])
            await now_line(running, 12.5)
            await listener.until("weatherd/s/garden/air_temperature", b"12.50")
            await eventually(lambda: "garden.air_temperature" in decoded(listener.last(CONFIG))["components"])
            components = decoded(listener.last(CONFIG))["components"]
        topics = {topic for topic, _, _ in listener.heard}
        for component in components.values():
            assert component["state_topic"] in topics
            assert component.get("json_attributes_topic", component["state_topic"]) in topics
            for availability in component["availability"]:
                assert b"online" in listener.payloads(availability["topic"])
    sensors = {key for key in components if "." in key}
    assert sensors == {"barometer.air_pressure", "barometer.air_temperature", "garden.air_temperature"}
    attributes = decoded(listener.last("weatherd/s/garden/air_temperature/attributes"))
    assert (attributes["value"], attributes["unit"]) == (12.5, "°C")


async def test_only_availability_and_discovery_are_retained(tmp_path: Path) -> None:
    """Whoever comes later finds no value that looks new, and learns that the station has said goodbye."""
    async with broker(tmp_path) as one:
        async with listening(one.port) as listener, publishing(tmp_path / "a", one.url):
            await listener.until(STATES[0])
        async with listening(one.port) as late:
            await late.until("weatherd/s/availability")
            await late.until(CONFIG)
    assert {topic for topic, _, _ in late.heard} == {
        CONFIG,
        "weatherd/s/availability",
        "weatherd/s/barometer/availability",
        "weatherd/s/garden/availability",
    }
    assert late.last("weatherd/s/availability") == b"offline"


async def test_a_killed_station_is_offline_by_its_last_will(tmp_path: Path) -> None:
    """Kill -9 leaves no time for a goodbye, and the broker says it; the next start is online."""
    sensors = '[i2c]\nbus = "simulated"\n[[sensors]]\nname = "barometer"\ndriver = "bmp280"\nreport_period_s = 1.0\n'
    async with broker(tmp_path) as one, LogstashStandIn() as logstash, listening(one.port) as listener:
        sink = f'[sinks.mqtt]\nurl = "{one.url}"'
        async with station(tmp_path, logstash.url, sensors, id_="s", sink=sink) as running:
            await listener.until(STATES[0], timeout_s=20)
            await running.kill()
            await listener.until("weatherd/s/availability", b"offline")
        async with station(tmp_path, logstash.url, sensors, id_="s", sink=sink) as running:
            await eventually(lambda: listener.last("weatherd/s/availability") == b"online")
            assert await running.stop() == 0
    assert listener.last("weatherd/s/availability") == b"offline"


async def test_a_dead_sensor_is_unavailable_and_its_station_is_not(tmp_path: Path) -> None:
    """Its own availability says so at once, and that it is back."""
    async with broker(tmp_path) as one, listening(one.port) as listener, publishing(tmp_path / "a", one.url) as running:
        await listener.until("weatherd/s/barometer/availability", b"online")
        bus = running.daemon.parts.bus
        assert bus is not None
        chip = bus._open().chips[0x77]  # type: ignore[attr-defined]
        chip.unplug_after(0)
        await eventually(lambda: listener.last("weatherd/s/barometer/availability") == b"offline")
        lost = await listener.until("weatherd/s/event")
        chip.fault = None
        await eventually(lambda: listener.last("weatherd/s/barometer/availability") == b"online", 20)
        assert listener.last("weatherd/s/availability") == b"online"
    assert decoded(lost)["action"] in {"sensor_lost", "station_started"}


async def test_after_an_outage_only_what_is_fresh_is_shown(tmp_path: Path) -> None:
    """What was observed while the broker was away is on no topic of a value, and takes no place in the journal."""
    async with broker(tmp_path) as one, publishing(tmp_path / "a", one.url) as running:
        await running.connected()
        await one.kill()
        await eventually(lambda: running.sink["state"] == "lost")
        for tenths in range(10):
            await now_line(running, 10 + tenths / 10)
        before = running.daemon.parts.journal.last_seq
        await running.daemon.parts.journal.wait_beyond(before)
        assert running.sink["lag"] == 0
        assert list(running.daemon.parts.journal._sinks) == []
        await one.start()
        async with listening(one.port) as listener:
            await running.connected()
            await listener.until("weatherd/s/barometer/availability", b"online")
            await now_line(running, 11.0)
            await listener.until("weatherd/s/garden/air_temperature", b"11.00")
    # The newest of them may still be the present one, and is told as such; the nine before it never are.
    shown = {float(payload) for payload in listener.payloads("weatherd/s/garden/air_temperature")}
    assert shown <= {10.9, 11.0}
    assert len(running.logged("mqtt.lost")) == 1
    assert len(running.logged("mqtt.found")) == 1


async def test_with_a_backlog_nothing_is_lost_and_nothing_old_is_taken_for_new(tmp_path: Path) -> None:
    """Every entry was either sent while it was fresh, or is a whole document on the backlog topic, once."""
    async with broker(tmp_path) as one, publishing(tmp_path / "a", one.url, "backlog = true") as running:
        journal = running.daemon.parts.journal
        await running.connected()
        async with listening(one.port) as listener:
            await now_line(running, 9.5)
            await listener.until("weatherd/s/garden/air_temperature", b"9.50")
            await eventually(lambda: running.sink["lag"] == 0)
        await one.kill()
        await eventually(lambda: running.sink["state"] == "lost")
        first_seq = journal.last_seq + 1
        for tenths in range(10):
            await now_line(running, 10 + tenths / 10)
        await journal.wait_beyond(first_seq + 9)
        last_seq = journal.last_seq
        assert running.sink["lag"] > 0
        await one.start()
        async with listening(one.port) as listener:
            await eventually(lambda: running.sink["state"] == "answers" and running.sink["lag"] == 0)
            await now_line(running, 11.0)
            await listener.until("weatherd/s/garden/air_temperature", b"11.00")
            await eventually(lambda: running.sink["lag"] == 0)
    documents = [msgspec.json.decode(payload) for payload in listener.payloads("weatherd/s/backlog")]
    seqs = [document["event"]["sequence"] for document in documents]
    assert len(seqs) == len(set(seqs))
    assert set(range(first_seq, last_seq)) <= set(seqs)
    old = [document["weather"]["air_temperature"] for document in documents if document["sensor"]["name"] == "garden"]
    assert sorted(old) == [10 + tenths / 10 for tenths in range(10)]
    assert all(document["station"]["id"] == "s" for document in documents)


async def test_what_is_sent_while_fresh_is_no_backlog(tmp_path: Path) -> None:
    """While the broker answers, nothing goes out twice."""
    async with (
        broker(tmp_path) as one,
        listening(one.port) as listener,
        publishing(tmp_path / "a", one.url, "backlog = true") as running,
    ):
        await eventually(lambda: running.sink["delivered_count"] >= 5 and running.sink["lag"] <= 1)
    fresh = decoded(listener.last("weatherd/s/status"))
    assert fresh["version"]
    # What the journal took before the connection was made is all that may be there.
    assert len(listener.payloads("weatherd/s/backlog")) <= 2


async def test_a_source_that_tells_old_times_is_not_shown_as_present(tmp_path: Path) -> None:
    """An observation of yesterday is on no topic of a value, though it has just arrived."""
    async with broker(tmp_path) as one, listening(one.port) as listener, publishing(tmp_path / "a", one.url) as running:
        await listener.until("weatherd/s/availability", b"online")
        await write_lines(running.folder, {"time": "2026-01-01T00:00:00Z", "t": 1.0})
        await now_line(running, 2.0)
        await listener.until("weatherd/s/garden/air_temperature", b"2.00")
    assert b"1.00" not in listener.payloads("weatherd/s/garden/air_temperature")


async def test_a_missing_value_is_unknown_and_says_why(tmp_path: Path) -> None:
    """A chip that answers with its reset registers has no value to go by."""
    async with broker(tmp_path) as one, listening(one.port) as listener, publishing(tmp_path / "a", one.url) as running:
        await listener.until(STATES[0])
        bus = running.daemon.parts.bus
        assert bus is not None
        bus._open().chips[0x77].unplug_after(0)  # type: ignore[attr-defined]
        await listener.until(STATES[0], b"None")
        attributes = decoded(listener.last(f"{STATES[0]}/attributes"))
    assert (attributes["value"], attributes["quality"]) == (None, "missing")
    assert attributes["reason"]


async def test_version_3_1_1_does_as_well(tmp_path: Path) -> None:
    """States, discovery and availability are the same with the older protocol."""
    async with broker(tmp_path) as one, listening(one.port) as listener:
        async with publishing(tmp_path / "a", one.url, 'protocol = "3.1.1"'):
            await listener.until(STATES[0])
            await listener.until(CONFIG)
        await eventually(lambda: listener.last("weatherd/s/availability") == b"offline")


async def test_a_websocket_does_as_well(tmp_path: Path) -> None:
    """Behind a web server a broker is reached by ws."""
    async with broker(tmp_path) as one, websocket(one.port) as url, listening(one.port) as listener:
        async with publishing(tmp_path / "a", url):
            await listener.until(STATES[0])
        await eventually(lambda: listener.last("weatherd/s/availability") == b"offline")


async def test_a_broker_that_comes_later_is_found(tmp_path: Path) -> None:
    """The station runs without it, says so, and publishes as soon as it is there."""
    one = Broker(tmp_path)
    try:
        async with publishing(tmp_path / "a", one.url) as running:
            await eventually(lambda: running.sink["state"] == "lost")
            assert running.sink["error"]["code"] == "sink.unreachable"
            assert "nobody listens there" in running.sink["error"]["message"]
            assert "nobody listens" in running.logged("mqtt.lost")[0]
            await one.start()
            async with listening(one.port) as listener:
                await listener.until(STATES[0])
    finally:
        await one.kill()


async def test_values_expire_for_those_who_are_away(tmp_path: Path) -> None:
    """A subscriber that comes back to its session does not get values of before as if they were of now."""
    away = {"identifier": "away", "clean_start": False, "properties": _session(60)}
    async with broker(tmp_path) as one:
        async with listening(one.port, "weatherd/s/garden/#", **away):
            pass
        more = "home_assistant = false\nmessage_expiry_s = 1"
        async with listening(one.port) as listener, publishing(tmp_path / "a", one.url, more) as running:
            await listener.until("weatherd/s/availability", b"online")
            await now_line(running, 5.0)
            await listener.until("weatherd/s/garden/air_temperature")
            sent = len(listener.payloads(STATES[0]))
            await eventually(lambda: len(listener.payloads(STATES[0])) >= sent + 3)  # one a second
        async with listening(one.port, "weatherd/s/garden/#", **away) as back:
            await back.until("weatherd/s/garden/availability")
        assert back.payloads("weatherd/s/garden/air_temperature") == []


def _session(expiry_s: int) -> Any:
    from paho.mqtt.packettypes import PacketTypes  # noqa: PLC0415  -- only here
    from paho.mqtt.properties import Properties  # noqa: PLC0415

    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = expiry_s
    return properties


async def test_a_short_break_is_told_to_nobody_if_the_session_is_kept(tmp_path: Path) -> None:
    """With session_expiry_s the last will waits, and the station is back before it is said; a goodbye does not wait."""
    more = "session_expiry_s = 30"
    async with broker(tmp_path) as one, proxy(one.port) as between, listening(one.port) as listener:
        async with publishing(tmp_path / "a", between.url, more) as running:
            await listener.until(STATES[0])
            between.drop()
            await eventually(lambda: between.connections_count == 2 and running.sink["state"] == "answers")
            count = len(listener.payloads(STATES[0]))
            await eventually(lambda: len(listener.payloads(STATES[0])) > count + 1)
            assert b"offline" not in listener.payloads("weatherd/s/availability")
        await listener.until("weatherd/s/availability", b"offline", timeout_s=5.0)
