import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from tests.fakes import FakeClock, recording_log, settle
from weatherd.errors import InfraredUnavailable
from weatherd.happenings import Happenings
from weatherd.model import Event, Infrared, Observation
from weatherd.queueing import BoundedQueue
from weatherd.sampling.condition import Condition, State
from weatherd.sampling.heard import EVENT_PERIOD_S, EVENTS_BURST_MAX, UNQUEUED_MAX, HeardSampler, sentence

KEY = Infrared("nec", "0x40bf", command="tv_power")
OTHER = Infrared("nec", "0x0102")


class FakeReceiver:
    """A receiver that hears what a test gives it."""

    name = "remote"
    model = "infrared"

    def __init__(self) -> None:
        self.is_there = True
        self.deliver: Callable[[Infrared], None] | None = None
        self.gone = asyncio.Event()
        self.opened_count = 0
        self.closed = False

    async def open(self) -> None:
        self.opened_count += 1
        if not self.is_there:
            raise InfraredUnavailable("there is no infrared device", "add it")

    async def run(self, deliver: Callable[[Infrared], None]) -> None:
        self.deliver = deliver
        await self.gone.wait()
        raise InfraredUnavailable("it has gone", "look")

    async def close(self) -> None:
        self.closed = True


class Bench:
    def __init__(self, size_max: int = 1000) -> None:
        self.clock = FakeClock()
        self.queue: BoundedQueue[Observation | Event] = BoundedQueue(size_max)
        log, _ = recording_log()
        self.receiver = FakeReceiver()
        self.told: list[Infrared] = []
        self.delays_count = 0
        self.sampler = HeardSampler(
            self.receiver,
            self.clock,
            self.queue,
            Condition("remote", self.clock, Happenings(self.queue, self.clock, log)),
            tell=lambda _, heard: self.told.append(heard),
            delays=self.delays,
        )

    def delays(self) -> Iterator[float]:
        self.delays_count += 1
        return iter([1.0] * 1000)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Bench"]:
        task = asyncio.create_task(self.sampler.run())
        await settle()
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def hear(self, heard: Infrared, then_s: float = 0.0) -> None:
        assert self.receiver.deliver is not None
        self.receiver.deliver(heard)
        await self.clock.advance(then_s)

    def events(self) -> list[Event]:
        """Take the events out of the queue."""
        return [one for one in self.queue.take(1000) if isinstance(one, Event)]


async def test_a_press_is_told_at_once_and_is_an_event_when_it_is_over() -> None:
    """The event is of the moment when it began, and says how often the key was repeated."""
    async with Bench().running() as bench:
        began_ms = bench.clock.now_ms()
        for repeat in range(4):
            await bench.hear(Infrared("nec", "0x40bf", repeat, "tv_power"), 0.108)
        assert [one.repeat for one in bench.told] == [0, 1, 2, 3]
        assert bench.events() == []
        await bench.clock.advance(0.3)
        (event,) = bench.events()
    assert event == Event(
        "infrared_received",
        "remote heard nec 0x40bf (tv_power), held for 3 repeats",
        began_ms,
        True,
        sensor="remote",
        infrared=Infrared("nec", "0x40bf", 3, "tv_power"),
    )
    assert bench.sampler.counts == {"keys": 1, "repeats": 3, "timings": 0, "unknown": 0, "left_out": 0}


async def test_another_key_ends_the_press_before() -> None:
    """As does the same key that is pressed again."""
    async with Bench().running() as bench:
        for heard in (KEY, OTHER, OTHER):
            await bench.hear(heard, 0.05)
        await bench.clock.advance(1.0)
        assert [one.infrared for one in bench.events()] == [KEY, OTHER, OTHER]


async def test_the_timings_of_a_key_are_told_and_are_no_event() -> None:
    """Only those that no decoder knew are one, as nothing else says what they were."""
    async with Bench().running() as bench:
        await bench.hear(KEY)
        await bench.hear(Infrared("", timings_us=(9000, 4500, 560)))
        await bench.hear(Infrared("nec", "0x40bf", 1, "tv_power"), 1.0)
        await bench.hear(Infrared("unknown", timings_us=(3000, 1500, 400)), 1.0)
        events = bench.events()
    assert len(bench.told) == 4
    assert [one.message for one in events] == [
        "remote heard nec 0x40bf (tv_power), held for 1 repeat",
        "remote heard 3 timings that no decoder of the kernel knows",
    ]


async def test_a_flood_makes_few_events_and_says_how_many_it_left_out() -> None:
    """Twenty at once and then one in five seconds; live all are told."""
    async with Bench().running() as bench:
        for _ in range(EVENTS_BURST_MAX + 30):
            await bench.hear(OTHER)
        await bench.clock.advance(0.5)
        assert len(bench.events()) == EVENTS_BURST_MAX
        await bench.clock.advance(EVENT_PERIOD_S)
        await bench.hear(KEY, 1.0)
        (event,) = bench.events()
    assert event.message == "remote heard nec 0x40bf (tv_power); 30 before it were too many to be told"
    assert event.infrared is not None
    assert event.infrared.left_out_count == 30
    assert bench.sampler.counts["left_out"] == 30
    assert len(bench.told) == EVENTS_BURST_MAX + 31


async def test_what_was_left_out_is_told_once() -> None:
    """The next event but one has nothing to say of it."""
    async with Bench().running() as bench:
        for _ in range(EVENTS_BURST_MAX + 1):
            await bench.hear(OTHER)
        for _ in range(2):
            await bench.clock.advance(EVENT_PERIOD_S)
            await bench.hear(KEY, 1.0)
        told = [one.infrared.left_out_count for one in bench.events() if one.infrared is not None]
    assert told[-2:] == [1, 0]


async def test_a_queue_that_is_full_for_long_holds_fifty_and_the_oldest_give_way() -> None:
    """Neither memory nor the queue grows, however long the disk takes nothing."""
    bench = Bench(size_max=1)
    bench.queue.push(Event("weather", "", 0, True))
    async with bench.running():
        for number in range(2 * UNQUEUED_MAX):
            await bench.hear(Infrared("nec", f"{number:#06x}"), EVENT_PERIOD_S)
            assert bench.sampler.unqueued_count <= UNQUEUED_MAX
        assert bench.sampler.unqueued_count == UNQUEUED_MAX
        assert [one.action for one in bench.events()] == ["weather"]
        await settle()
        (first,) = bench.events()
    # The last press is not among them: it is not over while what was before it waits.
    assert first.infrared == Infrared("nec", f"{UNQUEUED_MAX - 1:#06x}")


async def test_a_key_that_is_held_for_ten_minutes_is_one_event() -> None:
    """Each repeat is told, and nothing is kept but their count."""
    async with Bench().running() as bench:
        for repeat in range(5000):
            await bench.hear(Infrared("nec", "0x40bf", repeat, "tv_power"))
            if repeat % 100 == 0:
                await bench.clock.advance(0.1)
        await bench.clock.advance(1.0)
        (event,) = bench.events()
    assert event.message == "remote heard nec 0x40bf (tv_power), held for 4,999 repeats"
    assert len(bench.told) == 5000


async def test_a_receiver_that_was_there_for_long_is_looked_for_at_once() -> None:
    """The delays begin anew when it was there for more than a minute, and go on when it comes and goes."""
    async with Bench().running() as bench:
        for there_s, made_count in ((1.0, 1), (61.0, 2), (59.0, 2)):
            bench.receiver.gone.clear()
            await bench.clock.advance(there_s)
            bench.receiver.gone.set()
            await settle()
            bench.receiver.gone.clear()
            await bench.clock.advance(1.0)
            assert bench.delays_count == made_count


async def test_presses_push_no_observation_out_of_a_full_queue() -> None:
    """They wait for room, at most fifty of them."""
    bench = Bench(size_max=8)
    for number in range(8):
        bench.queue.push(Event(f"weather {number}", "", 0, True))
    async with bench.running():
        for _ in range(EVENTS_BURST_MAX):
            await bench.hear(OTHER)
        await bench.clock.advance(1.0)
        assert bench.queue.dropped_count == 0
        assert [one.action for one in bench.events()[:8]] == [f"weather {number}" for number in range(8)]
        await settle()
        assert bench.events()[0].action == "infrared_received"
    assert bench.sampler.unqueued_count <= UNQUEUED_MAX


async def test_a_receiver_that_is_not_there_is_lost_once_and_found_once() -> None:
    """It is looked for again and again meanwhile, and when it goes away that is told too."""
    bench = Bench()
    bench.receiver.is_there = False
    async with bench.running():
        assert bench.sampler.tried.is_set()
        await bench.clock.advance(3.0)
        assert (bench.sampler.condition.state, bench.receiver.opened_count) == (State.LOST, 4)
        bench.receiver.is_there = True
        await bench.clock.advance(1.0)
        assert bench.sampler.condition.state is State.WORKING
        bench.receiver.gone.set()
        await settle()
        assert bench.sampler.condition.state is State.LOST
    assert [(one.action, one.reason) for one in bench.events()] == [
        ("sensor_lost", "no_infrared"),
        ("sensor_found", ""),
        ("sensor_lost", "no_infrared"),
    ]


async def test_a_press_that_is_not_over_at_the_stop_is_told() -> None:
    """And the device is given back."""
    bench = Bench()
    async with bench.running():
        await bench.hear(KEY)
    await bench.sampler.finish()
    (event,) = bench.events()
    assert event.infrared == KEY
    assert bench.receiver.closed


async def test_an_estimated_time_is_told_as_one() -> None:
    """Before anybody says that the clock is right, the stamp can be corrected later."""
    bench = Bench()
    bench.clock.is_synchronized = False
    async with bench.running():
        await bench.hear(KEY, 1.0)
        (event,) = bench.events()
    assert (event.clock_synchronized, event.clock_offset_ms) == (False, bench.clock.known_offset_ms())


@pytest.mark.parametrize(
    ("heard", "words"),
    [
        (KEY, "nec 0x40bf (tv_power)"),
        (OTHER, "nec 0x0102"),
        (Infrared("rc5", "0x1e01", 1200), "rc5 0x1e01, held for 1,200 repeats"),
    ],
)
def test_what_was_heard_is_told_in_words(heard: Infrared, words: str) -> None:
    """Which key of which remote, and how long."""
    assert sentence(heard) == words
