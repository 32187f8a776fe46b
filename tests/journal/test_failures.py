import asyncio
import os
import resource
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journal.conftest import Desk
from weatherd.errors import JournalDamaged, JournalUnavailable
from weatherd.journal.failures import told
from weatherd.model import Batch


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MB in memory, for those who may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("only root may mount a disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def file_size_limit() -> Iterator[None]:
    """Let writes beyond the length that a test sets fail, and undo it afterwards."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


async def test_a_full_disk_is_told_and_survived(desk: Desk, small_disk: Path) -> None:
    """On a disk of 1 MB appends fail once it is full, keep what there is, and work again when there is room."""
    journal = await desk.open(small_disk / "journal.db")
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(600_000))
    with pytest.raises(JournalUnavailable) as caught:
        await desk.fill(journal, 1000)
    assert caught.value.sentence == f"the disk is full under the journal {journal.path}"
    assert caught.value.hint == f"make room: see `df -h {small_disk}`"
    last_seq = journal.last_seq
    assert last_seq > 5
    assert await desk.seqs(journal) == list(range(1, last_seq + 1))
    ballast.unlink()
    await journal.append(desk.entries())
    await journal.close()
    await journal.open()
    assert await desk.seqs(journal) == list(range(1, last_seq + 2))


async def test_a_disk_that_is_full_from_the_start_is_told(desk: Desk, small_disk: Path) -> None:
    """A journal that cannot even be made says why, and is made when there is room."""
    ballast = small_disk / "ballast"
    with pytest.raises(OSError, match="No space left"):
        ballast.write_bytes(bytes(2_000_000))
    journal = desk.make(small_disk / "journal.db")
    with pytest.raises(JournalUnavailable):
        await journal.open()
    ballast.unlink()
    await journal.open()
    await journal.append(desk.entries())
    assert journal.last_seq == 1


async def test_a_disk_that_was_turned_read_only_is_told(desk: Desk, small_disk: Path) -> None:
    """A journal that can only be read is found out when it is opened, not at the first append."""
    path = small_disk / "journal.db"
    await (await desk.open(path)).close()
    remount = ["mount", "-o", "remount,ro", str(small_disk)]
    await (await asyncio.create_subprocess_exec(*remount)).wait()
    with pytest.raises(JournalUnavailable, match="may not be read and written") as caught:
        await desk.open(path)
    assert f"findmnt --target {small_disk}" in caught.value.hint


async def test_a_full_database_is_told_and_survived(desk: Desk) -> None:
    """The same without a mount: SQLite is given a number of pages that it may use."""
    journal = await desk.open()
    connection = journal._store._connection
    await journal._run(lambda: connection.execute("PRAGMA max_page_count = 20"))
    with pytest.raises(JournalUnavailable, match="the disk is full"):
        await desk.fill(journal, 100)
    last_seq = journal.last_seq
    assert await desk.seqs(journal) == list(range(1, last_seq + 1))
    await journal._run(lambda: connection.execute("PRAGMA max_page_count = 2000"))
    await journal.append(desk.entries())
    assert await desk.seqs(journal) == list(range(1, last_seq + 2))


@pytest.mark.usefixtures("file_size_limit")
async def test_a_disk_that_fails_is_told_and_survived(desk: Desk) -> None:
    """A write that the system refuses is told as a failing disk, and the next one that it takes works."""
    journal = await desk.open()
    await journal.append(desk.entries(3))
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    length = desk.path.with_name("journal.db-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (length + 2000, hard))
    for _ in range(3):
        with pytest.raises(JournalUnavailable, match=r"the disk fails .*SQLITE_IOERR_WRITE") as caught:
            await journal.append(desk.noise(0, 3000))
    assert "dmesg" in caught.value.hint
    assert await journal.read(0, 10) == Batch(1, desk.documents(1, 3))
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await journal.append(desk.entries(2))
    survivor = await desk.open(desk.crashed())
    assert await survivor.read(0, 10) == Batch(1, desk.documents(1, 5))


async def test_positions_that_cannot_be_written_do_not_keep_the_file(desk: Desk) -> None:
    """Closing tells that the last acknowledgements are lost, and closes."""
    journal = await desk.open()
    connection = journal._store._connection
    await journal.append(desk.entries(3))
    await journal.acknowledge("logstash", 3)
    await journal._run(lambda: connection.execute("PRAGMA query_only = ON"))
    with pytest.raises(JournalUnavailable):
        await journal.close()
    await journal.open()
    assert journal.position("logstash") == 0


async def test_a_page_of_noise_is_damage(desk: Desk) -> None:
    """A file whose tables are overwritten is told as damaged, with what to do."""
    journal = await desk.open()
    await journal.append(desk.entries(3))
    await journal.close()
    data = bytearray(desk.path.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    desk.path.write_bytes(data)
    with pytest.raises(JournalDamaged, match="is damaged") as caught:
        await journal.open()
    assert "set journal.db and journal.db-wal aside" in caught.value.hint


@pytest.mark.parametrize("statement", ["SELECT", "SELECT * FROM nowhere"])
def test_a_programmers_error_stays_what_it_is(statement: str) -> None:
    """A mistake in a statement is not blamed on the disk."""
    connection = sqlite3.connect(":memory:")
    with pytest.raises(sqlite3.OperationalError), told(Path("journal.db")):
        connection.execute(statement)
    connection.close()
    with pytest.raises(sqlite3.ProgrammingError), told(Path("journal.db")):
        connection.execute(statement)


async def test_a_damaged_row_ends_a_batch_and_is_told_when_it_is_next(desk: Desk) -> None:
    """What lies before it is given, then it is told with its last seq, and behind that reading goes on."""
    journal = await desk.open()
    for _ in range(5):
        await journal.append(desk.entries(10))
    await journal.close()
    desk.sql("UPDATE entries SET body = x'00' WHERE first_seq = 21")
    journal = await desk.open()
    first = await journal.read(0, 500)
    assert first is not None
    assert (first.first_seq, first.last_seq) == (1, 20)
    with pytest.raises(JournalDamaged, match="entries 21 to 30 cannot be unpacked") as caught:
        await journal.read(20, 500)
    assert caught.value.last_seq == 30
    rest = await journal.read(30, 500)
    assert rest is not None
    assert (rest.first_seq, rest.last_seq) == (31, 50)
