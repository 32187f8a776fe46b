import itertools

import pytest

from weatherd.backoff import full_jitter, slowly


def highest(low: float, high: float) -> float:
    return high


def test_delays_double_up_to_the_longest() -> None:
    """The bound of each delay is twice the last one's, and never more than the longest."""
    delays = full_jitter(2.0, 30.0, uniform=highest)
    assert list(itertools.islice(delays, 6)) == [2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_jitter_is_full() -> None:
    """Each delay is drawn from nothing to its bound, so no two stations have the same rhythm."""
    drawn: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        drawn.append((low, high))
        return low

    assert list(itertools.islice(full_jitter(1.0, 4.0, uniform=uniform), 3)) == [0.0, 0.0, 0.0]
    assert drawn == [(0.0, 1.0), (0.0, 2.0), (0.0, 4.0)]


def test_two_stations_draw_different_delays() -> None:
    """Two generators with the same bounds do not agree."""
    one, other = full_jitter(1.0, 60.0), full_jitter(1.0, 60.0)
    assert list(itertools.islice(one, 8)) != list(itertools.islice(other, 8))


@pytest.mark.parametrize(("first", "longest"), [(0.0, 1.0), (-1.0, 1.0), (2.0, 1.0)])
def test_impossible_bounds_are_a_programmers_error(first: float, longest: float) -> None:
    """A first delay of nothing, or one above the longest, is refused at once."""
    with pytest.raises(ValueError, match="does not hold"):
        next(full_jitter(first, longest))


def test_slow_delays_are_at_least_half_of_the_longest() -> None:
    """A far end that only a person can mend is asked rarely, and still not in step with other stations."""
    drawn = list(itertools.islice(slowly(30.0), 100))
    assert min(drawn) >= 15.0
    assert max(drawn) <= 30.0
    assert len(set(drawn)) > 1
