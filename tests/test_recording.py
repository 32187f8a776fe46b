import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from tests.fakes import NOON_MS, FakeClock, FakeJournal, recording_log, settle
from weatherd.errors import JournalFull, JournalUnavailable
from weatherd.happenings import Happenings
from weatherd.model import Event, Observation
from weatherd.queueing import BoundedQueue
from weatherd.recording import Recorder


def event(number: int) -> Event:
    return Event(str(number), "", NOON_MS, clock_synchronized=True)


class Bench:
    def __init__(self, size_max: int = 100) -> None:
        self.clock = FakeClock()
        self.queue: BoundedQueue[Observation | Event] = BoundedQueue(size_max)
        self.journal = FakeJournal()
        self.log, self.lines = recording_log()
        self.recorder = Recorder(
            self.queue,
            self.journal,
            self.clock,
            self.log,
            Happenings(self.queue, self.clock, self.log),
            crowd_size=size_max // 2,
            delays=lambda: itertools.repeat(4.0),
        )

    async def observe(self, *numbers: int) -> None:
        await self.queue.put(deque(event(number) for number in numbers))
        await settle()

    @property
    def kept(self) -> list[int]:
        return [int(entry.action) for entry in self.journal.entries if isinstance(entry, Event)]


@asynccontextmanager
async def running(bench: Bench) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(bench.recorder.run())
    await settle()
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_first_observation_goes_at_once() -> None:
    """After a pause nothing waits for company."""
    bench = Bench()
    async with running(bench):
        await bench.observe(1)
        assert bench.kept == [1]


async def test_observations_that_come_close_together_share_an_append() -> None:
    """What comes within a thirtieth of a second after an append goes together, when that is over."""
    bench = Bench()
    async with running(bench):
        await bench.observe(1)
        for number in (2, 3, 4):
            await bench.observe(number)
            await bench.clock.advance(0.005)
        assert bench.kept == [1]
        await bench.clock.advance(0.02)
    assert bench.kept == [1, 2, 3, 4]
    assert bench.journal.appends == [1, 3]


async def test_a_half_full_queue_does_not_wait() -> None:
    """Many observations are their own company."""
    bench = Bench(size_max=20)
    async with running(bench):
        await bench.observe(0)
        await bench.observe(*range(1, 11))
        assert bench.kept == list(range(11))


async def test_a_journal_that_cannot_be_written_is_tried_again() -> None:
    """Nothing is lost, nothing is doubled, the order stays, and the trouble is told once."""
    bench = Bench()
    bench.journal.error = JournalUnavailable("the disk is full", "make room")
    async with running(bench):
        await bench.observe(1, 2)
        await bench.clock.advance(60.0)
        await bench.observe(3)
        assert bench.recorder.error is bench.journal.error
        bench.journal.error = None
        await bench.clock.advance(8.0)
    assert bench.kept == [1, 2, 3]
    assert bench.recorder.error is None
    assert [line["event"] for line in bench.lines] == ["recording.paused", "recording.resumed"]


async def test_closing_the_queue_empties_it_into_the_journal() -> None:
    """At the stop nothing waits for company any more, and the loop ends by itself."""
    bench = Bench()
    async with running(bench) as task:
        await bench.observe(1)
        await bench.observe(2, 3)
        assert bench.kept == [1]
        bench.queue.close()
        await settle()
        assert bench.kept == [1, 2, 3]
        assert task.done()


async def test_what_cannot_be_kept_at_the_stop_is_counted_and_told() -> None:
    """A stop does not wait for a disk for ever, and does not hide what that cost."""
    bench = Bench()
    bench.journal.error = JournalUnavailable("the disk is full", "make room")
    async with running(bench) as task:
        await bench.observe(1, 2)
        bench.queue.close()
        await bench.clock.advance(10.0)
        assert not task.done()
    bench.queue.push(event(3))
    bench.recorder.give_up()
    assert bench.recorder.lost_count == 3
    assert [line["event"] for line in bench.lines] == ["recording.paused", "recording.lost"]


async def test_a_journal_that_has_room_again_at_the_stop_takes_the_rest() -> None:
    """While the sinks are served once more, a full journal gets room: the recorder goes on trying."""
    bench = Bench()
    bench.journal.error = JournalFull("the journal is full")
    async with running(bench) as task:
        await bench.observe(1, 2)
        bench.queue.close()
        await bench.clock.advance(1.0)
        bench.journal.error = None
        await bench.clock.advance(1.0)
        assert task.done()
    assert bench.kept == [1, 2]


async def test_an_append_that_does_not_fit_goes_in_pieces() -> None:
    """However little room there is, what fits is kept, in order and once."""
    bench = Bench()
    bench.journal.room = 3
    async with running(bench):
        await bench.observe(*range(20))
        assert bench.kept == list(range(20))
    assert max(bench.journal.appends) <= 3


async def test_a_mistake_in_an_append_loses_nothing_that_was_taken() -> None:
    """When the loop is started anew after an error that nobody expected, it goes on with what it had taken."""
    bench = Bench()
    bench.journal.mistake = ZeroDivisionError("ours")
    async with running(bench) as task:
        await bench.observe(1, 2)
        assert isinstance(task.exception(), ZeroDivisionError)
    bench.journal.mistake = None
    async with running(bench):
        assert bench.kept == [1, 2]


async def test_what_was_dropped_is_told_with_its_number() -> None:
    """Drops of the journal and of the queue become one event and one line a minute, and none is counted twice."""
    bench = Bench(size_max=4)
    bench.journal.dropped_count = 1000  # by an earlier run
    for number in range(6):
        bench.queue.push(event(number))
    async with running(bench):
        bench.journal.dropped_count += 30
        await bench.clock.advance(2.0)
        bench.journal.dropped_count += 10
        for second in range(70):
            await bench.observe(second)
            await bench.clock.advance(1.0)
    told = [entry.message for entry in bench.journal.entries if entry.action == "observations_dropped"]  # type: ignore[union-attr]
    assert [message.split()[0] for message in told] == ["2", "40"]
    assert [line["count"] for line in bench.lines] == [2, 40]


async def test_an_append_that_hangs_is_trouble_after_a_minute() -> None:
    """A card that answers nothing, not even with an error, is told; one that is only slow is not."""
    bench = Bench()
    hanging = asyncio.Event()
    append = bench.journal.append

    async def append_late(entries: Sequence[Observation | Event]) -> None:
        await hanging.wait()
        await append(entries)

    bench.journal.append = append_late  # type: ignore[method-assign]
    async with running(bench):
        await bench.observe(1)
        await bench.clock.advance(59)
        assert bench.recorder.trouble is None
        await bench.clock.advance(2)
        assert isinstance(bench.recorder.trouble, JournalUnavailable)
        assert "61 s" in bench.recorder.trouble.sentence
        hanging.set()
        await settle()
        assert (bench.kept, bench.recorder.trouble) == ([1], None)
        await bench.clock.advance(1000)
        assert bench.recorder.trouble is None


async def test_a_journal_that_refuses_is_trouble_at_once() -> None:
    """What pauses the recorder is what the station suffers from."""
    bench = Bench()
    bench.journal.error = JournalUnavailable("the disk is full")
    async with running(bench):
        await bench.observe(1)
        assert str(bench.recorder.trouble) == "the disk is full"
        bench.journal.error = None
        await bench.clock.advance(5)
        assert bench.recorder.trouble is None
