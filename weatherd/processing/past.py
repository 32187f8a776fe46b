"""What derived quantities need to know of the past: means of a few hours, bounded, each looked up by its time."""

import sys
from array import array
from collections.abc import Mapping

import msgspec

from weatherd.model import Quality

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
TWELVE_HOURS_MS = 12 * HOUR_MS
THREE_HOURS_MS = 3 * HOUR_MS

VAPOUR_PRESSURE = "vapour pressure"
"""In hPa; remembered beside the quantities, and none itself."""

APART_MS_MAX = 10 * MINUTE_MS
"""Values that make one derived quantity are at most so far apart."""


class Series:
    """
    Means of one quantity over a period each, in a ring: what comes takes the place of what lies a span before it.

    What is late still finds its place, and each is looked up by its own time, so neither what is out of order nor a
    stamp of another year can make a wrong answer; at worst there is none. A place takes 25 bytes, because a hundred
    transmitters have three hundred places each.

    Args:
        period_ms: Of each mean.
        span_ms: How far back it must reach.
    """

    def __init__(self, period_ms: int, span_ms: int) -> None:
        self._period_ms = period_ms
        self._size = span_ms // period_ms + 2  # both ends of the span lie within a period
        # By place: the number of the period since 1970, and the sum of so many observations; of none, it is empty.
        self._numbers = array("q", bytes(8 * self._size))
        self._totals = array("d", bytes(8 * self._size))
        self._counts = array("q", bytes(8 * self._size))
        self._estimated = bytearray(self._size)
        self._first_number = sys.maxsize  # of all that ever were, so that a short past is soon searched

    def __len__(self) -> int:
        return self._size - self._counts.count(0)

    def add(self, time_ms: int, value: float, *, is_estimated: bool = False) -> None:
        """Take in a value; an estimated time is one that `forget_estimates` is told about later."""
        number = time_ms // self._period_ms
        place = number % self._size
        if self._numbers[place] != number:
            self._numbers[place] = number
            self._first_number = min(self._first_number, number)
            self._empty(place)
        self._totals[place] += value
        self._counts[place] += 1
        if is_estimated:
            self._estimated[place] = True

    def mean(self, from_ms: int, to_ms: int) -> float | None:
        """Return the mean of the first period from one time to another, either way, in which there is one."""
        first, last = from_ms // self._period_ms, to_ms // self._period_ms
        forwards = range(max(first, self._first_number), last + 1)
        for number in forwards if first <= last else range(first, last - 1, -1):
            place = number % self._size
            if self._numbers[place] == number and (count := self._counts[place]):
                return self._totals[place] / count
        return None

    def forget_estimates(self) -> None:
        """Forget what was taken in under an estimated time: it was wrong."""
        for place, is_estimated in enumerate(self._estimated):
            if is_estimated:
                self._empty(place)

    def _empty(self, place: int) -> None:
        self._totals[place] = 0.0
        self._counts[place] = 0
        self._estimated[place] = False


_UNTRUSTED = frozenset({Quality.ERRONEOUS, Quality.MISSING})


class Known(msgspec.Struct, frozen=True, gc=False):
    """A value that was observed at a time, and how far it can be trusted."""

    time_ms: int
    value: float
    quality: Quality


class Past:
    """
    The past of one transmitter.

    Attributes:
        temperature: In degC, over twelve hours, in means of five minutes.
        vapour_pressure: In hPa, alike.
        pressure: Of the station in hPa, over three hours, in means of a minute.
        newest: The newest value of each quantity that others may ask for.
    """

    def __init__(self) -> None:
        self.temperature = Series(5 * MINUTE_MS, TWELVE_HOURS_MS)
        self.vapour_pressure = Series(5 * MINUTE_MS, TWELVE_HOURS_MS)
        self.pressure = Series(MINUTE_MS, THREE_HOURS_MS + APART_MS_MAX)
        self.newest: dict[str, Known] = {}
        self._series = {
            "air_temperature": self.temperature,
            VAPOUR_PRESSURE: self.vapour_pressure,
            "air_pressure": self.pressure,
        }

    def add(self, known: Mapping[str, Known], *, is_estimated: bool) -> None:
        """Take in those of one observation's values that are remembered and can be trusted."""
        for quantity, one in known.items():
            series = self._series.get(quantity)
            if series is not None and one.quality not in _UNTRUSTED:
                series.add(one.time_ms, one.value, is_estimated=is_estimated)

    def known_at(self, quantity: str, time_ms: int) -> Known | None:
        """Return the newest value of a quantity, unless it is older or younger than a time by too much."""
        known = self.newest.get(quantity)
        return known if known is not None and abs(known.time_ms - time_ms) <= APART_MS_MAX else None

    def forget_estimates(self) -> None:
        """Forget what was taken in under an estimated time."""
        for series in self._series.values():
            series.forget_estimates()
        self.newest.clear()
