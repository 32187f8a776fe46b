import asyncio
import random
import threading

import pytest

from tests.journal.conftest import Desk
from weatherd.errors import JournalDamaged
from weatherd.journal import reading
from weatherd.model import Batch


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
    """The caller is gone, the entries are kept, and whoever waits for them learns of it."""
    journal = await desk.open()
    waiting = asyncio.create_task(journal.wait_beyond(0))
    append = asyncio.create_task(journal.append(desk.entries(3)))
    await asyncio.sleep(0)
    append.cancel()
    with pytest.raises(asyncio.CancelledError):
        await append
    await asyncio.wait_for(waiting, 5.0)
    assert journal.last_seq == 3


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


async def test_an_append_writes_no_positions_that_have_not_moved(desk: Desk) -> None:
    """While a sink is down its position is no further page to write with each append."""
    journal = await desk.open()
    connection = journal._store._connection
    await journal.append(desk.entries(3))
    await journal.acknowledge("logstash", 2)
    before = connection.total_changes
    for changes in (2, 1, 1):
        await journal.append(desk.entries(3))
        assert connection.total_changes - before == changes
        before = connection.total_changes


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
    batch = await journal.read(0, 100)
    messages = [document.rpartition(b":")[2] for document in batch.documents]
    assert messages == [message for message in messages[::3] for _ in range(3)]
    assert len(set(messages)) == 20


@pytest.mark.parametrize(("sink", "seq"), [("elsewhere", 1), ("logstash", 2)])
async def test_acknowledging_what_cannot_be_is_a_programmers_error(desk: Desk, sink: str, seq: int) -> None:
    """Only a configured sink acknowledges, and only seqs that were given."""
    journal = await desk.open()
    await journal.append(desk.entries())
    with pytest.raises(ValueError, match=sink):
        await journal.acknowledge(sink, seq)


async def test_reading_nothing_is_a_programmers_error(desk: Desk) -> None:
    """A batch has at least one document."""
    journal = await desk.open()
    with pytest.raises(ValueError, match="count_max"):
        await journal.read(0, 0)


async def test_a_former_sink_holds_nothing_back_and_keeps_its_place(desk: Desk) -> None:
    """A sink taken out of the configuration does not stop pruning; back in it, it goes on where it was."""
    journal = await desk.open(sinks=("logstash", "mqtt"), retention_s=0.0)
    for _ in range(4):
        await journal.append(desk.entries(10))
    await journal.acknowledge("mqtt", 15)
    await journal.close()
    desk.clock.ms += 1000
    journal = await desk.open(sinks=("logstash",), retention_s=0.0)
    await journal.acknowledge("logstash", 10)
    assert await journal.prune() == 10
    await journal.close()
    journal = await desk.open(sinks=("logstash", "mqtt", "new"))
    assert [journal.position(sink) for sink in ("logstash", "mqtt", "new")] == [10, 15, 10]
    assert [journal.lag(sink) for sink in ("logstash", "mqtt", "new")] == [30, 25, 30]


async def test_a_batch_has_a_bounded_size(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch ends before it would exceed the limit of bytes; a document beyond it comes alone."""
    monkeypatch.setattr(reading, "READ_SIZE_MAX", 5000)
    journal = await desk.open()
    for size in (500, 500, 500, 4000, 100):
        await journal.append(desk.noise(0, size))
    batches = []
    while (batch := await journal.read(sum(batches), 100)) is not None:
        batches.append(len(batch.documents))
    assert batches == [3, 1, 1]


async def test_each_row_is_unpacked_once_by_readers_at_four_places(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers far apart that take small bites do not make the journal unpack a row again and again."""
    journal = await desk.open()
    for _ in range(8):
        await journal.append(desk.entries(100))
    unpacked = []
    unpack = reading.unpack
    monkeypatch.setattr(reading, "unpack", lambda row: unpacked.append(row.first_seq) or unpack(row))
    for offset in range(0, 196, 7):
        for start in (0, 200, 400, 600):
            await journal.read(start + offset, 7)
    assert sorted(unpacked) == [1, 101, 201, 301, 401, 501, 601, 701]
    assert len(journal._store._reader._unpacked) <= 4


async def test_what_was_dropped_is_not_read_from_memory(desk: Desk) -> None:
    """A row that a reader stopped in does not outlive its deletion."""
    journal = await desk.open(retention_s=0.0)
    await journal.append(desk.entries(100))
    await journal.append(desk.entries(100))
    await journal.read(0, 10)
    await journal.acknowledge("logstash", 100)
    desk.clock.ms += 1000
    await journal.prune()
    assert await journal.read(10, 10) == Batch(101, desk.documents(101, 110))


async def test_a_damaged_row_is_told_and_the_rest_can_be_read(desk: Desk) -> None:
    """Reading up to the damage and beyond it works; the damage itself has a name."""
    journal = await desk.open()
    for _ in range(3):
        await journal.append(desk.entries(5))
    await journal.close()
    desk.sql("UPDATE entries SET body = x'00112233' WHERE first_seq = 6")
    await journal.open()
    assert await journal.read(0, 5) == Batch(1, desk.documents(1, 5))
    with pytest.raises(JournalDamaged, match="entries 6 to 10"):
        await journal.read(5, 5)
    assert await journal.read(10, 5) == Batch(11, desk.documents(11, 15))


async def test_reads_at_random_places_agree_with_a_list(desk: Desk) -> None:
    """Wherever a read begins and however much it asks for, it gives that part of what was appended."""
    journal = await desk.open()
    for count in (1, 5, 1, 300, 2, 40):
        await journal.append(desk.entries(count))
    draw = random.Random(8)
    for _ in range(200):
        after_seq, count_max = draw.randrange(349), draw.randrange(1, 400)
        last_seq = min(after_seq + count_max, 349)
        assert await journal.read(after_seq, count_max) == Batch(after_seq + 1, desk.documents(after_seq + 1, last_seq))
