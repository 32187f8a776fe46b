"""
What Home Assistant is told of the station: one retained message for all of it, by device.

Each quantity is an entity with a topic of its own, since any message on a topic keeps all its entities from expiring,
and is available only while the station and its sensor are. State and attributes come from one message: of two, Home
Assistant makes two states, and keeps both; in the first an old value stands beside the new attributes. Names are
English: Home Assistant translates no names that come over MQTT, and everybody may rename an entity there.

Source:
    Home Assistant, ``homeassistant/components/mqtt``: discovery.py, schemas.py, sensor.py, of 2026.11 and 2025.1.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from weatherd.model import QUANTITIES, Station
from weatherd.sinks.mqtt.faces import face_of
from weatherd.sinks.mqtt.port import InfraredNow
from weatherd.sinks.mqtt.topics import Topics, is_base

Config = dict[str, Any]
"""The body of a discovery message."""

ORIGIN = "weatherd"
LAG = "lag"

LEFT_MAX = 200
"""Sensors of an earlier discovery whose availability is removed: as many as a station may have."""

_NAME = re.compile(r"[a-z0-9_-]{1,64}")


class Shown(NamedTuple):
    """
    A sensor as it is told.

    Attributes:
        name: Its name in the configuration.
        quantities: What it was seen to observe.
        expire_after_s: Without news for so long, its values are no longer shown.
    """

    name: str
    quantities: Collection[str]
    expire_after_s: float


def discovery(
    station: Station,
    version: str,
    topics: Topics,
    sensors: Sequence[Shown],
    infrared: InfraredNow = InfraredNow(),  # noqa: B008  -- immutable
) -> Config:
    """Return what is told of a station."""
    components: Config = dict(_diagnostics(station.id, topics))
    components |= _infrared(station.id, topics, infrared)
    for sensor in sensors:
        for quantity in sorted(sensor.quantities):
            components[_key(sensor.name, quantity)] = _entity(station.id, topics, sensor, quantity)
    return {
        "device": {
            "identifiers": [_device(station.id)],
            "name": station.name or station.id,
            "manufacturer": "weatherd",
            "model": "weather station",
            "sw_version": version,
        },
        "origin": {"name": ORIGIN, "sw_version": version},
        "components": components,
        "qos": 1,
    }


class Component(msgspec.Struct):
    """What is needed to remove an entity, and to know where it got its state from."""

    platform: str
    state_topic: str = ""


class Device(msgspec.Struct, frozen=True):
    """Which station it is."""

    identifiers: Sequence[str] = ()


class Origin(msgspec.Struct, frozen=True):
    """What has told it."""

    name: str = ""


class Told(msgspec.Struct):
    """An earlier discovery, as far as it matters: all else in it is skipped, and takes no memory."""

    components: dict[str, Component]
    device: Device = Device()
    origin: Origin = Origin()


def told(payload: bytes) -> Told | None:
    """Read an earlier discovery; None if it is none, for anybody may have written it."""
    try:
        return msgspec.json.decode(payload, type=Told)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def remembered(before: Told, sensors: Collection[str]) -> Mapping[str, set[str]]:
    """
    Return what an earlier discovery told, for it was not all observed since the start.

    Args:
        before: The earlier discovery.
        sensors: The names of those that are configured now.

    Returns:
        By sensor, its quantities.
    """
    keys = before.components.keys()
    return {sensor: {quantity for quantity in QUANTITIES if _key(sensor, quantity) in keys} for sensor in sensors}


def left_behind(before: Told, station_id: str, topics: Topics, sensors: Collection[str]) -> Sequence[str]:
    """
    Return the topics with somebody's availability that were ours when an earlier discovery was told, and are no longer.

    Args:
        before: The earlier discovery; one that another program has told names nothing of ours.
        station_id: That of the station.
        topics: Those of now.
        sensors: The names of those that are configured now; one that has told nothing yet is in no discovery.

    Returns:
        First that of the station, then those of the sensors; none if the topic is the same as before.
    """
    is_ours = before.origin.name == ORIGIN and list(before.device.identifiers) == [_device(station_id)]
    lag = before.components.get(LAG)
    base = lag.state_topic.removesuffix("/status") if is_ours and lag is not None else ""
    ours = {topics.availability, *map(topics.available, sensors)}
    old = Topics(base)
    if not is_base(base) or old.availability in ours:
        return ()
    told_of = {sensor for sensor, dot, _ in (key.partition(".") for key in before.components) if dot}
    names = sorted(name for name in told_of.union(sensors) if _NAME.fullmatch(name))[:LEFT_MAX]
    return [topic for topic in (old.availability, *map(old.available, names)) if topic not in ours]


def emptied(platforms: Mapping[str, str], now: Config) -> Config | None:
    """Return the discovery that removes the entities which are there no longer; None if there are none."""
    components = now["components"]
    gone = {key: {"platform": platform} for key, platform in platforms.items() if key not in components}
    return {**now, "components": {**components, **gone}} if gone else None


def _device(station_id: str) -> str:
    return f"weatherd-{station_id}"


def _key(sensor: str, quantity: str) -> str:
    return f"{sensor}.{quantity}"


def _entity(station_id: str, topics: Topics, sensor: Shown, quantity: str) -> Config:
    face = face_of(quantity)
    together = topics.attributes(sensor.name, quantity)
    optional = {
        "device_class": face.device_class,
        "state_class": face.state_class,
        "unit_of_measurement": face.unit,
        "icon": face.icon,
        "entity_category": "diagnostic" if face.is_diagnostic else "",
    }
    return {
        "platform": "sensor",
        "unique_id": f"weatherd.{station_id}.{sensor.name}.{quantity}",
        "default_entity_id": f"sensor.{_slug(station_id)}_{_slug(sensor.name)}_{quantity}",
        "name": f"{sensor.name} {face.name}",
        "state_topic": together,
        "value_template": "{{ value_json.state }}",
        "json_attributes_topic": together,
        "suggested_display_precision": face.digits,
        "expire_after": round(sensor.expire_after_s),
        "availability": [{"topic": topics.availability}, {"topic": topics.available(sensor.name)}],
        "availability_mode": "all",
        **{key: value for key, value in optional.items() if value},
    }


def _diagnostics(station_id: str, topics: Topics) -> Iterator[tuple[str, Config]]:
    told: Mapping[str, Config] = {
        LAG: {
            "name": "entries to send",
            "value_template": "{{ value_json.lag }}",
            "state_class": "measurement",
            "icon": "mdi:tray-full",
        },
        "clock": {
            "platform": "binary_sensor",
            "name": "clock synchronised",
            "value_template": "{{ 'ON' if value_json.clock_synchronized else 'OFF' }}",
            "icon": "mdi:clock-check-outline",
        },
        "restart": {
            "name": "last restart",
            "value_template": "{{ value_json.started_at }}",
            "device_class": "timestamp",
        },
        "version": {"name": "version", "value_template": "{{ value_json.version }}", "icon": "mdi:tag-outline"},
    }
    for key, fields in told.items():
        platform = fields.get("platform", "sensor")
        yield (
            key,
            {
                "platform": platform,
                "unique_id": f"weatherd.{station_id}.{key}",
                "default_entity_id": f"{platform}.{_slug(station_id)}_{key}",
                "state_topic": topics.status,
                "entity_category": "diagnostic",
                "availability": [{"topic": topics.availability}],
                **fields,
            },
        )


def _infrared(station_id: str, topics: Topics, infrared: InfraredNow) -> Config:
    """Return the entities of the platform that there is since 2026.2; an earlier one refuses the whole message."""
    receivers: Config = {
        f"{sensor}.infrared": {
            "platform": "infrared",
            "schema": "receiver",
            "unique_id": f"weatherd.{station_id}.{sensor}.infrared",
            "default_entity_id": f"infrared.{_slug(station_id)}_{_slug(sensor)}",
            "name": f"{sensor} infrared receiver",
            "state_topic": topics.timings(sensor),
            "availability": [{"topic": topics.availability}, {"topic": topics.available(sensor)}],
            "availability_mode": "all",
        }
        for sensor in infrared.receivers
    }
    if not infrared.emits:
        return receivers
    return receivers | {
        "infrared": {
            "platform": "infrared",
            "schema": "emitter",
            "unique_id": f"weatherd.{station_id}.infrared",
            "default_entity_id": f"infrared.{_slug(station_id)}",
            "name": "infrared emitter",
            "command_topic": topics.emit,
            "availability": [{"topic": topics.availability}],
        }
    }


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9_]", "_", name)
