"""
What the journal needs from time to time: undelivered entries synced, delivered ones written as history, and told what
had to give way.
"""

from collections.abc import Awaitable, Callable, Iterator

import structlog

from weatherd.errors import JournalError
from weatherd.happenings import Happenings
from weatherd.journal import SqliteJournal
from weatherd.ports import Clock

SECURE_SHARE = 0.8
"""Of the commit period, after which the sync begins, so that it has ended when the period has."""

TELL_PERIOD_S = 60.0
"""What gave way is told at most once in this time."""


class Keeper:
    """
    Keep the journal's promises to the card, for ever.

    Args:
        journal: The journal.
        clock: The station's clock.
        log: Where people read about trouble.
        happenings: Where it is told what gave way.
        commit_period_s: How long an entry may be undelivered and not on the card.
        history_period_s: How long a delivered entry may not be in the database.
        delays: Makes the delays between attempts at a card that does not take it.
    """

    def __init__(
        self,
        journal: SqliteJournal,
        clock: Clock,
        log: structlog.typing.FilteringBoundLogger,
        happenings: Happenings,
        *,
        commit_period_s: float,
        history_period_s: float,
        delays: Callable[[], Iterator[float]],
    ) -> None:
        self.error: JournalError | None = None
        self.commit_period_s = commit_period_s
        self.history_period_s = history_period_s
        self._journal = journal
        self._clock = clock
        self._log = log
        self._happenings = happenings
        self._delays = delays
        self._told: dict[str, int] | None = None
        self._told_s = clock.boottime_s()
        self._history_s = clock.boottime_s()

    async def run(self) -> None:
        """Secure what comes, until cancelled."""
        self._told = self._told or dict(self._journal.contents.counts)
        while True:
            if self._clock.boottime_s() - self._history_s >= self.history_period_s:
                await self._insist(self._journal.write_history)
                self._history_s = self._clock.boottime_s()
            self._tell_counts()
            since_s = self._journal.unsecured_since_s()
            if since_s is None:
                await self._journal.wait_beyond(self._journal.last_seq)
            elif (due_s := since_s + self.commit_period_s * SECURE_SHARE) > self._clock.boottime_s():
                # Most are delivered until then, and that wakes up the process anyhow.
                await self._clock.sleep_unless(self._journal.acknowledging(), due_s - self._clock.boottime_s())
            else:
                await self._insist(self._journal.secure)

    async def _insist(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do something until the card does it."""
        for delay_s in self._delays():
            try:
                await work()
            except JournalError as error:
                self._tell(error)
                await self._clock.sleep(delay_s)
            else:
                self._tell(None)
                return

    def _tell(self, error: JournalError | None) -> None:
        """Log a change, once."""
        if error is not None and self.error is None:
            message = f"what is not delivered is not on the card: {error}"
            self._log.error("keeping.paused", message=message, code=error.code, hint=error.hint)
        elif error is None and self.error is not None:
            self._log.info("keeping.resumed", message="the card takes what is not delivered again")
        self.error = error

    def _tell_counts(self) -> None:
        """Tell what had to give way since it was told last."""
        now_s = self._clock.boottime_s()
        counts = dict(self._journal.contents.counts)
        assert self._told is not None
        more = {name: count - self._told.get(name, 0) for name, count in counts.items()}
        gave_way = more.get("thinned", 0) or more.get("quarantine_dropped", 0)
        if not gave_way or now_s - self._told_s < TELL_PERIOD_S:
            return
        self._told, self._told_s = counts, now_s
        if thinned := more.get("thinned", 0):
            self._happenings.tell(
                "keeping.thinned",
                "backlog_thinned",
                f"the journal is full: {thinned:,} observations that wait for delivery have become "
                f"{more.get('reduced', 0):,} one-minute means",
                count=thinned,
            )
        if dropped := more.get("quarantine_dropped", 0):
            self._happenings.tell(
                "keeping.quarantine_dropped",
                "quarantine_dropped",
                f"{dropped:,} documents had to leave the full quarantine",
                count=dropped,
            )
