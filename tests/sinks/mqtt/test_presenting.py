from collections.abc import Collection, Sequence

import msgspec
import pytest

from weatherd.model import Observation, Quality, Station
from weatherd.sinks.mqtt.messages import Message
from weatherd.sinks.mqtt.port import InfraredNow, SensorNow, StationNow
from weatherd.sinks.mqtt.presenting import Presentation
from weatherd.sinks.mqtt.topics import Topics

VALUES = {"air_temperature": 20.0, "wind_speed": 3.0, "wind_speed_of_gust": 5.0, "humidex": 21.0}
LEFT = {"air_temperature", "wind_speed", "humidex"}


class OneSensor(StationNow):
    """A station with one sensor, and the configuration of that."""

    station = Station("s", "Porto Alegre")
    version = "1.2.3"

    def __init__(self, observable: Collection[str] | None) -> None:
        self.observable = observable
        self.observed = VALUES
        self.receivers: Sequence[str] = ()

    def infrared(self) -> InfraredNow:
        return InfraredNow(self.receivers)

    def sensors(self) -> Sequence[SensorNow]:
        seen = Observation(
            "field", "made", 0, 0, values=VALUES, quality=dict.fromkeys(VALUES, Quality.GOOD), clock_synchronized=True
        )
        return [SensorNow("field", self.observable, dict.fromkeys(self.observed, seen), True, 60.0, 10.0)]


def told(messages: Sequence[Message]) -> set[str]:
    """Return which entities of a sensor the last message tells."""
    components = msgspec.json.decode(messages[-1].payload)["components"]
    return {key.removeprefix("field.") for key in components if key.startswith("field.")}


def presentation(observable: Collection[str] | None) -> Presentation:
    return Presentation(OneSensor(observable), Topics("weatherd/s"), "homeassistant")


def test_what_left_the_configuration_is_not_told_though_the_journal_remembers_it() -> None:
    """After a restart the newest observation of the day before still has it."""
    assert told(presentation(LEFT).due()) == LEFT
    assert told(presentation(None).due()) == set(VALUES)


@pytest.mark.parametrize("strange", [b"", b"null", b"{}"])
def test_what_is_no_discovery_is_not_answered(strange: bytes) -> None:
    """Nor does it change what is known."""
    one = presentation(LEFT)
    assert one.take_back(strange) == []
    assert told(one.due()) == LEFT


def test_the_discovery_is_retained_and_does_not_expire() -> None:
    """Home Assistant reads it at each of its starts."""
    (message,) = presentation(LEFT).due()
    assert (message.topic, message.is_retained, message.expires) == (
        "homeassistant/device/weatherd-s/config",
        True,
        False,
    )


def test_a_receiver_of_infrared_is_told_when_it_comes_and_removed_when_it_goes() -> None:
    """Nothing else has changed."""
    station = OneSensor(VALUES)
    one = Presentation(station, Topics("weatherd/s"), "homeassistant")
    assert len(one.due()) == 1
    station.receivers = ["remote"]
    (coming,) = one.due()
    assert msgspec.json.decode(coming.payload)["components"]["remote.infrared"]["schema"] == "receiver"
    station.receivers = []
    removing, _ = one.due()
    assert msgspec.json.decode(removing.payload)["components"]["remote.infrared"] == {"platform": "infrared"}


def test_what_left_the_configuration_is_taken_back() -> None:
    """What was told before is read back from the broker, and the entity is removed."""
    (before,) = presentation(VALUES).due()
    removing, now = presentation(LEFT).take_back(before.payload)
    components = msgspec.json.decode(removing.payload)["components"]
    assert components["field.wind_speed_of_gust"] == {"platform": "sensor"}
    assert told([now]) == LEFT


def test_what_leaves_the_configuration_at_a_reload_is_removed() -> None:
    """Though it was taken over from an earlier run, when it was still configured."""
    (before,) = presentation(VALUES).due()
    station = OneSensor(VALUES)
    station.observed = {}
    now = Presentation(station, Topics("weatherd/s"), "homeassistant")
    now.take_back(before.payload)
    assert told(now.due()) == set(VALUES)
    station.observable = LEFT
    removing, last = now.due()
    assert msgspec.json.decode(removing.payload)["components"]["field.wind_speed_of_gust"] == {"platform": "sensor"}
    assert told([last]) == LEFT
