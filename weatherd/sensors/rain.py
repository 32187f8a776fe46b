"""What tips of a bucket say about the rain: rate, amount of a day, and what cannot be rain. Pure: no line, no file."""

import datetime as dt
from collections import deque

WINDOW_NS = 60 * 10**9
"""Rain intensity is a mean of one minute (WMO-No. 8, volume I, annex 1.A: output averaging time)."""

RATE_MM_PER_H_MAX = 2000.0
"""The most intense rain that a gauge has to measure (WMO-No. 8, volume I, annex 1.A: 0.02 to 2000 mm/h)."""

DRY_NS = 3600 * 10**9
"""A bucket that has not tipped for so long tells of no rain. With 0.2794 mm a tip, that is less than 0.28 mm/h."""

_LATE_MS = 500
"""A measurement that belongs to midnight may come so much later."""

_NS_PER_H = 3600 * 10**9


class Rate:
    """
    The rainfall rate, from the time between tips.

    Args:
        mm_per_tip: Rain that one tip stands for.
    """

    def __init__(self, mm_per_tip: float) -> None:
        self._mm_per_tip = mm_per_tip
        self._tips_max = max(2, int(RATE_MM_PER_H_MAX * WINDOW_NS / _NS_PER_H / mm_per_tip))
        self._tips_ns: deque[int] = deque(maxlen=self._tips_max)

    def tip(self, at_ns: int) -> bool:
        """Take in a tip; False for one that is no rain: with it the last minute would exceed 2000 mm/h."""
        if len(self._tips_ns) == self._tips_max and at_ns - self._tips_ns[0] < WINDOW_NS:
            return False
        self._tips_ns.append(at_ns)
        return True

    def mm_per_h(self, now_ns: int) -> float:
        """
        Return the rate.

        It is the mean of the minute before the last tip, or of the time between the last two tips if that is longer;
        and at most what another tip would make of it that came just now. So it decays after the last tip, and is 0
        after an hour. A first tip has no rate yet.
        """
        if len(self._tips_ns) < 2:  # noqa: PLR2004 - a first and a last
            return 0.0
        *_, before_ns, last_ns = self._tips_ns
        recent = [at_ns for at_ns in self._tips_ns if last_ns - at_ns <= WINDOW_NS]
        interval_ns = (last_ns - recent[0]) / (len(recent) - 1) if len(recent) > 1 else last_ns - before_ns
        interval_ns = max(interval_ns, now_ns - last_ns, 1)
        return self._mm_per_tip * _NS_PER_H / interval_ns if interval_ns < DRY_NS else 0.0


class Day:
    """
    The amount of rain since local midnight.

    Args:
        time_zone: Of the midnight.
    """

    def __init__(self, time_zone: dt.tzinfo) -> None:
        self._time_zone = time_zone
        self._before_mm = 0.0
        self.number = 0
        self.amount_mm = 0.0

    def number_of(self, time_ms: int) -> int:
        """Return the number of the local day of a time, which ends it if it is midnight (date.toordinal)."""
        return dt.datetime.fromtimestamp((time_ms - 1) / 1000, self._time_zone).toordinal()

    def go_on(self, number: int, amount_mm: float, now_ms: int) -> None:
        """Take up the amount of a day; if that is over, or none has begun, today's begins with nothing."""
        self.number = self.number_of(now_ms)
        self.amount_mm = amount_mm if number == self.number else 0.0

    def add(self, amount_mm: float, time_ms: int) -> None:
        """Take in rain of a time; less than nothing to take it back."""
        self._turn(time_ms)
        self.amount_mm = max(0.0, self.amount_mm + amount_mm)

    def told(self, now_ms: int) -> float:
        """
        Return the amount of the day in mm.

        At midnight it is still that of the day that ends there, even if it is asked a moment later.
        """
        self._turn(now_ms)
        return self.amount_mm if self.number_of(now_ms - _LATE_MS) == self.number else self._before_mm

    def _turn(self, time_ms: int) -> None:
        """Come to the day of a time; where the clock has gone back over midnight, the day before is not over yet."""
        number = self.number_of(time_ms)
        if number > self.number:
            self._before_mm, self.amount_mm = self.amount_mm, 0.0
        elif number < self.number:
            self._before_mm, self.amount_mm = 0.0, self._before_mm + self.amount_mm
        self.number = number
