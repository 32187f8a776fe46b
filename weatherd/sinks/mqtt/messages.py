"""
From an observation, or an event, to messages.

What is missing, or erroneous by quality control, is no state to go by: the state becomes `None`, which is `unknown` in
Home Assistant, and the attributes tell the value, its quality and why. Nothing said would let an old value stand there;
an erroneous one said plainly would be in everybody's statistics for ever. A doubtful or inconsistent value is a state,
and its attributes say so.
"""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from weatherd.model import Heard, Observation, Quality
from weatherd.processing.documents import Document, iso_8601
from weatherd.processing.infrared import CARRIER_HZ, signed
from weatherd.sampling.newest import value_of
from weatherd.sinks.mqtt.faces import face_of, written
from weatherd.sinks.mqtt.topics import Topics

ONLINE = b"online"
OFFLINE = b"offline"

UNKNOWN = b"None"
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
        yield _attributes(topics, quantity, observation)
        yield _state(topics, quantity, observation)


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


def availability(topic: str, *, is_there: bool) -> Message:
    """Return the retained message that says whether somebody is there."""
    return Message(topic, ONLINE if is_there else OFFLINE, is_retained=True, expires=False)


def _state(topics: Topics, quantity: str, observation: Observation) -> Message:
    value = observation.values.get(quantity)
    has_state = value is not None and observation.quality.get(quantity) not in _NO_STATE
    payload = written(quantity, value).encode() if value is not None and has_state else UNKNOWN
    return Message(topics.state(observation.sensor, quantity), payload)


def _attributes(topics: Topics, quantity: str, observation: Observation) -> Message:
    one = value_of(quantity, observation)
    attributes: dict[str, object] = {
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
