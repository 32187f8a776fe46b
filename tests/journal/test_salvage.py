"""What can be read of a damaged file, page by page, and what is never made up."""

import random
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weatherd.journal.database import Database
from weatherd.journal.opening import PAGE_SIZE
from weatherd.journal.records import Standing
from weatherd.journal.rows import Estimate, Row, Run, pack_row
from weatherd.journal.salvage import Saved, SavedCount, SavedEntries, SavedPosition, SavedQuarantined, salvage
from weatherd.model import Batch
from weatherd.ranges import Ranges

SIZES = (60, 200, 3_000, 30_000)
"""Bytes of a row: many in a page, a few, one, and one that goes on over several pages."""

DELIVERED = Ranges([(seq, seq) for seq in range(1, 1_200, 2)])


def row(seq: int, size: int, *, estimate: Estimate | None = None) -> Row:
    """Make a row of three documents that hardly compresses."""
    noise = random.Random(seq)
    documents = [noise.randbytes(size // 6).hex().encode() for _ in range(3)]
    return pack_row(Run(seq, 1_790_000_000_000 + seq, estimate, documents))


ROWS = [
    row(1 + 3 * number, SIZES[number % len(SIZES)], estimate=Estimate("b007b007", number) if number % 5 else None)
    for number in range(60)
]
STANDING = Standing({"logstash": DELIVERED, "mqtt": Ranges([(1, 40)])}, Ranges([(1, 90)]), 200)
REFUSED = Batch(1, 20, range(1, 21), [f'{{"seq":{seq}}}'.encode() for seq in range(1, 21)])
POSITIONS = [
    SavedPosition(sink, first, last)
    for sink, ranges in (("logstash", DELIVERED), ("mqtt", [(1, 40)]), ("", [(1, 90)]))
    for first, last in ranges
]
QUARANTINED = [
    SavedQuarantined(sink, seq, "refused", 7, document)
    for sink in ("logstash", "mqtt")
    for seq, document in zip(REFUSED.seqs, REFUSED.documents, strict=True)
]
COUNTS = [SavedCount("dropped", 5), SavedCount("epoch", 3), SavedCount("given_seq", 199)]
EVERYTHING: Counter[Saved] = Counter([*map(SavedEntries._make, ROWS), *POSITIONS, *QUARANTINED, *COUNTS])


def make(path: Path) -> Database:
    """Make a journal's file with everything in it, in some commits; it is open."""
    database = Database(path, "test", size_max=100_000_000, retention_s=60.0, when_full="block")
    database.open()
    for start in range(0, len(ROWS), 10):
        with database.transaction():
            database.insert(ROWS[start : start + 10])
    with database.transaction():
        database.write_standing(STANDING)
        database.count("dropped", 5)
        database.count("epoch", 3)
        for sink in ("logstash", "mqtt"):
            database.keep_quarantined(sink, REFUSED, "refused", 7)
    return database


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Give the bytes of a journal that was closed."""
    path = tmp_path_factory.mktemp("intact") / "journal.db"
    make(path).close()
    assert not path.with_name("journal.db-wal").exists()
    return path.read_bytes()


def saved_of(content: bytes, wal: bytes | None = None) -> Counter[Saved]:
    """Salvage a file of these bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        path.write_bytes(content)
        if wal is not None:
            path.with_name("journal.db-wal").write_bytes(wal)
        return Counter(salvage(path))


def with_zeros(content: bytes, number: int) -> bytes:
    """Zero a page, by its number from 1."""
    return content[: (number - 1) * PAGE_SIZE] + bytes(PAGE_SIZE) + content[number * PAGE_SIZE :]


def is_in(body: bytes, page: bytes) -> bool:
    """Tell whether a page has a part of a body, by what is in it."""
    return body[-16:] in page or any(body[at : at + 32] in page for at in range(0, len(body) - 32, 32))


def pages_of(content: bytes) -> list[bytes]:
    """Cut a file into its pages."""
    return [content[at : at + PAGE_SIZE] for at in range(0, len(content), PAGE_SIZE)]


def entries_of(saved: Counter[Saved]) -> set[SavedEntries]:
    return {one for one in saved if isinstance(one, SavedEntries)}


def test_an_intact_file_gives_everything_once(intact: bytes) -> None:
    """Every row of every table comes once, as it was written, and nothing else does."""
    assert saved_of(intact) == EVERYTHING


def test_the_index_of_the_quarantine_is_not_taken_for_positions(intact: bytes) -> None:
    """Where a quarantined document's number is above its seq, the sink would else be said to have all between."""
    assert {one for one in saved_of(intact) if isinstance(one, SavedPosition)} == set(POSITIONS)


def test_what_the_wal_of_a_copy_holds_is_read(tmp_path: Path) -> None:
    """After a kill the newest commits are in the WAL alone; the file without it has less."""
    database = make(tmp_path / "journal.db")
    content, wal = ((tmp_path / name).read_bytes() for name in ("journal.db", "journal.db-wal"))
    database.close()
    assert saved_of(content, wal) == EVERYTHING
    assert entries_of(saved_of(content)) < entries_of(EVERYTHING)


def test_a_wal_that_was_cut_off_gives_its_whole_commits(tmp_path: Path) -> None:
    """Wherever it ends, the rows of the first commits are there, ten by ten, and none of the one that was cut."""
    database = make(tmp_path / "journal.db")
    content, wal = ((tmp_path / name).read_bytes() for name in ("journal.db", "journal.db-wal"))
    database.close()
    counts = []
    for end in range(0, len(wal), 20_001):
        found = entries_of(saved_of(content, wal[:end]))
        assert found == set(map(SavedEntries._make, ROWS[: len(found)]))
        counts.append(len(found))
    assert counts == sorted(counts)
    assert {count % 10 for count in counts} == {0}
    assert counts[0] == 0
    assert counts[-1] >= 50


def test_a_wal_whose_middle_is_damaged_is_read_up_to_there(tmp_path: Path) -> None:
    """One flipped bit ends it: what comes behind could belong to anything."""
    database = make(tmp_path / "journal.db")
    content, wal = ((tmp_path / name).read_bytes() for name in ("journal.db", "journal.db-wal"))
    database.close()
    flipped = bytearray(wal)
    flipped[len(wal) // 2] ^= 1
    found = entries_of(saved_of(content, bytes(flipped)))
    assert found == set(map(SavedEntries._make, ROWS[: len(found)]))
    assert 0 < len(found) < len(ROWS)


def test_a_zeroed_page_loses_only_the_rows_in_it(intact: bytes) -> None:
    """Whichever page it is, every row without a part in it is still there, and nothing is made up."""
    lost_somewhere = set()
    for number, page in enumerate(pages_of(intact), 1):
        saved = saved_of(with_zeros(intact, number))
        lost = entries_of(EVERYTHING) - entries_of(saved)
        assert saved <= EVERYTHING
        assert all(is_in(one.body, page) for one in lost)
        lost_somewhere |= lost
    assert lost_somewhere == entries_of(EVERYTHING)


def test_a_zeroed_first_page_loses_no_entries(intact: bytes) -> None:
    """It says where the tables begin, which is not needed."""
    assert saved_of(with_zeros(intact, 1)) == EVERYTHING


def test_a_file_that_was_cut_off_gives_what_is_left_of_it(intact: bytes) -> None:
    """Also in the middle of a page; nothing is made up."""
    for end in range(0, len(intact), 10_007):
        saved = saved_of(intact[:end])
        lost = entries_of(EVERYTHING) - entries_of(saved)
        assert saved <= EVERYTHING
        assert all(is_in(one.body, intact[end // PAGE_SIZE * PAGE_SIZE :]) for one in lost)


def test_deleted_rows_do_not_come_back(tmp_path: Path) -> None:
    """Their pages are on the list of free ones, with the rows as they were; the others come."""
    path = tmp_path / "journal.db"
    database = make(path)
    with database.transaction() as connection:
        connection.execute("DELETE FROM entries WHERE first_seq < ?", (ROWS[40].first_seq,))
    (free_count,) = database.connection.execute("PRAGMA freelist_count").fetchone()
    database.close()
    assert free_count > 40
    deleted = [one for one in ROWS[:40] if len(one.body) > 1000]
    assert any(is_in(one.body, path.read_bytes()) for one in deleted), "they are overwritten"
    assert entries_of(Counter(salvage(path))) == set(map(SavedEntries._make, ROWS[40:]))


def test_a_missing_file_is_an_error_of_the_system(tmp_path: Path) -> None:
    """Whoever asks has to know that nothing was looked at."""
    with pytest.raises(FileNotFoundError):
        list(salvage(tmp_path / "journal.db"))


PAGE_STARTS = st.builds(lambda page, at: page * PAGE_SIZE + at, st.integers(0, 200), st.integers(0, 120))


@given(
    damages=st.lists(
        st.tuples(PAGE_STARTS | st.integers(0, 1_000_000), st.binary(min_size=1, max_size=200)), min_size=1, max_size=30
    )
)
@settings(max_examples=100)
def test_random_damage_never_raises(intact: bytes, damages: list[tuple[int, bytes]]) -> None:
    """Whatever is overwritten, reading ends, and the documents that come are some that were written, in their place."""
    content = bytearray(intact)
    for offset, garbage in damages:
        at = offset % len(intact)
        content[at : at + len(garbage)] = garbage
    del content[len(intact) :]
    written = {(one.first_seq, one.last_seq, one.body) for one in ROWS}
    assert {(one.first_seq, one.last_seq, one.body) for one in entries_of(saved_of(bytes(content)))} <= written


@given(
    content=st.binary(max_size=300) | st.builds(random.Random.randbytes, st.randoms(), st.integers(0, 50_000)),
    kinds=st.lists(st.sampled_from([0x02, 0x05, 0x0A, 0x0D]), max_size=13),
    wal=st.none() | st.binary(max_size=5_000),
)
@settings(max_examples=100)
def test_garbage_never_raises(content: bytes, kinds: list[int], wal: bytes | None) -> None:
    """Nothing of it is taken for entries, also where pages begin as those of tables do."""
    pages = bytearray(content)
    for number, kind in enumerate(kinds):
        pages[number * PAGE_SIZE : number * PAGE_SIZE + 1] = bytes([kind])
    assert not entries_of(saved_of(bytes(pages), wal))
