import asyncio
import itertools
import json
import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import FakeClock, FakeJournal, FakeSink, recording_log, settle
from weatherd.backoff import full_jitter
from weatherd.errors import JournalDamaged, JournalUnavailable, Refused, TooLarge, Unreachable, Unwelcome
from weatherd.forwarding import Forwarder
from weatherd.forwarding.picking import RANGES_MAX, Picker
from weatherd.happenings import Happenings
from weatherd.queueing import BoundedQueue
from weatherd.ranges import Range, Ranges

DOWN = Unreachable("logstash answered 503")


class TimedSink(FakeSink):
    """A sink whose answers take their time, by the clock."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.took_s = 0.0
        self.begun: list[list[int]] = []
        self.under_way: list[list[int]] = []
        self._clock = clock

    async def deliver(self, documents: Sequence[bytes]) -> None:
        seqs = seqs_of(documents)
        self.begun.append(seqs)
        self.under_way.append(seqs)
        try:
            if self.took_s:
                await self._clock.sleep(self.took_s)
            await super().deliver(documents)
        finally:
            self.under_way.remove(seqs)


class Bench:
    def __init__(
        self,
        *,
        batch_size_max: int = 10,
        linger_s: float = 1.0,
        secured_after_s: float = 3600.0,
        in_flight_max: int = 2,
        delays: Callable[[], Iterator[float]] = lambda: itertools.repeat(4.0),
    ) -> None:
        self.clock = FakeClock()
        self.journal = FakeJournal()
        self.sink = TimedSink(self.clock)
        self.log, self.lines = recording_log()
        self.forwarder = Forwarder(
            self.sink,
            self.journal,
            self.clock,
            self.log,
            Happenings(BoundedQueue(1000), self.clock, self.log),
            batch_size_max=batch_size_max,
            linger_s=linger_s,
            secured_after_s=secured_after_s,
            in_flight_max=in_flight_max,
            delays=delays,
            delays_unwelcome=lambda: itertools.repeat(30.0),
        )

    async def write(self, count: int, *, held: bool = False) -> None:
        self.journal.write(count, held=held)
        await settle()

    async def outage(self, count: int) -> None:
        """Let the sink be down while entries are written, up to just before the attempt that finds it again."""
        self.sink.otherwise = DOWN
        await self.write(count)
        await self.clock.advance(5.0)
        self.sink.otherwise = None
        self.sink.begun.clear()

    @property
    def has(self) -> Ranges:
        return self.journal.delivered("fake")

    @property
    def has_all(self) -> bool:
        return self.has.covers(1, self.journal.last_seq)

    @property
    def spans(self) -> list[Range]:
        """First and last of each attempt."""
        return [(seqs[0], seqs[-1]) for seqs in self.sink.begun]


def seqs_of(documents: Sequence[bytes]) -> list[int]:
    return [json.loads(document)["sequence"] for document in documents]


@asynccontextmanager
async def running(bench: Bench) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(bench.forwarder.run())
    await settle()
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_very_first_document_goes_at_once() -> None:
    """A station that has just started shows itself without lingering."""
    bench = Bench()
    async with running(bench):
        await bench.write(1)
        assert bench.sink.delivered == bench.journal.documents
        assert bench.has == Ranges([(1, 1)])


async def test_a_fresh_document_waits_for_company_as_long_as_it_may() -> None:
    """Documents of one linger time share an attempt."""
    bench = Bench()
    async with running(bench):
        await bench.write(1)
        await bench.write(1)
        await bench.clock.advance(0.5)
        await bench.write(1)
        assert len(bench.sink.attempted) == 1
        await bench.clock.advance(0.5)
        assert [len(documents) for documents in bench.sink.attempted] == [1, 2]


async def test_a_document_that_comes_just_before_the_linger_is_over_ends_it() -> None:
    """Both go in one pass, and the station need not wake up for the timer a moment later."""
    bench = Bench()
    async with running(bench):
        await bench.write(1)
        await bench.write(1)
        await bench.clock.advance(0.9)
        await bench.write(1)
        assert len(bench.sink.attempted) == 1
        await bench.clock.advance(0.06)
        assert len(bench.sink.attempted) == 1
        await bench.write(1)
        assert [len(documents) for documents in bench.sink.attempted] == [1, 3]


async def test_answers_tell_how_long_a_document_may_linger_before_the_card_takes_it() -> None:
    """After quick ones a document waits for longer, after a slow one for half of the time at most."""
    bench = Bench(secured_after_s=0.8)
    async with running(bench):
        for _ in range(30):
            await bench.write(1)
            await bench.clock.advance(0.9)
        await bench.write(1)
        await bench.clock.advance(0.7)
        assert bench.has == Ranges([(1, 30)])
        slow = asyncio.Event()
        bench.sink.answers.append(slow)
        await bench.clock.advance(2.0)
        slow.set()
        await settle()
        await bench.write(1)
        await bench.clock.advance(0.51)
        assert bench.has == Ranges([(1, 32)])


async def test_a_full_batch_does_not_linger() -> None:
    """Many fresh documents go in full batches, one after the other, in the journal's order."""
    bench = Bench(batch_size_max=10, in_flight_max=1)
    async with running(bench):
        await bench.write(1)
        await bench.write(30)
        assert [len(documents) for documents in bench.sink.attempted] == [1, 10, 10, 10]
        assert bench.sink.delivered == bench.journal.documents


async def test_no_more_batches_are_under_way_than_allowed() -> None:
    """Two batches may wait for their answers at once, a third one stays in the journal."""
    bench = Bench()
    bench.sink.answers.extend([asyncio.Event(), asyncio.Event(), asyncio.Event()])
    async with running(bench):
        await bench.write(50)
        assert len(bench.sink.attempted) == 2


async def test_nothing_is_acknowledged_while_the_sink_is_down() -> None:
    """The lag stays, and everything is delivered once when the sink is back."""
    bench = Bench()
    bench.sink.otherwise = DOWN
    async with running(bench):
        await bench.write(25)
        await bench.clock.advance(60.0)
        assert not bench.has
        assert bench.forwarder.lag == 25
        assert bench.forwarder.error is DOWN
        bench.sink.otherwise = None
        await bench.clock.advance(8.0)
        assert bench.has == Ranges([(1, 25)])
    assert sorted(bench.sink.delivered) == sorted(bench.journal.documents)
    assert bench.forwarder.error is None


async def test_every_attempt_sends_the_same_documents() -> None:
    """What a batch holds does not change while it is tried again, whatever is written meanwhile."""
    bench = Bench()
    bench.sink.otherwise = DOWN
    async with running(bench):
        await bench.write(3)
        for _ in range(5):
            await bench.clock.advance(4.0)
            await bench.write(1)
    first = [documents for documents in bench.sink.attempted if documents[0] == bench.journal.documents[0]]
    assert len(first) > 3
    assert len(set(first)) == 1


async def test_a_dead_sink_is_asked_by_one_voice() -> None:
    """However many batches wait, an outage costs one attempt per delay."""
    bench = Bench(in_flight_max=4)
    bench.sink.otherwise = DOWN
    async with running(bench):
        await bench.write(40)
        before = len(bench.sink.attempted)
        await bench.clock.advance(40.0)
        assert len(bench.sink.attempted) - before == 10


async def test_an_outage_is_told_once() -> None:
    """One line when the sink is lost, one when it is back, however long it took."""
    bench = Bench()
    bench.sink.otherwise = DOWN
    async with running(bench):
        await bench.write(1)
        await bench.clock.advance(120.0)
        bench.sink.otherwise = None
        await bench.clock.advance(4.0)
    assert [line["event"] for line in bench.lines] == ["forwarding.sink_lost", "forwarding.sink_found"]


async def test_retry_after_is_honoured() -> None:
    """When the far end says 20 s, there is no attempt before, and the jitter still comes on top."""
    bench = Bench()
    bench.sink.answers.append(Unreachable("busy", retry_after_s=20.0))
    async with running(bench):
        await bench.write(1)
        await bench.clock.advance(23.9)
        assert len(bench.sink.attempted) == 1
        await bench.clock.advance(0.1)
        assert bench.has == Ranges([(1, 1)])


async def test_a_wrong_password_is_tried_slowly_and_told_loudly() -> None:
    """The data stays, attempts are rare, and the hint is in the log."""
    bench = Bench()
    bench.sink.otherwise = Unwelcome("logstash answered 401", "check password_file")
    async with running(bench):
        await bench.write(1)
        await bench.clock.advance(120.0)
        assert len(bench.sink.attempted) == 5
        assert not bench.has
    assert bench.lines[0]["hint"] == "check password_file"
    assert bench.journal.quarantined == {}


async def test_a_batch_that_is_too_large_is_halved() -> None:
    """All documents arrive, in pieces that the far end takes."""
    bench = Bench(in_flight_max=1)
    bench.sink.size_max, bench.sink.too_large = 3, TooLarge("logstash answered 413")
    async with running(bench):
        await bench.write(10)
    assert bench.sink.delivered == bench.journal.documents
    assert [len(documents) for documents in bench.sink.attempted] == [10, 5, 2, 3, 5, 2, 3]
    assert bench.has == Ranges([(1, 10)])


async def test_only_the_culprit_is_quarantined() -> None:
    """One refused document among ten is found, kept with the answer, and does not hold up the others."""
    bench = Bench()
    async with running(bench):
        bench.sink.refused[b'{"sequence":7}'] = Refused("logstash answered 400")
        await bench.write(10)
        assert bench.has == Ranges([(1, 10)])
    assert bench.journal.quarantined == {7: "logstash answered 400"}
    assert len(bench.sink.delivered) == 9
    assert [line["event"] for line in bench.lines] == ["forwarding.quarantined"]


async def test_a_far_end_that_refuses_everything_is_told_once_a_minute() -> None:
    """Each refused document is quarantined; people hear of it at most once a minute, with the number."""
    bench = Bench(in_flight_max=1)
    bench.sink.otherwise = Refused("logstash answered 400")
    async with running(bench):
        await bench.write(20)
        await bench.clock.advance(60.0)
        await bench.write(1)
        await bench.clock.advance(2.0)
    assert len(bench.journal.quarantined) == 21
    assert [line["count"] for line in bench.lines] == [1, 20]


async def test_entries_that_cannot_be_read_are_skipped_and_told() -> None:
    """A damaged row of the journal costs its entries, which are counted, and does not hold up those behind it."""
    bench = Bench()
    bench.journal.write(20)
    bench.journal.damaged = JournalDamaged("entries 1 to 5 cannot be unpacked", last_seq=5)
    async with running(bench):
        assert sorted(seqs_of(bench.sink.delivered)) == list(range(6, 21))
        assert bench.has == Ranges([(1, 20)])
        await bench.clock.advance(60.0)
    assert bench.journal.reads == [(11, 20, 10), (1, 10, 1), (6, 10, 1), (7, 10, 3), (10, 10, 5)]
    assert bench.forwarder.unreadable_count == 5
    assert [line["event"] for line in bench.lines] == ["forwarding.unreadable"]


async def test_a_journal_that_cannot_be_read_is_told_and_tried_again() -> None:
    """The trouble is in the status and once in the log, and delivery goes on when it is over."""
    bench = Bench()
    bench.journal.write(1)
    bench.journal.damaged = JournalDamaged("the file is no journal")
    async with running(bench):
        await bench.clock.advance(60.0)
        assert bench.forwarder.journal_error is bench.journal.damaged
        bench.journal.damaged = None
        await bench.clock.advance(4.0)
        assert bench.has == Ranges([(1, 1)])
    assert bench.forwarder.journal_error is None
    assert [line["event"] for line in bench.lines] == ["forwarding.paused", "forwarding.resumed"]


async def test_a_single_document_that_is_too_large_is_quarantined() -> None:
    """There is nothing left to halve."""
    bench = Bench()
    bench.sink.size_max, bench.sink.too_large = 0, TooLarge("logstash answered 413")
    async with running(bench):
        await bench.write(1)
        assert bench.has == Ranges([(1, 1)])
    assert list(bench.journal.quarantined) == [1]


async def test_a_quarantine_that_cannot_be_written_is_tried_again() -> None:
    """A document is not given up before it is kept: its acknowledgement waits for the disk."""
    bench = Bench()
    bench.sink.otherwise = Refused("logstash answered 400")
    bench.journal.error = JournalUnavailable("the disk is full")
    async with running(bench):
        await bench.write(1)
        await bench.clock.advance(30.0)
        assert not bench.has
        bench.journal.error = None
        await bench.clock.advance(4.0)
        assert bench.has == Ranges([(1, 1)])
        assert bench.forwarder.journal_error is None
    assert list(bench.journal.quarantined) == [1]


async def test_the_last_attempt_waits_for_nothing() -> None:
    """At the stop, lingering and backing off are over: what is there is tried at once."""
    bench = Bench(linger_s=60.0)
    async with running(bench):
        await bench.write(1)
        await bench.write(5)
        assert bench.has == Ranges([(1, 1)])
        await asyncio.wait_for(bench.forwarder.finish(), 1.0)
        assert bench.has == Ranges([(1, 6)])


async def test_what_is_written_after_the_hurry_began_is_delivered_too() -> None:
    """The journal gets the last entries after the sinks were told to hurry, and the end waits for those."""
    bench = Bench(linger_s=60.0)
    async with running(bench):
        await bench.write(1)
        bench.forwarder.hurry()
        await bench.write(3)
        await settle()
        slow = asyncio.Event()
        bench.sink.answers.append(slow)
        await bench.write(2)
        finishing = asyncio.create_task(bench.forwarder.finish())
        await settle()
        assert not finishing.done()
        slow.set()
        await asyncio.wait_for(finishing, 1.0)
        assert bench.has == Ranges([(1, 6)])


async def test_the_last_attempt_ends_also_when_it_fails() -> None:
    """A sink that is still down is tried once more, and then the stop goes on."""
    bench = Bench()
    bench.sink.otherwise = DOWN
    async with running(bench):
        await bench.write(1)
        before = len(bench.sink.attempted)
        await asyncio.wait_for(bench.forwarder.finish(), 1.0)
        assert len(bench.sink.attempted) == before + 1
        assert not bench.has


async def test_nothing_to_send_is_finished_at_once() -> None:
    """A station that is up to date stops without a delay."""
    bench = Bench()
    async with running(bench):
        await asyncio.wait_for(bench.forwarder.finish(), 1.0)


async def test_a_start_goes_on_where_the_last_one_stopped() -> None:
    """What was acknowledged before is not sent again."""
    bench = Bench()
    bench.journal.write(10)
    bench.journal.acknowledge("fake", 1, 7)
    async with running(bench):
        assert bench.sink.delivered == bench.journal.documents[7:]


async def test_each_batch_is_acknowledged_as_soon_as_it_is_delivered() -> None:
    """A batch that is answered before the one ahead of it does not wait for that."""
    bench = Bench()
    first = asyncio.Event()
    bench.sink.answers.append(first)
    async with running(bench):
        await bench.write(20)
        assert bench.has == Ranges([(11, 20)])
        first.set()
        await settle()
        assert bench.has == Ranges([(1, 20)])


async def test_a_fresh_document_lingers_from_when_it_came() -> None:
    """The time that it spends without a free place counts, and the next one has a linger of its own."""
    bench = Bench(in_flight_max=1)
    slow = asyncio.Event()
    bench.sink.answers.append(slow)
    async with running(bench):
        await bench.write(1)
        await bench.write(1)
        await bench.clock.advance(0.75)
        slow.set()
        await bench.clock.advance(0.125)
        assert bench.has == Ranges([(1, 1)])
        await bench.clock.advance(0.125)
        assert bench.has == Ranges([(1, 2)])
        await bench.clock.advance(30.0)
        await bench.write(1)
        await bench.clock.advance(0.875)
        assert bench.has == Ranges([(1, 2)])
        await bench.clock.advance(0.125)
        assert bench.has == Ranges([(1, 3)])


async def test_what_came_during_an_outage_does_not_linger() -> None:
    """It has waited for long enough."""
    bench = Bench()
    async with running(bench):
        await bench.write(1)
        bench.sink.otherwise = DOWN
        await bench.write(1)
        await bench.clock.advance(3.0)
        await bench.write(1)
        await bench.clock.advance(1.1)
        bench.sink.otherwise = None
        await bench.clock.advance(3.9)
        assert bench.has == Ranges([(1, 3)])


async def test_after_an_outage_the_first_delay_is_the_first_again() -> None:
    """Each outage has a backoff of its own, and so has each trouble of the journal; the next attempt is known."""
    bench = Bench(delays=lambda: (2.0**number for number in itertools.count()))
    async with running(bench):
        for _ in range(2):
            bench.sink.otherwise = DOWN
            await bench.write(1)
            await bench.clock.advance(1.0)
            assert bench.forwarder.error is not None
            begun = len(bench.sink.begun)
            assert bench.forwarder.attempt_next_s is not None
            assert 0.0 < bench.forwarder.attempt_next_s - bench.clock.boottime_s() <= 2.0
            await bench.clock.advance(3.0)
            assert len(bench.sink.begun) == begun + 1
            bench.sink.otherwise = None
            await bench.clock.advance(4.0)
            assert bench.has_all
            assert bench.forwarder.attempt_next_s is None
        for _ in range(2):
            bench.journal.damaged = JournalDamaged("the file is no journal")
            await bench.write(1)
            await bench.clock.advance(6.0)
            bench.journal.damaged = None
            await bench.clock.advance(2.0)
            assert bench.has_all


async def test_an_answer_that_refuses_documents_ends_an_outage_too() -> None:
    """The far end answers again: while the halves of the batch go, the newest entries find a place."""
    bench = Bench(batch_size_max=10)
    async with running(bench):
        await bench.write(1)
        bench.sink.otherwise = DOWN
        await bench.write(10)
        await bench.write(100)
        await bench.clock.advance(3.0)
        slow = asyncio.Event()
        bench.sink.otherwise = None
        bench.sink.answers.extend([TooLarge("logstash answered 413"), slow])
        bench.sink.begun.clear()
        await bench.clock.advance(1.0)
        assert bench.forwarder.error is None
        assert bench.spans[:3] == [(2, 11), (2, 6), (102, 111)]
        slow.set()
        await bench.clock.advance(1.0)
        assert bench.has_all


# What goes first


async def test_an_outage_that_ends_during_a_read_leaves_the_newest_first() -> None:
    """What was read before does not move the fresh ones back to where it ends."""
    read_on = asyncio.Event()

    class Journal(FakeJournal):
        async def read(self, sink: str, first_seq: int, last_seq: int, count_max: int):  # type: ignore[no-untyped-def]  # noqa: ANN202
            batch = await super().read(sink, first_seq, last_seq, count_max)
            if first_seq == 11:
                await read_on.wait()
            return batch

    bench = Bench()
    bench.forwarder._journal = bench.journal = Journal()
    bench.sink.answers.append(DOWN)
    async with running(bench):
        await bench.write(20)
        await bench.write(100)
        await bench.clock.advance(4.0)
        assert bench.forwarder.error is None
        read_on.set()
        await bench.clock.advance(1.0)
        assert bench.spans[1:4] == [(1, 10), (11, 20), (111, 120)]
        assert bench.has_all


async def test_at_a_start_the_newest_entries_go_first() -> None:
    """What an earlier run has left fills in behind the newest batch, ascending, a little at first."""
    bench = Bench(in_flight_max=1)
    bench.journal.write(40)
    async with running(bench):
        assert bench.spans == [(31, 40), (1, 1), (2, 4), (5, 9), (10, 16), (17, 25), (26, 30)]
    assert bench.has == Ranges([(1, 40)])


async def test_after_an_outage_the_newest_entries_go_first() -> None:
    """Behind the batch that found the sink again, the newest ones go, and then the backlog."""
    bench = Bench(in_flight_max=1)
    async with running(bench):
        await bench.write(5)
        await bench.outage(100)
        await bench.clock.advance(4.0)
        assert bench.spans[:4] == [(6, 15), (96, 105), (16, 16), (17, 19)]
        assert bench.has_all


async def test_what_is_written_while_a_backlog_drains_goes_before_the_rest_of_it() -> None:
    """A new entry takes the next place that is free."""
    bench = Bench(in_flight_max=1, linger_s=1.0)
    bench.journal.write(1000)
    bench.sink.took_s = 0.4
    async with running(bench):
        await bench.clock.advance(4.1)
        await bench.write(1)
        assert not bench.has.covers(1001, 1001)
        await bench.clock.advance(2.0)
        assert bench.has.covers(1001, 1001)
        assert bench.forwarder.lag > 800


async def test_nothing_is_read_while_the_sink_is_down() -> None:
    """The bytes of what cannot be sent now are not frozen, and the places are free for the newest when it is back."""
    bench = Bench(in_flight_max=4)
    async with running(bench):
        await bench.write(1)
        bench.sink.otherwise = DOWN
        await bench.write(1)
        await bench.clock.advance(1.0)
        before = len(bench.journal.reads)
        await bench.write(500)
        await bench.clock.advance(100.0)
        assert len(bench.journal.reads) == before


async def test_the_newest_gap_is_filled_first_and_ascending() -> None:
    """The small gap that the last flap left closes before the long one of last month."""
    bench = Bench(in_flight_max=1)
    bench.journal.write(100)
    for first, last in [(1, 10), (40, 70), (75, 90)]:
        bench.journal.acknowledge("fake", first, last)
    async with running(bench):
        assert bench.spans[:7] == [(91, 100), (71, 71), (72, 74), (11, 15), (16, 22), (23, 31), (32, 39)]
        assert bench.has_all


async def test_a_backlog_is_counted() -> None:
    """Lag is everything, backlog what lies before the fresh ones, also while the sink is down."""
    bench = Bench(in_flight_max=1)
    async with running(bench):
        await bench.write(5)
        assert bench.forwarder.backlog_count == 0
        await bench.outage(100)
        assert bench.forwarder.lag == 100
        assert bench.forwarder.backlog_count == 90
        slow = [asyncio.Event() for _ in range(3)]
        bench.sink.answers.extend([None, *slow])
        await bench.clock.advance(4.0)
        assert bench.spans[1:] == [(96, 105)]
        assert bench.forwarder.backlog_count == 80
        await bench.write(3)
        assert bench.forwarder.lag == 93
        assert bench.forwarder.backlog_count == 80
        slow[0].set()
        await settle()
        assert bench.forwarder.backlog_count == 80
        for event in slow[1:]:
            event.set()
        await settle()
        assert bench.forwarder.backlog_count == 0


async def test_the_backlog_goes_while_fresh_documents_linger() -> None:
    """A place is not left empty because something fresh waits for company."""
    bench = Bench(linger_s=1.0)
    async with running(bench):
        await bench.write(50)
        bench.journal.requeue(1, 40)
        bench.journal.write(1)
        await settle()
        assert bench.has == Ranges([(1, 50)])
        await bench.clock.advance(1.0)
        assert bench.has == Ranges([(1, 51)])


# Islands


@pytest.mark.parametrize("in_flight_max", [1, 2, 8])
async def test_what_a_sink_has_never_consists_of_too_many_ranges(in_flight_max: int) -> None:
    """With hundreds of gaps, the lowest is closed first until there are fewer; then the newest again."""
    bench = Bench(batch_size_max=2, in_flight_max=in_flight_max)
    bench.journal.write(20_000)
    for seq in range(10_000, 10_000 + 2 * (RANGES_MAX - 1), 2):
        bench.journal.acknowledge("fake", seq, seq)
    lengths = []
    bench.sink.took_s = 0.1
    async with running(bench):
        for _ in range(2000):
            await bench.clock.advance(0.1)
            lengths.append(len(bench.has))
        assert bench.spans[0] == (1, 1)
        await bench.clock.advance(2000.0)
    assert max(lengths) <= RANGES_MAX
    assert bench.has_all


async def test_with_too_many_ranges_the_newest_one_still_grows() -> None:
    """What follows upon the newest range makes no island, so live documents go on."""
    bench = Bench(in_flight_max=1)
    bench.journal.write(1000)
    for seq in range(400, 1001, 2):
        bench.journal.acknowledge("fake", seq, seq)
    bench.sink.took_s = 0.5
    async with running(bench):
        await bench.clock.advance(0.5)
        await bench.write(3)
        await bench.clock.advance(3.0)
        assert bench.has.covers(1000, 1003)
        assert not bench.has.covers(1, 399)
        assert max(len(seqs) for seqs in bench.sink.begun) > 1


async def test_with_too_many_ranges_what_is_held_back_is_passed_over() -> None:
    """The lowest gap that can be filled is, nothing makes an island, and all is well after the return."""
    bench = Bench(in_flight_max=1)
    bench.journal.write(1100)
    for seq in range(400, 1001, 2):
        bench.journal.acknowledge("fake", seq, seq)
    bench.journal.hold(1, 3)
    bench.journal.hold(503, 503)
    bench.journal.hold(1001, 1001)
    bench.sink.took_s = 0.1
    count = len(bench.has)
    async with running(bench):
        for _ in range(600):
            await bench.clock.advance(0.1)
            assert len(bench.has) <= count
            count = max(len(bench.has), RANGES_MAX)
        assert bench.has.covers(504, 1000)
        bench.journal.release()
        await bench.clock.advance(60.0)
        assert bench.has_all


def test_an_island_needs_room_for_the_batches_under_way_too() -> None:
    """Each batch under way may part a range in two, so that many fewer ranges are the most."""
    picker = Picker(batch_size_max=10, in_flight_max=2)
    picker.begin(10_000)
    islands = [(seq, seq) for seq in range(100, 10_000, 3)]
    assert picker.backlog(Ranges(islands[: RANGES_MAX - 4])) == (100 + 3 * (RANGES_MAX - 5) + 1, 9990)
    assert picker.backlog(Ranges(islands[: RANGES_MAX - 3])) == (1, 99)
    assert picker.backlog(Ranges([(1, 50), *islands[: RANGES_MAX - 3]])) == (51, 99)
    assert picker.fresh(Ranges(islands[: RANGES_MAX - 3]), 10_000) is None


# What is held back, gone, or comes again


async def test_what_is_held_back_is_passed_over_and_sent_when_it_returns() -> None:
    """Entries whose time is not known yet do not hold up those whose source gave it."""
    bench = Bench()
    async with running(bench):
        await bench.write(3)
        await bench.write(4, held=True)
        await bench.write(2)
        await bench.clock.advance(2.0)
        assert bench.has == Ranges([(1, 3), (8, 9)])
        assert bench.forwarder.lag == 4
        before = len(bench.journal.reads)
        await bench.clock.advance(600.0)
        assert len(bench.journal.reads) == before
        bench.journal.release()
        await settle()
        assert bench.has == Ranges([(1, 9)])


async def test_entries_held_back_in_a_backlog_do_not_hold_up_the_rest_of_it() -> None:
    """The gap is filled around them, and another gap is gone on with."""
    bench = Bench(in_flight_max=1)
    bench.journal.write(60)
    bench.journal.acknowledge("fake", 21, 30)
    bench.journal.hold(1, 5)
    bench.journal.hold(31, 50)
    async with running(bench):
        assert bench.has == Ranges([(6, 30), (51, 60)])
        bench.journal.release()
        await bench.clock.advance(1.0)
        assert bench.has == Ranges([(1, 60)])


async def test_what_returns_while_it_is_read_is_not_forgotten() -> None:
    """A return between the answer of the journal and its arrival counts."""

    class Journal(FakeJournal):
        async def read(self, sink: str, first_seq: int, last_seq: int, count_max: int):  # type: ignore[no-untyped-def]  # noqa: ANN202
            batch = await super().read(sink, first_seq, last_seq, count_max)
            self.release()
            for _ in range(5):
                await asyncio.sleep(0)
            return batch

    bench = Bench()
    bench.forwarder._journal = bench.journal = Journal()
    async with running(bench):
        await bench.write(5, held=True)
        await bench.clock.advance(1.0)
        assert bench.has == Ranges([(1, 5)])
        await bench.write(5, held=True)
        await bench.write(5)
        await bench.clock.advance(1.0)
        assert bench.has == Ranges([(1, 15)])


async def test_a_span_of_which_nothing_is_left_is_acknowledged_without_an_attempt() -> None:
    """What was dropped or thinned away is settled at once, and costs the far end nothing."""
    bench = Bench(in_flight_max=1)
    bench.journal.write(100)
    bench.journal.lose(1, 85)
    bench.journal.lose(92, 93)
    bench.journal.acknowledge("fake", 31, 40)
    async with running(bench):
        assert bench.spans == [(91, 100), (86, 86), (87, 89), (90, 90)]
        assert bench.forwarder.attempts_count == 4
        assert bench.forwarder.delivered_count == 13
        await bench.write(1)
        bench.journal.lose(101, 101)
        await bench.clock.advance(1.0)
        assert bench.forwarder.attempts_count == 4
    assert bench.has == Ranges([(1, 101)])


async def test_requeued_entries_are_sent_again_behind_what_is_live() -> None:
    """Nothing else is remembered about what is delivered; however new they are, they are backlog."""
    bench = Bench(in_flight_max=1)
    async with running(bench):
        await bench.write(60)
        bench.sink.begun.clear()
        bench.journal.write(10)
        bench.journal.requeue(41, 60)
        await bench.clock.advance(2.0)
        assert bench.spans == [(61, 70), (41, 41), (42, 44), (45, 49), (50, 56), (57, 60)]
    assert bench.has == Ranges([(1, 70)])


async def test_a_requeue_while_a_batch_is_under_way_sends_what_was_acknowledged_of_it_again() -> None:
    """The half that was delivered and is wanted again goes again; the other half is under way."""
    bench = Bench(in_flight_max=1)
    bench.sink.size_max, bench.sink.too_large = 5, TooLarge("logstash answered 413")
    second = asyncio.Event()
    bench.sink.answers.extend([None, None, second])
    async with running(bench):
        await bench.write(10)
        assert bench.has == Ranges([(1, 5)])
        bench.journal.requeue(1, 10)
        second.set()
        await bench.clock.advance(5.0)
        assert bench.has == Ranges([(1, 10)])
    assert sorted(seqs_of(bench.sink.delivered)) == sorted([1, 2, 3, 4, 5, *range(1, 11)])


async def test_halves_are_acknowledged_as_soon_as_they_are_delivered() -> None:
    """A power cut while the rest is refused does not make what was taken go again."""
    bench = Bench(in_flight_max=1)
    bench.sink.size_max, bench.sink.too_large = 5, TooLarge("logstash answered 413")
    second = asyncio.Event()
    bench.sink.answers.extend([None, None, second])
    async with running(bench):
        await bench.write(10)
        assert bench.spans == [(1, 10), (1, 5), (6, 10)]
        assert bench.has == Ranges([(1, 5)])
        second.set()
        await settle()
        assert bench.has == Ranges([(1, 10)])


# At what pace


async def test_a_far_end_that_answers_quickly_gets_a_backlog_in_full_batches_without_a_pause() -> None:
    """After a few answers every place holds a full batch, and nothing waits for the clock."""
    bench = Bench(batch_size_max=500)
    bench.journal.write(50_000)
    async with running(bench):
        assert bench.has == Ranges([(1, 50_000)])
        assert bench.forwarder.pace == 1000
    assert len(bench.sink.begun) < 110
    assert [len(seqs) for seqs in bench.sink.begun[-20:-1]] == [500] * 19


async def test_what_is_fresh_takes_nothing_from_the_pace_of_the_backlog() -> None:
    """While a full batch of fresh documents waits for its answer, the backlog goes on as it may."""
    bench = Bench(batch_size_max=160)
    bench.journal.write(2000)
    async with running(bench):
        assert bench.forwarder.pace == 320
        slow = asyncio.Event()
        bench.sink.answers.append(slow)
        bench.sink.begun.clear()
        await bench.write(160)
        bench.journal.requeue(1, 640)
        await settle()
        assert [len(seqs) for seqs in bench.sink.begun] == [160] * 5
        assert bench.has == Ranges([(1, 2000)])
        slow.set()


async def test_slow_answers_shrink_the_share_of_the_backlog() -> None:
    """A far end that takes three seconds for what took a tenth gets ever smaller batches, one at a time."""
    bench = Bench(batch_size_max=160)
    bench.journal.write(100_000)
    bench.sink.took_s = 0.1
    async with running(bench):
        await bench.clock.advance(2.0)
        assert bench.forwarder.pace == 320
        assert [len(seqs) for seqs in bench.sink.under_way] == [160, 160]
        bench.sink.took_s = 3.0
        await bench.clock.advance(3.2)
        assert len(bench.sink.under_way) == 1
        await bench.clock.advance(15.0)
        assert bench.forwarder.pace == 10
        assert [len(seqs) for seqs in bench.sink.under_way] == [10]
        bench.sink.took_s = 0.1
        await bench.clock.advance(6.0)
        assert bench.forwarder.pace == 320


async def test_while_answers_are_slow_what_is_fresh_finds_a_place() -> None:
    """With a backlog under way that takes twenty seconds an answer, a new entry is sent at once."""
    bench = Bench(batch_size_max=160, linger_s=0.5)
    bench.journal.write(100_000)
    bench.sink.took_s = 0.1
    async with running(bench):
        await bench.clock.advance(2.0)
        bench.sink.took_s = 20.0
        await bench.clock.advance(25.0)
        for _ in range(10):
            await bench.write(1)
            bench.sink.took_s = 0.1
            await bench.clock.advance(0.6)
            assert bench.has.covers(bench.journal.last_seq, bench.journal.last_seq)
            bench.sink.took_s = 20.0
            await bench.clock.advance(9.4)


async def test_with_one_place_backlog_and_fresh_documents_take_turns() -> None:
    """After a slow answer the backlog pauses for as long as that took, so that something fresh can go."""
    bench = Bench(batch_size_max=16, linger_s=0.5, in_flight_max=1)
    bench.journal.write(10_000)
    bench.sink.took_s = 2.0
    async with running(bench):
        await bench.clock.advance(3.9)
        assert bench.spans == [(9985, 10_000), (1, 1)]
        await bench.clock.advance(0.2)
        await bench.write(1)
        await bench.clock.advance(0.6)
        assert bench.spans[2:] == [(10_001, 10_001)]
        await bench.clock.advance(2.0)
        assert bench.spans[3:] == [(2, 6)]


async def test_a_pause_of_the_backlog_ends_by_itself_and_has_a_limit() -> None:
    """Where answers take a minute, the backlog goes on five seconds after each."""
    bench = Bench(batch_size_max=16, in_flight_max=1)
    bench.journal.write(10_000)
    bench.sink.took_s = 60.0
    async with running(bench):
        await bench.clock.advance(120.0)
        assert len(bench.spans) == 2
        await bench.clock.advance(4.9)
        assert len(bench.spans) == 2
        await bench.clock.advance(0.1)
        assert len(bench.spans) == 3


async def test_a_far_end_that_asks_for_a_delay_slows_the_backlog() -> None:
    """After a 429 nothing goes before its time, and then the backlog begins with little again."""
    bench = Bench(batch_size_max=160)
    bench.journal.write(100_000)
    bench.sink.took_s = 0.1
    async with running(bench):
        await bench.clock.advance(2.0)
        assert bench.forwarder.pace == 320
        bench.sink.answers.append(Unreachable("logstash answered 429", retry_after_s=20.0))
        await bench.clock.advance(0.2)
        assert bench.forwarder.pace == 160
        begun = len(bench.sink.begun)
        await bench.clock.advance(23.0)
        assert len(bench.sink.begun) == begun
        await bench.clock.advance(1.2)
        assert bench.sink.begun[begun] in bench.sink.begun[:begun]
        assert [len(seqs) for seqs in bench.sink.begun[begun : begun + 3]] == [160, 10, 50]


async def test_an_answer_to_an_earlier_attempt_does_not_end_an_outage() -> None:
    """That one batch is taken says nothing of a far end that has asked for a delay since it began."""
    bench = Bench()
    earlier = asyncio.Event()
    bench.sink.answers.extend([earlier, Unreachable("logstash answered 429", retry_after_s=20.0)])
    async with running(bench):
        await bench.write(40)
        assert bench.spans == [(1, 10), (11, 20)]
        earlier.set()
        await settle()
        assert bench.has == Ranges([(1, 10)])
        assert bench.forwarder.error is not None
        await bench.clock.advance(23.9)
        assert len(bench.spans) == 2
        await bench.clock.advance(0.1)
        assert bench.forwarder.error is None
        assert bench.has_all


@pytest.mark.parametrize("in_flight_max", [1, 2, 4])
def test_a_dead_sink_costs_one_attempt_a_delay(in_flight_max: int) -> None:
    """Beside the attempts under way when it died, a dead sink sees one attempt at the end of each delay."""

    async def attempts(seed: int) -> int:
        def delays() -> Iterator[float]:
            return full_jitter(2.0, 30.0, uniform=random.Random(seed).uniform)

        bench = Bench(in_flight_max=in_flight_max, delays=delays)
        bench.sink.otherwise = DOWN
        async with running(bench):
            for _ in range(150):
                bench.journal.write(1)
                await bench.clock.advance(1.0)
        ends_s = itertools.takewhile(lambda end_s: end_s <= 150.0, itertools.accumulate(delays()))
        assert len(bench.sink.begun) == 1 + len(list(ends_s))
        return len(bench.sink.begun)

    for seed in range(50):
        asyncio.run(attempts(seed))


# The stop, and a new start


async def test_what_is_held_back_does_not_hold_up_the_stop() -> None:
    """What cannot be sent now is kept; the rest is delivered, and the stop goes on."""
    bench = Bench(linger_s=60.0)
    async with running(bench):
        await bench.write(5)
        await bench.write(5, held=True)
        await bench.write(5)
        await asyncio.wait_for(bench.forwarder.finish(), 1.0)
        assert bench.has == Ranges([(1, 5), (11, 15)])


async def test_where_all_is_held_back_the_stop_goes_on() -> None:
    """Nothing is under way, and nothing comes."""
    bench = Bench(linger_s=60.0)
    async with running(bench):
        await bench.write(5)
        await bench.write(5, held=True)
        await asyncio.wait_for(bench.forwarder.finish(), 1.0)
        assert bench.has == Ranges([(1, 5)])


async def test_the_stop_waits_for_what_is_under_way_though_the_rest_is_held_back() -> None:
    """Held entries end the wait only when nothing else is under way."""
    bench = Bench()
    slow = asyncio.Event()
    bench.sink.answers.append(slow)
    async with running(bench):
        await bench.write(5)
        await bench.write(5, held=True)
        finishing = asyncio.create_task(bench.forwarder.finish())
        await settle()
        assert not finishing.done()
        slow.set()
        await asyncio.wait_for(finishing, 1.0)
        assert bench.has == Ranges([(1, 5)])


async def test_a_journal_that_cannot_be_read_does_not_hold_up_the_stop() -> None:
    """It is asked once more, and then the stop goes on."""
    bench = Bench()
    bench.journal.write(5)
    bench.journal.damaged = JournalDamaged("the file is no journal")
    async with running(bench):
        await asyncio.wait_for(bench.forwarder.finish(), 1.0)
        assert len(bench.journal.reads) == 2


async def test_the_stop_waits_for_what_is_under_way_though_the_journal_cannot_be_read() -> None:
    """A batch that was read before is not cut off."""
    bench = Bench()
    slow = asyncio.Event()
    bench.sink.answers.append(slow)
    async with running(bench):
        await bench.write(5)
        bench.journal.damaged = JournalDamaged("the file is no journal")
        await bench.write(5)
        finishing = asyncio.create_task(bench.forwarder.finish())
        await settle()
        assert bench.forwarder.journal_error is not None
        assert not finishing.done()
        slow.set()
        await asyncio.wait_for(finishing, 1.0)
        assert bench.has == Ranges([(1, 5)])


async def test_a_journal_that_can_be_read_again_is_waited_for_at_the_stop() -> None:
    """That it could not be read in a hurry before counts no more."""
    bench = Bench(linger_s=60.0)
    bench.journal.write(5)
    bench.journal.damaged = JournalDamaged("the file is no journal")
    async with running(bench):
        bench.forwarder.hurry()
        await settle()
        bench.journal.damaged = None
        await bench.clock.advance(4.0)
        assert bench.has == Ranges([(1, 5)])
        bench.journal.write(5)
        await asyncio.wait_for(bench.forwarder.finish(), 1.0)
        assert bench.has == Ranges([(1, 10)])


async def test_at_the_stop_a_backlog_does_not_pause() -> None:
    """With one place and slow answers, the batches follow each other."""
    bench = Bench(batch_size_max=16, in_flight_max=1)
    bench.journal.write(10_000)
    bench.sink.took_s = 2.0
    async with running(bench):
        await bench.clock.advance(4.5)
        assert len(bench.sink.under_way) == 0
        bench.forwarder.hurry()
        await settle()
        assert len(bench.sink.under_way) == 1
        await bench.clock.advance(2.0)
        assert len(bench.sink.under_way) == 1


async def test_a_loop_that_is_started_anew_in_an_outage_goes_on() -> None:
    """When the supervisor starts it again, the sink is asked at the end of a delay, and everything arrives."""
    bench = Bench()
    bench.sink.otherwise = DOWN
    async with running(bench):
        await bench.write(50)
        await bench.clock.advance(20.0)
    bench.sink.begun.clear()
    async with running(bench):
        assert bench.sink.begun == []
        await bench.clock.advance(4.0)
        assert bench.spans == [(41, 50)]
        bench.sink.otherwise = None
        await bench.clock.advance(20.0)
        assert bench.has_all


async def test_what_returned_while_the_loop_was_down_is_sent() -> None:
    """A loop that is started anew asks again for what was held back."""
    bench = Bench()
    async with running(bench):
        await bench.write(5, held=True)
        await bench.write(1)
        await bench.clock.advance(1.0)
        assert bench.has == Ranges([(6, 6)])
    bench.journal.release()
    async with running(bench):
        await settle()
        assert bench.has == Ranges([(1, 6)])


async def test_what_returns_at_the_very_start_is_sent() -> None:
    """A return is noticed from before the first read."""

    class Journal(FakeJournal):
        async def read(self, sink: str, first_seq: int, last_seq: int, count_max: int):  # type: ignore[no-untyped-def]  # noqa: ANN202
            reading = super().read(sink, first_seq, last_seq, count_max)
            return await reading if not self.held else reading.close()

    bench = Bench()
    bench.forwarder._journal = bench.journal = Journal()
    bench.journal.write(5, held=True)
    task = asyncio.create_task(bench.forwarder.run())
    asyncio.get_running_loop().call_soon(bench.journal.release)
    await settle()
    assert bench.has == Ranges([(1, 5)])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_damage_in_one_span_does_not_settle_what_lies_behind_it() -> None:
    """However far the damage is said to go, only the span that was asked for is given up, and the rest is asked for."""
    bench = Bench(in_flight_max=1)
    bench.journal.write(30)
    bench.journal.acknowledge("fake", 11, 15)
    bench.journal.damaged = JournalDamaged("entries 6 to 17 cannot be unpacked", last_seq=17)
    async with running(bench):
        assert bench.has == Ranges([(1, 30)])
    assert sorted(seqs_of(bench.sink.delivered)) == list(range(18, 31))
    assert bench.forwarder.unreadable_count == 12


# A model of the promise

ACTIONS = st.one_of(
    st.tuples(st.just("write"), st.integers(1, 40)),
    st.tuples(st.just("write_held"), st.integers(1, 15)),
    st.tuples(st.just("advance"), st.integers(1, 60)),
    st.tuples(st.just("answer"), st.sampled_from(["ok", "down", "later", "unwelcome", "slow"])),
    st.tuples(st.just("size_max"), st.integers(1, 20)),
    st.tuples(st.sampled_from(["outage", "come_back", "release", "answer_slow", "settle"]), st.just(0)),
    st.tuples(st.sampled_from(["requeue", "lose", "hold"]), st.tuples(st.integers(1, 200), st.integers(0, 30))),
    st.tuples(st.just("took"), st.sampled_from([0.0, 0.3, 2.5])),
    st.tuples(st.just("start_anew"), st.just(0)),
)


@settings(max_examples=150)
@given(
    actions=st.lists(ACTIONS, max_size=40),
    culprits=st.sets(st.integers(1, 50), max_size=3),
    in_flight_max=st.integers(1, 3),
    batch_size_max=st.integers(1, 20),
)
def test_whatever_happens_each_document_is_delivered_or_quarantined(
    actions: list[tuple[str, object]], culprits: set[int], in_flight_max: int, batch_size_max: int
) -> None:
    """Model of the promise: at least once, only culprits in quarantine, and in the end the sink has everything."""
    asyncio.run(Model(culprits, in_flight_max=in_flight_max, batch_size_max=batch_size_max).go_through(actions))


@pytest.mark.parametrize("seed", range(10))
def test_whatever_happens_for_long_each_document_is_delivered_or_quarantined(seed: int) -> None:
    """The same with hundreds of actions in a row."""
    dice = random.Random(seed)
    actions: list[tuple[str, object]] = []
    for _ in range(400):
        span = (dice.randint(1, 4000), dice.randint(0, 30))
        actions.append(
            dice.choice(
                [
                    ("write", dice.randint(1, 40)),
                    ("write_held", dice.randint(1, 15)),
                    *[("advance", dice.randint(1, 30))] * 3,
                    ("answer", dice.choice(["ok", "down", "later", "unwelcome", "slow"])),
                    ("size_max", dice.randint(1, 20)),
                    (dice.choice(["outage", "come_back", "come_back", "release", "answer_slow"]), 0),
                    (dice.choice(["requeue", "lose", "hold"]), span),
                    ("took", dice.choice([0.0, 0.3, 2.5])),
                    ("start_anew", 0),
                ]
            )
        )
    asyncio.run(Model(set(range(7, 4000, 97)), in_flight_max=2, batch_size_max=10).go_through(actions))


class Model:
    """Do to a station what a list says, and look whether the promise was kept."""

    def __init__(self, culprits: set[int], *, in_flight_max: int, batch_size_max: int) -> None:
        self.bench = Bench(in_flight_max=in_flight_max, batch_size_max=batch_size_max)
        self.slow: list[asyncio.Event] = []
        self.lost: set[int] = set()
        self.bench.sink.too_large = TooLarge("logstash answered 413")
        for seq in culprits:
            self.bench.sink.refused[b'{"sequence":%d}' % seq] = Refused("logstash answered 400")

    async def go_through(self, actions: Sequence[tuple[str, object]]) -> None:
        bench = self.bench
        running_now = running(bench)
        await running_now.__aenter__()
        for name, value in actions:
            if name == "start_anew":
                await running_now.__aexit__(None, None, None)
                running_now = running(bench)
                await running_now.__aenter__()
            else:
                await getattr(self, name)(value)
            self.check()
        bench.sink.otherwise, bench.sink.took_s = None, 0.0
        bench.sink.answers.clear()
        await self.answer_slow(0)
        await self.release(0)
        await bench.clock.advance(5000.0)
        await running_now.__aexit__(None, None, None)
        assert bench.has_all
        assert bench.forwarder.backlog_count == bench.forwarder.lag == 0
        wanted = set(range(1, bench.journal.last_seq + 1)) - self.lost
        refused = set(seqs_of(list(bench.sink.refused)))
        assert set(bench.journal.quarantined) <= refused
        assert wanted <= set(seqs_of(bench.sink.delivered)) | set(bench.journal.quarantined)

    def check(self) -> None:
        """Look at what holds at any moment."""
        bench = self.bench
        under_way = [seq for seqs in bench.sink.under_way for seq in seqs]
        assert len(under_way) == len(set(under_way)), "a document is under way twice"
        assert len(bench.sink.under_way) <= bench.forwarder._in_flight_max
        assert 0 <= bench.forwarder.backlog_count <= bench.forwarder.lag
        assert len(bench.has) <= RANGES_MAX

    async def write(self, count: int) -> None:
        self.bench.journal.write(count)

    async def write_held(self, count: int) -> None:
        self.bench.journal.write(count, held=True)

    async def advance(self, duration_s: float) -> None:
        await self.bench.clock.advance(duration_s)

    async def settle(self, _: int) -> None:
        await settle()

    async def answer(self, name: str) -> None:
        """Let the next attempt meet one answer."""
        if name == "slow":
            self.slow.append(asyncio.Event())
            self.bench.sink.answers.append(self.slow[-1])
        else:
            self.bench.sink.answers.append(
                {
                    "ok": None,
                    "down": DOWN,
                    "later": Unreachable("logstash answered 429", retry_after_s=7.0),
                    "unwelcome": Unwelcome("logstash answered 401"),
                }[name]
            )

    async def answer_slow(self, _: int) -> None:
        for event in self.slow:
            event.set()
        self.slow.clear()

    async def outage(self, _: int) -> None:
        self.bench.sink.otherwise = DOWN

    async def come_back(self, _: int) -> None:
        self.bench.sink.otherwise = None

    async def release(self, _: int) -> None:
        self.bench.journal.release()

    async def size_max(self, size_max: int) -> None:
        self.bench.sink.size_max = size_max

    async def took(self, took_s: float) -> None:
        self.bench.sink.took_s = took_s

    async def requeue(self, span: Range) -> None:
        if (cut := self._cut(span)) is not None:
            self.bench.journal.requeue(*cut)

    async def hold(self, span: Range) -> None:
        if (cut := self._cut(span)) is not None:
            self.bench.journal.hold(*cut)

    async def lose(self, span: Range) -> None:
        if (cut := self._cut(span)) is not None:
            self.bench.journal.lose(*cut)
            self.lost.update(range(cut[0], cut[1] + 1))

    def _cut(self, span: Range) -> Range | None:
        """Return what a first and a length mean in the journal as it is."""
        first, length = span
        last = min(first + length, self.bench.journal.last_seq)
        return (first, last) if first <= last else None
