import pytest

from weatherd.model import QUANTITIES
from weatherd.processing.units import CONVERSIONS, conversion, convertible

KNOWN = [
    ("degF", "degC", 212.0, 100.0),
    ("degF", "degC", 32.0, 0.0),
    ("degF", "degC", -40.0, -40.0),
    ("K", "degC", 273.15, 0.0),
    ("km/h", "m/s", 36.0, 10.0),
    ("mi/h", "m/s", 1.0, 0.44704),
    ("kt", "m/s", 1.0, 0.514444),
    ("cm", "mm", 1.2, 12.0),
    ("in", "mm", 1.0, 25.4),
    ("in/h", "mm/h", 2.0, 50.8),
    ("Pa", "hPa", 101_325.0, 1013.25),
    ("kPa", "hPa", 101.325, 1013.25),
    ("inHg", "hPa", 29.9213, 1013.25),
    ("mbar", "hPa", 1013.25, 1013.25),
]


@pytest.mark.parametrize(("found", "wanted", "value", "expected"), KNOWN)
def test_known_pairs_are_met(found: str, wanted: str, value: float, expected: float) -> None:
    """Each conversion meets a pair of values that is known from elsewhere."""
    line = conversion(found, wanted)
    assert value * line.slope + line.offset == pytest.approx(expected, rel=1e-5, abs=1e-9)


def test_every_conversion_has_a_known_pair() -> None:
    """No conversion is left without one."""
    assert {(found, wanted) for found, wanted, _, _ in KNOWN} == CONVERSIONS.keys()


def test_a_unit_stays_itself() -> None:
    """A quantity's own unit needs no conversion."""
    line = conversion("lx", "lx")
    assert (line.slope, line.offset) == (1.0, 0.0)


def test_what_does_not_fit_is_refused() -> None:
    """No line leads from a temperature to a pressure, and none backwards."""
    for found, wanted in [("degF", "hPa"), ("degC", "degF"), ("furlong", "mm")]:
        with pytest.raises(ValueError, match="does not become"):
            conversion(found, wanted)


def test_every_conversion_ends_in_the_unit_of_a_quantity() -> None:
    """A conversion that no quantity needs would be dead."""
    assert {wanted for _, wanted in CONVERSIONS} <= {quantity.unit for quantity in QUANTITIES.values()}


def test_a_quantity_lists_its_own_unit_first() -> None:
    """What can become a unit is told with the unit itself in front."""
    assert list(convertible("degC")) == ["degC", "degF", "K"]
    assert list(convertible("lx")) == ["lx"]
