"""An emulated HTU21D: humidity and temperature, command by command."""

import time
from collections.abc import Callable

from weatherd.testing.chips.base import Chip, Fault, Weather, not_acknowledged


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
