"""
Emulated chips at register level, and the bus they are on, behind the calls of smbus2.

They obey physics as far as a driver can feel it: a conversion takes its time, a busy HTU21D does not
acknowledge, a BMP280 that never converted holds its reset value. And they can be broken, as chips break:

    chip.fault = Fault.BAD_CRC      from the next transfer on
    chip.unplug_after(3)            after three more messages: in the middle of a measurement
    chip.fault = None               mended; a chip that was unplugged starts from its power-on state

Times are the longest of the datasheets. Of the HTU21D the hold-master commands are left out: no driver that
we know uses them on a Pi, whose I2C controller is bad at clock stretching.

A chip may be broken from any thread while its bus is used on another.
"""

import ctypes
import enum
import errno
import math
import os
import struct
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, NamedTuple

from smbus2 import i2c_msg
from smbus2.smbus2 import I2C_M_RD

from weatherd.model import Measurement

Weather = Callable[[], Measurement]
"""Tells the weather of this moment; air temperature and whatever else the chip measures must be in it."""

BYTE = 0xFF


class Fault(enum.Enum):
    """A way in which a chip breaks."""

    UNPLUGGED = "nobody acknowledges"
    STUCK_BUSY = "a conversion never ends"
    BAD_CRC = "every checksum is wrong"
    ALL_ONES = "whatever is read is all ones"
    ALL_ZEROS = "whatever is read is all zeros"
    RESET_REGISTERS = "conversions leave no result"


def not_acknowledged() -> OSError:
    """Return what the kernel of a Pi says when nobody acknowledges."""
    return OSError(errno.EREMOTEIO, os.strerror(errno.EREMOTEIO))


class Chip(ABC):
    """
    What all emulated chips share: power, faults, and a cable that can be pulled.

    Args:
        weather: The weather that the chip is in. Called on the bus's thread, at the end of a conversion.
        monotonic_s: Seconds that never go back.
    """

    faults: ClassVar[frozenset[Fault]]

    def __init__(self, weather: Weather, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._weather = weather
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._fault: Fault | None = None
        self._messages_left = math.inf
        self._power_on()
        self._ready_at_s = monotonic_s()  # its power has been on for long

    @property
    def fault(self) -> Fault | None:
        """The way in which the chip is broken; None for a healthy one."""
        return self._fault

    @fault.setter
    def fault(self, fault: Fault | None) -> None:
        if fault is not None and fault not in self.faults:
            raise ValueError(f"{type(self).__name__} cannot have the fault {fault.name}")
        with self._lock:
            if self._fault is Fault.UNPLUGGED:
                self._power_on()
            self._fault = fault
            self._messages_left = math.inf

    def unplug_after(self, messages: int) -> None:
        """Answer that many more messages, 0 or more, and then nobody until `fault` is set."""
        with self._lock:
            self._messages_left = messages

    def write(self, data: bytes) -> None:
        """Take the bytes of one message, perhaps none. Raises OSError where the chip does not acknowledge."""
        with self._lock:
            self._feel_message()
            if self._fault not in {Fault.ALL_ONES, Fault.ALL_ZEROS}:
                self._write(data)

    def read(self, count: int) -> bytes:
        """Return exactly `count` bytes. Raises OSError where the chip does not acknowledge."""
        with self._lock:
            self._feel_message()
            if self._fault is Fault.ALL_ONES:
                return b"\xff" * count
            if self._fault is Fault.ALL_ZEROS:
                return bytes(count)
            return self._read(count)

    def _feel_message(self) -> None:
        if self._messages_left == 0:
            self._fault = Fault.UNPLUGGED
        if self._fault is Fault.UNPLUGGED:
            raise not_acknowledged()
        self._messages_left -= 1

    @abstractmethod
    def _power_on(self) -> None: ...

    @abstractmethod
    def _write(self, data: bytes) -> None: ...

    @abstractmethod
    def _read(self, count: int) -> bytes: ...


class SimulatedBus:
    """
    A bus with emulated chips on it, in the place of `smbus2.SMBus`.

    Args:
        chips: The chips by their addresses.
    """

    def __init__(self, chips: Mapping[int, Chip]) -> None:
        self.chips = chips

    def i2c_rdwr(self, *i2c_msgs: i2c_msg) -> None:
        """Transfer messages; those read are filled in. Raises OSError as the kernel does."""
        for message in i2c_msgs:
            chip = self.chips.get(message.addr)
            if chip is None:
                raise not_acknowledged()
            if message.flags & I2C_M_RD:
                ctypes.memmove(message.buf, chip.read(message.len), message.len)
            else:
                chip.write(bytes(message))

    def close(self) -> None:
        """Do nothing: the chips stay where they are."""


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


class Htu21dChip(Chip):
    """
    An HTU21D.

    Args:
        weather: Air temperature and relative humidity.
        monotonic_s: Seconds that never go back.

    Attributes:
        slowness: By how much each conversion takes longer than the datasheet's longest.

    Source:
        MEAS HTU21D(F) datasheet, HPC199: commands, times, user register, status bits, CRC.
    """

    faults = frozenset(Fault) - {Fault.RESET_REGISTERS}

    RESET_S = 0.015
    TEMPERATURE, HUMIDITY, RESET, WRITE_USER, READ_USER = 0xF3, 0xF5, 0xFE, 0xE6, 0xE7
    USER_DEFAULT, USER_WRITABLE, USER_HEATER = 0b00000010, 0b10000111, 0b00000100

    # By the two bits of the resolution (bit 7, bit 0): bits of the word, longest conversion.
    HUMIDITY_MODES = ((12, 0.016), (8, 0.003), (10, 0.005), (11, 0.008))
    TEMPERATURE_MODES = ((14, 0.050), (12, 0.013), (13, 0.025), (11, 0.007))

    def __init__(self, weather: Weather, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self.slowness = 1.0
        super().__init__(weather, monotonic_s)

    def _power_on(self) -> None:
        self._user = self.USER_DEFAULT
        self._ready_at_s = self._monotonic_s() + self.RESET_S
        self._command = 0  # whose answer is read next; 0 for none
        self._done_at_s = 0.0

    def _write(self, data: bytes) -> None:
        if self._monotonic_s() < self._ready_at_s:
            raise not_acknowledged()
        match list(data):
            case [self.RESET]:
                heater = self._user & self.USER_HEATER
                self._power_on()
                self._user |= heater
            case [self.TEMPERATURE | self.HUMIDITY as command]:
                self._command = command
                self._done_at_s = self._monotonic_s() + self._mode[1] * self.slowness
            case [self.READ_USER]:
                self._command = self.READ_USER
            case [self.WRITE_USER, value]:
                self._user = (self._user & ~self.USER_WRITABLE) | (value & self.USER_WRITABLE)
            case []:
                pass
            case _:
                raise not_acknowledged()

    def _read(self, count: int) -> bytes:
        if self._monotonic_s() < self._ready_at_s or not self._command:
            raise not_acknowledged()
        if self._command == self.READ_USER:
            answer = bytes([self._user])
        elif self._monotonic_s() < self._done_at_s or self._fault is Fault.STUCK_BUSY:
            raise not_acknowledged()
        else:
            answer = self._word()
        self._command = 0
        return answer[:count].ljust(count, b"\xff")  # beyond its answer a chip leaves the line high

    @property
    def _mode(self) -> tuple[int, float]:
        resolution = (self._user >> 6 & 0b10) | (self._user & 1)
        modes = self.HUMIDITY_MODES if self._command == self.HUMIDITY else self.TEMPERATURE_MODES
        return modes[resolution]

    def _word(self) -> bytes:
        weather = self._weather()
        if self._command == self.HUMIDITY:
            word, status = (weather["relative_humidity"] + 6) / 125, 0b10
        else:
            word, status = (weather["air_temperature"] + 46.85) / 175.72, 0b00
        step = 1 << 16 - self._mode[0]
        counts = max(0, min(round(word * 65536 / step) * step, 65536 - step))
        data = (counts & ~0b11 | status).to_bytes(2)
        checksum = crc8(data)
        return data + bytes([checksum ^ 0x01 if self._fault is Fault.BAD_CRC else checksum])


def crc8(data: bytes) -> int:
    """Return the HTU21D's checksum, 0 to 255: polynomial 0x131, starting at 0, one bit after the other."""
    register = int.from_bytes(data) << 8
    for bit in reversed(range(8, 8 * len(data) + 8)):
        if register >> bit & 1:
            register ^= 0x131 << (bit - 8)
    return register
