import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest

from tests.fakes import NOON_MS, FakeClock, recording_log, settle
from weatherd.errors import SourceEnded
from weatherd.happenings import Happenings
from weatherd.model import Arrival, Event, Observation, Quality, Station
from weatherd.processing.calibration import Line
from weatherd.processing.derivation import Derivation
from weatherd.queueing import BoundedQueue
from weatherd.sampling.condition import Condition, State
from weatherd.sampling.forming import Former
from weatherd.sampling.telling import Listener, ToldSampler

WARM: Arrival = Arrival({"air_temperature": 20.0})


class FakeSource:
    """A source that hands over what a test gives it."""

    model = "FAKE"
    counts: Mapping[str, Mapping[str, int]] = {}

    def __init__(self) -> None:
        self.arrivals: asyncio.Queue[Mapping[str, Sequence[Arrival]] | SourceEnded] = asyncio.Queue()
        self.unread: Mapping[str, Sequence[Arrival]] = {}
        self.runs_count = 0
        self.closed = False

    async def open(self) -> None:
        pass

    async def run(self, deliver: Callable[[Mapping[str, Sequence[Arrival]]], Awaitable[None]]) -> None:
        self.runs_count += 1
        while True:
            arrivals = await self.arrivals.get()
            if isinstance(arrivals, SourceEnded):
                raise arrivals
            await deliver(arrivals)

    def rest(self) -> Mapping[str, Sequence[Arrival]]:
        rest, self.unread = self.unread, {}
        return rest

    async def close(self) -> None:
        self.closed = True


class Bench:
    def __init__(
        self,
        report_period_s: float,
        *,
        size_max: int = 1000,
        calibration: Mapping[str, Line] = {},
        now_ms: int = NOON_MS,
        synchronized: bool = True,
    ) -> None:
        self.clock = FakeClock(now_ms, synchronized=synchronized)
        self.queue: BoundedQueue[Observation | Event] = BoundedQueue(size_max)
        self.log, self.lines = recording_log()
        self.source = FakeSource()
        self.sampler = self.told("garden", report_period_s, calibration)
        self.listener = self.listening(self.sampler)

    def told(self, name: str, report_period_s: float, calibration: Mapping[str, Line] = {}) -> ToldSampler:
        return ToldSampler(
            "FAKE",
            self.clock,
            Former(name, "FAKE", Derivation(Station("here")), self.clock, calibration),
            Condition(name, self.clock, Happenings(self.queue, self.clock, self.log)),
            report_period_s=report_period_s,
        )

    def listening(self, *samplers: ToldSampler) -> Listener:
        return Listener(
            self.source,
            {sampler.condition.sensor: sampler for sampler in samplers},
            self.clock,
            self.queue,
            delays=lambda: itertools.repeat(4.0),
        )

    async def tell(self, *arrivals: Arrival, sensor: str = "garden") -> None:
        self.source.arrivals.put_nowait({sensor: arrivals})
        await settle()

    def observations(self) -> list[Observation]:
        return [entry for entry in self.queue.take(1000) if isinstance(entry, Observation)]


@asynccontextmanager
async def running(bench: Bench) -> AsyncIterator[Bench]:
    task = asyncio.create_task(bench.listener.run())
    await settle()
    try:
        yield bench
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_without_a_report_period_each_arrival_is_an_observation() -> None:
    """Three arrivals make three observations, with the source's own times and without statistics."""
    async with running(Bench(0.0)) as bench:
        await bench.tell(WARM, Arrival({"air_temperature": 21.0}, {"channel": "A"}, NOON_MS - 5_000), WARM)
    first, second, _ = bench.observations()
    assert (first.observed_at_ms, first.recorded_at_ms) == (NOON_MS, NOON_MS)
    assert (second.observed_at_ms, second.labels) == (NOON_MS - 5_000, {"channel": "A"})
    assert second.values == {"air_temperature": 21.0}
    assert second.quality == {"air_temperature": Quality.GOOD}
    assert second.statistics == {}


async def test_arrivals_are_reduced_over_the_report_period() -> None:
    """Arrivals of one period become one observation, at its end, without waiting for the next arrival."""
    async with running(Bench(10.0)) as bench:
        await bench.clock.advance(1.0)
        await bench.tell(WARM)
        await bench.clock.advance(3.0)
        await bench.tell(Arrival({"air_temperature": 22.0}))
        await bench.clock.advance(6.0)
        (observation,) = bench.observations()
    assert observation.observed_at_ms == NOON_MS + 10_000
    assert observation.values == {"air_temperature": 21.0}
    assert observation.statistics["air_temperature"].count == 2


async def test_a_silent_period_makes_no_observation() -> None:
    """A source that says nothing is not made to say something."""
    async with running(Bench(10.0)) as bench:
        await bench.clock.advance(60.0)
        assert bench.observations() == []


async def test_transmitters_are_never_mixed() -> None:
    """Arrivals with different labels are reduced apart from each other."""
    async with running(Bench(10.0)) as bench:
        await bench.clock.advance(1.0)
        await bench.tell(
            Arrival({"air_temperature": 20.0}, {"id": "1"}), Arrival({"air_temperature": 30.0}, {"id": "2"})
        )
        await bench.clock.advance(9.0)
    assert {
        observation.labels["id"]: observation.values["air_temperature"] for observation in bench.observations()
    } == {
        "1": 20.0,
        "2": 30.0,
    }


async def test_recorded_times_fall_into_their_own_periods() -> None:
    """A recording that is written faster than it was made keeps its periods."""
    async with running(Bench(60.0)) as bench:
        await bench.tell(
            *(Arrival({"air_temperature": float(n)}, {}, NOON_MS - 600_000 + n * 30_000) for n in range(1, 7))
        )
        await bench.clock.advance(60.0)
    assert [
        (observation.observed_at_ms - NOON_MS, observation.values["air_temperature"])
        for observation in bench.observations()
    ] == [(-540_000, 1.5), (-480_000, 3.5), (-420_000, 5.5)]


async def test_a_flood_of_transmitters_is_reported_early() -> None:
    """Memory is bounded: with more transmitters than places, all that is gathered is reported, and nothing is lost."""
    async with running(Bench(10.0)) as bench:
        await bench.clock.advance(1.0)
        await bench.tell(*(Arrival({"air_temperature": 1.0}, {"id": str(n)}) for n in range(300)))
        early = bench.observations()
        assert len(early) == 256
        await bench.clock.advance(9.0)
        late = bench.observations()
    assert len({observation.labels["id"] for observation in early + late}) == 300


async def test_a_source_waits_while_the_queue_is_full() -> None:
    """What finds no place makes the source wait, and nothing is lost or doubled when there is room again."""
    async with running(Bench(0.0, size_max=8)) as bench:
        await bench.tell(*(Arrival({"air_temperature": float(n)}) for n in range(10)))
        await bench.tell(Arrival({"air_temperature": 10.0}))
        assert bench.queue.depth == 6
        assert bench.source.arrivals.qsize() == 1
        seen = bench.observations()
        await settle()
        seen += bench.observations()
    assert [observation.values["air_temperature"] for observation in seen] == [float(n) for n in range(11)]


async def test_a_stop_loses_nothing_that_was_handed_over() -> None:
    """What still waited for a place, or for the end of its period, is in the queue after the end."""
    async with running(Bench(0.0, size_max=8)) as bench:
        await bench.tell(*(Arrival({"air_temperature": float(n)}) for n in range(9)))
    seen = bench.observations()
    await bench.listener.finish()
    seen += bench.observations()
    assert [observation.values["air_temperature"] for observation in seen] == [float(n) for n in range(9)]
    assert bench.source.closed

    async with running(Bench(10.0)) as bench:
        await bench.clock.advance(4.0)
        await bench.tell(WARM)
        bench.source.unread = {"garden": [WARM]}
    await bench.listener.finish()
    (observation,) = bench.observations()
    assert observation.values == {"air_temperature": 20.0}
    assert observation.statistics["air_temperature"].count == 2
    assert observation.observed_at_ms == NOON_MS + 4_000, "cut short, its period ends now, and not in the future"


async def test_arrivals_are_calibrated() -> None:
    """A source's values are calibrated like a sensor's, reduced or not."""
    lines = {"air_temperature": Line(offset=-0.5)}
    async with running(Bench(0.0, calibration=lines)) as bench:
        await bench.tell(WARM)
    assert bench.observations()[0].values == {"air_temperature": 19.5}
    async with running(Bench(10.0, calibration=lines)) as bench:
        await bench.clock.advance(1.0)
        await bench.tell(WARM)
        await bench.clock.advance(9.0)
    assert bench.observations()[0].values == {"air_temperature": 19.5}


async def test_a_source_that_ends_is_lost_once_and_found_when_it_speaks() -> None:
    """A program that stops is told once and started again after a delay; its first word brings it back."""
    async with running(Bench(0.0)) as bench:
        await bench.tell(WARM)
        for _ in range(3):
            bench.source.arrivals.put_nowait(SourceEnded("rtl_433 ended with exit code 1"))
            await bench.clock.advance(4.0)
        assert bench.sampler.condition.state is State.LOST
        assert bench.source.runs_count == 4
        await bench.tell(WARM)
        assert bench.sampler.condition.state is State.WORKING
    events = [entry.action for entry in bench.queue.take(100) if isinstance(entry, Event)]
    assert events == ["sensor_lost", "sensor_found"]


async def test_each_sensor_keeps_its_own_period() -> None:
    """Two sensors of one source report at the end of their own periods, and not of each other's."""
    bench = Bench(10.0)
    slow = bench.told("roof", 60.0)
    bench.listener = bench.listening(bench.sampler, slow)
    async with running(bench):
        await bench.clock.advance(1.0)
        await bench.tell(WARM)
        await bench.tell(WARM, sensor="roof")
        await bench.clock.advance(9.0)
        assert [one.sensor for one in bench.observations()] == ["garden"]
        await bench.clock.advance(50.0)
        assert [one.sensor for one in bench.observations()] == ["roof"]


async def test_a_source_that_ran_long_is_started_again_soon() -> None:
    """The pauses grow while a program ends at once, and begin anew after one that ran for long."""
    bench = Bench(0.0)
    bench.listener._new_delays = lambda: iter([1.0, 30.0, 30.0])
    async with running(bench):
        for pause_s in (1.0, 30.0):
            bench.source.arrivals.put_nowait(SourceEnded("ended"))
            await bench.clock.advance(pause_s)
        assert bench.source.runs_count == 3
        await bench.clock.advance(61.0)
        bench.source.arrivals.put_nowait(SourceEnded("ended"))
        await bench.clock.advance(1.0)
        assert bench.source.runs_count == 4


async def test_one_source_tells_about_many_sensors() -> None:
    """Each sensor has its own period, calibration and condition, and the end of the source is the end of all."""
    bench = Bench(0.0)
    roof = bench.told("roof", 10.0, {"air_temperature": Line(offset=1.0)})
    bench.listener = bench.listening(bench.sampler, roof)
    async with running(bench):
        await bench.clock.advance(1.0)
        await bench.tell(WARM)
        assert roof.condition.state is State.STARTING
        await bench.tell(WARM, WARM, sensor="roof")
        await bench.clock.advance(9.0)
        assert [(one.sensor, one.values["air_temperature"]) for one in bench.observations()] == [
            ("garden", 20.0),
            ("roof", 21.0),
        ]
        bench.source.arrivals.put_nowait(SourceEnded("rtl_433 ended with exit code 1"))
        await settle()
        assert bench.sampler.condition.state is roof.condition.state is State.LOST
        await bench.clock.advance(4.0)
        await bench.tell(WARM)
        assert (bench.sampler.condition.state, roof.condition.state) == (State.WORKING, State.LOST)
        assert bench.source.runs_count == 2


async def test_a_source_that_gives_the_time_needs_no_estimate() -> None:
    """Where the source says when it was, the stamp is final before the station knows the time; else it is not."""
    async with running(Bench(0.0, synchronized=False)) as bench:
        await bench.tell(WARM, Arrival({"air_temperature": 21.0}, {}, NOON_MS - 5_000))
    ours, given = bench.observations()
    assert (ours.observed_at_ms, ours.clock_offset_ms) == (NOON_MS, NOON_MS - 1_000_000)
    assert (given.observed_at_ms, given.clock_offset_ms) == (NOON_MS - 5_000, None)
    assert not given.clock_synchronized


@pytest.mark.parametrize(
    ("times_ms", "offset_ms"),
    [
        ([NOON_MS + 1000, NOON_MS + 2000], None),
        ([None, None], NOON_MS - 1_000_000),
        ([NOON_MS + 1000, None], NOON_MS - 1_000_000),
        ([None, NOON_MS + 2000], NOON_MS - 1_000_000),
        ([NOON_MS + 1000, None, NOON_MS + 2000], NOON_MS - 1_000_000),
    ],
)
async def test_a_period_is_final_only_if_the_source_gave_every_time(
    times_ms: Sequence[int | None], offset_ms: int | None
) -> None:
    """One arrival that was stamped with the station's time makes its period an estimate, wherever it comes."""
    async with running(Bench(10.0, synchronized=False)) as bench:
        await bench.clock.advance(3.0)
        for time_ms in times_ms:
            await bench.tell(Arrival({"air_temperature": 21.0}, {}, time_ms))
        await bench.clock.advance(7.0)
    (observation,) = bench.observations()
    assert observation.observed_at_ms == NOON_MS + 10_000
    assert observation.statistics["air_temperature"].count == len(times_ms)
    assert observation.clock_offset_ms == offset_ms
    assert not observation.clock_synchronized


async def test_the_time_of_a_source_is_not_bounded_by_an_estimate() -> None:
    """A station that believes to be in 1970 does not stamp so what a source has dated."""
    bench = Bench(10.0, now_ms=60_000, synchronized=False)
    async with running(bench):
        await bench.tell(Arrival({"air_temperature": 21.0}, {}, NOON_MS + 1000))
        await bench.clock.advance(10.0)
    await bench.listener.finish()
    (observation,) = bench.observations()
    assert (observation.observed_at_ms, observation.clock_offset_ms) == (NOON_MS + 10_000, None)


async def test_the_time_of_a_source_is_bounded_by_a_time_that_is_known() -> None:
    """A period that is cut short by the stop ends now, also if it is the source's."""
    bench = Bench(10.0)
    async with running(bench):
        await bench.clock.advance(2.0)
        await bench.tell(Arrival({"air_temperature": 21.0}, {}, NOON_MS + 1000))
    await bench.listener.finish()
    (observation,) = bench.observations()
    assert (observation.observed_at_ms, observation.clock_offset_ms) == (NOON_MS + 2_000, None)


async def test_the_time_of_a_source_is_not_moved_by_a_step() -> None:
    """It does not go with the station's clock."""
    async with running(Bench(10.0, synchronized=False)) as bench:
        await bench.tell(Arrival({"air_temperature": 21.0}, {}, NOON_MS + 1000))
        bench.clock.synchronize(3603.0)
        await bench.clock.advance(10.0)
    (observation,) = bench.observations()
    assert (observation.observed_at_ms, observation.clock_offset_ms) == (NOON_MS + 10_000, None)


@pytest.mark.parametrize("step_s", [86_403.0, -86_403.0, 86_400.0])
async def test_a_period_in_which_the_time_becomes_known_has_the_new_time(step_s: float) -> None:
    """It is reported within two periods, whichever way the clock stepped, with its end by the new time, final."""
    async with running(Bench(10.0, synchronized=False)) as bench:
        await bench.clock.advance(4.5)
        await bench.tell(WARM)
        bench.clock.synchronize(step_s)
        await bench.clock.advance(1.0)
        assert bench.observations() == []
        await bench.clock.advance(14.5)
    (observation,) = bench.observations()
    assert observation.observed_at_ms == NOON_MS + 10_000 + step_s * 1000
    assert observation.observed_at_ms <= observation.recorded_at_ms <= NOON_MS + 20_000 + step_s * 1000
    assert observation.clock_offset_ms is None


async def test_arrivals_on_both_sides_of_a_step_are_not_mixed_unless_their_period_is_the_same() -> None:
    """A step by a whole number of periods changes no period; any other one cuts it short, at the next arrival."""
    async with running(Bench(10.0, synchronized=False)) as bench:
        await bench.clock.advance(4.5)
        await bench.tell(WARM)
        bench.clock.synchronize(3600.0)
        await bench.tell(WARM)
        assert bench.observations() == []
        bench.clock.step_wall(3603.0)
        await bench.tell(WARM)
        (cut,) = bench.observations()
    assert cut.statistics["air_temperature"].count == 2
    assert cut.observed_at_ms == NOON_MS + 4_500 + 7_203_000


async def test_a_report_that_is_asked_for_does_not_wait_for_its_period() -> None:
    """What has arrived is reported, of the sensors that were named, and nothing where nothing has."""
    async with running(Bench(10.0)) as bench:
        await bench.clock.advance(1.0)
        await bench.tell(WARM)
        assert await bench.listener.report_now(()) == 0
        assert await bench.listener.report_now({"garden"}) == 1
        assert await bench.listener.report_now({"garden"}) == 0
        (observation,) = bench.observations()
    assert observation.values == {"air_temperature": WARM.measurement["air_temperature"]}
