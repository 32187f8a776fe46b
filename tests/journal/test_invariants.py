"""The journal's numbered invariants, one after the other; the package's docstring states them."""

import asyncio
import os
import random
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.journal.conftest import Desk, at_rest, everything, flush, in_both_modes, observation, real_encode
from tests.journal.conftest import seqs as seqs_of
from weatherd.errors import JournalFull, JournalUnavailable
from weatherd.journal import SqliteJournal
from weatherd.journal.database import Database
from weatherd.journal.sqlite import AT_ONCE_MAX
from weatherd.model import Batch, Event, Observation
from weatherd.ranges import Ranges

Whole = tuple[int, int, list[int], list[bytes]]


async def read(journal: SqliteJournal, first_seq: int, last_seq: int, count_max: int = 500) -> Whole | None:
    batch = await journal.read("logstash", first_seq, last_seq, count_max)
    return None if batch is None else (batch.first_seq, batch.last_seq, list(batch.seqs), list(batch.documents))


def whole(desk: Desk, first_seq: int, last_seq: int) -> Whole:
    seqs = range(first_seq, last_seq + 1)
    return first_seq, last_seq, list(seqs), list(desk.documents(first_seq, last_seq))


async def append_rows(desk: Desk, journal: SqliteJournal, *counts: int) -> None:
    """Append entries that are delivered and history at once: a row for each count."""
    for count in counts:
        await journal.append(desk.entries(count))
        for sink in journal._sinks:
            journal.acknowledge(sink, journal.last_seq - count + 1, journal.last_seq)
        await journal.write_history()


def observations(first: int, last: int) -> list[Observation]:
    """Return observations of every ten seconds, six for each one-minute mean, that hardly compress."""
    return [
        observation(
            1_790_000_000_000 + number * 10_000,
            quality_reasons={"air_temperature": random.Random(number).randbytes(100).hex()},
        )
        for number in range(first, last + 1)
    ]


async def append_until_thinned(journal: SqliteJournal, seq: int) -> None:
    """Append observations until all up to a seq are thinned."""
    while journal.contents.count("thinned_seq") < seq:
        await journal.append(observations(journal.last_seq + 1, journal.last_seq + 30))
        assert journal.size <= journal.size_max
        assert journal.last_seq < 50_000


def deliver_all(*journals: SqliteJournal) -> None:
    """Let a journal that blocks have room to be closed."""
    for journal in journals:
        journal.acknowledge("logstash", 1, journal.last_seq)


# ---------------------------------------------------------------------------------------------------------------- J1


@in_both_modes
async def test_j1_an_append_is_kept_whole_and_stays(desk: Desk) -> None:
    """What was appended is there after a kill, whether it was young, secured or history."""
    journal = await desk.open()
    await append_rows(desk, journal, 1000)
    await journal.append(desk.entries(1000))
    await journal.secure()
    await journal.append(desk.entries(500))
    survivor = await desk.after_kill(journal)
    assert survivor.last_seq == 2500
    assert await seqs_of(survivor) == list(range(1, 2501))


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
    assert await read(journal, 1, 10) == (1, 1, [1], [b"1"])


async def test_j1_an_append_is_kept_not_at_all_when_a_kill_cuts_it_off(desk: Desk) -> None:
    """Wherever the young tail ends, the appends before that point are whole, and the one there is gone."""
    journal = await desk.open()
    sizes = []
    for count in (3, 4):
        await journal.append(desk.entries(count))
        sizes.append(desk.memory.stat().st_size)
    for size in range(0, sizes[1] + 1, 7):
        path, memory = desk.copied(journal, memory=True)
        os.truncate(memory, size)
        survivor = await desk.open(path, memory)
        assert survivor.last_seq == (0 if size < sizes[0] else 3 if size < sizes[1] else 7)
        await survivor.close()


@in_both_modes
@pytest.mark.parametrize("size", [10, 3000])
async def test_j1_what_is_secured_outlives_a_power_cut(desk: Desk, size: int) -> None:
    """Whether it is little, for the tail, or much, for the database: what came before `secure` is on the card."""
    journal = await desk.open()
    for round_number in range(1, 4):
        await journal.append([event for seed in range(50) for event in desk.noise(seed, size)])
        await journal.secure()
        survivor = await desk.after_power_cut(journal)
        assert survivor.last_seq == round_number * 50
        assert await seqs_of(survivor) == list(range(1, round_number * 50 + 1))
        await survivor.close()


async def test_j1_what_is_young_does_not_touch_the_card(desk: Desk) -> None:
    """An append changes no file beside the database; what is not secured is what a power cut takes."""
    journal = await desk.open()
    before = {file: file.read_bytes() for file in desk.folder.glob("journal.db*")}
    await journal.append(desk.entries(10))
    await read(journal, 1, 10)
    journal.acknowledge("logstash", 1, 5)
    await at_rest(journal)
    assert {file: file.read_bytes() for file in desk.folder.glob("journal.db*")} == before
    assert (await desk.after_power_cut(journal)).last_seq == 0


async def test_j1_what_is_secured_and_what_is_committed_is_synced(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tail is synced before `secure` returns, and SQLite is told to sync each commit (FULL, 2)."""
    synced = []
    fdatasync = os.fdatasync

    def sync(file: int) -> None:
        synced.append(Path(f"/proc/self/fd/{file}").readlink().name)
        fdatasync(file)

    journal = await desk.open()
    await journal.append(desk.entries())
    monkeypatch.setattr(os, "fdatasync", sync)
    await journal.secure()
    assert [name.startswith("journal.db-tail") for name in synced] == [True]
    connection = journal._store.database.connection
    assert await journal._run(lambda: connection.execute("PRAGMA synchronous").fetchone()) == (2,)
    assert await journal._run(lambda: connection.execute("PRAGMA journal_mode").fetchone()) == ("wal",)


# ---------------------------------------------------------------------------------------------------------------- J2


async def test_j2_a_seq_is_given_once_whatever_was_pruned(desk: Desk) -> None:
    """After all was delivered, pruned and closed, the next seq is a new one."""
    journal = await desk.open(retention_s=0.0)
    for _ in range(3):
        await append_rows(desk, journal, 10)
        desk.clock.ms += 1
    assert journal.first_seq > 1
    await journal.close()
    await journal.open()
    await journal.append(desk.entries())
    assert journal.last_seq == 31


async def test_j2_a_seq_is_given_once_whatever_was_dropped(desk: Desk) -> None:
    """Each append of a journal that drops its oldest continues the count, over kills as well."""
    journal = await desk.open(size_max=100_000, when_full="drop_oldest")
    for round_number in range(1, 5):
        await desk.fill(journal, 50)
        await journal.append(desk.entries())
        assert journal.last_seq == round_number * 51
        journal = await desk.after_kill(journal, size_max=100_000, when_full="drop_oldest")
    assert journal.dropped_count > 50


@pytest.mark.parametrize("trace", ["given", "acknowledged", "quarantined", "tried"])
async def test_j2_a_seq_is_given_once_even_if_the_entries_were_lost(desk: Desk, trace: str) -> None:
    """Where a card lost the entries, what is known of them still bounds the seqs."""
    journal = await desk.open()
    await journal.append(desk.entries(10))
    match trace:
        case "acknowledged":
            journal.acknowledge("logstash", 1, 10)
        case "quarantined":
            await journal.quarantine("logstash", Batch(10, 10, [10], desk.documents(10, 10)), "refused")
        case "tried":
            await read(journal, 1, 10)
    await journal.close()
    desk.sql("DELETE FROM entries")
    if trace != "given":
        desk.sql("DELETE FROM counters")
    for file in (*desk.folder.glob("journal.db-*"), *desk.folder.glob("young.tail*")):
        file.unlink()
    await journal.open()
    assert (journal.first_seq, journal.last_seq, journal.lag("logstash")) == (11, 0, 0)
    await journal.append(desk.entries())
    assert await read(journal, 1, 11) == (1, 11, [11], list(desk.documents(11, 11)))


async def test_j2_a_power_cut_takes_seqs_only_with_their_entries(desk: Desk) -> None:
    """What was secured keeps its seqs; those of the entries that a power cut took may be given to others."""
    journal = await desk.open()
    await desk.keep_rows(journal, 10)
    await journal.append(desk.entries(10))
    await journal.secure()
    await journal.append(desk.entries(10))
    survivor = await desk.after_power_cut(journal)
    assert survivor.last_seq == 20
    await survivor.append(desk.entries(1, "another"))
    assert await read(survivor, 20, 30) == (
        20,
        21,
        [20, 21],
        [*desk.documents(20, 20), *desk.documents(21, 21, "another")],
    )


# ---------------------------------------------------------------------------------------------------------------- J3


async def test_j3_a_seq_stands_for_the_same_bytes(desk: Desk) -> None:
    """Bytes come back as encode made them, later, at other batch sizes, and after a restart with another encode."""
    journal = await desk.open()
    await journal.append(desk.entries(7, "água"))
    await journal.append(desk.entries(7, "water"))
    expected = [*desk.documents(1, 7, "água"), *desk.documents(8, 14, "water")]
    assert await read(journal, 1, 100) == (1, 14, list(range(1, 15)), expected)

    def another(entry: Event, seq: int) -> bytes:
        return b"another"

    killed = await desk.after_kill(journal, encode=another)
    await journal.close()
    reopened = await desk.open(encode=another)
    for again in (killed, reopened):
        assert await read(again, 1, 14) == (1, 14, list(range(1, 15)), expected)
        for seq in range(1, 15):
            assert await read(again, seq, 14, 1) == (seq, seq, [seq], [expected[seq - 1]])


@pytest.mark.parametrize("killed", [True, False])
async def test_j3_what_was_tried_is_not_thinned(desk: Desk, *, killed: bool) -> None:
    """Documents that a sink was given once keep their bytes in a journal that thins, after a kill as well."""
    options: dict[str, Any] = {"size_max": 100_000, "when_full": "thin", "encode": real_encode()}
    journal = await desk.open(**options)
    await journal.append(observations(1, 30))
    await journal.append(observations(31, 60))
    first = await read(journal, 11, 20)
    assert first is not None
    if killed:
        journal = await desk.after_kill(journal, **options)
    await append_until_thinned(journal, 120)
    assert await read(journal, 11, 20) == first
    seqs = await seqs_of(journal)
    assert [seq for seq in seqs if seq <= 60] != list(range(1, 61))


# ---------------------------------------------------------------------------------------------------------------- J4


@pytest.mark.parametrize("count_max", [1, 3, 4, 5, 999, 5000])
async def test_j4_a_read_gives_documents_in_order_and_once(desk: Desk, count_max: int) -> None:
    """However many are asked for at a time, each seq comes once, after the one before, from rows and from the young."""
    journal = await desk.open()
    await desk.keep_rows(journal, 1, 4, 2, 1001)
    for count in (1, 4, 2, 1001):
        await journal.append(desk.entries(count))
    assert await seqs_of(journal, count_max) == list(range(1, 2017))
    assert await read(journal, 2017, 2020, count_max) is None


@pytest.mark.parametrize("count_max", [1, 4, 5, 6, 14, 15, 16])
async def test_j4_a_span_ends_with_its_last_document_or_as_it_was_asked_for(desk: Desk, count_max: int) -> None:
    """A batch that is full ends with its last document, any other with its span, whatever is gone inside."""
    journal = await desk.open()
    await desk.keep_rows(journal, 5, 5, 5, 5)
    await journal.close()
    desk.sql("DELETE FROM entries WHERE first_seq = 6")
    await journal.open()
    seqs = [*range(1, 6), *range(11, 21)][:count_max]
    last_seq = seqs[-1] if count_max <= 15 else 20
    documents = [*desk.documents(1, 5), *desk.documents(11, 20)][:count_max]
    assert await read(journal, 1, 20, count_max) == (1, last_seq, seqs, documents)


async def test_j4_a_span_of_which_nothing_is_left_is_settled(desk: Desk) -> None:
    """A gap inside a span is settled with it, and a span that is all gap gives a batch without documents."""
    journal = await desk.open()
    await desk.keep_rows(journal, 5, 5, 5)
    await journal.append(desk.entries(5))
    await journal.close()
    desk.sql("DELETE FROM entries WHERE first_seq = 6")
    await journal.open()
    assert await read(journal, 6, 10) == (6, 10, [], [])
    assert await read(journal, 7, 9) == (7, 9, [], [])
    assert await read(journal, 7, 12) == (7, 12, [11, 12], list(desk.documents(11, 12)))
    assert await read(journal, 3, 8) == (3, 8, [3, 4, 5], list(desk.documents(3, 5)))
    assert await read(journal, 13, 10_000) == whole(desk, 13, 20)


# ---------------------------------------------------------------------------------------------------------------- J5


async def test_j5_pruning_keeps_what_one_sink_lacks(desk: Desk) -> None:
    """What is not delivered to every registered sink stays at any age, down to the row in which it is."""
    journal = await desk.open(sinks=("logstash", "mqtt"), retention_s=0.0)
    await desk.keep_rows(journal, 10, 10, 10, 10, 10)

    async def prune() -> list[int]:
        desk.clock.ms += 1000
        await journal.append(desk.entries())
        for sink in ("logstash", "mqtt"):
            journal.acknowledge(sink, journal.last_seq, journal.last_seq)
        await journal.write_history()
        return [seq for (seq,) in await journal._run(first_seqs)]

    def first_seqs() -> Any:
        return journal._store.database.connection.execute("SELECT first_seq FROM entries").fetchall()

    journal.acknowledge("logstash", 1, 50)
    assert await prune() == [1, 11, 21, 31, 41, 51]
    journal.acknowledge("mqtt", 1, 29)
    assert await prune() == [21, 31, 41, 51, 52]
    journal.acknowledge("mqtt", 42, 50)
    assert (await prune())[:3] == [21, 31, 41]
    journal.acknowledge("mqtt", 30, 30)
    journal.acknowledge("mqtt", 41, 41)
    assert (await prune())[0] == 31
    assert 41 not in await prune()
    assert await seqs_of(journal) == [*range(31, 41), *range(journal.last_seq - 1, journal.last_seq + 1)]


async def test_j5_drop_oldest_drops_the_oldest_and_counts_what_a_sink_lacked(desk: Desk) -> None:
    """Under pressure the oldest go, what was delivered is not counted, and what is gone counts as delivered."""
    journal = await desk.open(size_max=200_000)
    await desk.fill(journal, 30)
    journal.acknowledge("logstash", 1, 5)
    await desk.fill(journal, 60)
    seqs = await seqs_of(journal)
    assert 5 < journal.first_seq < 90
    assert seqs == list(range(journal.first_seq, 91))
    assert journal.contents.count("dropped") == journal.dropped_count == journal.first_seq - 1 - 5
    assert journal.delivered("logstash") == Ranges([(1, journal.first_seq - 1)])
    assert journal.lag("logstash") == len(seqs)


async def test_j5_thin_reduces_the_oldest_and_drops_nothing(desk: Desk) -> None:
    """Told to thin, a full journal makes one-minute means of the oldest observations, and counts what became what."""
    journal = await desk.open(size_max=100_000, when_full="thin", encode=real_encode())
    await append_until_thinned(journal, 600)
    seqs = await seqs_of(journal)
    contents = journal.contents
    thinned, reduced, thinned_seq = (contents.count(name) for name in ("thinned", "reduced", "thinned_seq"))
    assert contents.count("dropped") == 0
    assert thinned >= 5 * reduced > 0
    assert thinned_seq < journal.last_seq - 100
    assert len(seqs) == journal.last_seq - thinned + reduced
    assert [seq for seq in seqs if seq > thinned_seq] == list(range(thinned_seq + 1, journal.last_seq + 1))
    assert len([seq for seq in seqs if seq <= thinned_seq]) < thinned_seq / 3


async def test_j5_block_drops_nothing(desk: Desk) -> None:
    """Told to block, a full journal refuses the append, says how it stands, and goes on after a delivery."""
    journal = await desk.open(size_max=200_000, when_full="block")
    with pytest.raises(JournalFull) as caught:
        await desk.fill(journal, 120)
    last_seq = journal.last_seq
    assert await seqs_of(journal) == list(range(1, last_seq + 1))
    assert journal.dropped_count == 0
    assert f"of 200 kB, and {last_seq} observations are not delivered yet" in caught.value.sentence
    journal.acknowledge("logstash", 1, last_seq)
    await desk.fill(journal, 1)
    assert journal.last_seq == last_seq + 1
    deliver_all(journal)


async def test_j5_block_keeps_a_row_of_which_a_sink_lacks_the_end(desk: Desk) -> None:
    """A row that is delivered in part is not deleted as delivered."""
    journal = await desk.open(size_max=200_000, when_full="block")
    await desk.fill(journal, 10)
    await flush(journal)
    journal.acknowledge("logstash", 1, 9)
    with pytest.raises(JournalFull):
        await desk.fill(journal, 120)
    assert 10 in await seqs_of(journal)
    deliver_all(journal)


# ---------------------------------------------------------------------------------------------------------------- J6


@in_both_modes
async def test_j6_what_is_acknowledged_stays_so_over_a_kill(desk: Desk) -> None:
    """Spans in any order, of entries that are young or history, are there after a kill and after a restart."""
    journal = await desk.open(sinks=("logstash", "mqtt"))
    await desk.keep_rows(journal, 10)
    await journal.append(desk.entries(10))
    for first_seq, last_seq in ((15, 16), (2, 3), (4, 4), (9, 12)):
        journal.acknowledge("logstash", first_seq, last_seq)
        await at_rest(journal)
    journal.acknowledge("mqtt", 20, 20)
    await at_rest(journal)
    expected = Ranges([(2, 4), (9, 12), (15, 16)]), Ranges([(20, 20)])
    assert (journal.delivered("logstash"), journal.delivered("mqtt")) == expected
    survivor = await desk.after_kill(journal, sinks=("logstash", "mqtt"))
    assert (survivor.delivered("logstash"), survivor.delivered("mqtt")) == expected
    await journal.close()
    await journal.open()
    assert (journal.delivered("logstash"), journal.delivered("mqtt")) == expected
    assert (journal.lag("logstash"), journal.lag("mqtt")) == (11, 19)


async def test_j6_what_is_acknowledged_never_goes_back(desk: Desk) -> None:
    """An acknowledgement that repeats an older one changes nothing."""
    journal = await desk.open()
    await journal.append(desk.entries(10))
    journal.acknowledge("logstash", 1, 7)
    journal.acknowledge("logstash", 1, 3)
    assert journal.delivered("logstash") == Ranges([(1, 7)])
    await journal.close()
    await journal.open()
    assert journal.delivered("logstash") == Ranges([(1, 7)])


async def test_j6_the_disk_is_never_ahead_of_what_was_acknowledged(desk: Desk) -> None:
    """After a power cut a sink has what was known on the card by then, and never what it was only given."""
    journal = await desk.open()
    await journal.append(desk.entries(10))
    await read(journal, 1, 10)
    await journal.secure()
    assert (await desk.after_kill(journal)).delivered("logstash") == Ranges()
    journal.acknowledge("logstash", 1, 4)
    await at_rest(journal)
    assert (await desk.after_power_cut(journal)).delivered("logstash") == Ranges()
    await journal.append(desk.entries(10))
    await journal.secure()
    assert (await desk.after_power_cut(journal)).delivered("logstash") == Ranges([(1, 4)])
    journal.acknowledge("logstash", 5, 8)
    await journal.write_history()
    assert (await desk.after_power_cut(journal)).delivered("logstash") == Ranges([(1, 8)])


# ---------------------------------------------------------------------------------------------------------------- J7


async def test_j7_the_newest_row_stays(desk: Desk) -> None:
    """Neither age nor want of room takes the newest row."""
    journal = await desk.open(retention_s=0.0)
    for last_seq in (3, 6, 9):
        await append_rows(desk, journal, 3)
        desk.clock.ms += 1000
        assert (await seqs_of(journal))[-3:] == [last_seq - 2, last_seq - 1, last_seq]
    assert journal.first_seq == 4

    small = await desk.open(desk.folder / "small.db", size_max=65_536)
    await append_rows(desk, small, 3)
    for delivered in (False, True):
        if delivered:
            small.acknowledge("logstash", 1, 3)
        with pytest.raises(JournalFull, match="do not fit into a journal"):
            await small.append(desk.noise(0, 65_536))
        assert await seqs_of(small) == [1, 2, 3]


# ---------------------------------------------------------------------------------------------------------------- J8


@pytest.mark.parametrize("delivered", [True, False])
@pytest.mark.parametrize("size", [10, 3000, 20_000])
async def test_j8_the_file_stays_within_its_size(desk: Desk, size: int, *, delivered: bool) -> None:
    """Ten times as much as fits leaves a file of size_max at most, delivered or not, and almost as much in use."""
    size_max = 400_000
    journal = await desk.open(size_max=size_max)
    for seed in range(4_000_000 // max(size, 2000)):
        await journal.append(desk.noise(seed, size) if size > 10 else desk.noise(seed, 10) * 200)
        if delivered:
            journal.acknowledge("logstash", 1, journal.last_seq)
        assert journal.size <= size_max
    assert desk.path.stat().st_size <= size_max
    await journal.close()
    assert desk.path.stat().st_size <= size_max
    if size > 10:
        assert desk.path.stat().st_size > 0.8 * size_max
        assert (await desk.open()).size > 0.7 * size_max


async def test_j8_what_is_recovered_goes_in_even_where_there_is_no_room(desk: Desk) -> None:
    """A journal that blocks takes over what a killed daemon had kept, and comes down to its size after a delivery."""
    journal = await desk.open(size_max=200_000, when_full="block")
    with pytest.raises(JournalFull):
        await desk.fill(journal, 120)
    survivor = await desk.after_kill(journal, size_max=200_000, when_full="block")
    assert survivor.last_seq == journal.last_seq
    assert await seqs_of(survivor) == list(range(1, journal.last_seq + 1))
    deliver_all(journal, survivor)
    await desk.fill(survivor, 20)
    assert survivor.size <= 200_000
    deliver_all(survivor)


async def test_j8_the_wal_stays_small(desk: Desk) -> None:
    """After many commits, and after a large one, the WAL is no longer than its limit."""
    journal = await desk.open()
    wal = desk.path.with_name("journal.db-wal")
    await journal.append([event for seed in range(20) for event in desk.noise(seed, 500_000)])
    assert wal.stat().st_size > 8_000_000
    for seed in range(700):
        await journal.append(desk.noise(seed, 1000))
        await flush(journal)
    assert wal.stat().st_size <= 6_000_000


# ---------------------------------------------------------------------------------------------------------------- J9


async def test_j9_a_call_that_fails_has_changed_nothing(desk: Desk) -> None:
    """While the file may not be written every call that needs it says so, and all is as before when it may be again."""
    journal = await desk.open(retention_s=0.0, size_max=1_000_000)
    await desk.keep_rows(journal, 10, 10)
    await journal.append(desk.entries(10))
    refused = Batch(1, 2, [1, 2], desk.documents(1, 2))
    await journal.quarantine("logstash", Batch(3, 3, [3], desk.documents(3, 3)), "-")
    journal.acknowledge("logstash", 1, 30)
    await at_rest(journal)
    desk.clock.ms += 1000
    connection = journal._store.database.connection
    large = [event for seed in range(10) for event in desk.noise(seed, 30_000)]

    def state() -> Any:
        standing = journal._front.standing
        return journal.contents, journal.last_seq, journal.lag("logstash"), standing.delivered, standing.next_seq

    before = state()
    await journal._run(lambda: connection.execute("PRAGMA query_only = ON"))
    for _ in range(2):
        for call in (
            lambda: journal.append(large),
            journal.write_history,
            lambda: journal.quarantine("logstash", refused, "-"),
            lambda: journal.requeue("logstash", [3]),
        ):
            with pytest.raises(JournalUnavailable):
                await call()
            assert state() == before
    await journal.append(desk.entries(5))  # what is young does not need the file
    survivor = await desk.after_kill(journal)
    assert (survivor.last_seq, survivor.lag("logstash"), survivor.quarantined) == (35, 5, {"logstash": 1})
    await journal._run(lambda: connection.execute("PRAGMA query_only = OFF"))
    await journal.append(large)
    await journal.quarantine("logstash", refused, "-")
    assert await journal.requeue("logstash", [3]) == 1
    assert (journal.last_seq, journal.quarantined, journal.lag("logstash")) == (45, {"logstash": 2}, 16)
    await journal.append(desk.entries())
    journal.acknowledge("logstash", 1, 46)
    await journal.write_history()
    assert journal.first_seq > 20
    assert list(await everything(journal)) == list(range(journal.first_seq, 47))


async def test_j9_securing_goes_on_when_the_tail_fails(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tail on the card that cannot be synced costs a commit, not the entries."""
    journal = await desk.open()
    await journal.append(desk.entries(10))

    def fail(file: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        await journal.secure()
    assert (await desk.after_power_cut(journal)).last_seq == 10


# --------------------------------------------------------------------------------------------------------------- J10


async def test_j10_a_second_opener_is_turned_away(desk: Desk) -> None:
    """Who comes second is told that the journal is in use, and may try again after the first has closed it."""
    first = await desk.open()
    second = desk.make()
    await first.append(desk.entries(2))
    with pytest.raises(JournalUnavailable, match="in use by another process"):
        await second.open()
    await first.append(desk.entries())
    survivor = await desk.after_kill(first)
    assert survivor.last_seq == 3, "the second has touched the tails of the first"
    await first.close()
    await second.open()
    assert second.last_seq == 3


# --------------------------------------------------------------------------------------------------------------- J11


async def test_j11_a_quarantined_document_is_kept_once(desk: Desk) -> None:
    """Trying the same batch again keeps one copy for each sink and seq, with the first reason."""
    journal = await desk.open(sinks=("logstash", "mqtt"))
    await journal.append(desk.entries(5))
    for reason in ("refused", "refused again"):
        await journal.quarantine("logstash", Batch(2, 3, range(2, 4), desk.documents(2, 3)), reason)
    await journal.quarantine("mqtt", Batch(3, 3, (3,), desk.documents(3, 3)), "too large")
    assert journal.quarantined == {"logstash": 2, "mqtt": 1}
    await journal.close()
    document = "substr(document, 1, length(document) - 4)"  # its checksum is behind it
    assert desk.sql(f"SELECT sink, seq, reason, quarantined_at_ms, {document} FROM quarantine ORDER BY id") == [
        ("logstash", 2, "refused", desk.clock.ms, desk.documents(2, 2)[0]),
        ("logstash", 3, "refused", desk.clock.ms, desk.documents(3, 3)[0]),
        ("mqtt", 3, "too large", desk.clock.ms, desk.documents(3, 3)[0]),
    ]


# --------------------------------------------------------------------------------------------------------------- J12


async def test_j12_opening_reads_a_bounded_number_of_rows(desk: Desk) -> None:
    """A journal whose middle is unreadable opens, and gives what is before the damage and behind it."""
    journal = await desk.open()
    for seed in range(200):
        await journal.append(desk.noise(seed, 20_000))
        await flush(journal)
    await journal.close()
    data = bytearray(desk.path.read_bytes())
    data[len(data) // 4 : len(data) * 3 // 4] = bytes(len(data) // 2)
    desk.path.write_bytes(data)
    await journal.open()
    assert (journal.first_seq, journal.last_seq) == (1, 200)
    for seq in (1, 200):
        assert await journal.read("logstash", seq, seq, 1) is not None
    await journal.append(desk.entries())
    assert await read(journal, 201, 201) == whole(desk, 201, 201)
    assert not list(desk.folder.glob("*damaged*"))


# --------------------------------------------------------------------------------------------------------------- J13


@in_both_modes
async def test_j13_the_loop_does_not_wait_for_the_disk(desk: Desk) -> None:
    """While the journal's thread has the front for itself, the loop goes on, and knows what the journal holds."""
    entered, resumed = threading.Event(), threading.Event()
    journal = await desk.open()

    def hold_up() -> None:
        with journal._front.lock:
            entered.set()
            assert resumed.wait(10.0)

    history = asyncio.create_task(journal._run(hold_up))
    assert await asyncio.to_thread(entered.wait, 10.0)
    append = asyncio.create_task(journal.append(desk.entries()))
    secure = asyncio.create_task(journal.secure())
    for _ in range(100):
        await asyncio.sleep(0)
    assert not append.done()
    assert not secure.done()
    assert (journal.first_seq, journal.last_seq, journal.delivered("logstash")) == (1, 0, Ranges())
    assert (journal.lag("logstash"), journal.size > 0, journal.unsecured_since_s()) == (0, True, None)
    resumed.set()
    await asyncio.gather(history, append, secure)
    assert journal.last_seq == 1
    journal.acknowledge("logstash", 1, 1)
    assert journal.lag("logstash") == 0


@in_both_modes
async def test_j13_the_loop_itself_keeps_a_few_entries_at_once_and_in_memory_alone(desk: Desk) -> None:
    """A crowd would hold up the loop, and so could a card."""
    threads: list[int] = []

    def encode(entry: Observation | Event, seq: int) -> bytes:
        threads.append(threading.get_ident())
        return real(entry, seq)

    real = real_encode()
    journal = await desk.open(encode=encode)
    await journal.append(desk.entries(AT_ONCE_MAX))
    assert (set(threads) == {threading.get_ident()}) is journal.is_in_memory
    threads.clear()
    await journal.append(desk.entries(AT_ONCE_MAX + 1))
    assert threading.get_ident() not in threads
    assert (await desk.after_kill(journal)).last_seq == 2 * AT_ONCE_MAX + 1


@in_both_modes
async def test_j13_appends_and_the_young_do_not_wait_for_a_commit(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the database commits, entries are kept over a kill, are read, and are acknowledged; all of it stays."""
    committing, resumed = threading.Event(), threading.Event()
    insert = Database.insert

    def insert_slowly(database: Database, rows: Iterable[Any], **how: Any) -> int:
        count = insert(database, rows, **how)
        committing.set()
        assert resumed.wait(10.0)
        return count

    journal = await desk.open()
    await journal.append(desk.entries(5))
    journal.acknowledge("logstash", 1, 2)
    with monkeypatch.context() as patch:
        patch.setattr(Database, "insert", insert_slowly)
        history = asyncio.create_task(journal.write_history())
        assert await asyncio.to_thread(committing.wait, 10.0)
        await journal.append(desk.entries(5))
        assert await read(journal, 4, 8) == whole(desk, 4, 8)
        journal.acknowledge("logstash", 4, 8)
        await journal._run_in_front(lambda: None)
        assert not history.done()
        killed = desk.copied(journal, memory=True)
        resumed.set()
        await history
    await journal.append(desk.entries(5))
    await at_rest(journal)
    for (path, memory), last_seq in ((killed, 10), (desk.copied(journal, memory=True), 15)):
        survivor = await desk.open(path, memory)
        assert await seqs_of(survivor) == list(range(1, last_seq + 1))
        assert survivor.delivered("logstash") == Ranges([(1, 2), (4, 8)])
