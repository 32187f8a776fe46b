"""What `make install` writes where there is no configuration yet."""

import os
import subprocess
import sys
from pathlib import Path

from weatherd.config import Bmp280, load

PROGRAM = Path(sys.executable).with_name("weatherd")

SCANNED = """\
# 1 chip answers on /dev/i2c-1
#   0x44  SHT4x

[[sensors]]
name = "hygrometer"
driver = "circuitpython"
class = "nobody_has_this.SHT4x"
address = 0x44
quantities = { air_temperature = "temperature" }
"""


def write(program: Path, bus: str, path: Path) -> str:
    """Write the configuration as the installation does, and return it."""
    made = subprocess.run(
        ["systemd/first-configuration", program],
        env={**os.environ, "BUS": bus},
        capture_output=True,
        text=True,
        check=True,
    )
    path.write_text(made.stdout)
    return made.stdout


def test_what_answers_on_the_bus_is_configured(tmp_path: Path) -> None:
    """Each chip has its sensor, and nothing is sent before somebody has written where to."""
    path = tmp_path / "weatherd.toml"
    write(PROGRAM, "simulated", path)
    made = load(path)
    assert {"barometer", "hygrometer"} <= {sensor.name for sensor in made.sensors}
    assert made.i2c.bus == "simulated"
    assert made.sinks.logstash is None


def test_a_chip_without_its_driver_is_shown_and_turned_off(tmp_path: Path) -> None:
    """The configuration is right all the same: what was found stands there, to be turned on by hand."""
    program = tmp_path / "weatherd"
    program.write_text(f'#!/bin/sh\n[ "$1" = scan ] || exec {PROGRAM} "$@"\ncat <<END\n{SCANNED}END\n')
    program.chmod(0o755)
    path = tmp_path / "weatherd.toml"
    written = write(program, "1", path)
    assert '#class = "nobody_has_this.SHT4x"' in written
    assert load(path).sensors == (Bmp280(name="barometer"),)


def test_two_machines_of_one_name_are_two_stations(tmp_path: Path) -> None:
    """Every second Pi is called raspberrypi; the id of each has digits of its own."""
    ids = set()
    for name in ("one.toml", "two.toml"):
        write(PROGRAM, "simulated", tmp_path / name)
        ids.add(load(tmp_path / name).station.id)
    assert len(ids) == 2
