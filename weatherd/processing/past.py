"""What derived quantities need to know of the past: means of a few hours, bounded, each looked up by its time."""

import enum
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


# From the flag that trusts most to the one that trusts least.
_QUALITIES = (
    Quality.GOOD,
    Quality.UNCHECKED,
    Quality.INCONSISTENT,
    Quality.DOUBTFUL,
    Quality.ERRONEOUS,
    Quality.MISSING,
)
_BADNESS = {quality: badness for badness, quality in enumerate(_QUALITIES)}
_UNTRUSTED = frozenset({Quality.ERRONEOUS, Quality.MISSING})


def worse(one: Quality, other: Quality) -> Quality:
    """Return that of two flags which trusts less."""
    return one if one is other or _BADNESS[one] >= _BADNESS[other] else other


class Known(msgspec.Struct, frozen=True, gc=False):
    """A value that was observed at a time, and how far it can be trusted."""

    time_ms: int
    value: float
    quality: Quality


class Dating(enum.IntEnum):
    """How a time is known: those of two kinds do not make one mean."""

    FINAL = 0
    RECALLED = 1  # of an earlier run, and final
    ESTIMATED = 2


FINAL, RECALLED, ESTIMATED = Dating  # each look into an Enum is a call before Python 3.12


class Series:
    """
    Means of one quantity over a period each, in a ring: what comes takes the place of what lies a span before it.

    What is late still finds its place, and each is looked up by its own time, so neither what is out of order nor a
    stamp of another year can make a wrong answer; at worst there is none. A place takes 26 bytes, because two hundred
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
        self._badness = bytearray(self._size)
        self._datings = bytearray(self._size)
        self._first_number = sys.maxsize  # of all that ever were, so that a short past is soon searched

    def __len__(self) -> int:
        return self._size - self._counts.count(0)

    def add(self, known: Known, dating: Dating = FINAL) -> None:
        """Take in a value; an estimated time is one that `forget_estimates` is told about later."""
        number = known.time_ms // self._period_ms
        place = number % self._size
        if self._numbers[place] != number or self._datings[place] != dating:
            self._numbers[place] = number
            self._first_number = min(self._first_number, number)
            self._empty(place)
            self._datings[place] = dating
        self._totals[place] += known.value
        self._counts[place] += 1
        if (badness := _BADNESS[known.quality]) > self._badness[place]:
            self._badness[place] = badness

    def mean(self, from_ms: int, to_ms: int, *, recalled: bool = True) -> Known | None:
        """
        Return the mean of the first period from one time to another, either way, in which there is one.

        Args:
            from_ms: The time that is looked for.
            to_ms: The farthest from it that serves, too.
            recalled: Whether what an earlier run observed serves.
        """
        first, last = from_ms // self._period_ms, to_ms // self._period_ms
        forwards = range(max(first, self._first_number), last + 1)
        for number in forwards if first <= last else range(first, max(last, self._first_number) - 1, -1):
            place = number % self._size
            if self._numbers[place] == number and (count := self._counts[place]):
                if self._datings[place] == RECALLED and not recalled:
                    continue
                quality = _QUALITIES[self._badness[place]]
                return Known(number * self._period_ms, self._totals[place] / count, quality)
        return None

    def forget_estimates(self) -> None:
        """Forget what was taken in under an estimated time: it was wrong."""
        for place, dating in enumerate(self._datings):
            if dating == ESTIMATED:
                self._empty(place)

    def _empty(self, place: int) -> None:
        self._totals[place] = 0.0
        self._counts[place] = self._badness[place] = self._datings[place] = 0


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
        self._series = {
            "air_temperature": self.temperature,
            VAPOUR_PRESSURE: self.vapour_pressure,
            "air_pressure": self.pressure,
        }

    def add(self, known: Mapping[str, Known], dating: Dating) -> None:
        """Take in those of one observation's values that are remembered and can be trusted."""
        for quantity, one in known.items():
            series = self._series.get(quantity)
            if series is not None and one.quality not in _UNTRUSTED:
                series.add(one, dating)

    def known_at(self, quantity: str, time_ms: int) -> Known | None:
        """Return the newest value of a quantity, unless it is older or younger than a time by too much."""
        known = self.newest.get(quantity)
        return known if known is not None and abs(known.time_ms - time_ms) <= APART_MS_MAX else None

    def forget_estimates(self) -> None:
        """Forget what was taken in under an estimated time."""
        for series in self._series.values():
            series.forget_estimates()
        self.newest.clear()
