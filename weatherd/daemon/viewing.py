"""The station as the panel sees it: the port `weatherd.panel.view.View`, over a station's parts."""

from collections.abc import Sequence

from weatherd.daemon import status
from weatherd.daemon.assembly import Parts
from weatherd.daemon.counters import Counters
from weatherd.daemon.drawing import Curve, Drawings
from weatherd.daemon.following import Follower
from weatherd.daemon.freshness import stale_s
from weatherd.daemon.tapping import Tap
from weatherd.errors import HistoryUnavailable
from weatherd.history import HOUR_MS, MINUTE_MS, Happened, Series
from weatherd.history.bins import reduction_of
from weatherd.model import QUANTITIES, Observation, Reduction
from weatherd.panel.problems import Problem, bad
from weatherd.panel.view import Message, Read, Shape, Wanted
from weatherd.processing.documents import DATASET_EVENT, Document, iso_8601, rounded, time_ms_of
from weatherd.sampling.newest import recalled, value_of

STEPS_MAX = 2000
"""Of one sensor in an answer."""

STEPS_MAX_OF_ALL = 40_000
"""Of all sensors in an answer; where there are more than twenty, each has fewer steps."""

STEPS_S = (60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 2_592_000)
"""What is taken where nobody says a step: what divides an hour, a day, a week or thirty days, in seconds."""

CHANGE_AROUND_MS = 5 * MINUTE_MS
"""So far from an hour ago may lie what stands for it."""


class StationView:
    """
    See the station.

    Args:
        parts: The station's.
        follower: Who has its history.
    """

    def __init__(self, parts: Parts, follower: Follower) -> None:
        self._parts = parts
        self._follower = follower
        self._drawings = Drawings(follower, parts.clock)
        self._tap = Tap(parts.journal)
        self._counters = Counters(parts)
        self._an_hour_ago: dict[Series, tuple[int, float | None]] = {}

    def station(self) -> Shape:
        """Return a `Station`."""
        return status.station(self._parts)

    def sensors(self) -> Sequence[Shape]:
        """Return each `Sensor`."""
        return status.sensors(self._parts)

    def sinks(self) -> Sequence[Shape]:
        """Return each `Sink`."""
        return status.sinks(self._parts)

    def journal(self) -> Shape:
        """Return the `Journal`."""
        return status.journal(self._parts)

    def clock(self) -> Shape:
        """Return the `Clock`."""
        return status.clock(self._parts)

    def problems(self) -> Sequence[str]:
        """Return what keeps the station from its work."""
        trouble = status.trouble(self._parts)
        return [] if trouble is None else [trouble.sentence]

    async def counters(self) -> bytes:
        """Return every counter, as Prometheus reads them."""
        return await self._counters.text()

    async def current(self) -> Shape:
        """Return `Current`."""
        now_ms = self._parts.clock.now_ms()
        periods_s = {sensor.name: sensor.report_period_s for sensor in self._parts.settings.sensors}
        values = []
        for sampler in list(self._parts.samplers):
            sensor = sampler.condition.sensor
            for quantity, observation in sampler.condition.newest.items():
                shown = _value(sensor, quantity, observation, now_ms, stale_s(periods_s.get(sensor, 0.0)))
                before = await self._value_an_hour_ago(Series(sensor, quantity), now_ms)
                change = None if before is None or shown["value"] is None else shown["value"] - before
                values.append({**shown, "change_1h": None if change is None else rounded(quantity, change)})
        return {"now": iso_8601(now_ms), "values": values}

    async def history(self, wanted: Wanted) -> Shape:
        """Return a `History`; the port tells what it raises."""
        every = [one for one in await self._follower.series() if one.quantity == wanted.quantity]
        if not every and wanted.quantity not in QUANTITIES:
            raise Problem(404, "history.unknown_quantity", f"nobody here observes {wanted.quantity}")
        chosen = sorted(one for one in every if wanted.sensor in {None, one.sensor})
        step_s = _step_s(wanted, min(STEPS_MAX, STEPS_MAX_OF_ALL // max(len(chosen), 1)))
        step_ms = step_s * 1000
        first, end = wanted.from_ms // step_ms, -(-wanted.to_ms // step_ms)
        drawn = [await self._drawings.curve(Curve(one, step_ms, first, end)) for one in chosen]
        known = QUANTITIES.get(wanted.quantity)
        return {
            "quantity": wanted.quantity,
            "unit": "" if known is None else known.unit,
            "reduction": reduction_of(wanted.quantity).value,
            "from": iso_8601(wanted.from_ms),
            "to": iso_8601(wanted.to_ms),
            "step_s": step_s,
            "series": drawn,
        }

    async def events(self, before_seq: int, count_max: int) -> Sequence[Shape]:
        """Return each `Event`, the newest first."""
        return [_event(one) for one in await self._follower.events(before_seq, count_max)]

    @property
    def last_seq(self) -> int:
        """The seq of the newest entry of the journal."""
        return self._tap.last_seq

    async def wait_beyond(self, seq: int) -> None:
        """Wait until the journal has an entry with a higher seq."""
        await self._tap.wait_beyond(seq)

    async def read(self, seq: int) -> Read:
        """Return some entries of the journal from a seq on."""
        return Read(*await self._tap.read(seq, _message))

    async def _value_an_hour_ago(self, series: Series, now_ms: int) -> float | None:
        """Return what a quantity was an hour ago; looked up once a minute, and None where it is not known."""
        if reduction_of(series.quantity) not in {Reduction.MEAN, Reduction.MAX}:
            return None  # neither sums nor directions nor codes can be subtracted
        minute = now_ms // MINUTE_MS
        known = self._an_hour_ago.get(series)
        if known is None or known[0] != minute:
            then_ms = now_ms - HOUR_MS
            try:
                found = await self._follower.bins(
                    series, MINUTE_MS, then_ms - CHANGE_AROUND_MS, then_ms + CHANGE_AROUND_MS
                )
            except HistoryUnavailable:  # told where the history is asked for; what is now does not depend on it
                found = []
            nearest = min(found, key=lambda one: abs(one.start_ms + MINUTE_MS // 2 - then_ms), default=None)
            known = self._an_hour_ago[series] = (minute, None if nearest is None else nearest.value)
        return known[1]


def _value(sensor: str, quantity: str, observation: Observation, now_ms: int, stale_after_s: float) -> Shape:
    known = QUANTITIES.get(quantity)
    age_s = (now_ms - observation.observed_at_ms) / 1000
    return {
        "sensor": sensor,
        "quantity": quantity,
        "unit": "" if known is None else known.unit,
        **_numbers(quantity, observation),
        "observed_at": iso_8601(observation.observed_at_ms),
        "age_s": age_s,
        "stale": abs(age_s) > stale_after_s,
        "labels": dict(observation.labels),
    }


def _numbers(quantity: str, observation: Observation) -> Shape:
    one = value_of(quantity, observation)
    return {
        "value": one.value,
        "min": one.least,
        "max": one.greatest,
        "quality": one.quality,
        "reason": one.reason,
    }


def _step_s(wanted: Wanted, steps_max: int) -> int:
    """Return the step of an answer. Raises Problem if it does not fit."""

    def count(step_s: int) -> int:
        step_ms = step_s * 1000
        return -(-wanted.to_ms // step_ms) - wanted.from_ms // step_ms

    if wanted.step_s is None:
        return next(step_s for step_s in STEPS_S if count(step_s) <= steps_max or step_s == STEPS_S[-1])
    if count(wanted.step_s) > steps_max:
        raise bad(
            f"{count(wanted.step_s)} steps are more than {steps_max}: take a longer step, or less of the time",
            "history.step_too_short",
        )
    return wanted.step_s


def _event(one: Happened) -> Shape:
    return {
        "seq": one.seq,
        "time": iso_8601(one.time_ms),
        "action": one.action,
        "sensor": one.sensor,
        "reason": one.reason,
        "message": one.message,
    }


def _message(seq: int, document: Document) -> Message:
    if document.event.dataset == DATASET_EVENT:
        sensor = "" if document.sensor is None else document.sensor.name
        told = document.event
        happened = Happened(seq, time_ms_of(document.timestamp), told.action, sensor, told.reason, document.message)
        return Message(seq, "happened", _event(happened))
    observation = recalled(document)
    body = {
        "seq": seq,
        "sensor": observation.sensor,
        "observed_at": document.timestamp,
        "values": {
            quantity: _numbers(quantity, observation) for quantity in {**observation.quality, **observation.values}
        },
        "labels": dict(observation.labels),
    }
    return Message(seq, "observation", body)
