"""An emulated BMP280: pressure and temperature, at register level."""

import math
import struct
import time
from collections.abc import Callable
from typing import NamedTuple

from weatherd.testing.chips.base import BYTE, Chip, Fault, Weather


class Calibration(NamedTuple):
    """The trimming words of one BMP280, in the order of its registers."""

    t1: int
    t2: int
    t3: int
    p1: int
    p2: int
    p3: int
    p4: int
    p5: int
    p6: int
    p7: int
    p8: int
    p9: int

    def registers(self) -> bytes:
        """Return the 24 bytes from register 0x88 on: little-endian, t1 and p1 unsigned."""
        return struct.pack("<Hhh Hhhhhhhhh", *self)


DATASHEET_CALIBRATION = Calibration(27504, 26435, -1000, 36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000)
"""The worked example of the BMP280 datasheet, BST-BMP280-DS001, section 3.12."""


def temperature_reading(calibration: Calibration, temperature_degc: float) -> float:
    """
    Invert the temperature compensation.

    Returns:
        The raw word, 0 to 2**20 for what the chip can measure, before rounding.

    Source:
        BMP280 datasheet, section 8.1 (double precision): t_fine = 8 T2 x + T3 x², x = word / 2**17 - T1 / 2**13.
    """
    t_fine = temperature_degc * 5120
    slope = 8 * calibration.t2
    x = 2 * t_fine / (slope + math.sqrt(slope**2 + 4 * calibration.t3 * t_fine))
    return (x + calibration.t1 / 8192) * 131072


def fine_temperature(calibration: Calibration, word: int) -> int:
    """Return t_fine of a raw temperature word, cut to a whole number as Bosch does (section 8.1)."""
    x = word / 131072 - calibration.t1 / 8192
    return int(8 * calibration.t2 * x + calibration.t3 * x**2)


def pressure_reading(calibration: Calibration, t_fine: int, pressure_hpa: float) -> float:
    """
    Invert the pressure compensation.

    Args:
        calibration: The chip's trimming words; p1 is not 0.
        t_fine: The fine temperature that the driver will compensate with.
        pressure_hpa: 300 to 1100.

    Returns:
        The raw word, 0 to 2**20 for what the chip can measure, before rounding.

    Source:
        BMP280 datasheet, section 8.1 (double precision), whose last three lines are a quadratic equation.
    """
    c = calibration
    var1 = t_fine / 2 - 64000
    var2 = (var1 * var1 * c.p6 / 32768 + var1 * c.p5 * 2) / 4 + c.p4 * 65536
    var1 = (1 + (c.p3 * var1 * var1 / 524288 + c.p2 * var1) / 524288 / 32768) * c.p1
    square, slope, rest = c.p9 / 2**35, 1 + c.p8 / 2**19, c.p7 / 16 - pressure_hpa * 100
    uncorrected_pa = -2 * rest / (slope + math.sqrt(slope**2 - 4 * square * rest))
    return 1048576 - uncorrected_pa * var1 / 6250 - var2 / 4096


class Bmp280Chip(Chip):
    """
    A BMP280.

    Args:
        weather: Air temperature and air pressure.
        monotonic_s: Seconds that never go back.
        calibration: Its trimming words.
        chip_id: What register 0xD0 says: 0x58, or that of a relative.

    Source:
        Bosch BMP280 datasheet, BST-BMP280-DS001: sections 3.3 (resolution), 3.6 (modes), 3.8 (times), 4 (registers).
    """

    faults = frozenset(Fault) - {Fault.BAD_CRC}

    STANDBY_S = (0.0005, 0.0625, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
    START_UP_S = 0.002
    RESET_WORD = 0x80000
    SLEEP, FORCED, NORMAL = 0b00, 0b01, 0b11

    def __init__(
        self,
        weather: Weather,
        monotonic_s: Callable[[], float] = time.monotonic,
        calibration: Calibration = DATASHEET_CALIBRATION,
        chip_id: int = 0x58,
    ) -> None:
        self._calibration = calibration
        self._chip_id = chip_id
        super().__init__(weather, monotonic_s)

    def _power_on(self) -> None:
        self._pointer = self._ctrl_meas = self._config = 0
        self._ready_at_s = self._monotonic_s() + self.START_UP_S
        self._done_at_s = math.inf  # of the conversion that is under way
        self._pressure_word = self._temperature_word = self.RESET_WORD

    def _write(self, data: bytes) -> None:
        """Take register and value in pairs; a last register without a value is where reading begins."""
        self._settle()
        for register, value in zip(data[::2], data[1::2], strict=False):
            match register, value:
                case 0xE0, 0xB6:
                    self._power_on()
                case 0xF4, _:
                    self._ctrl_meas = value
                    asleep = self._mode == self.SLEEP
                    self._done_at_s = math.inf if asleep else self._now_s() + self.conversion_s
                case 0xF5, _:
                    self._config = value
        if len(data) % 2:
            self._pointer = data[-1]

    def _read(self, count: int) -> bytes:
        self._settle()
        self._pointer, first = (self._pointer + count) & BYTE, self._pointer
        return bytes(self._registers().get(register & BYTE, 0) for register in range(first, first + count))

    def _registers(self) -> dict[int, int]:
        data = (self._pressure_word << 28 | self._temperature_word << 4).to_bytes(6)
        return {
            **dict(enumerate(self._calibration.registers(), 0x88)),
            0xD0: self._chip_id,
            0xF3: self._measuring << 3 | (self._now_s() < self._ready_at_s),
            0xF4: self._ctrl_meas,
            0xF5: self._config,
            **dict(enumerate(data, 0xF7)),
        }

    @property
    def conversion_s(self) -> float:
        """How long one conversion takes at most, with the present oversampling (section 3.8.1 and appendix B)."""
        temperature, pressure = self._oversampling
        time_ms = 1.25 + 2.3 * _samples(temperature) + (2.3 * _samples(pressure) + 0.575 if pressure else 0)
        return time_ms / 1000

    @property
    def _mode(self) -> int:
        mode = self._ctrl_meas & 0b11
        return mode if mode in {self.SLEEP, self.NORMAL} else self.FORCED

    @property
    def _oversampling(self) -> tuple[int, int]:
        return self._ctrl_meas >> 5, self._ctrl_meas >> 2 & 0b111

    @property
    def _measuring(self) -> bool:
        return self._now_s() >= self._done_at_s - self.conversion_s

    def _now_s(self) -> float:
        return self._monotonic_s()

    def _settle(self) -> None:
        """Let happen what has happened since the last transfer."""
        now_s = self._now_s()
        if now_s < self._done_at_s or self._fault is Fault.STUCK_BUSY:
            return
        if self._fault is not Fault.RESET_REGISTERS:
            self._convert()
        if self._mode == self.NORMAL:
            cycle_s = self.conversion_s + self.STANDBY_S[self._config >> 5]
            self._done_at_s += cycle_s * (1 + (now_s - self._done_at_s) // cycle_s)
        else:
            self._ctrl_meas &= ~0b11
            self._done_at_s = math.inf

    def _convert(self) -> None:
        weather = self._weather()
        temperature, pressure = self._oversampling
        self._temperature_word = self._pressure_word = self.RESET_WORD
        if temperature:
            word = temperature_reading(self._calibration, weather["air_temperature"])
            self._temperature_word = _resolve(word, temperature)
        if temperature and pressure:
            t_fine = fine_temperature(self._calibration, self._temperature_word)
            word = pressure_reading(self._calibration, t_fine, weather["air_pressure"])
            self._pressure_word = _resolve(word, pressure)


def _samples(oversampling: int) -> int:
    """Return how many samples a setting of three bits means: 0, 1, 2, 4, 8, 16, 16, 16."""
    return 1 << min(oversampling, 5) - 1 if oversampling else 0


def _resolve(word: float, oversampling: int) -> int:
    """Round a word to what that many samples resolve: 16 bits for one, 20 bits for sixteen."""
    step = 1 << 5 - min(oversampling, 5)
    return max(0, min(round(word / step) * step, 2**20 - step))
