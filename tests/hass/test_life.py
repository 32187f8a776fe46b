"""What happens in Home Assistant while a station is killed, silent, or configured anew, and when itself is."""

import contextlib
import os
import signal
from collections.abc import AsyncIterator, Collection
from pathlib import Path

import pytest

from tests.end_to_end.stations import RunningStation, eventually, station
from tests.end_to_end.test_reload import reload
from tests.hass.conftest import SETTLED_S_MAX, House
from weatherd.testing.logstash import LogstashStandIn

pytestmark = [pytest.mark.hass, pytest.mark.asyncio(loop_scope="session")]

SENSORS = """
[i2c]
bus = "simulated"
[[sensors]]
name = "barometer"
driver = "bmp280"
report_period_s = 1.0
[[sensors]]
name = "light"
driver = "bh1750"
report_period_s = 1.0
"""

LIGHT = SENSORS[SENSORS.index('[[sensors]]\nname = "light"') :]

OBSERVED_COUNT = 4
"""Pressure, that at sea level, temperature, and light."""

EXPIRED_S_MAX = 90.0
"""A value is shown for a minute without another one."""


@contextlib.asynccontextmanager
async def living(house: House, folder: Path, id_: str) -> AsyncIterator[RunningStation]:
    """Run a station as a process of its own."""
    sink = f'[sinks.mqtt]\nurl = "{house.broker.url}"\nkeep_alive_s = 600'
    async with LogstashStandIn() as logstash, station(folder, logstash.url, SENSORS, id_=id_, sink=sink) as running:
        yield running


async def states_of(house: House, id_: str, *, diagnostic: bool = True) -> Collection[str]:
    """Return the states of the entities of a station, with those that are diagnostic or without."""
    states = await house.hass.states()
    entities = (await house.hass.entities(id_)).values()
    wanted = [one["entity_id"] for one in entities if diagnostic or one["entity_category"] is None]
    return [states[one]["state"] if one in states else "" for one in wanted]


async def until_all_have_values(house: House, id_: str) -> None:
    """Wait until whatever the station observes has a value."""

    async def have_values() -> bool:
        states = await states_of(house, id_, diagnostic=False)
        return len(states) >= OBSERVED_COUNT and not {"", "unknown", "unavailable"} & set(states)

    await eventually(have_values, SETTLED_S_MAX)


async def until_all_are_unavailable(house: House, id_: str, timeout_s: float = SETTLED_S_MAX) -> None:
    async def are_unavailable() -> bool:
        return set(await states_of(house, id_)) == {"unavailable"}

    await eventually(are_unavailable, timeout_s)


async def test_a_killed_station_is_unavailable_until_its_next_start(house: House, tmp_path: Path) -> None:
    """After kill -9 no entity has a value, and after a start each has one again."""
    async with living(house, tmp_path, "killed") as running:
        await until_all_have_values(house, "killed")
        await running.kill()
        await until_all_are_unavailable(house, "killed")
    async with living(house, tmp_path, "killed"):
        await until_all_have_values(house, "killed")


async def test_a_value_expires_where_nobody_says_that_the_station_is_gone(house: House, tmp_path: Path) -> None:
    """A station that stands still, and that the broker believes in, shows no old value for longer than a minute."""
    async with living(house, tmp_path, "still") as running:
        await until_all_have_values(house, "still")
        os.kill(running.process.pid, signal.SIGSTOP)

        async def have_expired() -> bool:
            return set(await states_of(house, "still", diagnostic=False)) == {"unavailable"}

        await eventually(have_expired, EXPIRED_S_MAX)
        assert house.listener.last("weatherd/still/availability") == b"online"
        os.kill(running.process.pid, signal.SIGCONT)
        await until_all_have_values(house, "still")


async def test_a_sensor_that_left_the_configuration_leaves_the_registry(house: House, tmp_path: Path) -> None:
    """A reload takes its entities away, and the others stay; with its table they come back."""
    async with living(house, tmp_path, "left") as running:
        await until_all_have_values(house, "left")
        before = set(await house.hass.entities("left"))
        await reload(running, LIGHT, "")

        async def are(wanted: Collection[str]) -> bool:
            return set(await house.hass.entities("left")) == wanted

        await eventually(lambda: are(before - {"weatherd.left.light.illuminance"}), SETTLED_S_MAX)
        await reload(running, "[journal]\n", f"{LIGHT}[journal]\n")
        await eventually(lambda: are(before), SETTLED_S_MAX)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
async def test_home_assistant_has_current_values_after_its_own_restart(
    house: House, tmp_path: Path, end: signal.Signals
) -> None:
    """Its birth message brings all of them, however it ended, and no entity twice."""
    id_ = f"born-{end.name.lower()}"
    async with living(house, tmp_path, id_):
        await until_all_have_values(house, id_)
        before = set(await house.hass.entities(id_))
        await house.hass.stop(end)
        topic = f"homeassistant/device/weatherd-{id_}/config"
        told_count = len(house.listener.payloads(topic))
        await house.hass.start()
        await until_all_have_values(house, id_)
        await eventually(lambda: len(house.listener.payloads(topic)) > told_count, SETTLED_S_MAX)
        assert set(await house.hass.entities(id_)) == before
