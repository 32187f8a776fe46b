"""`weatherd check`: what is not installed is told beside the mistakes."""

import os
from pathlib import Path

import pytest

from weatherd.cli.check import check
from weatherd.errors import UnavailableError

STATION = """
[station]
id = "s"
[[sensors]]
name = "screen"
driver = "circuitpython"
class = "adafruit_sht4x.SHT4x"
quantities = { air_temperature = "temperature" }
"""

MORE = """
[[sensors]]
name = "extra"
driver = "circuitpython"
class = "adafruit_xyz99.XYZ99"
quantities = { air_temperature = "temperature" }
[[sensors]]
name = "more"
driver = "circuitpython"
class = "acme_drivers.part.Chip"
quantities = { air_temperature = "temperature" }
"""


def test_installed_drivers_are_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A driver that is there needs no chip for the check."""
    path = tmp_path / "weatherd.toml"
    path.write_text(STATION)
    assert check(path) == os.EX_OK
    assert "1 sensor" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("sinks", "words"),
    [
        ("", "no sink: observations stay in the journal"),
        ('[sinks.logstash]\nurls = ["http://a"]', "to logstash"),
        ('[sinks.mqtt]\nurl = "mqtt://a"', "to mqtt"),
        ('[sinks.mqtt]\nurl = "mqtt://a"\n[sinks.logstash]\nurls = ["http://a"]', "to logstash and mqtt"),
    ],
)
def test_where_observations_go_is_told(
    sinks: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every sink by its name, so that a table that was left out is noticed."""
    path = tmp_path / "weatherd.toml"
    path.write_text(f"{STATION}{sinks}\n")
    check(path)
    assert capsys.readouterr().out.endswith(f", {words}\n")


def test_every_driver_that_is_missing_is_told_with_what_to_type(tmp_path: Path) -> None:
    """All of them at once; the exit code says that something is missing, not that the configuration is wrong."""
    path = tmp_path / "weatherd.toml"
    path.write_text(STATION + MORE)
    with pytest.raises(UnavailableError) as caught:
        check(path)
    assert caught.value.exit_code == os.EX_UNAVAILABLE
    assert "extra needs the module adafruit_xyz99; more needs the module acme_drivers" in caught.value.sentence
    assert "pip install adafruit-circuitpython-xyz99" in caught.value.hint
    assert "pip install acme_drivers" in caught.value.hint
