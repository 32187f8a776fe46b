"""J14: a damaged database is set aside, what can be read of it is taken over, and the journal goes on."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.journal.conftest import Desk, flush
from weatherd.errors import JournalUnavailable
from weatherd.journal import Notice, SqliteJournal
from weatherd.journal.opening import PAGE_SIZE
from weatherd.model import Batch

COUNT = 40
"""Entries of 3 KB that are in the database before it is damaged, a row each."""

GARBAGE = random.Random(7).randbytes

Damage = Callable[[Path], None]


def overwrite(path: Path, offset: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)


def header_overwritten(path: Path) -> None:
    overwrite(path, 0, GARBAGE(100))


def first_page_zeroed(path: Path) -> None:
    overwrite(path, 0, bytes(PAGE_SIZE))


def root_zeroed(path: Path) -> None:
    overwrite(path, PAGE_SIZE, bytes(PAGE_SIZE))


def middle_page_zeroed(path: Path) -> None:
    overwrite(path, path.stat().st_size // PAGE_SIZE // 2 * PAGE_SIZE, bytes(PAGE_SIZE))


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def back_half_overwritten(path: Path) -> None:
    size = path.stat().st_size
    overwrite(path, size // 2, GARBAGE(size - size // 2))


def all_overwritten(path: Path) -> None:
    path.write_bytes(GARBAGE(path.stat().st_size))


async def filled(desk: Desk) -> dict[int, bytes]:
    """Write a journal of many rows, some of them delivered, and close it; return its documents."""
    journal = await desk.open()
    for number in range(COUNT):
        await journal.append(desk.noise(number, 1500))
        await flush(journal)
    journal.acknowledge("logstash", 1, 5)
    await journal.quarantine("logstash", Batch(3, 3, [3], [b"refused"]), "its reason")
    documents = await documents_of(journal)
    await journal.close()
    assert list(documents) == list(range(1, COUNT + 1))
    return documents


async def documents_of(journal: SqliteJournal) -> dict[int, bytes]:
    """Read all that the journal still gives."""
    documents: dict[int, bytes] = {}
    seq = 1
    while seq <= journal.last_seq:
        batch = await journal.read("logstash", seq, journal.last_seq, 7)
        assert batch is not None
        documents |= dict(zip(batch.seqs, batch.documents, strict=True))
        seq = batch.last_seq + 1
    return documents


def aside(desk: Desk) -> list[Path]:
    return [path for path in desk.folder.glob("journal.db.damaged-*") if not path.name.endswith("-wal")]


@pytest.mark.parametrize(
    ("damage", "kept_count_min"),
    [
        (header_overwritten, COUNT),
        (first_page_zeroed, COUNT),
        (root_zeroed, COUNT),
        (cut_in_half, COUNT // 3),
        (all_overwritten, 0),
    ],
)
async def test_what_is_damaged_at_the_opening_is_set_aside(desk: Desk, damage: Damage, kept_count_min: int) -> None:
    """What can be read is taken over with its seqs and bytes, the rest is kept for a person, and it is told."""
    documents = await filled(desk)
    damage(desk.path)
    damaged = desk.path.read_bytes()
    told: list[Notice] = []
    journal = await desk.open(tell=told.append)
    found = await documents_of(journal)
    assert found.items() <= documents.items()
    assert len(found) >= kept_count_min
    (kept,) = aside(desk)
    assert kept.read_bytes() == damaged
    (notice,) = told
    assert (notice.name, notice.action) == ("journal.damaged", "journal_damaged")
    assert kept.name in notice.message
    assert not list(desk.folder.glob("journal.db.new*"))
    # It goes on: the next entry has a seq that none had before, and the next start finds nothing wrong.
    await journal.append(desk.entries())
    assert journal.last_seq > COUNT
    next_one = await documents_of(journal)
    await journal.close()
    told.clear()
    journal = await desk.open(tell=told.append)
    assert await documents_of(journal) == next_one
    assert not told


@pytest.mark.parametrize("damage", [header_overwritten, first_page_zeroed, root_zeroed])
async def test_what_the_sinks_have_is_taken_over(desk: Desk, damage: Damage) -> None:
    """Positions, quarantine and counters lie on pages of their own, and are as they were."""
    await filled(desk)
    damage(desk.path)
    journal = await desk.open()
    assert list(journal.delivered("logstash")) == [(1, 5)]
    assert journal.lag("logstash") == COUNT - 5
    assert journal.quarantined == {"logstash": 1}
    (refused,) = await journal.quarantined_behind(0)
    assert (refused.seq, refused.reason, refused.document) == (3, "its reason", b"refused")
    assert journal.contents.count("epoch") >= COUNT


@pytest.mark.parametrize(
    ("damage", "kept_count_min"),
    [(middle_page_zeroed, COUNT - 3), (cut_in_half, COUNT // 3), (back_half_overwritten, COUNT // 3)],
)
async def test_what_is_found_damaged_while_reading_is_set_aside(
    desk: Desk, damage: Damage, kept_count_min: int
) -> None:
    """The read that comes upon it goes on with what is left; what is young, and what sinks have, is not touched."""
    documents = await filled(desk)
    told: list[Notice] = []
    journal = await desk.open(tell=told.append)
    assert journal.last_seq == COUNT
    await journal.append(desk.entries(2))
    journal.acknowledge("logstash", 7, 8)
    await journal.append(desk.entries(1))
    young = dict(zip(range(COUNT + 1, COUNT + 4), desk.documents(COUNT + 1, COUNT + 3), strict=True))
    returning = asyncio.create_task(journal.wait_for_return())
    await asyncio.sleep(0)
    damage(desk.path)
    found = await documents_of(journal)
    assert found.items() <= (documents | young).items()
    assert found.items() >= young.items()
    assert COUNT + 3 > len(found) >= kept_count_min
    assert len(aside(desk)) == 1
    assert [notice.name for notice in told] == ["journal.damaged"]
    await asyncio.wait_for(returning, 5.0)
    assert list(journal.delivered("logstash")) == [(1, 5), (7, 8)]
    # The next start finds the same, and nothing wrong.
    await journal.append(desk.entries())
    found = await documents_of(journal)
    await journal.close()
    journal = await desk.open(tell=told.append)
    assert await documents_of(journal) == found
    assert list(journal.delivered("logstash")) == [(1, 5), (7, 8)]
    assert len(told) == 1


async def test_a_crash_after_the_damage_loses_nothing_more(desk: Desk) -> None:
    """What was young when the database was replaced is still in the tail, and positions stay."""
    await filled(desk)
    journal = await desk.open()
    await journal.append(desk.entries(3))
    journal.acknowledge("logstash", 7, 8)
    middle_page_zeroed(desk.path)
    found = await documents_of(journal)
    assert len(aside(desk)) == 1
    recovered = await desk.after_kill(journal)
    assert await documents_of(recovered) == found
    assert list(recovered.delivered("logstash")) == [(1, 5), (7, 8)]


async def test_what_a_killed_journal_has_in_its_wal_is_taken_over(desk: Desk) -> None:
    """The newest commits are in the WAL alone, and the file itself is damaged."""
    documents = await filled(desk)
    journal = await desk.open()
    for number in range(5):
        await journal.append(desk.noise(100 + number, 1500))
        await flush(journal)
    documents |= await documents_of(journal)
    path, _ = desk.copied(journal, memory=False)
    assert path.with_name(f"{path.name}-wal").stat().st_size > 5 * 1500
    middle_page_zeroed(path)
    for tail in desk.folder.glob(f"{path.name}-tail*"):
        tail.unlink()
    recovered = await desk.open(path)
    found = await documents_of(recovered)
    assert [notice.name for notice in desk.notices] == ["journal.damaged"]
    assert found.items() <= documents.items()
    assert COUNT + 5 > len(found) >= COUNT + 2
    assert set(range(COUNT + 1, COUNT + 6)) <= found.keys()


async def test_at_most_two_are_kept(desk: Desk) -> None:
    """A failing card is not filled by what it damaged: the oldest makes room, the newest stays."""
    await filled(desk)
    last = b""
    for _ in range(4):
        header_overwritten(desk.path)
        last = desk.path.read_bytes()
        journal = await desk.open()
        await journal.append(desk.entries())
        await journal.close()
    kept = aside(desk)
    assert len(kept) == 2
    assert last in [path.read_bytes() for path in kept]
    journal = await desk.open()
    assert journal.last_seq == COUNT + 4
    assert len(await documents_of(journal)) == COUNT + 4


async def test_a_database_of_another_program_is_refused(desk: Desk) -> None:
    """It is someone's, and whole: it is neither moved nor written, and the reader is told."""
    desk.sql("CREATE TABLE recipes (name TEXT)")
    desk.sql("INSERT INTO recipes VALUES ('churrasco')")
    before = desk.path.read_bytes()
    told: list[Notice] = []
    with pytest.raises(JournalUnavailable, match="another program"):
        await desk.open(tell=told.append)
    assert desk.path.read_bytes() == before
    assert not aside(desk)
    assert not told


async def test_a_journal_of_a_newer_weatherd_is_refused(desk: Desk) -> None:
    """It is whole, only not ours to read."""
    await filled(desk)
    desk.sql("PRAGMA user_version = 99")
    with pytest.raises(JournalUnavailable, match="newer weatherd"):
        await desk.open()
    assert not aside(desk)


async def test_a_replacement_that_was_cut_off_is_begun_anew(desk: Desk) -> None:
    """What an earlier attempt left behind is not mixed into this one."""
    documents = await filled(desk)
    header_overwritten(desk.path)
    for name in ("journal.db.new", "journal.db.new-wal"):
        (desk.folder / name).write_bytes(GARBAGE(5000))
    journal = await desk.open()
    assert await documents_of(journal) == documents
    assert not list(desk.folder.glob("journal.db.new*"))
