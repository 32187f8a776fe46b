import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weatherd.processing.calibration import Curve, Line, Points, calibrate, version, without_heat


def test_slope_comes_before_offset() -> None:
    """A calibrated value is slope * measured + offset."""
    lines = {"air_pressure": Line(offset=0.4, slope=2.0)}
    assert calibrate({"air_pressure": 500.0}, lines) == {"air_pressure": 1000.4}


def test_quantities_without_a_line_stay_as_they_are() -> None:
    """Calibrating one quantity leaves the others alone, and the given measurement too."""
    measurement = {"air_pressure": 1000.0, "air_temperature": 20.0}
    calibrated = calibrate(measurement, {"air_temperature": Line(offset=-0.5)})
    assert calibrated == {"air_pressure": 1000.0, "air_temperature": 19.5}
    assert measurement == {"air_pressure": 1000.0, "air_temperature": 20.0}


def test_without_lines_nothing_is_copied() -> None:
    """No calibration costs nothing."""
    measurement = {"air_pressure": 1000.0}
    assert calibrate(measurement, {}) is measurement


POINTS = Points(((0.4, 0.0), (30.0, 30.0), (50.0, 51.0)))


@pytest.mark.parametrize(
    ("measured", "true"),
    [(0.4, 0.0), (30.0, 30.0), (50.0, 51.0), (15.2, 15.0), (40.0, 40.5), (-29.2, -30.0), (70.0, 72.0)],
)
def test_points_are_joined_and_go_on_at_both_ends(measured: float, true: float) -> None:
    """At a point the curve has its true value, between two of them it is straight, and so it is beyond the last."""
    assert POINTS.at(measured) == pytest.approx(true)


@given(st.floats(-100, 100), st.floats(0.001, 10))
def test_more_measured_is_more_true(measured: float, more: float) -> None:
    """A table never turns the order of two values around."""
    assert POINTS.at(measured + more) > POINTS.at(measured)


def test_each_calibration_has_a_version_of_its_own() -> None:
    """The same one has the same version in every run; another value, quantity or kind has another."""
    kinds: list[tuple[dict[str, Curve], float]] = [
        ({"air_pressure": Line(offset=0.4)}, 0.0),
        ({"air_pressure": Line(offset=0.5)}, 0.0),
        ({"air_temperature": Line(offset=0.4)}, 0.0),
        ({"air_temperature": POINTS}, 0.0),
        ({"air_temperature": POINTS}, 0.35),
        ({}, 0.35),
    ]
    versions = [version(curves, share) for curves, share in kinds]
    assert len(set(versions)) == len(kinds)
    assert all(re.fullmatch("[0-9a-f]{8}", one) for one in versions)
    assert version({"air_pressure": Line(offset=0.4)}) == "85ca0be3"
    assert version({}) == ""


def test_the_order_of_quantities_makes_no_other_version() -> None:
    """It is no change to write the same lines in another order."""
    one, other = Line(offset=0.4), Line(offset=0.5)
    assert version({"a": one, "b": other}) == version({"b": other, "a": one})


@given(st.floats(-30, 50), st.floats(-10, 85), st.floats(0, 1))
def test_the_heat_of_the_processor_is_taken_out(true_degc: float, cpu_degc: float, share: float) -> None:
    """A board that is warmer than the air by a share of the way to the processor gives the air's temperature."""
    said_degc = (true_degc + share * cpu_degc) / (1 + share)
    assert without_heat(said_degc, cpu_degc, share) == pytest.approx(true_degc, abs=1e-9)
