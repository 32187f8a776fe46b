import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import FakeClock, FakeJournal, FakeSink, recording_log, settle
from weatherd.errors import JournalDamaged, JournalUnavailable, Refused, TooLarge, Unreachable, Unwelcome
from weatherd.forwarding import Forwarder
from weatherd.happenings import Happenings
from weatherd.queueing import BoundedQueue

DOWN = Unreachable("logstash answered 503")


class Bench:
    def __init__(self, *, batch_size_max: int = 10, linger_s: float = 1.0, in_flight_max: int = 2) -> None:
        self.clock = FakeClock()
        self.journal = FakeJournal()
        self.sink = FakeSink()
        self.log, self.lines = recording_log()
        self.forwarder = Forwarder(
            self.sink,
            self.journal,
            self.clock,
            self.log,
            Happenings(BoundedQueue(1000), self.clock, self.log),
            batch_size_max=batch_size_max,
            linger_s=linger_s,
            in_flight_max=in_flight_max,
            delays=lambda: itertools.repeat(4.0),
            delays_unwelcome=lambda: itertools.repeat(30.0),
        )

    async def write(self, count: int) -> None:
        self.journal.write(count)
        await settle()

    @property
    def position(self) -> int:
        return self.journal.position("fake")


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
        assert bench.position == 1


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


async def test_a_full_batch_does_not_linger() -> None:
    """A backlog is sent in full batches, one after the other, in the journal's order."""
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


async def test_batches_are_acknowledged_in_the_journals_order() -> None:
    """A batch that is answered before the one ahead of it does not move the position past it."""
    bench = Bench()
    first = asyncio.Event()
    bench.sink.answers.append(first)
    async with running(bench):
        await bench.write(20)
        assert len(bench.sink.delivered) == 10
        assert bench.position == 0
        first.set()
        await settle()
        assert bench.position == 20


async def test_the_position_stays_put_while_the_sink_is_down() -> None:
    """Nothing is acknowledged that was not delivered, and everything is when the sink is back, once."""
    bench = Bench()
    bench.sink.otherwise = DOWN
    async with running(bench):
        await bench.write(25)
        await bench.clock.advance(60.0)
        assert bench.position == 0
        assert bench.forwarder.lag == 25
        assert bench.forwarder.error is DOWN
        bench.sink.otherwise = None
        await bench.clock.advance(8.0)
        assert bench.position == 25
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
        assert bench.position == 1


async def test_a_wrong_password_is_tried_slowly_and_told_loudly() -> None:
    """The data stays, attempts are rare, and the hint is in the log."""
    bench = Bench()
    bench.sink.otherwise = Unwelcome("logstash answered 401", "check password_file")
    async with running(bench):
        await bench.write(1)
        await bench.clock.advance(120.0)
        assert len(bench.sink.attempted) == 5
        assert bench.position == 0
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
    assert bench.position == 10


async def test_only_the_culprit_is_quarantined() -> None:
    """One refused document among ten is found, kept with the answer, and does not hold up the others."""
    bench = Bench()
    async with running(bench):
        bench.sink.refused[b'{"sequence":7}'] = Refused("logstash answered 400")
        await bench.write(10)
        assert bench.position == 10
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
        assert bench.sink.delivered == bench.journal.documents[5:]
        assert bench.position == 20
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
        assert bench.position == 1
    assert bench.forwarder.journal_error is None
    assert [line["event"] for line in bench.lines] == ["forwarding.paused", "forwarding.resumed"]


async def test_a_single_document_that_is_too_large_is_quarantined() -> None:
    """There is nothing left to halve."""
    bench = Bench()
    bench.sink.size_max, bench.sink.too_large = 0, TooLarge("logstash answered 413")
    async with running(bench):
        await bench.write(1)
        assert bench.position == 1
    assert list(bench.journal.quarantined) == [1]


async def test_a_quarantine_that_cannot_be_written_is_tried_again() -> None:
    """A document is not given up before it is kept: the position waits for the disk."""
    bench = Bench()
    bench.sink.otherwise = Refused("logstash answered 400")
    bench.journal.error = JournalUnavailable("the disk is full")
    async with running(bench):
        await bench.write(1)
        await bench.clock.advance(30.0)
        assert bench.position == 0
        bench.journal.error = None
        await bench.clock.advance(4.0)
        assert bench.position == 1
    assert list(bench.journal.quarantined) == [1]


async def test_the_last_attempt_waits_for_nothing() -> None:
    """At the stop, lingering and backing off are over: what is there is tried at once."""
    bench = Bench(linger_s=60.0)
    async with running(bench):
        await bench.write(1)
        await bench.write(5)
        assert bench.position == 1
        await asyncio.wait_for(bench.forwarder.finish(), 1.0)
        assert bench.position == 6


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
        assert bench.position == 6


async def test_the_last_attempt_ends_also_when_it_fails() -> None:
    """A sink that is still down is tried once more, and then the stop goes on."""
    bench = Bench()
    bench.sink.otherwise = DOWN
    async with running(bench):
        await bench.write(1)
        before = len(bench.sink.attempted)
        await asyncio.wait_for(bench.forwarder.finish(), 1.0)
        assert len(bench.sink.attempted) == before + 1
        assert bench.position == 0


async def test_nothing_to_send_is_finished_at_once() -> None:
    """A station that is up to date stops without a delay."""
    bench = Bench()
    async with running(bench):
        await asyncio.wait_for(bench.forwarder.finish(), 1.0)


async def test_a_start_goes_on_where_the_last_one_stopped() -> None:
    """What was acknowledged before is not sent again."""
    bench = Bench()
    bench.journal.write(10)
    await bench.journal.acknowledge("fake", 7)
    async with running(bench):
        assert bench.sink.delivered == bench.journal.documents[7:]


ANSWERS = st.lists(st.sampled_from(["ok", "down", "slow"]), max_size=30)


@settings(max_examples=50, deadline=None)
@given(
    answers=ANSWERS, writes=st.lists(st.integers(1, 25), max_size=8), culprits=st.sets(st.integers(1, 50), max_size=3)
)
def test_whatever_the_far_end_answers_each_document_is_delivered_or_quarantined(
    answers: list[str], writes: list[int], culprits: set[int]
) -> None:
    """Model of the promise: at least once, only culprits in quarantine, and the position at the end."""

    async def scenario() -> None:
        bench = Bench()
        for answer in answers:
            bench.sink.answers.append(DOWN if answer == "down" else asyncio.Event() if answer == "slow" else None)
        slow = [answer for answer in bench.sink.answers if isinstance(answer, asyncio.Event)]
        for number in culprits:
            bench.sink.refused[b'{"sequence":%d}' % number] = Refused("logstash answered 400")
        async with running(bench):
            for count in writes:
                await bench.write(count)
                await bench.clock.advance(1.0)
            for event in slow:
                event.set()
            await bench.clock.advance(1000.0)
        wanted = set(bench.journal.documents)
        refused = {document for document in wanted if document in bench.sink.refused}
        assert bench.position == bench.journal.last_seq
        assert {bench.journal.documents[seq - 1] for seq in bench.journal.quarantined} == refused
        assert wanted - refused <= set(bench.sink.delivered)

    asyncio.run(scenario())
