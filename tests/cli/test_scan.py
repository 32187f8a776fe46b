"""`weatherd scan`: what it prints is a configuration."""

import tomllib
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import pytest

from tests.end_to_end.stations import CHIPS, station, weatherd
from weatherd import config
from weatherd.cli import main
from weatherd.cli.scan import lines
from weatherd.config.schema import Sensor
from weatherd.sensors.parts import PARTS, snippet
from weatherd.sensors.scanning import Found
from weatherd.testing.logstash import LogstashStandIn

STATION = '[station]\nid = "test"\n'


def known_drivers() -> Sequence[object]:
    """Return the drivers that the schema has."""
    return [kind.__struct_config__.tag for kind in get_args(Sensor)]


def test_every_snippet_is_a_table_of_one_sensor() -> None:
    """Each part's snippet is TOML, with a name, a driver, and the address where the part has several."""
    for part in PARTS.values():
        (table,) = tomllib.loads(snippet(part, 0x76, "one"))["sensors"]
        assert table["name"] == "one"
        assert table["driver"] in {"bmp280", "bmp180", "htu21d", "bh1750", "circuitpython", "wind_vane"}
        assert table.get("address") == (None if part.model == "BMP180" else 0x76), part.model


def test_every_snippet_is_accepted_as_a_configuration() -> None:
    """What `weatherd scan` proposes, `weatherd check` accepts."""
    addresses = {"HTU21D": 0x40, "BH1750": 0x23, "ADS1115": 0x48, "SHT4x": 0x44, "SHT3x": 0x44}
    drivers = known_drivers()
    accepted = []
    for part in PARTS.values():
        text = snippet(part, addresses.get(part.model, 0x77), part.sensor)
        if tomllib.loads(text)["sensors"][0]["driver"] in drivers:
            config.parse(STATION + text, Path("/"))
            accepted.append(part.model)
    assert accepted[0] == "BMP280"
    assert "HTU21D" in accepted


def test_what_is_printed_is_a_configuration_from_the_first_to_the_last_line() -> None:
    """Two chips of one kind get two names, what is not known stays a comment, and all of it can be pasted."""
    found = [
        Found(0x1E),
        Found(0x40, "HTU21D"),
        Found(0x48, kernel_driver="ads1015"),
        Found(0x76, "BMP280"),
        Found(0x77, "BMP280"),
    ]
    text = "\n".join(lines(found, "/dev/i2c-3", 3))
    parsed = config.parse(STATION + text, Path("/"))
    assert parsed.i2c.bus == 3
    sensors = [typing.cast("config.Bmp280", one) for one in parsed.sensors]
    assert [(one.name, one.address) for one in sensors] == [
        ("hygrometer", 0x40),
        ("barometer", 0x76),
        ("barometer-2", 0x77),
    ]
    assert "#   0x1e  unknown" in text
    assert "#   0x48  not asked: the kernel's own driver ads1015 has it" in text


def test_the_usual_bus_needs_no_table() -> None:
    """Bus 1 is the default, and a second table [i2c] would be a mistake."""
    assert "[i2c]" not in "\n".join(lines([Found(0x77, "BMP280")], "/dev/i2c-1", 1))


def test_nothing_is_proposed_for_what_nobody_knows() -> None:
    """An unknown chip is told, with no table."""
    text = "\n".join(lines([Found(0x1E)], "/dev/i2c-1", 1))
    assert text.startswith("# 1 chip answers on /dev/i2c-1\n#   0x1e  unknown; ")
    assert tomllib.loads(text) == {}


async def test_the_demo_chips_are_found_and_their_configuration_is_right(tmp_path: Path) -> None:
    """The output of the command itself, pasted behind a station, is what `weatherd check` accepts."""
    code, out, err = await weatherd("scan", "--bus", "simulated", folder=tmp_path)
    assert (code, err) == (0, "")
    (tmp_path / "weatherd.toml").write_text(STATION + out)
    code, out, err = await weatherd("check", "--config", tmp_path / "weatherd.toml", folder=tmp_path)
    assert (code, err) == (0, "")
    assert "4 sensors" in out


async def test_a_bus_that_is_not_there_is_told_with_the_way_to_turn_it_on(tmp_path: Path) -> None:
    """Two lines, exit code 69."""
    code, out, err = await weatherd("scan", "--bus", "250", folder=tmp_path)
    assert (code, out) == (69, "")
    assert err.startswith("error: sensor.bus_unavailable: /dev/i2c-250 cannot be opened: No such file or directory\n")
    assert "\nhint:  turn I2C on with `sudo raspi-config nonint do_i2c 0`" in err


@pytest.mark.parametrize("bus", ["-1", "256", "one", "²", ""])
def test_what_is_no_bus_is_a_mistake_in_the_command_line(bus: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A bus is a number, or the word for emulated chips; anything else is exit code 64."""
    with pytest.raises(SystemExit) as ended:
        main(["scan", f"--bus={bus}"])
    assert ended.value.code == 64
    assert 'no bus: 0 to 255, or "simulated"' in capsys.readouterr().err


async def test_a_running_daemon_is_told_of(tmp_path: Path) -> None:
    """A scan beside a daemon goes on, and warns that the two can disturb each other."""
    async with LogstashStandIn() as logstash, station(tmp_path, logstash.url, CHIPS) as running:
        await running.wait_for("READY=1")
        code, out, err = await weatherd("scan", "--bus", "simulated", folder=tmp_path)
        assert await running.stop() == 0
    assert code == 0
    assert err.startswith("warning: scan.daemon_running: a daemon runs")
    assert "bmp280" in out
