"""
Any CircuitPython driver, by the name of its class.

Import, constructor and reads happen on the bus's thread, under a deadline on every transfer. What the driver does to us
has a name: an error of its own, a value that is no number, even an attempt to end the process. What it prints goes to
the log (`weatherd.logs.Printed`).

Two things cannot be had from outside. A driver that sleeps cannot be woken: after the deadline its bus is refused until
it returns, while all else goes on. And what is a lie of the chip, only a driver of its own knows: here quality control
alone looks at the values.
"""

import difflib
import importlib
import importlib.util
import math
import reprlib
import sys
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from weatherd.errors import DriverFailed, NoMeasurement
from weatherd.model import Measurement
from weatherd.sensors.chips import ChipSensor
from weatherd.sensors.i2c import OPEN_DEADLINE_S, Bus, without_a_board

Argument = str | int | float | bool
"""What a constructor can be given from a configuration."""

SETTLING_S = 0.02
"""After the constructor: most drivers reset their chip, and some return before it is ready (the HTU21D's by 5 ms)."""

_ADAFRUIT = "adafruit_"


class Attribute(NamedTuple):
    """An attribute of the driver, and the line from its unit to that of the quantity."""

    name: str
    slope: float = 1.0
    offset: float = 0.0


class CircuitPython(ChipSensor):
    """
    A chip with a driver of somebody else's, behind the `Sensor` port.

    Args:
        bus: The bus it is on.
        name: Its name in the configuration.
        class_name: Module and class: ``adafruit_sht4x.SHT4x``. Called with the bus and the arguments.
        arguments: By the names of the constructor's parameters.
        attributes: By quantity, what to read of the driver.
        deadline_s: For one measurement, and beside what opening takes anyway, for the constructor.
    """

    def __init__(
        self,
        bus: Bus,
        name: str,
        *,
        class_name: str,
        attributes: Mapping[str, Attribute],
        arguments: Mapping[str, Argument],
        deadline_s: float,
    ) -> None:
        super().__init__(bus, name)
        self.model = class_name.rpartition(".")[2]
        self.quantities = tuple(attributes)
        self.measure_deadline_s = deadline_s
        self.open_deadline_s = OPEN_DEADLINE_S + deadline_s
        self._class_name = class_name
        self._attributes = attributes
        self._arguments = arguments

    def _connect(self) -> Any:
        with without_a_board():
            driver = find_class(self._class_name)(self._i2c, **self._arguments)
        time.sleep(SETTLING_S)
        return driver

    def _read(self) -> Measurement:
        return {
            quantity: attribute.slope * number(getattr(self._driver, attribute.name), attribute.name) + attribute.offset
            for quantity, attribute in self._attributes.items()
        }

    def _watch(self, written: bytes, read: bytes) -> None:
        """Let everything pass: what the chip means, only its driver knows."""


def number(value: object, attribute: str) -> float:
    """
    Return what a driver gave as a finite number.

    Raises:
        NoMeasurement: If it is none. Transient: some drivers give None until their chip is ready.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    raise NoMeasurement(
        f"the driver gave {reprlib.repr(value)} as {attribute}",
        "if it stays so, look for another attribute in the driver's documentation",
    )


def find_class(class_name: str) -> type:
    """
    Import a driver's class.

    Raises:
        DriverFailed: If the module is not installed, or has no such class. Trying again helps when that is mended.
        Exception: Whatever the module raises when it is imported.
    """
    module_name, _, name = class_name.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise DriverFailed(f"the module {error.name} is not installed", how_to_install(error.name or "")) from error
    found = getattr(module, name, None)
    if not isinstance(found, type):
        classes = [known for known, value in vars(module).items() if isinstance(value, type)]
        near = difflib.get_close_matches(name, classes, n=1)
        what = "is no class" if hasattr(module, name) else "does not exist"
        raise DriverFailed(
            f"{class_name} {what}", f"did you mean {module_name}.{near[0]}?" if near else "correct class"
        )
    return found


def missing_module(class_name: str) -> str | None:
    """Return the module that has to be installed for a class; None if it is there. Nothing is imported."""
    package = class_name.partition(".")[0]
    return None if importlib.util.find_spec(package) else package


def how_to_install(module: str) -> str:
    """Tell what to type for a module that is not installed; Adafruit's packages have names that follow a rule."""
    package = module.partition(".")[0]
    if package.startswith(_ADAFRUIT):
        package = f"adafruit-circuitpython-{package.removeprefix(_ADAFRUIT).replace('_', '-')}"
    return f"{sys.executable} -m pip install {package}"
