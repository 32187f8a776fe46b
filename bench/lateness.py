"""
How late weatherd is while a chip fails: the event loop, a sensor on the same bus, and one on another.

Everything runs in this process: the real samplers, drivers and buses, on emulated chips. One bus carries a BMP280 and
an HTU21D, of which one is broken; another carries a healthy BMP280. Each fault lasts for a while on a fresh station,
and the first row is the same without a fault, for comparison.

    recognised as    the code of the sensor's latest error, the last one if there were several
    loop lag         a task that sleeps for a millisecond, and looks how much later than that it wakes
    other bus        from the tick of the healthy sensor's period to the first transfer of its measurement
    same bus         the same of the sensor that shares the bus with the broken one, whose turn it must wait for: at
                     most 0.25 s, the deadline of a measurement, unless the kernel does not give the bus back
    skipped          ticks of the two healthy sensors that came too late altogether

The last row is no chip's fault but the kernel's: a transfer that does not come back for longer than the bus waits.
"""

import argparse
import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import structlog
from bench_tools import machine
from smbus2 import i2c_msg

from weatherd.backoff import full_jitter
from weatherd.clock import SystemClock
from weatherd.happenings import Happenings
from weatherd.model import Event, Measurement, Observation, Station
from weatherd.ports import Sensor
from weatherd.processing.derivation import Derivation
from weatherd.queueing import BoundedQueue
from weatherd.sampling.asked import AskedSampler
from weatherd.sampling.condition import Condition
from weatherd.sampling.forming import Former
from weatherd.sensors.bmp280 import Bmp280
from weatherd.sensors.htu21d import Htu21d
from weatherd.sensors.i2c import Bus
from weatherd.testing.chips import Chip, Fault, SimulatedBus
from weatherd.testing.weather import BMP280_ADDRESS, HTU21D_ADDRESS, RecordedDay, simulated_bus

LAG_PERIOD_S = 0.001
SETTLE_S = 1.0
GOAL_MS = 20.0
HANG_S = 3.0


class Case(NamedTuple):
    """A fault: its name, the chip that has it, and what brings it about."""

    name: str
    address: int
    bring_about: Callable[["WatchedBus"], None]


class Result(NamedTuple):
    """What was seen, times in milliseconds; None where nothing was measured at all."""

    recognised_as: str
    loop_lag_ms: float
    other_bus_ms: float | None
    same_bus_ms: float | None
    skipped_count: int


class WatchedBus(SimulatedBus):
    """
    An emulated bus that tells when a chip was first spoken to since its sensor was asked.

    Args:
        bus: The bus whose chips are on this one.
    """

    def __init__(self, bus: SimulatedBus) -> None:
        super().__init__(bus.chips)
        self.first_s: dict[int, float] = {}
        self._free = threading.Event()
        self._free.set()

    def hang(self) -> None:
        """Let no transfer come back for a while."""
        self._free.clear()
        threading.Timer(HANG_S, self._free.set).start()

    def i2c_rdwr(self, *i2c_msgs: i2c_msg) -> None:
        """Transfer messages."""
        self.first_s.setdefault(i2c_msgs[0].addr, time.time())
        self._free.wait()
        super().i2c_rdwr(*i2c_msgs)


class WatchedSensor:
    """
    A sensor that notes how long after each tick its chip is spoken to.

    Args:
        sensor: The sensor.
        adapter: The bus that it is on.
        address: Of its chip.
        period_s: Of its ticks, whole multiples of which they are.
    """

    def __init__(self, sensor: Sensor, adapter: WatchedBus, address: int, period_s: float) -> None:
        self.name = sensor.name
        self.model = sensor.model
        self.quantities = sensor.quantities
        self.lateness_s: list[float] = []
        self._sensor = sensor
        self._adapter = adapter
        self._address = address
        self._period_s = period_s

    async def open(self) -> None:
        """Open the sensor."""
        await self._sensor.open()

    async def measure(self) -> Measurement:
        """Measure, and note when that began."""
        tick_s = time.time() // self._period_s * self._period_s
        self._adapter.first_s.pop(self._address, None)
        try:
            return await self._sensor.measure()
        finally:
            # A measurement that had no transfer is late by all the time that has passed.
            self.lateness_s.append(self._adapter.first_s.get(self._address, time.time()) - tick_s)

    async def close(self) -> None:
        """Close the sensor."""
        await self._sensor.close()

    def worst_ms(self) -> float | None:
        """Return the longest lateness."""
        return max(self.lateness_s) * 1000 if self.lateness_s else None


class Rig:
    """
    Two buses with three sensors, each with its sampler.

    Args:
        day: The weather.
        period_s: From one measurement to the next.
    """

    def __init__(self, day: RecordedDay, period_s: float) -> None:
        self._clock = SystemClock()
        self._period_s = period_s
        self.shared = WatchedBus(simulated_bus(self._clock.now_ms, day=day))
        self.separate = WatchedBus(simulated_bus(self._clock.now_ms, day=day))
        self._buses = [Bus(lambda: self.shared, "bus 1"), Bus(lambda: self.separate, "bus 2")]
        shared, separate = self._buses
        self.sensors = {
            BMP280_ADDRESS: self._watched(Bmp280(shared, "barometer"), self.shared, BMP280_ADDRESS),
            HTU21D_ADDRESS: self._watched(Htu21d(shared, "hygrometer"), self.shared, HTU21D_ADDRESS),
        }
        self.other = self._watched(Bmp280(separate, "other"), self.separate, BMP280_ADDRESS)
        self.samplers = {sensor.name: self._sampler(sensor) for sensor in (*self.sensors.values(), self.other)}

    async def close(self) -> None:
        """Give the buses back."""
        for bus in self._buses:
            await bus.close()

    def _watched(self, sensor: Sensor, adapter: WatchedBus, address: int) -> WatchedSensor:
        return WatchedSensor(sensor, adapter, address, self._period_s)

    def _sampler(self, sensor: Sensor) -> AskedSampler:
        queue: BoundedQueue[Observation | Event] = BoundedQueue(1000)
        log: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
            None, wrapper_class=structlog.make_filtering_bound_logger("critical")
        )
        return AskedSampler(
            sensor,
            self._clock,
            queue,
            Former(sensor.name, sensor.model, Derivation(Station("bench")), self._clock, {}),
            Condition(sensor.name, self._clock, Happenings(queue, self._clock, log)),
            sample_period_s=self._period_s,
            report_period_s=self._period_s,
            delays=partial(full_jitter, 1.0, 60.0),
        )


def main() -> None:
    """Measure each fault, and print a table."""
    parser = argparse.ArgumentParser(description="Measure how late weatherd is while a chip fails.")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each fault (default: %(default)g)")
    parser.add_argument("--period", type=float, default=0.5, help="seconds between measurements (default: %(default)g)")
    parser.add_argument("--only", default="", metavar="WORD", help="measure only faults that have this in their name")
    arguments = parser.parse_args()
    print(f"{machine()}; a measurement each {arguments.period:g} s, worst of {arguments.seconds:g} s\n", flush=True)
    print(_line("fault", "recognised as", "loop lag ms", "other bus ms", "same bus ms", "skipped"))
    print(_line("", "goal", f"< {GOAL_MS:g}", f"< {GOAL_MS:g}", "< 250", "0"), flush=True)
    day = RecordedDay.load()
    for case in cases():
        if arguments.only not in case.name:
            continue
        result = asyncio.run(measure(case, day, arguments.seconds, arguments.period))
        print(
            _line(
                case.name,
                result.recognised_as,
                _ms(result.loop_lag_ms),
                _ms(result.other_bus_ms),
                _ms(result.same_bus_ms),
                str(result.skipped_count),
            ),
            flush=True,
        )


def cases() -> Iterator[Case]:
    """Yield every fault of both chips, and that of the kernel."""
    yield Case("none", HTU21D_ADDRESS, lambda _: None)
    yield Case("HTU21D unplugged in mid-read", HTU21D_ADDRESS, lambda bus: bus.chips[HTU21D_ADDRESS].unplug_after(2))
    for model, address in (("HTU21D", HTU21D_ADDRESS), ("BMP280", BMP280_ADDRESS)):
        for fault in Fault:
            if fault in _faults(address):
                yield Case(f"{model} {fault.name.lower().replace('_', ' ')}", address, partial(_break, address, fault))
    yield Case("transfer hangs in the kernel", HTU21D_ADDRESS, WatchedBus.hang)


async def measure(case: Case, day: RecordedDay, duration_s: float, period_s: float) -> Result:
    """Let a fresh station run, break it, and watch."""
    rig = Rig(day, period_s)
    broken = rig.sensors[case.address]
    (neighbour,) = (sensor for sensor in rig.sensors.values() if sensor is not broken)
    healthy = [rig.samplers[sensor.name] for sensor in (neighbour, rig.other)]
    tasks = [asyncio.create_task(sampler.run()) for sampler in rig.samplers.values()]
    await asyncio.sleep(SETTLE_S)
    for sensor in (neighbour, rig.other):
        sensor.lateness_s.clear()
    skipped_count = sum(sampler.skipped_count for sampler in healthy)
    case.bring_about(rig.shared)
    loop_lag_s = await _worst_lag_s(duration_s)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    error = rig.samplers[broken.name].condition.error
    result = Result(
        recognised_as=error.code if error else "no fault",
        loop_lag_ms=loop_lag_s * 1000,
        other_bus_ms=rig.other.worst_ms(),
        same_bus_ms=neighbour.worst_ms(),
        skipped_count=sum(sampler.skipped_count for sampler in healthy) - skipped_count,
    )
    await rig.close()
    return result


async def _worst_lag_s(duration_s: float) -> float:
    """Return by how much the loop woke a task too late at most."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + duration_s
    worst_s = 0.0
    while (before_s := loop.time()) < end_s:
        await asyncio.sleep(LAG_PERIOD_S)
        worst_s = max(worst_s, loop.time() - before_s - LAG_PERIOD_S)
    return worst_s


def _faults(address: int) -> frozenset[Fault]:
    chips: dict[int, Chip] = dict(simulated_bus(lambda: 0).chips)
    return chips[address].faults


def _break(address: int, fault: Fault, bus: WatchedBus) -> None:
    if fault is Fault.RESET_REGISTERS:
        bus.chips[address].fault = Fault.UNPLUGGED  # for a moment: until then the registers hold the last weather
    bus.chips[address].fault = fault


def _ms(value_ms: float | None) -> str:
    return "-" if value_ms is None else f"{value_ms:.1f}"


def _line(fault: str, code: str, *columns: str) -> str:
    return f"{fault:<30} {code:<26}" + "".join(f"{column:>13}" for column in columns)


if __name__ == "__main__":
    main()
