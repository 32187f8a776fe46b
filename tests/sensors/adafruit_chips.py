"""Three more emulated chips, for Adafruit's drivers: their trimming words make straight lines of their curves."""

import math
import struct
import time
from collections.abc import Callable
from typing import ClassVar

from weatherd.testing.chips import Bmp280Chip, Chip, Fault, Weather, not_acknowledged


class Bme280Chip(Bmp280Chip):
    """
    A BME280: a BMP280 with humidity.

    Source:
        Bosch BME280 datasheet, BST-BME280-DS002: sections 4.2.3 and 5 (registers).
    """

    H1, H2, H3, H4, H5, H6 = 0, 360, 0, 300, 0, 0

    def __init__(self, weather: Weather, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__(weather, monotonic_s, chip_id=0x60)

    def _power_on(self) -> None:
        super()._power_on()
        self._humidity_word = 0x8000

    def _convert(self) -> None:
        super()._convert()
        self._humidity_word = round(self._weather()["relative_humidity"] * 65536 / self.H2 + self.H4 * 64)

    def _registers(self) -> dict[int, int]:
        trimming = struct.pack("<hBbBbb", self.H2, self.H3, self.H4 >> 4, self.H4 & 0xF, self.H5 >> 4, self.H6)
        return {
            **super()._registers(),
            0xA1: self.H1,
            **dict(enumerate(trimming, 0xE1)),
            **dict(enumerate(self._humidity_word.to_bytes(2), 0xFD)),
        }


class Bmp390Chip(Chip):
    """
    A BMP390 in forced mode.

    Source:
        Bosch BMP390 datasheet, BST-BMP390-DS002: sections 4 (registers) and 8 (compensation).
    """

    faults = frozenset(Fault) - {Fault.BAD_CRC, Fault.RESET_REGISTERS}

    T1, T2, P1, P2, P5 = 27_000, 19_000, 0, 2**14, 20_000
    CONVERSION_S = 0.005
    FORCED = 0x13

    def _power_on(self) -> None:
        self._pointer = self._control = 0
        self._data = b"\x00\x00\x80" * 2
        self._done_at_s = math.inf

    def _write(self, data: bytes) -> None:
        match list(data):
            case [0x7E, 0xB6]:
                self._power_on()
            case [0x1B, value]:
                self._control = value
                if value == self.FORCED:
                    self._done_at_s = self._monotonic_s() + self.CONVERSION_S
            case [*_, pointer]:
                self._pointer = pointer

    def _read(self, count: int) -> bytes:
        is_done = self._monotonic_s() >= self._done_at_s and self._fault is not Fault.STUCK_BUSY
        if is_done:
            self._convert()
        trimming = struct.pack(
            "<HHbhhbbHHbbhbb", self.T1, self.T2, 0, self.P1, self.P2, 0, 0, self.P5, 0, 0, 0, 0, 0, 0
        )
        registers = {
            0x00: 0x60,
            0x03: 0x70 if is_done else 0x10,
            **dict(enumerate(self._data, 0x04)),
            **dict(enumerate(trimming, 0x31)),
        }
        return bytes(registers.get(self._pointer + index, 0) for index in range(count))

    def _convert(self) -> None:
        weather = self._weather()
        temperature = round(weather["air_temperature"] * 2**30 / self.T2) + self.T1 * 256
        pressure = round((self.P5 * 8 - weather["air_pressure"] * 100) * 64)
        self._data = pressure.to_bytes(3, "little") + temperature.to_bytes(3, "little")


class Sht4xChip(Chip):
    """
    An SHT40 or one of its kind.

    Source:
        Sensirion SHT4x datasheet, version 6: sections 4.5 (commands), 4.4 (checksum), 3.1 (times).
    """

    faults = frozenset(Fault) - {Fault.RESET_REGISTERS}

    MEASUREMENTS: ClassVar = {0xFD: 0.0083, 0xF6: 0.0045, 0xE0: 0.0016}
    RESET = 0x94

    def _power_on(self) -> None:
        self._done_at_s = math.inf

    def _write(self, data: bytes) -> None:
        match list(data):
            case [command] if command in self.MEASUREMENTS:
                self._done_at_s = self._monotonic_s() + self.MEASUREMENTS[command]
            case [self.RESET]:
                self._power_on()
            case []:
                pass
            case _:
                raise not_acknowledged()

    def _read(self, count: int) -> bytes:
        if self._monotonic_s() < self._done_at_s or self._fault is Fault.STUCK_BUSY:
            raise not_acknowledged()
        weather = self._weather()
        words = (
            round((weather["air_temperature"] + 45) / 175 * 65535),
            round((weather["relative_humidity"] + 6) / 125 * 65535),
        )
        self._power_on()
        return b"".join(self._with_checksum(word.to_bytes(2)) for word in words)[:count]

    def _with_checksum(self, data: bytes) -> bytes:
        register = 0xFF
        for byte in data:
            register ^= byte
            for _ in range(8):
                register = (register << 1 ^ (0x131 if register & 0x80 else 0)) & 0x1FF
        return data + bytes([register & 0xFF ^ (self._fault is Fault.BAD_CRC)])
