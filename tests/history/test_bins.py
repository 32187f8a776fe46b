import pytest
from hypothesis import given
from hypothesis import strategies as st

from weatherd.history.bins import HOUR_MS, MINUTE_MS, Bin, in_steps, joined, merged, start_of
from weatherd.model import Quality

GOOD, DOUBTFUL, ERRONEOUS = Quality.GOOD, Quality.DOUBTFUL, Quality.ERRONEOUS


def a_bin(value: float, weight: int = 1, flag: Quality = GOOD, *, start_ms: int = 0, spread: float = 0.0) -> Bin:
    return Bin(start_ms, value, value - spread, value + spread, weight, flag)


@pytest.mark.parametrize(
    ("time_ms", "start_ms"), [(60_000, 0), (60_001, 60_000), (119_999, 60_000), (120_000, 60_000), (1, 0)]
)
def test_what_is_observed_at_the_end_of_a_minute_belongs_to_it(time_ms: int, start_ms: int) -> None:
    """An observation is stamped with the end of its report period."""
    assert start_of(time_ms, MINUTE_MS) == start_ms


@pytest.mark.parametrize(
    ("quantity", "one", "other", "expected"),
    [
        ("air_temperature", a_bin(10.0, 1, spread=1.0), a_bin(13.0, 2, spread=0.5), (12.0, 9.0, 13.5, 3)),
        ("rainfall_amount", a_bin(0.2, 10), a_bin(0.4, 10), (0.6, 0.6, 0.6, 20)),
        ("wind_speed_of_gust", a_bin(7.0), a_bin(5.0), (7.0, 7.0, 7.0, 2)),
        ("wind_from_direction", a_bin(350.0), a_bin(30.0), (10.0, 10.0, 10.0, 2)),
        ("wind_from_direction", a_bin(90.0), a_bin(270.0), (270.0, 270.0, 270.0, 2)),
        ("zambretti_indication", a_bin(3.0), a_bin(1.0), (1.0, 1.0, 1.0, 2)),
        ("of_another_version", a_bin(1.0), a_bin(2.0), (1.5, 1.0, 2.0, 2)),
    ],
)
def test_two_bins_are_joined_by_the_reduction_of_the_quantity(
    quantity: str, one: Bin, other: Bin, expected: tuple[float, ...]
) -> None:
    """Means by weight with their extremes, sums, maxima, directions as vectors, the last code."""
    result = joined(quantity, one, other)
    assert (result.value, result.least, result.greatest, result.weight) == pytest.approx(expected)


@pytest.mark.parametrize("is_first", [True, False])
def test_an_erroneous_value_enters_no_bin_that_has_another(*, is_first: bool) -> None:
    """Neither its value nor its flag, whichever comes first; only amounts are added up."""
    wrong, right = a_bin(99.0, flag=ERRONEOUS), a_bin(10.0, flag=DOUBTFUL)
    pair = (wrong, right) if is_first else (right, wrong)
    assert joined("air_temperature", *pair) == right
    assert joined("rainfall_amount", *pair)[1:] == (109.0, 109.0, 109.0, 2, ERRONEOUS)


def test_two_erroneous_values_make_an_erroneous_bin() -> None:
    """Where there is nothing else, it is shown and flagged."""
    result = joined("air_temperature", a_bin(98.0, flag=ERRONEOUS), a_bin(100.0, flag=ERRONEOUS))
    assert (result.value, result.quality) == (99.0, ERRONEOUS)


def test_the_worst_flag_of_a_step_is_told() -> None:
    """A doubtful minute makes the hour doubtful."""
    hour = list(in_steps("air_temperature", [a_bin(1.0), a_bin(3.0, flag=DOUBTFUL, start_ms=MINUTE_MS)], HOUR_MS))
    assert hour == [Bin(0, 2.0, 1.0, 3.0, 2, DOUBTFUL)]


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(-4000, 4000), st.integers(1, 60)), max_size=60))
def test_hours_are_the_same_however_their_minutes_came(told: list[tuple[int, int, int]]) -> None:
    """In one go or one by one, over memory or over the file."""
    minutes: list[Bin] = []
    for minute, value, weight in told:
        minutes = list(merged("air_temperature", minutes, [a_bin(value / 100, weight, start_ms=minute * MINUTE_MS)]))
    hours = list(in_steps("air_temperature", minutes, HOUR_MS))
    for hour in hours:
        members = [(v / 100, w) for m, v, w in told if m * MINUTE_MS // HOUR_MS * HOUR_MS == hour.start_ms]
        total = sum(weight for _, weight in members)
        assert hour.weight == total
        assert hour.value == pytest.approx(sum(value * weight for value, weight in members) / total)
        assert (hour.least, hour.greatest) == (min(members)[0], max(members)[0])
    assert {hour.start_ms for hour in hours} == {m * MINUTE_MS // HOUR_MS * HOUR_MS for m, _, _ in told}
