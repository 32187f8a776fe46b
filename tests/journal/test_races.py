"""Two threads and an end of the process: whatever falls between two steps of one of them."""

import asyncio
import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from tests.journal.conftest import Desk, at_rest, everything, flush, in_both_modes, on_card, real_encode
from weatherd.errors import JournalUnavailable
from weatherd.journal import SqliteJournal, store
from weatherd.journal import sqlite as sqlite_module
from weatherd.journal.aside import saved_from
from weatherd.model import Batch
from weatherd.ranges import Ranges


class NoticedLock:
    """
    A lock, and what happens whenever another thread than the one that does it lets go of it.

    Attributes:
        released: Called then, on a thread of its own; None to do nothing.
    """

    def __init__(self, lock: Any) -> None:
        self.released: Callable[[], None] | None = None
        self._lock = lock
        self._depth = 0

    def __enter__(self) -> None:
        self._lock.acquire()
        self._depth += 1

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._depth -= 1
        depth, released = self._depth, self.released
        self._lock.release()
        if depth == 0 and released is not None:
            self.released = None
            elsewhere(released)
            self.released = released


def elsewhere(do: Callable[[], Any]) -> None:
    """Do something on another thread, and wait for it."""
    failures: list[BaseException] = []

    def carefully() -> None:
        try:
            do()
        except BaseException as error:  # noqa: BLE001  # told to the thread that waits
            failures.append(error)

    thread = threading.Thread(target=carefully)
    thread.start()
    thread.join(10.0)
    assert not thread.is_alive(), "the lock was held"
    if failures:
        raise failures[0]


def during_commits(journal: SqliteJournal, do: Callable[[], Any]) -> None:
    """Do something on another thread in the middle of each commit."""
    database = journal._store.database
    insert = database.insert

    def meanwhile(*args: Any, **kwargs: Any) -> int:
        elsewhere(do)
        return insert(*args, **kwargs)

    database.insert = meanwhile  # type: ignore[method-assign]


@in_both_modes
async def test_j1_j6_a_kill_between_any_two_steps_loses_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the thread that waits for the card is, the other one goes on, and a kill takes nothing of that."""
    monkeypatch.setattr(sqlite_module, "RESERVE_SIZE", 8 * 4096)
    journal = await desk.open()
    front = journal._front
    lock = NoticedLock(front.lock)
    front.lock = lock  # type: ignore[assignment]
    kills: list[tuple[tuple[Path, Path | None], int, Ranges]] = []
    commits: list[int] = []

    def go_on() -> None:
        """Keep an entry, deliver it in part, and take what a kill would leave."""
        if front.append(desk.entries(2), 0):
            seq = front.last_seq
            assert front.read(seq, seq, 1) is not None
            front.delivered.add("logstash", Ranges([(seq, seq)]))
            assert front.note()
        kills.append((desk.copied(journal, memory=True), front.last_seq, front.delivered.of("logstash")))

    lock.released = go_on
    during_commits(journal, lambda: (commits.append(1), go_on()))
    await on_card(journal, lambda: front.append(desk.entries(3), 0))
    for work in (flush, flush, SqliteJournal.secure, SqliteJournal.write_history, SqliteJournal.secure, flush):
        await work(journal)
    await journal.quarantine("logstash", Batch(1, 1, [1], desk.documents(1, 1)), "refused")
    await on_card(journal, lambda: front.delivered.add("logstash", Ranges([(1, 1)])))
    await journal.requeue("logstash", [1])
    assert 1 not in journal.delivered("logstash")
    await flush(journal)
    lock.released = None
    assert len(kills) > 30
    assert len(commits) > 4
    for place, last_seq, delivered in kills:
        survivor = await desk.open(*place)
        assert await everything(survivor) == dict(enumerate(desk.documents(1, last_seq), 1))
        known = survivor.delivered("logstash")
        assert delivered.remove(1, 1) & known == delivered.remove(1, 1)
        assert survivor._front.standing.tried & delivered.remove(1, 1) == delivered.remove(1, 1)
        await survivor.close()
        for one in desk.folder.glob(f"{place[0].stem}.*"):
            one.unlink()
    assert 1 not in known


@in_both_modes
async def test_a_requeue_and_an_acknowledgement_do_not_undo_each_other(desk: Desk) -> None:
    """While a requeue goes to the card, sinks go on acknowledging: both are kept over a kill, before and after."""
    journal = await desk.open()
    await journal.append(desk.entries(9))
    await journal.quarantine("logstash", Batch(2, 3, [2, 3], desk.documents(2, 3)), "refused")
    journal.acknowledge("logstash", 1, 4)

    def acknowledge() -> None:
        journal._front.delivered.add("logstash", Ranges([(5, 6)]))
        assert journal._front.note()

    during_commits(journal, acknowledge)
    assert await journal.requeue("logstash", [3]) == 1
    expected = Ranges([(1, 2), (4, 6)])
    assert journal.delivered("logstash") == expected
    survivor = await desk.after_kill(journal)
    assert survivor.delivered("logstash") == expected
    assert survivor.quarantined == {"logstash": 1}
    journal.acknowledge("logstash", 3, 3)
    await at_rest(journal)
    assert (await desk.after_kill(journal)).delivered("logstash") == Ranges([(1, 6)])


async def test_a_requeue_whose_caller_is_gone_is_carried_out(desk: Desk) -> None:
    """The documents have left the quarantine, so they are given again, and those who wait for returns learn of it."""
    journal = await desk.open()
    await journal.append(desk.entries(5))
    await journal.quarantine("logstash", Batch(2, 2, [2], desk.documents(2, 2)), "refused")
    journal.acknowledge("logstash", 1, 5)
    waiting = asyncio.create_task(journal.wait_for_return())
    requeue = asyncio.create_task(journal.requeue("logstash", [2]))
    await asyncio.sleep(0)
    requeue.cancel()
    with pytest.raises(asyncio.CancelledError):
        await requeue
    await asyncio.wait_for(waiting, 5.0)
    assert journal.delivered("logstash") == Ranges([(1, 1), (3, 5)])
    survivor = await desk.after_kill(journal)
    assert survivor.delivered("logstash") == Ranges([(1, 1), (3, 5)])
    assert survivor.quarantined.get("logstash", 0) == 0


async def test_two_calls_that_meet_a_failing_memory_give_up_the_memory_alone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the second finds in its place is not given up as well: entries go on being kept in the card's tail."""
    journal = await desk.open()
    await journal.append(desk.entries(3))

    def fail(_: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(journal._front.tails._current, "write", fail)
    await asyncio.gather(
        journal.append(desk.entries()), journal.read("logstash", 1, 3, 10), journal.append(desk.entries())
    )
    assert not journal.is_in_memory
    assert journal._front.can_keep
    assert [notice.name for notice in desk.notices] == ["journal.tail_lost"]
    assert list(await everything(await desk.after_kill(journal))) == [1, 2, 3, 4, 5]


async def test_an_append_larger_than_any_tail_goes_into_the_database(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What would fill the tails so that nothing could be taken out of them again is no young entry."""
    journal = await desk.open(size_max=1_000_000)
    await journal.append(desk.entries(2))
    await journal.append([event for seed in range(30) for event in desk.noise(seed, 10_000)])
    assert journal.contents.last_seq == 32
    await journal.append(desk.entries(2))
    assert journal.contents.last_seq == 32
    assert len(await everything(await desk.after_kill(journal))) == 34


@in_both_modes
async def test_j3_estimates_wait_where_it_cannot_be_kept_that_they_were_tried(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While neither tails nor database take it, bytes that may still be corrected go nowhere; all others do."""
    monkeypatch.setattr(sqlite_module, "_YOUNG_SIZE", 4096)
    monkeypatch.setattr(sqlite_module, "RESERVE_SIZE", 4096)
    journal = await desk.open(encode=real_encode())
    await journal.append(desk.estimates(2))
    await journal.append(desk.entries(200))
    await flush(journal)
    connection = journal._store.database.connection
    await on_card(journal, lambda: connection.execute("PRAGMA query_only = ON"))
    for seq in range(3, 200, 2):
        batch = await journal.read("logstash", seq, seq, 1)
        assert batch is not None
        assert list(batch.seqs) == [seq]
    with pytest.raises(JournalUnavailable):
        await journal.read("logstash", 1, 2, 10)
    await on_card(journal, lambda: connection.execute("PRAGMA query_only = OFF"))
    batch = await journal.read("logstash", 1, 2, 10)
    assert batch is not None
    survivor = await desk.after_kill(journal)
    await survivor.correct(1_790_000_000_000)
    assert list((await everything(survivor)).values())[:2] == batch.documents


async def append_singly(journal: SqliteJournal, count: int) -> None:
    for seed in range(count):
        await journal.append(Desk.noise(seed, 100))


def damage(path: Path) -> None:
    """Overwrite the root of the entries."""
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(bytes(4096))


async def damaged_while_open(desk: Desk) -> SqliteJournal:
    """Return an open journal whose rows 1 to 40 will turn out to be damaged."""
    journal = await desk.open()
    await desk.fill(journal, 40)
    await journal.close()
    await journal.open()
    damage(desk.path)
    await on_card(journal, lambda: journal._store.database.connection.execute("PRAGMA shrink_memory"))
    return journal


async def test_j14_a_replacement_that_fails_is_tried_again(desk: Desk) -> None:
    """While no new database can be made, calls say so and the young are kept; then everything is taken over."""
    journal = await damaged_while_open(desk)
    obstacle = desk.path.with_name("journal.db.new")
    obstacle.mkdir()
    for _ in range(3):
        with pytest.raises(JournalUnavailable):
            await journal.read("logstash", 1, 40, 100)
        with pytest.raises(JournalUnavailable):
            await journal.write_history()
        await journal.append(desk.entries())
    obstacle.rmdir()
    await journal.append(desk.entries())
    assert list(await everything(journal)) == list(range(1, 45))
    assert [notice.name for notice in desk.notices] == ["journal.damaged"]
    assert "40 entries could be taken over" in desk.notices[0].message
    assert list(await everything(await desk.after_kill(journal))) == [*range(1, 45)]


async def test_j14_a_journal_whose_replacement_fails_can_be_closed(desk: Desk) -> None:
    """The files are given back, and the next opening makes up for it."""
    journal = await damaged_while_open(desk)
    obstacle = desk.path.with_name("journal.db.new")
    obstacle.mkdir()
    await journal.append(desk.entries())
    with pytest.raises(JournalUnavailable):
        await journal.read("logstash", 1, 40, 100)
    with pytest.raises(JournalUnavailable):
        await journal.close()
    obstacle.rmdir()
    await journal.open()
    assert list(await everything(journal)) == [*range(1, 42)]


@pytest.mark.parametrize("is_aside", [True, False])
async def test_j14_an_end_between_saving_and_replacing_is_made_up_for(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, *, is_aside: bool
) -> None:
    """What was saved is whole under a name of its own, and is what the next process goes on with."""
    journal = await damaged_while_open(desk)

    def end(_: Path) -> None:
        raise OSError("the process ends here")

    with monkeypatch.context() as patched:
        patched.setattr(store, "take_place", end)
        with pytest.raises(JournalUnavailable):
            await journal.read("logstash", 1, 40, 100)
    assert journal._worker is not None
    journal._worker.submit(journal._store.release).result()
    journal._end_threads()
    if is_aside:
        desk.path.unlink()
    assert saved_from(desk.path).exists()
    journal = await desk.open()
    assert list(await everything(journal)) == list(range(1, 41))
    assert [notice.name for notice in desk.notices] == ["journal.damaged"]
    assert not saved_from(desk.path).exists()


@in_both_modes
async def test_j6_what_is_delivered_again_after_a_requeue_stays_delivered(desk: Desk) -> None:
    """A sink has then what it had before, which was noted before; it is noted once more."""
    journal = await desk.open()
    await journal.append(desk.entries(4))
    await journal.quarantine("logstash", Batch(3, 3, [3], desk.documents(3, 3)), "refused")
    journal.acknowledge("logstash", 1, 4)
    await at_rest(journal)
    assert await journal.requeue("logstash", [3]) == 1
    journal.acknowledge("logstash", 3, 3)
    await at_rest(journal)
    assert (await desk.after_kill(journal)).delivered("logstash") == Ranges([(1, 4)])


async def test_j1_what_a_failing_memory_held_is_secured(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the card's tail takes the place of the memory, what it does not hold is on the card as well."""
    journal = await desk.open()
    await journal.append(desk.entries(3))

    def fail(_: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(journal._front.tails._current, "write", fail)
    await journal.append(desk.entries())
    assert not journal.is_in_memory
    await journal.secure()
    assert list(await everything(await desk.after_power_cut(journal))) == [1, 2, 3, 4]


@in_both_modes
async def test_j1_a_tail_that_is_written_again_is_not_all_that_held_something(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tail on the card that could not be synced is begun anew only when the database has what it held."""
    journal = await desk.open()
    await journal.append(desk.entries(2))
    await journal.secure()
    await journal.append(desk.entries(2))
    connection = journal._store.database.connection
    await on_card(journal, lambda: connection.execute("PRAGMA query_only = ON"))

    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", fail)
        with pytest.raises(JournalUnavailable):
            await journal.secure()
    with pytest.raises(JournalUnavailable):
        await journal.write_history()
    assert list(await everything(await desk.after_kill(journal))) == [1, 2, 3, 4]
    await on_card(journal, lambda: connection.execute("PRAGMA query_only = OFF"))
    await journal.write_history()
    await journal.append(desk.entries(2))
    await journal.secure()
    for survivor in (await desk.after_kill(journal), await desk.after_power_cut(journal)):
        assert list(await everything(survivor)) == [1, 2, 3, 4, 5, 6]


@in_both_modes
async def test_j13_an_append_does_not_wait_for_a_sync(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the tail on the card is synced entries are kept; they are not taken for synced, and are the next time."""
    journal = await desk.open()
    await journal.append(desk.entries(3))
    sync = os.fdatasync
    syncs = []

    def slow(file: int) -> None:
        elsewhere(lambda: journal._front.append(desk.entries(2), 0))
        syncs.append(file)
        sync(file)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", slow)
        await journal.secure()
        assert (journal.last_seq, len(syncs)) == (5, 1)
        await journal.secure()
        assert (journal.last_seq, len(syncs)) == (7, 2)
    survivor = await desk.after_kill(journal)
    assert list(await everything(survivor)) == list(range(1, 8))


@in_both_modes
async def test_tails_have_room_again_after_a_flush_that_followed_a_failed_one(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not each append costs a commit from then on: what the database has by now is in neither tail's way."""
    monkeypatch.setattr(sqlite_module, "_YOUNG_SIZE", 4096)
    monkeypatch.setattr(sqlite_module, "RESERVE_SIZE", 4096)
    journal = await desk.open()
    connection = journal._store.database.connection
    await journal.append(desk.entries())
    for _ in range(3):
        await on_card(journal, lambda: connection.execute("PRAGMA query_only = ON"))
        with pytest.raises(JournalUnavailable):
            await flush(journal)
        with pytest.raises(JournalUnavailable):
            await append_singly(journal, 100)
        await on_card(journal, lambda: connection.execute("PRAGMA query_only = OFF"))
        await flush(journal)
        assert journal.contents.last_seq == journal.last_seq
        await append_singly(journal, 5)
        assert journal.contents.last_seq == journal.last_seq - 5
        survivor = await desk.after_kill(journal)
        assert list(await everything(survivor)) == list(range(1, journal.last_seq + 1))


@in_both_modes
async def test_a_requeue_stays_after_flushes_that_failed_and_a_kill(desk: Desk) -> None:
    """What was noted between two attempts of the database is older than the requeue, whatever number it carries."""
    journal = await desk.open()
    await journal.append(desk.entries(4))
    await journal.quarantine("logstash", Batch(3, 3, [3], desk.documents(3, 3)), "refused")
    connection = journal._store.database.connection
    await on_card(journal, lambda: connection.execute("PRAGMA query_only = ON"))
    for seq in range(1, 5):
        with pytest.raises(JournalUnavailable):
            await flush(journal)
        journal.acknowledge("logstash", seq, seq)
        await at_rest(journal)
    second = await desk.after_kill(journal)
    await on_card(journal, lambda: connection.execute("PRAGMA query_only = OFF"))
    assert second.delivered("logstash") == Ranges([(1, 4)])
    assert await second.requeue("logstash", [3]) == 1
    third = await desk.after_kill(second)
    assert third.delivered("logstash") == Ranges([(1, 2), (4, 4)])


@in_both_modes
@pytest.mark.parametrize("rows", [(5,), (5, 5)])
async def test_j6_positions_outlive_a_second_kill(desk: Desk, rows: tuple[int, ...]) -> None:
    """The tails told the next process how far the sinks were, and either is begun anew: the one after knows it, too."""
    journal = await desk.open()
    await desk.keep_rows(journal, *rows)
    journal.acknowledge("logstash", 2, 3)
    second = await desk.after_kill(journal)
    await second.append(desk.entries())
    third = await desk.after_kill(second)
    assert third.delivered("logstash") == Ranges([(2, 3)])
    assert third.last_seq == sum(rows) + 1
