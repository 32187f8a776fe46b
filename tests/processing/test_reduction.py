import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weatherd.model import QUANTITIES, Quality, Reduction, Statistics
from weatherd.processing.limits import Range
from weatherd.processing.reduction import Reduced, Reducer


def reduce(quantity: str, *values: float) -> Reduced:
    reducer = Reducer()
    for value in values:
        reducer.add({quantity: value})
    return reducer.reduce()


def test_most_quantities_are_averaged() -> None:
    """Ten measurements become their mean, with the least, the greatest and their count."""
    reduced = reduce("air_pressure", 1000.0, 1001.0, 1005.0)
    assert reduced.values == {"air_pressure": 1002.0}
    assert reduced.statistics == {"air_pressure": Statistics(3, 1000.0, 1005.0)}
    assert reduced.quality == {"air_pressure": Quality.UNCHECKED}


def test_rain_is_summed() -> None:
    """Amounts add up, and have no extremes."""
    reduced = reduce("rainfall_amount", 0.2, 0.0, 0.4)
    assert reduced.values["rainfall_amount"] == pytest.approx(0.6)
    assert reduced.statistics == {"rainfall_amount": Statistics(3)}


def test_the_strongest_gust_counts() -> None:
    """A gust is a maximum, not a mean."""
    assert reduce("wind_speed_of_gust", 3.0, 11.5, 4.0).values == {"wind_speed_of_gust": 11.5}


@pytest.mark.parametrize(
    ("directions", "mean"),
    [((350.0, 10.0), 0.0), ((80.0, 100.0), 90.0), ((270.0, 270.0), 270.0), ((300.0, 20.0), 340.0)],
)
def test_directions_are_averaged_as_vectors(directions: tuple[float, ...], mean: float) -> None:
    """Around north the mean is north, not south."""
    value = reduce("wind_from_direction", *directions).values["wind_from_direction"]
    assert math.isclose((value - mean + 180) % 360, 180, abs_tol=1e-6)


def test_opposite_directions_have_no_mean() -> None:
    """A vane that points both ways has no direction, and says so instead of giving a random one."""
    reduced = reduce("wind_from_direction", 0.0, 180.0)
    assert reduced.values == {}
    assert reduced.quality == {"wind_from_direction": Quality.MISSING}
    assert reduced.reasons == {"wind_from_direction": "no_mean_direction"}


def test_a_failed_measurement_is_not_filled_in() -> None:
    """The mean is that of the measurements that there were; the count tells how many."""
    reducer = Reducer(["air_pressure"])
    reducer.add({"air_pressure": 1000.0})
    reducer.fail("bad_checksum")
    reducer.add({"air_pressure": 1002.0})
    reduced = reducer.reduce()
    assert reduced.values == {"air_pressure": 1001.0}
    assert reduced.statistics["air_pressure"].count == 2
    assert reduced.reasons == {}


def test_a_period_of_failures_is_missing_with_its_reason() -> None:
    """When nothing was measured, each quantity is flagged missing, with the last reason and without a value."""
    reducer = Reducer(["air_pressure", "air_temperature"])
    reducer.fail("bad_checksum")
    reducer.fail("reset_registers")
    reduced = reducer.reduce()
    assert reduced.values == {}
    assert reduced.quality == dict.fromkeys(["air_pressure", "air_temperature"], Quality.MISSING)
    assert reduced.reasons == dict.fromkeys(["air_pressure", "air_temperature"], "reset_registers")


def test_a_reducer_is_empty_until_something_was_tried() -> None:
    """Neither a measurement nor a failure: nothing to report."""
    reducer = Reducer(["air_pressure"])
    assert reducer.empty
    reducer.fail("no_answer")
    assert not reducer.empty


def test_the_ends_of_the_plausible_range_enter_the_mean() -> None:
    """Saturated air has 100 %, and only more than that is left out."""
    reducer = Reducer(plausible={"relative_humidity": Range(0.0, 100.0)})
    for value in (0.0, 100.0, 100.1, -0.1):
        reducer.add({"relative_humidity": value})
    reduced = reducer.reduce()
    assert reduced.values == {"relative_humidity": 50.0}
    assert reduced.statistics == {"relative_humidity": Statistics(2, 0.0, 100.0, rejected=2)}


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_the_mean_lies_between_the_extremes(values: list[float]) -> None:
    """However floats round, least <= mean <= greatest."""
    reduced = reduce("air_temperature", *values)
    statistics = reduced.statistics["air_temperature"]
    assert statistics.min is not None
    assert statistics.max is not None
    assert statistics.min <= reduced.values["air_temperature"] <= statistics.max


def test_every_quantity_has_a_reduction() -> None:
    """No quantity falls through."""
    for quantity in QUANTITIES.values():
        assert isinstance(quantity.reduction, Reduction)
        assert reduce(quantity.name, 1.0).values[quantity.name] == pytest.approx(1.0)


def test_of_codes_the_last_one_counts() -> None:
    """The mean of two figures of a code table would be a third one."""
    reducer = Reducer()
    for code in (2.0, 7.0):
        reducer.add({"characteristic_of_pressure_tendency": code})
    reduced = reducer.reduce()
    assert reduced.values == {"characteristic_of_pressure_tendency": 7.0}
    assert reduced.statistics == {"characteristic_of_pressure_tendency": Statistics(2)}


def test_a_quantity_that_was_left_out_is_missing_with_a_reason() -> None:
    """A sensor that measures, but not everything, says so."""
    reducer = Reducer(["air_pressure", "air_temperature"])
    reducer.add({"air_pressure": 1000.0})
    reduced = reducer.reduce()
    assert reduced.quality["air_temperature"] == Quality.MISSING
    assert reduced.reasons == {"air_temperature": "not_measured"}


def test_of_a_running_total_the_greatest_is_kept() -> None:
    """How many tips there were ever stands beside the amount, and beside nothing else."""
    reducer = Reducer(("rainfall_amount", "rainfall_rate"))
    for total in (3, 5, 4):
        reducer.add({"rainfall_amount": 0.25, "rainfall_rate": 1.0}, {"rainfall_amount": total})
    reduced = reducer.reduce()
    assert reduced.statistics["rainfall_amount"] == Statistics(3, total=5)
    assert reduced.statistics["rainfall_rate"] == Statistics(3, 1.0, 1.0)
