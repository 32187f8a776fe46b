import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from weatherd.model import Quality, Station
from weatherd.processing.derivation import derive, worse

STATION = Station("here", elevation_m=760.0)


def derived(values: dict[str, float], station: Station = STATION) -> tuple[dict[str, float], dict[str, Quality]]:
    quality = dict.fromkeys(values, Quality.GOOD)
    derive(values, quality, station)
    return values, quality


def test_dew_point_follows_from_temperature_and_humidity() -> None:
    """20 degC and 50 % have their dew point at 9.255 degC."""
    values, quality = derived({"air_temperature": 20.0, "relative_humidity": 50.0})
    assert values["dew_point_temperature"] == pytest.approx(9.255, abs=0.001)
    assert quality["dew_point_temperature"] == Quality.GOOD


def test_sea_level_pressure_follows_with_humidity_and_without() -> None:
    """The vapour of the air is taken into account where it is known."""
    dry, _ = derived({"air_temperature": 22.0, "air_pressure": 927.3})
    humid, _ = derived({"air_temperature": 22.0, "air_pressure": 927.3, "relative_humidity": 60.0})
    assert humid["air_pressure_at_mean_sea_level"] == pytest.approx(1011.22, abs=0.01)
    assert dry["air_pressure_at_mean_sea_level"] > humid["air_pressure_at_mean_sea_level"]


def test_without_elevation_no_sea_level_pressure_is_made_up() -> None:
    """A station that does not know how high it is says nothing about sea level."""
    values, _ = derived({"air_temperature": 22.0, "air_pressure": 927.3}, Station("here"))
    assert "air_pressure_at_mean_sea_level" not in values


@pytest.mark.parametrize(
    "values", [{"air_pressure": 927.3}, {"relative_humidity": 50.0}, {"wind_speed": 3.0}, {}], ids=str
)
def test_nothing_follows_from_too_little(values: dict[str, float]) -> None:
    """Without a temperature neither can be derived."""
    before = dict(values)
    assert derived(values)[0] == before


@pytest.mark.parametrize("humidity", [0.0, -6.0])
def test_a_humidity_of_nothing_gives_no_dew_point(humidity: float) -> None:
    """A sensor's fault value does not stop the observation; the dew point is just absent."""
    values, _ = derived({"air_temperature": 20.0, "relative_humidity": humidity, "air_pressure": 927.3})
    assert "dew_point_temperature" not in values
    assert "air_pressure_at_mean_sea_level" in values


@given(
    st.dictionaries(
        st.sampled_from(["air_temperature", "relative_humidity", "air_pressure"]), st.floats(-1e15, 1e15), min_size=1
    )
)
@example({"air_temperature": -245.0, "relative_humidity": 50.0})
@example({"air_temperature": -243.12, "relative_humidity": 50.0})
@example({"air_temperature": -302.399, "air_pressure": 900.0})
@example({"air_temperature": 20.0, "relative_humidity": 1e15})
def test_nothing_is_derived_from_a_fault(values: dict[str, float]) -> None:
    """Whatever a sensor says, deriving neither fails nor gives a number outside of all weather."""
    found, _ = derived(values, Station("high", elevation_m=9000.0))
    assert -150 < found.get("dew_point_temperature", 0.0) <= 60
    assert 300 <= found.get("air_pressure_at_mean_sea_level", 1000.0) < 6000


def test_a_sensors_own_value_is_not_replaced() -> None:
    """What a sensor measured stands; only what is absent is derived."""
    values, _ = derived({"air_temperature": 20.0, "relative_humidity": 50.0, "dew_point_temperature": 9.9})
    assert values["dew_point_temperature"] == 9.9


def test_a_derived_quantity_carries_the_worst_flag() -> None:
    """Nothing derived is better than what it was made from."""
    values = {"air_temperature": 20.0, "relative_humidity": 50.0}
    quality = {"air_temperature": Quality.DOUBTFUL, "relative_humidity": Quality.UNCHECKED}
    derive(values, quality, STATION)
    assert quality["dew_point_temperature"] == Quality.DOUBTFUL


def test_flags_are_ordered_by_trust() -> None:
    """From good through unchecked to missing."""
    order = ["good", "unchecked", "inconsistent", "doubtful", "erroneous", "missing"]
    for better, bad in itertools.pairwise(map(Quality, order)):
        assert worse(better, bad) == worse(bad, better) == bad
