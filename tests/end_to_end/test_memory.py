"""What a station knows of its past is kept over restarts, by way of the journal alone."""

import math
from pathlib import Path
from typing import Any

import msgspec

from tests.end_to_end.stations import documents, station, until_documents, write_lines
from tests.end_to_end.test_reload import reload
from weatherd.testing.logstash import LogstashStandIn

SENSOR = """
[[sensors]]
name = "roof"
driver = "jsonlines"
listen = "{folder}/in.sock"
observed_at = "time"
report_period_s = 0
quantities = {{ air_temperature = "t", air_pressure = "p" }}
calibration.air_pressure = {{ offset = 0.5, note = "beside the airport" }}
"""
START_S = 1_780_000_000
HOURS = 13


def lines(first_minute: int, last_minute: int) -> list[bytes]:
    """Return what a station says through a day of 10 to 32 degC, while the pressure rises by 1 hPa an hour."""
    return [
        msgspec.json.encode(
            {
                "time": START_S + minute * 60,
                "t": round(21 + 11 * math.sin(2 * math.pi * minute / 1440), 2),
                "p": round(926.8 + minute / 60, 2),
            }
        )
        for minute in range(first_minute, last_minute)
    ]


def events(logstash: LogstashStandIn, action: str) -> list[dict[str, Any]]:
    return [one for one in documents(logstash, "weatherd.event") if one["event"]["action"] == action]


async def test_the_past_survives_a_kill(tmp_path: Path) -> None:
    """After a kill -9 the tendency and the temperature of twelve hours ago are there with the first observation."""
    count = HOURS * 60
    async with LogstashStandIn() as logstash:
        async with station(tmp_path, logstash.url, SENSOR) as running:
            await running.wait_for("READY=1")
            await write_lines(tmp_path, lines(0, count))
            await until_documents(logstash, count, "weatherd.observation")
            await running.kill()
        async with station(tmp_path, logstash.url, SENSOR) as running:
            await running.wait_for("READY=1")
            await write_lines(tmp_path, lines(count, count + 1))
            await until_documents(logstash, count + 1, "weatherd.observation")
            assert await running.stop() == 0
    found = documents(logstash)
    first, last = found[0], found[-1]
    assert first["quality_reasons"] == {"air_pressure_at_mean_sea_level": "short_history"}
    assert "quality_reasons" not in last
    assert "tendency_of_air_pressure" not in first["weather"]
    assert abs(last["weather"]["tendency_of_air_pressure"] - 3.0) < 0.03
    assert last["weather"]["characteristic_of_pressure_tendency"] == 2
    assert len({one["sensor"]["calibration"] for one in found}) == 1
    assert events(logstash, "calibration_changed") == []


async def test_another_calibration_is_an_event_over_a_restart_and_a_reload(tmp_path: Path) -> None:
    """Each change is told once, with the versions that the documents name."""
    async with LogstashStandIn() as logstash:
        async with station(tmp_path, logstash.url, SENSOR) as running:
            await running.wait_for("READY=1")
            await write_lines(tmp_path, lines(0, 1))
            await until_documents(logstash, 1, "weatherd.observation")
            assert await running.stop() == 0
        async with station(tmp_path, logstash.url, SENSOR.replace("offset = 0.5", "offset = 0.6")) as running:
            await running.wait_for("READY=1")
            await write_lines(tmp_path, lines(1, 2))
            await until_documents(logstash, 2, "weatherd.observation")
            await reload(running, "offset = 0.6", "offset = 0.7")
            await write_lines(tmp_path, lines(2, 3))
            await until_documents(logstash, 3, "weatherd.observation")
            (sensor,) = (await running.ask())["sensors"]
            assert await running.stop() == 0
    versions = [one["sensor"]["calibration"] for one in documents(logstash)]
    assert len(set(versions)) == 3
    assert sensor["calibration"] == versions[2]
    first, second = events(logstash, "calibration_changed")
    assert first["message"].startswith(f"the calibration of roof is now {versions[1]}; it was {versions[0]}")
    assert second["message"].startswith(f"the calibration of roof is now {versions[2]}; it was {versions[1]}")
    assert second["sensor"] == {"name": "roof"}
