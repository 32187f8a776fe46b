from collections.abc import Callable

import psychrolib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weatherd.processing.humidity import (
    absolute_humidity,
    dew_point_temperature,
    frost_point_temperature,
    saturation_vapour_pressure,
    vapour_pressure,
)


@pytest.mark.parametrize(
    ("temperature_degc", "relative_humidity", "dew_point_degc"),
    [(20.0, 50.0, 9.255), (-10.0, 80.0, -12.797), (25.0, 100.0, 25.0)],
)
def test_dew_point_vectors(temperature_degc: float, relative_humidity: float, dew_point_degc: float) -> None:
    """The dew point is the WMO's, over water also below freezing."""
    assert dew_point_temperature(temperature_degc, relative_humidity) == pytest.approx(dew_point_degc, abs=0.0006)


def test_saturation_over_water_at_zero() -> None:
    """The Magnus formula gives its own constant at 0 degC."""
    assert saturation_vapour_pressure(0.0) == pytest.approx(6.112)


@pytest.mark.parametrize("relative_humidity", [0.0, -6.0])
def test_dry_air_has_no_dew_point(relative_humidity: float) -> None:
    """A humidity of nothing or less is refused instead of giving a number."""
    with pytest.raises(ValueError, match="no dew point"):
        dew_point_temperature(20.0, relative_humidity)


@given(st.floats(-45, 60), st.floats(0.1, 100))
def test_the_dew_point_is_never_above_the_temperature(temperature_degc: float, relative_humidity: float) -> None:
    """Air is saturated at its own temperature at the latest."""
    assert dew_point_temperature(temperature_degc, relative_humidity) <= temperature_degc + 1e-9


def test_frost_point_vector() -> None:
    """-10 degC and 80 % have their frost point at -11.387 degC, above their dew point."""
    frost_point_degc = frost_point_temperature(-10.0, 80.0)
    assert frost_point_degc == pytest.approx(-11.387, abs=0.0006)
    assert frost_point_degc > dew_point_temperature(-10.0, 80.0)


def test_without_frost_there_is_no_frost_point() -> None:
    """Air whose water condenses above freezing has a dew point alone."""
    assert frost_point_temperature(20.0, 50.0) is None
    assert frost_point_temperature(20.0, 20.0) == pytest.approx(-3.2, abs=0.1)


def test_absolute_humidity_vector() -> None:
    """A cubic metre of air of 20 degC and 50 % holds 8.621 g of water."""
    assert absolute_humidity(20.0, 50.0) == pytest.approx(8.621, abs=0.0006)


def test_psychrolib_agrees_above_freezing(record_property: Callable[[str, object], None]) -> None:
    """
    Over a grid of 0.5 to 50 degC and 1 to 100 %, psychrolib's dew point and vapour pressure are ours.

    The Magnus formula is good to 0.2 % or so there; below 0 degC psychrolib takes ice, which is not how humidity is
    reported.
    """
    psychrolib.SetUnitSystem(psychrolib.SI)
    dew_points, vapours = [0.0], [0.0]
    for temperature_degc in (0.5 + step for step in range(50)):
        for relative_humidity in (1, 2, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100):
            vapour_hpa = psychrolib.GetVapPresFromRelHum(temperature_degc, relative_humidity / 100) / 100
            vapours.append(abs(vapour_pressure(temperature_degc, relative_humidity) / vapour_hpa - 1))
            dew_point_degc = psychrolib.GetTDewPointFromRelHum(temperature_degc, relative_humidity / 100)
            if dew_point_degc > 0.1:
                ours_degc = dew_point_temperature(temperature_degc, relative_humidity)
                dew_points.append(abs(ours_degc - dew_point_degc))
    record_property("dew point, greatest difference to psychrolib in degC", round(max(dew_points), 4))
    record_property("vapour pressure, greatest difference to psychrolib in %", round(max(vapours) * 100, 4))
    assert len(dew_points) > 300
    assert max(dew_points) < 0.05
    assert max(vapours) < 0.003
