"""What derived quantities need to know of the past: means of a few hours, bounded, each looked up by its time."""

import enum
from typing import NamedTuple

from weatherd.model import Quality

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
TWELVE_HOURS_MS = 12 * HOUR_MS
THREE_HOURS_MS = 3 * HOUR_MS

APART_MS_MAX = 10 * MINUTE_MS
"""Values that make one derived quantity are at most so far apart."""


_BADNESS = {
    Quality.GOOD: 0,
    Quality.UNCHECKED: 1,
    Quality.INCONSISTENT: 2,
    Quality.DOUBTFUL: 3,
    Quality.ERRONEOUS: 4,
    Quality.MISSING: 5,
}


def worse(one: Quality, other: Quality) -> Quality:
    """Return that of two flags which trusts less."""
    return one if _BADNESS[one] >= _BADNESS[other] else other


class Known(NamedTuple):
    """A value that was observed at a time, and how far it can be trusted."""

    time_ms: int
    value: float
    quality: Quality


class Dating(enum.Enum):
    """How a time is known: those of two kinds do not make one mean."""

    FINAL = "final"
    RECALLED = "recalled"  # of an earlier run, and final
    ESTIMATED = "estimated"


class _Slot(NamedTuple):
    """The sum of so many observations of one period; `number` is that of the period since 1970."""

    number: int
    total: float
    size: int
    quality: Quality
    dating: Dating


class Series:
    """
    Means of one quantity over a period each, in a ring: what comes takes the place of what lies a span before it.

    What is late still finds its place, and each is looked up by its own time, so neither what is out of order nor a
    stamp of another year can make a wrong answer; at worst there is none.

    Args:
        period_ms: Of each mean.
        span_ms: How far back it must reach.
    """

    def __init__(self, period_ms: int, span_ms: int) -> None:
        self._period_ms = period_ms
        self._size = span_ms // period_ms + 2  # both ends of the span lie within a period
        self._slots: dict[int, _Slot] = {}

    def __len__(self) -> int:
        return len(self._slots)

    def add(self, known: Known, dating: Dating = Dating.FINAL) -> None:
        """Take in a value; of estimated times `forget_estimates` is told later."""
        number = known.time_ms // self._period_ms
        slot = self._slots.get(number % self._size)
        if slot is None or (slot.number, slot.dating) != (number, dating):
            slot = _Slot(number, 0.0, 0, known.quality, dating)
        quality = worse(slot.quality, known.quality)
        self._slots[number % self._size] = _Slot(number, slot.total + known.value, slot.size + 1, quality, dating)

    def mean(self, from_ms: int, to_ms: int, *, recalled: bool = True) -> Known | None:
        """
        Return the mean of the first period from one time to another, either way, in which there is one.

        Args:
            from_ms: The time that is looked for.
            to_ms: The farthest from it that serves, too.
            recalled: Whether what an earlier run observed serves.
        """
        if not self._slots:
            return None
        first, last = from_ms // self._period_ms, to_ms // self._period_ms
        step = 1 if first <= last else -1
        for number in range(first, last + step, step):
            slot = self._slots.get(number % self._size)
            if slot is not None and slot.number == number and (recalled or slot.dating is not Dating.RECALLED):
                return Known(number * self._period_ms, slot.total / slot.size, slot.quality)
        return None

    def forget_estimates(self) -> None:
        """Forget what was taken in under an estimated time: it was wrong."""
        self._slots = {place: slot for place, slot in self._slots.items() if slot.dating is not Dating.ESTIMATED}


class Past:
    """
    The past of one transmitter, as one calibration has it.

    Args:
        calibration: Its version; what another one made cannot be compared with.

    Attributes:
        temperature: In degC, over twelve hours, in means of five minutes.
        vapour_pressure: In hPa, alike.
        pressure: Of the station in hPa, over three hours, in means of a minute.
        newest: The newest value of each quantity that others may ask for.
    """

    def __init__(self, calibration: str = "") -> None:
        self.calibration = calibration
        self.temperature = Series(5 * MINUTE_MS, TWELVE_HOURS_MS)
        self.vapour_pressure = Series(5 * MINUTE_MS, TWELVE_HOURS_MS)
        self.pressure = Series(MINUTE_MS, THREE_HOURS_MS + APART_MS_MAX)
        self.newest: dict[str, Known] = {}

    def known_at(self, quantity: str, time_ms: int) -> Known | None:
        """Return the newest value of a quantity, unless it is older or younger than a time by too much."""
        known = self.newest.get(quantity)
        return known if known is not None and abs(known.time_ms - time_ms) <= APART_MS_MAX else None

    def forget_estimates(self) -> None:
        """Forget what was taken in under an estimated time."""
        for series in (self.temperature, self.vapour_pressure, self.pressure):
            series.forget_estimates()
        self.newest.clear()
