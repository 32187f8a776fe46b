"""
Whether the bus can be used, and each sensor measures.

A chip is opened and read once as the daemon does it, under the same deadlines. A program is looked for, but not
started: it may hold a radio receiver, and what it says comes when it likes. Where the daemon has a sensor, it is asked.
"""

import errno
import grp
import os
import shutil
import socket
import stat
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from weatherd import config
from weatherd.daemon.drivers import make_sensor
from weatherd.doctor.daemon import NOT_TRIED, SEE_DAEMON, Daemon
from weatherd.doctor.findings import Finding, fail, failed, ok, warn
from weatherd.errors import SensorError
from weatherd.model import QUANTITIES, Measurement
from weatherd.ports import Sensor
from weatherd.sensors.kernel import kernel_driver

if TYPE_CHECKING:
    from weatherd.sensors.gpio import GpioChip
    from weatherd.sensors.i2c import Bus
    from weatherd.sensors.lirc import Lirc

BusName = int | Literal["simulated"]

BUS_DEADLINE_S = 2.0

_DECIMALS_MAX = 1
_GROUP_MAY = stat.S_IRGRP | stat.S_IWGRP
_RUNTIME_FOLDER = Path("/run/weatherd")


async def bus(bus: "Bus", number: BusName) -> Sequence[Finding]:
    """
    Open the bus.

    Args:
        bus: To be opened.
        number: As in the configuration.
    """
    try:
        await bus.run(lambda _adapter: None, BUS_DEADLINE_S)
    except SensorError as error:
        return [failed("bus", "bus", error)]
    if number == "simulated":
        return [ok("bus", "bus", f"{bus.name} can be used, and its chips are emulated")]
    return [_for_the_group(Path(bus.name)) or ok("bus", "bus", f"{bus.name} can be used")]


def _for_the_group(bus: Path) -> Finding | None:
    """Look, as root, who but root may use a bus: the unit's user may as a member of the group i2c."""
    if os.geteuid() != 0:
        return None
    status = bus.stat()
    try:
        group = grp.getgrgid(status.st_gid).gr_name
    except KeyError:
        group = str(status.st_gid)
    if group == "i2c" and status.st_mode & _GROUP_MAY == _GROUP_MAY:
        return None
    sentence = (
        f"{bus} can be used by root, but not by the group i2c: it belongs to {group}, {stat.filemode(status.st_mode)}"
    )
    hint = "install systemd/weatherd-sysusers.conf and the package i2c-tools, whose udev rule gives it to that group"
    return warn("bus", "bus", "bus.not_for_group", sentence, hint)


async def sensor(  # noqa: PLR0911  -- one a kind
    settings: config.Sensor,
    *,
    bus: "Bus | None",
    gpio: "GpioChip | None",
    lirc: "Lirc | None" = None,
    number: BusName,
    bus_error: str,
    daemon: Daemon,
    driver_of: Callable[[BusName, int], str] = kernel_driver,
) -> Sequence[Finding]:
    """
    Try a sensor, or ask the daemon that has it.

    Args:
        settings: Its table.
        bus: Where the chips are; None if there are none.
        gpio: Where the contacts are; None if there are none.
        lirc: The infrared devices; None if the station neither hears nor sends.
        number: Of the bus, as in the configuration.
        bus_error: The code of what is wrong with the bus; empty if nothing is.
        daemon: Which may have the sensor.
        driver_of: Tells which driver of the kernel has an address of a bus.
    """
    name = settings.name
    if daemon.is_silent:
        return [warn("sensor", name, "doctor.not_tried", NOT_TRIED, SEE_DAEMON)]
    if (told := daemon.sensor(name)) is not None:
        return [_asked(name, told)]
    if isinstance(settings, config.JsonLines):
        return [_stream(settings)]
    if isinstance(settings, config.InfraredReceiver):
        from weatherd.doctor import infrared  # noqa: PLC0415 - for those who have a receiver

        assert lirc is not None
        return infrared.receiver(settings, lirc)
    if isinstance(settings, config.RainGauge | config.Anemometer):
        assert gpio is not None
        return [_contact(settings, gpio)]
    if bus_error:
        return [fail("sensor", name, bus_error, "not tried: the bus cannot be used", "mend the bus first")]
    assert bus is not None
    return [await _chip(settings, make_sensor(settings, bus), partial(driver_of, number))]


def _asked(name: str, told: Mapping[str, Any]) -> Finding:
    if error := told["error"]:
        return fail("sensor", name, error["code"], f"{error['message']}, says the daemon", error["hint"])
    if told["state"] == "working":
        last = f", last at {told['observed_at']}" if told["observed_at"] else ""
        return ok("sensor", name, f"{told['model']} works, says the daemon{last}")
    sentence = f"{told['model']} has not been heard of yet, says the daemon"
    return warn("sensor", name, "sensor.starting", sentence, "wait a minute, and look at `weatherd status`")


async def _chip(settings: config.Sensor, chip: Sensor, driver_of: Callable[[int], str]) -> Finding:
    address = getattr(settings, "address", None)
    if not isinstance(address, int):
        address = None  # it has none, or the driver knows it
    if address is not None and (driver := driver_of(address)):
        sentence = f"not tried: the kernel's own driver {driver} has the chip at {address:#04x}"
        hint = "take its dtoverlay out of /boot/firmware/config.txt, and restart"
        return fail("sensor", settings.name, "sensor.kernel_driver", sentence, hint)
    try:
        await chip.open()
        measurement = await chip.measure()
    except SensorError as error:
        return failed("sensor", settings.name, error, "look at the wires, the power and the address")
    finally:
        await chip.close()
    where = "" if address is None else f" at {address:#04x}"
    return ok("sensor", settings.name, f"{chip.model}{where}: {_values(measurement)}")


def _contact(settings: config.RainGauge | config.Anemometer, gpio: "GpioChip") -> Finding:
    """Take a line for a moment, and give it back."""
    from weatherd.sensors.gpio import gone, request  # noqa: PLC0415 - for those who have a contact

    try:
        line = request(gpio, settings.line, "weatherd doctor")
        try:
            state = "open" if line.is_open() else "closed"
        except OSError as error:
            raise gone(gpio, settings.line, error) from error
        finally:
            line.release()
    except SensorError as error:
        return failed("sensor", settings.name, error)
    return ok("sensor", settings.name, f"line {settings.line} of {gpio.name} can be had; its contact is {state} now")


def _values(measurement: Measurement) -> str:
    shown = []
    for name, value in measurement.items():
        quantity = QUANTITIES[name]
        shown.append(f"{value:.{min(quantity.decimals, _DECIMALS_MAX)}f} {quantity.unit}")
    return ", ".join(shown)


def _stream(settings: config.JsonLines) -> Finding:
    if settings.command is not None:
        return _program(settings.name, settings.command[0])
    assert settings.listen is not None
    if isinstance(settings.listen, Path):
        return _socket(settings.name, settings.listen)
    return _port(settings.name, *settings.listen)


def _program(name: str, program: str) -> Finding:
    """Look for a program; its arguments are not told, as one may be a password."""
    if found := shutil.which(program):
        return ok("sensor", name, f"{found} is there; whether it hears anything, the daemon's log tells")
    if Path(program).is_file():
        sentence, hint = f"{program} may not be executed", f"allow it: `sudo chmod a+rx {program}`"
    else:
        sentence, hint = f"there is no program {program}", "install it, or write its whole path in `command`"
    return fail("sensor", name, "sensor.no_program", sentence, hint)


def _port(name: str, host: str, port: int) -> Finding:
    """Take a port for a moment, and give it back."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            sentence = f"port {port} of {host} cannot be taken: {os.strerror(error.errno or 0)}"
            return fail("sensor", name, "sensor.no_port", sentence, "change `listen`; ports below 1024 are for root")
        hint = f"`sudo ss -ltnp 'sport = :{port}'` names it; stop it, or change `listen`"
        return fail("sensor", name, "sensor.port_taken", f"another program has port {port} of {host}", hint)
    return ok("sensor", name, f"port {port} of {host} is free for us to listen at")


def _socket(name: str, path: Path) -> Finding:
    """Look at the place of a Unix socket; it is not made, as it would be another user's than the daemon's."""
    folder = path.parent
    if folder == _RUNTIME_FOLDER and not folder.exists():
        return ok("sensor", name, f"{folder} is made by systemd when it starts the unit")
    if not folder.is_dir():
        hint = f"make it, and give it to the user of the daemon: `sudo install -d -o USER {folder}`"
        return fail("sensor", name, "sensor.no_folder", f"there is no folder {folder} to listen in", hint)
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
        hint = "listen in /run/weatherd, or try with sudo"
        return fail("sensor", name, "sensor.no_folder", f"{folder} may not be written by this user", hint)
    if path.exists() and not path.is_socket():
        return fail("sensor", name, "sensor.no_socket", f"{path} is there, and is no socket", "change `listen`")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        if probe.connect_ex(os.fspath(path)) in {0, errno.EAGAIN}:
            hint = f"`sudo ss -lxp src {path}` names it; stop it, or change `listen`"
            return fail("sensor", name, "sensor.socket_taken", f"another program listens at {path}", hint)
    return ok("sensor", name, f"{path} is free for us to listen at")
