"""/dev/i2c-1 of a real kernel, through smbus2: the station as installed, and who else may use the bus."""

import errno
import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.vm.guest.chips import VECTORS, Chips
from tests.vm.guest.stations import Station, as_user, run, wait_for
from weatherd.testing.chips import Fault

_CONFIG = Path("/run/vm/small.toml")
_DOCTOR = ("weatherd", "doctor", "--json", "--config", str(_CONFIG))


@pytest.mark.parametrize("sensor", VECTORS)
def test_values_in_documents_are_those_of_the_chips(station: Station, sensor: str) -> None:
    """What the chip says by its datasheet's example is what Logstash gets."""
    wait_for(lambda: station.observations(sensor), f"{sensor} is observed")
    document = station.observations(sensor)[-1]
    assert document["sensor"]["model"] == sensor.upper()
    for quantity, value in VECTORS[sensor].items():
        assert document["weather"][quantity] == pytest.approx(value, abs=0.011)
        assert document["quality"][quantity] == "good"


def test_the_bus_belongs_to_its_group(station: Station) -> None:
    """By our rule udev has given /dev/i2c-1 to the group i2c, and nobody else may use it."""
    assert run("stat", "-c", "%G %a", "/dev/i2c-1").split() == ["i2c", "660"]


def test_a_chip_that_goes_away_is_lost_and_found(station: Station, chips: Chips) -> None:
    """It is told once each time, and the others on the bus are observed meanwhile."""
    before = station.last_seq()
    chips.chips[0x40].fault = Fault.UNPLUGGED
    wait_for(lambda: station.events("sensor_lost", since=before), "the loss is told")
    lost = station.events("sensor_lost", since=before)[0]["event"]["sequence"]
    wait_for(lambda: station.observations("bmp280", since=lost), "the barometer goes on")
    chips.chips[0x40].fault = None
    wait_for(lambda: station.events("sensor_found", since=lost), "the return is told", timeout_s=90.0)
    wait_for(lambda: station.observations("htu21d", since=lost), "it is observed again")
    for action in ("sensor_lost", "sensor_found"):
        assert [event["sensor"]["name"] for event in station.events(action, since=before)] == ["htu21d"]


@pytest.mark.parametrize("error", [errno.EIO, errno.ETIMEDOUT])
def test_a_bus_that_fails_loses_its_sensors_until_it_works(station: Station, chips: Chips, error: int) -> None:
    """Transfers end with an error of the adapter, or never: the chips are lost and found, and the rest goes on."""
    before = station.last_seq()
    chips.error, chips.hangs = (error, False) if error == errno.EIO else (0, True)
    try:
        wait_for(lambda: len(station.events("sensor_lost", since=before)) == len(VECTORS), "all are lost", 60.0)
        lost = station.last_seq()
        wait_for(lambda: len(station.observations("rain", since=lost)) >= 2, "the rain gauge goes on")
    finally:
        chips.error, chips.hangs = 0, False
    wait_for(lambda: len(station.events("sensor_found", since=before)) == len(VECTORS), "all are found", 90.0)
    assert station.property_of("NRestarts") == "0"


def test_a_user_of_the_group_scans_the_bus(station: Station) -> None:
    """`weatherd scan` names each chip, without being root."""
    found = as_user("ana", "weatherd", "scan", groups=["i2c"])
    assert found.returncode == 0, found.stderr
    assert "4 chips answer on /dev/i2c-1" in found.stdout


def test_a_user_who_is_not_in_the_group_is_told_why_he_cannot_scan(station: Station) -> None:
    """`weatherd scan` finds the bus, may not open it, and says what to type."""
    found = as_user("bruno", "weatherd", "scan")
    assert found.returncode == os.EX_UNAVAILABLE
    assert found.stdout == ""
    error, hint = found.stderr.splitlines()[-2:]
    assert "/dev/i2c-1 cannot be opened: Permission denied" in error
    assert "sudo usermod -aG i2c" in hint


def test_the_doctor_tells_a_user_of_the_group_that_the_bus_can_be_used(station: Station) -> None:
    """`weatherd doctor` finds nothing wrong with the bus, without being root."""
    findings = _bus(as_user("ana", *_DOCTOR, groups=["i2c"]))
    assert [finding["state"] for finding in findings] == ["ok"], findings


def test_the_doctor_tells_a_user_who_is_not_in_the_group_how_to_get_in(station: Station) -> None:
    """`weatherd doctor` says that the bus may not be opened, and what to type."""
    doctor = as_user("bruno", *_DOCTOR)
    assert doctor.returncode == 1
    (finding,) = _bus(doctor)
    assert finding["state"] == "fail"
    assert "/dev/i2c-1 cannot be opened: Permission denied" in finding["message"]
    assert "sudo usermod -aG i2c" in finding["hint"]


@pytest.fixture(scope="module", autouse=True)
def _small_configuration() -> None:
    """Write one for the doctor: the barometer alone, which is what it takes to try the bus."""
    _CONFIG.write_text('[station]\nid = "vm"\n[[sensors]]\nname = "barometer"\ndriver = "bmp280"\naddress = 0x76\n')


def _bus(doctor: subprocess.CompletedProcess[str]) -> list[dict[str, str]]:
    """Return what the doctor found about the bus."""
    assert doctor.stdout, doctor.stderr
    findings: list[dict[str, str]] = json.loads(doctor.stdout)
    return [finding for finding in findings if finding["check"] == "bus"]
