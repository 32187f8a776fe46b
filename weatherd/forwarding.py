"""
The second loop: from the journal to one sink, each sink with a position of its own.

    journal ─ read ─> batch ─┬─ attempt ─> delivered ─> acknowledged, in the order of the journal
                             ├─ too large, refused: halved until the culprit stands alone, which is quarantined
                             └─ unreachable, unwelcome: kept, tried again with backoff

Up to `in_flight_max` batches are under way at once while the far end is well. While it is not, one batch at a time is
tried, so that a dead server is asked by one voice. What a batch holds never changes: every attempt sends the same
bytes.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator

import structlog

from weatherd.errors import JournalDamaged, JournalError, Refused, SinkError, TooLarge, Unreachable, Unwelcome
from weatherd.happenings import Happenings
from weatherd.model import Batch
from weatherd.ports import Clock, Journal, Sink
from weatherd.waiting import first_of

QUARANTINE_PERIOD_S = 60.0
"""Quarantine is told at most once in this time."""


class _Flight:
    """A batch under way."""

    __slots__ = ("batch", "settled")

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.settled = False


class Forwarder:
    """
    Deliver everything that the journal holds to one sink, at least once and in the journal's order.

    Args:
        sink: Where to.
        journal: Where from.
        clock: The station's clock.
        log: Where people read about outages.
        happenings: Where it is told what could not be delivered.
        batch_size_max: Documents of one attempt.
        linger_s: How long a fresh document may wait for company; the very first does not.
        in_flight_max: Batches under way at once.
        delays: Makes the delays between attempts at a far end that does not answer.
        delays_unwelcome: Makes those between attempts at one that wants other settings.
    """

    def __init__(
        self,
        sink: Sink,
        journal: Journal,
        clock: Clock,
        log: structlog.typing.FilteringBoundLogger,
        happenings: Happenings,
        *,
        batch_size_max: int,
        linger_s: float,
        in_flight_max: int,
        delays: Callable[[], Iterator[float]],
        delays_unwelcome: Callable[[], Iterator[float]],
    ) -> None:
        self.sink = sink
        self.error: SinkError | None = None
        self.error_since_ms: int | None = None
        self.attempt_next_s: float | None = None
        self.attempts_count = 0
        self.delivered_count = 0
        self.unreadable_count = 0
        self.journal_error: JournalError | None = None
        self._journal = journal
        self._clock = clock
        self._log = log
        self._happenings = happenings
        self._quarantine_told_s = -QUARANTINE_PERIOD_S
        self._quarantine_untold_count = 0
        self._batch_size_max = batch_size_max
        self._linger_s = linger_s
        self._new_delays = delays
        self._delays = delays()
        self._delays_unwelcome = delays_unwelcome()
        self._in_flight_max = in_flight_max
        self._one_at_a_time = asyncio.Lock()
        self._hurry = asyncio.Event()
        self._settled = asyncio.Event()
        self._gave_up = False

    @property
    def lag(self) -> int:
        """Entries not yet delivered."""
        return self._journal.last_seq - self._journal.position(self.sink.name)

    async def run(self) -> None:
        """Forward until cancelled."""
        read_seq = self._journal.position(self.sink.name)
        flights: deque[_Flight] = deque()
        places = asyncio.Semaphore(self._in_flight_max)
        async with asyncio.TaskGroup() as group:
            while True:
                await places.acquire()
                batch = await self._next_batch(read_seq)
                read_seq = batch.last_seq
                flights.append(_Flight(batch))
                group.create_task(self._carry(flights[-1], flights, places))

    def hurry(self) -> None:
        """From now on wait for nothing: neither for company nor, once more, for the next attempt."""
        self._hurry.set()

    async def finish(self) -> None:
        """Return when everything is delivered in a hurry, or an attempt has failed."""
        self.hurry()
        while self.lag and not self._gave_up:
            self._settled.clear()
            await self._settled.wait()

    async def _next_batch(self, read_seq: int) -> Batch:
        while True:
            await self._journal.wait_beyond(read_seq)
            if self.attempts_count and not self._hurry.is_set():
                await first_of(
                    self._clock.sleep(self._linger_s),
                    self._journal.wait_beyond(read_seq + self._batch_size_max - 1),
                    self._hurry.wait(),
                )
            try:
                batch = await self._journal.read(read_seq, self._batch_size_max)
            except JournalDamaged as error:
                if error.last_seq is not None:
                    self._skip(read_seq, error.last_seq, error)
                    read_seq = error.last_seq
                    continue
                batch = None
                self._tell_journal(error)
            except JournalError as error:
                batch = None
                self._tell_journal(error)
            else:
                self._tell_journal(None)
            if batch is not None:
                return batch
            await self._clock.sleep(next(self._delays))

    def _skip(self, read_seq: int, last_seq: int, error: JournalDamaged) -> None:
        """Go on behind entries that cannot be read any more, and tell of the loss."""
        self.unreadable_count += last_seq - read_seq
        self._happenings.tell(
            "forwarding.unreadable",
            "entries_unreadable",
            str(error),
            reason=error.reason,
            code=error.code,
            hint=error.hint,
        )

    def _tell_journal(self, error: JournalError | None) -> None:
        """Log a change, once."""
        if error is not None and self.journal_error is None:
            self._log.error("forwarding.paused", message=f"nothing is sent: {error}", code=error.code, hint=error.hint)
        elif error is None and self.journal_error is not None:
            self._log.info("forwarding.resumed", message="the journal can be read again")
        self.journal_error = error

    async def _carry(self, flight: _Flight, flights: deque[_Flight], places: asyncio.Semaphore) -> None:
        """Settle one batch, then acknowledge as far as all batches before it are settled too."""
        await self._deliver(flight.batch)
        flight.settled = True
        while flights and flights[0].settled:
            await self._journal.acknowledge(self.sink.name, flights.popleft().batch.last_seq)
            places.release()
        if not self.lag:
            self._settled.set()

    async def _deliver(self, batch: Batch) -> None:
        """Return when every document is delivered or quarantined."""
        try:
            await self._attempt_until_answered(batch)
        except (TooLarge, Refused) as error:
            if len(batch.documents) == 1:
                await self._quarantine(batch, error)
                return
            for half in batch.halves():
                await self._deliver(half)
        else:
            self.delivered_count += len(batch.documents)

    async def _attempt_until_answered(self, batch: Batch) -> None:
        if self.error is None and await self._attempt(batch):
            return
        async with self._one_at_a_time:
            while True:
                if self.error is not None:
                    await self._pause(self.error)
                if await self._attempt(batch):
                    return

    async def _attempt(self, batch: Batch) -> bool:
        """Try once; tell whether the far end has acknowledged. Raises if it refuses these documents."""
        self.attempts_count += 1
        try:
            await self.sink.deliver(batch.documents)
        except (Unreachable, Unwelcome) as error:
            self._went_down(error)
            return False
        except (TooLarge, Refused):
            self._came_up()
            raise
        self._came_up()
        return True

    async def _pause(self, error: SinkError) -> None:
        if isinstance(error, Unwelcome):
            delay_s = next(self._delays_unwelcome)
        else:
            delay_s = next(self._delays)
            if isinstance(error, Unreachable) and error.retry_after_s is not None:
                delay_s += error.retry_after_s  # the jitter stays: a proxy tells all stations the same time
        self.attempt_next_s = self._clock.boottime_s() + delay_s
        if self._hurry.is_set():
            self._gave_up = True
            self._settled.set()
            await self._clock.sleep(delay_s)
        else:
            await first_of(self._clock.sleep(delay_s), self._hurry.wait())
        self.attempt_next_s = None

    def _went_down(self, error: SinkError) -> None:
        if self.error is None or self.error.code != error.code:
            self._log.warning(
                "forwarding.sink_lost",
                message=f"{error}; everything is kept and will be sent later",
                sink=self.sink.name,
                code=error.code,
                hint=error.hint,
                lag=self.lag,
            )
        if self.error is None:
            self.error_since_ms = self._clock.now_ms()
        self.error = error.with_traceback(None)  # its frames hold the whole batch

    def _came_up(self) -> None:
        if self.error is not None:
            self._log.info(
                "forwarding.sink_found",
                message=f"{self.sink.name} answers again; {self.lag} entries are to be sent",
                sink=self.sink.name,
                lag=self.lag,
            )
        self.error = self.error_since_ms = None
        self._delays = self._new_delays()

    async def _quarantine(self, batch: Batch, error: SinkError) -> None:
        for delay_s in self._new_delays():
            try:
                await self._journal.quarantine(self.sink.name, batch, str(error))
            except JournalError as unavailable:
                self._tell_journal(unavailable)
                await self._clock.sleep(delay_s)
            else:
                break
        self._tell_quarantined(error)

    def _tell_quarantined(self, error: SinkError) -> None:
        """Tell of documents in quarantine, at most once in a while: the far end may refuse them all."""
        self._quarantine_untold_count += 1
        if self._clock.boottime_s() - self._quarantine_told_s < QUARANTINE_PERIOD_S:
            return
        count, self._quarantine_untold_count = self._quarantine_untold_count, 0
        self._quarantine_told_s = self._clock.boottime_s()
        self._happenings.tell(
            "forwarding.quarantined",
            "documents_quarantined",
            f"{self.sink.name} refuses {count} document{'s' if count > 1 else ''} for good; in quarantine: {error}",
            reason=error.reason,
            code=error.code,
            count=count,
        )
