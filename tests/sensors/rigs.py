"""Every chip with its sensor on an emulated bus, and how each of its faults is called."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from weatherd.errors import (
    AllOnes,
    AllZeros,
    BadChecksum,
    DeadlineExceeded,
    NoAnswer,
    ResetRegisters,
    SensorError,
)
from weatherd.ports import Sensor
from weatherd.sensors.bh1750 import Bh1750
from weatherd.sensors.bmp180 import Bmp180
from weatherd.sensors.bmp280 import Bmp280
from weatherd.sensors.htu21d import Htu21d
from weatherd.sensors.i2c import Bus
from weatherd.testing.chips import (
    Bh1750Chip,
    Bmp180Chip,
    Bmp280Chip,
    Chip,
    Fault,
    Htu21dChip,
    SimulatedBus,
    Weather,
)

FAIR: Mapping[str, float] = {
    "air_temperature": 20.0,
    "relative_humidity": 50.0,
    "air_pressure": 1000.0,
    "illuminance": 20_000.0,
}


class Rig(NamedTuple):
    """
    One kind of chip.

    Attributes:
        while_measuring: What each fault is called that comes between opening and measuring.
        while_opening: The same, for those that show at the opening.
        start_up_s: From its plug to its first answer.
        messages: Fewer are no measurement.
        tolerance: By quantity, how far a value may be from the weather.
    """

    make_chip: Callable[[Weather], Chip]
    make_sensor: Callable[[Bus], Sensor]
    address: int
    while_measuring: Mapping[Fault, type[SensorError]]
    while_opening: Mapping[Fault, type[SensorError]]
    start_up_s: float
    messages: int
    tolerance: Mapping[str, float]


_DEAD = {Fault.UNPLUGGED: NoAnswer, Fault.ALL_ONES: AllOnes, Fault.ALL_ZEROS: AllZeros}
_BOSCH = {**_DEAD, Fault.STUCK_BUSY: DeadlineExceeded, Fault.RESET_REGISTERS: ResetRegisters}
_HTU21D = {**_DEAD, Fault.STUCK_BUSY: DeadlineExceeded, Fault.BAD_CRC: BadChecksum}
_BH1750 = {Fault.UNPLUGGED: NoAnswer, Fault.ALL_ONES: AllOnes}

RIGS = {
    "bmp280": Rig(
        Bmp280Chip,
        lambda bus: Bmp280(bus, "chip"),
        0x77,
        _BOSCH,
        _DEAD,
        0.0,
        22,
        {"air_pressure": 0.01, "air_temperature": 0.0025},
    ),
    "htu21d": Rig(
        Htu21dChip,
        lambda bus: Htu21d(bus, "chip"),
        0x40,
        _HTU21D,
        _DEAD,
        Htu21dChip.RESET_S,
        8,
        {"relative_humidity": 0.04, "air_temperature": 0.011},
    ),
    "bmp180": Rig(
        Bmp180Chip,
        lambda bus: Bmp180(bus, "chip"),
        0x77,
        _BOSCH,
        _DEAD,
        Bmp180Chip.START_UP_S,
        20,
        {"air_pressure": 0.02, "air_temperature": 0.005},
    ),
    "bh1750": Rig(
        Bh1750Chip,
        lambda bus: Bh1750(bus, "chip"),
        0x23,
        _BH1750,
        _BH1750,
        0.0,
        9,
        {"illuminance": 1.0},
    ),
}


class Bench:
    """A chip of one kind in a settable weather, and the sensor that reads it."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.weather = dict(FAIR)
        self.chip = rig.make_chip(lambda: self.weather)
        self.bus = Bus(lambda: SimulatedBus({rig.address: self.chip}), "the simulated bus")
        self.sensor = rig.make_sensor(self.bus)
