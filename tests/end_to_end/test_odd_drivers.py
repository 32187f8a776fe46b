"""The whole daemon with drivers of other people's, next to a chip that must not notice."""

import json
from pathlib import Path

from tests.end_to_end.stations import CHIPS, documents, eventually, station, until_documents, weatherd
from weatherd.testing.logstash import LogstashStandIn

ODD = """
[[sensors]]
name = "{name}"
driver = "circuitpython"
class = "tests.sensors.odd_drivers.{name}"
quantities = {{ air_temperature = "temperature" }}
deadline_s = 0.5
sample_period_s = 0.5
report_period_s = 1.0
"""

NAMES = ["prints", "exits", "fails", "gluttonous", "not_there"]


async def test_odd_drivers_harm_nobody_and_the_log_stays_json(tmp_path: Path) -> None:
    """One prints, one ends the program, one raises what nobody knows, one eats memory, one is not there."""
    odd = "".join(ODD.format(name=name).replace(f"odd_drivers.{name}", f"odd_drivers.{name.title()}") for name in NAMES)
    sensors = (CHIPS + odd).replace("{", "{{").replace("}", "}}")
    async with LogstashStandIn() as logstash, station(tmp_path, logstash.url, sensors) as running:
        await running.wait_for("READY=1")
        await until_documents(logstash, 12, "weatherd.observation")

        def all_told() -> bool:
            lost = {
                line["weatherd"]["sensor"] for line in running.log if line["event.action"] == "sampling.sensor_lost"
            }
            return lost == {"exits", "fails", "gluttonous", "not_there"}

        await eventually(all_told)
        assert await running.stop() == 0
        printed = [line["message"] for line in running.log if line["event.action"] == "program.printed"]
        assert "reading the chip" in printed
    by_sensor = {document["sensor"]["name"]: document for document in documents(logstash)}
    assert by_sensor["prints"]["weather"] == {"air_temperature": 20.5}
    assert by_sensor["exits"]["quality"] == {"air_temperature": "missing"}
    assert "air_pressure" in by_sensor["barometer"]["weather"]
    assert (tmp_path / "errors").read_text() == ""


async def test_a_driver_that_prints_does_not_spoil_what_the_doctor_says(tmp_path: Path) -> None:
    """The report stays JSON; what was printed goes to standard error."""
    printing = ODD.format(name="prints").replace("odd_drivers.prints", "odd_drivers.Prints")
    (tmp_path / "weatherd.toml").write_text(
        f'[station]\nid = "s"\n[i2c]\nbus = "simulated"\n{printing}[journal]\npath = "journal.db"\n'
    )
    _, out, err = await weatherd("doctor", "--json", "--config", tmp_path / "weatherd.toml", folder=tmp_path)
    assert "Prints: 20.5 degC" in str(json.loads(out))
    assert "reading the chip" in err
