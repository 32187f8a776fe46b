"""From the configuration of a sensor on the bus to its driver; each is imported only if it is configured."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from weatherd import config
from weatherd.ports import Sensor

if TYPE_CHECKING:
    from weatherd.sensors.i2c import Bus

OnBus = (
    config.Bmp280
    | config.Htu21d
    | config.Bmp180
    | config.Bh1750
    | config.WindVane
    | config.CircuitPython
    | config.Installed
)


def make_sensor(settings: OnBus, bus: "Bus") -> Sensor:
    """Make one sensor; nothing is asked of it yet."""
    return _MAKERS[type(settings)](settings, bus)


def _bmp280(settings: config.Bmp280, bus: "Bus") -> Sensor:
    from weatherd.sensors.bmp280 import Bmp280

    return Bmp280(bus, settings.name, settings.address)


def _htu21d(settings: config.Htu21d, bus: "Bus") -> Sensor:
    from weatherd.sensors.htu21d import Htu21d

    return Htu21d(bus, settings.name, settings.address)


def _bmp180(settings: config.Bmp180, bus: "Bus") -> Sensor:
    from weatherd.sensors.bmp180 import OVERSAMPLING, Bmp180

    return Bmp180(bus, settings.name, settings.address, OVERSAMPLING[settings.oversampling])


def _bh1750(settings: config.Bh1750, bus: "Bus") -> Sensor:
    from weatherd.sensors.bh1750 import Bh1750

    return Bh1750(bus, settings.name, settings.address)


def _wind_vane(settings: config.WindVane, bus: "Bus") -> Sensor:
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


def _installed(settings: config.Installed, bus: "Bus") -> Sensor:
    from weatherd.sensors.installed import InstalledSensor

    return InstalledSensor(bus, settings.name, settings.driver, settings.options)


_MAKERS: Mapping[type, Callable[[Any, "Bus"], Sensor]] = {
    config.Bmp280: _bmp280,
    config.Htu21d: _htu21d,
    config.Bmp180: _bmp180,
    config.Bh1750: _bh1750,
    config.WindVane: _wind_vane,
    config.CircuitPython: _circuitpython,
    config.Installed: _installed,
}
