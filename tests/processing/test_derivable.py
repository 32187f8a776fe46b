from collections.abc import Collection, Mapping

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import NOON_MS
from weatherd.model import Quality, Station
from weatherd.processing.derivable import SEA_LEVEL, derivable
from weatherd.processing.derivation import Derivation, Sources

STATION = Station("here", elevation_m=760.0)
LOWLAND_HPA = 1000.0
WARM = {"air_temperature": 32.0, "relative_humidity": 70.0, "wind_speed": 8.0, "wind_from_direction": 90.0}
COLD = WARM | {"air_temperature": -8.0}
PRESSURES = {"air_pressure": LOWLAND_HPA, SEA_LEVEL: LOWLAND_HPA}
MINUTES_10_MS = 600_000
SENSORS = ("a", "b")

quantities = st.sets(st.sampled_from(sorted(WARM | PRESSURES)))
sources = st.builds(Sources, *[st.sampled_from(["", *SENSORS])] * len(Sources._fields))


def derived(measured: Mapping[str, Collection[str]], speak: Sources, station: Station) -> dict[str, set[str]]:
    """Return what is derived for each sensor in four hours of a warm and four hours of a cold day."""
    derivation = Derivation(station, speak)
    found: dict[str, set[str]] = {sensor: set() for sensor in measured}
    for step in range(48):
        weather = {**(WARM if step < 24 else COLD), **PRESSURES}
        for sensor in sorted(measured):
            values = {quantity: weather[quantity] for quantity in measured[sensor]}
            flags = dict.fromkeys(values, Quality.GOOD)
            derivation.derive(sensor, NOON_MS + step * MINUTES_10_MS, values, flags, {})
            found[sensor] |= values.keys() - measured[sensor]
    return found


@given(quantities, quantities, sources, st.sampled_from([None, 10.0]))
def test_just_what_may_be_derived_is_derived_in_some_weather(
    of_a: set[str], of_b: set[str], speak: Sources, elevation_m: float | None
) -> None:
    """Whatever the sensors measure, and whoever speaks for the station."""
    measured = {"a": of_a, "b": of_b}
    station = Station("here", elevation_m=elevation_m)
    found = derived(measured, speak, station)
    for sensor in SENSORS:
        assert set(derivable(sensor, measured, speak, station)) - measured[sensor] == found[sensor]


def test_of_what_is_not_known_all_may_be_derived() -> None:
    """A driver of another package tells only when it is opened."""
    everything = derivable("a", {"a": {*WARM, *PRESSURES}}, Sources(), STATION)
    assert len(everything) == 11
    assert derivable("a", {"a": None}, Sources(), STATION) == everything
    without_wind = {"a": {"air_temperature", "relative_humidity", "air_pressure"}, "b": None}
    assert derivable("a", without_wind, Sources(wind="b"), STATION) == everything
