"""The condition of a sensor: lost and found, each told once."""

import enum

import structlog

from weatherd.errors import SensorError
from weatherd.model import Event, Observation
from weatherd.ports import Clock
from weatherd.queueing import BoundedQueue


class State(enum.StrEnum):
    """Where a sensor stands."""

    STARTING = "starting"
    WORKING = "working"
    LOST = "lost"


class Condition:
    """
    Remember how a sensor is, and tell a change once: in the log, and as an event in the journal.

    Args:
        sensor: The sensor's name.
        clock: The station's clock.
        queue: Where events go, beside the observations.
        log: Where people read it.
    """

    def __init__(
        self,
        sensor: str,
        clock: Clock,
        queue: BoundedQueue[Observation | Event],
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        self.sensor = sensor
        self.state = State.STARTING
        self.since_ms = clock.now_ms()
        self.error: SensorError | None = None
        self.observed_at_ms: int | None = None
        self.observations_count = 0
        self.failures_count = 0
        self._clock = clock
        self._queue = queue
        self._log = log

    def failed(self, error: SensorError) -> None:
        """Note one measurement that gave nothing."""
        self.error = error
        self.failures_count += 1

    def observed(self, observed_at_ms: int) -> None:
        """Note that an observation was formed."""
        self.observed_at_ms = observed_at_ms
        self.observations_count += 1

    def lost(self, error: SensorError) -> None:
        """Tell that the sensor is lost, unless that is known; it is tried again in either case."""
        self.error = error
        if self.state is not State.LOST:
            self._log.warning(
                "sampling.sensor_lost",
                message=f"sensor {self.sensor} is lost: {error}",
                sensor=self.sensor,
                code=error.code,
                hint=error.hint,
            )
            self._change(State.LOST, "sensor_lost", f"{self.sensor} is lost: {error}", error.reason)

    def working(self) -> None:
        """Tell that the sensor is back, if it was lost."""
        if self.state is State.LOST:
            self._log.info("sampling.sensor_found", message=f"sensor {self.sensor} is back", sensor=self.sensor)
            self._change(State.WORKING, "sensor_found", f"{self.sensor} is back", "")
        self.state = State.WORKING

    def _change(self, state: State, action: str, message: str, reason: str) -> None:
        self.state = state
        self.since_ms = self._clock.now_ms()
        self._queue.push(
            Event(
                action=action,
                message=message,
                observed_at_ms=self.since_ms,
                clock_synchronized=self._clock.synchronized(),
                sensor=self.sensor,
                reason=reason,
            )
        )
