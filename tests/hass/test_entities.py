"""What a user of Home Assistant sees of a station that shows all there is."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.end_to_end.stations import eventually
from tests.hass.conftest import SETTLED_S_MAX, WEATHER, Shown
from tests.mqtt.brokers import decoded
from weatherd.model import QUANTITIES
from weatherd.sinks.mqtt.faces import FACES
from weatherd.testing.chips import Fault

pytestmark = [pytest.mark.hass, pytest.mark.asyncio(loop_scope="session")]

METRIC: Mapping[str, tuple[str, float]] = {"m/s": ("km/h", 3.6)}
"""What Home Assistant's metric system shows in another unit, and how many of that one of ours is."""


async def entities_of(shown: Shown) -> Mapping[str, Mapping[str, Any]]:
    """Return the entities by the keys of the discovery, when all of them are there."""
    entities: Mapping[str, Mapping[str, Any]] = {}

    async def are_there() -> bool:
        nonlocal entities
        entities = await shown.house.hass.entities("everything")
        return len(entities) >= len(shown.components)

    await eventually(are_there, SETTLED_S_MAX)
    return {key: entities[component["unique_id"]] for key, component in shown.components.items()}


async def test_each_entity_is_there_as_it_was_told(shown: Shown) -> None:
    """Its id, device, category, icon and digits in the registry, its name, unit and classes with its state."""
    entities = await entities_of(shown)
    devices = await shown.house.hass.ask("config/device_registry/list")
    (device,) = [one for one in devices if ["mqtt", "weatherd-everything"] in one["identifiers"]]
    assert (device["name"], device["manufacturer"]) == ("Porto Alegre", "weatherd")
    assert device["sw_version"] == shown.house.discovery("everything")["device"]["sw_version"]
    states = await shown.house.hass.states()
    assert len(states) > len(entities)
    for key, told in shown.components.items():
        entity = entities[key]
        assert entity["device_id"] == device["id"]
        if shown.house.hass.version.has_default_entity_id:
            assert entity["entity_id"] == told["default_entity_id"], key
        assert entity["entity_category"] == told.get("entity_category"), key
        assert entity["original_icon"] == told.get("icon"), key
        options = entity["options"].get("sensor", {})
        assert options.get("suggested_display_precision") == told.get("suggested_display_precision"), key
        seen = states[entity["entity_id"]]["attributes"]
        assert seen["friendly_name"] == f"Porto Alegre {told['name']}", key
        unit = told.get("unit_of_measurement")
        assert seen.get("unit_of_measurement") == METRIC.get(unit, (unit, 1.0))[0], key
        # Which kind of infrared it is, is a class that Home Assistant gives by itself.
        assert seen.get("device_class") == told.get("device_class", told.get("schema")), key
        assert seen.get("state_class") == told.get("state_class"), key


async def test_each_value_is_the_one_that_was_sent(shown: Shown) -> None:
    """What Home Assistant shows is what anybody hears at the broker, in the unit of its own unit system."""
    assert WEATHER.keys() == QUANTITIES.keys()
    entities = await entities_of(shown)
    await shown.observe()
    for quantity, value in WEATHER.items():
        if f"garden.{quantity}" not in entities:
            continue
        entity_id = entities[f"garden.{quantity}"]["entity_id"]
        unit, factor = METRIC.get(FACES[quantity].unit, (FACES[quantity].unit, 1.0))

        async def is_shown(entity_id: str = entity_id, sent: float = value * factor) -> bool:
            state = await shown.house.hass.state_of(entity_id)
            return state not in {"", "unknown", "unavailable"} and float(state) == pytest.approx(sent, abs=0.001)

        await eventually(is_shown, SETTLED_S_MAX)
        attributes = (await shown.house.hass.states())[entity_id]["attributes"]
        assert attributes.get("unit_of_measurement", "") == unit
        heard = decoded(shown.house.listener.last(f"weatherd/everything/garden/{quantity}/attributes"))
        assert heard["value"] == value
        for name in ("value", "quality", "reason", "observed_at"):
            assert attributes[name] == heard[name]


async def test_what_concerns_the_station_is_there(shown: Shown) -> None:
    """Its lag, clock, last restart and version have states, and infrared is there, though nothing was heard."""
    entities = await entities_of(shown)

    async def is_told() -> bool:
        return await shown.house.hass.state_of(entities["lag"]["entity_id"]) != "unknown"

    await eventually(is_told, SETTLED_S_MAX)
    states = await shown.house.hass.states()
    of = {key: states[entities[key]["entity_id"]]["state"] for key in ("lag", "clock", "restart", "version")}
    assert of["lag"].isdigit()
    assert of["clock"] in {"on", "off"}
    assert of["version"] == shown.house.discovery("everything")["device"]["sw_version"]
    assert of["restart"].endswith("+00:00")
    if shown.house.hass.version.has_infrared:
        for key in ("infrared", "remote.infrared"):
            assert states[entities[key]["entity_id"]]["state"] == "unknown"


async def test_an_erroneous_value_is_unknown_and_says_why(shown: Shown) -> None:
    """It is among the attributes, with its quality and the test it failed, and never a state."""
    entity_id = (await entities_of(shown))["garden.relative_humidity"]["entity_id"]
    await shown.observe(relative_humidity=140.0)
    attributes = (await shown.house.hass.until(entity_id, "unknown"))["attributes"]
    assert (attributes["value"], attributes["quality"], attributes["reason"]) == (140.0, "erroneous", "range")
    await shown.observe()
    await shown.house.hass.until(entity_id, "61.27")


async def test_a_missing_value_is_unknown_and_says_why(shown: Shown) -> None:
    """A chip whose checksums are wrong measures nothing, and the reason is among the attributes."""
    entity_id = (await entities_of(shown))["hygrometer.relative_humidity"]["entity_id"]
    bus = shown.station.daemon.parts.bus
    assert bus is not None
    chip = bus._open().chips[0x40]  # type: ignore[attr-defined]
    chip.fault = Fault.BAD_CRC
    attributes = (await shown.house.hass.until(entity_id, "unknown"))["attributes"]
    assert (attributes["value"], attributes["quality"], attributes["reason"]) == (None, "missing", "bad_checksum")
    chip.fault = None


async def test_only_the_entities_of_a_dead_sensor_are_unavailable(shown: Shown) -> None:
    """A chip that answers no more takes its own with it, and brings them back."""
    entities = await entities_of(shown)
    hass = shown.house.hass
    bus = shown.station.daemon.parts.bus
    assert bus is not None
    chip = bus._open().chips[0x23]  # type: ignore[attr-defined]
    light = entities["light.illuminance"]["entity_id"]

    async def gone() -> set[str]:
        states = await hass.states()
        return {key for key, entity in entities.items() if states[entity["entity_id"]]["state"] == "unavailable"}

    async def all_are_there() -> bool:
        return not await gone()

    await eventually(all_are_there, SETTLED_S_MAX)
    chip.unplug_after(0)
    await hass.until(light, "unavailable")
    assert await gone() == {"light.illuminance"}
    chip.fault = None

    async def is_back() -> bool:
        return (await hass.state_of(light)).replace(".", "").isdigit()

    await eventually(is_back, SETTLED_S_MAX)


async def test_statistics_take_each_quantity_and_find_no_fault(shown: Shown) -> None:
    """Whatever has a state class is in the long-term statistics, and its page of problems is empty."""
    entities = await entities_of(shown)
    ours = {entity["entity_id"] for entity in entities.values()}
    counted = {entities[key]["entity_id"] for key, told in shown.components.items() if "state_class" in told}

    async def are_recorded() -> bool:
        return counted <= {one["statistic_id"] for one in await shown.house.hass.ask("recorder/list_statistic_ids")}

    await eventually(are_recorded, SETTLED_S_MAX)
    found = await shown.house.hass.ask("recorder/list_statistic_ids")
    kinds = {one["statistic_id"]: (one.get("mean_type"), one["has_sum"]) for one in found}
    assert kinds.keys() & ours == counted
    arithmetic, circular = 1, 2
    if shown.house.hass.version.has_wind_direction:
        assert kinds[entities["garden.wind_from_direction"]["entity_id"]] == (circular, False)
        assert kinds[entities["garden.rainfall_amount_of_day"]["entity_id"]] == (0, True)
        assert kinds[entities["garden.air_temperature"]["entity_id"]] == (arithmetic, False)
    assert not (await shown.house.hass.ask("recorder/validate_statistics")).keys() & ours


async def test_home_assistant_has_nothing_to_complain_of(shown: Shown) -> None:
    """No line of its log, from a warning on, tells of a station, a sensor, or MQTT."""
    await entities_of(shown)
    words = ("weatherd", "mqtt", "everything", "components.sensor", "recorder")
    complaints = [line for line in shown.house.hass.complaints() if any(word in line for word in words)]
    if shown.house.hass.version.has_wind_direction:
        assert complaints == []
    else:
        assert all("'name': 'garden wind direction'" in line for line in complaints)
