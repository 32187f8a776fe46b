from pathlib import Path

from tests.end_to_end.stations import (
    DAY_SENSOR,
    day_lines,
    day_records,
    documents,
    station,
    until_documents,
    write_lines,
)
from weatherd.testing.logstash import LogstashStandIn

NARROWER = "\n[sensors.limits]\nair_temperature.max = -10.0\nair_pressure.least_change = false\n"


async def test_limits_of_the_configuration_reach_the_documents_and_the_status(tmp_path: Path) -> None:
    """Each temperature above the station's own limit keeps its number and is flagged; the status tells the last."""
    async with LogstashStandIn() as logstash, station(tmp_path, logstash.url, DAY_SENSOR + NARROWER) as running:
        await running.wait_for("READY=1")
        await write_lines(tmp_path, day_lines())
        await until_documents(logstash, 1440, "weatherd.observation")
        (sensor,) = (await running.ask())["sensors"]
        assert await running.stop() == 0
    found = documents(logstash)
    for document, record in zip(found, day_records(), strict=True):
        assert document["weather"]["air_temperature"] == record["temp_c"]
        assert document["quality"]["air_pressure"] == "good"
        if record["temp_c"] > -10:
            assert document["quality"]["air_temperature"] == "erroneous"
            assert document["quality_reasons"]["air_temperature"] == "range"
        else:
            assert document["quality"]["air_temperature"] != "erroneous"
    assert sensor["quality"] == found[-1]["quality"]
    assert sensor["quality_reasons"] == found[-1].get("quality_reasons", {})
