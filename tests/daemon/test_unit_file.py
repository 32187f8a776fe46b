import shutil
import subprocess
from pathlib import Path

import pytest

from weatherd.daemon import lifecycle

UNIT = Path(__file__).parents[2] / "systemd" / "weatherd.service"


def analyze() -> str:
    return shutil.which("systemd-analyze") or pytest.skip("this machine has no systemd-analyze")


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Return the unit with a program that is there on every machine."""
    unit = tmp_path / "weatherd.service"
    unit.write_text(UNIT.read_text().replace("/opt/weatherd/bin/weatherd", "/bin/true"))
    return unit


def test_systemd_reads_the_unit_without_a_word(installed: Path) -> None:
    """Every key is known and every value makes sense: `verify` exits with 0 on unknown keys, so it must say nothing."""
    verified = subprocess.run([analyze(), "verify", installed], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


def test_systemd_reads_the_unit_with_the_radio_too(installed: Path) -> None:
    """The drop-in for a USB radio fits the unit."""
    drop_in = installed.parent / "weatherd.service.d" / "usb-radio.conf"
    drop_in.parent.mkdir()
    drop_in.write_text((UNIT.parent / "weatherd-usb-radio.conf").read_text())
    verified = subprocess.run([analyze(), "verify", installed], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


def test_the_unit_is_well_locked_up(installed: Path) -> None:
    """The exposure, as systemd itself rates it, stays at 1.7 or lower."""
    rated = subprocess.run(
        [analyze(), "security", "--offline=true", "--threshold=17", installed],
        capture_output=True,
        text=True,
        check=False,
    )
    assert rated.returncode == 0, rated.stdout


def test_the_unit_lets_a_station_come_back_and_bounds_what_it_takes() -> None:
    """It is started again however often it ends, but not with a wrong configuration, and has its limits."""
    lines = set(UNIT.read_text().splitlines())
    assert lines >= {"StartLimitIntervalSec=0", "Restart=always", "RestartSec=5", "RestartPreventExitStatus=78"}
    assert lines >= {"MemoryMax=256M", "TasksMax=64", "OOMPolicy=continue", "WatchdogSec=30"}
    assert lines >= {"StateDirectory=weatherd", "RuntimeDirectory=weatherd", "RuntimeDirectoryPreserve=yes"}


def test_systemd_waits_for_as_long_as_a_stop_may_take() -> None:
    """Samplers, journal, sinks and the journal's end have their time one after the other, and nobody is cut off."""
    (limit,) = (line for line in UNIT.read_text().splitlines() if line.startswith("TimeoutStopSec="))
    stop_s = lifecycle.SAMPLERS_STOP_S + 2 * lifecycle.JOURNAL_STOP_S + lifecycle.SINKS_STOP_S
    assert float(limit.removeprefix("TimeoutStopSec=")) > stop_s


def test_a_station_gets_at_its_own_devices_and_nobody_else_does() -> None:
    """Bus, GPIO lines and infrared for their groups, and files that nobody else can read."""
    lines = UNIT.read_text().splitlines()
    allowed = [line for line in lines if line.startswith(("DevicePolicy=", "DeviceAllow="))]
    assert allowed == ["DevicePolicy=closed", *(f"DeviceAllow=char-{one} rw" for one in ("i2c", "gpiochip", "lirc"))]
    assert "UMask=0077" in lines
    modules = "modprobe@i2c_dev.service modprobe@rc_core.service"
    assert {f"Wants={modules}", f"After={modules}"} <= set(lines), "a class is known once its module is there"
    rules = [line for line in (UNIT.parent / "weatherd.rules").read_text().splitlines() if not line.startswith("#")]
    assert [line.split(", ")[-2:] for line in rules] == [
        [f'GROUP="{group}"', 'MODE="0660"'] for group in ("i2c", "gpio")
    ]
