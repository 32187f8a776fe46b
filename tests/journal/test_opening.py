import asyncio
import os
import random
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.journal.conftest import Desk, in_both_modes, seqs, with_end
from weatherd.errors import JournalUnavailable
from weatherd.journal.opening import USER_VERSION
from weatherd.ranges import Ranges

HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA locking_mode = EXCLUSIVE")
connection.execute("SELECT count(*) FROM entries").fetchone()
print("held", flush=True)
sys.stdin.read()
"""


def every_tail(desk: Desk) -> list[Path]:
    """Return where the four tails are, or the two of a card alone."""
    places = [with_end(desk.path, "-tail")] + ([desk.memory] if desk.memory else [])
    return [with_end(place, end) for place in places for end in ("", "2")]


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
    for tail in every_tail(desk):
        assert stat.S_IMODE(tail.stat().st_mode) == 0o640
    assert (journal.first_seq, journal.last_seq) == (1, 0)
    assert (journal.delivered("logstash"), journal.lag("logstash")) == (Ranges(), 0)
    assert (journal.dropped_count, journal.quarantined, journal.contents.count("quarantine_dropped")) == (0, {}, 0)
    assert await seqs(journal) == []
    assert await journal.newest_recorded_at_ms() is None


async def test_a_name_with_odd_letters_is_a_name(desk: Desk) -> None:
    """Letters that mean something in a URI stand for themselves in a path."""
    path = desk.folder / "the 100% journal?#ü.db"
    await desk.open(path)
    assert path.exists()


@in_both_modes
async def test_a_closed_journal_is_one_file(desk: Desk) -> None:
    """Closing brings all into the database, which then can be copied alone; beside it lie only tails."""
    journal = await desk.open()
    await journal.append(desk.entries(3))
    await journal.secure()
    await journal.read("logstash", 1, 2, 10)
    journal.acknowledge("logstash", 1, 2)
    await journal.close()
    names = {path.name for path in desk.folder.glob("journal*")}
    assert names == {"journal.db", "journal.db-tail", "journal.db-tail2"}
    assert desk.sql("SELECT first_seq, last_seq FROM entries") == [(1, 3)]
    copy = desk.folder / "copy.db"
    shutil.copy(desk.path, copy)
    journal = await desk.open(copy)
    assert await seqs(journal) == [1, 2, 3]
    assert journal.delivered("logstash") == Ranges([(1, 2)])


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
    """A folder is no journal; the hint says what to write instead."""
    desk.path.mkdir()
    with pytest.raises(JournalUnavailable, match=f"{desk.path} is a folder, and the journal is a file") as caught:
        await desk.open()
    assert f'"{desk.path}/journal.db"' in caught.value.hint


async def test_a_file_of_another_kind_is_kept_aside_as_it_is(desk: Desk) -> None:
    """A file that is no database is taken for a damaged one: not written to, set aside, and told; a new one works."""
    before = b"2026-11-23 15:14 rain\n" * 1000
    desk.path.write_bytes(before)
    journal = await desk.open()
    (aside,) = desk.folder.glob("journal.db.damaged-*")
    assert aside.read_bytes() == before
    assert [notice.name for notice in desk.notices] == ["journal.damaged"]
    assert aside.name in desk.notices[0].message
    await journal.append(desk.entries())
    assert await seqs(journal) == [1]


async def test_a_database_of_another_program_is_left_as_it_is(desk: Desk) -> None:
    """A database that does not say that it is a journal is not written to, and stays in its place."""
    desk.sql("CREATE TABLE archive (dateTime INTEGER)")
    before = desk.path.read_bytes()
    with pytest.raises(JournalUnavailable, match="a database of another program") as caught:
        await desk.open()
    assert "journal.path" in caught.value.hint
    assert desk.path.read_bytes() == before
    assert {path.name for path in desk.folder.glob("journal*")} == {"journal.db"}


async def test_a_journal_of_a_newer_weatherd_is_told(desk: Desk) -> None:
    """A newer version of the tables is not touched, and the reader learns that it is newer."""
    await (await desk.open()).close()
    desk.sql(f"PRAGMA user_version = {USER_VERSION + 1}")
    before = desk.path.read_bytes()
    with pytest.raises(JournalUnavailable, match="made by a newer weatherd"):
        await desk.open()
    assert desk.path.read_bytes() == before


async def test_a_journal_of_a_weatherd_before_the_release_is_told(desk: Desk) -> None:
    """The tables of a development version are left as they are, and the reader learns what to do with them."""
    await (await desk.open()).close()
    desk.sql("PRAGMA user_version = 1")
    with pytest.raises(JournalUnavailable, match="before the first release"):
        await desk.open()
    assert desk.sql("PRAGMA user_version") == [(1,)]


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
    assert await seqs(journal) == [1]


@in_both_modes
async def test_what_was_kept_before_the_first_commit_is_found(desk: Desk) -> None:
    """A daemon killed soon after its first start has an empty database, and all that it kept in the tails."""
    journal = await desk.open()
    for _ in range(3):
        await journal.append(desk.entries(2))
    path, memory = desk.copied(journal, memory=True)
    assert desk.sql("SELECT count(*) FROM entries", path=path) == [(0,)]
    journal = await desk.open(path, memory if desk.memory else None)
    batch = await journal.read("logstash", 1, 6, 10)
    assert batch is not None
    assert list(batch.documents) == desk.documents(1, 6)
    assert journal.last_seq == 6


@in_both_modes
async def test_tails_that_are_gone_are_made_again(desk: Desk) -> None:
    """A boot empties the runtime folder, and a restored backup has no tails; both are as good as new."""
    journal = await desk.open()
    await journal.append(desk.entries(3))
    await journal.close()
    for tail in every_tail(desk):
        tail.unlink()
    await journal.open()
    await journal.append(desk.entries(2))
    assert await seqs(await desk.after_kill(journal)) == [1, 2, 3, 4, 5]
    assert desk.notices == []


@in_both_modes
async def test_tails_of_noise_are_empty(desk: Desk) -> None:
    """What lies in the place of the tails and is none neither stops the start nor makes an entry."""
    for tail in every_tail(desk):
        tail.write_bytes(random.Random(tail.name).randbytes(10_000))
    journal = await desk.open()
    assert journal.last_seq == 0
    await journal.append(desk.entries())
    assert await seqs(await desk.after_kill(journal)) == [1]


@in_both_modes
async def test_what_the_tail_held_outlives_a_smaller_size(desk: Desk) -> None:
    """With a smaller journal.size_max the tails are smaller, too; what a killed process kept is found all the same."""
    journal = await desk.open()
    for _ in range(100):
        await journal.append(desk.noise(journal.last_seq, 1000))
    path, memory = desk.copied(journal, memory=True)
    journal = await desk.open(path, memory if desk.memory else None, size_max=1_000_000)
    assert await seqs(journal) == list(range(1, 101))


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
