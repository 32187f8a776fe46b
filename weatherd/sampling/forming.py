"""The last step before the queue: an observation from what was measured and reduced."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from weatherd.model import Arrival, Observation, Quality
from weatherd.ports import Clock
from weatherd.processing.calibration import Curve, calibrate
from weatherd.processing.derivation import Derivation
from weatherd.processing.quality import QualityControl, check_consistency
from weatherd.processing.reduction import Reduced, Reducer
from weatherd.sampling.stamps import Stamp, stamp

_UNCHECKED = Quality.UNCHECKED  # each look into an Enum is a call before Python 3.12


class Former:
    """
    Form the observations of one sensor.

    Args:
        sensor: The sensor's name.
        model: What kind of part it is.
        derivation: Adds what is derived, for all sensors of the station.
        clock: Gives the time of recording.
        calibration: By quantity, applied to every measurement.
        calibration_version: Goes into every document; empty if there is no calibration.
        quality_control: Flags the values; by default with the limits of the standard.
    """

    def __init__(
        self,
        sensor: str,
        model: str,
        derivation: Derivation,
        clock: Clock,
        calibration: Mapping[str, Curve],
        *,
        calibration_version: str = "",
        quality_control: QualityControl | None = None,
    ) -> None:
        self._sensor = sensor
        self._model = model
        self._derivation = derivation
        self._clock = clock
        self.calibration = calibration
        self.calibration_version = calibration_version
        self.quality_control = quality_control or QualityControl()

    def reducer(self, quantities: Sequence[str] = ()) -> Reducer:
        """Return an empty reducer, which leaves out what is not plausible."""
        return Reducer(quantities, self.quality_control.sample_ranges)

    def reduced(self, reduced: Reduced, ended: Stamp, labels: Mapping[str, str]) -> Observation:
        """
        Form the observation of one report period.

        Args:
            reduced: What was measured in it.
            ended: Its end. By our clock, it goes with the clock, and a period that is cut short ends now: no stamp lies
                in the future. By a source's, it is final.
            labels: The source's.
        """
        now = stamp(self._clock)
        clock_offset_ms = self._clock.offset_ms()  # first of all after the time: what comes later may be of a step
        observed_at_ms = ended.by(now).time_ms
        is_final = ended.offset_ms is None
        if not is_final or clock_offset_ms is None:
            observed_at_ms = min(observed_at_ms, now.time_ms)
        self._judge(reduced, observed_at_ms, labels, is_final=is_final, clock_offset_ms=clock_offset_ms)
        return Observation(
            sensor=self._sensor,
            model=self._model,
            observed_at_ms=observed_at_ms,
            recorded_at_ms=now.time_ms,
            values=reduced.values,
            statistics=reduced.statistics,
            quality=reduced.quality,
            quality_reasons=reduced.reasons,
            labels=labels,
            calibration=self.calibration_version,
            clock_offset_ms=None if is_final else clock_offset_ms,
            clock_synchronized=self._clock.synchronized(),
        )

    def passed_on(self, arrivals: Iterable[Arrival]) -> Iterator[Observation]:
        """Form an observation of each of some arrivals that came together: the clock is read once for them all."""
        now_ms = self._clock.now_ms()
        our_offset_ms = self._clock.offset_ms()
        synchronized = self._clock.synchronized()
        for arrival in arrivals:
            own_ms = arrival.observed_at_ms
            is_final = own_ms is not None
            observed_at_ms = now_ms if own_ms is None else own_ms
            values = dict(calibrate(arrival.measurement, self.calibration))
            reduced = Reduced(values, {}, dict.fromkeys(values, _UNCHECKED), {})
            self._judge(reduced, observed_at_ms, arrival.labels, is_final=is_final, clock_offset_ms=our_offset_ms)
            yield Observation(
                self._sensor,
                self._model,
                observed_at_ms,
                now_ms,
                reduced.values,
                reduced.quality,
                synchronized,
                None if is_final else our_offset_ms,
                quality_reasons=reduced.reasons,
                labels=arrival.labels,
                calibration=self.calibration_version,
            )

    def _judge(
        self,
        reduced: Reduced,
        observed_at_ms: int,
        labels: Mapping[str, str],
        *,
        is_final: bool,
        clock_offset_ms: int | None,
    ) -> None:
        """Flag the values, add what follows from them, and flag what contradicts itself then."""
        is_estimated = not is_final and clock_offset_ms is not None
        self.quality_control.judge(reduced, observed_at_ms, labels, is_estimated=is_estimated)
        self._derivation.derive(
            self._sensor,
            observed_at_ms,
            reduced.values,
            reduced.quality,
            reduced.reasons,
            labels=labels,
            calibration=self.calibration_version,
            clock_offset_ms=clock_offset_ms,
            is_final=is_final,
        )
        check_consistency(reduced)
