import pytest
from hypothesis import given
from hypothesis import strategies as st

from weatherd.processing.humidity import vapour_pressure
from weatherd.processing.pressure import (
    air_pressure_at_mean_sea_level,
    altimeter_setting,
    tendency_characteristic,
)


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


def test_qnh_vector() -> None:
    """927.3 hPa at 760 m are a QNH of 1015.48 to 1015.49 hPa, whatever the temperature."""
    assert 1015.48 <= altimeter_setting(927.3, 760.0) <= 1015.49 + 0.0005


@pytest.mark.parametrize(
    ("elevation_m", "standard_hpa"), [(-500.0, 1074.77), (0.0, 1013.25), (1000.0, 898.75), (5000.0, 540.20)]
)
def test_qnh_of_the_standard_atmosphere_is_the_standard_pressure(elevation_m: float, standard_hpa: float) -> None:
    """Where the air is the standard atmosphere's own (ICAO Doc 7488, table 1), QNH is 1013.25 hPa."""
    assert altimeter_setting(standard_hpa, elevation_m) == pytest.approx(1013.25, abs=0.02)


CURVES = [
    (0, 1000.0, 1002.0, 1001.0),
    (0, 1000.0, 1002.0, 1000.0),
    (1, 1000.0, 1002.0, 1002.0),
    (1, 1000.0, 1002.0, 1002.5),
    (2, 1000.0, 1001.0, 1002.0),
    (2, 1000.0, 1001.0, 1003.0),
    (3, 1000.0, 999.0, 1001.0),
    (3, 1000.0, 1000.0, 1001.0),
    (3, 1000.0, 1000.5, 1002.0),
    (4, 1000.0, 1000.0, 1000.0),
    (4, 1000.04, 1000.0, 999.96),
    (5, 1000.0, 998.0, 999.0),
    (5, 1000.0, 998.0, 1000.0),
    (6, 1000.0, 998.0, 998.0),
    (6, 1000.0, 998.0, 997.5),
    (7, 1000.0, 999.0, 998.0),
    (8, 1000.0, 1001.0, 999.0),
    (8, 1000.0, 1000.0, 999.0),
    (8, 1000.0, 999.5, 998.0),
]


@pytest.mark.parametrize(("code", "first_hpa", "middle_hpa", "last_hpa"), CURVES)
def test_each_figure_of_code_table_0200(code: int, first_hpa: float, middle_hpa: float, last_hpa: float) -> None:
    """Each shape that the table draws has its figure, and changes below a tenth of a hPa are none."""
    assert tendency_characteristic(first_hpa, middle_hpa, last_hpa) == code


@given(st.integers(9000, 10500), st.integers(9000, 10500), st.integers(9000, 10500))
def test_the_figure_tells_whether_the_pressure_is_higher(first: int, middle: int, last: int) -> None:
    """By the table, 0 to 3 are the same or higher, 5 to 8 the same or lower; 4 is the same all along."""
    code = tendency_characteristic(first / 10, middle / 10, last / 10)
    if last > first:
        assert code in {0, 1, 2, 3}
    elif last < first:
        assert code in {5, 6, 7, 8}
    else:
        assert code in {0, 4, 5}
