"""
Documents: what was observed, as the JSON that Logstash, Elasticsearch and people see.

The field names follow the Elastic Common Schema where it has one, and `weather.*` where it has none. A document is
encoded when it gets its seq. Until it is first sent, a stamp that is an estimate may be `corrected`; from then on its
bytes never change: every attempt sends the same id and the same bytes, so that Elasticsearch keeps one.
"""

import datetime as dt
import functools
from collections.abc import Mapping
from typing import Any

import msgspec

from weatherd.model import QUANTITIES, Event, Infrared, Observation, Quality, Station, Statistics

ECS_VERSION = "8.11"
DATASET_OBSERVATION = "weatherd.observation"
DATASET_REDUCED = "weatherd.observation.reduced"
DATASET_EVENT = "weatherd.event"

_DECIMALS = {quantity.name: quantity.decimals for quantity in QUANTITIES.values()}
_EPOCH = dt.datetime.fromtimestamp(0, dt.UTC)
_MILLISECOND = dt.timedelta(milliseconds=1)

ESTIMATED_MARK = b'"estimated":true'
"""What stands in a document whose stamps are estimates, and in no other: see `is_estimated`."""


class _EventFields(msgspec.Struct, omit_defaults=True):
    id: str
    sequence: int
    kind: str
    dataset: str
    created: str
    action: str = ""
    reason: str = ""


class _Sensor(msgspec.Struct, frozen=True, omit_defaults=True):
    name: str
    model: str = ""
    calibration: str = ""


class _Clock(msgspec.Struct, frozen=True, omit_defaults=True):
    synchronized: bool
    estimated: bool = False


class Document(msgspec.Struct, omit_defaults=True):
    """One document: to encode, and to decode one that this or another version has encoded."""

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
    infrared: Infrared | None = None


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

    def _observation(self, observation: Observation, seq: int) -> Document:
        statistics = observation.statistics
        if statistics:
            statistics = {name: rounded_statistics(name, spread) for name, spread in statistics.items()}
        created = iso_8601(observation.recorded_at_ms)
        # By position: names cost half a microsecond.
        return Document(
            iso_8601(observation.observed_at_ms),
            self._ecs,
            _EventFields(f"{self._id_prefix}{seq:012d}", seq, "metric", DATASET_OBSERVATION, created),
            self._station,
            _clock(observation),
            _Sensor(observation.sensor, observation.model, observation.calibration),
            _all_rounded(observation.values),
            statistics,
            observation.quality,
            observation.quality_reasons,
            observation.labels,
        )

    def _event(self, event: Event, seq: int) -> Document:
        return Document(
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
            clock=_clock(event),
            sensor=_Sensor(event.sensor) if event.sensor else None,
            message=event.message,
            infrared=event.infrared,
        )


_document_decoder = msgspec.json.Decoder(Document)


def decode(document: bytes) -> Document:
    """
    Decode a document of this or another version.

    Raises:
        ValueError: If it is none; msgspec's own error is one only since msgspec 0.21: catch both.
    """
    return _document_decoder.decode(document)


def is_estimated(document: bytes) -> bool:
    """
    Tell whether the stamps of an encoded document are estimates.

    The bytes are searched, not decoded, and no text in a document can look like the mark: within a JSON string each
    quote is preceded by a backslash (RFC 8259, section 7). So the mark's second quote, after a `d`, ends a string, and
    what follows makes that the name of something that is true. Nothing but the clock's fields is true or false: a
    label of the name ``estimated`` has a text, ``"estimated":"true"``.
    """
    return ESTIMATED_MARK in document


def corrected(document: bytes, step_ms: int) -> bytes:
    """
    Correct the stamps of an encoded document that are estimates; return any other as it is.

    Args:
        document: As it was encoded.
        step_ms: How much later it was than its stamps say.

    Returns:
        The same but for ``@timestamp``, ``event.created`` and ``clock``: order and bytes of all the rest are kept.
    """
    if not is_estimated(document):
        return document
    fields = _decode_raw(document)
    event = _decode_raw(fields["event"])
    event["created"] = _moved(event["created"], step_ms)
    fields["@timestamp"] = _moved(fields["@timestamp"], step_ms)
    fields["event"] = _encode_raw(event)
    fields["clock"] = _encode_raw(_Clock(synchronized=True))
    return msgspec.json.encode(fields)


@functools.lru_cache(maxsize=64)
def iso_8601(time_ms: int) -> str:
    """Write a time as ``2026-11-23T15:14:10.000Z``; years 1970 to 9999."""
    seconds, milliseconds = divmod(time_ms, 1000)
    return f"{_to_the_second(seconds)}.{milliseconds:03d}Z"


@functools.lru_cache(maxsize=64)
def _to_the_second(seconds: int) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S")


def time_ms_of(stamp: str) -> int:
    """
    Read a time as documents have it.

    Raises:
        ValueError: If it is none.
    """
    moment = dt.datetime.fromisoformat(stamp)
    if moment.tzinfo is None:
        raise ValueError(f"{stamp} says no time zone")
    return (moment - _EPOCH) // _MILLISECOND


_SYNCHRONIZED, _NOT_SYNCHRONIZED, _ESTIMATED = _Clock(True), _Clock(False), _Clock(False, estimated=True)


def _clock(entry: Observation | Event) -> _Clock:
    if entry.clock_offset_ms is not None:
        return _ESTIMATED  # not synchronised, even if the kernel changed its mind while the entry was formed
    return _SYNCHRONIZED if entry.clock_synchronized else _NOT_SYNCHRONIZED


def _decode_raw(document: bytes | msgspec.Raw) -> dict[str, msgspec.Raw]:
    return msgspec.json.decode(document, type=dict[str, msgspec.Raw])


def _encode_raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def _moved(stamp: msgspec.Raw, step_ms: int) -> msgspec.Raw:
    return _encode_raw(iso_8601(time_ms_of(msgspec.json.decode(stamp, type=str)) + step_ms))


def rounded(quantity: str, value: float) -> float:
    """Return a value with the decimals of its quantity; all of them if another version's quantity is unknown here."""
    decimals = _DECIMALS.get(quantity)
    return value if decimals is None else round(value, decimals)


def _all_rounded(values: Mapping[str, float]) -> dict[str, float]:
    # As `rounded`, without a call for each: an observation has up to sixteen.
    decimals = _DECIMALS
    return {name: round(value, decimals[name]) if name in decimals else value for name, value in values.items()}


def rounded_statistics(quantity: str, spread: Statistics) -> Statistics:
    """Return a spread with the decimals of its quantity."""
    if spread.min is None or spread.max is None:
        return spread
    least, greatest = rounded(quantity, spread.min), rounded(quantity, spread.max)
    return Statistics(spread.count, least, greatest, spread.rejected, spread.total)


def _station_fields(station: Station) -> dict[str, Any]:
    fields: dict[str, Any] = {"id": station.id}
    if station.name:
        fields["name"] = station.name
    if station.latitude is not None and station.longitude is not None:
        fields["location"] = {"lat": station.latitude, "lon": station.longitude}
    if station.elevation_m is not None:
        fields["elevation_m"] = station.elevation_m
    return fields
