"""What changes when the configuration is read again: pure, so that it can be told before it is done."""

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

from weatherd import config

_IN_PLACE = ("sensors", "sinks")
"""Tables of which each part can be exchanged while the others run."""


class Plan(NamedTuple):
    """
    What a new configuration asks for.

    Attributes:
        whole: Whether the station begins anew: something that all share has changed.
        stop: The sensors that end, by name.
        start: The sensors that begin, in the order of the configuration.
        sink: Whether the sink Logstash is exchanged.
        mqtt: Whether the sink MQTT is exchanged, begins or ends.
    """

    whole: bool = False
    stop: frozenset[str] = frozenset()
    start: Sequence[config.Sensor] = ()
    sink: bool = False
    mqtt: bool = False

    @property
    def is_nothing(self) -> bool:
        """Whether all stays as it is."""
        return not (self.whole or self.stop or self.start or self.sink or self.mqtt)


def plan(before: config.Config, after: config.Config) -> Plan:
    """Compare two configurations."""
    shared = [name for name in after.__struct_fields__ if name not in _IN_PLACE]
    if any(getattr(before, name) != getattr(after, name) for name in shared):
        return Plan(whole=True)
    if config.may_speak_tls(after) and not config.may_speak_tls(before):
        return Plan(whole=True)  # the process may not be able to: see `weatherd.lean`
    if _with_a_position(before.sinks) != _with_a_position(after.sinks):
        return Plan(whole=True)
    streams_before, streams_after = streams(before.sensors), streams(after.sensors)
    stop = frozenset(
        sensor.name
        for key, sensors in streams_before.items()
        if streams_after.get(key) != sensors
        for sensor in sensors
    )
    start = tuple(
        sensor for key, sensors in streams_after.items() if streams_before.get(key) != sensors for sensor in sensors
    )
    return Plan(
        stop=stop,
        start=start,
        sink=before.sinks.logstash != after.sinks.logstash,
        mqtt=before.sinks.mqtt != after.sinks.mqtt,
    )


def _with_a_position(sinks: config.Sinks) -> tuple[bool, bool]:
    """Tell which sinks have a position in the journal, which is opened with their names."""
    return sinks.logstash is not None, sinks.mqtt is not None and sinks.mqtt.backlog


def streams(sensors: Sequence[config.Sensor]) -> Mapping[Hashable, Sequence[config.Sensor]]:
    """Group sensors by what they are read from: those of one program or one socket begin and end together."""
    grouped: dict[Hashable, list[config.Sensor]] = {}
    for sensor in sensors:
        grouped.setdefault(stream_of(sensor), []).append(sensor)
    return grouped


def stream_of(sensor: config.Sensor) -> Hashable:
    """Return what a sensor is read from: a program, a place to listen at, or the chip that only it has."""
    if isinstance(sensor, config.JsonLines):
        return sensor.command or sensor.listen
    return sensor.name
