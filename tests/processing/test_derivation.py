import itertools
import math
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.fakes import NOON_MS
from weatherd.model import Observation, Quality, Station
from weatherd.processing.derivation import NO_HUMIDITY, PASTS_MAX, SHORT_HISTORY, Derivation, Sources
from weatherd.processing.documents import Document, DocumentEncoder
from weatherd.processing.humidity import saturation_vapour_pressure, vapour_pressure
from weatherd.processing.past import worse

STATION = Station("here", latitude=-30.0, longitude=-51.2, elevation_m=760.0)
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
SEA_LEVEL = "air_pressure_at_mean_sea_level"


class Bench:
    """A derivation, and what comes out of it."""

    def __init__(self, station: Station = STATION, **sources: str) -> None:
        self.derivation = Derivation(station, Sources(**sources))
        self.quality: dict[str, Quality] = {}
        self.reasons: dict[str, str] = {}

    def observe(
        self,
        values: Mapping[str, float],
        time_ms: int = NOON_MS,
        *,
        sensor: str = "roof",
        flag: Quality = Quality.GOOD,
        labels: Mapping[str, str] = {},
        calibration: str = "",
        clock_offset_ms: int | None = None,
        is_final: bool = False,
    ) -> dict[str, float]:
        found = dict(values)
        self.quality = dict.fromkeys(found, flag)
        self.reasons = {}
        self.derivation.derive(
            sensor,
            time_ms,
            found,
            self.quality,
            self.reasons,
            labels=labels,
            calibration=calibration,
            clock_offset_ms=clock_offset_ms,
            is_final=is_final,
        )
        return found


def day_degc(time_ms: int) -> float:
    """A day of 10 to 32 degC."""
    return 21 + 11 * math.sin(2 * math.pi * time_ms / (24 * HOUR_MS))


def document(values: Mapping[str, float], time_ms: int, sensor: str = "roof", **fields: Any) -> Document:
    observation = Observation(
        **fields,
        sensor=sensor,
        model="FAKE",
        observed_at_ms=time_ms,
        recorded_at_ms=time_ms,
        values=values,
        quality=dict.fromkeys(values, Quality.GOOD),
        clock_synchronized=True,
    )
    return msgspec.json.decode(DocumentEncoder(STATION, "00000000").encode(observation, 1), type=Document)


def test_what_follows_from_temperature_and_humidity() -> None:
    """20 degC and 50 % have a dew point and an absolute humidity, and neither frost nor discomfort."""
    bench = Bench()
    values = bench.observe({"air_temperature": 20.0, "relative_humidity": 50.0})
    assert values.pop("dew_point_temperature") == pytest.approx(9.255, abs=0.001)
    assert values.pop("mass_concentration_of_water_vapor_in_air") == pytest.approx(8.621, abs=0.001)
    assert values == {"air_temperature": 20.0, "relative_humidity": 50.0}
    assert set(bench.quality.values()) == {Quality.GOOD}


def test_frost_and_heat_and_chill_have_their_own_weather() -> None:
    """Each stands in the documents of its domain alone."""
    bench = Bench()
    frosty = bench.observe({"air_temperature": -10.0, "relative_humidity": 80.0, "wind_speed": 30 / 3.6})
    assert frosty["frost_point_temperature"] == pytest.approx(-11.387, abs=0.001)
    assert frosty["wind_chill_of_air_temperature"] == pytest.approx(-19.52, abs=0.005)
    assert not frosty.keys() & {"heat_index_of_air_temperature", "humidex"}
    hot = bench.observe({"air_temperature": 32.0, "relative_humidity": 70.0, "wind_speed": 3.0})
    assert hot.keys() >= {"heat_index_of_air_temperature", "humidex"}
    assert not hot.keys() & {"frost_point_temperature", "wind_chill_of_air_temperature"}


def test_sea_level_pressure_follows_with_humidity_and_without() -> None:
    """The vapour of the air is taken into account where it is known."""
    dry = Bench().observe({"air_temperature": 22.0, "air_pressure": 927.3})
    humid = Bench().observe({"air_temperature": 22.0, "air_pressure": 927.3, "relative_humidity": 60.0})
    assert humid[SEA_LEVEL] == pytest.approx(1011.22, abs=0.01)
    assert dry[SEA_LEVEL] > humid[SEA_LEVEL]
    assert humid["altimeter_setting"] == pytest.approx(1015.485, abs=0.006)


def test_without_elevation_no_sea_level_pressure_is_made_up() -> None:
    """A station that does not know how high it is says nothing about sea level."""
    values = Bench(Station("here")).observe({"air_temperature": 22.0, "air_pressure": 927.3})
    assert values == {"air_temperature": 22.0, "air_pressure": 927.3}


@pytest.mark.parametrize("relative_humidity", [None, 60.0])
def test_sea_level_pressure_does_not_breathe_with_the_day(relative_humidity: float | None) -> None:
    """927.3 hPa at 760 m through days of 10 to 32 degC move less than 0.3 hPa, once twelve hours are known."""
    bench = Bench()
    found = {}
    for time_ms in range(NOON_MS, NOON_MS + 48 * HOUR_MS, MINUTE_MS):
        humidity = {} if relative_humidity is None else {"relative_humidity": relative_humidity}
        values = bench.observe({"air_temperature": day_degc(time_ms), "air_pressure": 927.3, **humidity}, time_ms)
        found[time_ms] = values[SEA_LEVEL]
        is_short = SEA_LEVEL in bench.reasons
        assert is_short if time_ms < NOON_MS + 11.4 * HOUR_MS else not is_short or time_ms < NOON_MS + 12 * HOUR_MS
    settled = [one for time_ms, one in found.items() if time_ms >= NOON_MS + 12 * HOUR_MS]
    assert max(settled) - min(settled) < 0.3
    assert max(found.values()) - min(found.values()) > 1  # before, it did


def test_a_short_history_is_told() -> None:
    """Until twelve hours are known, now and the oldest known make the mean, and the document says so."""
    bench = Bench()
    alone = bench.observe({"air_temperature": 10.0, "air_pressure": 927.3})[SEA_LEVEL]
    assert bench.reasons == {SEA_LEVEL: SHORT_HISTORY}
    later = bench.observe({"air_temperature": 20.0, "air_pressure": 927.3}, NOON_MS + HOUR_MS)[SEA_LEVEL]
    assert later == pytest.approx(Bench().observe({"air_temperature": 15.0, "air_pressure": 927.3})[SEA_LEVEL])
    assert later < alone


def test_what_an_earlier_run_observed_is_remembered() -> None:
    """After a restart the sea-level pressure goes on as if there had been none."""
    without, with_restart = Bench(), Bench()
    for time_ms in range(NOON_MS, NOON_MS + 13 * HOUR_MS, MINUTE_MS):
        observed = {"air_temperature": round(day_degc(time_ms), 2), "air_pressure": 927.3, "relative_humidity": 60.0}
        without.observe(observed, time_ms)
        with_restart.derivation.recall(document(observed, time_ms))
    now_ms = NOON_MS + 13 * HOUR_MS
    values = {"air_temperature": day_degc(now_ms), "air_pressure": 928.3, "relative_humidity": 60.0}
    assert with_restart.observe(values, now_ms) == pytest.approx(without.observe(values, now_ms))
    assert with_restart.reasons == {}
    assert with_restart.observe(values, now_ms)["tendency_of_air_pressure"] == pytest.approx(1.0)


def test_the_tendency_waits_for_three_hours() -> None:
    """It is the change of the station's own pressure over three hours, with its figure, and absent before."""
    bench = Bench(Station("here"))
    for minute in range(3 * 60 - 11):
        values = bench.observe({"air_pressure": 1000.0 + minute / 60}, NOON_MS + minute * MINUTE_MS)
        assert values.keys() == {"air_pressure"}
    values = bench.observe({"air_pressure": 1003.0}, NOON_MS + 3 * HOUR_MS)
    assert values["tendency_of_air_pressure"] == pytest.approx(3.0)
    assert values["characteristic_of_pressure_tendency"] == 2
    assert "zambretti_indication" not in values, "it needs the pressure at sea level"


def test_the_indication_follows_from_sea_level_pressure_and_tendency() -> None:
    """With temperature and elevation known there is an indication after three hours; a calm has no direction."""
    bench = Bench()
    observed = {"air_pressure": 927.3, "air_temperature": 22.0, "wind_from_direction": 0.0, "wind_speed": 4.0}
    bench.observe(observed)
    windy = bench.observe(observed, NOON_MS + 3 * HOUR_MS)
    calm = bench.observe({**observed, "wind_speed": 0.0}, NOON_MS + 3 * HOUR_MS)
    assert 26 >= windy["zambretti_indication"] > calm["zambretti_indication"] >= 1, "a north wind is bad in the south"


def test_late_observations_have_the_past_as_it_was_then() -> None:
    """A whole day that is told a week later has the same derived quantities, and the present keeps its own."""
    live, late = Bench(), Bench()
    for time_ms in range(NOON_MS, NOON_MS + 14 * HOUR_MS, 10 * MINUTE_MS):
        observed = {"air_temperature": day_degc(time_ms), "air_pressure": 927.3 + time_ms % 7 / 10}
        expected = live.observe(observed, time_ms)
        assert late.observe(observed, time_ms - 7 * 24 * HOUR_MS) == pytest.approx(expected)


def test_a_single_late_or_early_stamp_has_no_past_and_takes_none_away() -> None:
    """Neither a line of last week nor one of the year 2099 changes what follows."""
    bench, undisturbed = Bench(), Bench()
    for number, time_ms in enumerate(range(NOON_MS, NOON_MS + 14 * HOUR_MS, MINUTE_MS)):
        observed = {"air_temperature": day_degc(time_ms), "air_pressure": 927.3}
        expected = undisturbed.observe(observed, time_ms)
        if number % 60 == 30:
            for stray_ms in (time_ms - 7 * 24 * HOUR_MS, time_ms + 73 * 365 * 24 * HOUR_MS):
                stray = bench.observe({"air_temperature": 0.0, "air_pressure": 900.0}, stray_ms)
                assert "tendency_of_air_pressure" not in stray
        assert bench.observe(observed, time_ms)[SEA_LEVEL] == pytest.approx(expected[SEA_LEVEL], abs=0.2)


@pytest.mark.parametrize("flag", [Quality.ERRONEOUS, Quality.MISSING])
def test_what_is_erroneous_is_not_remembered(flag: Quality) -> None:
    """A value that no one believes makes no tendency later."""
    bench = Bench()
    bench.observe({"air_pressure": 820.45, "air_temperature": 20.0}, flag=flag)
    values = bench.observe({"air_pressure": 927.3, "air_temperature": 20.0}, NOON_MS + 3 * HOUR_MS)
    assert "tendency_of_air_pressure" not in values
    bench.observe({"air_pressure": 927.3, "air_temperature": 20.0})
    values = bench.observe({"air_pressure": 927.3, "air_temperature": 20.0}, NOON_MS + 3 * HOUR_MS)
    assert values["tendency_of_air_pressure"] == pytest.approx(0.0)


def test_transmitters_of_one_sensor_have_each_its_own_past() -> None:
    """Labels tell them apart; the pressure of one is no tendency of the other."""
    bench = Bench()
    bench.observe({"air_pressure": 900.0}, labels={"channel": "A"})
    bench.observe({"air_pressure": 950.0}, labels={"channel": "B"})
    values = bench.observe({"air_pressure": 901.0}, NOON_MS + 3 * HOUR_MS, labels={"channel": "A"})
    assert values["tendency_of_air_pressure"] == pytest.approx(1.0)


def test_the_past_is_bounded() -> None:
    """Of many transmitters the one that was silent for longest is forgotten, and no past grows for ever."""
    bench = Bench()
    for number in range(2 * PASTS_MAX):
        bench.observe({"air_pressure": 900.0}, labels={"id": str(number)})
    assert len(bench.derivation._pasts) == PASTS_MAX
    for time_ms in range(NOON_MS, NOON_MS + 72 * HOUR_MS, MINUTE_MS):
        bench.observe({"air_pressure": 900.0, "air_temperature": 20.0, "relative_humidity": 50.0}, time_ms)
    past = bench.derivation._past("roof", {})
    assert [len(series) for series in (past.temperature, past.vapour_pressure, past.pressure)] == [146, 146, 192]


def test_what_was_remembered_under_a_wrong_time_is_forgotten() -> None:
    """When the time becomes known, estimates of this boot are no past; what is final stays."""
    bench = Bench()
    bench.derivation.recall(document({"air_pressure": 900.0}, NOON_MS))
    bench.observe({"air_pressure": 950.0}, NOON_MS + HOUR_MS, clock_offset_ms=7)
    bench.observe({"air_pressure": 950.0}, NOON_MS + HOUR_MS + 1, clock_offset_ms=7)
    values = bench.observe({"air_pressure": 901.0}, NOON_MS + 3 * HOUR_MS)
    assert values["tendency_of_air_pressure"] == pytest.approx(1.0)
    values = bench.observe({"air_pressure": 901.0}, NOON_MS + 4 * HOUR_MS)
    assert "tendency_of_air_pressure" not in values


def test_a_time_of_the_sources_own_is_never_forgotten() -> None:
    """Whatever our clock took the time for, what the source dated itself stays its past."""
    bench = Bench()
    bench.observe({"air_pressure": 900.0}, clock_offset_ms=7, is_final=True)
    values = bench.observe({"air_pressure": 901.0}, NOON_MS + 3 * HOUR_MS)
    assert values["tendency_of_air_pressure"] == pytest.approx(1.0)


def test_while_the_time_is_an_estimate_there_is_no_yesterday() -> None:
    """After a power cut nobody knows how long ago the last document was: no tendency, until the time is known."""
    bench = Bench(temperature="screen")
    bench.derivation.recall(document({"air_pressure": 900.0}, NOON_MS))
    bench.derivation.recall(document({"air_temperature": 30.0}, NOON_MS + 3 * HOUR_MS - 1000, "screen"))
    values = bench.observe({"air_pressure": 901.0}, NOON_MS + 3 * HOUR_MS, clock_offset_ms=7)
    assert values == {"air_pressure": 901.0, "altimeter_setting": values["altimeter_setting"]}
    values = bench.observe({"air_pressure": 903.0}, NOON_MS + 3 * HOUR_MS)
    assert values["tendency_of_air_pressure"] == pytest.approx(3.0)


def test_an_estimate_of_an_earlier_run_is_no_past() -> None:
    """A document that was never dated for certain tells nothing of three hours ago."""
    bench = Bench()
    bench.derivation.recall(document({"air_pressure": 900.0}, NOON_MS, clock_offset_ms=7))
    assert "tendency_of_air_pressure" not in bench.observe({"air_pressure": 901.0}, NOON_MS + 3 * HOUR_MS)


@pytest.mark.parametrize("is_recalled", [True, False])
def test_another_calibration_makes_no_weather(is_recalled: bool) -> None:  # noqa: FBT001  -- a parameter
    """What was measured under the calibration before is no past: its step would be a tendency."""
    bench = Bench()
    if is_recalled:
        bench.derivation.recall(document({"air_pressure": 900.0}, NOON_MS, calibration="00000001"))
    else:
        bench.observe({"air_pressure": 900.0}, calibration="00000001")
    values = bench.observe({"air_pressure": 904.0}, NOON_MS + 3 * HOUR_MS, calibration="00000002")
    assert "tendency_of_air_pressure" not in values
    values = bench.observe({"air_pressure": 905.0}, NOON_MS + 6 * HOUR_MS, calibration="00000002")
    assert values["tendency_of_air_pressure"] == pytest.approx(1.0)


def test_the_past_is_part_of_what_a_quantity_is_made_from() -> None:
    """A tendency from a pressure that was doubtful three hours ago is doubtful, and so is what follows from it."""
    bench = Bench()
    bench.observe({"air_pressure": 927.3, "air_temperature": 20.0}, flag=Quality.DOUBTFUL)
    bench.observe({"air_pressure": 927.3, "air_temperature": 20.0}, NOON_MS + 3 * HOUR_MS)
    assert bench.quality["tendency_of_air_pressure"] is Quality.DOUBTFUL
    assert bench.quality["zambretti_indication"] is Quality.DOUBTFUL
    assert bench.quality["altimeter_setting"] is Quality.GOOD
    bench.observe({"air_pressure": 927.3, "air_temperature": 20.0}, NOON_MS + 12 * HOUR_MS)
    assert bench.quality[SEA_LEVEL] is Quality.DOUBTFUL
    bench.observe({"air_pressure": 927.3, "air_temperature": 20.0}, NOON_MS + 15 * HOUR_MS)
    assert bench.quality[SEA_LEVEL] is Quality.GOOD


def test_a_hygrometer_that_fails_does_not_lift_the_pressure_at_sea_level() -> None:
    """The vapour of before serves on, and the document says so, instead of air that is dry from one moment on."""
    bench = Bench()
    air = {"air_temperature": 22.0, "air_pressure": 927.3}
    for time_ms in range(NOON_MS, NOON_MS + 12 * HOUR_MS, 5 * MINUTE_MS):
        before = bench.observe({**air, "relative_humidity": 60.0}, time_ms)[SEA_LEVEL]
    after = bench.observe({**air, "relative_humidity": 118.99}, NOON_MS + 12 * HOUR_MS)[SEA_LEVEL]
    assert after == pytest.approx(before)
    assert bench.reasons == {SEA_LEVEL: NO_HUMIDITY}
    bench.observe(air, NOON_MS + 30 * HOUR_MS)
    assert bench.reasons == {SEA_LEVEL: SHORT_HISTORY}


def test_the_heat_of_the_board_is_not_taken_for_dry_air() -> None:
    """A hygrometer on a warm board measures the humidity of warm air: its dew point is that of the air all the same."""
    bench = Bench()
    in_the_open = bench.observe({"air_temperature": 32.0, "relative_humidity": 60.0})
    board_degc = 38.0
    humidity = 100 * vapour_pressure(32.0, 60.0) / saturation_vapour_pressure(board_degc)
    observed = {"air_temperature": 32.0, "uncorrected_air_temperature": board_degc, "relative_humidity": humidity}
    on_the_board = bench.observe(observed)
    assert {name: value for name, value in on_the_board.items() if name not in observed} == pytest.approx(
        {name: value for name, value in in_the_open.items() if name not in observed}
    )
    assert {"dew_point_temperature", "heat_index_of_air_temperature", "humidex"} <= on_the_board.keys()
    assert "dew_point_temperature" not in bench.observe({k: v for k, v in observed.items() if k != "air_temperature"})


def test_a_temperature_of_another_sensor_reduces_the_pressure() -> None:
    """The sensors that speak for the station are asked before the barometer's own warm board."""
    bench = Bench(temperature="screen", pressure="barometer")
    bench.observe({"air_temperature": 22.0, "relative_humidity": 60.0}, sensor="screen")
    values = bench.observe({"air_pressure": 927.3, "air_temperature": 35.0}, NOON_MS + 10_000, sensor="barometer")
    assert values[SEA_LEVEL] == pytest.approx(1011.22, abs=0.01)
    other = bench.observe({"air_pressure": 927.3, "air_temperature": 22.0}, sensor="spare")
    assert other == {"air_pressure": 927.3, "air_temperature": 22.0}, "only the station's barometer tells of sea level"


@pytest.mark.parametrize("late_ms", [11 * MINUTE_MS, -11 * MINUTE_MS, 7 * 24 * HOUR_MS])
def test_a_value_of_another_time_is_not_taken(late_ms: int) -> None:
    """What lies more than ten minutes apart is no weather of the same moment: the derived quantity is absent."""
    bench = Bench(temperature="screen")
    bench.observe({"air_temperature": 22.0}, NOON_MS - late_ms, sensor="screen")
    values = bench.observe({"air_pressure": 927.3, "air_temperature": 35.0}, sensor="barometer")
    assert SEA_LEVEL not in values
    assert values["altimeter_setting"] == pytest.approx(1015.485, abs=0.006), "which needs no temperature"


def test_the_direction_may_come_from_a_vane_of_its_own() -> None:
    """As in the usual kit: the indication takes its direction, and the mast's word on whether there is any wind."""
    numbers = []
    for speed, direction in ((4.0, 0.0), (4.0, 180.0), (0.0, 0.0)):
        bench = Bench(temperature="screen", wind="mast", wind_direction="vane")
        for time_ms in (NOON_MS, NOON_MS + 3 * HOUR_MS):
            bench.observe({"wind_speed": speed}, time_ms, sensor="mast")
            bench.observe({"wind_from_direction": direction}, time_ms, sensor="vane")
            bench.observe({"air_temperature": 22.0}, time_ms, sensor="screen")
            values = bench.observe({"air_pressure": 927.3}, time_ms, sensor="barometer")
        numbers.append(values["zambretti_indication"])
    north, south, calm = numbers
    assert north > calm >= south, "a north wind is bad in the south"


def test_the_wind_of_the_mast_chills_the_temperature_of_the_screen() -> None:
    """Wind chill stands beside the temperature that it is about, and in no other document."""
    bench = Bench(temperature="screen", wind="mast")
    bench.observe({"wind_speed": 30 / 3.6, "wind_from_direction": 180.0}, sensor="mast", flag=Quality.DOUBTFUL)
    values = bench.observe({"air_temperature": -10.0}, sensor="screen")
    assert values["wind_chill_of_air_temperature"] == pytest.approx(-19.52, abs=0.005)
    assert bench.quality["wind_chill_of_air_temperature"] == Quality.DOUBTFUL
    assert bench.observe({"air_temperature": -10.0}, sensor="barometer") == {"air_temperature": -10.0}


def test_a_humidity_without_a_temperature_takes_the_stations() -> None:
    """A hygrometer alone gets its dew point from the thermometer that speaks for the station."""
    bench = Bench(temperature="screen", humidity="hygrometer")
    bench.observe({"air_temperature": 20.0}, sensor="screen")
    values = bench.observe({"relative_humidity": 50.0}, sensor="hygrometer")
    assert values["dew_point_temperature"] == pytest.approx(9.255, abs=0.001)


@pytest.mark.parametrize(
    "values", [{"relative_humidity": 50.0}, {"wind_speed": 3.0}, {"air_temperature": 20.0}, {}], ids=str
)
def test_nothing_follows_from_too_little(values: dict[str, float]) -> None:
    """A quantity alone stays alone."""
    assert Bench().observe(values) == values


@pytest.mark.parametrize("humidity", [0.0, -6.0, 118.99])
def test_a_faulty_humidity_gives_no_dew_point(humidity: float) -> None:
    """A sensor's fault value does not stop the observation; what would follow from it is just absent."""
    values = Bench().observe({"air_temperature": 20.0, "relative_humidity": humidity, "air_pressure": 927.3})
    assert "dew_point_temperature" not in values
    assert SEA_LEVEL in values


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(
                ["air_temperature", "relative_humidity", "air_pressure", "wind_speed", "wind_from_direction"]
            ),
            st.floats(-1e15, 1e15) | st.floats(-100, 1100),
            min_size=1,
        ),
        min_size=1,
        max_size=5,
    )
)
@example([{"air_temperature": -245.0, "relative_humidity": 50.0}])
@example([{"air_temperature": -243.12, "relative_humidity": 50.0}])
@example([{"air_temperature": -302.399, "air_pressure": 900.0}])
@example([{"air_temperature": 20.0, "relative_humidity": 1e15}])
def test_nothing_is_derived_from_a_fault(observations: list[dict[str, float]]) -> None:
    """Whatever a sensor says, deriving neither fails, nor changes it, nor gives a number outside of all weather."""
    bench = Bench(Station("high", latitude=0.0, longitude=0.0, elevation_m=9000.0))
    for number, observed in enumerate(observations):
        found = bench.observe(observed, NOON_MS + number * 90 * MINUTE_MS)
        assert found.items() >= observed.items()
        assert found.keys() == bench.quality.keys()
        assert -150 < found.get("dew_point_temperature", 0.0) <= 60
        assert 300 <= found.get(SEA_LEVEL, 1000.0) < 6000
        assert all(map(math.isfinite, found.values()))


def test_a_sensors_own_value_is_not_replaced() -> None:
    """What a sensor measured stands; only what is absent is derived."""
    values = Bench().observe({"air_temperature": 20.0, "relative_humidity": 50.0, "dew_point_temperature": 9.9})
    assert values["dew_point_temperature"] == 9.9


def test_a_derived_quantity_carries_the_worst_flag() -> None:
    """Nothing derived is better than what it was made from."""
    values = {"air_temperature": 20.0, "relative_humidity": 50.0, "air_pressure": 927.3}
    quality = {
        "air_temperature": Quality.UNCHECKED,
        "relative_humidity": Quality.DOUBTFUL,
        "air_pressure": Quality.GOOD,
    }
    Derivation(STATION).derive("roof", NOON_MS, values, quality, {})
    assert quality["dew_point_temperature"] == Quality.DOUBTFUL
    assert quality[SEA_LEVEL] == Quality.DOUBTFUL
    assert quality["altimeter_setting"] == Quality.GOOD


def test_flags_are_ordered_by_trust() -> None:
    """From good through unchecked to missing."""
    order = ["good", "unchecked", "inconsistent", "doubtful", "erroneous", "missing"]
    for better, bad in itertools.pairwise(map(Quality, order)):
        assert worse(better, bad) == worse(bad, better) == bad
