"""
Reduction: many measurements of one report period become one value each, with their spread.

How, is the quantity's own: most are averaged, rain is summed, the strongest gust counts, and directions are averaged
as unit vectors. A measurement that failed is not filled in; a period in which all failed is `missing`, with the last
reason.
"""

import dataclasses
import math
from collections.abc import Sequence

from weatherd.model import QUANTITIES, Measurement, Quality, Reduction, Statistics

NO_MEAN_DIRECTION = "no_mean_direction"
"""The reason for a missing direction: those that there were cancel each other out."""

_NO_DIRECTION = 1e-6  # length of the mean vector below which opposite directions have cancelled out
_ALONE = Statistics(1)


class Accumulator:
    """The running sums of one quantity."""

    __slots__ = ("_cosines", "_count", "_max", "_min", "_reduction", "_sines", "_sum")

    def __init__(self, reduction: Reduction) -> None:
        self._reduction = reduction
        self._count = 0
        self._sum = self._sines = self._cosines = 0.0
        self._min = math.inf
        self._max = -math.inf

    def add(self, value: float, spread: Statistics = _ALONE) -> None:
        """
        Take in one finite value.

        Args:
            value: In the quantity's unit.
            spread: Of the measurements behind it, where it was itself reduced from several: their count is its weight.
        """
        self._count += spread.count
        if self._reduction is Reduction.DIRECTION:
            self._sines += spread.count * math.sin(math.radians(value))
            self._cosines += spread.count * math.cos(math.radians(value))
            return
        self._sum += value if self._reduction is Reduction.SUM else value * spread.count
        self._min = min(self._min, value if spread.min is None else spread.min)
        self._max = max(self._max, value if spread.max is None else spread.max)

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
            case Reduction.DIRECTION:
                if math.hypot(self._sines, self._cosines) / self._count < _NO_DIRECTION:
                    return None
                return math.degrees(math.atan2(self._sines, self._cosines)) % 360

    def statistics(self) -> Statistics:
        """Return count, and for averaged quantities the extremes, rounded as the quantity itself is."""
        if self._reduction is Reduction.MEAN:
            return Statistics(self._count, self._min, self._max)
        return Statistics(self._count)


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


class Reducer:
    """
    Gather the measurements of one sensor over one report period.

    Args:
        quantities: Those that are missing when nothing was measured; none for a source that sends what it likes.
    """

    def __init__(self, quantities: Sequence[str] = ()) -> None:
        self._quantities = quantities
        self._accumulators: dict[str, Accumulator] = {}
        self._reason = ""

    @property
    def empty(self) -> bool:
        """Whether nothing was tried since the start, or there is no quantity yet that could be missing."""
        return not self._accumulators and not (self._reason and self._quantities)

    def add(self, measurement: Measurement) -> None:
        """Take in one measurement."""
        for quantity, value in measurement.items():
            accumulator = self._accumulators.get(quantity)
            if accumulator is None:
                accumulator = self._accumulators[quantity] = Accumulator(QUANTITIES[quantity].reduction)
            accumulator.add(value)

    def fail(self, reason: str) -> None:
        """Note that a measurement was tried and gave nothing."""
        self._reason = reason

    def reduce(self) -> Reduced:
        """Return what was gathered."""
        reduced = Reduced()
        for quantity, accumulator in self._accumulators.items():
            value = accumulator.value()
            if value is None:
                reduced.miss(quantity, NO_MEAN_DIRECTION)
                continue
            reduced.values[quantity] = value
            reduced.statistics[quantity] = accumulator.statistics()
            reduced.quality[quantity] = Quality.UNCHECKED
        for quantity in self._quantities:
            if quantity not in self._accumulators:
                reduced.miss(quantity, self._reason)
        return reduced
