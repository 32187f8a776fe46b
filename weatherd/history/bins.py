"""
Bins: what one quantity of one sensor was in a minute, or in any longer step. Pure.

Bins make one by the quantity's own reduction, in whatever order they come, so that a minute can be added to at any
time, and hours are made of minutes. Means are weighted by their measurements. As in thinning, a value that is erroneous
enters no bin that has another; only amounts are added up whatever their flags.
"""

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
    return folded(quantity, (one, other), one.start_ms)


def folded(quantity: str, bins: Sequence[Bin], start_ms: int) -> Bin:
    """
    Return bins as one.

    Args:
        quantity: Tells how.
        bins: At least one; of two that exclude each other, the later one counts.
        start_ms: The place of the new one.
    """
    if quantity not in AMOUNTS:
        bins = [one for one in bins if one.quality is not Quality.ERRONEOUS] or bins
    if len(bins) == 1:
        return bins[0]._replace(start_ms=start_ms)
    weight = sum(one.weight for one in bins)
    flag = functools.reduce(worse, {one.quality for one in bins})
    value = _FOLD[reduction_of(quantity)](bins, weight)
    if reduction_of(quantity) is not Reduction.MEAN:
        return Bin(start_ms, value, value, value, weight, flag)
    return Bin(start_ms, value, min(one.least for one in bins), max(one.greatest for one in bins), weight, flag)


def in_steps(quantity: str, bins: Iterable[Bin], step_ms: int) -> Iterator[Bin]:
    """Join bins, ascending, that belong to one step; `step_ms` is a whole multiple of theirs."""
    for step, group in itertools.groupby(bins, key=lambda one: one.start_ms // step_ms):
        yield folded(quantity, tuple(group), step * step_ms)


def merged(quantity: str, some: Iterable[Bin], others: Sequence[Bin]) -> Iterator[Bin]:
    """
    Yield the bins of both, ascending as they are; those of one step are joined, `others` being the later ones.

    What lies before the others is passed on as it comes, so that of a month only a page is in memory.
    """
    by_start: dict[int, Bin] = {}
    for one in some:
        if not others or one.start_ms < others[0].start_ms:
            yield one
        else:
            by_start[one.start_ms] = one
    for other in others:
        there = by_start.get(other.start_ms)
        by_start[other.start_ms] = other if there is None else joined(quantity, there, other)
    yield from (by_start[start_ms] for start_ms in sorted(by_start))


def reduction_of(quantity: str) -> Reduction:
    """Return how a quantity is reduced; one of another version is averaged."""
    known = QUANTITIES.get(quantity)
    return Reduction.MEAN if known is None else known.reduction


def _mean(bins: Sequence[Bin], weight: int) -> float:
    return sum(one.value * one.weight for one in bins) / weight


def _direction(bins: Sequence[Bin], weight: int) -> float:
    """Average directions as vectors; of those that cancel each other out, the latest one counts."""
    x = sum(each.weight * math.cos(math.radians(each.value)) for each in bins)
    y = sum(each.weight * math.sin(math.radians(each.value)) for each in bins)
    if math.hypot(x, y) < 1e-6 * weight:
        return bins[-1].value
    return math.degrees(math.atan2(y, x)) % 360.0


_FOLD: Mapping[Reduction, Callable[[Sequence[Bin], int], float]] = {
    Reduction.MEAN: _mean,
    Reduction.SUM: lambda bins, _: sum(one.value for one in bins),
    Reduction.MAX: lambda bins, _: max(one.value for one in bins),
    Reduction.DIRECTION: _direction,
    Reduction.LAST: lambda bins, _: bins[-1].value,
}
