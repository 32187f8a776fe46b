import pytest
from hypothesis import given
from hypothesis import strategies as st

from weatherd.processing.meteorology import (
    air_pressure_at_mean_sea_level,
    dew_point_temperature,
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


def test_sea_level_pressure_vector() -> None:
    """927.3 hPa at 760 m, 22 degC and 60 % are 1011.22 hPa at sea level."""
    pressure_hpa = air_pressure_at_mean_sea_level(927.3, 760.0, 22.0, vapour_pressure(22.0, 60.0))
    assert pressure_hpa == pytest.approx(1011.22, abs=0.006)


def test_sea_level_pressure_of_the_designs_example() -> None:
    """1012.31 hPa at 10 m and 21.43 degC, humidity unknown, are 1013.48 hPa at sea level."""
    assert air_pressure_at_mean_sea_level(1012.31, 10.0, 21.43) == pytest.approx(1013.48, abs=0.005)


@given(st.floats(500, 1100), st.floats(-40, 50))
def test_a_station_at_sea_level_needs_no_reduction(pressure_hpa: float, temperature_degc: float) -> None:
    """With no column of air to add, the pressure stays what it is."""
    assert air_pressure_at_mean_sea_level(pressure_hpa, 0.0, temperature_degc) == pytest.approx(pressure_hpa)


@given(st.floats(-40, 49), st.floats(1, 3000))
def test_warm_air_adds_less(temperature_degc: float, elevation_m: float) -> None:
    """The warmer the column of air is, the less it weighs."""
    colder = air_pressure_at_mean_sea_level(900.0, elevation_m, temperature_degc)
    warmer = air_pressure_at_mean_sea_level(900.0, elevation_m, temperature_degc + 1)
    assert warmer < colder
