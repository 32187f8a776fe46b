import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families as parsed

from tests.end_to_end.stations import eventually
from tests.panel.stations import Shown, shown, write_lines
from weatherd.daemon import status
from weatherd.daemon.counters import families_of
from weatherd.errors import NoAnswer, NoSuchCommand, TooOften
from weatherd.model import Quality
from weatherd.testing.logstash import Answer, LogstashStandIn

Read = Mapping[tuple[str, ...], float]
"""By name and the values of its labels, in the order of the labels' names."""


async def read(one: Shown) -> Read:
    """Return what Prometheus would read."""
    async with one.session.get("/metrics") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        text = await answer.text()
    return {
        (sample.name, *(sample.labels[label] for label in sorted(sample.labels))): sample.value
        for family in parsed(text)
        for sample in family.samples
    }


async def test_every_count_of_the_status_is_counted(tmp_path: Path) -> None:
    """What sensors, queue, journal and sink tell by the status, Prometheus reads as well, from the same parts."""
    async with LogstashStandIn() as logstash, shown(tmp_path, logstash=logstash) as one:
        parts = one.daemon.parts
        await write_lines(tmp_path, {"time": time.time(), "t": 20.0}, {"time": time.time(), "t": 999.0}, {"x": 1})
        await eventually(lambda: parts.samplers[1].condition.observations_count == 2)
        await eventually(lambda: parts.samplers[0].condition.observations_count >= 1)
        await eventually(lambda: parts.forwarders[0].delivered_count >= 3)
        before = status.status(parts)
        found = await read(one)
        after = status.status(parts)

    def between(name: tuple[str, ...], *keys: str | int) -> bool:
        low, high = before, after
        for key in keys:
            low, high = low[key], high[key]  # type: ignore[index]
        return bool(low <= found[name] <= high)

    assert between(("weatherd_queue_depth_max",), "journal", "queue_size_max")
    assert between(("weatherd_queue_dropped_total",), "journal", "queue_dropped_count")
    assert between(("weatherd_journal_appended_total",), "journal", "last_seq")
    assert between(("weatherd_journal_size_bytes",), "journal", "size")
    assert between(("weatherd_journal_size_max_bytes",), "journal", "size_max")
    for name in ("dropped", "thinned", "reduced"):
        assert between((f"weatherd_journal_{name}_total",), "journal", f"{name}_count")
    assert between(("weatherd_quarantine_dropped_total",), "journal", "quarantine_dropped_count")
    assert between(("weatherd_sink_delivered_total", "logstash"), "sinks", 0, "delivered_count")
    assert between(("weatherd_sink_attempts_total", "200", "logstash"), "sinks", 0, "attempts", "200")
    assert between(("weatherd_measurement_failures_total", "barometer"), "sensors", 0, "failures_count")
    assert between(("weatherd_measurements_skipped_total", "barometer"), "sensors", 0, "skipped_count")
    assert found["weatherd_sink_quarantined_documents", "logstash"] == 0
    assert found["weatherd_ready",] == 1
    assert (
        before["sensors"][0]["observations_count"]
        <= sum(found["weatherd_observations_total", quality, "barometer"] for quality in Quality)
        <= after["sensors"][0]["observations_count"]
    )
    assert found["weatherd_observations_total", "erroneous", "garden"] == 1
    assert found["weatherd_lines_total", "garden"] == 3
    assert found["weatherd_line_outcomes_total", "without_quantity", "garden"] == 1
    assert found["weatherd_sensor_info", "BMP280", "barometer"] == 1
    assert found["weatherd_sink_state", "logstash", "answers"] == 1
    assert found["weatherd_sink_state", "logstash", "lost"] == 0
    assert abs(found["weatherd_start_time_seconds",] - parts.started_ms / 1000) < 2


async def test_what_is_lost_is_lost_there_too(tmp_path: Path) -> None:
    """A sink that does not answer has a lag, and its attempts their answer; the journal holds what waits."""
    async with LogstashStandIn() as logstash:
        logstash.behave(Answer(503))
        async with shown(tmp_path, logstash=logstash) as one:
            forwarder = one.daemon.parts.forwarders[0]
            await eventually(lambda: forwarder.error is not None and forwarder.lag >= 3)
            found = await read(one)
            assert found["weatherd_sink_state", "logstash", "lost"] == 1
            assert found["weatherd_sink_lag_entries", "logstash"] >= 3
            assert found["weatherd_journal_entries",] >= 3
            assert found["weatherd_sink_delivered_total", "logstash"] == 0
            attempts = [name for name in found if name[0] == "weatherd_sink_attempts_total"]
            assert {answer for _, answer, _ in attempts} == set(forwarder.sink.attempts)


async def test_a_sensor_that_fails_is_counted(tmp_path: Path) -> None:
    """Its failures, what it has missed, and that it is lost, under its name."""
    async with shown(tmp_path) as one:
        sampler = one.daemon.parts.samplers[0]
        await eventually(lambda: sampler.condition.observations_count >= 1)
        sampler.condition.lost(NoAnswer("nobody acknowledges"))
        sampler.condition.failed(NoAnswer("nobody acknowledges"))
        families = {family.name: family for family in families_of(one.daemon.parts)}
    states = {tuple(each.labels.values()): each.value for each in families["weatherd_sensor_state"].samples}
    assert states["barometer", "lost"] == 1
    assert states["barometer", "working"] == 0
    failures = {each.labels["sensor"]: each.value for each in families["weatherd_measurement_failures"].samples}
    assert failures == {"barometer": 1, "garden": 0}


async def test_whoever_tells_much_makes_few_series(tmp_path: Path) -> None:
    """Transmitters, labels and values make no series: their number is bounded by the configuration."""
    async with shown(tmp_path) as one:
        before = await read(one)
        records = [{"time": time.time(), "t": 20.0, "channel": channel} for channel in range(200)]
        await write_lines(tmp_path, *records)
        await eventually(lambda: one.daemon.parts.samplers[1].condition.observations_count == 200)
        new = (await read(one)).keys() - before.keys()
    assert new <= {
        ("weatherd_line_outcomes_total", "taken", "garden"),
        ("weatherd_sensor_observed_timestamp_seconds", "barometer"),
        ("weatherd_sensor_observed_timestamp_seconds", "garden"),
    }


INFRARED = """
[infrared]
device = "simulated"
sends_per_minute_max = 1
commands = { tv_power = { protocol = "nec", scancode = 0x40bf } }

[[sensors]]
name = "remote"
driver = "infrared"
device = "simulated"
raw = true
"""


async def test_what_is_heard_and_sent_by_infrared_is_counted(tmp_path: Path) -> None:
    """By kind and by outcome, from 0 on; a name that there is not was never to be sent."""
    async with shown(tmp_path, INFRARED) as one:
        before = await read(one)
        transmitter = one.daemon.parts.transmitter
        assert transmitter is not None
        await transmitter.send("tv_power")
        with pytest.raises(TooOften):
            await transmitter.send("tv_power")
        with pytest.raises(NoSuchCommand):
            await transmitter.send("tv_powr")
        await eventually(lambda: one.daemon.parts.hearing.count == 2)
        after = await read(one)
    changed = {name: value for name, value in after.items() if "infrared" in name[0] and before[name] != value}
    assert changed == {
        ("weatherd_infrared_heard_total", "keys", "remote"): 1,
        ("weatherd_infrared_heard_total", "timings", "remote"): 1,
        ("weatherd_infrared_messages_total", "sent"): 1,
        ("weatherd_infrared_messages_total", "too_often"): 1,
    }
    assert before["weatherd_infrared_left_out_total", "remote"] == 0


async def test_a_station_without_infrared_has_no_series_of_it(tmp_path: Path) -> None:
    """Neither of what it hears nor of what it sends."""
    async with shown(tmp_path) as one:
        assert not [name for name in await read(one) if "infrared" in name[0]]
