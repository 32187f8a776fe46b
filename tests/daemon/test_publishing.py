"""A sensor that has fallen silent, as MQTT sees it; all else is in tests/mqtt, with a real broker."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.fakes import FakeClock, quiet_log
from tests.mqtt.brokers import settings_of
from weatherd.daemon import Daemon
from weatherd.daemon.publishing import REQUEUE_MAX, StationNow
from weatherd.model import Arrival
from weatherd.processing.derivable import FROM_HUMIDITY
from weatherd.sampling.asked import AskedSampler
from weatherd.sampling.telling import ToldSampler


async def test_a_source_that_falls_silent_is_no_longer_there(tmp_path: Path) -> None:
    """Nobody is told that a radio sensor has no battery any more: after five minutes it is not there."""
    clock = FakeClock()
    settings = settings_of(tmp_path, "mqtt://127.0.0.1:1")
    daemon = Daemon(settings, quiet_log(), clock=clock, runtime_folder=tmp_path)  # type: ignore[arg-type]  # a fake
    now = StationNow(daemon.parts)

    def is_there() -> bool:
        return next(sensor.is_there for sensor in now.sensors() if sensor.name == "garden")

    assert not is_there()
    garden = daemon.parts.samplers[1]
    assert isinstance(garden, ToldSampler)
    assert len(list(garden.take([Arrival({"air_temperature": 20.0})]))) == 1
    assert is_there()
    await clock.advance(300.0)
    assert is_there()
    await clock.advance(1.0)
    assert not is_there()


@pytest.mark.parametrize("step_s", [86_400.0, -86_400.0])
async def test_a_step_of_the_clock_takes_no_sensor_away_and_keeps_none(tmp_path: Path, step_s: float) -> None:
    """A Pi without a clock battery learns the time after a minute, and nobody is told that all sensors are gone."""
    clock = FakeClock(synchronized=False)
    settings = settings_of(tmp_path, "mqtt://127.0.0.1:1")
    daemon = Daemon(settings, quiet_log(), clock=clock, runtime_folder=tmp_path)  # type: ignore[arg-type]  # a fake
    now = StationNow(daemon.parts)
    garden = daemon.parts.samplers[1]
    assert isinstance(garden, ToldSampler)
    assert len(list(garden.take([Arrival({"air_temperature": 20.0})]))) == 1
    clock.synchronize(step_s)
    assert [sensor.is_there for sensor in now.sensors() if sensor.name == "garden"] == [True]
    await clock.advance(301.0)
    assert [sensor.is_there for sensor in now.sensors() if sensor.name == "garden"] == [False]


async def test_without_a_backlog_the_journal_knows_nothing_of_the_broker(tmp_path: Path) -> None:
    """It holds no position there, so an outage of the broker neither fills it nor has it synced."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    fresh = Daemon(settings_of(tmp_path / "a", "mqtt://a"), quiet_log(), runtime_folder=tmp_path / "a")
    settings = settings_of(tmp_path / "b", "mqtt://a", "backlog = true")
    backlog = Daemon(settings, quiet_log(), runtime_folder=tmp_path / "b")
    assert ([sink.name for sink in fresh.parts.sinks], fresh.parts.forwarders) == ([], [])
    assert [forwarder.sink for forwarder in backlog.parts.forwarders] == [backlog.parts.mqtt]


class Quarantine:
    """A journal as far as its quarantine goes."""

    def __init__(self, refused: Sequence[tuple[int, str, int]]) -> None:
        self.refused = refused
        self.again: dict[str, list[int]] = {}

    async def quarantined_behind(self, row_id: int) -> Sequence[SimpleNamespace]:
        page = [one for one in self.refused if one[0] > row_id][:100]
        return [SimpleNamespace(id=id_, sink=sink, seq=seq) for id_, sink, seq in page]

    async def requeue(self, sink: str, seqs: Sequence[int]) -> int:
        self.again[sink] = list(seqs)
        return len(seqs)


async def test_a_command_takes_only_so_many_out_of_quarantine_and_only_of_sinks_that_there_are() -> None:
    """A hundred thousand that were refused for a mistake would be refused again, for an hour."""
    refused = [(number, "logstash" if number % 2 else "gone", number) for number in range(1, 3 * REQUEUE_MAX)]
    journal = Quarantine(refused)
    forwarders = [SimpleNamespace(sink=SimpleNamespace(name="logstash"))]
    station = StationNow(SimpleNamespace(journal=journal, forwarders=forwarders))  # type: ignore[arg-type]  # a fake
    assert await station.requeue() == REQUEUE_MAX / 2
    assert journal.again == {"logstash": list(range(1, REQUEUE_MAX, 2))}


def observable(folder: Path, change: Callable[[str], str]) -> dict[str, Collection[str] | None]:
    """Return what the sensors of a configuration may observe."""
    settings = settings_of(folder, "mqtt://a", change=change)
    daemon = Daemon(settings, quiet_log(), runtime_folder=folder)
    return {sensor.name: sensor.observable for sensor in StationNow(daemon.parts).sensors()}


def test_what_may_be_observed_follows_from_the_drivers(tmp_path: Path) -> None:
    """Another chip under the name of the first has other quantities, and others follow from them."""
    of_pressure = {"air_pressure", "air_temperature", "tendency_of_air_pressure", "characteristic_of_pressure_tendency"}
    of_humidity = {"relative_humidity", "air_temperature"} | FROM_HUMIDITY
    assert observable(tmp_path, str) == {"barometer": of_pressure, "garden": {"air_temperature"}}
    assert observable(tmp_path, lambda text: text.replace("bmp280", "htu21d"))["barometer"] == of_humidity
    heated = observable(tmp_path, lambda text: text.replace('"bmp280"', '"bmp280"\ncpu_heat = 0.5'))["barometer"]
    assert heated == of_pressure | {"uncorrected_air_temperature"}


def test_what_may_be_observed_follows_from_the_station_and_who_speaks_for_it(tmp_path: Path) -> None:
    """Without its elevation nothing is said of sea level, nor where the wind of another sensor is not asked for."""
    windy = '[derive]\ntemperature = "barometer"\nwind = "garden"\n'
    high = observable(tmp_path, lambda text: text.replace('id = "s"', 'id = "s"\nelevation_m = 10.0'))["barometer"]
    assert high is not None
    assert {"altimeter_setting", "air_pressure_at_mean_sea_level", "zambretti_indication"} <= set(high)
    gusty = observable(tmp_path, lambda text: text.replace('"t" }', '"t", wind_speed = "w" }') + windy)["barometer"]
    assert gusty is not None
    assert "wind_chill_of_air_temperature" in gusty


def test_what_another_packages_driver_may_observe_is_known_when_it_was_opened(tmp_path: Path) -> None:
    """Until then nothing of it is removed."""
    daemon = Daemon(settings_of(tmp_path, "mqtt://a"), quiet_log(), runtime_folder=tmp_path)
    now, sampler = StationNow(daemon.parts), daemon.parts.samplers[0]
    assert isinstance(sampler, AskedSampler)
    sampler._sensor.quantities = ()
    assert now.sensors()[0].observable is None
    sampler._sensor.quantities = ("illuminance",)
    assert now.sensors()[0].observable == {"illuminance"}
