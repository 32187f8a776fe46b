import asyncio
import random
import threading

import pytest

from tests.journal.conftest import Desk, at_rest, flush
from weatherd.errors import JournalDamaged
from weatherd.journal import SqliteJournal, reading
from weatherd.journal.rows import Run
from weatherd.journal.sqlite import AT_ONCE_MAX
from weatherd.ranges import Ranges


async def assert_read(desk: Desk, journal: SqliteJournal, first_seq: int, last_seq: int, count_max: int) -> None:
    """A read of a span without gaps gives as much of it as was asked for, or half of that."""
    batch = await journal.read("logstash", first_seq, last_seq, count_max)
    assert batch is not None
    end_seq = batch.last_seq
    most = min(count_max, last_seq - first_seq + 1)
    assert min(-(-count_max // 2), most) <= end_seq - first_seq + 1 <= most
    assert batch.first_seq == first_seq
    assert list(batch.seqs) == list(range(first_seq, end_seq + 1))
    assert list(batch.documents) == desk.documents(first_seq, end_seq)


async def test_those_who_wait_are_woken_by_the_append_they_wait_for(desk: Desk) -> None:
    """Several wait for different seqs; each wakes when there is a higher one, and not before."""
    journal = await desk.open()
    waiting = {seq: asyncio.create_task(journal.wait_beyond(seq)) for seq in (0, 1, 4, 5)}
    await asyncio.sleep(0)
    await journal.append(desk.entries(1))
    await asyncio.wait_for(waiting[0], 5.0)
    assert [waiting[seq].done() for seq in (1, 4, 5)] == [False, False, False]
    await journal.append(desk.entries(4))
    await asyncio.wait_for(asyncio.gather(waiting[1], waiting[4]), 5.0)
    assert not waiting[5].done()
    waiting[5].cancel()
    await asyncio.wait_for(journal.wait_beyond(4), 5.0)


async def test_a_cancelled_append_is_carried_out_and_wakes(desk: Desk) -> None:
    """The caller is gone, the entries are kept by the thread, and whoever waits for them learns of it."""
    journal = await desk.open()
    waiting = asyncio.create_task(journal.wait_beyond(0))
    append = asyncio.create_task(journal.append(desk.entries(AT_ONCE_MAX + 1)))
    await asyncio.sleep(0)
    append.cancel()
    with pytest.raises(asyncio.CancelledError):
        await append
    await asyncio.wait_for(waiting, 5.0)
    assert journal.last_seq == AT_ONCE_MAX + 1


async def test_what_is_young_is_shown_while_the_card_is_waited_for(desk: Desk) -> None:
    """The panel and the broker see each observation at once, and no thread wakes up for it."""
    journal = await desk.open()
    await desk.keep_rows(journal, 3)
    await journal.append(desk.entries(2))
    resumed = threading.Event()
    held_up = asyncio.create_task(journal._run(resumed.wait, 10.0))
    await asyncio.sleep(0)
    assert await asyncio.wait_for(journal.run_at(5), 5.0) == Run(4, desk.clock.ms, None, desk.documents(4, 5))
    old = asyncio.create_task(journal.run_at(2))
    resumed.set()
    await held_up
    assert await old == Run(1, desk.clock.ms, None, desk.documents(1, 3))


async def test_a_cancelled_opening_leaves_the_file_free(desk: Desk) -> None:
    """What was half open is given back, and can be opened again."""
    journal = desk.make()
    opening = asyncio.create_task(journal.open())
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    for thread in threading.enumerate():
        if thread.name.startswith("journal"):
            thread.join(5.0)
    await journal.open()
    await journal.append(desk.entries())
    assert journal.last_seq == 1


async def test_an_acknowledgement_costs_no_commit(desk: Desk) -> None:
    """Positions go with what is written next, and are no further rows while they have not moved."""
    journal = await desk.open()
    connection = journal._store.database.connection
    await desk.keep_rows(journal, 3)
    await journal.read("logstash", 1, 2, 10)
    before = connection.total_changes
    journal.acknowledge("logstash", 1, 2)
    await at_rest(journal)
    await journal.secure()
    assert connection.total_changes == before
    changes = []
    for _ in range(3):
        await desk.keep_rows(journal, 3)
        changes.append(connection.total_changes - before)
        before = connection.total_changes
    # A row of entries and two counters; the first time also the position, and what was tried.
    assert changes == [5, 3, 3]


async def test_an_append_that_is_delivered_soon_writes_nothing_to_the_card(desk: Desk) -> None:
    """While the far end answers, neither the database nor the tail on the card changes until the history is written."""
    journal = await desk.open()
    files = sorted(desk.folder.glob("journal.db*"))
    before = [file.read_bytes() for file in files]
    for seq in range(1, 51):
        await journal.append(desk.entries())
        await journal.read("logstash", seq, seq, 10)
        journal.acknowledge("logstash", seq, seq)
        await journal.secure()
    assert [file.read_bytes() for file in files] == before
    await journal.write_history()
    assert [file.read_bytes() for file in files] != before
    assert (await journal.newest_recorded_at_ms(), journal.contents.last_seq) == (desk.clock.ms, 50)


async def test_a_journal_opens_and_closes_again_and_again(desk: Desk) -> None:
    """Nothing that one opening leaves behind gets in the way of the next."""
    journal = desk.make()
    for seq in range(1, 51):
        await journal.open()
        await journal.append(desk.entries())
        await journal.close()
        assert desk.sql("SELECT max(last_seq) FROM entries") == [(seq,)]


async def test_appending_nothing_is_nothing(desk: Desk) -> None:
    """No entries make no row, no seq and no wakening."""
    journal = await desk.open()
    await journal.append([])
    assert journal.last_seq == 0


async def test_appends_at_once_do_not_mix(desk: Desk) -> None:
    """Entries of appends that run at the same time lie together, append by append."""
    journal = await desk.open()
    await asyncio.gather(*(journal.append(desk.entries(3, str(number))) for number in range(20)))
    batch = await journal.read("logstash", 1, 60, 100)
    assert batch is not None
    messages = [document.rpartition(b":")[2] for document in batch.documents]
    assert messages == [message for message in messages[::3] for _ in range(3)]
    assert len(set(messages)) == 20


@pytest.mark.parametrize(("sink", "seq"), [("elsewhere", 1), ("logstash", 2)])
async def test_acknowledging_what_cannot_be_is_a_programmers_error(desk: Desk, sink: str, seq: int) -> None:
    """Only a configured sink acknowledges, and only seqs that were given."""
    journal = await desk.open()
    await journal.append(desk.entries())
    with pytest.raises(ValueError, match=sink):
        journal.acknowledge(sink, 1, seq)


async def test_reading_nothing_is_a_programmers_error(desk: Desk) -> None:
    """A batch has at least one document."""
    journal = await desk.open()
    with pytest.raises(ValueError, match="count_max"):
        await journal.read("logstash", 1, 1, 0)


async def test_reading_for_a_sink_that_is_not_configured_is_a_programmers_error(desk: Desk) -> None:
    """What it had been given would be held against no one."""
    journal = await desk.open()
    with pytest.raises(ValueError, match="elsewhere is none of the journal's sinks"):
        await journal.read("elsewhere", 1, 1, 1)


async def test_a_former_sink_holds_nothing_back_and_keeps_its_place(desk: Desk) -> None:
    """A sink taken out of the configuration does not stop pruning; back in it, it goes on where it was."""
    journal = await desk.open(sinks=("logstash", "mqtt"), retention_s=0.0)
    await desk.keep_rows(journal, 10, 10, 10)
    await journal.append(desk.entries(10))
    journal.acknowledge("mqtt", 1, 15)
    await journal.close()
    desk.clock.ms += 1000
    journal = await desk.open(sinks=("logstash",), retention_s=0.0)
    await journal.append(desk.entries())
    journal.acknowledge("logstash", 1, 10)
    journal.acknowledge("logstash", 41, 41)
    await journal.write_history()
    assert journal.first_seq == 11
    await journal.close()
    journal = await desk.open(sinks=("logstash", "mqtt", "new"))
    assert journal.delivered("logstash") == Ranges([(1, 10), (41, 41)])
    assert journal.delivered("mqtt") == Ranges([(1, 15)])
    assert journal.delivered("new") == Ranges([(1, 10)])
    assert [journal.lag(sink) for sink in ("logstash", "mqtt", "new")] == [30, 26, 31]


async def test_sinks_that_acknowledge_out_of_order_have_what_they_have(desk: Desk) -> None:
    """The newest may be delivered before the backlog; the gap stays a gap, over a close as well."""
    journal = await desk.open()
    await desk.keep_rows(journal, 20)
    await journal.append(desk.entries(20))
    journal.acknowledge("logstash", 31, 40)
    journal.acknowledge("logstash", 6, 10)
    journal.acknowledge("logstash", 9, 12)
    delivered = Ranges([(6, 12), (31, 40)])
    assert (journal.delivered("logstash"), journal.lag("logstash")) == (delivered, 23)
    await journal.close()
    await journal.open()
    assert (journal.delivered("logstash"), journal.lag("logstash")) == (delivered, 23)


@pytest.mark.parametrize("is_young", [True, False])
async def test_a_batch_has_a_bounded_size(desk: Desk, monkeypatch: pytest.MonkeyPatch, *, is_young: bool) -> None:
    """A batch ends before it would exceed the limit of bytes; a document beyond it comes alone."""
    monkeypatch.setattr(reading, "READ_SIZE_MAX", 5000)
    journal = await desk.open()
    for size in (500, 500, 500, 4000, 100):
        await journal.append(desk.noise(0, size))
    if not is_young:
        await flush(journal)
    batches: list[int] = []
    while sum(batches) < 5:
        batch = await journal.read("logstash", sum(batches) + 1, 5, 100)
        assert batch is not None
        batches.append(len(batch.documents))
    assert batches == [3, 1, 1]


async def test_each_row_is_unpacked_once_by_readers_at_four_places(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers far apart that take small bites do not make the journal unpack a row again and again."""
    journal = await desk.open()
    await desk.keep_rows(journal, *[100] * 8)
    unpacked = []
    opened = reading.opened
    monkeypatch.setattr(reading, "opened", lambda row: unpacked.append(row.first_seq) or opened(row))
    for offset in range(0, 196, 7):
        for start in (0, 200, 400, 600):
            await journal.read("logstash", start + offset + 1, journal.last_seq, 7)
    assert sorted(unpacked) == [1, 101, 201, 301, 401, 501, 601, 701]
    assert len(journal._store._reader._unpacked) <= 4


async def test_what_was_dropped_is_not_read_from_memory(desk: Desk) -> None:
    """A row that a reader stopped in does not outlive its deletion."""
    journal = await desk.open(retention_s=0.0)
    await desk.keep_rows(journal, 100, 100)
    await assert_read(desk, journal, 1, 200, 10)
    await journal.append(desk.entries())
    journal.acknowledge("logstash", 1, 100)
    journal.acknowledge("logstash", 201, 201)
    desk.clock.ms += 1000
    await journal.write_history()
    assert journal.first_seq == 101
    batch = await journal.read("logstash", 11, 200, 10)
    assert batch is not None
    assert (batch.first_seq, batch.last_seq, list(batch.seqs)) == (11, 110, list(range(101, 111)))
    assert list(batch.documents) == desk.documents(101, 110)
    batch = await journal.read("logstash", 11, 60, 10)
    assert batch is not None
    assert (batch.first_seq, batch.last_seq, list(batch.documents)) == (11, 60, [])


async def test_a_damaged_row_is_told_and_the_rest_can_be_read(desk: Desk) -> None:
    """Reading up to the damage and beyond it works; the damage itself has a name."""
    journal = await desk.open()
    await desk.keep_rows(journal, 5, 5, 5)
    await journal.close()
    desk.sql("UPDATE entries SET body = x'00112233' WHERE first_seq = 6")
    await journal.open()
    await assert_read(desk, journal, 1, 15, 5)
    with pytest.raises(JournalDamaged, match="entries 6 to 10"):
        await journal.read("logstash", 6, 15, 5)
    await assert_read(desk, journal, 11, 15, 5)


async def test_reads_at_random_places_agree_with_a_list(desk: Desk) -> None:
    """Wherever a read begins and however much it asks for, of rows and of what is young, it gives that part."""
    journal = await desk.open()
    await desk.keep_rows(journal, 1, 5, 1, 300, 2)
    for count in (30, 1, 9):
        await journal.append(desk.entries(count))
    draw = random.Random(8)
    for _ in range(200):
        first_seq = draw.randrange(1, 350)
        await assert_read(desk, journal, first_seq, draw.randrange(first_seq, 350), draw.randrange(1, 400))
