import asyncio
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.journal.conftest import Desk
from weatherd.errors import JournalDamaged, JournalUnavailable

HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA locking_mode = EXCLUSIVE")
connection.execute("SELECT count(*) FROM entries").fetchone()
print("held", flush=True)
sys.stdin.read()
"""


async def test_a_new_journal_is_empty_and_not_for_everyone(desk: Desk) -> None:
    """A new file can be read by its group, written by its owner, and holds nothing."""
    before = os.umask(0)
    try:
        journal = await desk.open()
    finally:
        os.umask(before)
    assert stat.S_IMODE(desk.path.stat().st_mode) == 0o640
    assert stat.S_IMODE(desk.path.with_name("journal.db-wal").stat().st_mode) == 0o640
    assert not desk.path.with_name("journal.db-shm").exists()
    assert (journal.first_seq, journal.last_seq, journal.position("logstash"), journal.lag("logstash")) == (1, 0, 0, 0)
    assert (journal.dropped_count, journal.quarantined, journal.quarantine_dropped_count) == (0, {}, 0)
    assert await journal.read(0, 10) is None


async def test_a_name_with_odd_letters_is_a_name(desk: Desk) -> None:
    """Letters that mean something in a URI stand for themselves in a path."""
    path = desk.folder / "the 100% journal?#ü.db"
    await desk.open(path)
    assert path.exists()


async def test_a_closed_journal_is_one_file(desk: Desk) -> None:
    """Closing brings all into the file, which then can be copied alone."""
    journal = await desk.open()
    await journal.append(desk.entries(3))
    await journal.close()
    assert [path.name for path in desk.folder.iterdir()] == ["journal.db"]
    assert desk.sql("SELECT first_seq, last_seq FROM entries") == [(1, 3)]


async def test_an_empty_file_becomes_a_journal(desk: Desk) -> None:
    """A daemon killed right after it had made the file leaves nothing to mend."""
    desk.path.touch()
    journal = await desk.open()
    await journal.append(desk.entries())
    assert journal.last_seq == 1


async def test_a_missing_folder_is_named_and_not_made(desk: Desk) -> None:
    """Where the disk is not mounted no journal is hidden below its mount point."""
    folder = desk.folder / "disk"
    with pytest.raises(JournalUnavailable, match=f"no folder {folder}") as caught:
        await desk.open(folder / "journal.db")
    assert f"mkdir {folder}" in caught.value.hint
    assert not folder.exists()


async def test_a_folder_that_takes_no_file_is_named(desk: Desk) -> None:
    """Where no file can be made, not even by root, the system's reason is told."""
    with pytest.raises(JournalUnavailable, match=r"the journal /sys/journal\.db cannot be opened: ") as caught:
        await desk.open(Path("/sys/journal.db"))
    assert "ls -ld /sys" in caught.value.hint


async def test_a_folder_in_the_place_of_the_file_is_told(desk: Desk) -> None:
    """A folder is no journal."""
    desk.path.mkdir()
    with pytest.raises(JournalUnavailable, match="unable to open database file"):
        await desk.open()


async def test_a_file_of_another_kind_is_left_as_it_is(desk: Desk) -> None:
    """A file that is no database is no journal, and is not written to."""
    desk.path.write_bytes(b"2026-11-23 15:14 rain\n" * 1000)
    with pytest.raises(JournalDamaged, match="no journal: file is not a database"):
        await desk.open()
    assert desk.path.read_bytes() == b"2026-11-23 15:14 rain\n" * 1000


async def test_a_database_of_another_program_is_left_as_it_is(desk: Desk) -> None:
    """A database that does not say that it is a journal is not written to."""
    desk.sql("CREATE TABLE archive (dateTime INTEGER)")
    before = desk.path.read_bytes()
    with pytest.raises(JournalDamaged, match="a database of another program"):
        await desk.open()
    assert desk.path.read_bytes() == before


async def test_a_journal_of_a_newer_weatherd_is_told(desk: Desk) -> None:
    """A newer version of the tables is not touched, and the reader learns that it is newer."""
    await (await desk.open()).close()
    desk.sql("PRAGMA user_version = 2")
    with pytest.raises(JournalUnavailable, match="made by a newer weatherd"):
        await desk.open()


async def test_another_process_that_has_the_file_is_told(desk: Desk) -> None:
    """The lock holds between processes, and goes with the process that had it."""
    await (await desk.open()).close()
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, str(desk.path), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"held\n"
    with pytest.raises(JournalUnavailable, match="in use by another process"):
        await desk.open()
    holder.kill()
    await holder.communicate()
    await desk.open()


async def test_a_journal_can_be_opened_again_after_a_failure(desk: Desk) -> None:
    """The same object opens once what was missing is there."""
    folder = desk.folder / "disk"
    journal = desk.make(folder / "journal.db")
    for _ in range(2):
        with pytest.raises(JournalUnavailable):
            await journal.open()
    folder.mkdir()
    await journal.open()
    await journal.append(desk.entries())


async def test_closing_twice_or_before_opening_does_nothing(desk: Desk) -> None:
    """Whoever cleans up need not know how far the start had come."""
    journal = desk.make()
    await journal.close()
    await journal.open()
    await journal.close()
    await journal.close()


async def test_a_size_that_holds_nothing_is_a_programmers_error(desk: Desk) -> None:
    """A size below 64 KB is refused by the constructor."""
    with pytest.raises(ValueError, match="size_max is 65535"):
        desk.make(size_max=65_535)
