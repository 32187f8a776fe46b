"""
Bins: what one quantity of one sensor was in a minute, or in any longer step. Pure.

Two bins make one by the quantity's own reduction, in whatever order they come, so that a minute can be added to at any
time, and hours are made of minutes. Means are weighted by their measurements. As in thinning, a value that is erroneous
enters no bin that has another; only amounts are added up whatever their flags.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from weatherd.model import QUANTITIES, Quality, Reduction
from weatherd.processing.limits import AMOUNTS
from weatherd.processing.past import worse

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


class Bin(NamedTuple):
    """
    A quantity over one step.

    Attributes:
        start_ms: Where the step begins, a whole multiple of its length. What was observed at its very end belongs to
            it, for an observation is stamped with the end of its period.
        value: In the quantity's unit.
        least: Of the measurements behind it; where it has no extremes (sums, directions, codes), the value itself.
        greatest: As `least`.
        weight: The measurements behind it, 1 or more.
        quality: The worst flag of what is in it.
    """

    start_ms: int
    value: float
    least: float
    greatest: float
    weight: int
    quality: Quality


def start_of(time_ms: int, step_ms: int) -> int:
    """Return where the step begins that an observation of this time belongs to."""
    return (time_ms - 1) // step_ms * step_ms


def joined(quantity: str, one: Bin, other: Bin) -> Bin:
    """Return both as one bin, at the place of the first; the second is the later one."""
    if quantity not in AMOUNTS and (one.quality is Quality.ERRONEOUS) is not (other.quality is Quality.ERRONEOUS):
        return one if other.quality is Quality.ERRONEOUS else other._replace(start_ms=one.start_ms)
    value = _JOIN[reduction_of(quantity)](one, other)
    weight = one.weight + other.weight
    flag = one.quality if one.quality is other.quality else worse(one.quality, other.quality)
    if reduction_of(quantity) is not Reduction.MEAN:
        return Bin(one.start_ms, value, value, value, weight, flag)
    least, greatest = min(one.least, other.least), max(one.greatest, other.greatest)
    return Bin(one.start_ms, value, least, greatest, weight, flag)


def in_steps(quantity: str, bins: Iterable[Bin], step_ms: int) -> Iterator[Bin]:
    """Join bins, ascending, that belong to one step; `step_ms` is a whole multiple of theirs."""
    current: Bin | None = None
    for one in bins:
        start_ms = one.start_ms // step_ms * step_ms
        if current is not None and current.start_ms == start_ms:
            current = joined(quantity, current, one)
        else:
            if current is not None:
                yield current
            current = one._replace(start_ms=start_ms)
    if current is not None:
        yield current


def merged(quantity: str, some: Iterable[Bin], others: Iterable[Bin]) -> list[Bin]:
    """Return the bins of both, ascending; those of one step are joined, `others` being the later ones."""
    by_start = {one.start_ms: one for one in some}
    for other in others:
        there = by_start.get(other.start_ms)
        by_start[other.start_ms] = other if there is None else joined(quantity, there, other)
    return [by_start[start_ms] for start_ms in sorted(by_start)]


def reduction_of(quantity: str) -> Reduction:
    """Return how a quantity is reduced; one of another version is averaged."""
    known = QUANTITIES.get(quantity)
    return Reduction.MEAN if known is None else known.reduction


def _mean(one: Bin, other: Bin) -> float:
    return (one.value * one.weight + other.value * other.weight) / (one.weight + other.weight)


def _direction(one: Bin, other: Bin) -> float:
    """Average two directions as vectors; of two that cancel each other out, the later one counts."""
    x = sum(each.weight * math.cos(math.radians(each.value)) for each in (one, other))
    y = sum(each.weight * math.sin(math.radians(each.value)) for each in (one, other))
    if math.hypot(x, y) < 1e-6 * (one.weight + other.weight):
        return other.value
    return math.degrees(math.atan2(y, x)) % 360.0


_JOIN: Mapping[Reduction, Callable[[Bin, Bin], float]] = {
    Reduction.MEAN: _mean,
    Reduction.SUM: lambda one, other: one.value + other.value,
    Reduction.MAX: lambda one, other: max(one.value, other.value),
    Reduction.DIRECTION: _direction,
    Reduction.LAST: lambda _, other: other.value,
}
