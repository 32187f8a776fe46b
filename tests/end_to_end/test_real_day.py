import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.stations import (
    DAY_SENSOR,
    day_lines,
    day_records,
    documents,
    eventually,
    station,
    until_documents,
    write_lines,
)
from weatherd.testing.logstash import LogstashStandIn

MAPPED = {
    "temp_c": "air_temperature",
    "rh_pct": "relative_humidity",
    "wind_m_s": "wind_speed",
    "wind_deg": "wind_from_direction",
    "press_hpa": "air_pressure",
    "ghi_w_m2": "surface_downwelling_shortwave_flux_in_air",
}


def assert_whole_day(found: list[dict[str, Any]]) -> None:
    """Each record once, at its own time, with its own values, and none of them called wrong."""
    records = day_records()
    assert len(found) == len(records) == 1440
    for document, record in zip(found, records, strict=True):
        assert document["@timestamp"] == record["time"].replace("Z", ".000Z")
        for theirs, ours in MAPPED.items():
            assert document["weather"][ours] == pytest.approx(record[theirs], abs=0.005)
        assert document["weather"]["dew_point_temperature"] <= document["weather"]["air_temperature"]
        assert document["weather"]["air_pressure_at_mean_sea_level"] > 1000
        assert document["quality"].keys() == document["weather"].keys()
        assert set(document["quality"].values()) <= {"good", "doubtful"}


async def test_a_real_day_arrives_complete(tmp_path: Path) -> None:
    """1,440 recorded minutes go through a socket, the journal and Logstash, and each arrives once and unchanged."""
    async with LogstashStandIn() as logstash, station(tmp_path, logstash.url, DAY_SENSOR) as running:
        await running.wait_for("READY=1")
        await write_lines(tmp_path, day_lines())
        await until_documents(logstash, 1440, "weatherd.observation")
        assert await running.stop() == 0
    assert_whole_day(documents(logstash))
    assert logstash.duplicates_count == logstash.conflicts_count == logstash.failures_count == 0


async def test_a_real_day_survives_a_kill(tmp_path: Path) -> None:
    """With a kill -9 in the middle, one commit period after the last line, each record still arrives once."""
    lines = day_lines()
    async with LogstashStandIn() as logstash:
        async with station(tmp_path, logstash.url, DAY_SENSOR, journal="commit_period_s = 0.5") as running:
            await running.wait_for("READY=1")
            await write_lines(tmp_path, lines[:700])
            await asyncio.sleep(0.6)  # a socket acknowledges nothing: the writer waits for a commit period
            await running.kill()
        async with station(tmp_path, logstash.url, DAY_SENSOR) as running:
            await running.wait_for("READY=1")
            await write_lines(tmp_path, lines[700:])
            await until_documents(logstash, 1440, "weatherd.observation")
            assert await running.stop() == 0
    assert_whole_day(documents(logstash))
    assert logstash.conflicts_count == 0
    ids = [document["event"]["id"] for document in documents(logstash)]
    assert len({id_.split("-")[1] for id_ in ids}) == 2, "each start draws its own hex digits"
    sequences = [document["event"]["sequence"] for document in documents(logstash)]
    assert sequences == sorted(set(sequences)), "and the seq goes on"


async def test_a_real_day_waits_for_a_dead_logstash(tmp_path: Path) -> None:
    """Observed while nobody answers, delivered complete when somebody does, with a restart in between."""
    async with LogstashStandIn() as logstash:
        await logstash.stop()
        async with station(tmp_path, logstash.url, DAY_SENSOR) as running:
            await running.wait_for("READY=1")
            await write_lines(tmp_path, day_lines())

            async def all_kept() -> bool:
                return bool((await running.ask())["journal"]["last_seq"] >= 1441)

            await eventually(all_kept)
            status = await running.ask()
            assert status["sinks"][0]["state"] == "lost"
            assert status["sinks"][0]["lag"] >= 1441
            assert await running.stop() == 0
        await logstash.start()
        async with station(tmp_path, logstash.url, DAY_SENSOR) as running:
            await until_documents(logstash, 1440, "weatherd.observation")
            assert await running.stop() == 0
    assert_whole_day(documents(logstash))
