"""The condition of a sensor: lost and found, each told once."""

import enum

from weatherd.errors import SensorError
from weatherd.happenings import Happenings
from weatherd.ports import Clock


class State(enum.StrEnum):
    """Where a sensor stands."""

    STARTING = "starting"
    WORKING = "working"
    LOST = "lost"


class Condition:
    """
    Remember how a sensor is, and tell a change once.

    Args:
        sensor: The sensor's name.
        clock: The station's clock.
        happenings: Where it is told.
    """

    def __init__(self, sensor: str, clock: Clock, happenings: Happenings) -> None:
        self.sensor = sensor
        self.state = State.STARTING
        self.since_ms = clock.now_ms()
        self.error: SensorError | None = None
        self.observed_at_ms: int | None = None
        self.observations_count = 0
        self.failures_count = 0
        self._clock = clock
        self._happenings = happenings

    def failed(self, error: SensorError) -> None:
        """Note one measurement that gave nothing."""
        self.error = error
        self.failures_count += 1

    def observed(self, observed_at_ms: int) -> None:
        """Note that an observation with a value was formed."""
        self.observed_at_ms = observed_at_ms
        self.observations_count += 1

    def lost(self, error: SensorError) -> None:
        """Tell that the sensor is lost, unless that is known; it is tried again in either case."""
        self.error = error
        if self.state is State.LOST:
            return
        self._change(State.LOST)
        self._happenings.tell(
            "sampling.sensor_lost",
            "sensor_lost",
            f"{self.sensor} is lost: {error}",
            sensor=self.sensor,
            reason=error.reason,
            code=error.code,
            hint=error.hint,
        )

    def working(self) -> None:
        """Tell that the sensor is back, if it was lost."""
        if self.state is State.WORKING:
            return
        if self.state is State.LOST:
            self._happenings.tell("sampling.sensor_found", "sensor_found", f"{self.sensor} is back", sensor=self.sensor)
        self._change(State.WORKING)

    def _change(self, state: State) -> None:
        self.state = state
        self.since_ms = self._clock.now_ms()
