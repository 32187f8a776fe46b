"""An emulated ADS1115 at register level: a voltage at each of four channels, converted when asked."""

import time
from collections.abc import Callable

from weatherd.processing.vane import VANE_OHMS, divided
from weatherd.testing.chips import Chip, Fault

FULL_SCALE_V = (6.144, 4.096, 2.048, 1.024, 0.512, 0.256, 0.256, 0.256)
CONVERSIONS_PER_S = (8, 16, 32, 64, 128, 250, 475, 860)


def vane_volt(direction: float) -> float:
    """Return the voltage of the usual vane, with 10 kOhm to 3.3 V, when the wind comes from a direction in degrees."""
    return divided(VANE_OHMS[round(direction / 22.5) % len(VANE_OHMS)], 10_000.0, 3.3)


class Ads1115Chip(Chip):
    """
    An ADS1115, single-ended and single-shot, as far as its use goes here.

    Args:
        volt: Tells the voltage at a channel, 0 to 3. Called on the bus's thread, at the end of a conversion.
        monotonic_s: Seconds that never go back.

    Source:
        TI ADS1115 data sheet SBAS444E, section 9.6 (registers), 7.5 (a conversion takes up to a tenth longer).
    """

    faults = frozenset(Fault) - {Fault.BAD_CRC}

    CONFIG_DEFAULT = 0x8583
    CONVERSION, CONFIG = 0, 1

    def __init__(self, volt: Callable[[int], float], monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._volt = volt
        super().__init__(dict, monotonic_s)

    def _power_on(self) -> None:
        self._pointer = self.CONVERSION
        self._config = self.CONFIG_DEFAULT & 0x7FFF
        self._converted = 0
        self._done_at_s: float | None = None

    def _write(self, data: bytes) -> None:
        self._settle()
        if data:
            self._pointer = data[0]
        if len(data) == 3 and self._pointer == self.CONFIG:  # noqa: PLR2004 - pointer and word
            word = int.from_bytes(data[1:])
            self._config = word & 0x7FFF
            if word & 0x8000:
                slowest_s = 1.1 / CONVERSIONS_PER_S[word >> 5 & 0b111]
                self._done_at_s = self._monotonic_s() + slowest_s

    def _read(self, count: int) -> bytes:
        self._settle()
        done = 0 if self._done_at_s is not None else 0x8000
        word = self._config | done if self._pointer == self.CONFIG else self._converted
        return word.to_bytes(2).ljust(count, b"\xff")[:count]

    def _settle(self) -> None:
        """Let happen what has happened since the last transfer."""
        if self._done_at_s is None or self._monotonic_s() < self._done_at_s or self._fault is Fault.STUCK_BUSY:
            return
        self._done_at_s = None
        if self._fault is Fault.RESET_REGISTERS:
            self._config = self.CONFIG_DEFAULT & 0x7FFF
            return
        step_v = FULL_SCALE_V[self._config >> 9 & 0b111] / 0x8000
        word = round(self._volt(self._config >> 12 & 0b11) / step_v)
        self._converted = max(-0x8000, min(word, 0x7FFF)) & 0xFFFF
