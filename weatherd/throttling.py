"""What can happen a thousand times a second, at a bounded rate: an allowance, and logging."""

import structlog

from weatherd.ports import Clock


class Allowance:
    """
    How many are still let through: a few at once, and then one a period.

    Args:
        now_s: The present time, by a clock that never goes back.
        burst: How many at once.
        period_s: Behind them, one more in each of these.
    """

    def __init__(self, now_s: float, burst: int, period_s: float) -> None:
        self._burst = burst
        self._period_s = period_s
        self._left = float(burst)
        self._at_s = now_s

    def take(self, now_s: float) -> bool:
        """Take one; tell whether there was one."""
        self._left = min(self._burst, self._left + (now_s - self._at_s) / self._period_s)
        self._at_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True


class ThrottledLog:
    """
    Log each kind of event at most so often a period, with the count of those that were held back before.

    Args:
        log: Where people read.
        clock: The station's clock.
        period_s: The period.
        burst: Lines of one kind in a period.
    """

    def __init__(
        self,
        log: structlog.typing.FilteringBoundLogger,
        clock: Clock,
        *,
        period_s: float = 60.0,
        burst: int = 1,
    ) -> None:
        self._log = log
        self._clock = clock
        self._period_s = period_s
        self._burst = burst
        self._kinds: dict[tuple[str, str], _Kind] = {}

    def warning(self, kind: str, message: str, *, whose: str = "", **fields: object) -> None:
        """Log a warning, or only count it; `whose` keeps apart those of one kind that must not hide each other."""
        state = self._kinds.setdefault((kind, whose), _Kind())
        now_s = self._clock.boottime_s()
        if state.began_s is None or now_s - state.began_s >= self._period_s:
            state.began_s, state.told_count = now_s, 0
        if state.told_count == self._burst:
            state.held_back_count += 1
            return
        if state.held_back_count:
            fields["held_back_count"] = state.held_back_count
        state.told_count += 1
        state.held_back_count = 0
        self._log.warning(kind, message=message, **fields)


class _Kind:
    __slots__ = ("began_s", "held_back_count", "told_count")

    def __init__(self) -> None:
        self.began_s: float | None = None
        self.told_count = 0
        self.held_back_count = 0
