"""
The history follows the journal, as one more reader of it, from the seq where its file ends.

That is one way for all: what is new is a minute old when it is read, what a start has missed comes next, and when the
file was lost the whole journal is read again, a part at a time, so that a Pi has its cores for the weather.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

import structlog

from weatherd.errors import HistoryUnavailable, JournalDamaged, JournalError
from weatherd.history import Happened, History, Series
from weatherd.history.bins import Bin
from weatherd.journal import SqliteJournal
from weatherd.ports import Clock

_P = ParamSpec("_P")
_T = TypeVar("_T")

FOLLOW_PERIOD_S = 30.0
"""Between two looks into the journal, when nobody asks."""

WRITE_PERIOD_S = 3600.0
"""Between two writes to the card."""

REST_SHARE = 3.0
"""Behind each part that was read, so many times as long as it took: an old journal is read with a quarter of a core."""

CATCH_UP_MAX = 5_000
"""Entries that an answer waits for; a history that is further behind answers with what it has."""


class Follower:
    """
    Keep the history as young as the journal.

    Args:
        history: Used on a thread of ours alone.
        journal: Open while this runs.
        clock: The station's clock.
        log: Where people read about trouble.
        delays: Makes the delays between attempts at a disk that does not take it.
    """

    def __init__(
        self,
        history: History,
        journal: SqliteJournal,
        clock: Clock,
        log: structlog.typing.FilteringBoundLogger,
        delays: Callable[[], Iterator[float]],
    ) -> None:
        self.error: HistoryUnavailable | JournalError | None = None
        self._history = history
        self._journal = journal
        self._clock = clock
        self._log = log
        self._delays = delays
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="history")
        self._reading = asyncio.Lock()
        self._written_s = clock.boottime_s()

    @property
    def position(self) -> int:
        """The seq of the last document that the history has."""
        return self._history.position

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            for delay_s in self._delays():
                try:
                    await self._follow()
                except (HistoryUnavailable, JournalError) as error:
                    self._tell(error)
                    await self._clock.sleep(delay_s)
                else:
                    self._tell(None)
                    break
            await self._clock.sleep(FOLLOW_PERIOD_S)

    async def bins(self, series: Series, step_ms: int, from_ms: int, to_ms: int) -> list[Bin]:
        """Return a series in steps, up to the newest document. Raises HistoryUnavailable, as `History.bins` does."""
        await self._catch_up()
        return await self._run(self._history.bins, series, step_ms, from_ms, to_ms)

    async def events(self, before_seq: int, count_max: int) -> list[Happened]:
        """Return the newest events before a seq, the newest first. Raises HistoryUnavailable."""
        await self._catch_up()
        return await self._run(self._history.events, before_seq, count_max)

    async def series(self) -> list[Series]:
        """Return every series that there is."""
        await self._catch_up()
        return list(await self._run(self._history.series))

    async def close(self) -> None:
        """Write what waits, and give the file back; call it after `run` has ended, while the journal is open."""
        try:
            await self._catch_up()
            await self._run(self._history.write)
        except HistoryUnavailable as error:
            self._tell(error)
        await self._run(self._history.close)
        self._thread.shutdown(wait=False)

    async def _follow(self) -> None:
        if not self._history.is_open:
            await self._run(self._history.open)
        await self._read_on()
        if self._clock.boottime_s() - self._written_s >= WRITE_PERIOD_S:
            await self._write()

    async def _catch_up(self) -> None:
        """Read what is new, for an answer; what keeps it from being read is told by `run`."""
        if self._history.is_open and self._journal.last_seq - self._history.position <= CATCH_UP_MAX:
            with contextlib.suppress(JournalError, HistoryUnavailable):
                await self._read_on()

    async def _read_on(self) -> None:
        async with self._reading:
            if self._history.position > self._journal.last_seq:
                self._history.begin_again()  # another journal is in its place
            while not self._journal.is_holding and self._history.position < self._journal.last_seq:
                began_s = self._clock.boottime_s()
                if not await self._read_run():
                    return
                if self._journal.last_seq - self._history.position > CATCH_UP_MAX:
                    await self._clock.sleep(REST_SHARE * (self._clock.boottime_s() - began_s))

    async def _read_run(self) -> bool:
        """Take in the next run; tell whether there was one."""
        seq = self._history.position + 1
        try:
            run = await self._journal.run_at(seq)
        except JournalDamaged as error:
            if error.last_seq is None:
                raise
            await self._run(self._history.add, (), error.last_seq)
            return True
        if run is None:
            return False
        await self._run(self._history.add, run.documents[max(seq - run.first_seq, 0) :], run.last_seq)
        if self._history.is_due:
            await self._write()
        return True

    async def _write(self) -> None:
        await self._run(self._history.write)
        self._written_s = self._clock.boottime_s()

    async def _run(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Do something on the history's thread, to its end even if the caller is cancelled."""
        return await asyncio.shield(asyncio.wrap_future(self._thread.submit(work, *args, **kwargs)))

    def _tell(self, error: HistoryUnavailable | JournalError | None) -> None:
        """Log a change, once."""
        if error is not None and self.error is None:
            message = f"the panel's minutes wait: {error}"
            self._log.error("following.paused", message=message, code=error.code, hint=error.hint)
        elif error is None and self.error is not None:
            self._log.info("following.resumed", message="the panel's minutes are kept again")
        self.error = error
