"""
What two stations really sent of one recorded day, with all that can go wrong in it.

`alamosa` sends each fifth minute of the day as it was. `garden` has a mast that says more of the whole day (rain,
gusts, light), and wrong things now and then; a barometer, a chip that is not there, and a Logstash that refuses
everything for a while. What it sent of the first hour is thinned, as after a long outage.
"""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from tests.end_to_end.stations import (
    DAY_SENSOR,
    RunningStation,
    day_lines,
    day_records,
    documents,
    eventually,
    station,
    until_documents,
    weatherd,
    write_lines,
)
from weatherd.processing.thinning import thin
from weatherd.testing.logstash import Accept, Answer, LogstashStandIn

Json = dict[str, Any]

_PATIENCE_S = 60.0

_PLACE = """
name = "{name}"
latitude = {latitude}
longitude = -105.92
"""

_GARDEN = """
[i2c]
bus = "simulated"

[[sensors]]
name = "barometer"
driver = "bmp280"
sample_period_s = 0.2
report_period_s = 1.0

[[sensors]]
name = "unplugged"
driver = "bh1750"
address = 0x5C
report_period_s = 1.0

[[sensors]]
name = "mast"
driver = "jsonlines"
listen = "{folder}/in.sock"
observed_at = "time"
report_period_s = 30

[sensors.quantities]
air_temperature = "temp_c"
relative_humidity = "rh_pct"
wind_speed = "wind_m_s"
wind_speed_of_gust = "gust_m_s"
wind_from_direction = "wind_deg"
air_pressure = "press_hpa"
rainfall_amount = "rain_mm"
rainfall_amount_of_day = "rain_of_day_mm"
rainfall_rate = "rain_mm_h"
illuminance = "lx"
surface_downwelling_shortwave_flux_in_air = "ghi_w_m2"
"""


def record(folder: Path) -> list[Json]:
    """Run both stations in a folder until each has sent all (5 s); return their documents."""
    return asyncio.run(_record(folder))


async def _record(folder: Path) -> list[Json]:
    for name in ("alamosa", "garden"):
        (folder / name).mkdir()
    alamosa, garden = await asyncio.gather(_alamosa(folder / "alamosa"), _garden(folder / "garden"))
    return [*alamosa, *_thinned(garden)]


async def _alamosa(folder: Path) -> list[Json]:
    sensors = _PLACE.format(name="Alamosa, Colorado", latitude=37.7) + DAY_SENSOR
    async with LogstashStandIn() as logstash, station(folder, logstash.url, sensors, id_="alamosa") as running:
        await running.wait_for("READY=1")
        lines = day_lines()[::5]
        await write_lines(folder, lines)
        await until_documents(logstash, len(lines), "weatherd.observation", _PATIENCE_S)
        assert await running.stop() == 0
    return list(logstash.documents.values())


async def _garden(folder: Path) -> list[Json]:
    sensors = _PLACE.format(name="Garden", latitude=37.8) + _GARDEN
    async with LogstashStandIn() as logstash, station(folder, logstash.url, sensors, id_="garden") as running:
        await running.wait_for("READY=1")
        logstash.behave(Answer(400))
        await eventually(lambda: _something_is_quarantined(running), _PATIENCE_S)
        logstash.behave(Accept())
        await eventually(lambda: _everything_is_requeued(folder, running), _PATIENCE_S)
        await write_lines(folder, _mast_lines())
        await eventually(lambda: _is_complete(logstash), _PATIENCE_S)
        assert await running.stop() == 0
    return list(logstash.documents.values())


async def _something_is_quarantined(running: RunningStation) -> bool:
    return bool((await running.ask())["journal"]["quarantined_count"])


async def _everything_is_requeued(folder: Path, running: RunningStation) -> bool:
    """Ask for it again and again: what was refused last may come into quarantine late."""
    assert (await weatherd("journal", "requeue", folder=folder))[0] == 0
    return not await _something_is_quarantined(running)


def _is_complete(logstash: LogstashStandIn) -> bool:
    sensors = [one["sensor"]["name"] for one in documents(logstash)]
    actions = {one["event"].get("action") for one in documents(logstash, "weatherd.event")}
    return (
        sensors.count("mast") >= len(day_lines())
        and min(sensors.count("barometer"), sensors.count("unplugged")) >= 2
        and {"station_started", "sensor_lost", "documents_quarantined"} <= actions
    )


def _mast_lines() -> list[bytes]:
    """Return the day with more in it; in its first hour three lines a minute, so that there is a spread."""
    lines = []
    fallen_mm = 0.0
    for record in day_records():
        hour, minute = int(record["time"][11:13]), int(record["time"][14:16])
        rain_mm = 0.2 if hour in {5, 6, 17} and minute % 7 == 0 else 0.0
        fallen_mm += rain_mm
        said = record | {"rain_mm": rain_mm, "rain_of_day_mm": round(fallen_mm, 1), "rain_mm_h": 0.1 + hour}
        said |= {"gust_m_s": record["wind_m_s"] * 1.5 + 0.1, "lx": 5 + max(0.0, record["ghi_w_m2"]) * 120}
        lines.append(json.dumps(said | _WRONG.get((hour, minute), {})).encode())
        lines += [_later(said, seconds) for seconds in ("10", "40") if hour == 0]
    return lines


_WRONG = {
    (9, 0): {"temp_c": 85.0},  # no weather: out of range
    (9, 1): {"temp_c": 40.0},  # nor this: a step
    (12, 30): {"gust_m_s": -0.0, "wind_m_s": 5.0},  # a gust below the mean
    (15, 0): {"rh_pct": 100.5},
    (20, 0): {"rain_mm": 900.0},
}


def _later(said: Json, seconds: str) -> bytes:
    later = said | {"time": said["time"][:17] + seconds + "Z", "rain_mm": 0.0}
    return json.dumps(later | {"temp_c": round(said["temp_c"] - int(seconds) / 100, 2)}).encode()


def _thinned(sent: Sequence[Json]) -> list[Json]:
    """Return what a station would have sent whose first hour had waited for too long."""
    first_hour = [one for one in sent if one["@timestamp"] < "2016-01-01T01" and one["event"]["kind"] == "metric"]
    ordered = sorted(first_hour, key=lambda one: one["event"]["sequence"])
    encoded = [(one["event"]["sequence"], msgspec.json.encode(one)) for one in ordered]
    thinned = [msgspec.json.decode(document) for _, document in thin(encoded, "garden-abcdef01-")]
    return [*(one for one in sent if one not in first_hour), *thinned]
