"""
A sensor that another package brings along, found by its name in the entry point group ``weatherd.sensors``.

The entry point names a callable ``make(bus, name, options)`` that returns a `weatherd.ports.Sensor`: most simply a
subclass of `weatherd.sensors.chips.ChipSensor` with such a constructor. `bus` is a `weatherd.sensors.i2c.Bus` which
opens itself when it is first used, `name` the sensor's in the configuration, `options` its table of that name.

It is imported when the sensor is opened, on a thread of its own; so what is wrong with it is that sensor's error, like
a chip that does not answer. Opening and measuring have a deadline, and whatever they raise has a name. What they do on
the event loop itself must not block it: `ChipSensor` works on the bus's thread.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any

from weatherd.errors import DeadlineExceeded, DriverFailed, SensorError
from weatherd.model import QUANTITIES, Measurement
from weatherd.ports import Sensor
from weatherd.sensors.i2c import Bus, in_words

GROUP = "weatherd.sensors"

OPEN_DEADLINE_S = 15.0
"""To import a package from a slow card, and to open the sensor."""

MEASURE_DEADLINE_S = 15.0

Option = str | int | float | bool


class InstalledSensor:
    """
    The sensor of another package, behind the `Sensor` port.

    Args:
        bus: The bus, for a chip that is on it.
        name: Its name in the configuration.
        driver: The name of the entry point.
        options: What the configuration gives it.
    """

    def __init__(self, bus: Bus, name: str, driver: str, options: Mapping[str, Option]) -> None:
        self.name = name
        self.model = driver
        self.quantities: Sequence[str] = ()
        self._bus = bus
        self._options = options
        self._sensor: Sensor | None = None

    async def open(self) -> None:
        """Import the package, make the sensor and open it. Raises as the port says."""
        async with self._named(OPEN_DEADLINE_S):
            if self._sensor is None:
                make = await asyncio.to_thread(self._load)
                sensor: Sensor = make(self._bus, self.name, self._options)
                self._check(sensor.quantities)
                self._sensor, self.quantities = sensor, tuple(sensor.quantities)
            await self._sensor.open()

    async def measure(self) -> Measurement:
        """Take one measurement. Raises as the port says."""
        assert self._sensor is not None, "open first"
        async with self._named(MEASURE_DEADLINE_S):
            measurement = await self._sensor.measure()
            if measurement.keys() != set(self.quantities):
                raise DriverFailed(f"{self.model} measured {list(measurement)} instead of {list(self.quantities)}")
            return {quantity: float(value) for quantity, value in measurement.items()}

    async def close(self) -> None:
        """Let the sensor give everything back. Raises nothing."""
        if self._sensor is not None:
            with contextlib.suppress(SensorError):
                async with self._named(OPEN_DEADLINE_S):
                    await self._sensor.close()

    def _load(self) -> Callable[..., Any]:
        """Import the package; on a thread."""
        for entry_point in entry_points(group=GROUP, name=self.model):
            make: Callable[..., Any] = entry_point.load()
            return make
        raise DriverFailed(f"no package brings a driver {self.model} any more", "install it again")

    def _check(self, quantities: Sequence[str]) -> None:
        unknown = [quantity for quantity in quantities if quantity not in QUANTITIES]
        if unknown or not quantities:
            raise DriverFailed(
                f"{self.model} measures {', '.join(unknown) or 'nothing'}, which weatherd does not know",
                f"known are {', '.join(QUANTITIES)}",
            )

    @contextlib.asynccontextmanager
    async def _named(self, deadline_s: float) -> AsyncIterator[None]:
        """Give whatever the other package raises a name, and end what takes too long."""
        try:
            async with asyncio.timeout(deadline_s):
                yield
        except SensorError:
            raise
        except TimeoutError as error:
            raise DeadlineExceeded(f"{self.model} takes more than {deadline_s:g} s") from error
        except (Exception, SystemExit, KeyboardInterrupt) as error:  # the latter two would end the event loop
            raise DriverFailed(
                f"the driver {self.model} gave up: {in_words(error)}",
                "the sensor is tried again; if it stays so, tell those who made its package",
            ) from error
