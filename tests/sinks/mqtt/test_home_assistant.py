import re
from typing import Any

import msgspec
import pytest

from weatherd.model import QUANTITIES, Station
from weatherd.sinks.mqtt.home_assistant import (
    LEFT_MAX,
    Config,
    Shown,
    Told,
    discovery,
    emptied,
    left_behind,
    remembered,
    told,
)
from weatherd.sinks.mqtt.port import InfraredNow
from weatherd.sinks.mqtt.topics import Topics

TOPICS = Topics("weatherd/porto-alegre-01")
STATION = Station("porto-alegre-01", "Porto Alegre")
EVERYTHING = Shown("field-1", tuple(QUANTITIES), 60.0)

# Source: Home Assistant's MQTT integration, the schemas of sensor and binary_sensor by discovery, checked against
# 2025.1 and 2026.11; only what we use.
REQUIRED = {"platform", "unique_id", "state_topic", "availability"}
KNOWN = REQUIRED | {
    "availability_mode",
    "default_entity_id",
    "device_class",
    "entity_category",
    "expire_after",
    "icon",
    "json_attributes_topic",
    "name",
    "state_class",
    "suggested_display_precision",
    "unit_of_measurement",
    "value_template",
}
ONLY_OF_SENSORS = {"state_class", "suggested_display_precision", "unit_of_measurement"}


def entities(*sensors: Shown) -> dict[str, dict[str, Any]]:
    return discovery(STATION, "1.2.3", TOPICS, sensors)["components"]


def as_told(config: Config) -> Told:
    """Return a discovery as it is read back."""
    before = told(msgspec.json.encode(config))
    assert before is not None
    return before


def platforms(config: Config) -> dict[str, str]:
    return {key: one["platform"] for key, one in config["components"].items()}


def state_topic(key: str) -> str:
    return TOPICS.state(*key.split("."))


def test_the_message_has_what_is_required() -> None:
    """A device with an identifier, an origin with a name, and components."""
    config = discovery(STATION, "1.2.3", TOPICS, [])
    assert config.keys() == {"device", "origin", "components", "qos"}
    assert config["device"] == {
        "identifiers": ["weatherd-porto-alegre-01"],
        "name": "Porto Alegre",
        "manufacturer": "weatherd",
        "model": "weather station",
        "sw_version": "1.2.3",
    }
    assert config["origin"] == {"name": "weatherd", "sw_version": "1.2.3"}


@pytest.mark.parametrize(("key", "entity"), entities(EVERYTHING).items())
def test_an_entity_has_only_fields_that_home_assistant_knows(key: str, entity: dict[str, Any]) -> None:
    """All that are required, none that is unknown, and none that only a sensor may have elsewhere."""
    assert entity.keys() >= REQUIRED
    assert entity.keys() <= KNOWN
    assert entity["platform"] in {"sensor", "binary_sensor"}
    if entity["platform"] == "binary_sensor":
        assert not entity.keys() & ONLY_OF_SENSORS
    domain, _, name = entity["default_entity_id"].partition(".")
    assert domain == entity["platform"]
    assert re.fullmatch(r"[a-z0-9_]+", name)
    assert re.fullmatch(r"mdi:[a-z-]+", entity.get("icon", "mdi:x"))


def test_each_quantity_has_a_topic_of_its_own() -> None:
    """Any message on a topic keeps its entity from expiring, so a shared one would hide what has died."""
    expiring = [entity["state_topic"] for entity in entities(EVERYTHING).values() if "expire_after" in entity]
    assert len(expiring) == len(set(expiring)) == len(QUANTITIES)


def test_state_and_attributes_come_from_one_message() -> None:
    """From two, Home Assistant would keep two states of each observation: one of them an old value of a new time."""
    for key, entity in entities(EVERYTHING).items():
        if "expire_after" in entity:
            assert entity["state_topic"] == entity["json_attributes_topic"] == f"{state_topic(key)}/attributes"
            assert entity["value_template"] == "{{ value_json.state }}"


def test_an_entity_is_there_only_with_its_station_and_its_sensor() -> None:
    """Both have to be online, and news has to come."""
    entity = entities(Shown("field-1", ["air_pressure"], 90.0))["field-1.air_pressure"]
    assert entity["availability_mode"] == "all"
    assert [one["topic"] for one in entity["availability"]] == [
        "weatherd/porto-alegre-01/availability",
        "weatherd/porto-alegre-01/field-1/availability",
    ]
    assert entity["expire_after"] == 90


def test_a_wind_direction_is_an_angle() -> None:
    """As a plain measurement its mean of 350 and 10 degrees would be 180."""
    entity = entities(EVERYTHING)["field-1.wind_from_direction"]
    assert (entity["device_class"], entity["state_class"]) == ("wind_direction", "measurement_angle")
    assert entity["unit_of_measurement"] == "°"


def test_diagnostics_are_diagnostic_and_never_expire() -> None:
    """Lag, clock, last restart and version stand apart from the weather."""
    found = entities()
    assert found.keys() == {"lag", "clock", "restart", "version"}
    for entity in found.values():
        assert entity["entity_category"] == "diagnostic"
        assert entity["state_topic"] == "weatherd/porto-alegre-01/status"
        assert "expire_after" not in entity


def test_ids_are_unique_where_names_are_alike() -> None:
    """A name may end as a quantity begins."""
    found = entities(Shown("a", tuple(QUANTITIES), 60), Shown("a_uncorrected", tuple(QUANTITIES), 60))
    ids = [entity["unique_id"] for entity in found.values()]
    assert len(ids) == len(set(ids)) == 2 * len(QUANTITIES) + 4


def test_infrared_is_a_receiver_and_an_emitter_where_it_is_wanted() -> None:
    """With what the platform requires since 2026.2, and else not at all: an earlier Home Assistant knows none."""
    before = entities(EVERYTHING)
    wanted = discovery(STATION, "1.2.3", TOPICS, [EVERYTHING], InfraredNow(["remote"], True))["components"]
    added = {key: entity for key, entity in wanted.items() if key not in before}
    assert {key: entity["schema"] for key, entity in added.items()} == {
        "remote.infrared": "receiver",
        "infrared": "emitter",
    }
    assert added["remote.infrared"]["state_topic"] == "weatherd/porto-alegre-01/remote/timings"
    assert added["infrared"]["command_topic"] == "weatherd/porto-alegre-01/infrared"
    fields = {"platform", "schema", "unique_id", "default_entity_id", "name", "availability"}
    for entity in added.values():
        assert entity["platform"] == "infrared"
        assert entity.keys() - {"state_topic", "command_topic", "availability_mode"} == fields
        assert re.fullmatch(r"infrared\.[a-z0-9_]+", entity["default_entity_id"])
    gone = emptied(platforms({"components": wanted}), {"components": before})
    assert gone is not None
    assert gone["components"]["infrared"] == {"platform": "infrared"}


def test_what_left_the_configuration_is_removed_by_its_platform_alone() -> None:
    """So Home Assistant forgets the entity, and the others stay as they are."""
    before = discovery(STATION, "1", TOPICS, [Shown("old", ["humidex"], 60), Shown("new", ["humidex"], 60)])
    now = discovery(STATION, "1", TOPICS, [Shown("new", ["humidex"], 60)])
    removing = emptied(platforms(before), now)
    assert removing is not None
    assert removing["components"]["old.humidex"] == {"platform": "sensor"}
    assert {key: one for key, one in removing["components"].items() if key != "old.humidex"} == now["components"]


def test_nothing_is_removed_where_nothing_is_gone() -> None:
    """There is nothing to send then."""
    now = discovery(STATION, "1", TOPICS, [EVERYTHING])
    assert emptied(platforms(now), now) is None


def test_what_was_ours_under_another_topic_is_left_behind() -> None:
    """The availability of the station first, then that of each sensor, told or not; nothing under the same topic."""
    before = as_told(
        discovery(
            STATION, "1", Topics("old"), [Shown("b", ["humidex"], 60), Shown("a", ["humidex", "air_pressure"], 60)]
        )
    )
    assert left_behind(before, STATION.id, Topics("new"), ["b", "c"]) == [
        "old/availability",
        "old/a/availability",
        "old/b/availability",
        "old/c/availability",
    ]
    assert left_behind(before, STATION.id, Topics("old"), []) == ()


def test_what_is_ours_now_is_not_left_behind() -> None:
    """The topic of a station may have been that of a sensor before, or the other way round."""
    before = as_told(discovery(STATION, "1", Topics("old"), [Shown("a", ["humidex"], 60)]))
    assert left_behind(before, STATION.id, Topics("old/a"), []) == ["old/availability"]
    below = as_told(discovery(STATION, "1", Topics("old/a"), [Shown("a", ["humidex"], 60)]))
    assert left_behind(below, STATION.id, Topics("old"), ["a"]) == ()
    assert left_behind(below, STATION.id, Topics("old"), []) == ["old/a/availability", "old/a/a/availability"]


@pytest.mark.parametrize("of_whom", [{"identifiers": ["weatherd-other"]}, {"identifiers": []}, {}])
def test_what_another_station_has_told_is_its_own(of_whom: Config) -> None:
    """Be it by mistake under our id."""
    config = discovery(STATION, "1", Topics("old"), [])
    assert left_behind(as_told(config | {"device": of_whom}), STATION.id, Topics("new"), []) == ()


@pytest.mark.parametrize("origin", [{"name": "other"}, {}])
def test_what_another_program_has_told_is_its_own(origin: Config) -> None:
    """It may mean anything by its topics."""
    config = discovery(STATION, "1", Topics("old"), [])
    assert left_behind(as_told(config | {"origin": origin}), STATION.id, Topics("new"), []) == ()


@pytest.mark.parametrize("base", ["", "+", "a/#", "$SYS", "a//b", "/a", "a/", "a b", "a\x00", "\u00e9" * 200])
def test_a_topic_that_could_not_be_ours_is_none(base: str) -> None:
    """Who publishes there would be thrown out."""
    config = discovery(STATION, "1", Topics(base), [])
    assert left_behind(as_told(config), STATION.id, Topics("new"), []) == ()


def test_sensors_left_behind_have_names_and_a_limit() -> None:
    """Anybody may have written the discovery."""
    config = discovery(STATION, "1", Topics("old"), [])
    for number in range(1000):
        config["components"][f"s{number}.humidex"] = config["components"]["+/#.humidex"] = {"platform": "sensor"}
    left = left_behind(as_told(config), STATION.id, Topics("new"), [])
    assert len(left) == 1 + LEFT_MAX
    assert not any("+" in topic for topic in left)
    del config["components"]["lag"]
    assert left_behind(as_told(config), STATION.id, Topics("new"), []) == ()


@pytest.mark.parametrize(
    "strange", [b"", b"\xff", b"[" * 100_000, b"{}", b'{"components": []}', b'{"components": {"x": {}}}']
)
def test_a_strange_message_on_our_topic_tells_nothing(strange: bytes) -> None:
    """Anybody may have written it."""
    assert told(strange) is None


def test_what_was_told_of_a_sensor_is_remembered_while_it_is_configured() -> None:
    """A heat index in winter is not there at the start, and its entity, with all that people changed, must not go."""
    before = discovery(STATION, "1", TOPICS, [Shown("a", ["air_temperature", "heat_index_of_air_temperature"], 60)])
    assert remembered(as_told(before), ["a", "b"]) == {
        "a": {"air_temperature", "heat_index_of_air_temperature"},
        "b": set(),
    }
