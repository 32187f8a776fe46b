import asyncio
import os
import resource
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journal.conftest import Desk, at_rest, flush, in_both_modes, on_card, seqs
from weatherd.errors import JournalDamaged, JournalUnavailable
from weatherd.journal import SqliteJournal
from weatherd.journal.failures import told
from weatherd.ranges import Ranges


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


class FailingTails:
    """
    What the system does when asked to write or sync a tail; SQLite's own writes go on.

    Attributes:
        broken: Ends of the paths of those that fail.
        names: The calls that do.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.broken: tuple[str, ...] = ()
        self.names: tuple[str, ...] = ("pwrite", "fdatasync")
        pwrite, fdatasync = os.pwrite, os.fdatasync

        def failing_pwrite(file: int, data: bytes, offset: int) -> int:
            self._check("pwrite", file)
            return pwrite(file, data, offset)

        def failing_fdatasync(file: int) -> None:
            self._check("fdatasync", file)
            fdatasync(file)

        monkeypatch.setattr(os, "pwrite", failing_pwrite)
        monkeypatch.setattr(os, "fdatasync", failing_fdatasync)

    def _check(self, name: str, file: int) -> None:
        if name in self.names and str(Path(f"/proc/self/fd/{file}").readlink()).endswith(self.broken):
            raise OSError(5, "Input/output error")


YOUNG = ("young.tail", "young.tail2")
CARD = ("-tail", "-tail2")


@pytest.fixture
def tails(monkeypatch: pytest.MonkeyPatch) -> FailingTails:
    return FailingTails(monkeypatch)


def told_of(desk: Desk) -> list[str]:
    return [notice.name for notice in desk.notices]


async def refuse(journal: SqliteJournal) -> None:
    """Let the database refuse every write."""
    connection = journal._store.database.connection
    await on_card(journal, lambda: connection.execute("PRAGMA query_only = ON"))


async def take(journal: SqliteJournal) -> None:
    """Let the database take what is written again."""
    connection = journal._store.database.connection
    await on_card(journal, lambda: connection.execute("PRAGMA query_only = OFF"))


async def append_noise(desk: Desk, journal: SqliteJournal, count: int, size: int) -> None:
    for _ in range(count):
        await journal.append(desk.noise(journal.last_seq, size))


@in_both_modes
async def test_a_full_disk_is_told_and_survived(desk: Desk, small_disk: Path) -> None:
    """On a disk of 1 MB appends fail once it is full, keep what there is, and work again when there is room."""
    journal = await desk.open(small_disk / "journal.db", desk.memory, size_max=1_000_000)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(600_000))
    with pytest.raises(JournalUnavailable) as caught:
        await append_noise(desk, journal, 1000, 3000)
    assert caught.value.sentence == f"the disk is full under the journal {journal.path}"
    assert caught.value.hint == f"make room: see `df -h {small_disk}`"
    last_seq = journal.last_seq
    assert last_seq > 5
    assert await seqs(journal) == list(range(1, last_seq + 1))
    ballast.unlink()
    await journal.append(desk.entries())
    await journal.close()
    await journal.open()
    assert await seqs(journal) == list(range(1, last_seq + 2))


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
    assert await seqs(journal) == [1]


async def test_a_disk_without_room_for_the_tails_has_room_for_the_database(desk: Desk, small_disk: Path) -> None:
    """Tails that would fill the disk are done without, and leave the room that there is to the database."""
    journal = await desk.open(small_disk / "journal.db")
    assert told_of(desk) == ["journal.tail_lost"]
    assert "No space left" in desk.notices[0].message
    await append_noise(desk, journal, 50, 1000)
    await journal.write_history()
    await journal.append(desk.entries())
    survivor = await desk.after_power_cut(journal)
    assert await seqs(survivor) == list(range(1, 52))


async def test_a_disk_that_was_turned_read_only_is_told(desk: Desk, small_disk: Path) -> None:
    """A journal that can only be read is found out when it is opened, not at the first append."""
    path = small_disk / "journal.db"
    await (await desk.open(path)).close()
    remount = ["mount", "-o", "remount,ro", str(small_disk)]
    await (await asyncio.create_subprocess_exec(*remount)).wait()
    with pytest.raises(JournalUnavailable, match="may not be read and written") as caught:
        await desk.open(path)
    assert f"findmnt --target {small_disk}" in caught.value.hint


@in_both_modes
async def test_a_full_database_is_told_and_survived(desk: Desk) -> None:
    """The same without a mount: SQLite is given a number of pages that it may use."""
    journal = await desk.open(size_max=1_000_000)
    connection = journal._store.database.connection
    await on_card(journal, lambda: connection.execute("PRAGMA max_page_count = 30"))
    with pytest.raises(JournalUnavailable, match="the disk is full"):
        await append_noise(desk, journal, 200, 3000)
    last_seq = journal.last_seq
    assert await seqs(journal) == list(range(1, last_seq + 1))
    await on_card(journal, lambda: connection.execute("PRAGMA max_page_count = 2000"))
    await journal.append(desk.entries())
    assert await seqs(journal) == list(range(1, last_seq + 2))
    assert await seqs(await desk.after_kill(journal)) == list(range(1, last_seq + 2))


@in_both_modes
async def test_tails_that_were_filled_while_the_disk_failed_are_emptied(desk: Desk) -> None:
    """After appends were refused since both tails were full, they go on for good: no seq is missing or there twice."""
    journal = await desk.open(size_max=1_000_000)
    await refuse(journal)
    failed_count = 0
    while failed_count < 5:
        try:
            await journal.append(desk.noise(journal.last_seq, 1000))
        except JournalUnavailable:
            failed_count += 1
    last_seq = journal.last_seq
    assert last_seq > 20
    assert await seqs(await desk.after_kill(journal)) == list(range(1, last_seq + 1))
    await take(journal)
    commits = journal.contents.count("epoch")
    await append_noise(desk, journal, 200, 1000)
    assert journal.contents.count("epoch") - commits < 20, "the tails are not used any more"
    journal.acknowledge("logstash", 1, 10)
    survivor = await desk.after_kill(journal)
    assert await seqs(survivor) == list(range(1, last_seq + 201))
    assert survivor.delivered("logstash") == Ranges([(1, 10)])
    assert told_of(desk) == []


@in_both_modes
@pytest.mark.usefixtures("file_size_limit")
async def test_a_disk_that_fails_is_told_and_survived(desk: Desk) -> None:
    """While the database cannot be written appends are kept in the tails; the failure is told, and passes."""
    journal = await desk.open()
    await desk.keep_rows(journal, 3)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    length = desk.path.with_name("journal.db-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (length + 2000, hard))
    for _ in range(3):
        await journal.append(desk.noise(journal.last_seq, 3000))
        with pytest.raises(JournalUnavailable, match=r"the disk fails .*SQLITE_IOERR_WRITE") as caught:
            await flush(journal)
    assert "dmesg" in caught.value.hint
    assert await seqs(journal) == [1, 2, 3, 4, 5, 6]
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert await seqs(await desk.after_kill(journal)) == [1, 2, 3, 4, 5, 6]
    await journal.append(desk.entries(2))
    await flush(journal)
    assert await seqs(await desk.after_power_cut(journal)) == [1, 2, 3, 4, 5, 6, 7, 8]


@in_both_modes
async def test_what_cannot_be_written_at_the_end_is_there_at_the_start(desk: Desk) -> None:
    """Closing tells that the disk did not take it, and closes; entries and acknowledgements are in the tails."""
    journal = await desk.open()
    await journal.append(desk.entries(3))
    journal.acknowledge("logstash", 1, 2)
    await at_rest(journal)
    await refuse(journal)
    with pytest.raises(JournalUnavailable):
        await journal.close()
    await journal.open()
    assert journal.delivered("logstash") == Ranges([(1, 2)])
    assert await seqs(journal) == [1, 2, 3]


async def test_a_memory_that_fails_is_done_without(desk: Desk, tails: FailingTails) -> None:
    """An append that the young tail does not take is kept on the card; it is told once, and nothing is lost."""
    journal = await desk.open()
    await journal.append(desk.entries(3))
    journal.acknowledge("logstash", 1, 1)
    assert journal.is_in_memory
    tails.broken = YOUNG
    for _ in range(3):
        await journal.append(desk.entries(2))
    assert told_of(desk) == ["journal.tail_lost"]
    assert str(desk.memory) in desk.notices[0].message
    assert "Input/output error" in desk.notices[0].message
    assert not journal.is_in_memory
    journal.acknowledge("logstash", 2, 2)
    assert await seqs(await desk.after_power_cut(journal)) == list(range(1, 10)), "it was in the memory alone"
    survivor = await desk.after_kill(journal)
    assert await seqs(survivor) == await seqs(journal) == list(range(1, 10))
    assert survivor.delivered("logstash") == Ranges([(1, 2)])


@in_both_modes
async def test_without_any_tail_each_append_goes_into_the_database(desk: Desk, tails: FailingTails) -> None:
    """With every tail failing an append is on the card when it returns, and so are acknowledgements soon after."""
    journal = await desk.open()
    await journal.append(desk.entries(3))
    tails.broken = (*YOUNG, *CARD)
    for count in range(1, 4):
        await journal.append(desk.entries())
        survivor = await desk.after_power_cut(journal)
        assert await seqs(survivor) == list(range(1, 4 + count))
    assert set(told_of(desk)) == {"journal.tail_lost"}
    assert len(desk.notices) == len({notice.message for notice in desk.notices}) == (2 if desk.memory else 1)
    journal.acknowledge("logstash", 1, 4)
    survivor = await desk.after_power_cut(journal)
    assert survivor.delivered("logstash") == Ranges([(1, 4)])
    await journal.close()
    assert await seqs(await desk.open()) == [1, 2, 3, 4, 5, 6]


@in_both_modes
async def test_an_append_that_neither_takes_has_changed_nothing(desk: Desk, tails: FailingTails) -> None:
    """With every tail and the database failing appends raise and keep nothing; the seqs go on where they were."""
    journal = await desk.open()
    await journal.append(desk.entries(3))
    tails.broken = (*YOUNG, *CARD)
    await refuse(journal)
    for _ in range(3):
        with pytest.raises(JournalUnavailable):
            await journal.append(desk.entries(2))
    assert journal.last_seq == 3
    assert await seqs(await desk.after_kill(journal)) == [1, 2, 3]
    await take(journal)
    await journal.append(desk.entries(2))
    assert await seqs(journal) == [1, 2, 3, 4, 5]
    assert await seqs(await desk.after_kill(journal)) == [1, 2, 3, 4, 5]


@in_both_modes
@pytest.mark.parametrize("name", ["pwrite", "fdatasync"])
async def test_what_cannot_be_synced_in_the_tail_goes_into_the_database(
    desk: Desk, tails: FailingTails, name: str
) -> None:
    """Where the tail on the card fails, securing costs a commit, and outlives a power cut all the same; it is told."""
    journal = await desk.open()
    await journal.append(desk.entries(3))
    tails.broken, tails.names = CARD, (name,)
    for count in range(1, 4):
        await journal.append(desk.entries())
        await journal.secure()
        assert journal.unsecured_since_s() is None
        assert await seqs(await desk.after_power_cut(journal)) == list(range(1, 4 + count))
    assert told_of(desk) == ["journal.tail_lost"]
    assert "journal.db-tail" in desk.notices[0].message


@in_both_modes
async def test_a_tail_on_the_card_is_tried_again_with_the_next_history(desk: Desk, tails: FailingTails) -> None:
    """After a passing fault the tail is used again, and holds nothing that is taken for new."""
    journal = await desk.open()
    await journal.append(desk.entries(3))
    await journal.secure()
    tails.broken = CARD
    await journal.append(desk.entries(3))
    await journal.secure()
    assert told_of(desk) == ["journal.tail_lost"]
    tails.broken = ()
    await journal.write_history()
    commits = journal.contents.count("epoch")
    await journal.append(desk.entries(2))
    await journal.secure()
    assert journal.contents.count("epoch") == commits
    assert await seqs(await desk.after_power_cut(journal)) == list(range(1, 9))
    assert len(desk.notices) == 1


async def test_a_read_goes_on_where_the_tail_fails(desk: Desk, tails: FailingTails) -> None:
    """That documents are given for an attempt is kept in the database then, and they are given."""
    journal = await desk.open()
    await journal.append(desk.entries(3))
    tails.broken = YOUNG
    batch = await journal.read("logstash", 1, 3, 2)
    assert batch is not None
    assert list(batch.documents) == desk.documents(1, 2)
    assert told_of(desk) == ["journal.tail_lost"]
    assert await seqs(await desk.after_kill(journal)) == [1, 2, 3]


@pytest.mark.parametrize("place", ["memory", "card"])
async def test_a_tail_that_cannot_be_opened_is_done_without(desk: Desk, place: str) -> None:
    """A folder in the place of a tail does not keep the journal from opening; it is told, and appends are kept."""
    assert desk.memory is not None
    blocked = desk.memory if place == "memory" else desk.path.with_name("journal.db-tail")
    blocked.mkdir()
    journal = await desk.open()
    assert told_of(desk) == ["journal.tail_lost"]
    assert str(blocked) in desk.notices[0].message
    await journal.append(desk.entries(3))
    await journal.secure()
    blocked.rmdir()
    assert await seqs(await desk.after_power_cut(journal)) == [1, 2, 3]


@in_both_modes
async def test_an_append_does_not_wait_for_the_card(desk: Desk) -> None:
    """While the thread that waits for the card is at it, entries are kept, read and acknowledged."""
    journal = await desk.open()
    assert journal._worker is not None
    is_over = threading.Event()
    journal._worker.submit(is_over.wait, 60.0)
    try:
        async with asyncio.timeout(30.0):
            for seq in range(1, 51):
                await journal.append(desk.entries())
                batch = await journal.read("logstash", seq, seq, 10)
                assert batch is not None
                assert list(batch.documents) == desk.documents(seq, seq)
                journal.acknowledge("logstash", seq, seq)
        assert journal.lag("logstash") == 0
        assert not is_over.is_set()
    finally:
        is_over.set()
    survivor = await desk.after_kill(journal)
    assert (survivor.last_seq, survivor.lag("logstash")) == (50, 0)


@in_both_modes
async def test_an_append_does_not_wait_for_a_commit(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept while the database commits is in the other tail, and outlives a kill at any moment."""
    journal = await desk.open()
    await journal.append(desk.entries(3))
    is_in, is_over = threading.Event(), threading.Event()
    insert = journal._store.database.insert

    def slow_insert(*args: object, **kwargs: object) -> int:
        is_in.set()
        is_over.wait(60.0)
        return insert(*args, **kwargs)

    monkeypatch.setattr(journal._store.database, "insert", slow_insert)
    flushing = asyncio.create_task(flush(journal))
    try:
        await asyncio.to_thread(is_in.wait, 30.0)
        async with asyncio.timeout(30.0):
            await journal.append(desk.entries(2))
            await journal.append(desk.entries(2))
        during = desk.copied(journal, memory=True)
        assert not flushing.done()
    finally:
        is_over.set()
    await flushing
    assert journal.contents.last_seq == 3
    assert await seqs(await desk.open(during[0], during[1] if desk.memory else None)) == list(range(1, 8))
    assert await seqs(await desk.after_kill(journal)) == list(range(1, 8))
    await journal.append(desk.entries())
    assert await seqs(await desk.after_kill(journal)) == list(range(1, 9))
    assert await seqs(journal) == list(range(1, 9))


async def test_a_page_of_noise_is_damage(desk: Desk) -> None:
    """A file whose tables are overwritten is set aside and told; a new one takes its place, and no seq comes twice."""
    journal = await desk.open()
    await journal.append(desk.entries(3))
    await journal.close()
    data = bytearray(desk.path.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    desk.path.write_bytes(data)
    await journal.open()
    assert told_of(desk) == ["journal.damaged"]
    (aside,) = desk.folder.glob("journal.db.damaged-*")
    assert aside.read_bytes() == data
    await journal.append(desk.entries(2))
    assert await seqs(await desk.after_kill(journal)) == await seqs(journal)
    assert (await seqs(journal))[-2:] == [4, 5]


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
    await desk.keep_rows(journal, 10, 10, 10, 10, 10)
    await journal.close()
    desk.sql("UPDATE entries SET body = x'00' WHERE first_seq = 21")
    journal = await desk.open()
    first = await journal.read("logstash", 1, 50, 500)
    assert first is not None
    assert (first.first_seq, first.last_seq, list(first.documents)) == (1, 20, desk.documents(1, 20))
    with pytest.raises(JournalDamaged, match="entries 21 to 30 cannot be unpacked") as caught:
        await journal.read("logstash", 21, 50, 500)
    assert caught.value.last_seq == 30
    rest = await journal.read("logstash", 31, 50, 500)
    assert rest is not None
    assert (rest.first_seq, rest.last_seq, list(rest.documents)) == (31, 50, desk.documents(31, 50))
    assert desk.notices == []
