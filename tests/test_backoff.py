import itertools
import random

import pytest

from weatherd.backoff import full_jitter, slowly


def highest(low: float, high: float) -> float:
    return high


def test_delays_double_up_to_the_longest() -> None:
    """The bound of each delay is twice the last one's, and never more than the longest."""
    delays = full_jitter(2.0, 30.0, uniform=highest)
    assert list(itertools.islice(delays, 6)) == [2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_a_short_delay_is_followed_by_a_long_one() -> None:
    """A delay is drawn from what the one before lacked of the bound, so two in a row are never both short."""
    drawn: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        drawn.append((low, high))
        return low

    assert list(itertools.islice(full_jitter(1.0, 4.0, uniform=uniform), 5)) == [0.0, 2.0, 2.0, 2.0, 2.0]
    assert drawn == [(0.0, 1.0), (2.0, 2.0), (2.0, 4.0), (2.0, 4.0), (2.0, 4.0)]


def test_no_station_asks_a_dead_sink_more_than_thirteen_times_in_150_s() -> None:
    """Of ten thousand stations none has a rhythm of short delays, and no two have the same."""
    rhythms = []
    for seed in range(10_000):
        delays = full_jitter(2.0, 30.0, uniform=random.Random(seed).uniform)
        ends = list(itertools.takewhile(lambda end_s: end_s < 150.0, itertools.accumulate(delays)))
        rhythms.append(tuple(ends))
    assert max(map(len, rhythms)) + 1 <= 13
    assert len(set(rhythms)) == len(rhythms)


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
