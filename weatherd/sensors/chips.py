"""What all chips on an I2C bus have in common: a driver that is constructed anew at each opening, under a deadline."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from weatherd.model import Measurement
from weatherd.sensors.i2c import OPEN_DEADLINE_S, Bus, DriverBus


class ChipSensor(ABC):
    """
    A chip with a driver, behind the `Sensor` port.

    Args:
        bus: The bus it is on.
        name: Its name in the configuration.
        address: Its address on the bus; 0 where only the driver knows it.
    """

    model: str
    quantities: Sequence[str]
    measure_deadline_s: float
    open_deadline_s = OPEN_DEADLINE_S

    def __init__(self, bus: Bus, name: str, address: int = 0) -> None:
        self.name = name
        self._address = address
        self._i2c = DriverBus(bus, self._watch)
        self._driver: Any = None

    async def open(self) -> None:
        """Find the chip and make it ready. Raises as the port says."""
        self._driver = None
        self._driver = await self._i2c.run(self._connect, self.open_deadline_s)

    async def measure(self) -> Measurement:
        """Take one measurement. Raises as the port says."""
        assert self._driver is not None, "open first"
        return await self._i2c.run(self._read, self.measure_deadline_s)

    async def close(self) -> None:
        """Forget the driver; the chip sleeps by itself. Raises nothing."""
        self._driver = None

    @abstractmethod
    def _connect(self) -> Any:
        """Construct the driver; on the bus's thread."""

    @abstractmethod
    def _read(self) -> Measurement:
        """Let the driver measure; on the bus's thread."""

    @abstractmethod
    def _watch(self, written: bytes, read: bytes) -> None:
        """Name what no healthy chip says, as it passes the bus."""
