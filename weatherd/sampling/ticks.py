"""Periods aligned to the wall clock, on a wall clock that may jump."""

from weatherd.ports import Clock
from weatherd.sampling.stamps import Stamp, stamp


class Ticks:
    """
    Wait for the next whole multiple of a period, counted from 1970.

    A tick that is missed is skipped and counted, not piled up. The count is taken by the boot clock, so a step of the
    wall clock skips nothing, and makes nobody wait for longer than one period.

    Args:
        clock: The station's clock.
        period_s: At least a millisecond.
    """

    def __init__(self, clock: Clock, period_s: float) -> None:
        self._clock = clock
        self._period_s = period_s
        self._period_ms = period_s * 1000
        self._last_s: float | None = None
        self.skipped_count = 0

    async def next(self) -> Stamp:
        """Wait for the next tick and return its time, a multiple of the period."""
        tick_ms = self._multiple(self._clock.now_ms()) + self._period_ms
        while 0 < (remaining_ms := tick_ms - self._clock.now_ms()) <= self._period_ms:
            await self._clock.sleep(remaining_ms / 1000)
        now_s = self._clock.boottime_s()
        if self._last_s is not None:
            self.skipped_count += max(0, round((now_s - self._last_s) / self._period_s) - 1)
        self._last_s = now_s
        now = stamp(self._clock)
        return Stamp(round(self._multiple(now.time_ms)), now.offset_ms)

    def pause(self) -> None:
        """Forget the last tick: a pause that is meant skips nothing."""
        self._last_s = None

    def _multiple(self, time_ms: int) -> float:
        """Return the last multiple of the period up to a time."""
        return time_ms // self._period_ms * self._period_ms


def period_end(time_ms: int, period_s: float) -> int:
    """Return the end of the period that a time lies in, which belongs to it: 10.0 s ends at 10 s, 10.001 s at 20 s."""
    period_ms = period_s * 1000
    return round(-(-time_ms // period_ms) * period_ms)
