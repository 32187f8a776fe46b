"""Sampling of a source that tells by itself: each arrival an observation of its own, or reduced like a sensor's."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from weatherd.errors import SourceEnded
from weatherd.model import Arrival, Event, Observation
from weatherd.ports import Clock, Source
from weatherd.processing.calibration import calibrate
from weatherd.processing.reduction import Reducer
from weatherd.queueing import BoundedQueue
from weatherd.sampling.condition import Condition
from weatherd.sampling.forming import Former
from weatherd.sampling.stamps import Stamp, stamp
from weatherd.sampling.ticks import Ticks, period_end

_TRANSMITTERS_MAX = 256
"""Sets of labels that are reduced side by side; with one more, all are reported early."""

_HEALTHY_S = 60.0
"""A source that ran so long before it ended is tried again as if for the first time."""

_Key = tuple[tuple[str, str], ...]


class ToldSampler:
    """
    Form the observations of one sensor from what a source tells about it.

    Arrivals with different labels come from different transmitters, and are never reduced into one observation.

    Args:
        model: What kind of source it is.
        clock: The station's clock.
        former: Forms the observations.
        condition: Tells when the sensor is lost and found.
        report_period_s: From one observation to the next; 0 makes each arrival one.
    """

    skipped_count = lost_edges_count = 0

    def __init__(
        self, model: str, clock: Clock, former: Former, condition: Condition, *, report_period_s: float
    ) -> None:
        self.model = model
        self.condition = condition
        self.report_period_s = report_period_s
        self._clock = clock
        self._former = former
        self._reducing: dict[_Key, tuple[Stamp, Mapping[str, str], Reducer]] = {}

    @property
    def calibration(self) -> str:
        """The version of the sensor's calibration; empty if it has none."""
        return self._former.calibration_version

    def take(self, arrivals: Sequence[Arrival]) -> Iterator[Observation]:
        """Take in what arrived; yield the observations that are complete with it."""
        self.condition.working()
        if not self.report_period_s:
            yield from map(self._counted, self._former.passed_on(arrivals))
            return
        for arrival in arrivals:
            yield from self._reduce(arrival)

    def report(self, until_ms: int | None = None) -> Iterator[Observation]:
        """Yield the observations of every period that ended until a time, or of all."""
        now = stamp(self._clock)
        ended = [
            key for key, (end, _, _) in self._reducing.items() if until_ms is None or end.by(now).time_ms <= until_ms
        ]
        for key in ended:
            yield self._reported(key)

    def _reduce(self, arrival: Arrival) -> Iterator[Observation]:
        time = stamp(self._clock) if arrival.observed_at_ms is None else Stamp(arrival.observed_at_ms, None)
        end = Stamp(period_end(time.time_ms, self.report_period_s), time.offset_ms)
        key = tuple(sorted(arrival.labels.items()))
        if key in self._reducing and self._reducing[key][0].by(time).time_ms != end.time_ms:
            yield self._reported(key)
        if key not in self._reducing:
            if len(self._reducing) >= _TRANSMITTERS_MAX:
                yield from self.report()
            self._reducing[key] = (end, arrival.labels, self._former.reducer())
        elif self._reducing[key][0].offset_ms is None:
            # The end of a period is final only while every arrival gives its own time.
            self._reducing[key] = (end, *self._reducing[key][1:])
        self._reducing[key][2].add(calibrate(arrival.measurement, self._former.calibration))

    def _reported(self, key: _Key) -> Observation:
        end, labels, reducer = self._reducing.pop(key)
        return self._counted(self._former.reduced(reducer.reduce(), end, labels))

    def _counted(self, observation: Observation) -> Observation:
        self.condition.observed(observation)
        return observation


class Listener:
    """
    Listen to one source for ever, for all sensors that it tells about, and make it wait while the queue is full.

    Args:
        source: The source.
        samplers: By sensor, who takes in what it tells.
        clock: The station's clock.
        queue: Where observations go; they can wait, and the source with them.
        delays: Makes the delays between attempts at a source that has ended.
    """

    def __init__(
        self,
        source: Source,
        samplers: Mapping[str, ToldSampler],
        clock: Clock,
        queue: BoundedQueue[Observation | Event],
        *,
        delays: Callable[[], Iterator[float]],
    ) -> None:
        self.name = " ".join(samplers)
        self.names = frozenset(samplers)
        self.tried = asyncio.Event()
        self.source = source
        self._samplers = samplers
        self._clock = clock
        self._queue = queue
        self._new_delays = delays
        self._unqueued: deque[Observation | Event] = deque()

    @property
    def unqueued_count(self) -> int:
        """Observations that wait for room in the queue."""
        return len(self._unqueued)

    async def run(self) -> None:
        """Listen until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            for period_s in {sampler.report_period_s for sampler in self._samplers.values()} - {0.0}:
                group.create_task(self._report_at_ticks(period_s))

    async def finish(self) -> None:
        """Report what arrived since the last report; after `run` has been cancelled."""
        await self.source.close()
        self._take(self.source.rest())
        for sampler in self._samplers.values():
            self._unqueued.extend(sampler.report())
        await self._queue.put(self._unqueued)

    async def report_now(self, sensors: Collection[str]) -> int:
        """Report what arrived about some sensors since their last reports; return how many observations that made."""
        made = [observation for name in sensors for observation in self._samplers[name].report()]
        self._unqueued.extend(made)
        await self._queue.put(self._unqueued)
        return len(made)

    async def _listen(self) -> None:
        delays = self._new_delays()
        while True:
            started_s = self._clock.boottime_s()
            self.tried.set()
            try:
                await self.source.run(self._deliver)
            except SourceEnded as error:
                for sampler in self._samplers.values():
                    sampler.condition.failed(error)
                    sampler.condition.lost(error)
            if self._clock.boottime_s() - started_s > _HEALTHY_S:
                delays = self._new_delays()
            await self._clock.sleep(next(delays))

    async def _report_at_ticks(self, period_s: float) -> None:
        ticks = Ticks(self._clock, period_s)
        while True:
            tick = await ticks.next()
            for sampler in self._samplers.values():
                if sampler.report_period_s == period_s:
                    self._unqueued.extend(sampler.report(tick.time_ms))
            await self._queue.put(self._unqueued)

    async def _deliver(self, arrivals: Mapping[str, Sequence[Arrival]]) -> None:
        self._take(arrivals)
        await self._queue.put(self._unqueued)

    def _take(self, arrivals: Mapping[str, Sequence[Arrival]]) -> None:
        for sensor, its_arrivals in arrivals.items():
            self._unqueued.extend(self._samplers[sensor].take(its_arrivals))
