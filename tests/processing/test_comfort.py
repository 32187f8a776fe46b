import pytest
from hypothesis import given
from hypothesis import strategies as st

from weatherd.processing.comfort import heat_index, humidex, wind_chill


def degc(degf: float) -> float:
    return (degf - 32) * 5 / 9


@pytest.mark.parametrize(
    ("temperature_degf", "relative_humidity", "felt_degf"),
    [
        (80, 95, 87.8),  # humid: the second adjustment
        (95, 10, 89.45),  # dry: the first
        (90, 70, 105.92),  # the regression alone
        (80, 40, 79.79),  # where the simple formula stays below 80 degF, it counts
    ],
)
def test_heat_index_vectors(temperature_degf: float, relative_humidity: float, felt_degf: float) -> None:
    """The regression of the National Weather Service, with both adjustments and the simple formula beside it."""
    assert heat_index(degc(temperature_degf), relative_humidity) == pytest.approx(degc(felt_degf), abs=0.01)


@pytest.mark.parametrize("temperature_degc", [26.6, 0.0, -40.0, 50.1])
def test_outside_of_the_regression_there_is_no_heat_index(temperature_degc: float) -> None:
    """It begins at 80 degF, and ends with the table that it fits."""
    assert heat_index(temperature_degc, 50.0) is None


@given(st.floats(30, 43), st.floats(40, 80))
def test_more_humidity_never_feels_cooler(temperature_degc: float, relative_humidity: float) -> None:
    """In the hot and humid air that it was made for, the index rises with the humidity."""
    drier, more_humid = (
        heat_index(temperature_degc, relative_humidity),
        heat_index(temperature_degc, relative_humidity + 5),
    )
    assert drier is not None
    assert more_humid is not None
    assert more_humid > drier


def test_humidex_of_a_hot_day() -> None:
    """30 degC with a dew point of 15 degC feel like 34 (Environment Canada's own table)."""
    assert humidex(30.0, 40.2) == pytest.approx(34.0, abs=0.2)


@pytest.mark.parametrize(("temperature_degc", "relative_humidity"), [(19.9, 90.0), (25.0, 15.0), (21.0, 35.0)])
def test_where_it_is_not_humid_there_is_no_humidex(temperature_degc: float, relative_humidity: float) -> None:
    """Neither below 20 degC, nor for a dew point below freezing, nor where it would add less than a degree."""
    assert humidex(temperature_degc, relative_humidity) is None


def test_wind_chill_vector() -> None:
    """-10 degC in a wind of 30 km/h feel like -19.52 degC."""
    assert wind_chill(-10.0, 30 / 3.6) == pytest.approx(-19.52, abs=0.005)


@pytest.mark.parametrize(("temperature_degc", "speed_km_h"), [(10.1, 30.0), (-51.0, 30.0), (-10.0, 4.8), (-10.0, 0.0)])
def test_without_cold_or_wind_there_is_no_chill(temperature_degc: float, speed_km_h: float) -> None:
    """It ends at 10 degC and at walking pace."""
    assert wind_chill(temperature_degc, speed_km_h / 3.6) is None


@given(st.floats(-50, 10), st.floats(1.4, 60))
def test_wind_never_warms_by_more_than_a_degree(temperature_degc: float, wind_speed: float) -> None:
    """At its warm and calm corner the formula is a little above the temperature, and nowhere else."""
    felt_degc = wind_chill(temperature_degc, wind_speed)
    assert felt_degc is not None
    assert felt_degc < temperature_degc + 1
