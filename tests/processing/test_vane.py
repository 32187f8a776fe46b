"""Which direction a voltage is."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weatherd.errors import NoPosition
from weatherd.processing.vane import VANE_OHMS, Positions, divided

USUAL = Positions(VANE_OHMS, 10_000.0, 3.3)

# The data sheet's table for 10 kOhm to 5 V, from north clockwise. It says 4.78 V for 315 degrees, but its own 64.9 kOhm
# make 4.33.
DATA_SHEET_5_V = (
    *(3.84, 1.98, 2.25, 0.41, 0.45, 0.32, 0.90, 0.62),
    *(1.40, 1.19, 3.08, 2.93, 4.62, 4.04, 4.33, 3.43),
)


@pytest.mark.parametrize(("number", "volt"), list(enumerate(DATA_SHEET_5_V)))
def test_the_voltages_are_those_of_the_data_sheet(number: int, volt: float) -> None:
    """All sixteen positions with 10 kOhm to 5 V, which the data sheet gives to hundredths."""
    assert divided(VANE_OHMS[number], 10_000.0, 5.0) == pytest.approx(volt, abs=0.01)
    assert Positions(VANE_OHMS, 10_000.0, 5.0).direction(volt) == number * 22.5


@given(direction=st.sampled_from(range(16)), noise=st.floats(-0.45, 0.45))
def test_between_two_positions_the_nearest_counts(direction: int, noise: float) -> None:
    """A voltage that is off by less than half the way to the next position is still this one."""
    volts = sorted(divided(ohm, 10_000.0, 3.3) for ohm in VANE_OHMS)
    volt = divided(VANE_OHMS[direction], 10_000.0, 3.3)
    gap = min(other - one for one, other in itertools.pairwise([0.0, *volts, 3.3]) if volt in {one, other})
    assert USUAL.direction(volt + noise * gap) == direction * 22.5


@pytest.mark.parametrize("volt", [-0.01, 0.0, 0.1, 3.18, 3.3, 3.6])
def test_an_open_or_short_cable_is_no_direction(volt: float) -> None:
    """The supply, zero, and what is nearer to them than to any position."""
    with pytest.raises(NoPosition, match="is no position of the vane") as raised:
        USUAL.direction(volt)
    assert "pull-up" in raised.value.hint


def test_a_vane_of_eight_has_eight_directions() -> None:
    """The steps follow from how many resistances there are."""
    vane = Positions([1000.0 * (number + 1) for number in range(8)], 10_000.0, 3.3)
    assert vane.direction(divided(2000.0, 10_000.0, 3.3)) == 45.0
