"""One real day, of which NOAA flagged nothing: what is called wrong here is wrong of us; and faults planted in it."""

from collections import Counter
from collections.abc import Callable, Mapping

from tests.fakes import NOON_MS
from weatherd.model import Quality, Station
from weatherd.processing.derivation import Derivation
from weatherd.processing.quality import QualityControl, check_consistency
from weatherd.processing.reduction import Reduced
from weatherd.testing.weather import DAY_MINUTES, MINUTE_MS, RecordedDay

Plant = Callable[[int, dict[str, float]], None]
AT = 700  # the minute of the faults
STATION = Station("alamosa", elevation_m=2317.0)


def judged_day(plant: Plant = lambda _, __: None) -> list[Reduced]:
    """Judge the day, a record a minute, with a fault planted in it."""
    control, day = QualityControl(report_period_s=60.0), RecordedDay.load()
    derivation = Derivation(STATION)
    start_ms = NOON_MS - NOON_MS % (DAY_MINUTES * MINUTE_MS)
    judged = []
    for minute in range(DAY_MINUTES):
        values = dict(day.at(start_ms + minute * MINUTE_MS))
        plant(minute, values)
        reduced = Reduced(values, quality=dict.fromkeys(values, Quality.UNCHECKED))
        control.judge(reduced, start_ms + minute * MINUTE_MS, {})
        derivation.derive("alamosa", start_ms + minute * MINUTE_MS, reduced.values, reduced.quality, reduced.reasons)
        check_consistency(reduced)
        judged.append(reduced)
    return judged


def failures(day: list[Reduced], quantity: str) -> Mapping[int, tuple[Quality, str]]:
    return {
        minute: (reduced.quality[quantity], reduced.reasons[quantity])
        for minute, reduced in enumerate(day)
        if quantity in reduced.reasons
    }


def test_a_real_day_has_no_false_errors() -> None:
    """Of 1,440 records none is erroneous or inconsistent; the counts of doubtful values are exact."""
    day = judged_day()
    flags = Counter((quantity, flag) for reduced in day for quantity, flag in reduced.quality.items())
    doubtful = {quantity: count for (quantity, flag), count in flags.items() if flag is Quality.DOUBTFUL}
    assert {flag for _, flag in flags} == {Quality.GOOD, Quality.DOUBTFUL}
    assert doubtful == {
        "air_pressure": 1,
        # and what is derived from it
        "air_pressure_at_mean_sea_level": 1,
        "altimeter_setting": 1,
        "tendency_of_air_pressure": 1,
        "characteristic_of_pressure_tendency": 1,
        "zambretti_indication": 1,
    }
    assert {reason for reduced in day for reason in reduced.reasons.values()} == {"persistence", "short_history"}


def test_a_spike_of_ten_degrees_is_found() -> None:
    """It alone is erroneous, and neither the minute before nor the one after."""

    def plant(minute: int, values: dict[str, float]) -> None:
        values["air_temperature"] += 10.0 if minute == AT else 0.0

    day = judged_day(plant)
    assert failures(day, "air_temperature") == {AT: (Quality.ERRONEOUS, "step")}
    assert day[AT].quality["dew_point_temperature"] is Quality.ERRONEOUS, "and what is derived from it"


def test_the_fault_value_of_the_hygrometer_is_found() -> None:
    """118.99 % is outside of what is plausible, and nothing is derived from it."""

    def plant(minute: int, values: dict[str, float]) -> None:
        if minute == AT:
            values["relative_humidity"] = 118.99

    day = judged_day(plant)
    assert failures(day, "relative_humidity") == {AT: (Quality.ERRONEOUS, "range")}
    assert day[AT].values["relative_humidity"] == 118.99
    assert "dew_point_temperature" not in day[AT].values


def test_the_pressure_of_unfilled_registers_is_found() -> None:
    """820.45 hPa are plausible somewhere, but not a minute after 775 hPa."""

    def plant(minute: int, values: dict[str, float]) -> None:
        if minute == AT:
            values["air_pressure"] = 820.45

    before = failures(judged_day(), "air_pressure")
    assert failures(judged_day(plant), "air_pressure") == before | {AT: (Quality.ERRONEOUS, "step")}


def test_a_sensor_that_is_stuck_for_two_hours_is_found() -> None:
    """An hour after it got stuck it is doubtful, until it moves again."""
    stuck = judged_day()[AT].values

    def plant(minute: int, values: dict[str, float]) -> None:
        if AT <= minute < AT + 120:
            values["air_temperature"] = stuck["air_temperature"]

    found = failures(judged_day(plant), "air_temperature")
    assert set(range(AT + 60, AT + 120)) <= found.keys() <= set(range(AT + 50, AT + 120)), "the air moved little before"
    assert set(found.values()) == {(Quality.DOUBTFUL, "persistence")}


def test_a_step_of_five_hectopascals_is_found() -> None:
    """It is erroneous, then doubtful, and believed within ten minutes, for a barometer may have been moved."""

    def plant(minute: int, values: dict[str, float]) -> None:
        values["air_pressure"] += 5.0 if minute >= AT else 0.0

    found = {minute: flag for minute, flag in failures(judged_day(plant), "air_pressure").items() if flag[1] == "step"}
    erroneous = [minute for minute, flag in found.items() if flag == (Quality.ERRONEOUS, "step")]
    doubtful = [minute for minute, flag in found.items() if flag == (Quality.DOUBTFUL, "step")]
    assert erroneous == [AT, AT + 1]
    assert doubtful == list(range(AT + 2, AT + 2 + len(doubtful)))
    assert max(found) <= AT + 10
