import shutil
import subprocess
from pathlib import Path

import pytest

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
