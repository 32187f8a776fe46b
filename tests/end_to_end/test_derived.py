"""Derived quantities and the heat of the Pi in the documents of a real daemon with emulated chips."""

from pathlib import Path
from typing import Any

from tests.end_to_end.stations import CHIPS, documents, eventually, station
from weatherd.testing.logstash import LogstashStandIn

SENSORS = CHIPS.replace('driver = "bmp280"\n', 'driver = "bmp280"\ncpu_heat = 0.5\n')
DERIVE = """
[derive]
temperature = "hygrometer"
pressure = "barometer"
"""


async def test_the_hygrometer_speaks_for_the_station(tmp_path: Path) -> None:
    """The barometer's pressure is reduced by the hygrometer's air, and both temperatures of its warm board are kept."""
    async with (
        LogstashStandIn() as logstash,
        station(tmp_path, logstash.url, SENSORS + DERIVE) as running,
    ):

        def of(sensor: str) -> list[dict[str, Any]]:
            return [one for one in documents(logstash) if one["sensor"]["name"] == sensor and "weather" in one]

        await eventually(lambda: len(of("barometer")) > 2 and len(of("hygrometer")) > 2)
        assert await running.stop() == 0
    barometer, hygrometer = of("barometer")[-1], of("hygrometer")[-1]
    assert barometer["weather"]["air_pressure_at_mean_sea_level"] > 1000
    assert barometer["weather"]["altimeter_setting"] > 1000
    assert "dew_point_temperature" in hygrometer["weather"]
    assert "air_pressure_at_mean_sea_level" not in hygrometer["weather"]
    assert "uncorrected_air_temperature" in barometer["weather"]
    assert len(barometer["sensor"]["calibration"]) == 8, "the share of the heat has a version, too"
    if "air_temperature" in barometer["weather"]:  # this machine tells its processor's temperature
        assert barometer["weather"]["air_temperature"] < barometer["weather"]["uncorrected_air_temperature"]
    else:
        assert barometer["quality"]["air_temperature"] == "missing"
        assert barometer["quality_reasons"]["air_temperature"] == "not_measured"
