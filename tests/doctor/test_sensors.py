"""The bus, the chips, the programs and the sockets, each as it is and as it can be broken."""

import errno
import os
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from weatherd import config
from weatherd.doctor import State, sensors
from weatherd.doctor.daemon import Daemon
from weatherd.doctor.findings import Finding
from weatherd.sensors.i2c import Bus
from weatherd.testing.chips import Bmp280Chip, Fault, Htu21dChip, SimulatedBus
from weatherd.testing.gpio import SimulatedGpio

WEATHER = {"air_temperature": 21.4, "air_pressure": 1012.3, "relative_humidity": 55.0}
QUANTITIES = {"air_temperature": config.Mapped("temperature_C")}


class Bench:
    """A bus with a BMP280 and an HTU21D on it, and the doctor in front of it."""

    def __init__(self) -> None:
        self.barometer = Bmp280Chip(lambda: WEATHER)
        self.hygrometer = Htu21dChip(lambda: WEATHER)
        self.simulated = SimulatedBus({0x77: self.barometer, 0x40: self.hygrometer})
        self.bus = Bus(lambda: self.simulated, "the simulated bus")
        self.gpio = SimulatedGpio()

    async def examine(self, sensor: config.Sensor, **more: Any) -> Finding:
        settings = {
            "bus": self.bus,
            "gpio": self.gpio,
            "number": "simulated",
            "bus_error": "",
            "daemon": Daemon(),
        } | more
        (found,) = await sensors.sensor(sensor, **settings)
        assert found.check == "sensor"
        assert found.subject == sensor.name
        assert bool(found.hint) == bool(found.code) == (found.state is not State.OK)
        return found


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    await bench.bus.close()


async def test_a_chip_that_measures_is_told_with_what_it_says(bench: Bench) -> None:
    """The model, where it is, and one true measurement with units."""
    assert (await bench.examine(config.Bmp280("barometer"))).message == "BMP280 at 0x77: 1012.3 hPa, 21.4 degC"
    assert (await bench.examine(config.Htu21d("hygrometer"))).message == "HTU21D at 0x40: 55.0 %, 21.4 degC"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault.UNPLUGGED, "sensor.no_answer"),
        (Fault.STUCK_BUSY, "sensor.deadline_exceeded"),
        (Fault.ALL_ONES, "sensor.all_ones"),
        (Fault.ALL_ZEROS, "sensor.all_zeros"),
        (Fault.RESET_REGISTERS, "sensor.reset_registers"),
    ],
)
async def test_a_broken_chip_is_told_by_its_fault(bench: Bench, fault: Fault, code: str) -> None:
    """Each fault has its own code, and ends within the chip's deadline."""
    bench.barometer.fault = fault
    found = await bench.examine(config.Bmp280("barometer"))
    assert (found.state, found.code) == (State.FAIL, code)


async def test_another_chip_at_the_address_is_named() -> None:
    """A BMP180 that is configured as a BMP280 is told by what it is."""
    bench = Bench()
    bench.simulated.chips = {0x77: Bmp280Chip(lambda: WEATHER, chip_id=0x55)}
    found = await bench.examine(config.Bmp280("barometer"))
    await bench.bus.close()
    assert (found.state, found.code) == (State.FAIL, "sensor.wrong_chip")
    assert "no BMP280 but a BMP180" in found.message


async def test_a_chip_that_a_daemon_has_is_not_touched(bench: Bench) -> None:
    """To open a chip resets it under the daemon's hands, so the daemon is asked."""
    told = {"name": "barometer", "model": "BMP280", "state": "working", "observed_at": "12:00Z", "error": None}
    bench.barometer.unplug_after(0)
    found = await bench.examine(config.Bmp280("barometer"), daemon=Daemon({"sensors": [told]}))
    assert (found.state, found.message) == (State.OK, "BMP280 works, says the daemon, last at 12:00Z")


async def test_what_the_daemon_has_lost_is_lost(bench: Bench) -> None:
    """The daemon's own error and hint are handed on."""
    error = {"code": "sensor.no_answer", "message": "nobody acknowledges", "hint": "check the plug"}
    told = {"name": "barometer", "model": "BMP280", "state": "lost", "observed_at": None, "error": error}
    found = await bench.examine(config.Bmp280("barometer"), daemon=Daemon({"sensors": [told]}))
    assert (found.state, found.code, found.hint) == (State.FAIL, "sensor.no_answer", "check the plug")
    assert found.message == "nobody acknowledges, says the daemon"


async def test_what_the_daemon_has_not_tried_yet_is_worth_a_look(bench: Bench) -> None:
    """Just after its start nothing is lost, and nothing works."""
    told = {"name": "barometer", "model": "BMP280", "state": "starting", "observed_at": None, "error": None}
    found = await bench.examine(config.Bmp280("barometer"), daemon=Daemon({"sensors": [told]}))
    assert (found.state, found.code) == (State.WARN, "sensor.starting")


async def test_a_sensor_that_the_daemon_does_not_know_yet_is_tried(bench: Bench) -> None:
    """What was just written into the file is tried here, also while a daemon runs that was not told of it."""
    found = await bench.examine(config.Bmp280("new"), daemon=Daemon({"sensors": []}))
    assert found.message == "BMP280 at 0x77: 1012.3 hPa, 21.4 degC"


async def test_beside_a_daemon_that_cannot_be_asked_nothing_is_tried(bench: Bench) -> None:
    """Nobody knows what it holds."""
    found = await bench.examine(config.Bmp280("barometer"), daemon=Daemon(is_silent=True))
    assert (found.state, found.code) == (State.WARN, "doctor.not_tried")


async def test_a_chip_of_the_kernels_is_left_to_it(bench: Bench) -> None:
    """A driver of the kernel and ours would both talk to the chip."""
    found = await bench.examine(config.Bmp280("barometer"), number=1, driver_of=lambda bus, address: "bmp280")
    assert (found.state, found.code) == (State.FAIL, "sensor.kernel_driver")
    assert "the kernel's own driver bmp280 has the chip at 0x77" in found.message


async def test_without_its_bus_a_chip_is_not_tried(bench: Bench) -> None:
    """One line tells how to mend the bus; the chips on it only point there."""
    found = await bench.examine(config.Bmp280("barometer"), bus_error="sensor.bus_unavailable")
    assert (found.state, found.code, found.hint) == (State.FAIL, "sensor.bus_unavailable", "mend the bus first")


async def test_a_bus_that_opens_can_be_used(bench: Bench) -> None:
    """Emulated chips are told as such."""
    (found,) = await sensors.bus(bench.bus, "simulated")
    assert (found.state, found.message) == (State.OK, "the simulated bus can be used, and its chips are emulated")


@pytest.mark.parametrize(
    ("number", "hint"),
    [(errno.ENOENT, "raspi-config"), (errno.EACCES, "usermod -aG i2c"), (errno.EIO, "dmesg")],
)
async def test_a_bus_that_does_not_open_is_told_with_the_way_to_mend_it(number: int, hint: str) -> None:
    """I2C is not turned on, the user is not in its group, or something else is wrong."""

    def refuse() -> Any:
        raise OSError(number, os.strerror(number))

    bus = Bus(refuse, "/dev/i2c-1")
    (found,) = await sensors.bus(bus, 1)
    await bus.close()
    assert (found.state, found.code) == (State.FAIL, "sensor.bus_unavailable")
    assert hint in found.hint


@pytest.mark.skipif(os.geteuid() != 0, reason="only root sees what others may not use")
async def test_a_bus_that_only_root_may_use_is_told_to_root(tmp_path: Path) -> None:
    """The doctor of root has a bus that the daemon, in the group i2c, has not."""
    device = tmp_path / "i2c-1"
    device.touch()
    bus = Bus(lambda: SimulatedBus({}), os.fspath(device))
    (found,) = await sensors.bus(bus, 1)
    await bus.close()
    assert (found.state, found.code) == (State.WARN, "bus.not_for_group")
    assert "systemd/weatherd-sysusers.conf" in found.hint


async def test_a_program_that_is_there_is_not_started(bench: Bench, tmp_path: Path) -> None:
    """It is looked for, in the path or at its place, and it is not told what it is given: that may be a password."""
    program = tmp_path / "radio"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    program.chmod(0o755)
    found = await bench.examine(
        config.JsonLines("garden", quantities=QUANTITIES, command=(str(program), "--password", "hunter2"))
    )
    assert found.state is State.OK
    assert "hunter2" not in repr(found)
    assert not (tmp_path / "started").exists()
    found = await bench.examine(config.JsonLines("garden", quantities=QUANTITIES, command=("sh",)))
    assert found.state is State.OK


async def test_a_program_that_is_missing_or_may_not_run_is_told(bench: Bench, tmp_path: Path) -> None:
    """The hint is to install it, or to allow it."""
    program = tmp_path / "radio"
    settings = config.JsonLines("garden", quantities=QUANTITIES, command=(str(program),))
    missing = await bench.examine(settings)
    program.write_text("#!/bin/sh\n")
    forbidden = await bench.examine(settings)
    assert (missing.code, missing.message) == ("sensor.no_program", f"there is no program {program}")
    assert "install it" in missing.hint
    assert (forbidden.state, forbidden.hint) == (State.FAIL, f"allow it: `sudo chmod a+rx {program}`")


async def test_a_free_port_is_free_afterwards(bench: Bench) -> None:
    """The port is taken for a moment, and given back."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        settings = config.JsonLines("roof", quantities=QUANTITIES, listen=config.Address("127.0.0.1", port))
        taken = await bench.examine(settings)
    free = await bench.examine(settings)
    assert (taken.state, taken.code) == (State.FAIL, "sensor.port_taken")
    assert f"sport = :{port}" in taken.hint
    assert free.state is State.OK
    with socket.create_server(("127.0.0.1", port)):
        pass


async def test_the_place_of_a_socket_is_looked_at_and_left_as_it_is(bench: Bench, tmp_path: Path) -> None:
    """Free, taken by a program, or no socket at all; nothing is made there."""
    path = tmp_path / "in.sock"
    settings = config.JsonLines("mast", quantities=QUANTITIES, listen=path)
    assert (await bench.examine(settings)).state is State.OK
    assert not path.exists()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fspath(path))
        server.listen()
        assert (await bench.examine(settings)).code == "sensor.socket_taken"
    assert (await bench.examine(settings)).state is State.OK
    assert stat.S_ISSOCK(path.stat().st_mode)
    path.unlink()
    path.touch()
    assert (await bench.examine(settings)).code == "sensor.no_socket"


async def test_a_folder_to_listen_in_must_be_there(bench: Bench, tmp_path: Path) -> None:
    """The unit makes its own; all others are made by people."""
    found = await bench.examine(config.JsonLines("mast", quantities=QUANTITIES, listen=tmp_path / "a" / "in.sock"))
    assert (found.state, found.code) == (State.FAIL, "sensor.no_folder")


@pytest.mark.parametrize("contact", [config.RainGauge("rain", 17), config.Anemometer("mast", 17)])
async def test_a_contact_is_told_with_its_state(bench: Bench, contact: config.RainGauge | config.Anemometer) -> None:
    """Its line is taken for a moment, and is free again."""
    found = await bench.examine(contact)
    assert found.state is State.OK
    assert found.message == "line 17 of the simulated chip can be had; its contact is open now"
    assert bench.gpio.consumer(17) == ""


async def test_a_line_that_somebody_has_is_told_with_his_name(bench: Bench) -> None:
    """Who has the line is what a person needs to know."""
    line = bench.gpio.request(17, "lircd")
    found = await bench.examine(config.RainGauge("rain", 17))
    assert (found.state, found.code) == (State.FAIL, "sensor.line_unavailable")
    assert "lircd" in found.message
    line.release()
