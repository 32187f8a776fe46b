"""
Reduction: many measurements of one report period become one value each, with their spread.

How, is the quantity's own: most are averaged, rain is summed, the strongest gust counts, directions are averaged as
unit vectors, and of codes the last one counts. A measurement that failed is not filled in; a period in which all
failed is `missing`, with the last reason. A measurement outside the plausible range is left out, and counted; where
there is no other, the value is reduced from these and flagged, for nothing is deleted.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from weatherd.model import QUANTITIES, Measurement, Quality, Reduction, Statistics
from weatherd.processing.limits import RANGE, Range
from weatherd.processing.past import worse

NO_MEAN_DIRECTION = "no_mean_direction"
"""The reason for a missing direction: those that there were cancel each other out."""

NOT_MEASURED = "not_measured"
"""The reason for a missing value of a sensor that has measured, but not this quantity."""

# Each look into an Enum is a call before Python 3.12.
_GOOD, _UNCHECKED = Quality.GOOD, Quality.UNCHECKED
_DIRECTION, _SUM = Reduction.DIRECTION, Reduction.SUM

_NO_DIRECTION = 1e-6  # length of the mean vector below which opposite directions have cancelled out
_ANY = Range()
_ALONE = Statistics(1)


class Accumulator:
    """The running sums of one quantity."""

    __slots__ = (
        "_cosines",
        "_count",
        "_last",
        "_max",
        "_min",
        "_reduction",
        "_rejected_count",
        "_sines",
        "_sum",
        "_total",
    )

    def __init__(self, reduction: Reduction) -> None:
        self._reduction = reduction
        self._count = self._rejected_count = 0
        self._sum = self._sines = self._cosines = self._last = 0.0
        self._min = math.inf
        self._max = -math.inf
        self._total: int | None = None

    @property
    def count(self) -> int:
        """The measurements behind it."""
        return self._count

    def add(self, value: float, spread: Statistics = _ALONE) -> None:
        """
        Take in one finite value.

        Args:
            value: In the quantity's unit.
            spread: Of the measurements behind it, where it was itself reduced from several: their count is its weight.
                Of running totals the greatest counts.
        """
        self._count += spread.count
        self._rejected_count += spread.rejected
        if spread.total is not None:
            self._total = max(spread.total, self._total or 0)
        if self._reduction is _DIRECTION:
            self._sines += spread.count * math.sin(math.radians(value))
            self._cosines += spread.count * math.cos(math.radians(value))
            return
        self._last = value
        self._sum += value if self._reduction is _SUM else value * spread.count
        self._min = min(self._min, value if spread.min is None else spread.min)
        self._max = max(self._max, value if spread.max is None else spread.max)

    def reject(self, count: int) -> None:
        """Count measurements that are left out."""
        self._rejected_count += count

    def value(self) -> float | None:
        """Return the reduced value of at least one; None for directions that cancel each other out."""
        match self._reduction:
            case Reduction.MEAN:
                # The mean of equal floats can leave their range by one bit, and min <= mean <= max must hold.
                return min(max(self._sum / self._count, self._min), self._max)
            case Reduction.SUM:
                return self._sum
            case Reduction.MAX:
                return self._max
            case Reduction.LAST:
                return self._last
            case Reduction.DIRECTION:
                if math.hypot(self._sines, self._cosines) / self._count < _NO_DIRECTION:
                    return None
                return math.degrees(math.atan2(self._sines, self._cosines)) % 360

    def statistics(self) -> Statistics:
        """Return count, and for averaged quantities the extremes, rounded as the quantity itself is."""
        if self._reduction is Reduction.MEAN:
            return Statistics(self._count, self._min, self._max, self._rejected_count, self._total)
        return Statistics(self._count, rejected=self._rejected_count, total=self._total)


@dataclasses.dataclass(slots=True)
class Reduced:
    """The values of one period by quantity, with their statistics, quality and reasons."""

    values: dict[str, float] = dataclasses.field(default_factory=dict)
    statistics: dict[str, Statistics] = dataclasses.field(default_factory=dict)
    quality: dict[str, Quality] = dataclasses.field(default_factory=dict)
    reasons: dict[str, str] = dataclasses.field(default_factory=dict)

    def miss(self, quantity: str, reason: str) -> None:
        """Flag a quantity that has no value."""
        self.quality[quantity] = Quality.MISSING
        self.reasons[quantity] = reason

    def check(self, quantity: str, flag: Quality, reason: str = "") -> None:
        """Flag a value as a test found it, unless another has found worse; the first of two equals keeps its reason."""
        before = self.quality[quantity]
        if before is _UNCHECKED and flag is _GOOD:
            self.quality[quantity] = flag
        elif worse(before, flag) is not before:
            self.quality[quantity] = flag
            if reason:
                self.reasons[quantity] = reason


class Reducer:
    """
    Gather the measurements of one sensor over one report period.

    Args:
        quantities: Those that are missing when nothing was measured; none for a source that sends what it likes.
        plausible: By quantity, the range outside of which a measurement is left out.
    """

    def __init__(self, quantities: Sequence[str] = (), plausible: Mapping[str, Range] = {}) -> None:
        self._quantities = quantities
        self._plausible = plausible
        self._accumulators: dict[str, Accumulator] = {}
        self._rejected: dict[str, Accumulator] = {}
        self._reason = ""

    @property
    def empty(self) -> bool:
        """Whether nothing was tried since the start, or there is no quantity yet that could be missing."""
        return not self._accumulators and not self._rejected and not (self._reason and self._quantities)

    def add(self, measurement: Measurement, totals: Mapping[str, int] = MappingProxyType({})) -> None:
        """Take in one measurement, and how many there were ever of what is counted."""
        for quantity, value in measurement.items():
            least, greatest = self._plausible.get(quantity, _ANY)
            gathered = self._accumulators if least <= value <= greatest else self._rejected
            accumulator = gathered.get(quantity)
            if accumulator is None:
                accumulator = gathered[quantity] = Accumulator(QUANTITIES[quantity].reduction)
            accumulator.add(value, Statistics(1, total=totals[quantity]) if quantity in totals else _ALONE)

    def fail(self, reason: str) -> None:
        """Note that a measurement was tried and gave nothing."""
        self._reason = reason

    def reduce(self) -> Reduced:
        """Return what was gathered."""
        reduced = Reduced()
        for quantity, rejected in self._rejected.items():
            if quantity in self._accumulators:
                self._accumulators[quantity].reject(rejected.count)
            else:
                rejected.reject(rejected.count)
                _put(reduced, quantity, rejected)
                reduced.check(quantity, Quality.ERRONEOUS, RANGE)
        for quantity, accumulator in self._accumulators.items():
            _put(reduced, quantity, accumulator)
        for quantity in self._quantities:
            if quantity not in self._accumulators and quantity not in self._rejected:
                reduced.miss(quantity, self._reason or NOT_MEASURED)
        return reduced


def _put(reduced: Reduced, quantity: str, accumulator: Accumulator) -> None:
    value = accumulator.value()
    if value is None:
        reduced.miss(quantity, NO_MEAN_DIRECTION)
        return
    reduced.values[quantity] = value
    reduced.statistics[quantity] = accumulator.statistics()
    reduced.quality[quantity] = Quality.UNCHECKED
