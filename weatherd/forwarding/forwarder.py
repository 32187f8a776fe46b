"""The loop of one sink: choose, read, attempt until answered, acknowledge."""

import asyncio
import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import structlog

from weatherd.errors import JournalDamaged, JournalError, Refused, SinkError, TooLarge, Unreachable, Unwelcome
from weatherd.forwarding.lingering import Linger
from weatherd.forwarding.picking import Picker
from weatherd.forwarding.telling import Teller
from weatherd.happenings import Happenings
from weatherd.model import Batch
from weatherd.pacing import Pace
from weatherd.ports import Clock, Journal, Sink
from weatherd.ranges import Range, Ranges
from weatherd.waiting import first_of

LINGER_SLACK_SHARE = 0.05
"""Of the linger, that a document may be short of: each wake-up costs a station that has little to do a millisecond."""


class _Errand(NamedTuple):
    """What to read next: documents at most, and whether they are fresh."""

    span: Range
    count_max: int
    is_fresh: bool


class _Flight:
    """A batch under way. One that was fresh when it failed is backlog from then on."""

    __slots__ = ("batch", "is_fresh")

    def __init__(self, batch: Batch, *, is_fresh: bool) -> None:
        self.batch = batch
        self.is_fresh = is_fresh


class Forwarder:
    """
    Deliver everything that the journal holds to one sink, at least once: what is fresh first.

    Args:
        sink: Where to.
        journal: Where from.
        clock: The station's clock.
        log: Where people read about outages.
        happenings: Where it is told what could not be delivered.
        batch_size_max: Documents of one attempt.
        linger_s: How long a fresh document may wait for company at most; the very first does not.
        secured_after_s: So old, what is not delivered is written to the card.
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
        secured_after_s: float,
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
        self._teller = Teller(sink.name, clock, log, happenings)
        self._batch_size_max = batch_size_max
        self._linger = Linger(linger_s, secured_after_s)
        self._in_flight_max = in_flight_max
        self._new_delays = delays
        self._delays = delays()
        self._delays_unwelcome = delays_unwelcome()
        self._delays_of_reading = delays()
        self._picker = Picker(batch_size_max=batch_size_max, in_flight_max=in_flight_max)
        self._pace = Pace(batch_size_max=batch_size_max, in_flight_max=in_flight_max)
        self._flights: list[_Flight] = []
        self._failures_count = 0
        self._returns_count = 0
        self._due_s = -math.inf  # when what is fresh has waited long enough
        self._backlog_from_s = -math.inf  # backlog waits until then
        self._wake_s = math.inf  # when there may be something to read though nothing has happened
        self._one_at_a_time = asyncio.Lock()
        self._hurry = asyncio.Event()
        self._stirred = asyncio.Event()  # there may be something to read
        self._settled = asyncio.Event()  # there may be nothing left to wait for at the stop
        self._gave_up = False
        self._gave_up_reading = False

    @property
    def lag(self) -> int:
        """Entries not yet delivered."""
        return self._journal.lag(self.sink.name)

    @property
    def backlog_count(self) -> int:
        """Entries not yet delivered that are older than the fresh ones."""
        first_seq = self._picker.fresh_seq
        if self.error is not None:
            first_seq = max(first_seq, self._picker.newest_from(self._journal.last_seq))
        taken = self._taken(flight for flight in self._flights if flight.is_fresh)
        return sum(last - first + 1 for first, last in taken.gaps(1, first_seq - 1))

    @property
    def pace(self) -> int:
        """Documents of backlog that may be under way at once."""
        return self._pace.documents

    async def run(self) -> None:
        """Forward until cancelled."""
        self._flights.clear()
        self._picker.release()
        self._begin()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_growth())
            group.create_task(self._watch_returns())
            await asyncio.sleep(0)  # from now on they notice what happens during a read
            while True:
                self._stirred.clear()
                errand = self._next_errand()
                if errand is None:
                    await self._wait()
                    continue
                batch = await self._read(errand)
                if batch is not None:
                    self._flights.append(_Flight(batch, is_fresh=errand.is_fresh))
                    group.create_task(self._carry(self._flights[-1]))

    def hurry(self) -> None:
        """From now on wait for nothing: neither for company nor, once more, for the next attempt."""
        self._hurry.set()
        self._stirred.set()

    async def finish(self) -> None:
        """Return when everything that can be read is delivered in a hurry, or an attempt has failed."""
        self.hurry()
        while self.lag and not self._gave_up and not self._is_idle():
            self._settled.clear()
            await self._settled.wait()

    def _is_idle(self) -> bool:
        """Tell whether nothing is under way, and nothing can be read either."""
        return not self._flights and (self._gave_up_reading or self._next_errand() is None)

    def _begin(self) -> None:
        """Let the newest entries go first, and the backlog behind them, a little at first."""
        self._picker.begin(self._journal.last_seq)
        self._pace.restart()

    async def _watch_growth(self) -> None:
        while True:
            last_seq = self._journal.last_seq
            await self._journal.wait_beyond(last_seq)
            if self._picker.fresh_seq > last_seq:  # it is the first to wait
                self._due_s = self._clock.boottime_s() + self._linger.wait_s
                self._stirred.set()
            elif self._is_company_enough(self._journal.last_seq - self._picker.fresh_seq + 1):
                self._stirred.set()

    async def _watch_returns(self) -> None:
        while True:
            await self._journal.wait_for_return()
            self._returns_count += 1
            self._picker.release()
            self._stirred.set()

    async def _wait(self) -> None:
        """Wait until there may be something to read."""
        self._settled.set()
        if self._wake_s == math.inf:
            await self._stirred.wait()
        else:
            await self._clock.sleep_unless(self._stirred, self._wake_s - self._clock.boottime_s())

    def _next_errand(self) -> _Errand | None:
        """Choose what to read now; None if there is nothing, or something to wait for."""
        self._wake_s = math.inf
        if len(self._flights) >= self._in_flight_max or (self.error is not None and self._flights):
            return None
        taken = self._taken(self._flights)
        fresh = self._picker.fresh(taken, self._journal.last_seq)
        if fresh is not None and self._is_due(fresh):
            return _Errand(fresh, self._batch_size_max, is_fresh=True)
        backlog = self._picker.backlog(taken)
        if backlog is not None and (count_max := self._backlog_size_max()):
            return _Errand(backlog, count_max, is_fresh=False)
        return None

    def _taken(self, flights: Iterable[_Flight]) -> Ranges:
        """Return what is delivered or under way."""
        taken = self._journal.delivered(self.sink.name)
        for flight in flights:
            taken = taken.add(flight.batch.first_seq, flight.batch.last_seq)
        return taken

    def _is_due(self, fresh: Range) -> bool:
        """Tell whether what is fresh goes now: it is a full batch, or has waited long enough for company."""
        first, last = fresh
        if not self._is_company_enough(last - first + 1):
            self._wake_s = min(self._wake_s, self._due_s)
            return False
        return True

    def _is_company_enough(self, count: int) -> bool:
        """Tell whether so many fresh documents need not wait for more."""
        return (
            self._hurry.is_set()
            or not self.attempts_count
            or count >= self._batch_size_max
            # The pass of one that comes just before the timer does for both.
            or self._due_s - self._linger.wait_s * LINGER_SLACK_SHARE <= self._clock.boottime_s()
        )

    def _backlog_size_max(self) -> int:
        """Return how many documents of backlog may go now."""
        if self._backlog_from_s > self._clock.boottime_s() and not self._hurry.is_set():
            self._wake_s = min(self._wake_s, self._backlog_from_s)
            return 0
        sizes = [len(flight.batch.documents) for flight in self._flights if not flight.is_fresh]
        return self._pace.batch_size(sum(sizes), len(sizes))

    async def _read(self, errand: _Errand) -> Batch | None:
        """Return a batch to attempt, if the span has one; what else there is to know of the span is noted."""
        first, last = errand.span
        returns_count = self._returns_count
        try:
            batch = await self._journal.read(self.sink.name, first, last, errand.count_max)
        except JournalError as error:
            await self._reading_failed(errand.span, error)
            return None
        self._reading_succeeded()
        self._picker.note(errand.span, batch)
        if self._returns_count != returns_count:
            self._picker.release()  # what was held back when it was read may have returned since
        if batch is None or (batch.first_seq > first and self._picker.is_crowded(self._taken(self._flights))):
            return None  # in the second case it would make an island
        if not batch.documents:
            self._journal.acknowledge(self.sink.name, batch.first_seq, batch.last_seq)
            return None
        return batch

    async def _reading_failed(self, span: Range, error: JournalError) -> None:
        """Go on behind entries that cannot be read any more, or wait until the journal can be tried again."""
        first, last = span
        if isinstance(error, JournalDamaged) and error.last_seq is not None:
            assert error.last_seq >= first, "nothing that was asked for is damaged"
            last = min(last, error.last_seq)
            self._journal.acknowledge(self.sink.name, first, last)
            self.unreadable_count += last - first + 1
            self._teller.unreadable(error)
            return
        self._note_journal(error)
        delay_s = next(self._delays_of_reading)
        if self._hurry.is_set():
            self._gave_up_reading = True
            self._settled.set()
            await self._clock.sleep(delay_s)
        else:
            await first_of(self._clock.sleep(delay_s), self._hurry.wait())

    def _reading_succeeded(self) -> None:
        if self.journal_error is not None:
            self._note_journal(None)
            self._delays_of_reading = self._new_delays()
        self._gave_up_reading = False

    def _note_journal(self, error: JournalError | None) -> None:
        """Tell of a change, once."""
        if error is not None and self.journal_error is None:
            self._teller.paused(error)
        elif error is None and self.journal_error is not None:
            self._teller.resumed()
        self.journal_error = error

    async def _carry(self, flight: _Flight) -> None:
        """Settle one batch."""
        await self._deliver(flight, flight.batch)
        self._flights.remove(flight)
        self._stirred.set()
        self._settled.set()

    async def _deliver(self, flight: _Flight, batch: Batch) -> None:
        """Return when every document is delivered or quarantined, each part acknowledged as soon as it is."""
        try:
            await self._attempt_until_answered(flight, batch)
        except (TooLarge, Refused) as error:
            if len(batch.documents) > 1:
                for half in batch.halves():
                    await self._deliver(flight, half)
                return
            await self._quarantine(batch, error)
        else:
            self.delivered_count += len(batch.documents)
        self._journal.acknowledge(self.sink.name, batch.first_seq, batch.last_seq)

    async def _attempt_until_answered(self, flight: _Flight, batch: Batch) -> None:
        if self.error is None and await self._attempt(flight, batch):
            return
        async with self._one_at_a_time:
            while True:
                if self.error is not None:
                    await self._pause(self.error)
                if await self._attempt(flight, batch):
                    return

    async def _attempt(self, flight: _Flight, batch: Batch) -> bool:
        """Try once; tell whether the far end has acknowledged. Raises if it refuses these documents."""
        self.attempts_count += 1
        failures_count = self._failures_count
        began_s = self._clock.boottime_s()
        try:
            await self.sink.deliver(batch.documents)
        except (Unreachable, Unwelcome) as error:
            flight.is_fresh = False
            self._went_down(error)
            return False
        except (TooLarge, Refused):
            self._came_up(failures_count)
            raise
        now_s = self._clock.boottime_s()
        if flight.is_fresh:
            self._linger.answered(now_s - began_s)
        elif self.error is None:
            self._pace.answered(now_s - began_s)
            self._backlog_from_s = now_s + self._pace.pause_s
        self._came_up(failures_count)
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
        self._failures_count += 1
        self._pace.failed()
        if self.error is None or self.error.code != error.code:
            self._teller.sink_lost(error, self.lag)
        if self.error is None:
            self.error_since_ms = self._clock.now_ms()
        self.error = error.with_traceback(None)  # its frames hold the whole batch

    def _came_up(self, failures_count: int) -> None:
        """End an outage, unless an attempt has failed since the one that was answered began."""
        if self.error is None or self._failures_count != failures_count:
            return
        self._teller.sink_found(self.lag)
        self.error = self.error_since_ms = None
        self._delays = self._new_delays()
        self._begin()
        self._stirred.set()

    async def _quarantine(self, batch: Batch, error: SinkError) -> None:
        for delay_s in self._new_delays():
            try:
                await self._journal.quarantine(self.sink.name, batch, str(error))
            except JournalError as unavailable:
                self._note_journal(unavailable)
                await self._clock.sleep(delay_s)
            else:
                self._note_journal(None)
                break
        self._teller.quarantined(error)
