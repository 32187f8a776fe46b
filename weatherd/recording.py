"""
From the queue into the journal, in few and large appends.

An append costs a sync of the card, however little it holds (FACTS: about 18 kB), so observations wait up to
`commit_period_s` for company; when the queue is half full they no longer do. The first after a pause goes at once.
"""

from collections.abc import Callable, Iterator

import structlog

from weatherd.errors import JournalError
from weatherd.model import Event, Observation
from weatherd.ports import Clock, Journal
from weatherd.queueing import BoundedQueue
from weatherd.waiting import first_of

DROPS_PERIOD_S = 60.0
"""Drops are told at most once in this time: a full journal drops with every append."""


class Recorder:
    """
    Move everything from the queue into the journal, and wait while the journal cannot take it.

    Args:
        queue: What was observed.
        journal: Where it is kept.
        clock: The station's clock.
        log: Where people read about trouble.
        commit_period_s: The longest wait for company.
        size_max: Entries of one append.
        delays: Makes the delays between attempts at a journal that cannot be written.
    """

    def __init__(
        self,
        queue: BoundedQueue[Observation | Event],
        journal: Journal,
        clock: Clock,
        log: structlog.typing.FilteringBoundLogger,
        *,
        commit_period_s: float,
        size_max: int,
        delays: Callable[[], Iterator[float]],
    ) -> None:
        self._queue = queue
        self._journal = journal
        self._clock = clock
        self._log = log
        self._commit_period_s = commit_period_s
        self._size_max = size_max
        self._delays = delays
        self._appended_s = -commit_period_s
        self._drops_told_s = -DROPS_PERIOD_S
        self._drops_told_count = 0
        self.error: JournalError | None = None
        self.lost_count = 0

    async def run(self) -> None:
        """Record until the queue is closed and empty."""
        self._drops_told_count = self._journal.dropped_count  # the journal remembers those of earlier runs
        while not (self._queue.closed and self._queue.depth == 0):
            await self._queue.wait_for(1)
            await self._wait_for_company()
            entries = self._queue.take(self._size_max)
            if entries:
                await self._append(entries)

    async def _wait_for_company(self) -> None:
        remaining_s = self._appended_s + self._commit_period_s - self._clock.boottime_s()
        if remaining_s > 0:
            await first_of(self._clock.sleep(remaining_s), self._queue.wait_for(self._size_max // 2))

    async def _append(self, entries: list[Observation | Event]) -> None:
        for delay_s in self._delays():
            try:
                await self._journal.append(entries)
            except JournalError as error:
                if self._queue.closed:
                    self._give_up(len(entries), error)
                    return
                self._tell(error)
                await first_of(self._clock.sleep(delay_s), self._queue.wait_closed())
            else:
                self._appended_s = self._clock.boottime_s()
                self._tell(None)
                self._tell_drops()
                return

    def _tell(self, error: JournalError | None) -> None:
        """Log a change, once."""
        if error is not None and self.error is None:
            self._log.error("recording.paused", message=f"nothing is kept: {error}", code=error.code, hint=error.hint)
        elif error is None and self.error is not None:
            self._log.info("recording.resumed", message="the journal takes observations again")
        self.error = error

    def _tell_drops(self) -> None:
        """Tell, as an event and in the log, what had to be dropped since it was told last."""
        count = self._queue.dropped_count + self._journal.dropped_count - self._drops_told_count
        if not count or self._clock.boottime_s() - self._drops_told_s < DROPS_PERIOD_S:
            return
        self._drops_told_s = self._clock.boottime_s()
        self._drops_told_count += count
        message = f"{count} observations were dropped: there was no room for them"
        self._log.error("recording.dropped", message=message, count=count)
        self._queue.push(
            Event(
                action="observations_dropped",
                message=message,
                observed_at_ms=self._clock.now_ms(),
                clock_synchronized=self._clock.synchronized(),
            )
        )

    def _give_up(self, count: int, error: JournalError) -> None:
        self.error = error
        self.lost_count += count
        self._log.error(
            "recording.lost",
            message=f"{count} observations could not be kept before the stop: {error}",
            code=error.code,
            hint=error.hint,
        )
