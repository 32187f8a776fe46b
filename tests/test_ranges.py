from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weatherd.ranges import Range, Ranges


def numbers_of(span: Range) -> set[int]:
    return set(range(span[0], span[1] + 1))


def numbers_of_all(spans: Iterable[Range]) -> set[int]:
    return {number for span in spans for number in numbers_of(span)}


NUMBERS = st.integers(1, 40)
SPANS = st.tuples(NUMBERS, st.integers(0, 12)).map(lambda span: (span[0], span[0] + span[1]))
SETS = st.lists(SPANS, max_size=6).map(numbers_of_all)  # long runs, as sinks have them, and single numbers
ANY_SPANS = st.tuples(NUMBERS, NUMBERS)  # one in two ends before it begins: a range of nothing


def ranges(numbers: Iterable[int]) -> Ranges:
    """Make the ranges of a set of numbers, one number at a time."""
    found: list[Range] = []
    for number in sorted(numbers):
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return Ranges(found)


def test_what_touches_becomes_one_range() -> None:
    """Two runs of delivered seqs that meet are one run, and stay two where one seq is missing between them."""
    assert list(Ranges([(1, 3)]).add(4, 6)) == [(1, 6)]
    assert list(Ranges([(1, 3)]).add(5, 6)) == [(1, 3), (5, 6)]


def test_one_range_closes_many_gaps() -> None:
    """A range that reaches over several others leaves one."""
    assert list(Ranges([(2, 3), (5, 6), (8, 12), (20, 21)]).add(1, 9)) == [(1, 12), (20, 21)]


def test_what_is_removed_leaves_both_ends() -> None:
    """A hole in the middle of a run makes two runs of it."""
    assert list(Ranges([(1, 9)]).remove(4, 6)) == [(1, 3), (7, 9)]


def test_gaps_are_what_is_still_to_be_delivered() -> None:
    """Before, between and after the ranges, within the span that was asked for."""
    delivered = Ranges([(3, 4), (8, 9)])
    assert list(delivered.gaps(1, 12)) == [(1, 2), (5, 7), (10, 12)]
    assert list(delivered.gaps(4, 8)) == [(5, 7)]
    assert list(delivered.gaps(8, 9)) == []


def test_an_empty_set_has_nothing() -> None:
    """Before the first delivery nothing is delivered, and everything is a gap."""
    empty = Ranges()
    assert (empty.count, empty.last, len(empty)) == (0, 0, 0)
    assert 1 not in empty
    assert not empty.touches(1, 9)
    assert list(empty.gaps(1, 9)) == [(1, 9)]


def test_a_range_of_nothing_changes_and_meets_nothing() -> None:
    """A span that ends before it begins has no number, also where it lies within a range."""
    some = Ranges([(1, 10)])
    assert some.add(12, 11) == some.remove(6, 5) == some
    assert some.covers(12, 11)
    assert not some.touches(6, 5)
    assert list(some.gaps(12, 11)) == []


@pytest.mark.parametrize("wrong", [[(2, 1)], [(1, 2), (3, 4)], [(1, 5), (5, 6)], [(8, 9), (1, 2)]])
def test_ranges_that_are_no_set_are_refused(wrong: list[Range]) -> None:
    """Whoever has ranges that are backward, touch, overlap or are out of order makes a set of them with `of`."""
    with pytest.raises(AssertionError):
        Ranges(wrong)


@given(SETS, SETS)
def test_equal_sets_are_equal_ranges(one: set[int], other: set[int]) -> None:
    """There is one way to write a set, so that equality and hash are those of its numbers."""
    assert (ranges(one) == ranges(other)) is (one == other)
    assert hash(ranges(one)) == hash(ranges(set(one)))
    assert ranges(one) != one


@given(SETS)
def test_a_set_tells_what_is_in_it(numbers: set[int]) -> None:
    """Membership, count, last and the ranges themselves are those of the plain set."""
    some = ranges(numbers)
    assert {number for number in range(-1, 60) if number in some} == numbers
    assert some.count == len(numbers)
    assert some.last == max(numbers, default=0)
    assert numbers_of_all(some) == numbers
    assert len(some) == len(list(some))


@given(st.lists(SPANS))
def test_of_takes_ranges_in_any_order(spans: list[Range]) -> None:
    """Ranges that overlap, touch, repeat and come in any order make the set of all their numbers."""
    assert Ranges.of(spans) == ranges(numbers_of_all(spans))
    assert Ranges.of(map(list, spans)) == Ranges.of(spans)


@given(SETS, ANY_SPANS)
def test_add_is_a_union_with_a_range(numbers: set[int], span: Range) -> None:
    """What was in the set stays in it, and the range comes in."""
    before = ranges(numbers)
    assert before.add(*span) == ranges(numbers | numbers_of(span))
    assert before == ranges(numbers)


@given(SETS, ANY_SPANS)
def test_remove_is_a_difference_from_a_range(numbers: set[int], span: Range) -> None:
    """What is outside of the range stays."""
    before = ranges(numbers)
    assert before.remove(*span) == ranges(numbers - numbers_of(span))
    assert before == ranges(numbers)


@given(SETS, SETS)
def test_or_is_in_either(one: set[int], other: set[int]) -> None:
    """A union of ranges is the union of their numbers."""
    assert ranges(one) | ranges(other) == ranges(one | other)


@given(SETS, SETS)
def test_and_is_in_both(one: set[int], other: set[int]) -> None:
    """An intersection of ranges is the intersection of their numbers."""
    assert ranges(one) & ranges(other) == ranges(one & other)


@given(SETS, ANY_SPANS)
def test_gaps_are_what_the_set_lacks(numbers: set[int], span: Range) -> None:
    """They are ascending and apart, as ranges are, and together with the set they have the whole span."""
    assert Ranges(ranges(numbers).gaps(*span)) == ranges(numbers_of(span) - numbers)


@given(SETS, ANY_SPANS)
def test_covers_and_touches_are_all_and_any(numbers: set[int], span: Range) -> None:
    """A span is covered if all of its numbers are in the set, and touched if any is; a span of none as sets have it."""
    some = ranges(numbers)
    assert some.covers(*span) is (numbers_of(span) <= numbers)
    assert some.touches(*span) is bool(numbers_of(span) & numbers)
