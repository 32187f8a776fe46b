import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from weatherd.journal.opening import PAGE_SIZE, connect
from weatherd.journal.pages import _read, opened

COMMITS = 6


@pytest.fixture
def killed(tmp_path: Path) -> Iterator[tuple[Path, list[dict[int, bytes]], list[int]]]:
    """Leave a file with a WAL of some commits; with the pages after each of them, and how long the WAL was."""
    source = tmp_path / "source.db"
    connection = connect(source)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    versions, ends = [pages_of(connection)], [0]
    for number in range(COMMITS):
        body = random.Random(number).randbytes(9000)
        connection.execute("INSERT INTO entries VALUES (?, ?, 0, NULL, NULL, ?)", (number, number, body))
        versions.append(pages_of(connection))
        ends.append(source.with_name("source.db-wal").stat().st_size)
    copy = tmp_path / "copy.db"
    copy.write_bytes(source.read_bytes())
    wal_of(copy).write_bytes(wal_of(source).read_bytes())
    yield copy, versions, ends
    connection.close()


def pages_of(connection: sqlite3.Connection) -> dict[int, bytes]:
    content = connection.serialize()
    return {at // PAGE_SIZE + 1: content[at : at + PAGE_SIZE] for at in range(0, len(content), PAGE_SIZE)}


def wal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def read(path: Path) -> dict[int, bytes]:
    with opened(path) as pages:
        return {number: pages[number] for number in pages.numbers()}


def test_the_newest_version_of_each_page_is_read(killed: tuple[Path, list[dict[int, bytes]], list[int]]) -> None:
    """The pages are those that SQLite itself has, whether they are in the file or only in the WAL."""
    path, versions, _ = killed
    assert read(path) == versions[-1]


def test_a_wal_counts_up_to_the_last_commit_before_its_end(
    killed: tuple[Path, list[dict[int, bytes]], list[int]],
) -> None:
    """Wherever it is cut, the pages are as of the last commit that is whole."""
    path, versions, ends = killed
    wal = wal_of(path).read_bytes()
    for end in [*range(0, len(wal), 1009), *ends, *(end - 1 for end in ends[1:])]:
        wal_of(path).write_bytes(wal[:end])
        commits = sum(one <= end for one in ends[1:])
        assert read(path) == versions[commits], end


@pytest.mark.parametrize("what", ["frame", "page", "salt"])
def test_a_damaged_frame_ends_the_wal(killed: tuple[Path, list[dict[int, bytes]], list[int]], what: str) -> None:
    """One flipped bit in a frame takes its commit and every later one, but none before."""
    path, versions, ends = killed
    wal = bytearray(wal_of(path).read_bytes())
    wal[ends[3] + {"frame": 3, "page": 24 + 2000, "salt": 10}[what]] ^= 1
    wal_of(path).write_bytes(wal)
    assert read(path) == versions[3]


@pytest.mark.parametrize("at", [0, 3, 9, 17, 25, 31])
def test_a_wal_with_a_damaged_header_is_none(killed: tuple[Path, list[dict[int, bytes]], list[int]], at: int) -> None:
    """Without its salts no frame can be told from what an earlier WAL left behind."""
    path, versions, _ = killed
    wal = bytearray(wal_of(path).read_bytes())
    wal[at] ^= 1
    wal_of(path).write_bytes(wal)
    assert read(path) == versions[0]


def test_what_was_not_committed_is_not_read(tmp_path: Path) -> None:
    """A large transaction writes to the WAL before it ends; a kill in the middle leaves its pages there."""
    path, copy = tmp_path / "source.db", tmp_path / "copy.db"
    connection = connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    committed = pages_of(connection)
    connection.execute("PRAGMA cache_size = 5")
    connection.execute("BEGIN")
    connection.executemany(
        "INSERT INTO entries VALUES (?, ?, 0, NULL, NULL, ?)", [(seq, seq, bytes(3000)) for seq in range(100)]
    )
    copy.write_bytes(path.read_bytes())
    wal_of(copy).write_bytes(wal_of(path).read_bytes())
    connection.close()
    assert wal_of(copy).stat().st_size > 50 * PAGE_SIZE
    assert read(copy) == committed


def test_frames_of_an_earlier_wal_are_not_read(tmp_path: Path) -> None:
    """A WAL is overwritten from its start, and what lies behind has other salts."""
    path, copy = tmp_path / "source.db", tmp_path / "copy.db"
    connection = connect(path)
    for seq in range(20):
        connection.execute("INSERT INTO entries VALUES (?, ?, 0, NULL, NULL, ?)", (seq, seq, bytes(3000)))
    connection.execute("PRAGMA wal_checkpoint(RESTART)")
    connection.execute("DELETE FROM entries WHERE first_seq < 10")
    committed = pages_of(connection)
    copy.write_bytes(path.read_bytes())
    wal_of(copy).write_bytes(wal_of(path).read_bytes())
    connection.close()
    assert read(copy) == committed


def chained(numbers: list[int], last: int = 0) -> bytes:
    """Make a file of pages that name the next in a chain; the rest of each is its number."""
    following = dict(zip(numbers, [*numbers[1:], last], strict=True))
    return b"".join(following.get(number, 0).to_bytes(4) + bytes([number]) * (PAGE_SIZE - 4) for number in range(1, 10))


@pytest.mark.parametrize(
    ("content", "size", "why"),
    [
        (chained([3, 7]), 3 * PAGE_SIZE, "too early"),
        (chained([3, 7], last=12), 3 * PAGE_SIZE, "too early"),
        (chained([3, 7], last=2**32 - 1), 3 * PAGE_SIZE, "too early"),
        (chained([3, 7, 5]), PAGE_SIZE, "goes on"),
        (chained([3, 7], last=3), 10_000_000, "goes on"),
        (chained([3, 9])[:-100], 2 * (PAGE_SIZE - 4), "too early"),
        (b"", 5, "too early"),
    ],
    ids=["zero", "behind the end", "far behind", "longer", "loop", "cut off", "empty"],
)
def test_a_chain_has_exactly_the_pages_that_it_needs(tmp_path: Path, content: bytes, size: int, why: str) -> None:
    """A loop, an early end, a number beyond the file or a longer chain is refused, after a bounded number of pages."""
    path = tmp_path / "chain.db"
    path.write_bytes(content)
    with opened(path) as pages, pytest.raises(ValueError, match=why):
        pages.overflow(3, size)


def test_a_page_that_is_cut_off_ends_its_chain(tmp_path: Path) -> None:
    """What it says of the next page does not make up for what is missing of it."""
    path = tmp_path / "chain.db"
    path.write_bytes(chained([9, 3])[:-100])
    with opened(path) as pages, pytest.raises(ValueError, match="too early"):
        pages.overflow(9, 2 * (PAGE_SIZE - 4) - 100)


def test_a_chain_is_read_in_its_order(tmp_path: Path) -> None:
    """Its pages may lie anywhere, and the last may be cut off behind what is needed of it."""
    path = tmp_path / "chain.db"
    path.write_bytes(chained([3, 2, 9])[:-100])
    with opened(path) as pages:
        content = pages.overflow(3, 2 * (PAGE_SIZE - 4) + 50)
    assert content == b"\x03" * (PAGE_SIZE - 4) + b"\x02" * (PAGE_SIZE - 4) + b"\x09" * 50


def test_what_the_disk_cannot_read_is_no_page() -> None:
    """A bad sector is passed over, so that what lies behind it can still be read."""
    with Path("/proc/self/mem").open("rb", 0) as unreadable:
        assert _read(unreadable.fileno(), PAGE_SIZE, 0) == b""
