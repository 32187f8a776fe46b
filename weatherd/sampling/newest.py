"""The newest value of a quantity, for those who look at it now."""

from typing import NamedTuple

from weatherd.model import Observation, Quality, Statistics
from weatherd.processing.documents import Document, rounded, time_ms_of

_NO_SPREAD = Statistics(1)

_WORST_FIRST = (Quality.ERRONEOUS, Quality.DOUBTFUL, Quality.INCONSISTENT, Quality.UNCHECKED, Quality.GOOD)


class Value(NamedTuple):
    """
    A quantity in one observation, with the decimals that documents have.

    Attributes:
        value: None where it is missing.
        least: Of the measurements behind it; None where there are no extremes.
        greatest: As `least`.
        quality: How far it can be trusted.
        reason: Why it has that quality; may be empty.
    """

    value: float | None
    least: float | None
    greatest: float | None
    quality: Quality
    reason: str


def value_of(quantity: str, observation: Observation) -> Value:
    """Return one quantity of an observation."""
    spread = observation.statistics.get(quantity, _NO_SPREAD)
    return Value(
        _rounded(quantity, observation.values.get(quantity)),
        _rounded(quantity, spread.min),
        _rounded(quantity, spread.max),
        observation.quality.get(quantity, Quality.UNCHECKED),
        observation.quality_reasons.get(quantity, ""),
    )


def worst(observation: Observation) -> Quality:
    """Return the worst flag of those values that are there; `missing` where there is none."""
    flags = set(observation.quality.values())
    if len(flags) == 1:  # as nearly always
        return flags.pop()
    return next((quality for quality in _WORST_FIRST if quality in flags), Quality.MISSING)


def recalled(document: Document) -> Observation:
    """
    Return the observation that a document tells, of this run or of an earlier one.

    Raises:
        ValueError: If its time is none.
    """
    return Observation(
        sensor="" if document.sensor is None else document.sensor.name,
        model="" if document.sensor is None else document.sensor.model,
        observed_at_ms=time_ms_of(document.timestamp),
        recorded_at_ms=0,
        values=document.weather or {},
        quality=document.quality,
        clock_synchronized=document.clock.synchronized,
        statistics=document.statistics,
        quality_reasons=document.quality_reasons,
        labels=document.labels,
    )


def _rounded(quantity: str, value: float | None) -> float | None:
    return None if value is None else rounded(quantity, value)
