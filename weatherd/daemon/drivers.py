"""From the configuration of a sensor to its driver, and to what it is wired to; each is imported only if configured."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import structlog

from weatherd import config
from weatherd.clock import SystemClock
from weatherd.journal import mark_of
from weatherd.ports import Clock, Sensor, Source

if TYPE_CHECKING:
    from weatherd.happenings import Happenings
    from weatherd.sensors.gpio import GpioChip
    from weatherd.sensors.i2c import Adapter, Bus
    from weatherd.sensors.infrared import InfraredReceiver
    from weatherd.sensors.lines import LineReader
    from weatherd.sensors.lirc import Lirc
    from weatherd.sensors.rain_gauge import RainGauge
    from weatherd.sensors.transmitter import Transmitter

OnBus = (
    config.Bmp280
    | config.Htu21d
    | config.Bmp180
    | config.Bh1750
    | config.WindVane
    | config.CircuitPython
    | config.Installed
)
OnLine = config.RainGauge | config.Anemometer
Log = structlog.typing.FilteringBoundLogger


def bus_of(settings: config.Config, clock: Clock, simulated: "Adapter | None") -> "Bus | None":
    """Return the bus of a station; None if nothing is on it."""
    if not any(isinstance(sensor, OnBus) for sensor in settings.sensors):
        return None
    return make_bus(settings.i2c.bus, clock, simulated)


def make_bus(bus: int | Literal["simulated"], clock: Clock, simulated: "Adapter | None" = None) -> "Bus":
    """
    Return a bus; nothing is opened yet.

    Args:
        bus: Of ``/dev/i2c-<bus>``, or for emulated chips.
        clock: Tells the emulated chips the time of day.
        simulated: The emulated chips; those in the recorded day's weather by default.
    """
    from weatherd.sensors.i2c import Bus

    if bus != "simulated":
        return Bus.of_linux(bus)
    if simulated is None:
        from weatherd.testing.weather import simulated_bus

        simulated = simulated_bus(clock.now_ms)
    adapter = simulated
    return Bus(lambda: adapter, "the simulated bus")


def gpio_of(settings: config.Config) -> "GpioChip | None":
    """Return the chip that a station's contacts are wired to; None if there are none."""
    if not any(isinstance(sensor, OnLine) for sensor in settings.sensors):
        return None
    kind, _, path = settings.gpio.chip.partition(":")
    if kind == "simulated":
        from weatherd.testing.gpio import SimulatedGpio

        return SimulatedGpio(Path(path) if path else None)
    from weatherd.sensors.gpio import LinuxChip

    return LinuxChip(settings.gpio.chip)


def lirc_of(settings: config.Config) -> "Lirc | None":
    """Return the infrared devices; None if the station neither hears nor sends."""
    wanted = [sensor.device for sensor in settings.sensors if isinstance(sensor, config.InfraredReceiver)]
    wanted += [] if settings.infrared is None else [settings.infrared.device]
    if not wanted:
        return None
    if SIMULATED in wanted:
        from weatherd.testing.lirc import SimulatedLirc

        return SimulatedLirc.loopback()
    from weatherd.sensors.lirc import LinuxLirc

    return LinuxLirc()


def make_receiver(
    settings: config.InfraredReceiver, devices: "Lirc", infrared: config.Infrared | None
) -> "InfraredReceiver":
    """Make a receiver; no device is looked for yet. What may be sent names what is heard, too."""
    from weatherd.sensors.infrared import InfraredReceiver

    commands = {} if infrared is None else infrared.commands
    return InfraredReceiver(
        devices,
        settings.name,
        device=lirc_device(settings.device),
        raw=settings.raw,
        names={
            (command.protocol, command.scancode): name
            for name, command in commands.items()
            if command.protocol is not None and command.scancode is not None
        },
    )


def make_transmitter(
    settings: config.Infrared, devices: "Lirc", clock: Clock, happenings: "Happenings"
) -> "Transmitter":
    """Make what sends; no device is looked for yet."""
    from weatherd.sensors.transmitter import Command, Transmitter, sentence

    return Transmitter(
        devices,
        clock,
        lambda sent: happenings.sent(sent, sentence(sent)),
        device=lirc_device(settings.device),
        commands={
            name: Command(one.protocol or "", one.scancode or 0, one.timings_us or (), one.carrier_hz, one.repeats)
            for name, one in settings.commands.items()
        },
        per_minute_max=settings.sends_per_minute_max,
    )


SIMULATED = "simulated"


def lirc_device(device: str) -> str:
    """Return which device is wanted; of the simulated ones there is only one of a kind."""
    return "auto" if device == SIMULATED else device


def make_sensor(settings: OnBus, bus: "Bus") -> Sensor:  # noqa: PLR0911  -- one a driver
    """Make a sensor on the bus; nothing is asked of it yet."""
    match settings:
        case config.Bmp280():
            from weatherd.sensors.bmp280 import Bmp280

            return Bmp280(bus, settings.name, settings.address)
        case config.Htu21d():
            from weatherd.sensors.htu21d import Htu21d

            return Htu21d(bus, settings.name, settings.address)
        case config.Bmp180():
            from weatherd.sensors.bmp180 import OVERSAMPLING, Bmp180

            return Bmp180(bus, settings.name, settings.address, OVERSAMPLING[settings.oversampling])
        case config.Bh1750():
            from weatherd.sensors.bh1750 import Bh1750

            return Bh1750(bus, settings.name, settings.address)
        case config.WindVane():
            from weatherd.sensors.wind_vane import WindVane

            return WindVane(
                bus,
                settings.name,
                settings.address,
                channel=settings.channel,
                supply_v=settings.supply_v,
                pull_up_ohm=settings.pull_up_ohm,
                position_ohms=settings.position_ohms,
                north_deg=settings.north_deg,
            )
        case config.CircuitPython():
            return _circuitpython(settings, bus)
        case config.Installed():
            from weatherd.sensors.installed import InstalledSensor

            return InstalledSensor(bus, settings.name, settings.driver, settings.options)


def _circuitpython(settings: config.CircuitPython, bus: "Bus") -> Sensor:
    from weatherd.sensors.circuitpython import Attribute, CircuitPython

    attributes = {}
    for quantity, given in settings.quantities.items():
        line = settings.conversion(quantity)
        attributes[quantity] = Attribute(given.attribute, line.slope, line.offset)
    return CircuitPython(
        bus,
        settings.name,
        class_name=settings.class_name,
        attributes=attributes,
        arguments=settings.constructor_arguments,
        deadline_s=settings.deadline_s,
    )


def without_heat(sensor: Sensor, share: float, log: Log) -> Sensor:
    """Return a sensor whose temperature is without the processor's heat; the sensor itself for a share of 0."""
    if not share:
        return sensor
    from weatherd.sensors.heat import CpuThermometer, WithoutHeat

    return WithoutHeat(sensor, CpuThermometer(log), share)


def make_anemometer(settings: config.Anemometer, gpio: "GpioChip") -> Sensor:
    """Make a sensor on a line; the line is not asked for yet."""
    from weatherd.sensors.anemometer import Anemometer

    return Anemometer(
        gpio,
        settings.name,
        settings.line,
        m_per_s_per_hz=settings.m_per_s_per_hz,
        debounce_s=settings.debounce_ms / 1000,
    )


def make_rain_gauge(
    settings: config.RainGauge, gpio: "GpioChip", *, young_folder: Path, journal: Path, clock: SystemClock, log: Log
) -> "RainGauge":
    """
    Make a rain gauge; the line is not asked for yet.

    Args:
        settings: Its table.
        gpio: Where it is wired to.
        young_folder: For the file that keeps its tips over the end of the process.
        journal: Of the station: stations that share the folder have journals of their own, and tips belong to one.
        clock: The station's clock.
        log: Where people read.
    """
    from weatherd.sensors.rain_gauge import RainGauge
    from weatherd.sensors.tally import TallyFile

    file = young_folder / f"{settings.name}-{mark_of(journal)}.tally"
    return RainGauge(
        gpio,
        settings.name,
        settings.line,
        mm_per_tip=settings.mm_per_tip,
        debounce_s=settings.debounce_ms / 1000,
        time_zone=settings.zone,
        file=TallyFile(file, clock.boot_id()),
        clock=clock,
        log=log,
    )


def make_source(sensors: Sequence[config.JsonLines], clock: Clock, log: Log) -> Source:
    """Return the one source of sensors with the same command or the same place to listen at."""
    from weatherd.sensors.jsonlines import JsonLinesCommand, JsonLinesListener

    readers = {sensor.name: _line_reader(sensor) for sensor in sensors}
    if (command := sensors[0].command) is not None:
        return JsonLinesCommand(readers, clock, log, command=command)
    listen = sensors[0].listen
    assert listen is not None
    return JsonLinesListener(readers, clock, log, listen=listen)


def _line_reader(settings: config.JsonLines) -> "LineReader":
    from weatherd.sensors.lines import Field, LineReader

    fields = {}
    for quantity, mapped in settings.quantities.items():
        line = settings.conversion(quantity)
        fields[quantity] = Field(mapped.field, line.slope, line.offset, mapped.counter, mapped.counter_max)
    return LineReader(
        fields,
        match=settings.match,
        observed_at=settings.observed_at,
        time_zone=settings.zone,
        labels=settings.labels,
        repeat_window_s=settings.effective_repeat_window_s,
    )
