"""
From the queue into the journal, in few and large appends.

Observations are kept at most `KEEP_PERIOD_S` after they were formed, so that the end of the process takes hardly
anything; those that come close together go together. The first after a pause goes at once.
"""

from collections.abc import Callable, Iterator

import structlog

from weatherd.errors import JournalError, JournalFull, JournalUnavailable
from weatherd.happenings import Happenings
from weatherd.model import Event, Observation
from weatherd.ports import Clock, Journal
from weatherd.queueing import BoundedQueue
from weatherd.waiting import first_of

KEEP_PERIOD_S = 0.03
"""From one append to the next: a killed process takes no more than that, and what an append takes."""

APPEND_SIZE_MAX = 1000
"""Entries of one append: a row of the journal, and a few milliseconds of its thread."""

DROPS_PERIOD_S = 60.0
"""Drops are told at most once in this time: a full journal drops with every append."""


APPEND_S_MAX = 60.0
"""One that takes longer hangs: not even a bad card, which the disk tries again and again, needs so long."""

STOP_DELAY_S_MAX = 0.2
"""Between attempts once the queue is closed; how long it is tried, is up to the one who stops."""


class Recorder:
    """
    Move everything from the queue into the journal, and wait while the journal cannot take it.

    Args:
        queue: What was observed.
        journal: Where it is kept.
        clock: The station's clock.
        log: Where people read about trouble.
        happenings: Where drops are told.
        crowd_size: So many observations are company enough.
        delays: Makes the delays between attempts at a journal that cannot be written.
    """

    def __init__(
        self,
        queue: BoundedQueue[Observation | Event],
        journal: Journal,
        clock: Clock,
        log: structlog.typing.FilteringBoundLogger,
        happenings: Happenings,
        *,
        crowd_size: int,
        delays: Callable[[], Iterator[float]],
    ) -> None:
        self._queue = queue
        self._journal = journal
        self._clock = clock
        self._log = log
        self._happenings = happenings
        self._crowd_size = crowd_size
        self._delays = delays
        self._appended_s = -KEEP_PERIOD_S
        self._taken: list[Observation | Event] = []
        self._drops_told_s = -DROPS_PERIOD_S
        self._drops_told_count: int | None = None
        self._append_began_s: float | None = None
        self.error: JournalError | None = None
        self.lost_count = 0

    @property
    def trouble(self) -> JournalError | None:
        """Why nothing is kept now; None while the journal takes what it is given."""
        if self.error is None and self._append_began_s is not None:
            age_s = self._clock.boottime_s() - self._append_began_s
            if age_s > APPEND_S_MAX:
                return JournalUnavailable(
                    f"the journal takes nothing: a write has not ended for {age_s:.0f} s",
                    "see `dmesg`: the card may be at its end",
                )
        return self.error

    async def run(self) -> None:
        """Record until the queue is closed and empty."""
        if self._drops_told_count is None:
            self._drops_told_count = self._journal.dropped_count  # it remembers those of earlier runs
        while not (self._queue.closed and self._queue.depth == 0 and not self._taken):
            if not self._taken:
                await self._queue.wait_for(1)
                await self._wait_for_company()
                self._taken = self._queue.take(APPEND_SIZE_MAX)
            await self._append_taken()

    def pause(self, error: JournalError) -> None:
        """Tell that nothing can be kept yet: the journal cannot even be opened; `run` comes later."""
        self._tell(error)

    async def _wait_for_company(self) -> None:
        remaining_s = self._appended_s + KEEP_PERIOD_S - self._clock.boottime_s()
        if remaining_s > 0:
            await self._clock.sleep_unless(self._queue.reaching(self._crowd_size), remaining_s)

    async def _append_taken(self) -> None:
        """Append all that was taken, in pieces as large as the journal has room for."""
        delays = self._delays()
        size = len(self._taken)
        while self._taken:
            self._append_began_s = self._clock.boottime_s()
            try:
                await self._journal.append(self._taken[:size])
            except JournalFull as error:
                if size > 1:
                    size //= 2
                else:
                    await self._wait_for_journal(error, next(delays))
            except JournalError as error:
                await self._wait_for_journal(error, next(delays))
            else:
                del self._taken[:size]
                self._appended_s = self._clock.boottime_s()
                self._tell(None)
                self._tell_drops()
            finally:
                self._append_began_s = None

    async def _wait_for_journal(self, error: JournalError, delay_s: float) -> None:
        """Wait before the next attempt; at the stop only for a moment, since a delivery may make room."""
        self._tell(error)
        if self._queue.closed:
            await self._clock.sleep(min(delay_s, STOP_DELAY_S_MAX))
        else:
            await first_of(self._clock.sleep(delay_s), self._queue.wait_closed())

    def _tell(self, error: JournalError | None) -> None:
        """Log a change, once."""
        if error is not None and self.error is None:
            self._log.error("recording.paused", message=f"nothing is kept: {error}", code=error.code, hint=error.hint)
        elif error is None and self.error is not None:
            self._log.info("recording.resumed", message="the journal takes observations again")
        self.error = error

    def _tell_drops(self) -> None:
        """Tell what had to be dropped since it was told last."""
        assert self._drops_told_count is not None
        count = self._queue.dropped_count + self._journal.dropped_count - self._drops_told_count
        if not count or self._clock.boottime_s() - self._drops_told_s < DROPS_PERIOD_S:
            return
        self._drops_told_s = self._clock.boottime_s()
        self._drops_told_count += count
        message = f"{count} observations were dropped: there was no room for them"
        self._happenings.tell("recording.dropped", "observations_dropped", message, count=count)

    def give_up(self) -> None:
        """Count and tell what could not be kept before the stop; after `run` has ended, in whatever way."""
        count = len(self._taken) + self._queue.depth
        self.lost_count += count
        if count:
            why = f": {self.error}" if self.error else ": the disk was too slow"
            self._log.error("recording.lost", message=f"{count} observations could not be kept before the stop{why}")
