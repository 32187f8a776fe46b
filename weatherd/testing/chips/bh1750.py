"""An emulated BH1750: illuminance, command by command."""

import math
import time
from collections.abc import Callable

from weatherd.testing.chips.base import Chip, Fault, Weather, not_acknowledged


class Bh1750Chip(Chip):
    """
    A BH1750. It has no identity, no checksum and no sign of being busy: a read gives the last result there is.

    Args:
        weather: Illuminance in lx.
        monotonic_s: Seconds that never go back.

    Source:
        ROHM BH1750FVI datasheet, 11046EDT01: instruction set, measurement modes, measurement time register.
    """

    faults = frozenset(Fault) - {Fault.BAD_CRC}

    POWER_DOWN, POWER_ON, RESET = 0x00, 0x01, 0x07
    TIME_HIGH, TIME_LOW = range(0x40, 0x48), range(0x60, 0x80)
    MEASUREMENTS = frozenset({0x10, 0x11, 0x13, 0x20, 0x21, 0x23})
    TIME_DEFAULT = 69
    COUNTS_PER_LX = 1.2
    COUNTS_MAX = 0xFFFF
    # By the two lowest bits of a measurement's command: longest conversion, and counts beside those of H-resolution.
    MODES = ((0.180, 1), (0.180, 2), None, (0.024, 1))

    def __init__(self, weather: Weather, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__(weather, monotonic_s)

    def _power_on(self) -> None:
        self._ready_at_s = self._monotonic_s()
        self._awake = False
        self._time = self.TIME_DEFAULT
        self._command = 0  # the measurement that is under way; 0 for none
        self._done_at_s = math.inf
        self._counts = 0

    def _write(self, data: bytes) -> None:
        """Take one command; the chip acknowledges no other length, but an empty write."""
        self._settle()
        match list(data):
            case []:
                pass
            case [self.POWER_DOWN | self.POWER_ON as command]:
                self._awake = command == self.POWER_ON
                self._done_at_s = math.inf
            case [self.RESET]:
                if self._awake:  # the datasheet: not acceptable in power-down
                    self._counts = 0
            case [command] if command in self.MEASUREMENTS:
                self._awake = True
                self._command = command
                self._done_at_s = self._monotonic_s() + self._conversion_s
            case [command] if command in self.TIME_HIGH:
                self._time = (command & 0b111) << 5 | self._time & 0b11111
            case [command] if command in self.TIME_LOW:
                self._time = self._time & 0b11100000 | command & 0b11111
            case _:
                raise not_acknowledged()

    def _read(self, count: int) -> bytes:
        self._settle()
        return self._counts.to_bytes(2)[:count].ljust(count, b"\xff")

    @property
    def _mode(self) -> tuple[float, int]:
        mode = self.MODES[self._command & 0b11]
        assert mode is not None
        return mode

    @property
    def _conversion_s(self) -> float:
        return self._mode[0] * self._time / self.TIME_DEFAULT

    def _settle(self) -> None:
        """Let happen what has happened since the last transfer."""
        now_s = self._monotonic_s()
        if now_s < self._done_at_s or self._fault is Fault.STUCK_BUSY:
            return
        if self._fault is not Fault.RESET_REGISTERS:
            factor = self.COUNTS_PER_LX * self._mode[1] * self._time / self.TIME_DEFAULT
            self._counts = max(0, min(round(self._weather()["illuminance"] * factor), self.COUNTS_MAX))
        if self._command >> 4 == 1:  # continuously
            self._done_at_s += self._conversion_s * (1 + (now_s - self._done_at_s) // self._conversion_s)
        else:
            self._awake = False
            self._done_at_s = math.inf
