"""
Documents: what was observed, as the JSON that Logstash, Elasticsearch and people see.

The field names follow the Elastic Common Schema where it has one, and `weather.*` where it has none. A document is
encoded once, when it gets its seq, and its bytes never change again: every attempt sends the same id and the same
bytes, so that Elasticsearch keeps one.
"""

import datetime as dt
import functools
from collections.abc import Mapping
from typing import Any

import msgspec

from weatherd.model import QUANTITIES, Event, Observation, Quality, Station, Statistics

ECS_VERSION = "8.11"
DATASET_OBSERVATION = "weatherd.observation"
DATASET_EVENT = "weatherd.event"


class _EventFields(msgspec.Struct, omit_defaults=True):
    id: str
    sequence: int
    kind: str
    dataset: str
    created: str
    action: str = ""
    reason: str = ""


class _Sensor(msgspec.Struct, omit_defaults=True):
    name: str
    model: str = ""


class _Clock(msgspec.Struct):
    synchronized: bool


class _Document(msgspec.Struct, omit_defaults=True):
    timestamp: str = msgspec.field(name="@timestamp")
    ecs: Mapping[str, str]
    event: _EventFields
    station: msgspec.Raw
    clock: _Clock
    sensor: _Sensor | None = None
    weather: Mapping[str, float] | None = None
    statistics: Mapping[str, Statistics] = {}
    quality: Mapping[str, Quality] = {}
    quality_reasons: Mapping[str, str] = {}
    labels: Mapping[str, str] = {}
    message: str = ""


class DocumentEncoder:
    """
    Encode observations and events of one station and one run of the daemon.

    Args:
        station: Part of every document.
        run_id: Eight hex digits, drawn anew at each start, so that neither a power cut nor a restored backup nor
            a cloned card repeats an id.
    """

    def __init__(self, station: Station, run_id: str) -> None:
        self._id_prefix = f"{station.id}-{run_id}-"
        self._station = msgspec.Raw(msgspec.json.encode(_station_fields(station)))
        self._encoder = msgspec.json.Encoder()
        self._ecs = {"version": ECS_VERSION}

    def encode(self, entry: Observation | Event, seq: int) -> bytes:
        """Return one JSON object without a line break."""
        if isinstance(entry, Event):
            return self._encoder.encode(self._event(entry, seq))
        return self._encoder.encode(self._observation(entry, seq))

    def _observation(self, observation: Observation, seq: int) -> _Document:
        return _Document(
            timestamp=iso_8601(observation.observed_at_ms),
            ecs=self._ecs,
            event=_EventFields(
                id=f"{self._id_prefix}{seq:012d}",
                sequence=seq,
                kind="metric",
                dataset=DATASET_OBSERVATION,
                created=iso_8601(observation.recorded_at_ms),
            ),
            station=self._station,
            clock=_Clock(observation.clock_synchronized),
            sensor=_Sensor(observation.sensor, observation.model),
            weather={name: _round(name, value) for name, value in observation.values.items()},
            statistics={name: _rounded(name, spread) for name, spread in observation.statistics.items()},
            quality=observation.quality,
            quality_reasons=observation.quality_reasons,
            labels=observation.labels,
        )

    def _event(self, event: Event, seq: int) -> _Document:
        return _Document(
            timestamp=iso_8601(event.observed_at_ms),
            ecs=self._ecs,
            event=_EventFields(
                id=f"{self._id_prefix}{seq:012d}",
                sequence=seq,
                kind="event",
                dataset=DATASET_EVENT,
                created=iso_8601(event.observed_at_ms),
                action=event.action,
                reason=event.reason,
            ),
            station=self._station,
            clock=_Clock(event.clock_synchronized),
            sensor=_Sensor(event.sensor) if event.sensor else None,
            message=event.message,
        )


def iso_8601(time_ms: int) -> str:
    """Write a time as ``2026-11-23T15:14:10.000Z``; years 1970 to 9999."""
    seconds, milliseconds = divmod(time_ms, 1000)
    return f"{_to_the_second(seconds)}.{milliseconds:03d}Z"


@functools.lru_cache(maxsize=64)
def _to_the_second(seconds: int) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _round(quantity: str, value: float) -> float:
    return round(value, QUANTITIES[quantity].decimals)


def _rounded(quantity: str, spread: Statistics) -> Statistics:
    if spread.min is None or spread.max is None:
        return spread
    return Statistics(spread.count, _round(quantity, spread.min), _round(quantity, spread.max))


def _station_fields(station: Station) -> dict[str, Any]:
    fields: dict[str, Any] = {"id": station.id}
    if station.name:
        fields["name"] = station.name
    if station.latitude is not None and station.longitude is not None:
        fields["location"] = {"lat": station.latitude, "lon": station.longitude}
    if station.elevation_m is not None:
        fields["elevation_m"] = station.elevation_m
    return fields
