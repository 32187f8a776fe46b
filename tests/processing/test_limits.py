import pytest

from weatherd.model import QUANTITIES
from weatherd.processing.limits import AMOUNTS, LIMITS, Given, Limits, narrowed, sample_ranges, wider

NOTHING: Given = dict.fromkeys(["min", "max", "step", "step_doubtful", "least_change"])


def test_limits_are_those_of_quantities_and_no_range_is_empty() -> None:
    """A quantity that is renamed takes its limits with it."""
    assert LIMITS.keys() <= QUANTITIES.keys()
    assert all(limits.min < limits.max for limits in LIMITS.values())


def test_samples_of_amounts_are_not_tested() -> None:
    """What is left out of a sum would be missing from it."""
    assert sample_ranges(LIMITS).keys() == LIMITS.keys() - AMOUNTS
    assert "rainfall_amount" in AMOUNTS


def test_a_station_narrows_what_it_names_and_nothing_else() -> None:
    """None keeps the standard's limit, False turns a test off."""
    given = NOTHING | {"max": 45, "step": 2.0, "least_change": False}
    assert not list(wider(LIMITS["air_temperature"], given))
    assert narrowed(LIMITS["air_temperature"], given) == Limits(-80, 45, step=2.0)
    assert narrowed(LIMITS["wind_speed"], NOTHING) == LIMITS["wind_speed"]


@pytest.mark.parametrize("key", ["step", "step_doubtful", "least_change"])
def test_a_test_that_a_quantity_does_not_have_cannot_be_set(key: str) -> None:
    """Nobody waits in vain for a flag; turning it off is no mistake."""
    assert [where for where, _ in wider(LIMITS["illuminance"], NOTHING | {key: 1.0})] == [key]
    assert not list(wider(LIMITS["illuminance"], NOTHING | {key: False}))
