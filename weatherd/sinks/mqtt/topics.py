"""The names of all topics of a station."""

import re
from typing import NamedTuple

BASE_SIZE_MAX = 256
"""Bytes; so it has no more levels than a broker bears."""

_BASE = re.compile(r"[^$+#/\s][^+#/\s]*(/[^+#/\s]+)*")


class Topics(NamedTuple):
    """
    Topics under one base.

    Sensors and quantities are levels below it, and what concerns the whole station is one level, so no name of a sensor
    can be in the way of the latter.

    Attributes:
        base: Without wildcards, and without a slash at either end: ``weatherd/porto-alegre-01``.
    """

    base: str

    @property
    def availability(self) -> str:
        """Whether the station is there; the topic of the last will."""
        return f"{self.base}/availability"

    @property
    def status(self) -> str:
        """How the station is, and which run of it."""
        return f"{self.base}/status"

    @property
    def event(self) -> str:
        """What happens to it that is not weather."""
        return f"{self.base}/event"

    @property
    def command(self) -> str:
        """What it is asked to do."""
        return f"{self.base}/command"

    @property
    def response(self) -> str:
        """What became of that."""
        return f"{self.base}/response"

    @property
    def backlog(self) -> str:
        """Documents that are old when they are sent."""
        return f"{self.base}/backlog"

    @property
    def emit(self) -> str:
        """What Home Assistant lets us send by infrared."""
        return f"{self.base}/infrared"

    def key(self, sensor: str) -> str:
        """Return the topic of the keys that a receiver of infrared hears."""
        return f"{self.base}/{sensor}/key"

    def timings(self, sensor: str) -> str:
        """Return the topic of the pulses that a receiver of infrared hears."""
        return f"{self.base}/{sensor}/timings"

    def available(self, sensor: str) -> str:
        """Return the topic that tells whether a sensor is there."""
        return f"{self.base}/{sensor}/availability"

    def state(self, sensor: str, quantity: str) -> str:
        """Return the topic of a value."""
        return f"{self.base}/{sensor}/{quantity}"

    def attributes(self, sensor: str, quantity: str) -> str:
        """Return the topic of all that belongs to a value."""
        return f"{self.base}/{sensor}/{quantity}/attributes"


def is_base(text: str) -> bool:
    """Tell whether there may be topics below a text that others have written."""
    return text.isprintable() and len(text.encode()) <= BASE_SIZE_MAX and bool(_BASE.fullmatch(text))


def topics_of(pattern: str, station_id: str) -> Topics:
    """Return the topics of a station; ``{station}`` in the pattern stands for its id."""
    return Topics(pattern.replace("{station}", station_id))


def discovery_topic(prefix: str, station_id: str) -> str:
    """Return where Home Assistant looks for the station; it allows a-z, 0-9, "_" and "-" in the id."""
    return f"{prefix}/device/weatherd-{station_id}/config"


def birth_topic(prefix: str) -> str:
    """Return where Home Assistant says that it has started."""
    return f"{prefix}/status"
