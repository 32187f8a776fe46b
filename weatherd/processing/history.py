"""
History: what is remembered of one quantity to test the next value against, an hour of one-minute means.

Only values that were believed are taken in. A step is measured from the last whole minute; where observations are a
minute apart or more, that is the last observation. Values that are late are compared, but not taken in. After ten
minutes without a value, or where time has gone back by as much, the history begins anew: limits for one-minute values
mean less and less with the distance.
"""

import math
from array import array

MINUTE_MS = 60_000
HOUR_MINUTES = 60

GAP_MS_MAX = 10 * MINUTE_MS
"""Beyond this distance from the newest value, in either direction, nothing is compared."""


class History:
    """
    The last hour of one quantity of one transmitter.

    Attributes:
        stuck_at: The value at which it was found to be stuck; None while it moves. It outlives a gap.
    """

    __slots__ = (
        "_count",
        "_highest",
        "_lowest",
        "_means",
        "_minute",
        "_minutes",
        "_newest_ms",
        "_reference",
        "_since_ms",
        "_sum",
        "stuck_at",
    )

    def __init__(self) -> None:
        self.stuck_at: float | None = None
        self._begin()

    def _begin(self) -> None:
        self._minutes, self._means = array("q"), array("d")
        self._minute = self._count = self._since_ms = self._newest_ms = 0
        self._sum = 0.0
        self._lowest, self._highest = math.inf, -math.inf
        self._reference: tuple[float, int] | None = None

    @property
    def is_stuck(self) -> bool:
        """Whether it was found to be stuck and has not moved since."""
        return self.stuck_at is not None

    def reach(self, time_ms: int) -> None:
        """Come to the time of the next value: begin anew if it is out of reach, or close the minute before it."""
        if abs(time_ms - self._newest_ms) > GAP_MS_MAX:
            self._begin()
        elif self._count and time_ms > self._minute * MINUTE_MS:
            self._close(_minute(time_ms))

    def change(self, value: float, time_ms: int) -> tuple[float, float] | None:
        """
        Return how far a value is from the last whole minute, or from what there is of the first.

        Returns:
            The change, and the minutes it has taken, at least 1; None if there is nothing to compare with.
        """
        if self._reference is not None:
            reference, reference_ms = self._reference
        elif self._count:
            reference, reference_ms = self._sum / self._count, self._newest_ms
        else:
            return None
        return abs(value - reference), max(1.0, abs(time_ms - reference_ms) / MINUTE_MS)

    def span(self, value: float, time_ms: int) -> float | None:
        """Return how much has changed within an hour, a value included; None while less than an hour is known."""
        if not self._means or time_ms - self._since_ms < HOUR_MINUTES * MINUTE_MS:
            return None
        return max(self._highest, value) - min(self._lowest, value)

    def mean(self) -> float:
        """Return the mean of the whole minutes, where `span` is known."""
        return sum(self._means) / len(self._means)

    def take(self, value: float, time_ms: int) -> None:
        """Take in a value that is believed, unless it is late; its time was reached."""
        if time_ms < self._newest_ms:
            return
        if not self._newest_ms:
            self._since_ms = time_ms
        if not self._count:
            self._minute = _minute(time_ms)
        self._newest_ms = time_ms
        self._sum += value
        self._count += 1

    def _close(self, minute: int) -> None:
        mean = self._sum / self._count
        self._reference = mean, self._newest_ms
        self._minutes.append(self._minute)
        self._means.append(mean)
        self._lowest, self._highest = min(self._lowest, mean), max(self._highest, mean)
        self._sum, self._count = 0.0, 0
        while self._minutes[0] < minute - HOUR_MINUTES:
            del self._minutes[0]
            oldest = self._means.pop(0)
            if not self._lowest < oldest < self._highest:  # one of the extremes is more than an hour old
                self._lowest, self._highest = min(self._means), max(self._means)


def _minute(time_ms: int) -> int:
    """Return the minute that a time ends or lies in: 10:00:00 belongs to the one before."""
    return -(-time_ms // MINUTE_MS)
