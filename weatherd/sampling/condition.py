"""The condition of a sensor: lost and found, stuck and moving again, each told once."""

import enum
from collections import Counter
from collections.abc import Mapping

from weatherd.errors import SensorError
from weatherd.happenings import Happenings
from weatherd.model import Observation, Quality
from weatherd.ports import Clock
from weatherd.processing.documents import Document
from weatherd.sampling.newest import recalled, worst


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

    Attributes:
        quality: The flags of the last observation, by quantity.
        quality_reasons: The tests that it failed, by quantity.
        qualities: Observations by the worst flag of their values.
        observed_s: When the last observation with a value came, by the clock that never jumps; None before the first.
        newest: By quantity, the newest observation that tells it, be it of an earlier run.
    """

    def __init__(self, sensor: str, clock: Clock, happenings: Happenings) -> None:
        self.sensor = sensor
        self.state = State.STARTING
        self.since_ms = clock.now_ms()
        self.error: SensorError | None = None
        self.observed_at_ms: int | None = None
        self.observed_s: float | None = None
        self.observations_count = 0
        self.failures_count = 0
        self.quality: Mapping[str, Quality] = {}
        self.quality_reasons: Mapping[str, str] = {}
        self.qualities: Counter[Quality] = Counter()
        self.newest: dict[str, Observation] = {}
        self._clock = clock
        self._happenings = happenings

    def failed(self, error: SensorError) -> None:
        """Note one measurement that gave nothing."""
        self.error = error
        self.failures_count += 1

    def observed(self, observation: Observation) -> None:
        """Note how good an observation is; without a value it counts only as a failure."""
        self.quality = observation.quality
        self.qualities[worst(observation)] += 1
        self.quality_reasons = observation.quality_reasons
        self._remember(observation)
        if observation.values:
            self.observed_at_ms = observation.observed_at_ms
            self.observed_s = self._clock.boottime_s()
            self.observations_count += 1

    def recall(self, document: Document) -> None:
        """Take in what an earlier run observed, if it is of this sensor."""
        if document.sensor is not None and document.sensor.name == self.sensor:
            self._remember(recalled(document))

    def turned(self, quantity: str, labels: Mapping[str, str], is_stuck: bool) -> None:  # noqa: FBT001  -- a fact
        """Tell that a quantity has hardly changed for an hour, or that it moves again."""
        transmitter = "".join(f" ({label} {text})" for label, text in labels.items())
        which = f"{quantity} of {self.sensor}{transmitter}"
        if is_stuck:
            name, message = "sensor_stuck", f"{which} is stuck, or the air is very still: it hardly moved for an hour"
        else:
            name, message = "sensor_unstuck", f"{which} moves again"
        self._happenings.tell(f"sampling.{name}", name, message, sensor=self.sensor, quantity=quantity)

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

    def _remember(self, observation: Observation) -> None:
        """Keep what is newest; what lies ahead of the clock, wrongly stamped or before a step, gives way to all."""
        observed_at_ms = observation.observed_at_ms
        for quantity in observation.quality:
            there = self.newest.get(quantity)
            if (
                there is None
                or observed_at_ms >= there.observed_at_ms  # as nearly always
                or there.observed_at_ms > self._clock.now_ms()
            ):
                self.newest[quantity] = observation

    def _change(self, state: State) -> None:
        self.state = state
        self.since_ms = self._clock.now_ms()
