"""Sampling of a sensor that is asked: at a period, reduced to one observation a report period."""

import asyncio
import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from weatherd.errors import NoMeasurement, SensorError
from weatherd.model import Event, Measurement, Observation
from weatherd.ports import Clock, Sensor
from weatherd.processing.calibration import calibrate
from weatherd.queueing import BoundedQueue
from weatherd.sampling.condition import Condition
from weatherd.sampling.forming import Former
from weatherd.sampling.stamps import Stamp, stamp
from weatherd.sampling.ticks import Ticks, period_end

FAILURES_MAX = 3
"""So many times in a row a sensor may answer with no measurement before it is opened anew, and told to be lost."""


ROUND_S_MAX = 120.0
"""From one round to the next beyond the sample period: the longest pause, and a bus that has to be waited for."""


class AskedSampler:
    """
    Ask one sensor for ever; nothing that it does reaches anybody else.

    A sensor that cannot be opened, or does not answer, is lost, and tried again with backoff. A report period in which
    nothing could be measured makes an observation with every quantity `missing`, one in which nothing was tried makes
    none.

    Args:
        sensor: The sensor.
        clock: The station's clock.
        queue: Where observations go; they cannot wait.
        former: Forms them.
        condition: Tells when the sensor is lost and found.
        sample_period_s: From one measurement to the next.
        report_period_s: From one observation to the next, a multiple of the sample period.
        delays: Makes the delays between attempts at a lost sensor.
        totals: Tells of what a sensor counts how many there were ever, as of its last measurement.
    """

    def __init__(
        self,
        sensor: Sensor,
        clock: Clock,
        queue: BoundedQueue[Observation | Event],
        former: Former,
        condition: Condition,
        *,
        sample_period_s: float,
        report_period_s: float,
        delays: Callable[[], Iterator[float]],
        totals: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        self.name = sensor.name
        self.names = frozenset({sensor.name})
        self.condition = condition
        self.tried = asyncio.Event()
        self._sensor = sensor
        self._clock = clock
        self._queue = queue
        self._former = former
        self._report_period_s = report_period_s
        self._ticks = Ticks(clock, sample_period_s)
        self._round_s_max = sample_period_s + ROUND_S_MAX
        self._round_s = clock.boottime_s()
        self._new_delays = delays
        self._delays = delays()
        self._totals = totals
        self._reducer = former.reducer(sensor.quantities)
        self._period_end: Stamp | None = None
        self._is_open = False

    @property
    def model(self) -> str:
        """What kind of part the sensor is."""
        return self._sensor.model

    @property
    def quantities(self) -> Sequence[str]:
        """What the sensor measures; empty while it does not know that yet."""
        return self._sensor.quantities

    @property
    def skipped_count(self) -> int:
        """Ticks that came too late."""
        return self._ticks.skipped_count

    @property
    def calibration(self) -> str:
        """The version of the sensor's calibration; empty if it has none."""
        return self._former.calibration_version

    @property
    def lost_edges_count(self) -> int:
        """Edges that the kernel had to drop, of a sensor that counts any."""
        return getattr(self._sensor, "lost_edges_count", 0)

    def goes_on(self) -> bool:
        """Whether it has come round in time, be it with a measurement or with a sensor that does not answer."""
        return self._clock.boottime_s() - self._round_s <= self._round_s_max

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            self._round_s = self._clock.boottime_s()
            try:
                await self._sensor.open()
                self._is_open = True
                if self._reducer.empty:  # some sensors know what they measure only now
                    self._reducer = self._former.reducer(self._sensor.quantities)
                self.tried.set()
                await self._sample()
            except SensorError as error:
                self._is_open = False
                self._failed(error, stamp(self._clock))
                self.condition.lost(error)
                self.tried.set()
            await self._clock.sleep(next(self._delays))

    async def finish(self) -> None:
        """
        Report what was measured since the last report; after `run` has been cancelled.

        What is counted is asked for once more: the machine may be about to go down, and the counts with it.
        """
        if self._is_open and self._totals():
            with contextlib.suppress(SensorError):
                self._measured(_finite(await self._sensor.measure()), stamp(self._clock))
        self._report(self._period_end or stamp(self._clock))
        await self._sensor.close()

    def report_now(self) -> bool:
        """Report what was measured since the last report, before its period is over; tell whether there was any."""
        if self._reducer.empty:
            return False
        self._report(stamp(self._clock))
        return True

    async def _sample(self) -> None:
        failures = 0
        self._ticks.pause()
        while True:
            tick = await self._ticks.next()
            self._round_s = self._clock.boottime_s()
            try:
                measurement = _finite(await self._sensor.measure())
            except NoMeasurement as error:
                failures += 1
                if failures >= FAILURES_MAX:
                    raise
                self._failed(error, tick)
            else:
                failures = 0
                self._measured(measurement, tick)
            if tick == self._period_end:
                self._report(tick)

    def _measured(self, measurement: Measurement, tick: Stamp) -> None:
        self._delays = self._new_delays()
        self.condition.working()
        self._advance(tick)
        self._reducer.add(calibrate(measurement, self._former.calibration), self._totals())

    def _failed(self, error: SensorError, time: Stamp) -> None:
        self.condition.failed(error)
        self._advance(time)
        self._reducer.fail(error.reason)

    def _advance(self, time: Stamp) -> None:
        """
        Begin the period that a time lies in, and report the one before if it still waits.

        A step of the clock cuts a period short: it ends with the first tick after it, by the new time.
        """
        end = Stamp(period_end(time.time_ms, self._report_period_s), time.offset_ms)
        if self._period_end is not None and self._period_end.by(time).time_ms != end.time_ms:
            self._report(min(self._period_end.by(time), time))
        self._period_end = end

    def _report(self, ended: Stamp) -> None:
        if self._reducer.empty:
            return
        observation = self._former.reduced(self._reducer.reduce(), ended, {})
        self._reducer = self._former.reducer(self._sensor.quantities)
        self.condition.observed(observation)
        self._queue.push(observation)


def _finite(measurement: Measurement) -> Measurement:
    for quantity, value in measurement.items():
        if not math.isfinite(value):
            raise NoMeasurement(f"the driver gave {value} as {quantity}")
    return measurement
