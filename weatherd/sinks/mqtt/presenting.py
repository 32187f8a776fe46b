"""What Home Assistant was told, and what it has to be told now. Without I/O."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from weatherd.sinks.mqtt.home_assistant import Config, Shown, discovery, emptied, left_behind, remembered, told
from weatherd.sinks.mqtt.messages import Message
from weatherd.sinks.mqtt.port import SensorNow, StationNow
from weatherd.sinks.mqtt.topics import Topics, discovery_topic

_encoder = msgspec.json.Encoder()


class Presentation:
    """
    Present a station to Home Assistant.

    What was told before is read back from the broker, where it is retained, so nothing has to be kept on the card.

    Args:
        station: Who is presented.
        topics: Its topics.
        prefix: Home Assistant's.

    Attributes:
        topic: Where it is told.
        left: Topics with availability that an earlier configuration left behind; the first is that of the station.
    """

    def __init__(self, station: StationNow, topics: Topics, prefix: str) -> None:
        self.topic = discovery_topic(prefix, station.station.id)
        self._station = station
        self._topics = topics
        self._remembered: Mapping[str, Collection[str]] = {}
        self._told: Mapping[str, Any] | None = None
        self._platforms: Mapping[str, str] = {}
        self.left: Sequence[str] = ()

    def forget(self) -> None:
        """Let all be told anew."""
        self._told = None

    def due(self) -> list[Message]:
        """Return the discovery, if something in it is new since it was told."""
        known: dict[str, Any] = {sensor.name: self._quantities(sensor) for sensor in self._station.sensors()}
        known[""] = self._station.infrared()
        if known == self._told:
            return []
        self._told = known
        return self._messages(self._platforms)

    def take_back(self, payload: bytes) -> list[Message]:
        """Learn from what is retained there; return what removes the entities that are gone, if there are some."""
        before = told(payload)
        if before is None:
            return []
        names = [one.name for one in self._station.sensors()]
        self.left = left_behind(before, self._station.station.id, self._topics, names) or self.left
        self._remembered = remembered(before, names)
        messages = self._messages({key: one.platform for key, one in before.components.items()})
        return messages if len(messages) > 1 else []

    def _messages(self, before: Mapping[str, str]) -> list[Message]:
        """Return the discovery, and before it, if entities are gone, the one that removes them."""
        now = self._config()
        self._platforms = {key: one["platform"] for key, one in now["components"].items()}
        removing = emptied(before, now)
        return [self._message(one) for one in (removing, now) if one is not None]

    def _config(self) -> Config:
        sensors = [Shown(one.name, self._quantities(one), one.stale_s) for one in self._station.sensors()]
        station = self._station
        return discovery(station.station, station.version, self._topics, sensors, station.infrared())

    def _quantities(self, sensor: SensorNow) -> Collection[str]:
        known = {*sensor.newest, *self._remembered.get(sensor.name, ())}
        return known if sensor.observable is None else known.intersection(sensor.observable)

    def _message(self, config: Config) -> Message:
        return Message(self.topic, _encoder.encode(config), is_retained=True, expires=False)
