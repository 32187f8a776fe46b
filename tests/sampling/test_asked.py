import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.fakes import NOON_MS, FakeClock, FakeSensor, recording_log, settle
from weatherd.errors import BadChecksum, NoAnswer
from weatherd.happenings import Happenings
from weatherd.model import Event, Observation, Quality, Station
from weatherd.processing.calibration import Line
from weatherd.processing.derivation import Derivation
from weatherd.processing.quality import QualityControl
from weatherd.queueing import BoundedQueue
from weatherd.sampling.asked import AskedSampler
from weatherd.sampling.condition import Condition, State
from weatherd.sampling.forming import Former


class Bench:
    """A sampler on a fake clock, with a queue to look into."""

    def __init__(self, *, synchronized: bool = True) -> None:
        self.clock = FakeClock(NOON_MS, synchronized=synchronized)
        self.queue: BoundedQueue[Observation | Event] = BoundedQueue(1000)
        self.log, self.lines = recording_log()

    def sampler(self, sensor: FakeSensor, *, samples_count: int = 0, **calibration: Line) -> AskedSampler:
        condition = Condition(sensor.name, self.clock, Happenings(self.queue, self.clock, self.log))
        control = QualityControl(report_period_s=10.0, samples_count=samples_count, turned=condition.turned)
        return AskedSampler(
            sensor,
            self.clock,
            self.queue,
            Former(
                sensor.name,
                sensor.model,
                Derivation(Station("here")),
                self.clock,
                calibration,
                quality_control=control,
            ),
            condition,
            sample_period_s=1.0,
            report_period_s=10.0,
            delays=lambda: itertools.repeat(4.0),
        )

    def observations(self) -> list[Observation]:
        return [entry for entry in self.queue.take(1000) if isinstance(entry, Observation)]


@asynccontextmanager
async def running(*samplers: AskedSampler) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(sampler.run()) for sampler in samplers]
    await settle()
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_ten_measurements_make_one_observation_stamped_with_the_end_of_the_period() -> None:
    """With a measurement a second and a report every ten, the observation of 12:00:10 holds ten measurements."""
    bench = Bench()
    sensor = FakeSensor()
    sensor.outcomes.extend({"air_pressure": 1000.0 + number} for number in range(10))
    async with running(bench.sampler(sensor)):
        await bench.clock.advance(10.0)
    (observation,) = bench.observations()
    assert observation.observed_at_ms == NOON_MS + 10_000
    assert observation.values == {"air_pressure": 1004.5}
    assert observation.statistics["air_pressure"].count == 10
    assert observation.statistics["air_pressure"].min == 1000.0
    assert observation.statistics["air_pressure"].max == 1009.0
    assert observation.clock_synchronized


async def test_a_first_partial_period_says_so_by_its_count() -> None:
    """A station that starts in the middle of a period reports at its end, with what it has."""
    bench = Bench()
    bench.clock.step_wall(6.5)
    async with running(bench.sampler(FakeSensor())):
        await bench.clock.advance(3.5)
    (observation,) = bench.observations()
    assert observation.observed_at_ms == NOON_MS + 10_000
    assert observation.statistics["air_pressure"].count == 4


async def test_measurements_are_calibrated() -> None:
    """Offset and slope apply to what is reported, extremes included."""
    bench = Bench()
    async with running(bench.sampler(FakeSensor(), air_pressure=Line(offset=0.5, slope=1.0))):
        await bench.clock.advance(10.0)
    (observation,) = bench.observations()
    assert observation.values == {"air_pressure": 1000.5}
    assert observation.statistics["air_pressure"].max == 1000.5


async def test_a_lost_sensor_is_told_once_and_once_when_it_is_back() -> None:
    """However often it is tried in between, there is one line and one event for the loss, and one for the return."""
    bench = Bench()
    sensor = FakeSensor()
    sampler = bench.sampler(sensor)
    async with running(sampler):
        await bench.clock.advance(3.0)
        sensor.otherwise = NoAnswer("nobody acknowledges at 0x77", "check the plug")
        sensor.open_error = sensor.otherwise
        await bench.clock.advance(60.0)
        assert sampler.condition.state is State.LOST
        assert sensor.opened_count > 5
        sensor.otherwise, sensor.open_error = {"air_pressure": 1000.0}, None
        await bench.clock.advance(10.0)
    events = [entry for entry in bench.queue.take(1000) if isinstance(entry, Event)]
    assert [(event.action, event.sensor, event.reason) for event in events] == [
        ("sensor_lost", "barometer", "no_answer"),
        ("sensor_found", "barometer", ""),
    ]
    assert [line["event"] for line in bench.lines] == ["sampling.sensor_lost", "sampling.sensor_found"]
    assert bench.lines[0]["hint"] == "check the plug"
    assert sampler.condition.state is State.WORKING


async def test_a_sensor_missing_at_the_start_is_tried_and_lost() -> None:
    """The daemon may go on as soon as the sensor was tried, found or not."""
    bench = Bench()
    sensor = FakeSensor()
    sensor.open_error = NoAnswer("nobody acknowledges at 0x77")
    sampler = bench.sampler(sensor)
    async with running(sampler):
        assert sampler.tried.is_set()
        assert sampler.condition.state is State.LOST


async def test_a_period_in_which_nothing_could_be_measured_is_missing() -> None:
    """Every quantity is flagged, with the reason, and without a value."""
    bench = Bench()
    sensor = FakeSensor(quantities=("air_pressure", "air_temperature"))
    sensor.otherwise = BadChecksum("the checksum does not fit")
    sampler = bench.sampler(sensor)
    async with running(sampler):
        await bench.clock.advance(20.0)
    observation = bench.observations()[0]
    assert observation.values == {}
    assert observation.quality == {"air_pressure": Quality.MISSING, "air_temperature": Quality.MISSING}
    assert observation.quality_reasons["air_pressure"] == "bad_checksum"
    assert sampler.condition.observations_count == 0, "of a sensor that never gave a value nothing was observed"


async def test_a_period_in_which_nothing_was_tried_makes_no_observation() -> None:
    """While a lost sensor waits for its next attempt, nothing is said about it."""
    bench = Bench()
    sensor = FakeSensor()
    sensor.open_error = NoAnswer("nobody acknowledges at 0x77")
    sampler = bench.sampler(sensor)
    sampler._new_delays = lambda: itertools.repeat(45.0)
    sampler._delays = sampler._new_delays()
    async with running(sampler):
        await bench.clock.advance(100.0)
    assert [observation.observed_at_ms - NOON_MS for observation in bench.observations()] == [0, 50_000]


async def test_one_bad_answer_costs_one_measurement() -> None:
    """A single wrong checksum neither loses the sensor nor opens it anew."""
    bench = Bench()
    sensor = FakeSensor()
    sensor.outcomes.append(BadChecksum("the checksum does not fit"))
    sampler = bench.sampler(sensor)
    async with running(sampler):
        await bench.clock.advance(10.0)
    (observation,) = bench.observations()
    assert observation.statistics["air_pressure"].count == 9
    assert sampler.condition.state is State.WORKING
    assert sampler.condition.failures_count == 1
    assert sensor.opened_count == 1
    assert bench.lines == []


async def test_bad_answers_with_good_ones_between_lose_nothing() -> None:
    """Only failures in a row count: a sensor that answers well now and then is not lost."""
    bench = Bench()
    sensor = FakeSensor()
    for _ in range(5):
        sensor.outcomes.extend([BadChecksum("no"), BadChecksum("no"), {"air_pressure": 1000.0}])
    sampler = bench.sampler(sensor)
    async with running(sampler):
        await bench.clock.advance(15.0)
    assert sampler.condition.state is State.WORKING
    assert sampler.condition.failures_count == 10
    assert sensor.opened_count == 1


async def test_the_pause_of_a_lost_sensor_skips_no_tick() -> None:
    """What was not meant to be measured is not late."""
    bench = Bench()
    sensor = FakeSensor()
    sensor.outcomes.extend([{"air_pressure": 1000.0}, NoAnswer("gone")])
    sampler = bench.sampler(sensor)
    async with running(sampler):
        await bench.clock.advance(20.0)
    assert sampler.condition.state is State.WORKING
    assert sampler.skipped_count == 0


async def test_a_recovery_begins_the_backoff_anew() -> None:
    """A sensor that was lost for long and came back is tried soon again when it is lost again."""
    bench = Bench()
    sensor = FakeSensor()
    sampler = bench.sampler(sensor)
    sampler._new_delays = lambda: iter([1.0, 50.0, 50.0])
    sampler._delays = sampler._new_delays()
    sensor.open_error = NoAnswer("gone")
    async with running(sampler):
        await bench.clock.advance(30.0)
        sensor.open_error = None
        await bench.clock.advance(30.0)
        assert sampler.condition.state is State.WORKING
        sensor.outcomes.append(NoAnswer("gone"))
        await bench.clock.advance(3.0)
        assert sampler.condition.state is State.WORKING


async def test_a_sampler_that_comes_round_goes_on_and_one_that_hangs_does_not() -> None:
    """The watchdog is fed while a sensor does not answer, and not while a measurement never comes back."""
    bench = Bench()
    lost, stuck = FakeSensor("lost"), FakeSensor("stuck")
    lost.open_error = NoAnswer("gone")
    stuck.outcomes.append(asyncio.Event())
    samplers = [bench.sampler(lost), bench.sampler(stuck)]
    async with running(*samplers):
        await bench.clock.advance(100.0)
        assert [sampler.goes_on() for sampler in samplers] == [True, True]
        await bench.clock.advance(100.0)
        assert [sampler.goes_on() for sampler in samplers] == [True, False]


async def test_three_bad_answers_in_a_row_lose_the_sensor() -> None:
    """A chip that answers nonsense again and again is told to be lost, and opened anew."""
    bench = Bench()
    sensor = FakeSensor()
    sensor.outcomes.extend(BadChecksum("the checksum does not fit") for _ in range(3))
    sampler = bench.sampler(sensor)
    async with running(sampler):
        await bench.clock.advance(3.0)
        assert sampler.condition.state is State.LOST
        await bench.clock.advance(10.0)
    assert sampler.condition.state is State.WORKING
    assert sensor.opened_count == 2


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
async def test_what_is_no_number_is_no_measurement(value: float) -> None:
    """NaN from a driver never gets into a mean or a document."""
    bench = Bench()
    sensor = FakeSensor()
    sensor.outcomes.append({"air_pressure": value})
    async with running(bench.sampler(sensor)):
        await bench.clock.advance(10.0)
    (observation,) = bench.observations()
    assert observation.values == {"air_pressure": 1000.0}
    assert observation.statistics["air_pressure"].count == 9


async def test_a_hanging_sensor_lets_the_others_keep_their_period() -> None:
    """While one sensor does not come back, the other one is measured at each tick, and nothing of its is late."""
    bench = Bench()
    never = asyncio.Event()
    stuck, well = FakeSensor("hygrometer"), FakeSensor("barometer")
    stuck.outcomes.append(never)
    async with running(bench.sampler(stuck), bench.sampler(well)):
        await bench.clock.advance(30.0)
    assert stuck.measured_count == 1
    assert well.measured_count == 30
    assert [
        (observation.sensor, observation.observed_at_ms - NOON_MS, observation.statistics["air_pressure"].count)
        for observation in bench.observations()
    ] == [("barometer", 10_000, 10), ("barometer", 20_000, 10), ("barometer", 30_000, 10)]


async def test_ticks_missed_by_a_slow_sensor_are_counted() -> None:
    """A measurement that takes 3.5 s at a period of 1 s skips three ticks, and the counter says so."""
    bench = Bench()
    slow = asyncio.Event()
    sensor = FakeSensor()
    sensor.outcomes.append(slow)
    sampler = bench.sampler(sensor)
    async with running(sampler):
        await bench.clock.advance(4.5)
        slow.set()
        await bench.clock.advance(1.0)
    assert sampler.skipped_count == 3


def test_lost_edges_are_those_of_a_sensor_that_counts_some() -> None:
    """A chip on the bus has none to lose."""

    class Contact(FakeSensor):
        lost_edges_count = 32

    assert Bench().sampler(Contact()).lost_edges_count == 32
    assert Bench().sampler(FakeSensor()).lost_edges_count == 0


@pytest.mark.parametrize("synchronized", [True, False])
async def test_the_end_reports_what_has_been_measured(synchronized: bool) -> None:  # noqa: FBT001  -- a parameter
    """A stop in the middle of a period loses nothing: the part is reported, stamped with the present time."""
    bench = Bench(synchronized=synchronized)
    sensor = FakeSensor()
    sampler = bench.sampler(sensor)
    async with running(sampler):
        await bench.clock.advance(4.2)
    await sampler.finish()
    (observation,) = bench.observations()
    assert observation.statistics["air_pressure"].count == 4
    assert observation.observed_at_ms == sampler.condition.observed_at_ms == NOON_MS + 4_200
    assert sensor.closed


async def test_the_end_reports_what_waits_for_a_lost_sensor() -> None:
    """With the end of its period, not with that of the station."""
    bench = Bench()
    sensor = FakeSensor()
    sampler = bench.sampler(sensor)
    sampler._new_delays = lambda: itertools.repeat(45.0)
    async with running(sampler):
        await bench.clock.advance(4.2)
        sensor.outcomes.append(NoAnswer("gone"))
        await bench.clock.advance(20.0)
    await sampler.finish()
    (observation,) = bench.observations()
    assert observation.observed_at_ms == NOON_MS + 10_000


async def test_what_is_observed_before_the_time_is_known_is_an_estimate() -> None:
    """Observations and events carry the offset that their stamps were made with; afterwards they are final."""
    bench = Bench(synchronized=False)
    sensor = FakeSensor()
    async with running(bench.sampler(sensor)):
        await bench.clock.advance(10.0)
        bench.clock.is_synchronized = True
        await bench.clock.advance(10.0)
    estimate, final = bench.observations()
    assert (estimate.clock_offset_ms, estimate.clock_synchronized) == (NOON_MS - 1_000_000, False)
    assert (final.clock_offset_ms, final.clock_synchronized) == (None, True)


@pytest.mark.parametrize("step_s", [86_403.6, -86_403.6, 86_400.0, 0.6, -3.6])
async def test_a_period_in_which_the_time_becomes_known_has_the_new_time(step_s: float) -> None:
    """What was measured before the step is stamped like what was measured after it: in order, final, and true."""
    bench = Bench(synchronized=False)
    async with running(bench.sampler(FakeSensor())):
        await bench.clock.advance(14.5)
        bench.clock.synchronize(step_s)
        synchronized_ms = bench.clock.now_ms()
        await bench.clock.advance(20.0)
    before, *after = bench.observations()
    assert (before.observed_at_ms, before.clock_offset_ms) == (NOON_MS + 10_000, NOON_MS - 1_000_000)
    assert [observation.clock_offset_ms for observation in after] == [None] * len(after)
    assert sum(observation.statistics["air_pressure"].count for observation in after) >= 14
    stamps_ms = [observation.observed_at_ms for observation in after]
    assert stamps_ms == sorted(set(stamps_ms))
    assert synchronized_ms - 1000 <= stamps_ms[0] <= synchronized_ms + 10_000
    assert all(one.recorded_at_ms - 1000 < one.observed_at_ms <= one.recorded_at_ms for one in after)


async def test_a_period_that_a_step_cuts_short_ends_with_the_next_tick() -> None:
    """By the new time, and with what was measured until then; the next period is shorter, too."""
    bench = Bench(synchronized=False)
    async with running(bench.sampler(FakeSensor())):
        await bench.clock.advance(4.5)
        bench.clock.synchronize(3603.3)
        await bench.clock.advance(2.6)
    assert [(one.observed_at_ms, one.statistics["air_pressure"].count) for one in bench.observations()] == [
        (NOON_MS + 3_608_000, 4),
        (NOON_MS + 3_610_000, 3),
    ]


async def test_a_step_by_whole_periods_cuts_none_short() -> None:
    """The measurements before and after it are of one period, which ends by the new time."""
    bench = Bench(synchronized=False)
    async with running(bench.sampler(FakeSensor())):
        await bench.clock.advance(4.5)
        bench.clock.synchronize(3600.0)
        await bench.clock.advance(5.5)
    (observation,) = bench.observations()
    assert observation.observed_at_ms == NOON_MS + 3_610_000
    assert observation.statistics["air_pressure"].count == 10


async def test_a_measurement_during_which_the_time_becomes_known_has_the_new_time() -> None:
    """The end of a period that comes before the step is moved with the clock until it is written down."""
    bench = Bench(synchronized=False)
    sensor = FakeSensor()
    slow = asyncio.Event()
    sensor.outcomes.extend([{"air_pressure": 1000.0}] * 9)
    sensor.outcomes.append(slow)
    async with running(bench.sampler(sensor)):
        await bench.clock.advance(10.2)
        bench.clock.synchronize(3603.0)
        slow.set()
        await settle()
    (observation,) = bench.observations()
    assert observation.statistics["air_pressure"].count == 10
    assert observation.observed_at_ms == NOON_MS + 10_000 + 3_603_000
    assert observation.recorded_at_ms == NOON_MS + 10_200 + 3_603_000
    assert observation.clock_offset_ms is None


@pytest.mark.parametrize("step_s", [3603.0, -3603.0])
async def test_what_waits_for_a_lost_sensor_keeps_its_age_over_a_step(step_s: float) -> None:
    """A period that ended before the step is reported with the end that it had, by the new time."""
    bench = Bench(synchronized=False)
    sensor = FakeSensor()
    sampler = bench.sampler(sensor)
    sampler._new_delays = lambda: itertools.repeat(45.0)
    sampler._delays = sampler._new_delays()
    async with running(sampler):
        await bench.clock.advance(4.5)
        sensor.outcomes.append(NoAnswer("gone"))
        await bench.clock.advance(20.0)
        assert bench.observations() == []
        bench.clock.synchronize(step_s)
        await bench.clock.advance(30.0)
    observation = bench.observations()[0]
    assert observation.statistics["air_pressure"].count == 4
    assert observation.observed_at_ms == NOON_MS + 10_000 + step_s * 1000
    assert observation.clock_offset_ms is None


async def test_a_step_between_the_last_measurement_and_the_stop_is_followed() -> None:
    """A part of a period that is reported at the stop ends now, by the new time."""
    bench = Bench(synchronized=False)
    sampler = bench.sampler(FakeSensor())
    async with running(sampler):
        await bench.clock.advance(4.2)
    bench.clock.synchronize(-3603.0)
    await sampler.finish()
    (observation,) = bench.observations()
    assert observation.observed_at_ms == observation.recorded_at_ms == NOON_MS + 4_200 - 3_603_000
    assert observation.clock_offset_ms is None


async def test_a_sample_that_is_not_plausible_does_not_enter_the_mean() -> None:
    """It is counted; where too few others are left, the mean is doubtful, and of itself alone erroneous."""
    bench = Bench()
    sensor = FakeSensor()
    for rejected in (1, 4, 10):
        sensor.outcomes.extend({"air_pressure": 300.0 if number < rejected else 1000.0} for number in range(10))
    async with running(bench.sampler(sensor, samples_count=10)):
        await bench.clock.advance(30.0)
    one, four, all_of_them = bench.observations()
    assert one.values == four.values == {"air_pressure": 1000.0}
    assert (one.statistics["air_pressure"].count, one.statistics["air_pressure"].rejected) == (9, 1)
    assert one.quality == {"air_pressure": Quality.GOOD}
    assert four.quality == {"air_pressure": Quality.DOUBTFUL}
    assert four.quality_reasons == {"air_pressure": "completeness"}
    assert all_of_them.values == {"air_pressure": 300.0}
    assert all_of_them.quality == {"air_pressure": Quality.ERRONEOUS}
    assert all_of_them.quality_reasons == {"air_pressure": "range"}
    assert all_of_them.statistics["air_pressure"].rejected == 10


async def test_a_stuck_sensor_is_told_once_and_once_when_it_moves_again() -> None:
    """After an hour there is one event, and one more with the first change."""
    bench = Bench()
    sensor = FakeSensor()
    sampler = bench.sampler(sensor)
    async with running(sampler):
        await bench.clock.advance(5000.0)
        assert sampler.condition.quality == {"air_pressure": Quality.DOUBTFUL}
        assert sampler.condition.quality_reasons == {"air_pressure": "persistence"}
        sensor.otherwise = {"air_pressure": 1000.3}
        await bench.clock.advance(100.0)
        assert sampler.condition.quality == {"air_pressure": Quality.GOOD}
    events = [entry for entry in bench.queue.take(1000) if isinstance(entry, Event)]
    assert [(event.action, event.sensor) for event in events] == [
        ("sensor_stuck", "barometer"),
        ("sensor_unstuck", "barometer"),
    ]
    assert events[0].observed_at_ms == NOON_MS + 3_610_000
    assert events[0].message.startswith("air_pressure of barometer is stuck")


async def test_a_sensor_that_does_not_know_its_quantities_yet_makes_no_empty_observation() -> None:
    """A driver of another package that cannot be loaded is lost; there is nothing that could be missing."""
    bench = Bench()
    sensor = FakeSensor(quantities=())
    sensor.open_error = NoAnswer("the package is broken")
    sampler = bench.sampler(sensor)
    async with running(sampler):
        await bench.clock.advance(60.0)
    await sampler.finish()
    assert sampler.condition.state is State.LOST
    assert bench.observations() == []


async def test_quantities_that_are_known_from_the_opening_on_can_be_missing() -> None:
    """Also in the very first report period."""
    bench = Bench()
    sensor = FakeSensor(quantities=(), otherwise=BadChecksum("bad"))
    sampler = bench.sampler(sensor)
    sensor.quantities = ("illuminance",)  # told by the opening
    async with running(sampler):
        await bench.clock.advance(20.0)
    first = bench.observations()[0]
    assert first.observed_at_ms == NOON_MS + 10_000
    assert first.quality == {"illuminance": Quality.MISSING}


async def test_a_report_that_is_asked_for_ends_its_period_early() -> None:
    """What was measured is reported with the present time, and the rest of the period at its end."""
    bench = Bench()
    sampler = bench.sampler(FakeSensor())
    assert not sampler.report_now()
    async with running(sampler):
        await bench.clock.advance(4.2)
        assert sampler.report_now()
        assert not sampler.report_now()
        await bench.clock.advance(6.0)
        early, rest = bench.observations()
    assert (early.observed_at_ms, early.statistics["air_pressure"].count) == (NOON_MS + 4_200, 4)
    assert (rest.observed_at_ms, rest.statistics["air_pressure"].count) == (NOON_MS + 10_000, 6)
