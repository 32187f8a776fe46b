"""
From an observation, or an event, to messages.

What is missing, or erroneous by quality control, is no state to go by: the state becomes `None`, which is `unknown` in
Home Assistant, and the attributes tell the value, its quality and why. Nothing said would let an old value stand there;
an erroneous one said plainly would be in everybody's statistics for ever. A doubtful or inconsistent value is a state,
and its attributes say so.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec

from weatherd.model import Heard, Observation, Quality
from weatherd.processing.documents import DATASET_EVENT, DATASET_OBSERVATION, Document, iso_8601
from weatherd.processing.infrared import CARRIER_HZ, signed
from weatherd.sampling.newest import recalled, value_of
from weatherd.sinks.mqtt.faces import face_of, written
from weatherd.sinks.mqtt.port import SensorNow
from weatherd.sinks.mqtt.topics import Topics

ONLINE = b"online"
OFFLINE = b"offline"

UNKNOWN = "None"
"""The state where there is no value to go by: Home Assistant takes this very word for `unknown`."""

_NO_STATE = frozenset({Quality.MISSING, Quality.ERRONEOUS})
_encoder = msgspec.json.Encoder()


class Message(NamedTuple):
    """
    What is to be published, with QoS 1.

    Attributes:
        topic: Where.
        payload: What.
        is_retained: Whether the broker keeps it for those who come later.
        expires: Whether it is worth nothing after a while, so that the broker may drop it for those who are away.
    """

    topic: str
    payload: bytes
    is_retained: bool = False
    expires: bool = True


def observed(topics: Topics, observation: Observation) -> Iterator[Message]:
    """Yield two messages for each quantity; the attributes first, so that they are there when the state changes."""
    for quantity in {**observation.quality, **observation.values}:
        state = _state(quantity, observation)
        yield _attributes(topics, quantity, state, observation)
        yield Message(topics.state(observation.sensor, quantity), state.encode())


def happened(topics: Topics, document: Document) -> Message:
    """Return the message of an event."""
    told = {
        "time": document.timestamp,
        "action": document.event.action,
        "sensor": "" if document.sensor is None else document.sensor.name,
        "reason": document.event.reason,
        "message": document.message,
    }
    return Message(topics.event, _encoder.encode(told))


def heard_key(topics: Topics, heard: Heard) -> Message:
    """Return the message of a key that was pressed, or is still held."""
    told = {
        "time": iso_8601(heard.at_ms),
        "protocol": heard.infrared.protocol,
        "scancode": heard.infrared.scancode,
        "repeat": heard.infrared.repeat,
        "command": heard.infrared.command,
    }
    return Message(topics.key(heard.sensor), _encoder.encode(told))


def heard_timings(topics: Topics, heard: Heard) -> Message:
    """Return the message of pulses and spaces as Home Assistant takes them; no receiver knows the carrier."""
    told = {"timings": signed(heard.infrared.timings_us), "modulation": CARRIER_HZ}
    return Message(topics.timings(heard.sensor), _encoder.encode(told))


def current(topics: Topics, sensors: Mapping[str, SensorNow], now_ms: int) -> Iterator[Message]:
    """Yield what is still the newest that there can be: what is older is not told as if it were new."""
    for sensor in sensors.values():
        newest = {id(one): one for one in sensor.newest.values()}
        for observation in sorted(newest.values(), key=lambda one: one.observed_at_ms):
            if now_ms - observation.observed_at_ms <= sensor.current_s * 1000:
                yield from observed(topics, observation)


def fresh(topics: Topics, document: Document, sensors: Mapping[str, SensorNow], now_ms: int) -> Iterator[Message]:
    """Yield what an entry tells; nothing for one of a source that tells old times, or of a sensor that is gone."""
    if document.event.dataset == DATASET_EVENT:
        yield happened(topics, document)
    elif document.event.dataset == DATASET_OBSERVATION:
        observation = recalled(document)
        sensor = sensors.get(observation.sensor)
        if sensor is not None and now_ms - observation.observed_at_ms <= sensor.stale_s * 1000:
            yield from observed(topics, observation)


def run_of(status: bytes) -> str | None:
    """Return which run of a daemon a status is of; None if it is no status."""
    try:
        return msgspec.json.decode(status, type=_Run).run_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def availability(topic: str, *, is_there: bool) -> Message:
    """Return the retained message that says whether somebody is there."""
    return Message(topic, ONLINE if is_there else OFFLINE, is_retained=True, expires=False)


def nothing(topic: str) -> Message:
    """Return the message that removes what is retained on a topic."""
    return Message(topic, b"", is_retained=True, expires=False)


class _Run(msgspec.Struct):
    run_id: str


def _state(quantity: str, observation: Observation) -> str:
    value = observation.values.get(quantity)
    has_state = value is not None and observation.quality.get(quantity) not in _NO_STATE
    return written(quantity, value) if value is not None and has_state else UNKNOWN


def _attributes(topics: Topics, quantity: str, state: str, observation: Observation) -> Message:
    one = value_of(quantity, observation)
    attributes: dict[str, object] = {
        "state": state,
        "value": one.value,
        "unit": face_of(quantity).unit,
        "quality": one.quality,
        "reason": one.reason,
        "observed_at": iso_8601(observation.observed_at_ms),
        "clock_synchronized": observation.clock_synchronized,
        "min": one.least,
        "max": one.greatest,
    }
    if observation.labels:
        attributes["labels"] = observation.labels
    return Message(topics.attributes(observation.sensor, quantity), _encoder.encode(attributes))
