"""Sampling of a source that tells by itself: each arrival an observation of its own, or reduced like a sensor's."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence

from weatherd.errors import SourceEnded
from weatherd.model import Arrival, Event, Observation
from weatherd.ports import Clock, Source
from weatherd.processing.calibration import calibrate
from weatherd.processing.reduction import Reducer
from weatherd.queueing import BoundedQueue
from weatherd.sampling.condition import Condition
from weatherd.sampling.forming import Former
from weatherd.sampling.ticks import Ticks, period_end

_TRANSMITTERS_MAX = 256
"""Sets of labels that are reduced side by side; with one more, all are reported early."""

_HEALTHY_S = 60.0
"""A source that ran so long before it ended is tried again as if for the first time."""

_Key = tuple[tuple[str, str], ...]


class TellingSampler:
    """
    Listen to one source for ever, and make it wait while the queue is full.

    Arrivals with different labels come from different transmitters, and are never reduced into one observation.

    Args:
        source: The source.
        clock: The station's clock.
        queue: Where observations go; they can wait, and the source with them.
        former: Forms them.
        condition: Tells when the source is lost and found.
        report_period_s: From one observation to the next; 0 makes each arrival one.
        delays: Makes the delays between attempts at a source that has ended.
    """

    skipped_count = 0

    def __init__(
        self,
        source: Source,
        clock: Clock,
        queue: BoundedQueue[Observation | Event],
        former: Former,
        condition: Condition,
        *,
        report_period_s: float,
        delays: Callable[[], Iterator[float]],
    ) -> None:
        self.condition = condition
        self.tried = asyncio.Event()
        self._source = source
        self._clock = clock
        self._queue = queue
        self._former = former
        self._report_period_s = report_period_s
        self._new_delays = delays
        self._reducing: dict[_Key, tuple[int, Mapping[str, str], Reducer]] = {}
        self._unqueued: deque[Observation | Event] = deque()

    @property
    def model(self) -> str:
        """What kind of source it is."""
        return self._source.model

    async def run(self) -> None:
        """Listen until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            if self._report_period_s:
                group.create_task(self._report_at_ticks())

    async def finish(self) -> None:
        """Report what arrived since the last report; after `run` has been cancelled."""
        await self._source.close()
        self._report(before_ms=None)
        await self._queue.put(self._unqueued)

    async def _listen(self) -> None:
        delays = self._new_delays()
        while True:
            started_s = self._clock.boottime_s()
            self.tried.set()
            try:
                await self._source.run(self._deliver)
            except SourceEnded as error:
                self.condition.failed(error)
                self.condition.lost(error)
            if self._clock.boottime_s() - started_s > _HEALTHY_S:
                delays = self._new_delays()
            await self._clock.sleep(next(delays))

    async def _report_at_ticks(self) -> None:
        ticks = Ticks(self._clock, self._report_period_s)
        while True:
            tick_ms = await ticks.next()
            self._report(before_ms=tick_ms + 1)
            await self._queue.put(self._unqueued)

    async def _deliver(self, arrivals: Sequence[Arrival]) -> None:
        self.condition.working()
        for arrival in arrivals:
            if self._report_period_s:
                self._reduce(arrival)
            else:
                self._enqueue(self._former.passed_on(arrival))
        await self._queue.put(self._unqueued)

    def _reduce(self, arrival: Arrival) -> None:
        time_ms = self._clock.now_ms() if arrival.observed_at_ms is None else arrival.observed_at_ms
        end_ms = period_end(time_ms, self._report_period_s)
        key = tuple(sorted(arrival.labels.items()))
        if key in self._reducing and self._reducing[key][0] != end_ms:
            self._report_one(key)
        if key not in self._reducing:
            if len(self._reducing) >= _TRANSMITTERS_MAX:
                self._report(before_ms=None)
            self._reducing[key] = (end_ms, arrival.labels, Reducer())
        self._reducing[key][2].add(calibrate(arrival.measurement, self._former.calibration))

    def _report(self, before_ms: int | None) -> None:
        """Report every period that ended before a time, or every one."""
        for key in [key for key, (end_ms, _, _) in self._reducing.items() if before_ms is None or end_ms < before_ms]:
            self._report_one(key)

    def _report_one(self, key: _Key) -> None:
        end_ms, labels, reducer = self._reducing.pop(key)
        self._enqueue(self._former.reduced(reducer.reduce(), end_ms, labels))

    def _enqueue(self, observation: Observation) -> None:
        self.condition.observed(observation.observed_at_ms)
        self._unqueued.append(observation)
