"""J14, where SQLite itself finds nothing wrong: what a card made of a page is never taken for a row."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.journal.conftest import Desk, everything, flush
from tests.journal.test_damage import COUNT, filled
from weatherd.errors import JournalDamaged, JournalError
from weatherd.journal import SqliteJournal
from weatherd.journal.columns import guard
from weatherd.journal.failures import told
from weatherd.journal.opening import PAGE_SIZE
from weatherd.model import Batch

ROWS_MAX = 4
"""Rows on a page, or that go on there: more than these are not lost with it."""

DAY_MS = 86_400_000

REFUSED = [("logstash", 3, "its reason", b"refused"), ("logstash", 9, "its reason", b"refused")]
"""What `filled` and `use` have in quarantine."""


class Whole:
    """A journal before it is damaged: its file, and the documents in it."""

    def __init__(self, data: bytes, documents: dict[int, bytes]) -> None:
        self.data = data
        self.documents = documents


@pytest.fixture(scope="module")
def whole() -> Whole:
    with TemporaryDirectory() as folder:
        desk = Desk(Path(folder))
        documents = asyncio.run(filled(desk))
        return Whole(desk.path.read_bytes(), documents)


async def delivered(journal: SqliteJournal) -> dict[int, bytes]:
    """Read all as the forwarder does, which passes over a row that cannot be unpacked, and acknowledge it."""
    documents: dict[int, bytes] = {}
    seq = 1
    while seq <= min(journal.last_seq, COUNT):
        try:
            batch = await journal.read("logstash", seq, journal.last_seq, 7)
        except JournalDamaged as error:
            if error.last_seq is None:
                raise
            seq = error.last_seq + 1
            continue
        assert batch is not None
        documents |= dict(zip(batch.seqs, batch.documents, strict=True))
        journal.acknowledge("logstash", batch.first_seq, batch.last_seq)
        seq = batch.last_seq + 1
    return before_use(documents)


def before_use(documents: dict[int, bytes]) -> dict[int, bytes]:
    """Leave out what `use` itself appends."""
    return {seq: document for seq, document in documents.items() if seq <= COUNT}


async def use(desk: Desk, documents: dict[int, bytes]) -> int:
    """Do all that a daemon does with a journal; return how many documents came out of it, each the right one."""
    journal = await desk.open()
    try:
        exported = before_use(await everything(journal))
        read = await delivered(journal)
        assert exported.items() <= documents.items()
        assert read.items() <= documents.items()
        for one in await journal.quarantined_behind(0):
            assert (one.sink, one.seq, one.reason, one.document) in REFUSED
        await journal.quarantine("logstash", Batch(9, 9, [9], [b"refused"]), "its reason")
        await journal.append(desk.entries())
        desk.clock.ms += 2 * DAY_MS
        await journal.write_history()
        await flush(journal)
        return len(read)
    finally:
        await journal.close()


@pytest.mark.parametrize(
    ("first", "end"),
    [(0, 2048), (2048, 4096), (1024, 2048)],
)
def test_a_page_of_which_a_part_is_zeros_costs_its_rows_alone(whole: Whole, first: int, end: int) -> None:
    """Whichever page it is: the journal is used as ever, and the next start finds nothing wrong."""
    for start in range(0, len(whole.data), PAGE_SIZE):
        data = bytearray(whole.data)
        data[start + first : start + end] = bytes(end - first)
        with TemporaryDirectory() as folder:
            desk = Desk(Path(folder))
            desk.path.write_bytes(data)
            assert asyncio.run(use(desk, whole.documents)) >= COUNT - ROWS_MAX, f"page {start // PAGE_SIZE + 1}"
            desk.notices.clear()
            asyncio.run(use(desk, whole.documents))
            assert not desk.notices, f"page {start // PAGE_SIZE + 1}"


@settings(max_examples=100, deadline=None)
@given(page=st.integers(0, 2**16), at=st.integers(0, PAGE_SIZE), bit=st.integers(0, 7))
def test_a_flipped_bit_gives_no_wrong_document(whole: Whole, page: int, at: int, bit: int) -> None:
    """Wherever it is: each call does what it should, or tells that the journal cannot."""
    data = bytearray(whole.data)
    start = page * PAGE_SIZE % len(data)
    used = [one for one in range(start, start + PAGE_SIZE) if data[one]]
    data[used[at % len(used)]] ^= 1 << bit
    with TemporaryDirectory() as folder:
        desk = Desk(Path(folder))
        desk.path.write_bytes(data)
        with contextlib.suppress(JournalError):
            asyncio.run(use(desk, whole.documents))


@pytest.fixture
def guarded() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    guard(connection)
    yield connection
    connection.close()


ROW = "1 AS first_seq, 2 AS last_seq, 3 AS recorded_at_ms, 'b007' AS boot_id, -4 AS offset_ms, x'01' AS body"


@pytest.mark.parametrize(
    "columns",
    [
        ROW,
        ROW.replace("'b007'", "NULL").replace("-4", "NULL"),
        "'logstash' AS sink, 1 AS first_seq, 5000000 AS last_seq",
        "'' AS sink, 1 AS first_seq, 1 AS last_seq",
        "'epoch' AS name, 0 AS value",
        "7 AS id, 'logstash' AS sink, 1 AS seq, 'a' || char(0) AS reason, 0 AS quarantined_at_ms, x'7b' AS document",
    ],
)
def test_what_can_have_been_written_is_believed(guarded: sqlite3.Connection, columns: str) -> None:
    """A row comes out as it is."""
    plain = sqlite3.connect(":memory:")
    assert guarded.execute(f"SELECT {columns}").fetchall() == plain.execute(f"SELECT {columns}").fetchall()
    plain.close()


@pytest.mark.parametrize(
    "columns",
    [
        "NULL AS first_seq",
        "0 AS first_seq",
        "1.0 AS last_seq",
        "'2' AS seq",
        "4611686018427387904 AS seq",
        "-1 AS recorded_at_ms",
        "NULL AS quarantined_at_ms",
        "2 AS first_seq, 1 AS last_seq",
        "NULL AS sink",
        "x'61' AS reason",
        "CAST(x'ff' AS TEXT) AS name",
        "NULL AS value",
        "NULL AS size",
        "'a' AS document",
        "x'6100' AS document",
        "max(NULL)",
        ROW.replace("x'01'", "NULL"),
        ROW.replace("-4", "NULL"),
        ROW.replace("'b007'", "NULL"),
        ROW.replace("2", "1001"),
    ],
)
def test_what_was_never_written_is_damage(guarded: sqlite3.Connection, columns: str) -> None:
    """It is told as the damage that SQLite finds itself."""
    with pytest.raises(JournalDamaged) as caught, told(Path("journal.db")):
        guarded.execute(f"SELECT {columns}").fetchall()
    assert caught.value.last_seq is None
