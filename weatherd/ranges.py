"""
Sets of seqs, as the ranges they make: what a sink has is a few long runs, not a million numbers.

Immutable, so that one thread can hand them to another.
"""

import bisect
from collections.abc import Iterable, Iterator
from typing import TypeAlias

Range: TypeAlias = tuple[int, int]
"""First and last, both included."""


class Ranges:
    """
    A set of whole numbers, kept as ascending ranges that neither overlap nor touch.

    Args:
        ranges: Ascending, apart from each other.
    """

    __slots__ = ("_ranges",)

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self._ranges = tuple(ranges)
        assert all(first <= last for first, last in self._ranges)
        assert all(before[1] + 1 < after[0] for before, after in zip(self._ranges, self._ranges[1:], strict=False)), (
            "ranges overlap, touch or are out of order"
        )

    @classmethod
    def of(cls, ranges: Iterable[Iterable[int]]) -> "Ranges":
        """Make the set of ranges that may overlap, touch, and come in any order."""
        merged: list[Range] = []
        for first, last in sorted((first, last) for first, last in ranges):
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(merged[-1][1], last))
            else:
                merged.append((first, last))
        return cls(merged)

    def __iter__(self) -> Iterator[Range]:
        return iter(self._ranges)

    def __len__(self) -> int:
        return len(self._ranges)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranges) and self._ranges == other._ranges

    def __hash__(self) -> int:
        return hash(self._ranges)

    def __repr__(self) -> str:
        return f"Ranges({list(self._ranges)})"

    def __contains__(self, number: int) -> bool:
        index = bisect.bisect_right(self._ranges, number, key=_first) - 1
        return index >= 0 and number <= self._ranges[index][1]

    @property
    def count(self) -> int:
        """How many numbers are in the set."""
        return sum(last - first + 1 for first, last in self._ranges)

    @property
    def last(self) -> int:
        """The highest number; 0 in an empty set."""
        return self._ranges[-1][1] if self._ranges else 0

    def covers(self, first: int, last: int) -> bool:
        """Tell whether a whole range is in the set; a range of nothing is."""
        index = bisect.bisect_right(self._ranges, first, key=_first) - 1
        return last < first or (index >= 0 and last <= self._ranges[index][1])

    def touches(self, first: int, last: int) -> bool:
        """Tell whether any number of a range is in the set; none of a range of nothing is."""
        index = bisect.bisect_right(self._ranges, last, key=_first) - 1
        return index >= 0 and first <= min(last, self._ranges[index][1])

    def add(self, first: int, last: int) -> "Ranges":
        """Return the set with a range in it as well; nothing is added by a range of nothing."""
        return self if self.covers(first, last) else self | Ranges([(first, last)])

    def remove(self, first: int, last: int) -> "Ranges":
        """Return the set without any number of a range."""
        kept: list[Range] = []
        for one in self._ranges:
            if one[0] < first:
                kept.append((one[0], min(one[1], first - 1)))
            if one[1] > last:
                kept.append((max(one[0], last + 1), one[1]))
        return Ranges(kept) if first <= last else self

    def gaps(self, first: int, last: int) -> Iterator[Range]:
        """Yield what a range has that the set has not, ascending."""
        start = max(bisect.bisect_right(self._ranges, first, key=_first) - 1, 0)
        for one in self._ranges[start:]:
            if one[0] > last:
                break
            if one[0] > first:
                yield first, one[0] - 1
            first = max(first, one[1] + 1)
        if first <= last:
            yield first, last

    def __or__(self, other: "Ranges") -> "Ranges":
        """Return what is in either."""
        return Ranges.of((*self._ranges, *other._ranges))

    def __and__(self, other: "Ranges") -> "Ranges":
        """Return what is in both."""
        both: list[Range] = []
        for first, last in self._ranges:
            start = max(bisect.bisect_right(other._ranges, first, key=_first) - 1, 0)
            for other_first, other_last in other._ranges[start:]:
                if other_first > last:
                    break
                if other_last >= first:
                    both.append((max(first, other_first), min(last, other_last)))
        return Ranges(both)


NOTHING = Ranges()
"""The empty set."""


def _first(one: Range) -> int:
    return one[0]
