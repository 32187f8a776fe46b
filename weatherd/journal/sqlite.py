"""The journal as the loop sees it: answers from memory, and a thread that does the rest."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

from weatherd.journal.store import Encode, Store, WhenFull
from weatherd.model import Batch, Event, Observation
from weatherd.ports import Clock

_P = ParamSpec("_P")
_T = TypeVar("_T")


class SqliteJournal:
    """
    Keeps `ports.Journal`'s promises in one SQLite file; the package's docstring tells how.

    Used from one event loop, between `open` and `close`. A call that is cancelled is carried out all the same:
    its caller only does not learn how it ended.

    Args:
        path: Of the file, in a folder that exists.
        encode: Makes a document of an entry and its seq, on the journal's thread: at least one byte, without
            a line break, and the same bytes each time.
        clock: Tells when entries are recorded.
        sinks: The names of those that entries are kept for. With none, all counts as delivered.
        size_max: Bytes on the disk, at least 64 KB.
        retention_s: How long delivered entries stay, in seconds.
        when_full: Whether undelivered entries may be dropped, oldest first, to make room.
    """

    def __init__(
        self,
        path: Path,
        *,
        encode: Encode,
        clock: Clock,
        sinks: Sequence[str],
        size_max: int,
        retention_s: float,
        when_full: WhenFull = "drop_oldest",
    ) -> None:
        self.path = path
        self.size_max = size_max
        self._clock = clock
        self._make_store = partial(Store, path, encode, size_max=size_max, retention_s=retention_s, when_full=when_full)
        self._store = self._make_store()
        self._positions = dict.fromkeys(sinks, 0)
        self._worker: ThreadPoolExecutor | None = None
        self._grown = asyncio.Event()

    async def open(self) -> None:
        """
        Open the journal, or make a new one. May be called again after a failure, and after `close`.

        Raises:
            JournalUnavailable: If the place cannot be written, or another process has it; try again.
            JournalDamaged: If what is there is no journal.
        """
        assert self._worker is None, "the journal is open"
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="journal")
        # One for each opening: an opening that was cancelled may still be going on, on its own thread.
        store = self._make_store()
        try:
            positions = await self._run(store.open)
        except BaseException:
            self._worker.submit(store.release)
            self._end_worker()
            raise
        self._store = store
        self._positions = {sink: positions.get(sink, 0) for sink in self._positions}

    async def close(self) -> None:
        """
        Write the positions and give the file back. Does nothing if the journal is not open.

        Raises:
            JournalUnavailable: If the positions cannot be written: what was acknowledged last will be
                delivered again. The file is given back all the same.
        """
        if self._worker is None:
            return
        try:
            await self._run(self._store.close, dict(self._positions))
        finally:
            self._end_worker()

    @property
    def first_seq(self) -> int:
        """The seq of the oldest entry; that of the next one if there is none."""
        return self._store.state.first_seq

    @property
    def last_seq(self) -> int:
        """The seq of the newest entry; 0 for a journal that never held one."""
        return self._store.state.last_seq

    @property
    def size(self) -> int:
        """Bytes in use, of `size_max`."""
        return self._store.state.size

    @property
    def dropped_count(self) -> int:
        """
        Entries that were dropped before every sink had acknowledged them, since the file was made.

        Those that were under way at that moment may have arrived all the same, so this is the most that was lost.
        """
        return self._store.state.dropped_count

    @property
    def quarantined(self) -> Mapping[str, int]:
        """Documents in quarantine, by sink, former sinks included; a sink with none may be missing."""
        return self._store.state.quarantined.counts

    @property
    def quarantine_dropped_count(self) -> int:
        """Documents that left the quarantine to make room, since the file was made."""
        return self._store.state.quarantine_dropped_count

    def position(self, sink: str) -> int:
        """
        Return the seq up to which a sink has everything that it can have.

        What was dropped or pruned, it can no longer have: positions move on with the oldest entry. For a sink
        never seen before that is 0 as long as nothing was deleted.
        """
        return max(self._positions.get(sink, 0), self.first_seq - 1)

    def lag(self, sink: str) -> int:
        """Return how many entries a sink does not have yet."""
        return max(self.last_seq - self.position(sink), 0)

    async def append(self, entries: Sequence[Observation | Event]) -> None:
        """
        Give each entry its seq, and keep them: all or none, and on the disk when this returns.

        Raises:
            JournalUnavailable: If the disk does not take them now; nothing was kept, try again.
            JournalFull: If told to block. Nothing was kept, try again after a delivery. Also if the entries
                are too large for a journal of that size.
        """
        if entries:
            await self._run(self._store.append, tuple(entries), self._clock.now_ms(), dict(self._positions))

    async def wait_beyond(self, seq: int) -> None:
        """Wait until there is an entry with a higher seq."""
        while self.last_seq <= seq:
            await self._grown.wait()

    async def read(self, after_seq: int, count_max: int) -> Batch | None:
        """
        Return the next documents after a seq, as far as they lie side by side; None if there are none.

        Also limited to 8 MB, so that no batch is without a limit.

        Raises:
            JournalUnavailable: If the disk does not give them now; try again.
            JournalDamaged: If they cannot be unpacked. Trying again does not help.
        """
        if count_max < 1:
            raise ValueError(f"count_max is {count_max}, less than 1")
        return await self._run(self._store.read, after_seq, count_max)

    async def acknowledge(self, sink: str, seq: int) -> None:
        """
        Note that a sink has everything up to `seq`. Going back is ignored.

        It reaches the disk with the next append, prune or quarantine, or when the journal is closed.
        """
        if sink not in self._positions:
            raise ValueError(f"{sink} is none of the journal's sinks")
        if seq >= self._store.state.next_seq:
            raise ValueError(f"{sink} acknowledges {seq}, a seq not given yet")
        self._positions[sink] = max(self._positions[sink], seq)

    async def quarantine(self, sink: str, batch: Batch, reason: str) -> None:
        """
        Keep documents that a sink refuses for good, with its reason. Those already kept stay as they are.

        Raises:
            JournalUnavailable: If the disk does not take them now; try again.
        """
        await self._run(self._store.quarantine, sink, batch, reason, self._clock.now_ms(), dict(self._positions))

    async def prune(self) -> int:
        """
        Delete what every sink has and what is older than the retention; return how many entries went.

        Call it about once a minute: it deletes a bounded number of rows, and writes the positions, also of a
        journal that gets no new entries.

        Raises:
            JournalUnavailable: If the disk does not take it now; try again.
        """
        return await self._run(self._store.prune, self._clock.now_ms(), dict(self._positions))

    async def _run(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Do something on the journal's thread, to its end even if the caller is cancelled."""
        assert self._worker is not None, "the journal is not open"
        future = asyncio.wrap_future(self._worker.submit(work, *args, **kwargs))
        future.add_done_callback(lambda _: self._wake())
        return await asyncio.shield(future)

    def _wake(self) -> None:
        """Let those look again who wait for entries; they started to wait before this moment."""
        self._grown.set()
        self._grown = asyncio.Event()

    def _end_worker(self) -> None:
        """Let the thread end once it has done what it was given, without waiting for it."""
        if self._worker is not None:
            self._worker.shutdown(wait=False)
            self._worker = None
