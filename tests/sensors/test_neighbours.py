"""What a broken sensor does to the others: nothing. Real buses and lines, on a clock that moves only when all rest."""

import asyncio
import itertools
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from smbus2 import i2c_msg

from tests.fakes import NOON_MS, FakeClock, FakeSensor, recording_log, settle
from weatherd.happenings import Happenings
from weatherd.model import Event, Observation, Station
from weatherd.ports import Sensor
from weatherd.processing.derivation import Derivation
from weatherd.queueing import BoundedQueue
from weatherd.sampling.asked import AskedSampler
from weatherd.sampling.condition import Condition
from weatherd.sampling.forming import Former
from weatherd.sensors import i2c
from weatherd.sensors.anemometer import Anemometer
from weatherd.sensors.circuitpython import Attribute, CircuitPython
from weatherd.sensors.htu21d import Htu21d
from weatherd.sensors.i2c import Bus
from weatherd.testing.chips import SimulatedBus
from weatherd.testing.gpio import SimulatedGpio

LINE = 27
SPAN_S = 30

released = threading.Event()


class Hanging:
    """An adapter whose kernel does not come back until `released`."""

    def i2c_rdwr(self, *i2c_msgs: i2c_msg) -> None:
        released.wait(10)

    def close(self) -> None:
        pass


class Sleeper:
    """A driver that sleeps until `released`."""

    def __init__(self, _bus: Any) -> None:
        pass

    @property
    def temperature(self) -> float:
        released.wait(10)
        return 20.0


class Bench:
    """A healthy barometer beside another sensor."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.queue: BoundedQueue[Observation | Event] = BoundedQueue(1000)
        self.well = FakeSensor("barometer")
        self.tasks: list[asyncio.Task[None]] = []
        self.start(self.well)

    def start(self, sensor: Sensor) -> AskedSampler:
        log, _ = recording_log()
        sampler = AskedSampler(
            sensor,
            self.clock,
            self.queue,
            Former(sensor.name, sensor.model, Derivation(Station("here")), self.clock, {}),
            Condition(sensor.name, self.clock, Happenings(self.queue, self.clock, log)),
            sample_period_s=1.0,
            report_period_s=10.0,
            delays=lambda: itertools.repeat(1.0),
        )
        self.tasks.append(asyncio.create_task(sampler.run()))
        return sampler

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def check_the_neighbour(self) -> list[Observation]:
        """See that nothing of the barometer's is late or missing; return what all have observed."""
        observed = [entry for entry in self.queue.take(1000) if isinstance(entry, Observation)]
        assert self.well.measured_count == SPAN_S
        assert [
            (one.observed_at_ms - NOON_MS, one.recorded_at_ms - NOON_MS, one.statistics["air_pressure"].count)
            for one in observed
            if one.sensor == "barometer"
        ] == [(end_ms, end_ms, 10) for end_ms in range(10_000, SPAN_S * 1000 + 1, 10_000)]
        return observed


@pytest.fixture
def hold(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let whoever waits for `released` go at the end, and be waited for no longer than that takes."""
    monkeypatch.setattr(i2c, "GRACE_S", 10.0)
    released.clear()
    yield
    released.set()


@pytest.mark.usefixtures("hold")
async def test_a_bus_that_hangs_in_the_kernel_delays_no_other_sensor() -> None:
    """Its own sensors wait for it; a sensor elsewhere keeps every tick."""
    bench = Bench()
    bus = Bus(Hanging, "the hanging bus")
    hanging = bench.start(Htu21d(bus, "hygrometer"))
    await bench.clock.advance(SPAN_S)
    assert not hanging.tried.is_set(), "it hangs indeed"
    bench.check_the_neighbour()
    released.set()
    await bench.stop()
    await bus.close()


@pytest.mark.usefixtures("hold")
async def test_a_driver_that_sleeps_delays_no_other_sensor() -> None:
    """Nobody can wake it, and nobody but its own bus has to."""
    bench = Bench()
    bus = Bus(lambda: SimulatedBus({}), "the test bus")
    sleeper = CircuitPython(
        bus,
        "sleeper",
        class_name=f"{__name__}.Sleeper",
        arguments={},
        attributes={"air_temperature": Attribute("temperature")},
        deadline_s=10.0,
    )
    await sleeper.open()
    measuring = asyncio.create_task(sleeper.measure())
    await bench.clock.advance(SPAN_S)
    assert not measuring.done(), "it sleeps indeed"
    bench.check_the_neighbour()
    released.set()
    assert await measuring == {"air_temperature": 20.0}
    await bench.stop()
    await bus.close()


async def test_a_line_that_chatters_at_a_kilohertz_delays_no_other_sensor() -> None:
    """Thirty seconds of a thousand edges each second are read beside the ticks, none lost, none in their way."""
    bench = Bench()
    chip = SimulatedGpio(monotonic_ns=lambda: round(bench.clock.boottime_s() * 1e9))
    wind = Anemometer(chip, "wind", LINE, m_per_s_per_hz=0.6667, debounce_s=0.001, monotonic_ns=chip._monotonic_ns)
    bench.start(wind)
    await settle()
    for _ in range(SPAN_S):
        await bench.clock.advance(1.0)
        chip.pulse(LINE, width_s=0.5, bounces=500, bounce_s=0.499)
    winds = [one for one in bench.check_the_neighbour() if one.sensor == "wind"]
    assert len(winds) == SPAN_S // 10
    assert wind.lost_edges_count == 0
    await bench.stop()
    await wind.close()
