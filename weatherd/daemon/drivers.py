"""From the configuration of a sensor on the bus to its driver; each is imported only if it is configured."""

from typing import TYPE_CHECKING

from weatherd import config
from weatherd.ports import Sensor

if TYPE_CHECKING:
    from weatherd.sensors.i2c import Bus

OnBus = config.Bmp280 | config.Htu21d | config.Bmp180 | config.Bh1750 | config.CircuitPython | config.Installed


def make_sensor(settings: OnBus, bus: "Bus") -> Sensor:
    """Make one sensor; nothing is asked of it yet."""
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
