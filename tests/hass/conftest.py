"""For each version: a broker, a Home Assistant that has found it, and a station with all that there is to show."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from tests.end_to_end.stations import eventually
from tests.hass.home_assistant import HomeAssistant, home_assistant
from tests.hass.installed import NEWEST, OLDEST, Version
from tests.mqtt.brokers import Broker, Listener, Station, broker, decoded, listening, publishing
from tests.panel.stations import write_lines
from weatherd.model import QUANTITIES
from weatherd.processing.documents import iso_8601

SETTLED_S_MAX = 30.0

EVERYTHING = """
[station]
id = "everything"
name = "Porto Alegre"
elevation_m = 10.0
[i2c]
bus = "simulated"
[[sensors]]
name = "barometer"
driver = "bmp280"
report_period_s = 1.0
[[sensors]]
name = "hygrometer"
driver = "htu21d"
report_period_s = 1.0
[[sensors]]
name = "light"
driver = "bh1750"
report_period_s = 1.0
[[sensors]]
name = "garden"
driver = "jsonlines"
listen = "{folder}/in.sock"
observed_at = "time"
report_period_s = 0
quantities = {{ {quantities} }}
{infrared}
[journal]
path = "{folder}/journal.db"
[clock]
hold_max_s = 0
[panel]
listen = ""
[sinks.mqtt]
url = "{url}"
delay_s_max = 1.0
"""

INFRARED = """
[[sensors]]
name = "remote"
driver = "infrared"
device = "simulated"
raw = true
home_assistant = true
[infrared]
device = "simulated"
home_assistant = true
"""

WEATHER: Mapping[str, float] = {
    "air_temperature": 24.31,
    "relative_humidity": 61.27,
    "air_pressure": 1011.42,
    "air_pressure_at_mean_sea_level": 1012.63,
    "dew_point_temperature": 16.34,
    "illuminance": 23_451.5,
    "rainfall_amount": 0.254,
    "rainfall_amount_of_day": 3.048,
    "rainfall_rate": 15.24,
    "surface_downwelling_shortwave_flux_in_air": 612.4,
    "wind_speed": 3.27,
    "wind_speed_of_gust": 5.81,
    "wind_from_direction": 137.5,
    "frost_point_temperature": 14.62,
    "mass_concentration_of_water_vapor_in_air": 13.57,
    "heat_index_of_air_temperature": 24.74,
    "humidex": 28.93,
    "wind_chill_of_air_temperature": 23.96,
    "altimeter_setting": 1012.71,
    "tendency_of_air_pressure": -0.83,
    "characteristic_of_pressure_tendency": 7.0,
    "zambretti_indication": 5.0,
    "uncorrected_air_temperature": 26.18,
}
"""One observation of the garden, which observes whatever a sensor can, but for what an infrared receiver does."""


class House(NamedTuple):
    """
    Where a station is shown.

    Attributes:
        broker: The broker.
        hass: The Home Assistant there.
        listener: Somebody who hears everything as well.
    """

    broker: Broker
    hass: HomeAssistant
    listener: Listener

    def discovery(self, station_id: str) -> Mapping[str, Any]:
        """Return what Home Assistant was told of a station, last; of one that told nothing yet, no components."""
        payload = self.listener.last(f"homeassistant/device/weatherd-{station_id}/config")
        told: Mapping[str, Any] = {"components": {}} if payload is None else decoded(payload)
        return told


class Shown(NamedTuple):
    """
    A station with everything, and where it is shown.

    Attributes:
        house: There.
        station: The station.
        components: What Home Assistant was told and can take, by the keys that are in it.
    """

    house: House
    station: Station
    components: Mapping[str, Mapping[str, Any]]

    async def observe(self, **values: float) -> None:
        """Let the garden observe the weather now, with some other values."""
        time = iso_8601(self.station.daemon.parts.clock.now_ms())
        await write_lines(self.station.folder, {"time": time, **WEATHER, **values})


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=[NEWEST, OLDEST], ids=lambda one: one.release)
async def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """Run a broker, and a Home Assistant that has found it."""
    folder: Path = tmp_path_factory.mktemp("house")
    version: Version = request.param
    (folder / "hass").mkdir()
    async with (
        broker(folder) as one,
        listening(one.port) as listener,
        home_assistant(version, folder / "hass", one.port) as hass,
    ):
        yield House(one, hass, listener)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shown(house: House, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shown]:
    """Run a station with every entity there is, until Home Assistant has been told of all of them."""
    folder = tmp_path_factory.mktemp("station")
    text = EVERYTHING.format(
        folder=folder,
        url=house.broker.url,
        quantities=", ".join(f'{name} = "{name}"' for name in QUANTITIES),
        infrared=INFRARED if house.hass.version.has_infrared else "",
    )
    async with publishing(folder, house.broker.url, change=lambda _: text) as station:
        one = Shown(house, station, {})
        await station.connected()
        await one.observe()
        wanted = {*(f"garden.{name}" for name in QUANTITIES), "hygrometer.dew_point_temperature", "light.illuminance"}
        await eventually(lambda: wanted <= house.discovery("everything")["components"].keys(), SETTLED_S_MAX)
        told = house.discovery("everything")["components"]
        refused = set() if house.hass.version.has_wind_direction else {"garden.wind_from_direction"}
        yield one._replace(components={key: component for key, component in told.items() if key not in refused})
