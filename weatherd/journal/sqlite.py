"""The journal as the loop sees it: answers from memory, and threads that do the rest."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import msgspec

from weatherd.errors import JournalDamaged, JournalUnavailable
from weatherd.journal.database import Contents, Database, WhenFull
from weatherd.journal.front import Encode, Front, NotHere, TailPair
from weatherd.journal.quarantine import Quarantined
from weatherd.journal.rows import Run
from weatherd.journal.store import Notice, Store
from weatherd.journal.tail import PAGE_SIZE, Tail
from weatherd.model import Batch, Event, Observation
from weatherd.ports import Clock
from weatherd.ranges import Ranges

_P = ParamSpec("_P")
_T = TypeVar("_T")

PENDING_SIZE_MAX = 4_000_000
"""Bytes of documents that wait in memory and in the tails for the database."""

RESERVE_SIZE = 1024 * 1024
"""Bytes of a tail on the card: without a far end, at four observations a second, a page a second for four minutes."""

AT_ONCE_MAX = 64
"""Entries that are kept or given on the loop; more go to a thread: at 60 us each on a Pi 3 these take some 4 ms."""

_YOUNG_SIZE = 4 * PENDING_SIZE_MAX // PAGE_SIZE * PAGE_SIZE
_QUARANTINED_MAX = 100

_APPENDS_MAX = 1000
"""Appends of which it is known when they were: of more that wait for the card, only the youngest."""


class SqliteJournal:
    """
    Keeps `ports.Journal`'s promises in files; the package's docstring tells how.

    Used from one event loop, between `open` and `close`; before, what waits for the card raises JournalUnavailable. A
    call that is cancelled is carried out all the same: its caller only does not learn how it ended.

    Args:
        path: Of the database, in a folder that exists.
        encode: Makes a document of an entry and its seq, on any thread but on one at a time: at least one byte, without
            a line break, and the same bytes each time.
        clock: Tells when entries are recorded.
        sinks: The names of those that entries are kept for. With none, all may be deleted by age.
        station_id: Begins the ids of what thinning makes.
        size_max: Bytes on the disk, at least 64 KB.
        retention_s: How long delivered entries stay, in seconds.
        when_full: What gives way when no delivered entry is left to delete.
        memory: The file that keeps young entries over the end of the process, in a folder in memory (a second one
            beside it); None where there is no such folder, and then the card keeps them.
        boot_id: Of the machine's present boot: estimates of this boot can be corrected.
        held: Whether estimates of this boot are held back until `correct` or `release`.
        tell: Where it is told what happened to the journal.
    """

    def __init__(
        self,
        path: Path,
        *,
        encode: Encode,
        clock: Clock,
        sinks: Sequence[str],
        station_id: str,
        size_max: int,
        retention_s: float,
        when_full: WhenFull = "thin",
        memory: Path | None = None,
        boot_id: str = "",
        held: bool = False,
        tell: Callable[[Notice], None] = lambda _: None,
    ) -> None:
        self.path = path
        self._clock = clock
        self._sinks = tuple(sinks)
        self._tell = tell
        self._make_database = partial(
            Database, path, station_id, size_max=size_max, retention_s=retention_s, when_full=when_full
        )
        self._encode = encode
        self._memory = memory
        self._boot_id = boot_id
        self._store, self._front = self._make_store()
        self._front.held = held
        self._front_thread: ThreadPoolExecutor | None = None
        self._worker: ThreadPoolExecutor | None = None
        self._grown = asyncio.Event()
        self._returned = asyncio.Event()
        self._acknowledged = asyncio.Event()
        self._is_noting = False
        self._announced_seq = 0
        self._known_offset_ms: int | None = None
        self._secured_seq = 0
        self._unsecured_seq = 0
        self._appends: deque[tuple[int, float]] = deque(maxlen=_APPENDS_MAX)

    async def open(self) -> None:
        """
        Open the journal, or make a new one; what is damaged is set aside. May be called again after a failure, and
        after `close`.

        Raises:
            JournalUnavailable: If the place cannot be written, or another process has it; try again.
        """
        assert self._worker is None, "the journal is open"
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._front_thread = ThreadPoolExecutor(1, thread_name_prefix="journal-front")
        # One for each opening: an opening that was cancelled may still be going on, on its own thread.
        store, front = self._make_store()
        front.held = self._front.held
        self._store, self._front = store, front
        try:
            await self._run(store.open)
        except BaseException:
            self._worker.submit(store.release)
            self._end_threads()
            raise
        self._secured_seq = front.last_seq

    async def close(self) -> None:
        """
        Bring everything into the database and give the files back. Does nothing if the journal is not open.

        Raises:
            JournalUnavailable: If the disk does not take it: the tails keep it for the next start. The files are
                given back all the same.
        """
        if self._worker is None:
            return
        try:
            await self._run(self._store.close)
        finally:
            self._worker.submit(self._store.release)
            self._end_threads()

    @property
    def contents(self) -> Contents:
        """What the database holds."""
        return self._store.database.contents

    @property
    def is_in_memory(self) -> bool:
        """Whether young entries are kept in memory, so that the card is spared."""
        return self._store.is_in_memory

    @property
    def is_holding(self) -> bool:
        """Whether estimates of this boot are held back."""
        return self._front.held

    @property
    def size_max(self) -> int:
        """The most bytes that it may use."""
        return self._store.database.size_max

    @property
    def first_seq(self) -> int:
        """The seq of the oldest entry; that of the next one if there is none."""
        return self.contents.first_seq or self._front.first_seq or self._front.next_seq

    @property
    def last_seq(self) -> int:
        """The seq of the newest entry; 0 for a journal that never held one."""
        return self._front.last_seq

    @property
    def size(self) -> int:
        """Bytes in use, of `size_max`."""
        return self.contents.size

    @property
    def dropped_count(self) -> int:
        """
        Entries that were dropped before every sink had acknowledged them, since the file was made.

        Those that were under way at that moment may have arrived all the same, so this is the most that was lost.
        """
        return self.contents.count("dropped")

    @property
    def quarantined(self) -> Mapping[str, int]:
        """Documents in quarantine, by sink, former sinks included; a sink with none may be missing."""
        return self.contents.quarantined.counts

    def delivered(self, sink: str) -> Ranges:
        """Return what a sink has, or can no longer have because it is gone."""
        return self._front.delivered.of(sink).add(1, self.first_seq - 1)

    def lag(self, sink: str) -> int:
        """Return how many entries a sink does not have yet, at most: some may be gone."""
        return sum(last - first + 1 for first, last in self.delivered(sink).gaps(1, self.last_seq))

    async def append(self, entries: Sequence[Observation | Event]) -> None:
        """
        Give each entry its seq, and keep them over the end of the process: all or none.

        Raises:
            JournalUnavailable: If the disk does not take them now; nothing was kept, try again.
            JournalFull: If told to block. Nothing was kept, try again after a delivery. Also if the entries
                are too large for a journal of that size.
        """
        if not entries:
            return
        if self._known_offset_ms is not None:
            entries = [_by_the_known_time(entry, self._known_offset_ms) for entry in entries]
        now_ms = self._clock.now_ms()
        began_s = self._clock.boottime_s()
        try:
            await self._append(entries, now_ms)
        finally:
            self._appends.append((self.last_seq, began_s))

    async def _append(self, entries: Sequence[Observation | Event], now_ms: int) -> None:
        while self._front.can_keep:
            tails = self._front.tails
            try:
                if await self._in_front(len(entries), self._front.append, entries, now_ms):
                    return
                break
            except OSError as error:
                await self._run(self._store.go_on_without, tails, error)
        await self._run(self._store.append, entries, now_ms)

    async def wait_beyond(self, seq: int) -> None:
        """Wait until there is an entry with a higher seq."""
        while self.last_seq <= seq:
            await self._grown.wait()

    async def wait_for_return(self) -> None:
        """Wait until older entries can be delivered again: they were held back, requeued, or found."""
        await self._returned.wait()

    async def read(self, sink: str, first_seq: int, last_seq: int, count_max: int) -> Batch | None:
        """
        Return the first documents of a span for an attempt; the port tells what a batch is.

        Also limited to 8 MB, so that no batch is without a limit.

        Raises:
            JournalUnavailable: If the disk does not give them now; try again.
            JournalDamaged: If the first of them cannot be unpacked; behind its `last_seq` reading goes on.
        """
        if count_max < 1:
            raise ValueError(f"count_max is {count_max}, less than 1")
        self._check(sink)
        if self._front.has(first_seq):
            tails = self._front.tails
            try:
                count = self.last_seq - first_seq + 1  # all that may have to be looked through
                batch = await self._in_front(count, self._front.read, first_seq, last_seq, count_max)
            except OSError as error:
                await self._run(self._store.go_on_without, tails, error)
            else:
                if not isinstance(batch, NotHere):
                    return batch
        return await self._run(self._store.read, first_seq, last_seq, count_max)

    def acknowledge(self, sink: str, first_seq: int, last_seq: int) -> None:
        """Note that a sink has all of a span. It is kept over the end of the process as soon as can be."""
        self._check(sink)
        if last_seq >= self._front.next_seq:
            raise ValueError(f"{sink} acknowledges {last_seq}, a seq not given yet")
        self._front.delivered.add(sink, Ranges([(first_seq, last_seq)]))
        if first_seq <= self._unsecured_seq <= last_seq:
            self._acknowledged.set()
        if self._is_noting or self._front_thread is None:
            return
        if self._enter():
            try:
                self._note()
            finally:
                self._front.lock.release()
        else:
            self._is_noting = True
            self._front_thread.submit(self._note)

    async def quarantine(self, sink: str, batch: Batch, reason: str) -> None:
        """
        Keep documents that a sink refuses for good, with its reason. Those already kept stay as they are.

        Raises:
            JournalUnavailable: If the disk does not take them now; try again.
        """
        await self._run(self._store.quarantine, sink, batch, reason, self._clock.now_ms())

    async def quarantined_behind(self, row_id: int) -> Sequence[Quarantined]:
        """
        Return the first documents in quarantine behind one of them; 0 for the very first.

        Raises:
            JournalUnavailable: If the disk does not give them now.
        """
        return await self._run(self._store.quarantined_behind, row_id, _QUARANTINED_MAX)

    async def requeue(self, sink: str, seqs: Sequence[int]) -> int:
        """
        Take documents out of quarantine so that they are tried again; return how many there were.

        Raises:
            JournalUnavailable: If the disk does not take it now; nothing has changed.
        """
        return await self._run(self._store.requeue, sink, tuple(seqs))

    async def run_at(self, seq: int) -> Run | None:
        """
        Return the run that holds a seq, or the next one; for people, without an attempt.

        Raises:
            JournalUnavailable: If the disk does not give it now.
        """
        if self._front.has(seq) and self.last_seq - seq < AT_ONCE_MAX and self._enter():
            try:
                if self._front.has(seq):
                    return next(self._front.pending.runs_from(seq))
            finally:
                self._front.lock.release()
        return await self._run(self._store.run_at, seq)

    async def newest_recorded_at_ms(self) -> int | None:
        """Return when the newest entry was recorded; None if there is none."""
        run = await self._run(self._store.run_at, self.last_seq)
        return None if run is None else run.recorded_at_ms

    async def secure(self) -> None:
        """
        Let what is not delivered to every sink reach the card.

        Raises:
            JournalUnavailable: If it does not; try again.
        """
        self._secured_seq = max(self._secured_seq, await self._run(self._store.secure))

    def unsecured_since_s(self) -> float | None:
        """Return when, by the boot clock, the oldest entry was appended that neither every sink nor the card has."""
        settled = self._front.standing.delivered_to_all(self._sinks)
        unsecured = next(settled.gaps(self._secured_seq + 1, self.last_seq), None)
        if unsecured is None:
            self._appends.clear()
            return None
        self._unsecured_seq = unsecured[0]
        while len(self._appends) > 1 and self._appends[0][0] < unsecured[0]:
            self._appends.popleft()
        return self._appends[0][1] if self._appends else self._clock.boottime_s()

    def acknowledging(self) -> asyncio.Event:
        """Return what is set when a sink has the entry that `unsecured_since_s` told of. For one who waits."""
        self._acknowledged.clear()
        return self._acknowledged

    async def write_history(self) -> None:
        """
        Let what is delivered reach the card, and delete what is older than the retention.

        Raises:
            JournalUnavailable: If the disk does not take it; try again.
        """
        await self._run(self._store.write_history, self._clock.now_ms())

    async def correct(self, offset_ms: int) -> None:
        """
        Correct the stamps of this boot that are estimates and were not tried yet, and hold nothing back any more.

        Args:
            offset_ms: By how much the wall clock is ahead of the boot clock.

        Raises:
            JournalUnavailable: If the disk does not take it; try again.
        """
        self._known_offset_ms = offset_ms
        # What was handed in before is among the young when this returns; what comes later is corrected on its way.
        await self._run_in_front(lambda: None)
        after_seq: int | None = 0
        while after_seq is not None:
            after_seq = await self._run(self._store.correct, self._boot_id, offset_ms, after_seq)
        self.release()

    def release(self) -> None:
        """Hold nothing back any more: estimates go out as they are."""
        self._front.held = False
        self._announce_return()

    def _make_store(self) -> tuple[Store, Front]:
        database = self._make_database()
        reserve_size = min(RESERVE_SIZE, max(database.size_max // 16 // PAGE_SIZE, 4) * PAGE_SIZE)
        reserve = _pair(self.path.with_name(f"{self.path.name}-tail"), reserve_size, in_memory=False)
        tails = reserve if self._memory is None else _pair(self._memory, _YOUNG_SIZE, in_memory=True)
        size_max = min(PENDING_SIZE_MAX, database.size_max // 4)
        front = Front(self._encode, tails, boot_id=self._boot_id, size_max=size_max)
        return Store(database, front, reserve, sinks=self._sinks), front

    def _check(self, sink: str) -> None:
        if sink not in self._sinks:
            raise ValueError(f"{sink} is none of the journal's sinks")

    def _note(self) -> None:
        """Keep what was acknowledged; on the journal's thread where the tail does not take it."""
        self._is_noting = False
        try:
            is_kept = self._front.note()
        except OSError:
            is_kept = False  # the next append does something about the tail
        if not is_kept and (worker := self._worker) is not None:
            with contextlib.suppress(RuntimeError):  # closed meanwhile, which keeps it as well
                worker.submit(self._store.note)

    async def _run(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Do something on the journal's thread, to its end even if the caller is cancelled."""
        if self._worker is None:
            raise JournalUnavailable(
                f"the journal {self.path} is not open", "`weatherd status` tells what keeps it from being opened"
            )
        store = self._store

        def carefully() -> _T:
            try:
                store.check()
                return work(*args, **kwargs)
            except JournalDamaged as error:
                if error.last_seq is not None or not store.is_open:
                    raise
                store.replace_damaged()
                return work(*args, **kwargs)

        future = asyncio.wrap_future(self._worker.submit(carefully))
        future.add_done_callback(lambda _: self._settle(store))
        return await asyncio.shield(future)

    def _enter(self) -> bool:
        """
        Take the front's lock on the loop, if that can be done at once; tell whether it is to be released.

        A hop to a thread and back costs three wake-ups and ten times as long as a write to a file in memory. A card
        could hold up the loop, and so could the journal's thread while it has the front for itself.
        """
        return self.is_in_memory and self._front.lock.acquire(blocking=False)

    async def _in_front(self, count: int, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Do something to so many entries of the front: a few at once, more on its thread."""
        if count <= AT_ONCE_MAX and self._enter():
            try:
                return work(*args, **kwargs)
            finally:
                self._front.lock.release()
                self._wake()
        return await self._run_in_front(work, *args, **kwargs)

    async def _run_in_front(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Do something on the front's thread, which never waits for the card."""
        assert self._front_thread is not None, "the journal is not open"
        future = asyncio.wrap_future(self._front_thread.submit(work, *args, **kwargs))
        future.add_done_callback(lambda _: self._wake())
        return await asyncio.shield(future)

    def _settle(self, store: Store) -> None:
        """Pass on what the store wants to be told."""
        self._wake()
        while store.notices:
            self._tell(store.notices.popleft())
            self._announce_return()
        if store.has_returned:
            store.has_returned = False
            self._announce_return()

    def _wake(self) -> None:
        """Let those look again who wait for entries; they started to wait before this moment."""
        if self._front.last_seq != self._announced_seq:
            self._announced_seq = self._front.last_seq
            self._grown.set()
            self._grown = asyncio.Event()

    def _announce_return(self) -> None:
        self._returned.set()
        self._returned = asyncio.Event()

    def _end_threads(self) -> None:
        """Let the threads end once they have done what they were given, without waiting for that."""
        for thread in (self._worker, self._front_thread):
            if thread is not None:
                thread.shutdown(wait=False)
        self._worker = self._front_thread = None


def _by_the_known_time(entry: Observation | Event, offset_ms: int) -> Observation | Event:
    """Correct an estimate that was still on its way when the time became known."""
    if entry.clock_offset_ms is None:
        return entry
    step_ms = offset_ms - entry.clock_offset_ms
    changes: dict[str, Any] = {
        "observed_at_ms": entry.observed_at_ms + step_ms,
        "clock_offset_ms": None,
        "clock_synchronized": True,
    }
    if isinstance(entry, Observation):
        changes["recorded_at_ms"] = entry.recorded_at_ms + step_ms
    return msgspec.structs.replace(entry, **changes)


def _pair(path: Path, size: int, *, in_memory: bool) -> TailPair:
    second = path.with_name(f"{path.name}2")
    tails = Tail(path, size, in_memory=in_memory), Tail(second, size, in_memory=in_memory)
    return TailPair(tails, compress=not in_memory)
