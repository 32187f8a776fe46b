"""The journal's numbered invariants, one after the other; the package's docstring states them."""

import asyncio
import threading

import pytest

from tests.journal.conftest import Desk
from weatherd.errors import JournalFull, JournalUnavailable
from weatherd.model import Batch, Event


async def test_j1_an_append_is_kept_whole_and_stays(desk: Desk) -> None:
    """What was appended is there after a crash, rows of one append together."""
    journal = await desk.open()
    await journal.append(desk.entries(2500))
    survivor = await desk.open(desk.crashed())
    assert survivor.last_seq == 2500
    assert await desk.seqs(survivor) == list(range(1, 2501))


async def test_j1_an_append_is_kept_not_at_all_when_one_entry_fails(desk: Desk) -> None:
    """An entry that cannot be encoded takes its whole append with it, and nothing else."""

    def encode(entry: Event, seq: int) -> bytes:
        if entry.message == "bad":
            raise ValueError(entry.message)
        return b"%d" % seq

    journal = await desk.open(encode=encode)
    with pytest.raises(ValueError, match="bad"):
        await journal.append(desk.entries(1500) + desk.entries(1, "bad"))
    assert journal.last_seq == 0
    await journal.append(desk.entries(1))
    assert await journal.read(0, 10) == Batch(1, (b"1",))


async def test_j1_a_commit_is_synced(desk: Desk) -> None:
    """SQLite is told to sync each commit (FULL, 2), which no test short of a power cut would show."""
    journal = await desk.open()
    connection = journal._store._connection
    assert await journal._run(lambda: connection.execute("PRAGMA synchronous").fetchone()) == (2,)
    assert await journal._run(lambda: connection.execute("PRAGMA journal_mode").fetchone()) == ("wal",)


async def test_j2_a_seq_is_given_once_whatever_was_pruned(desk: Desk) -> None:
    """After all was delivered, pruned and closed, the next seq is a new one."""
    journal = await desk.open(retention_s=0.0)
    for _ in range(3):
        await journal.append(desk.entries(10))
    await journal.acknowledge("logstash", 30)
    desk.clock.ms += 1
    await journal.prune()
    await journal.close()
    await journal.open()
    await journal.append(desk.entries())
    assert journal.last_seq == 31


@pytest.mark.parametrize("trace", ["acknowledged", "quarantined"])
async def test_j2_a_seq_is_given_once_even_if_the_entries_were_lost(desk: Desk, trace: str) -> None:
    """Where a card lost the entries, what sinks have seen of them still bounds the seqs."""
    journal = await desk.open()
    await journal.append(desk.entries(10))
    if trace == "acknowledged":
        await journal.acknowledge("logstash", 10)
    else:
        await journal.quarantine("logstash", Batch(10, desk.documents(10, 10)), "refused")
    await journal.close()
    desk.sql("DELETE FROM entries")
    await journal.open()
    assert (journal.first_seq, journal.last_seq, journal.lag("logstash")) == (11, 0, 0)
    await journal.append(desk.entries())
    assert await journal.read(0, 10) == Batch(11, desk.documents(11, 11))


async def test_j3_a_seq_stands_for_the_same_bytes(desk: Desk) -> None:
    """Bytes come back as encode made them, later, at other batch sizes, and after a reopening with another encode."""
    journal = await desk.open()
    await journal.append(desk.entries(7, "água"))
    await journal.append(desk.entries(7, "water"))
    expected = desk.documents(1, 7, "água") + desk.documents(8, 14, "water")
    assert await journal.read(0, 100) == Batch(1, expected)
    await journal.close()
    journal = await desk.open(encode=lambda entry, seq: b"another")
    for seq in range(14):
        assert await journal.read(seq, 1) == Batch(seq + 1, (expected[seq],))


@pytest.mark.parametrize("count_max", [1, 3, 4, 5, 999, 5000])
async def test_j4_a_read_gives_documents_in_order_and_once(desk: Desk, count_max: int) -> None:
    """However many are asked for at a time, each seq comes once, after the one before."""
    journal = await desk.open()
    for count in (1, 4, 2, 1001, 4):
        await journal.append(desk.entries(count))
    assert await desk.seqs(journal, count_max) == list(range(1, 1013))
    assert await journal.read(1012, count_max) is None


async def test_j4_a_gap_ends_the_batch(desk: Desk) -> None:
    """Documents on the two sides of a gap come in two batches."""
    journal = await desk.open()
    for _ in range(4):
        await journal.append(desk.entries(5))
    await journal.close()
    desk.sql("DELETE FROM entries WHERE first_seq = 6")
    await journal.open()
    assert await journal.read(0, 100) == Batch(1, desk.documents(1, 5))
    assert await journal.read(5, 100) == Batch(11, desk.documents(11, 20))
    assert await journal.read(7, 3) == Batch(11, desk.documents(11, 13))


async def test_j5_pruning_keeps_what_one_sink_lacks(desk: Desk) -> None:
    """The slowest registered sink decides, down to the row in which it is."""
    journal = await desk.open(sinks=("logstash", "mqtt"), retention_s=0.0)
    for _ in range(5):
        await journal.append(desk.entries(10))
    desk.clock.ms += 1000
    await journal.acknowledge("logstash", 50)
    assert await journal.prune() == 0
    await journal.acknowledge("mqtt", 29)
    assert await journal.prune() == 20
    await journal.acknowledge("mqtt", 30)
    assert await journal.prune() == 10
    assert await desk.seqs(journal) == list(range(31, 51))


async def test_j5_drop_oldest_drops_the_oldest_and_counts_what_a_sink_lacked(desk: Desk) -> None:
    """Under pressure the oldest go, what was delivered is not counted, and positions move on."""
    journal = await desk.open(size_max=200_000)
    await desk.fill(journal, 30)
    await journal.acknowledge("logstash", 5)
    await desk.fill(journal, 60)
    seqs = await desk.seqs(journal)
    assert 5 < journal.first_seq < 90
    assert seqs == list(range(journal.first_seq, 91))
    assert journal.dropped_count == journal.first_seq - 1 - 5
    assert journal.position("logstash") == journal.first_seq - 1
    assert journal.lag("logstash") == len(seqs)


async def test_j5_block_drops_nothing(desk: Desk) -> None:
    """Told to block, a full journal refuses the append, says how it stands, and goes on after a delivery."""
    journal = await desk.open(size_max=200_000, when_full="block")
    with pytest.raises(JournalFull) as caught:
        await desk.fill(journal, 120)
    last_seq = journal.last_seq
    assert await desk.seqs(journal) == list(range(1, last_seq + 1))
    assert journal.dropped_count == 0
    assert f"of 200 kB, and {last_seq} observations are not delivered yet" in caught.value.sentence
    await journal.acknowledge("logstash", last_seq)
    await desk.fill(journal, 1)
    assert journal.last_seq == last_seq + 1


async def test_j5_block_keeps_a_row_of_which_a_sink_lacks_the_end(desk: Desk) -> None:
    """A row that is delivered in part is not deleted as delivered."""
    journal = await desk.open(size_max=200_000, when_full="block")
    await journal.append([event for seed in range(10) for event in desk.noise(seed, 3000)])
    await journal.acknowledge("logstash", 9)
    with pytest.raises(JournalFull):
        await desk.fill(journal, 120)
    assert (await desk.seqs(journal))[0] == 1


async def test_j6_a_position_never_goes_back(desk: Desk) -> None:
    """An older acknowledgement changes nothing."""
    journal = await desk.open()
    await journal.append(desk.entries(10))
    await journal.acknowledge("logstash", 7)
    await journal.acknowledge("logstash", 3)
    assert journal.position("logstash") == 7
    await journal.close()
    await journal.open()
    assert journal.position("logstash") == 7


async def test_j6_a_position_on_disk_is_never_ahead(desk: Desk) -> None:
    """After a crash a position is the one of the last commit: at most what was acknowledged then."""
    journal = await desk.open()
    await journal.append(desk.entries(10))
    await journal.acknowledge("logstash", 4)
    assert (await desk.open(desk.crashed())).position("logstash") == 0
    await journal.append(desk.entries(10))
    await journal.acknowledge("logstash", 8)
    assert (await desk.open(desk.crashed())).position("logstash") == 4
    await journal.prune()
    assert (await desk.open(desk.crashed())).position("logstash") == 8


async def test_j7_the_newest_row_stays(desk: Desk) -> None:
    """Neither age nor want of room takes the newest row."""
    journal = await desk.open(retention_s=0.0)
    await journal.append(desk.entries(3))
    await journal.acknowledge("logstash", 3)
    desk.clock.ms += 1000
    assert await journal.prune() == 0
    assert await desk.seqs(journal) == [1, 2, 3]
    with pytest.raises(JournalFull, match="do not fit into a journal"):
        await (await desk.open(desk.folder / "small.db", size_max=65_536)).append(desk.noise(0, 65_536))


@pytest.mark.parametrize("delivered", [True, False])
@pytest.mark.parametrize("size", [10, 3000, 20_000])
async def test_j8_the_file_stays_within_its_size(desk: Desk, size: int, *, delivered: bool) -> None:
    """Ten times as much as fits leaves a file of size_max at most, delivered or not, and almost as much in use."""
    size_max = 400_000
    journal = await desk.open(size_max=size_max)
    for seed in range(4_000_000 // max(size, 2000)):
        await journal.append(desk.noise(seed, size) if size > 10 else desk.noise(seed, 10) * 200)
        if delivered:
            await journal.acknowledge("logstash", journal.last_seq)
        assert journal.size <= size_max
    assert desk.path.stat().st_size <= size_max
    await journal.close()
    assert desk.path.stat().st_size <= size_max
    if size > 10:
        assert desk.path.stat().st_size > 0.8 * size_max
        assert (await desk.open()).size > 0.7 * size_max


async def test_j8_the_wal_stays_small(desk: Desk) -> None:
    """After many commits, and after a large one, the WAL is no longer than its limit."""
    journal = await desk.open()
    wal = desk.path.with_name("journal.db-wal")
    await journal.append([event for seed in range(20) for event in desk.noise(seed, 500_000)])
    assert wal.stat().st_size > 8_000_000
    for seed in range(700):
        await journal.append(desk.noise(seed, 1000))
    assert wal.stat().st_size <= 6_000_000


async def test_j9_a_call_that_fails_has_changed_nothing(desk: Desk) -> None:
    """While the file may not be written every call says so, and nothing has happened when it may be again."""
    journal = await desk.open(retention_s=0.0)
    for _ in range(3):
        await journal.append(desk.entries(10))
    await journal.acknowledge("logstash", 30)
    desk.clock.ms += 1000
    before = journal._store.state
    connection = journal._store._connection
    await journal._run(lambda: connection.execute("PRAGMA query_only = ON"))
    refused = Batch(1, desk.documents(1, 2))
    for call in (journal.append, lambda _: journal.prune(), lambda _: journal.quarantine("logstash", refused, "-")):
        with pytest.raises(JournalUnavailable):
            await call(desk.entries(5))
        assert journal._store.state == before
    await journal._run(lambda: connection.execute("PRAGMA query_only = OFF"))
    await journal.append(desk.entries(5))
    await journal.quarantine("logstash", refused, "-")
    assert (journal.last_seq, journal.quarantined) == (35, {"logstash": 2})
    assert await journal.prune() == 30


async def test_j10_a_second_opener_is_turned_away(desk: Desk) -> None:
    """Who comes second is told that the journal is in use, and may try again after the first has closed it."""
    first = await desk.open()
    second = desk.make()
    with pytest.raises(JournalUnavailable, match="in use by another process"):
        await second.open()
    await first.append(desk.entries())
    await first.close()
    await second.open()
    assert second.last_seq == 1


async def test_j11_a_quarantined_document_is_kept_once(desk: Desk) -> None:
    """Trying the same batch again keeps one copy for each sink and seq, with the first reason."""
    journal = await desk.open(sinks=("logstash", "mqtt"))
    await journal.append(desk.entries(5))
    for reason in ("refused", "refused again"):
        await journal.quarantine("logstash", Batch(2, desk.documents(2, 3)), reason)
    await journal.quarantine("mqtt", Batch(3, desk.documents(3, 3)), "too large")
    assert journal.quarantined == {"logstash": 2, "mqtt": 1}
    await journal.close()
    assert desk.sql("SELECT sink, seq, reason, quarantined_at_ms, document FROM quarantine ORDER BY id") == [
        ("logstash", 2, "refused", desk.clock.ms, desk.documents(2, 2)[0]),
        ("logstash", 3, "refused", desk.clock.ms, desk.documents(3, 3)[0]),
        ("mqtt", 3, "too large", desk.clock.ms, desk.documents(3, 3)[0]),
    ]


async def test_j12_opening_reads_a_bounded_number_of_rows(desk: Desk) -> None:
    """A journal whose middle is unreadable opens, and gives what is before the damage."""
    journal = await desk.open()
    for seed in range(200):
        await journal.append(desk.noise(seed, 20_000))
    await journal.close()
    data = bytearray(desk.path.read_bytes())
    data[len(data) // 4 : len(data) * 3 // 4] = bytes(len(data) // 2)
    desk.path.write_bytes(data)
    await journal.open()
    assert (journal.first_seq, journal.last_seq) == (1, 200)
    assert await journal.read(0, 1) is not None
    await journal.append(desk.entries())
    assert await journal.read(200, 1) == Batch(201, desk.documents(201, 201))


async def test_j13_the_loop_does_not_wait_for_the_disk(desk: Desk) -> None:
    """While the journal's thread is held up, the loop goes on, and knows what the journal holds."""
    resumed = threading.Event()

    def encode(entry: Event, seq: int) -> bytes:
        assert resumed.wait(10.0)
        return b"-"

    journal = await desk.open(encode=encode)
    append = asyncio.create_task(journal.append(desk.entries()))
    for _ in range(100):
        await asyncio.sleep(0)
    assert not append.done()
    assert (journal.last_seq, journal.position("logstash"), journal.lag("logstash")) == (0, 0, 0)
    resumed.set()
    await append
    assert journal.last_seq == 1
