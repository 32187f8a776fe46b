"""What is believed of a damaged file, and what is not."""

import random
import sqlite3
import tempfile
import tracemalloc
import zlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weatherd.journal import opening
from weatherd.journal.opening import PAGE_SIZE, connect
from weatherd.journal.quarantine import sealed
from weatherd.journal.rows import Run, pack_row
from weatherd.journal.salvage import (
    LINES_SIZE_MAX,
    ROOTS,
    Saved,
    SavedCount,
    SavedEntries,
    SavedPosition,
    SavedQuarantined,
    salvage,
)

TABLES = {SavedEntries: "entries", SavedQuarantined: "quarantine", SavedPosition: "positions", SavedCount: "counters"}
BOOT_ID = "0c4f2a3e8b1d4c6f9a7e5d3b2c1a0f9e"


def entries(seq: int, *, size: int = 200, lines: int = 3, **changes: Any) -> SavedEntries:
    """Make a row that hardly compresses."""
    noise = random.Random(seq)
    body = zlib.compress(b"\n".join(noise.randbytes(size // lines).hex().encode() for _ in range(lines)))
    boot_id, offset_ms = (BOOT_ID, 5) if seq % 4 == 0 else (None, None)
    return SavedEntries(seq, seq + lines - 1, 1_790_000_000_000, boot_id, offset_ms, body)._replace(**changes)


EVERYTHING: list[Saved] = [
    *(entries(1 + 3 * number, size=(60, 200, 3_000, 20_000)[number % 4]) for number in range(400)),
    # Their numbers are above their seqs: taken for positions, they would say that all between is delivered.
    *(SavedQuarantined("mqtt", seq, "why" * seq, 7, b'{"a":"%s"}' % (b"b" * 97 * seq)) for seq in range(120, 0, -1)),
    *(SavedPosition("logstash", seq, seq) for seq in range(1, 900, 2)),
    SavedPosition("mqtt", 1, 90),
    SavedPosition("", 1, 890),
    SavedCount("epoch", 3),
    SavedCount("dropped", 0),
]


def insert(connection: sqlite3.Connection, rows: Iterable[Saved]) -> None:
    connection.execute("BEGIN")
    for row in rows:
        values = (None, *row[:-1], sealed(*row)) if isinstance(row, SavedQuarantined) else row
        marks = ", ".join("?" * len(values))
        connection.execute(f"INSERT INTO {TABLES[type(row)]} VALUES ({marks})", values)
    connection.execute("COMMIT")


def content_of(*rows: Saved) -> bytes:
    """Give the bytes of a journal that holds these."""
    with tempfile.TemporaryDirectory() as folder:
        connection = connect(Path(folder) / "journal.db")
        insert(connection, rows)
        content = connection.serialize()
        connection.close()
        return content


def saved_of(content: bytes) -> Counter[Saved]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        path.write_bytes(content)
        return Counter(salvage(path))


def without(content: bytes, *numbers: int) -> bytes:
    """Zero pages, by their numbers from 1."""
    pages = bytearray(content)
    for number in numbers:
        pages[(number - 1) * PAGE_SIZE : number * PAGE_SIZE] = bytes(PAGE_SIZE)
    return bytes(pages)


@pytest.fixture(scope="module")
def intact() -> bytes:
    """Give the bytes of a journal with everything in it: chains, interior pages, every table."""
    content = content_of(*EVERYTHING)
    assert {content[at] for at in range(PAGE_SIZE, len(content), PAGE_SIZE)} >= {0x02, 0x05, 0x0A, 0x0D}
    return content


def test_everything_comes_once(intact: bytes) -> None:
    """Every row of every table comes once, as it was written, and nothing else does."""
    assert saved_of(intact) == Counter(EVERYTHING)


@pytest.mark.parametrize("size", [100, PAGE_SIZE])
@pytest.mark.parametrize("noise", [None, 1, 2])
def test_nothing_is_lost_with_the_header_or_the_first_page(intact: bytes, size: int, noise: int | None) -> None:
    """Where the trees begin is known without them, be they zeros or garbage."""
    garbage = bytes(size) if noise is None else random.Random(noise).randbytes(size)
    assert saved_of(garbage + intact[size:]) == Counter(EVERYTHING)


def test_trees_begin_where_it_is_said_that_they_do() -> None:
    """The numbers that stand in for a lost first page are those of a journal as it is made."""
    with tempfile.TemporaryDirectory() as folder:
        connection = connect(Path(folder) / "journal.db")
        roots = dict(connection.execute("SELECT name, rootpage FROM sqlite_schema WHERE type = 'table'").fetchall())
        connection.close()
    assert {name: roots[name] for name in ROOTS} == ROOTS


def test_a_journal_that_a_person_has_vacuumed_is_read(tmp_path: Path) -> None:
    """Its trees begin elsewhere; page 1 tells, and without it nothing else is taken for them."""
    path = tmp_path / "journal.db"
    path.write_bytes(content_of(*EVERYTHING))
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    assert Counter(salvage(path)) == Counter(EVERYTHING)
    path.write_bytes(without(path.read_bytes(), 1))
    positions = {one for one in salvage(path) if isinstance(one, SavedPosition)}
    assert positions <= set(EVERYTHING)


@pytest.mark.parametrize("number", [*range(2, 8), *range(8, 400, 13)])
def test_whichever_page_is_lost_nothing_is_made_up(intact: bytes, number: int) -> None:
    """What comes was written; a lost leaf of positions or counters takes no entries with it."""
    kind = intact[(number - 1) * PAGE_SIZE]
    saved = saved_of(without(intact, number))
    lost = Counter(EVERYTHING) - saved
    assert saved <= Counter(EVERYTHING)
    if kind in (0x02, 0x05, 0x0A):
        assert not [one for one in lost if isinstance(one, SavedEntries | SavedQuarantined)]
    else:
        assert not [one for one in lost if isinstance(one, SavedPosition | SavedCount)]


@pytest.mark.parametrize("lost", [(), (1,), (4,), (1, 4)])
def test_an_index_is_not_taken_for_positions(monkeypatch: pytest.MonkeyPatch, lost: tuple[int, ...]) -> None:
    """Also not one whose records (sink, seq, id) look like them, and whether or not the real ones are there."""
    older = tuple(one.replace("UNIQUE (seq, sink)", "UNIQUE (sink, seq)") for one in opening._SCHEMA)
    monkeypatch.setattr(opening, "_SCHEMA", older)
    content = without(content_of(*EVERYTHING), *lost)
    assert {one for one in saved_of(content) if isinstance(one, SavedPosition)} <= set(EVERYTHING)


def test_the_index_of_estimates_is_not_taken_for_counters(intact: bytes) -> None:
    """Its records (boot_id, first_seq) look like them."""
    counts = {one for one in saved_of(without(intact, 1)) if isinstance(one, SavedCount)}
    assert counts == {SavedCount("epoch", 3), SavedCount("dropped", 0)}


def test_positions_that_are_no_longer_true_do_not_come_back(tmp_path: Path) -> None:
    """After a requeue the old ones lie on free pages: believed, they would keep the entry from its sink for ever."""
    connection = connect(tmp_path / "journal.db")
    insert(connection, EVERYTHING)
    connection.execute("DELETE FROM positions")
    insert(connection, [SavedPosition("logstash", 1, 20)])
    content = connection.serialize()
    connection.close()
    assert content.count(b"logstash") > 500, "they are overwritten"
    for damaged in (content, without(content, 1)):
        positions = [one for one in saved_of(damaged) if isinstance(one, SavedPosition)]
        assert positions == [SavedPosition("logstash", 1, 20)]


@pytest.fixture(scope="module")
def pruned() -> bytes:
    """Give the bytes of a journal whose first rows were deleted: they are still on its free pages."""
    with tempfile.TemporaryDirectory() as folder:
        connection = connect(Path(folder) / "journal.db")
        insert(connection, EVERYTHING)
        connection.execute("DELETE FROM entries WHERE first_seq < 1000")
        content = connection.serialize()
        connection.close()
    return content


KEPT = {one for one in EVERYTHING if isinstance(one, SavedEntries) and one.first_seq >= 1000}


def entries_of(content: bytes) -> set[Saved]:
    return {one for one in saved_of(content) if isinstance(one, SavedEntries)}


def test_deleted_rows_stay_deleted_while_the_freelist_can_be_read(pruned: bytes) -> None:
    """With page 1 lost they come back, which is better than to lose others."""
    assert entries_of(pruned) == KEPT
    assert KEPT < entries_of(without(pruned, 1)) <= set(EVERYTHING)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\0\0\0\0",
        b"\xff\xff\xff\xff",
        b"\0\0\0\x02",
        b"\0\0\0\x01",
    ],
)
@pytest.mark.parametrize("where", ["first trunk", "count", "next trunk", "leaf count"])
def test_a_damaged_freelist_hides_nothing(pruned: bytes, where: str, garbage: bytes) -> None:
    """It is believed as a whole or not at all: no row in use is lost by it, and no walk along it goes round."""
    trunk = (int.from_bytes(pruned[32:36]) - 1) * PAGE_SIZE
    at = {"first trunk": 32, "count": 36, "next trunk": trunk, "leaf count": trunk + 4}[where]
    assert entries_of(pruned[:at] + garbage + pruned[at + 4 :]) >= KEPT


def test_a_freelist_that_has_more_than_it_says_is_not_believed(pruned: bytes) -> None:
    """A number behind its end may be of a page that is in use again."""
    trunk = (int.from_bytes(pruned[32:36]) - 1) * PAGE_SIZE
    count = int.from_bytes(pruned[trunk + 4 : trunk + 8])
    # Small rows are whole in their leaf.
    small = min(KEPT, key=lambda row: len(row.body))
    in_use = next(
        number
        for number in range(len(pruned) // PAGE_SIZE, 0, -1)
        if small.body in pruned[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]
        and small not in entries_of(without(pruned, number))
    )
    longer = bytearray(pruned)
    longer[trunk + 4 : trunk + 8] = (count + 1).to_bytes(4)
    longer[trunk + 8 + 4 * count : trunk + 12 + 4 * count] = in_use.to_bytes(4)
    assert entries_of(bytes(longer)) >= KEPT


def test_a_freelist_that_goes_round_ends(pruned: bytes) -> None:
    """Whatever number of pages it promises."""
    trunk = int.from_bytes(pruned[32:36])
    at = (trunk - 1) * PAGE_SIZE
    round_about = bytearray(pruned)
    round_about[36:40] = b"\0\0\xff\xff"
    round_about[at : at + 4] = trunk.to_bytes(4)
    assert entries_of(bytes(round_about)) >= KEPT


def test_a_tree_that_goes_round_ends(intact: bytes) -> None:
    """A page that names one above it is not followed twice; what can be reached comes once."""
    at = (ROOTS["positions"] - 1) * PAGE_SIZE
    assert intact[at] == 0x02
    saved = saved_of(intact[: at + 8] + ROOTS["positions"].to_bytes(4) + intact[at + 12 :])
    assert saved <= Counter(EVERYTHING)
    assert sum(isinstance(one, SavedPosition) for one in saved) > 100


@pytest.mark.parametrize(("kept", "is_taken"), [(b'{"a":1}', True), (b'{"a":1', False), (b"[1]", False), (b"", False)])
def test_of_a_quarantine_without_checksums_only_json_is_taken(kept: bytes, *, is_taken: bool) -> None:
    """So file version 2 had it. What was written with a checksum, and changed since, is no JSON."""
    row = SavedQuarantined("mqtt", 1, "why", 7, kept)
    content = content_of(row).replace(sealed(*row), kept + b" " * 4)
    assert list(saved_of(content)) == ([row._replace(document=kept + b" " * 4)] if is_taken else [])


def test_records_of_every_size_around_a_page_come_back() -> None:
    """Up to 4,061 bytes are in the leaf itself; from there on, the first 489 or more."""
    rows = [SavedQuarantined("mqtt", size, "why", 7, b"x" * size) for size in range(4_000, 4_100)]
    assert saved_of(content_of(*rows)) == Counter(rows)


def test_half_a_document_is_none() -> None:
    """Where the file ends in a row, the row is lost."""
    document = b'{"a":"%s"}' % (b"b" * 300)
    row = SavedQuarantined("mqtt", 1, "why", 7, document)
    content = content_of(row)
    end = content.index(document) + len(sealed(*row))
    assert saved_of(content[:end]) == {SavedQuarantined("mqtt", 1, "why", 7, document): 1}
    assert not saved_of(content[: end - 1])


GOOD = entries(10)
GOOD_FRAGMENTS = SavedEntries(*pack_row(Run(600, 7, None, [b"%d" % number for number in range(400)])))
BAD = [
    GOOD._replace(first_seq=0, last_seq=2),
    GOOD._replace(first_seq=-1, last_seq=1),
    GOOD._replace(first_seq=2**62 - 1, last_seq=2**62 + 1),
    GOOD._replace(last_seq=9),
    GOOD._replace(last_seq=11),
    GOOD._replace(last_seq=13),
    GOOD._replace(recorded_at_ms=-1),
    GOOD._replace(recorded_at_ms=2**60),
    GOOD._replace(offset_ms=5),
    GOOD._replace(boot_id=BOOT_ID),
    GOOD._replace(boot_id=BOOT_ID, offset_ms=-(2**60)),
    GOOD._replace(body=b""),
    GOOD._replace(body=GOOD.body[:-1]),
    GOOD._replace(body=GOOD.body + b"\0"),
    GOOD._replace(body=GOOD.body[:50] + bytes(20) + GOOD.body[70:]),
    entries(10, lines=1001, size=20_000),
    GOOD._replace(last_seq=10, body=zlib.compress(bytes(LINES_SIZE_MAX + 100_000))),
    GOOD_FRAGMENTS._replace(last_seq=1000),
    GOOD_FRAGMENTS._replace(body=GOOD_FRAGMENTS.body[:-1]),
    GOOD_FRAGMENTS._replace(body=GOOD_FRAGMENTS.body[:50] + bytes(20) + GOOD_FRAGMENTS.body[70:]),
    SavedQuarantined("mqtt", 0, "why", 7, b"{}"),
    SavedQuarantined("mqtt", 2**62, "why", 7, b"{}"),
    SavedQuarantined("mqtt", 1, "why", -7, b"{}"),
    SavedQuarantined("mqtt", 1, "why", 7, b'{"half":\0\0\0\0\0'),
    SavedPosition("mqtt", 0, 5),
    SavedPosition("mqtt", 6, 5),
    SavedPosition("mqtt", 1, 2**62),
    SavedCount("epoch", -1),
    SavedCount("epoch", 2**62),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: f"{type(bad).__name__}{BAD.index(bad)}")
def test_what_cannot_be_is_passed_over(bad: Saved) -> None:
    """Seqs, times, counts and bodies that no journal would have written are damage; what is beside them comes."""
    beside = [
        entries(500),
        GOOD_FRAGMENTS._replace(first_seq=1600, last_seq=1999),
        SavedQuarantined("mqtt", 500, "why", 7, b"{}"),
        SavedPosition("logstash", 1, 2),
    ]
    assert saved_of(content_of(bad, *beside)) == Counter(beside)


def test_a_name_that_is_no_text_is_passed_over() -> None:
    """Bytes that are no UTF-8 were written by nobody."""
    content = content_of(SavedPosition("mqtt", 1, 5), SavedPosition("zabbix", 1, 5))
    assert saved_of(content.replace(b"mqtt", b"mq\xff\xfe")) == {SavedPosition("zabbix", 1, 5): 1}


@settings(max_examples=50)
@given(
    first_seq=st.integers(1, 2**62 - 2)
    | st.sampled_from([2**bits + step for bits in range(1, 62) for step in (-1, 0)]),
    recorded_at_ms=st.integers(0, 2**48 - 1),
    estimate=st.just((None, None))
    | st.tuples(st.text(max_size=40).filter(lambda text: "\0" not in text), st.integers(-(2**47), 2**47)),
    size=st.integers(2, 300) | st.integers(3_900, 4_200) | st.integers(7_900, 8_400) | st.integers(2, 60_000),
)
def test_every_row_that_can_be_written_comes_back(
    first_seq: int, recorded_at_ms: int, estimate: tuple[Any, Any], size: int
) -> None:
    """Whatever the widths of its numbers, and wherever the record goes on in other pages."""
    boot_id, offset_ms = estimate
    row = entries(first_seq, size=size, lines=1, recorded_at_ms=recorded_at_ms, boot_id=boot_id, offset_ms=offset_ms)
    assert saved_of(content_of(row)) == {row: 1}


@pytest.mark.parametrize("size", range(480, 1020, 3))
def test_a_record_of_an_index_may_go_on_in_other_pages(size: int) -> None:
    """A long name of a sink leaves less than a quarter of a page of itself in the tree."""
    rows = [SavedPosition(f"{number}" * size, 1, 5) for number in range(9)]
    assert saved_of(content_of(*rows)) == Counter(rows)


@settings(max_examples=150)
@given(st.data())
def test_no_damage_raises_or_makes_up_entries(intact: bytes, data: st.DataObject) -> None:
    """Pages zeroed, exchanged, repeated, overwritten or cut off: what comes of entries was written."""
    count = len(intact) // PAGE_SIZE
    pages = [intact[at : at + PAGE_SIZE] for at in range(0, len(intact), PAGE_SIZE)]
    for _ in range(data.draw(st.integers(1, 20))):
        number, other = (data.draw(st.integers(0, count - 1) | st.integers(0, 8)) for _ in range(2))
        at = data.draw(st.integers(0, PAGE_SIZE - 1) | st.integers(0, 30))
        page = pages[number]
        match data.draw(st.sampled_from(["zeros", "exchange", "repeat", "bytes", "shift", "noise"])):
            case "zeros":
                pages[number] = page[:at] + bytes(PAGE_SIZE - at)
            case "exchange":
                pages[number], pages[other] = pages[other], page
            case "repeat":
                pages[number] = pages[other]
            case "bytes":
                pages[number] = (page[:at] + data.draw(st.binary(min_size=1, max_size=9)) + page)[:PAGE_SIZE]
            case "shift":
                pages[number] = page[at:] + page[:at]
            case "noise":
                pages[number] = page[:1] + random.Random(at).randbytes(PAGE_SIZE - 1)
    content = b"".join(pages)[: data.draw(st.integers(0, len(intact)) | st.just(len(intact)))]
    bodies = {one.body for one in EVERYTHING if isinstance(one, SavedEntries)}
    assert {one.body for one in saved_of(content) if isinstance(one, SavedEntries)} <= bodies


@settings(max_examples=100)
@given(seed=st.integers(), kind=st.sampled_from([0x02, 0x05, 0x0A, 0x0D]), size=st.integers(0, 100_000))
def test_of_garbage_nothing_comes(seed: int, kind: int, size: int) -> None:
    """Also where every page of it begins as those of tables do."""
    content = bytearray(random.Random(seed).randbytes(size))
    content[::PAGE_SIZE] = bytes([kind]) * len(content[::PAGE_SIZE])
    assert not [one for one in saved_of(bytes(content)) if isinstance(one, SavedEntries | SavedQuarantined)]


def test_a_large_journal_is_read_in_little_memory(tmp_path: Path) -> None:
    """What is held at a time is a step of the file and a row, not the journal."""
    path = tmp_path / "journal.db"
    connection = connect(path)
    rows = [entries(seq, size=150_000, lines=1) for seq in range(1, 200)]
    insert(connection, rows)
    connection.close()
    assert path.stat().st_size > 15_000_000
    tracemalloc.start()
    count = sum(1 for _ in salvage(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == len(rows)
    assert peak < 5_000_000
