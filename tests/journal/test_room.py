from typing import Any

import pytest

from tests.journal.conftest import Desk, everything, flush, seqs
from weatherd.errors import JournalFull
from weatherd.journal import SqliteJournal, database
from weatherd.ranges import Ranges


async def fill_unflushed(desk: Desk, journal: SqliteJournal) -> None:
    """Append entries of about 3 KB as long as they are taken."""
    for seed in range(200):
        await journal.append(desk.noise(seed, 3000))


def deliver_all(*journals: SqliteJournal) -> None:
    """Let journals that block have room to be closed."""
    for journal in journals:
        journal.acknowledge("logstash", 1, journal.last_seq)


async def prune(desk: Desk, journal: SqliteJournal) -> list[int]:
    """Append one entry that is delivered, and write history; return the first seqs of the rows before it."""
    await journal.append(desk.entries())
    for sink in journal._sinks:
        journal.acknowledge(sink, journal.last_seq, journal.last_seq)
    await journal.write_history()
    return [seq for seq in await first_seqs(journal) if seq < journal.last_seq]


async def first_seqs(journal: SqliteJournal) -> list[int]:
    def ask() -> list[Any]:
        return journal._store.database.connection.execute("SELECT first_seq FROM entries").fetchall()

    return [seq for (seq,) in await journal._run(ask)]


async def test_age_takes_what_is_delivered_and_older_than_the_retention(desk: Desk) -> None:
    """A delivered row stays for its retention to the millisecond, and then goes."""
    journal = await desk.open(retention_s=60.0)
    for _ in range(3):
        await desk.keep_rows(journal, 10)
        desk.clock.ms += 10_000
    journal.acknowledge("logstash", 1, 30)
    desk.clock.ms += 30_000
    assert await prune(desk, journal) == [1, 11, 21]
    desk.clock.ms += 1
    assert await prune(desk, journal) == [11, 21, 31]
    desk.clock.ms += 10_000
    assert await prune(desk, journal) == [21, 31, 32]


async def test_age_takes_a_delivered_row_between_those_that_are_not(desk: Desk) -> None:
    """An old gap in what a sink has does not keep what is delivered behind it."""
    journal = await desk.open(retention_s=0.0)
    for _ in range(4):
        await desk.keep_rows(journal, 10)
    journal.acknowledge("logstash", 11, 30)
    desk.clock.ms += 1
    assert await prune(desk, journal) == [1, 31]
    assert journal.delivered("logstash") == Ranges([(11, 30), (41, 41)])


@pytest.mark.parametrize("jump_ms", [-10 * 365 * 86_400_000, 10 * 365 * 86_400_000])
async def test_a_clock_that_jumps_takes_nothing_undelivered(desk: Desk, jump_ms: int) -> None:
    """Ten years forward or back, and what a sink lacks is still there."""
    journal = await desk.open()
    for _ in range(3):
        await desk.keep_rows(journal, 10)
    journal.acknowledge("logstash", 1, 10)
    desk.clock.ms += jump_ms
    assert await prune(desk, journal) == ([11, 21] if jump_ms > 0 else [1, 11, 21])
    await desk.keep_rows(journal, 10)
    assert (await seqs(journal))[-31:] == list(range(11, 42))


async def test_a_prune_is_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """One call deletes a limited number of rows, the next ones go on."""
    monkeypatch.setattr(database, "PRUNE_ROWS_MAX", 4)
    journal = await desk.open(retention_s=0.0)
    for _ in range(10):
        await desk.keep_rows(journal, 2)
    for sink_seqs in ((1, 6), (9, 20)):  # the bound holds over a gap
        journal.acknowledge("logstash", *sink_seqs)
    desk.clock.ms += 1
    left = [[seq for seq in await prune(desk, journal) if seq < 20] for _ in range(3)]
    assert left == [[7, 11, 13, 15, 17, 19], [7, 19], [7]]


async def test_without_sinks_everything_counts_as_delivered(desk: Desk) -> None:
    """A station that only keeps a history keeps it within its retention and size, and drops nothing."""
    journal = await desk.open(sinks=(), size_max=200_000, when_full="block", retention_s=60.0)
    await desk.fill(journal, 200)
    assert 100 < journal.first_seq < 190
    assert journal.dropped_count == 0
    desk.clock.ms += 60_001
    assert await prune(desk, journal) == [200]
    assert journal.dropped_count == 0


@pytest.mark.parametrize("when_full", ["thin", "drop_oldest", "block"])
async def test_what_is_delivered_goes_first(desk: Desk, when_full: str) -> None:
    """As long as delivered rows make room, nothing is dropped, thinned or refused."""
    journal = await desk.open(sinks=("logstash", "mqtt"), size_max=400_000, when_full=when_full)
    for seed in range(500):
        await journal.append(desk.noise(seed, 3000))
        journal.acknowledge("logstash", 1, journal.last_seq)
        if journal.last_seq > 50:
            journal.acknowledge("mqtt", 1, journal.last_seq - 50)
    assert (journal.dropped_count, journal.contents.count("thinned_seq")) == (0, 0)
    assert 50 < len(await seqs(journal)) < 150


async def test_drop_oldest_takes_what_is_delivered_before_what_is_older(desk: Desk) -> None:
    """Newer rows that every sink has go before the oldest of those that one lacks; only these are counted."""
    journal = await desk.open(sinks=("logstash", "mqtt"), size_max=400_000, when_full="drop_oldest")
    await desk.fill(journal, 70)
    journal.acknowledge("logstash", 1, 70)
    journal.acknowledge("mqtt", 31, 60)
    while journal.first_seq == 1:
        before = list(await everything(journal))
        assert journal.dropped_count == 0
        await desk.fill(journal, 1)
    assert before == [*range(1, 31), *range(61, journal.last_seq)]
    assert journal.dropped_count == journal.first_seq - 1 > 0
    assert list(await everything(journal)) == [*range(journal.first_seq, 31), *range(61, journal.last_seq + 1)]
    assert journal.lag("mqtt") == 31 - journal.first_seq + journal.last_seq - 60


async def test_drop_oldest_does_not_count_what_every_sink_has(desk: Desk) -> None:
    """Of a row that goes, those documents count that some sink lacks."""
    journal = await desk.open(sinks=("logstash", "mqtt"), size_max=200_000, when_full="drop_oldest")
    for seed in range(15):
        await journal.append([*desk.noise(seed, 3000), *desk.noise(-seed, 3000)])
        await flush(journal)
    journal.acknowledge("logstash", 1, 20)
    for seq in range(2, 31, 2):
        journal.acknowledge("mqtt", seq, seq)
    while journal.first_seq <= 20:
        await desk.fill(journal, 1)
    gone = range(1, journal.first_seq)
    assert journal.dropped_count == len([seq for seq in gone if seq > 20 or seq % 2])


async def test_block_goes_on_with_a_delivery_anywhere(desk: Desk) -> None:
    """What is delivered in the middle makes room as well as what is oldest; what a sink lacks stays."""
    journal = await desk.open(size_max=200_000, when_full="block")
    with pytest.raises(JournalFull):
        await fill_unflushed(desk, journal)
    full_seq = journal.last_seq
    journal.acknowledge("logstash", 11, 30)
    await journal.append(desk.noise(0, 3000))
    assert journal.last_seq == full_seq + 1
    with pytest.raises(JournalFull):
        await fill_unflushed(desk, journal)
    left = list(await everything(journal))
    assert set(left) >= {*range(1, 11), *range(31, journal.last_seq + 1)}
    assert set(left) < set(range(1, journal.last_seq + 1))
    assert (journal.first_seq, journal.dropped_count) == (1, 0)
    deliver_all(journal)


async def test_block_refuses_without_a_loss_over_a_kill(desk: Desk) -> None:
    """An append that was refused is not there after a kill, and all before it is; nothing but a delivery helps."""
    journal = await desk.open(size_max=200_000, when_full="block")
    with pytest.raises(JournalFull):
        await fill_unflushed(desk, journal)
    last_seq = journal.last_seq
    for _ in range(3):
        with pytest.raises(JournalFull):
            await journal.append(desk.noise(0, 3000))
    survivor = await desk.after_kill(journal, size_max=200_000, when_full="block")
    assert list(await everything(survivor)) == list(await everything(journal)) == list(range(1, last_seq + 1))
    deliver_all(journal, survivor)


async def test_a_full_journal_that_blocks_is_closed_without_a_loss(desk: Desk) -> None:
    """What does not fit into the file any more waits in its tail for the next start; the file is given back."""
    journal = await desk.open(size_max=200_000, when_full="block")
    with pytest.raises(JournalFull):
        await fill_unflushed(desk, journal)
    last_seq = journal.last_seq
    with pytest.raises(JournalFull):
        await journal.close()
    again = await desk.open(size_max=200_000, when_full="block")
    assert list(await everything(again)) == list(range(1, last_seq + 1))
    assert (again.lag("logstash"), again.dropped_count) == (last_seq, 0)
    deliver_all(again)


async def test_delivered_rows_go_several_at_a_time(desk: Desk) -> None:
    """Not each append to a full journal has to delete."""
    journal = await desk.open(size_max=2_000_000)
    firsts = []
    for seed in range(1000):
        await journal.append(desk.noise(seed, 3000))
        await flush(journal)
        journal.acknowledge("logstash", 1, journal.last_seq)
        firsts.append(journal.first_seq)
    assert 1 < len(set(firsts)) < 150


async def test_no_more_is_dropped_than_needed(desk: Desk) -> None:
    """What is not delivered goes only as far as the next row needs the room: a few pages."""
    journal = await desk.open(size_max=200_000, when_full="drop_oldest")
    for _ in range(100):
        await desk.fill(journal, 1)
        assert journal.first_seq == 1 or journal.size > 200_000 - 5 * 4096
    assert journal.first_seq > 1


async def test_the_count_of_what_was_dropped_outlives_the_daemon(desk: Desk) -> None:
    """How much was lost is still known after a restart, and after a kill."""
    journal = await desk.open(size_max=100_000, when_full="drop_oldest")
    await desk.fill(journal, 100)
    dropped_count = journal.dropped_count
    assert dropped_count == journal.first_seq - 1 > 50
    assert (await desk.after_kill(journal)).dropped_count == dropped_count
    await journal.close()
    await journal.open()
    assert journal.dropped_count >= dropped_count
    assert journal.dropped_count == journal.first_seq - 1


@pytest.mark.parametrize("when_full", ["thin", "drop_oldest", "block"])
async def test_an_append_that_never_fits_takes_nothing_with_it(desk: Desk, when_full: str) -> None:
    """Entries larger than the whole journal are refused, and what is there stays."""
    journal = await desk.open(size_max=200_000, when_full=when_full)
    await desk.fill(journal, 10)
    with pytest.raises(JournalFull):
        await journal.append(desk.noise(0, 300_000))
    assert await seqs(journal) == list(range(1, 11))
    assert journal.dropped_count == 0
    await desk.fill(journal, 1)
    assert await seqs(journal) == list(range(1, 12))


async def test_a_lower_size_is_kept_from_the_next_row_on(desk: Desk) -> None:
    """A journal opened with a smaller size_max comes down to it, and its file grows no more."""
    journal = await desk.open(size_max=1_000_000)
    await desk.fill(journal, 200)
    await journal.close()
    length = desk.path.stat().st_size
    journal = await desk.open(size_max=300_000)
    for seed in range(50):
        await journal.append(desk.noise(seed, 3000))
        await flush(journal)
        assert journal.size <= 300_000
    await journal.close()
    assert desk.path.stat().st_size == length


async def test_large_sizes_are_told_in_megabytes(desk: Desk) -> None:
    """The sentence of a full journal reads as the configuration does."""
    assert database._in_words(256_000_000) == "256 MB"
    assert database._in_words(1_024_000_000) == "1,024 MB"
    assert database._in_words(200_000) == "200 kB"
