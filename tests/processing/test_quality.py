from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import NOON_MS
from weatherd.model import Observation, Quality, Station, Statistics
from weatherd.processing.documents import DocumentEncoder
from weatherd.processing.limits import LIMITS
from weatherd.processing.quality import TRANSMITTERS_MAX, QualityControl, check_consistency
from weatherd.processing.reduction import Reduced, Reducer
from weatherd.processing.thinning import _decoder

GOOD = (Quality.GOOD, None)
MINUTE_S = 60.0
Flag = tuple[Quality, str | None]


class Bench:
    """Quality control of one sensor, and what it told."""

    def __init__(self, *, report_period_s: float = MINUTE_S, samples_count: int = 0) -> None:
        self.turns: list[tuple[str, dict[str, str], bool]] = []
        self.control = QualityControl(
            LIMITS, report_period_s=report_period_s, samples_count=samples_count, turned=self.turned
        )

    def turned(self, quantity: str, labels: Mapping[str, str], is_stuck: bool) -> None:  # noqa: FBT001  -- a fact
        self.turns.append((quantity, dict(labels), is_stuck))

    def judge(
        self,
        values: Mapping[str, float],
        at_s: float = 0.0,
        labels: Mapping[str, str] = {},
        statistics: Mapping[str, Statistics] = {},
        *,
        is_estimated: bool = False,
    ) -> Reduced:
        reduced = Reduced(dict(values), dict(statistics), dict.fromkeys(values, Quality.UNCHECKED))
        self.control.judge(reduced, NOON_MS + round(at_s * 1000), labels, is_estimated=is_estimated)
        return reduced

    def one(self, quantity: str, value: float, at_s: float = 0.0, labels: Mapping[str, str] = {}) -> Flag:
        reduced = self.judge({quantity: value}, at_s, labels)
        return reduced.quality[quantity], reduced.reasons.get(quantity)

    def row(
        self, quantity: str, values: Sequence[float], period_s: float = MINUTE_S, start_s: float = 0.0
    ) -> list[Flag]:
        return [self.one(quantity, value, start_s + index * period_s) for index, value in enumerate(values)]


# Plausible range


@pytest.mark.parametrize("quantity", sorted(LIMITS))
def test_both_ends_of_the_range_are_plausible_and_what_is_beyond_is_erroneous(quantity: str) -> None:
    """Whatever the quantity."""
    limits = LIMITS[quantity]
    for value in (limits.min, limits.max):
        assert Bench().one(quantity, value) == GOOD
    for value in (limits.min - 0.01, limits.max + 0.01):
        assert Bench().one(quantity, value) == (Quality.ERRONEOUS, "range")


def test_the_fault_value_of_a_hygrometer_is_erroneous() -> None:
    """118.99 % is what an HTU21D says when it fails."""
    assert Bench().one("relative_humidity", 118.99) == (Quality.ERRONEOUS, "range")


def test_a_quantity_without_limits_stays_unchecked() -> None:
    """Nothing is called good by nobody."""
    control = QualityControl({})
    reduced = Reduced({"air_temperature": 20.0}, quality={"air_temperature": Quality.UNCHECKED})
    control.judge(reduced, NOON_MS, {})
    assert reduced.quality == {"air_temperature": Quality.UNCHECKED}


def test_the_rain_of_a_long_time_may_be_more_than_that_of_a_minute() -> None:
    """60 mm are a fault of a minute, and a downpour of an hour without radio contact."""
    bench = Bench(report_period_s=0.0)
    assert bench.one("rainfall_amount", 0.2) == GOOD
    assert bench.one("rainfall_amount", 60.0, 60.0) == (Quality.ERRONEOUS, "range")
    assert bench.one("rainfall_amount", 60.0, 3660.0) == GOOD
    assert Bench(report_period_s=600.0).one("rainfall_amount", 60.0) == GOOD


def test_rain_since_nobody_knows_when_is_not_called_wrong() -> None:
    """The first amount after a start may have come together in a day."""
    assert Bench(report_period_s=0.0).one("rainfall_amount", 60.0) == (Quality.UNCHECKED, None)


# Step


@pytest.mark.parametrize(
    ("quantity", "value", "doubtful", "erroneous"),
    [
        ("air_temperature", 20.0, None, 3.0),
        ("relative_humidity", 50.0, 10.0, 15.0),
        ("air_pressure", 1000.0, 0.5, 2.0),
        ("wind_speed", 5.0, 10.0, 20.0),
    ],
)
def test_a_step_is_judged_by_its_size(quantity: str, value: float, doubtful: float | None, erroneous: float) -> None:
    """What is just allowed is good; beyond it lies doubtful, beyond that erroneous."""
    steps = {erroneous + 0.01: (Quality.ERRONEOUS, "step")}
    if doubtful is None:
        steps[erroneous] = GOOD
    else:
        steps |= {doubtful: GOOD, doubtful + 0.01: (Quality.DOUBTFUL, "step"), erroneous: (Quality.DOUBTFUL, "step")}
    for step, flag in steps.items():
        assert Bench().row(quantity, [value, value + step]) == [GOOD, flag]


def test_what_floats_lose_is_no_step() -> None:
    """16.1 - 6.1 is a little more than 10."""
    assert Bench().row("relative_humidity", [6.1, 16.1]) == [GOOD, GOOD]


def test_a_spike_is_told_alone_and_not_the_return_from_it() -> None:
    """What was not believed is nothing to compare with."""
    spike = (Quality.ERRONEOUS, "step")
    assert Bench().row("air_temperature", [20.0, 20.1, 30.1, 20.2, 20.1]) == [GOOD, GOOD, spike, GOOD, GOOD]


def test_a_step_that_lasts_is_believed_by_itself_after_some_minutes() -> None:
    """5 hPa are erroneous for two minutes, doubtful for seven more, and then the pressure there is."""
    flags = Bench().row("air_pressure", [1000.0] + [1005.0] * 12)
    assert [flag for flag, _ in flags[1:3]] == [Quality.ERRONEOUS] * 2
    assert [flag for flag, _ in flags[3:10]] == [Quality.DOUBTFUL] * 7
    assert flags[10:] == [GOOD] * 3


def test_within_a_minute_a_step_is_measured_from_the_mean_of_the_last_whole_one() -> None:
    """Noise between observations two seconds apart is no step; a jump against the minute before is."""
    bench = Bench(report_period_s=2.0)
    assert set(bench.row("air_temperature", [18.5, 21.5] * 30, 2.0, start_s=2.0)) == {GOOD}
    assert bench.one("air_temperature", 22.9, 62.0) == GOOD
    assert bench.one("air_temperature", 23.1, 64.0) == (Quality.ERRONEOUS, "step")


def test_the_end_of_a_minute_belongs_to_it() -> None:
    """An observation of 12:01:00 was made in the minute before."""
    assert Bench(report_period_s=30.0).row("air_temperature", [18.0, 21.0, 22.4], 30.0, start_s=30.0) == [GOOD] * 3


def test_in_the_first_minute_a_step_is_measured_from_what_there_is_of_it() -> None:
    """A spike soon after the start is found, too."""
    assert Bench(report_period_s=2.0).row("air_temperature", [20.0, 20.1, 30.0], 2.0, start_s=2.0)[-1][1] == "step"


def test_after_ten_minutes_without_a_value_nothing_is_compared() -> None:
    """What was long ago says nothing about now."""
    assert Bench().row("air_temperature", [-20.0, 20.0], 601.0) == [GOOD, GOOD]
    assert Bench().row("air_temperature", [-20.0, 20.0], 600.0)[1] == (Quality.ERRONEOUS, "step")


def test_what_comes_late_is_compared_but_changes_nothing() -> None:
    """A source may send lines out of order: neither the late nor the next value is blamed for it."""
    bench = Bench()
    assert bench.one("air_temperature", 20.0, 300.0) == GOOD
    assert bench.one("air_temperature", 22.0, 240.0) == GOOD
    assert bench.one("air_temperature", 23.1, 180.0) == GOOD, "two minutes allow six degrees"
    assert bench.one("air_temperature", 26.1, 180.0) == (Quality.ERRONEOUS, "step")
    assert bench.one("air_temperature", 23.1, 360.0) == (Quality.ERRONEOUS, "step")
    assert bench.one("air_temperature", 22.9, 360.0) == GOOD
    assert bench.one("air_temperature", 26.0, 420.0) == (Quality.ERRONEOUS, "step")


def test_a_clock_that_goes_back_begins_anew() -> None:
    """A year in the future by mistake does not end quality control for a year."""
    bench = Bench()
    bench.one("air_temperature", 20.0, 31_536_000.0)
    assert bench.row("air_temperature", [-5.0, 20.0]) == [GOOD, (Quality.ERRONEOUS, "step")]


def test_transmitters_are_not_compared_with_each_other() -> None:
    """One receiver hears the freezer and the attic."""
    bench = Bench()
    for minute in range(5):
        assert bench.one("air_temperature", -18.0, minute * 60.0, {"channel": "A"}) == GOOD
        assert bench.one("air_temperature", 35.0, minute * 60.0, {"channel": "B"}) == GOOD


def test_the_transmitter_that_was_silent_for_longest_is_forgotten() -> None:
    """What is remembered has a bound, however many labels a stream makes up."""
    bench = Bench()
    bench.one("air_temperature", 20.0, 0.0, {"id": "old"})
    bench.one("air_temperature", 20.0, 0.0, {"id": "kept"})
    for number in range(TRANSMITTERS_MAX - 2):
        bench.one("air_temperature", 20.0, 0.0, {"id": str(number)})
    bench.one("air_temperature", 20.0, 1.0, {"id": "kept"})
    bench.one("air_temperature", 20.0, 0.0, {"id": "new"})
    assert bench.one("air_temperature", 40.0, 2.0, {"id": "kept"}) == (Quality.ERRONEOUS, "step")
    assert bench.one("air_temperature", 40.0, 2.0, {"id": "old"}) == GOOD


# Persistence


@pytest.mark.parametrize(
    ("quantity", "value", "least"),
    [
        ("air_temperature", 20.0, 0.1),
        ("relative_humidity", 99.0, 1.0),
        ("air_pressure", 1e3, 0.1),
        ("wind_speed", 3, 0.5),
    ],
)
def test_what_does_not_change_for_an_hour_is_doubtful_and_never_erroneous(
    quantity: str, value: float, least: float
) -> None:
    """From the sixtieth minute on, for as long as it lasts; the least change is enough."""
    stuck = (Quality.DOUBTFUL, "persistence")
    assert Bench().row(quantity, [value] * 1200) == [GOOD] * 60 + [stuck] * 1140
    assert set(Bench().row(quantity, [value, *[value + least] * 60])) == {GOOD}


@pytest.mark.parametrize("period_s", [2.0, 10.0, 60.0, 600.0])
def test_an_hour_is_an_hour_at_any_report_period(period_s: float) -> None:
    """Up to ten minutes from one observation to the next."""
    flags = Bench().row("air_pressure", [1000.0] * round(4200 / period_s), period_s, start_s=period_s)
    assert flags.index((Quality.DOUBTFUL, "persistence")) == round(3600 / period_s)


def test_slow_observations_are_not_called_stuck() -> None:
    """Beyond ten minutes from one to the next there are too few to say so."""
    assert set(Bench().row("air_pressure", [1000.0] * 30, 601.0)) == {GOOD}


def test_a_spike_does_not_hide_that_a_sensor_is_stuck() -> None:
    """It was not believed, so it is no change."""
    bench = Bench()
    bench.row("air_temperature", [20.0] * 90)
    assert bench.one("air_temperature", 40.0, 90 * 60.0) == (Quality.ERRONEOUS, "step")
    assert bench.one("air_temperature", 20.0, 91 * 60.0) == (Quality.DOUBTFUL, "persistence")


def test_a_calm_night_is_not_doubted() -> None:
    """An anemometer that stands still is what a calm looks like; one that keeps turning as fast is stuck."""
    assert set(Bench().row("wind_speed", [0.0] * 600)) == {GOOD}
    assert Bench().row("wind_speed", [0.2] * 61)[-1] == (Quality.DOUBTFUL, "persistence")


def test_a_calm_after_wind_is_not_doubted() -> None:
    """The wind of more than an hour ago does not count any more."""
    assert set(Bench().row("wind_speed", [5.0, 7.0, 6.0] * 40 + [0.0] * 300)) == {GOOD}


def test_stuck_and_moving_again_are_told_once_each() -> None:
    """However long it lasts, and with a spike and a pause in between."""
    bench = Bench()
    bench.row("air_pressure", [1000.0] * 120)
    bench.one("air_pressure", 1100.0, 7200.0)
    bench.row("air_pressure", [1000.0] * 30, start_s=9000.0)
    assert bench.turns == [("air_pressure", {}, True)]
    bench.row("air_pressure", [1000.2, 1000.3], start_s=10_800.0)
    assert bench.turns == [("air_pressure", {}, True), ("air_pressure", {}, False)]


def test_a_value_at_the_edge_is_not_told_each_minute() -> None:
    """The flag follows the least change, the events only what has certainly moved."""
    bench = Bench()
    flags = bench.row("air_pressure", [1000.0] * 61 + [1000.11, 1000.0] * 60)
    assert flags[60:63] == [(Quality.DOUBTFUL, "persistence"), GOOD, GOOD]
    assert bench.turns == [("air_pressure", {}, True)]


def test_a_slow_drift_is_told_when_it_has_certainly_moved() -> None:
    """0.09 hPa an hour are doubtful all the way, and after two hours no longer the value that it was stuck at."""
    bench = Bench()
    flags = bench.row("air_pressure", [1000.0 + minute * 0.0015 for minute in range(194)])
    assert set(flags[60:]) == {(Quality.DOUBTFUL, "persistence")}
    assert [is_stuck for _, _, is_stuck in bench.turns] == [True]
    assert bench.one("air_pressure", 1000.35, 194 * 60.0) == GOOD
    assert [is_stuck for _, _, is_stuck in bench.turns] == [True, False]


def test_a_stuck_transmitter_is_told_by_its_labels() -> None:
    """Of several, people must know which."""
    bench = Bench()
    for minute in range(70):
        bench.one("air_temperature", 20.0, minute * 60.0, {"channel": "A"})
        bench.one("air_temperature", 20.0 + minute / 10, minute * 60.0, {"channel": "B"})
    assert bench.turns == [("air_temperature", {"channel": "A"}, True)]


# Completeness


@pytest.mark.parametrize(("count", "flag"), [(7, GOOD), (6, (Quality.DOUBTFUL, "completeness"))])
def test_a_mean_of_less_than_two_thirds_of_its_samples_is_doubtful(count: int, flag: Flag) -> None:
    """66 % of ten are seven; a first, partial period is judged in the same way."""
    reduced = Bench(samples_count=10).judge({"wind_speed": 3.0}, statistics={"wind_speed": Statistics(count)})
    assert (reduced.quality["wind_speed"], reduced.reasons.get("wind_speed")) == flag


def test_a_sum_needs_no_number_of_samples() -> None:
    """Rain that was counted is there, however often somebody asked."""
    reduced = Bench(samples_count=10).judge({"rainfall_amount": 3.0}, statistics={"rainfall_amount": Statistics(1)})
    assert reduced.quality == {"rainfall_amount": Quality.GOOD}


# Consistency


@pytest.mark.parametrize(
    ("low", "high"), [("dew_point_temperature", "air_temperature"), ("wind_speed", "wind_speed_of_gust")]
)
def test_a_pair_that_contradicts_itself_is_inconsistent(low: str, high: str) -> None:
    """Nobody can tell which of the two is wrong, so both are flagged; equal is allowed."""
    assert set(Bench().judge({low: 10.0, high: 10.0}).quality.values()) == {Quality.GOOD}
    reduced = Bench().judge({low: 10.1, high: 10.0})
    assert reduced.quality == dict.fromkeys([low, high], Quality.INCONSISTENT)
    assert reduced.reasons == dict.fromkeys([low, high], "consistency")


def test_a_wrong_value_does_not_make_another_inconsistent() -> None:
    """A temperature of -300 degC says nothing about the dew point."""
    reduced = Bench().judge({"dew_point_temperature": 5.0, "air_temperature": -300.0})
    assert reduced.quality == {"dew_point_temperature": Quality.GOOD, "air_temperature": Quality.ERRONEOUS}


def test_a_worse_flag_and_its_reason_stay() -> None:
    """What is doubtful by one test does not become better by another."""
    bench = Bench()
    bench.judge({"air_pressure": 1000.0, "wind_speed": 0.0})
    reduced = bench.judge({"wind_speed": 15.0, "wind_speed_of_gust": 14.0}, 60.0)
    assert reduced.quality == {"wind_speed": Quality.DOUBTFUL, "wind_speed_of_gust": Quality.INCONSISTENT}
    assert reduced.reasons == {"wind_speed": "step", "wind_speed_of_gust": "consistency"}
    check_consistency(reduced)
    assert reduced.reasons == {"wind_speed": "step", "wind_speed_of_gust": "consistency"}


# After a restart


def encoded(values: Mapping[str, float], at_s: float, **fields: object) -> bytes:
    at_ms = NOON_MS + round(at_s * 1000)
    given: dict[str, object] = {"quality": dict.fromkeys(values, Quality.GOOD)} | fields
    entry = Observation("mast", "FAKE", at_ms, at_ms, values, clock_synchronized=True, **given)  # type: ignore[arg-type]
    return DocumentEncoder(Station("here"), "3f9c2a71").encode(entry, 1)


def test_the_hour_before_a_restart_is_remembered() -> None:
    """With its documents recalled, a step and a stuck sensor are found at once."""
    bench = Bench()
    for minute in range(61):
        bench.control.recall(_decoder.decode(encoded({"air_temperature": 20.0}, minute * 60.0)))
    assert bench.one("air_temperature", 20.0, 3660.0) == (Quality.DOUBTFUL, "persistence")
    assert bench.one("air_temperature", 40.0, 3660.0) == (Quality.ERRONEOUS, "step")


def test_what_was_not_believed_is_not_recalled() -> None:
    """Neither what was erroneous nor a doubtful step is something to compare with."""
    bench = Bench()
    bench.control.recall(_decoder.decode(encoded({"air_pressure": 1000.0}, 0.0)))
    for flag, reason in ((Quality.ERRONEOUS, "range"), (Quality.DOUBTFUL, "step")):
        flagged = {"quality": {"air_pressure": flag}, "quality_reasons": {"air_pressure": reason}}
        bench.control.recall(_decoder.decode(encoded({"air_pressure": 1001.5}, 60.0, **flagged)))
    assert bench.one("air_pressure", 1000.1, 120.0) == GOOD
    assert bench.one("air_pressure", 1001.2, 180.0) == (Quality.DOUBTFUL, "step")


def test_what_was_recalled_is_forgotten_while_the_time_is_an_estimate() -> None:
    """A station without a clock wakes up right after its last entry, be that a minute ago or a day."""
    bench = Bench()
    bench.control.recall(_decoder.decode(encoded({"air_temperature": 20.0}, 0.0)))
    assert bench.judge({"air_temperature": -5.0}, 1.0, is_estimated=True).reasons == {}
    assert bench.judge({"air_temperature": 20.0}, 2.0, is_estimated=True).reasons == {"air_temperature": "step"}


@pytest.mark.parametrize("fields", [{"calibration": "00000001"}, {"clock_offset_ms": 7}], ids=str)
def test_what_cannot_be_compared_with_is_not_recalled(fields: dict[str, object]) -> None:
    """After another calibration, or an estimated time, a change is no step."""
    bench = Bench()
    bench.control.recall(_decoder.decode(encoded({"air_pressure": 1000.0}, 0.0, **fields)))
    assert bench.one("air_pressure", 1004.0, 60.0) == GOOD


def test_other_limits_do_not_forget_a_fault() -> None:
    """A control that takes over knows the step and the stuck sensor of the one before; not with another calibration."""
    before, after, recalibrated = Bench(), Bench(), QualityControl(calibration="00000001")
    before.row("air_pressure", [1000.0] * 62)
    before.one("air_pressure", 1004.0, 62 * MINUTE_S)
    after.control.go_on(before.control)
    assert after.one("air_pressure", 1004.0, 62 * MINUTE_S + 1) == (Quality.ERRONEOUS, "step")
    assert after.one("air_pressure", 1000.0, 62 * MINUTE_S + 2) == (Quality.DOUBTFUL, "persistence")
    assert after.turns == [], "that it is stuck was told already"
    recalibrated.go_on(before.control)
    reduced = Reduced({"air_pressure": 1004.0}, quality={"air_pressure": Quality.UNCHECKED})
    recalibrated.judge(reduced, NOON_MS + 62 * 60_000, {})
    assert reduced.quality == {"air_pressure": Quality.GOOD}


def test_whose_day_it_is_nobody_knows_while_the_time_is_an_estimate() -> None:
    """The rain of the day may be that of yesterday, and the stamp is corrected later: it is doubtful, nothing else."""
    bench = Bench()
    rain = {"rainfall_amount": 0.5, "rainfall_rate": 3.0, "rainfall_amount_of_day": 12.5}
    reduced = bench.judge(rain, 0.0, is_estimated=True)
    assert reduced.quality == dict.fromkeys(rain, Quality.GOOD) | {"rainfall_amount_of_day": Quality.DOUBTFUL}
    assert reduced.reasons == {"rainfall_amount_of_day": "clock"}
    assert bench.judge(rain, 60.0).reasons == {}


# Whatever comes

anything = st.dictionaries(st.sampled_from(sorted(LIMITS)), st.floats(-1e15, 1e15), min_size=1)


@given(st.lists(st.tuples(anything, st.integers(-10_000_000, 10_000_000)), max_size=20))
def test_judging_never_changes_a_value(observations: Sequence[tuple[Mapping[str, float], int]]) -> None:
    """Whatever comes in whatever order: each value stays, with a flag, and a reason unless it is good."""
    bench = Bench()
    for values, at_s in observations:
        reduced = bench.judge(values, at_s)
        assert reduced.values == values
        assert reduced.quality.keys() == values.keys()
        for quantity, flag in reduced.quality.items():
            assert flag is not Quality.MISSING
            assert (quantity in reduced.reasons) is (flag is not Quality.GOOD)


@given(st.sampled_from(["air_temperature", "air_pressure"]), st.floats(550, 1000), st.integers(1, 200))
def test_a_constant_series_is_doubtful_only_by_persistence(quantity: str, value: float, count: int) -> None:
    """A plausible value that stays is good for an hour, and then doubtful, and never anything else."""
    constant = value - 540 if quantity == "air_pressure" else value / 20
    constant = constant + 540 if quantity == "air_pressure" else constant
    flags = Bench().row(quantity, [constant] * count)
    assert flags == [GOOD] * min(60, count) + [(Quality.DOUBTFUL, "persistence")] * max(0, count - 60)


@given(st.lists(st.floats(-1000, 1000), min_size=1, max_size=30))
def test_a_mean_is_made_of_plausible_samples_alone(values: list[float]) -> None:
    """All others are counted; where there is no other, they make the value, and it is erroneous."""
    control = QualityControl()
    reducer = Reducer(plausible=control.sample_ranges)
    for value in values:
        reducer.add({"air_temperature": value})
    reduced = reducer.reduce()
    control.judge(reduced, NOON_MS, {})
    plausible = [value for value in values if -80 <= value <= 60]
    spread = reduced.statistics["air_temperature"]
    assert reduced.values["air_temperature"] == pytest.approx(
        sum(plausible or values) / len(plausible or values), abs=1e-9
    )
    assert (spread.count, spread.rejected) == (len(plausible or values), len(values) - len(plausible))
    expected = GOOD if plausible else (Quality.ERRONEOUS, "range")
    assert (reduced.quality["air_temperature"], reduced.reasons.get("air_temperature")) == expected
