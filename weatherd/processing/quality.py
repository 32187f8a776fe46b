"""
Quality control: how far each value of an observation can be trusted, and the name of the test that says so.

    range          outside what is plausible                     erroneous
    step           changes faster than air does                  erroneous, or doubtful where the limit is lower
    persistence    hardly changes for an hour                    doubtful: air can hold still, too
    completeness   made of too few of its period's samples       doubtful
    clock          of a day, which only an estimate tells        doubtful
    consistency    contradicts another of the same observation   both inconsistent

A value is good if every test that applies to it was applied and passed. Nothing is altered: a value that fails keeps
its place and its number. What the tests compare with, is the history of the same quantity of the same transmitter, in
which only values stand that passed range and step: a spike is told alone, not the return from it. The limit of a step
grows with the age of what it is measured from, so that a step that lasts is believed by itself after some minutes.

Source:
    WMO-No. 8, Guide to Instruments and Methods of Observation; I. Zahumensky, Guidelines on Quality Control Procedures
    for Data from Automatic Weather Stations (WMO CBS, 2004).
"""

import dataclasses
from collections.abc import Callable, Mapping

from weatherd.model import Quality
from weatherd.processing.documents import Document, time_ms_of
from weatherd.processing.history import MINUTE_MS, History
from weatherd.processing.limits import AMOUNTS, LIMITS, RANGE, Limits, sample_ranges
from weatherd.processing.reduction import Reduced

STEP = "step"
PERSISTENCE = "persistence"
CONSISTENCY = "consistency"
COMPLETENESS = "completeness"
CLOCK = "clock"

SAMPLES_SHARE_MIN = 0.66
"""Of its period's samples, below which a mean is doubtful (WMO-No. 8: 66 % for a mean of one minute)."""

TRANSMITTERS_MAX = 256
"""Sets of labels whose history is kept; the one that has been silent for longest gives way."""

_NOT_ABOVE = (("dew_point_temperature", "air_temperature"), ("wind_speed", "wind_speed_of_gust"))
_OF_A_DAY = frozenset({"rainfall_amount_of_day"})
_EPSILON = 1e-9  # what floats lose: 0.5 hPa are no more than 0.5 hPa

_CERTAINLY_MOVED = 2  # times the least change, so that a value at its edge does not get stuck each minute

_Verdict = tuple[Quality, str]
_ERRONEOUS = Quality.ERRONEOUS  # each look into an Enum is a call before Python 3.12
_GOOD: _Verdict = (Quality.GOOD, "")
_STEPPED: _Verdict = (_ERRONEOUS, STEP)

Turned = Callable[[str, Mapping[str, str], bool], None]
"""Is told, once each, that a quantity of the transmitter with these labels is stuck (True) or moves again."""


class _Transmitter:
    """What is remembered of the observations with one set of labels, by quantity."""

    __slots__ = ("_histories", "amounts_ms")

    def __init__(self) -> None:
        self._histories: dict[str, History] = {}
        self.amounts_ms: dict[str, int] = {}

    def history(self, quantity: str) -> History:
        """Return the history of a quantity; an empty one at first."""
        history = self._histories.get(quantity)
        if history is None:
            history = self._histories[quantity] = History()
        return history


@dataclasses.dataclass(slots=True)
class _Memory:
    """What is remembered of one sensor; `has_recalled` tells that it is of before the start."""

    transmitters: dict[frozenset[tuple[str, str]], _Transmitter] = dataclasses.field(default_factory=dict)
    has_recalled: bool = False


class QualityControl:
    """
    Judge the observations of one sensor.

    Args:
        limits: By quantity; what has none stays unchecked.
        report_period_s: From one observation to the next; 0 if each arrival is one.
        samples_count: How many samples a whole period has; 0 if nobody knows.
        turned: Is told when a quantity gets stuck, and when it moves again.
        calibration: The version of the sensor's: what another one made is not compared with.

    Attributes:
        memory: What has been observed; see `go_on`.
    """

    def __init__(
        self,
        limits: Mapping[str, Limits] = LIMITS,
        *,
        report_period_s: float = 0.0,
        samples_count: int = 0,
        turned: Turned | None = None,
        calibration: str = "",
    ) -> None:
        self._limits = limits
        self._with_history = frozenset(quantity for quantity, its in limits.items() if _has_history(its))
        self._report_period_ms = report_period_s * 1000
        self._samples_min = samples_count * SAMPLES_SHARE_MIN - _EPSILON
        self._turned = turned
        self.calibration = calibration
        self.memory = _Memory()
        self._newest: tuple[Mapping[str, str], _Transmitter] | None = None
        self.sample_ranges = sample_ranges(limits)

    def judge(
        self, reduced: Reduced, observed_at_ms: int, labels: Mapping[str, str], *, is_estimated: bool = False
    ) -> None:
        """
        Flag the values of one observation.

        Args:
            reduced: Its values, before anything is derived from them; gets flags and reasons.
            observed_at_ms: Its time.
            labels: Tell apart the transmitters of one sensor.
            is_estimated: Whether its time is an estimate. Then nobody knows how long the daemon was gone, and what was
                recalled is forgotten: else the weather of yesterday were compared with that of today.
        """
        if is_estimated and self.memory.has_recalled:
            self.memory.transmitters.clear()
            self._newest = None
        self.memory.has_recalled = False
        transmitter = self._transmitter(labels)
        for quantity, value in reduced.values.items():
            limits = self._limits.get(quantity)
            if limits is None or reduced.quality[quantity] is _ERRONEOUS:
                continue
            if quantity in AMOUNTS:
                reduced.check(quantity, *self._amount(transmitter, quantity, value, observed_at_ms))
                continue
            if not limits.min <= value <= limits.max:
                reduced.check(quantity, Quality.ERRONEOUS, RANGE)
                continue
            flag, reason = _GOOD
            if quantity in self._with_history:
                history = transmitter.history(quantity)
                stuck_at = history.stuck_at
                flag, reason = _compared(history, limits, value, observed_at_ms)
                if history.stuck_at is not stuck_at and self._turned is not None:
                    self._turned(quantity, labels, history.is_stuck)
            reduced.check(quantity, flag, reason)
            if (spread := reduced.statistics.get(quantity)) and spread.count < self._samples_min:
                reduced.check(quantity, Quality.DOUBTFUL, COMPLETENESS)
            if is_estimated and quantity in _OF_A_DAY:
                reduced.check(quantity, Quality.DOUBTFUL, CLOCK)
        check_consistency(reduced)

    def go_on(self, before: "QualityControl") -> None:
        """Take over what the control remembers that judged this sensor until now, before anything is judged."""
        if before.calibration == self.calibration:
            self.memory = before.memory
            self._newest = None

    def recall(self, document: Document) -> None:
        """
        Take in what this sensor observed before the daemon started; the oldest first, and before anything is judged.

        What was made by another calibration, or under a time that was an estimate, is not compared with.

        Raises:
            ValueError: If the document's stamp is none.
        """
        if document.clock.estimated or (document.sensor and document.sensor.calibration != self.calibration):
            return
        observed_at_ms = time_ms_of(document.timestamp)
        transmitter = self._transmitter(document.labels)
        self.memory.has_recalled = True
        for quantity, value in (document.weather or {}).items():
            limits = self._limits.get(quantity)
            if limits is None:
                continue
            if quantity in AMOUNTS:
                transmitter.amounts_ms[quantity] = observed_at_ms
            elif quantity in self._with_history and _was_believed(document, quantity):
                history = transmitter.history(quantity)
                history.reach(observed_at_ms)
                history.take(value, observed_at_ms)

    def _transmitter(self, labels: Mapping[str, str]) -> _Transmitter:
        if self._newest is not None and self._newest[0] == labels:  # as nearly always
            return self._newest[1]
        key = frozenset(labels.items())
        transmitters = self.memory.transmitters
        transmitter = transmitters.pop(key, None) or _Transmitter()
        transmitters[key] = transmitter  # at the end of the row
        self._newest = labels, transmitter
        if len(transmitters) > TRANSMITTERS_MAX:
            del transmitters[next(iter(transmitters))]
        return transmitter

    def _amount(self, transmitter: _Transmitter, quantity: str, value: float, time_ms: int) -> _Verdict:
        """Judge what has come together since the observation before, or within the report period if that is longer."""
        limits = self._limits[quantity]
        before_ms = transmitter.amounts_ms.get(quantity)
        transmitter.amounts_ms[quantity] = time_ms
        since_ms = 0 if before_ms is None else abs(time_ms - before_ms)
        minutes = max(self._report_period_ms, since_ms, MINUTE_MS) / MINUTE_MS
        if limits.min <= value <= limits.max * minutes:
            return _GOOD
        if value > limits.max and not self._report_period_ms and before_ms is None:
            return Quality.UNCHECKED, ""  # nobody knows since when
        return Quality.ERRONEOUS, RANGE


def check_consistency(reduced: Reduced) -> None:
    """Flag pairs that contradict each other: a dew point above the temperature, a gust below the mean wind."""
    values = reduced.values
    for low, high in _NOT_ABOVE:
        if low in values and high in values and values[low] > values[high] + _EPSILON:
            if Quality.ERRONEOUS in {reduced.quality[low], reduced.quality[high]}:
                continue  # what is wrong itself convicts nobody
            reduced.check(low, Quality.INCONSISTENT, CONSISTENCY)
            reduced.check(high, Quality.INCONSISTENT, CONSISTENCY)


def _has_history(limits: Limits) -> bool:
    """Tell whether a value is compared with those before it."""
    return not (limits.step is None and limits.step_doubtful is None and limits.least_change is None)


def _compared(history: History, limits: Limits, value: float, time_ms: int) -> _Verdict:
    """Compare a plausible value with those before it, and take it in if it is believed."""
    history.reach(time_ms)
    stepped = _stepped(history, limits, value, time_ms)
    if stepped is not _GOOD:
        return stepped
    persists = limits.least_change is not None and _persists(history, limits, limits.least_change, value, time_ms)
    history.take(value, time_ms)
    return (Quality.DOUBTFUL, PERSISTENCE) if persists else _GOOD


def _stepped(history: History, limits: Limits, value: float, time_ms: int) -> _Verdict:
    change = history.change(value, time_ms)
    if change is None:
        return _GOOD
    difference, minutes = change
    difference -= _EPSILON
    if limits.step is not None and difference > limits.step * minutes:
        return _STEPPED
    if limits.step_doubtful is not None and difference > limits.step_doubtful * minutes:
        return Quality.DOUBTFUL, STEP
    return _GOOD


def _persists(history: History, limits: Limits, least_change: float, value: float, time_ms: int) -> bool:
    """Tell whether an hour has gone by without a change, and note when that begins and ends."""
    span = history.span(value, time_ms)
    if span is not None and span < least_change - _EPSILON and history.mean() > limits.calm:
        if history.stuck_at is None:
            history.stuck_at = value
        return True
    if history.stuck_at is not None:
        moved = max(span or 0.0, abs(value - history.stuck_at))
        if moved >= least_change * _CERTAINLY_MOVED - _EPSILON:
            history.stuck_at = None
    return False


def _was_believed(document: Document, quantity: str) -> bool:
    return document.quality.get(quantity) is not Quality.ERRONEOUS and document.quality_reasons.get(quantity) != STEP
