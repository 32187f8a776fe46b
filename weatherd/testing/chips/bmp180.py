"""An emulated BMP180: pressure and temperature, at register level."""

import math
import struct
import time
from collections.abc import Callable
from typing import NamedTuple

from weatherd.testing.chips.base import BYTE, Chip, Fault, Weather, not_acknowledged


class Calibration(NamedTuple):
    """The calibration words of one BMP180, in the order of its registers."""

    ac1: int
    ac2: int
    ac3: int
    ac4: int
    ac5: int
    ac6: int
    b1: int
    b2: int
    mb: int
    mc: int
    md: int

    def registers(self) -> bytes:
        """Return the 22 bytes from register 0xAA on: big-endian, ac4 to ac6 unsigned."""
        return struct.pack(">hhhHHHhhhhh", *self)


DATASHEET_CALIBRATION = Calibration(408, -72, -14383, 32741, 32757, 23153, 6190, 4, -32768, -8711, 2868)
"""The worked example of the BMP180 datasheet, BST-BMP180-DS000, section 3.5."""


def b5_of_temperature(temperature_degc: float) -> float:
    """Return the datasheet's B5 at a temperature: 160 a degree."""
    return temperature_degc * 160


def b5_of_reading(calibration: Calibration, ut: int) -> float:
    """Return the datasheet's B5 of a raw temperature word."""
    x1 = (ut - calibration.ac6) * calibration.ac5 / 2**15
    return x1 + calibration.mc * 2**11 / (x1 + calibration.md)


def temperature_reading(calibration: Calibration, temperature_degc: float) -> float:
    """
    Invert the temperature compensation.

    Returns:
        The raw word, 0 to 65535 for what the chip can measure, before rounding.

    Source:
        BMP180 datasheet, section 3.5: B5 = X1 + MC 2**11 / (X1 + MD) is a quadratic equation in X1 + MD.
    """
    c = calibration
    total = b5_of_temperature(temperature_degc) + c.md
    x1 = (total + math.sqrt(total**2 - 4 * c.mc * 2**11)) / 2 - c.md
    return x1 * 2**15 / c.ac5 + c.ac6


def pressure_reading(calibration: Calibration, b5: float, pressure_hpa: float) -> float:
    """
    Invert the pressure compensation.

    Args:
        calibration: The chip's words.
        b5: That which the driver will compensate with.
        pressure_hpa: 300 to 1100.

    Returns:
        The raw word in units of one sample's 16 bits, before rounding.

    Source:
        BMP180 datasheet, section 3.5, without its rounding; the last three lines are a quadratic equation.
    """
    c = calibration
    square, slope, rest = 3038 / 2**36, 1 - 7357 / 2**20, 3791 / 16 - pressure_hpa * 100
    p = -2 * rest / (slope + math.sqrt(slope**2 - 4 * square * rest))
    b6 = b5 - 4000
    b3 = c.ac1 + (c.b2 * b6**2 / 2**12 + c.ac2 * b6) / 2**13
    b4 = c.ac4 * ((c.ac3 * b6 / 2**13 + c.b1 * b6**2 / 2**28) / 4 + 32768) / 2**15
    return p * b4 / 100_000 + b3


class Bmp180Chip(Chip):
    """
    A BMP180.

    Args:
        weather: Air temperature and air pressure.
        monotonic_s: Seconds that never go back.
        calibration: Its calibration words.
        chip_id: What register 0xD0 says: 0x55.

    Source:
        Bosch BMP180 datasheet, BST-BMP180-DS000: sections 3.3 (times), 3.5 (compensation), 4 (registers).
    """

    faults = frozenset(Fault) - {Fault.BAD_CRC}

    START_UP_S = 0.010
    RESET_DATA = b"\x80\x00\x00"
    START_OF_CONVERSION, TEMPERATURE, PRESSURE = 0b100000, 0b01110, 0b10100
    TEMPERATURE_S = 0.0045
    PRESSURE_S = (0.0045, 0.0075, 0.0135, 0.0255)

    def __init__(
        self,
        weather: Weather,
        monotonic_s: Callable[[], float] = time.monotonic,
        calibration: Calibration = DATASHEET_CALIBRATION,
        chip_id: int = 0x55,
    ) -> None:
        self._calibration = calibration
        self._chip_id = chip_id
        super().__init__(weather, monotonic_s)

    def _power_on(self) -> None:
        self._pointer = self._control = 0
        self._ready_at_s = self._monotonic_s() + self.START_UP_S
        self._done_at_s = math.inf  # of the conversion that is under way
        self._data = self.RESET_DATA

    def _write(self, data: bytes) -> None:
        """Take register and value in pairs; a last register without a value is where reading begins."""
        if self._monotonic_s() < self._ready_at_s:
            raise not_acknowledged()
        self._settle()
        for register, value in zip(data[::2], data[1::2], strict=False):
            match register, value:
                case 0xE0, 0xB6:
                    self._power_on()
                case 0xF4, _:
                    self._control = value
                    self._done_at_s = self._monotonic_s() + self._conversion_s if self._measuring else math.inf
        if len(data) % 2:
            self._pointer = data[-1]

    def _read(self, count: int) -> bytes:
        if self._monotonic_s() < self._ready_at_s:
            raise not_acknowledged()
        self._settle()
        self._pointer, first = (self._pointer + count) & BYTE, self._pointer
        return bytes(self._registers().get(register & BYTE, 0) for register in range(first, first + count))

    def _registers(self) -> dict[int, int]:
        return {
            **dict(enumerate(self._calibration.registers(), 0xAA)),
            0xD0: self._chip_id,
            0xF4: self._control,
            **dict(enumerate(self._data, 0xF6)),
        }

    @property
    def _measuring(self) -> bool:
        return bool(self._control & self.START_OF_CONVERSION)

    @property
    def _conversion_s(self) -> float:
        """How long the conversion takes at most (section 3.3.1)."""
        return self.PRESSURE_S[self._control >> 6] if self._of_pressure else self.TEMPERATURE_S

    @property
    def _of_pressure(self) -> bool:
        return self._control & 0b11111 == self.PRESSURE

    def _settle(self) -> None:
        """Let happen what has happened since the last transfer."""
        if self._monotonic_s() < self._done_at_s or self._fault is Fault.STUCK_BUSY:
            return
        self._done_at_s = math.inf
        if self._fault is Fault.RESET_REGISTERS:
            self._data = self.RESET_DATA
        else:
            self._convert()
        self._control &= ~self.START_OF_CONVERSION

    def _convert(self) -> None:
        weather = self._weather()
        ut = _cut(temperature_reading(self._calibration, weather["air_temperature"]), 16)
        if not self._of_pressure:
            self._data = ut.to_bytes(2) + b"\x00"
            return
        oversampling = self._control >> 6
        b5 = b5_of_reading(self._calibration, ut)
        word = pressure_reading(self._calibration, b5, weather["air_pressure"])
        bits = 16 + oversampling
        self._data = (_cut(word * (1 << oversampling), bits) << 24 - bits).to_bytes(3)


def _cut(word: float, bits: int) -> int:
    """Round a word to what so many bits can say."""
    return max(0, min(round(word), (1 << bits) - 1))
