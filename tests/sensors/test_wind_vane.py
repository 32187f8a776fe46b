"""The wind vane at an emulated ADS1115, on the emulated bus."""

from collections.abc import AsyncIterator

import pytest

from weatherd.errors import AllOnes, AllZeros, DeadlineExceeded, NoAnswer, NoPosition, ResetRegisters, SensorError
from weatherd.processing.vane import VANE_OHMS, divided
from weatherd.sensors.i2c import Bus
from weatherd.sensors.wind_vane import WindVane
from weatherd.testing.ads1115 import Ads1115Chip, vane_volt
from weatherd.testing.chips import Fault, SimulatedBus


class Bench:
    """A vane at channel 2, whose north points to 30 degrees."""

    def __init__(self) -> None:
        self.volts = {2: vane_volt(0.0)}
        self.chip = Ads1115Chip(lambda channel: self.volts.get(channel, 0.0))
        self.bus = Bus(lambda: SimulatedBus({0x48: self.chip}), "the simulated bus")
        self.sensor = WindVane(
            self.bus,
            "vane",
            channel=2,
            supply_v=3.3,
            pull_up_ohm=10_000.0,
            position_ohms=VANE_OHMS,
            north_deg=30.0,
        )


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    await bench.sensor.close()
    await bench.bus.close()


async def test_every_position_comes_through(bench: Bench) -> None:
    """Sixteen directions, turned by where the vane's own north points to."""
    await bench.sensor.open()
    for number, ohm in enumerate(VANE_OHMS):
        bench.volts[2] = divided(ohm, 10_000.0, 3.3)
        assert await bench.sensor.measure() == {"wind_from_direction": (number * 22.5 + 30.0) % 360}


@pytest.mark.parametrize("volt", [0.0, 3.3, -0.01])
async def test_a_broken_cable_is_no_direction(bench: Bench, volt: float) -> None:
    """The chip is still there, and so is the sensor; only the value is missing."""
    await bench.sensor.open()
    bench.volts[2] = volt
    with pytest.raises(NoPosition):
        await bench.sensor.measure()
    bench.volts[2] = vane_volt(90.0)
    assert await bench.sensor.measure() == {"wind_from_direction": 120.0}


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.UNPLUGGED, NoAnswer),
        (Fault.STUCK_BUSY, DeadlineExceeded),
        (Fault.ALL_ONES, AllOnes),
        (Fault.ALL_ZEROS, AllZeros),
        (Fault.RESET_REGISTERS, ResetRegisters),
    ],
)
async def test_a_broken_chip_is_named(bench: Bench, fault: Fault, error: type[SensorError]) -> None:
    """Each way to break has its error, and none is a direction; mended, it measures again."""
    await bench.sensor.open()
    bench.chip.fault = fault
    with pytest.raises(error):
        await bench.sensor.measure()
    bench.chip.fault = None
    await bench.sensor.open()
    assert await bench.sensor.measure() == {"wind_from_direction": 30.0}


@pytest.mark.parametrize("messages", range(5))
async def test_a_chip_unplugged_at_any_transfer_is_never_a_direction(bench: Bench, messages: int) -> None:
    """A configuration, its reading, a result: whichever message is the last."""
    await bench.sensor.open()
    bench.chip.unplug_after(messages)
    with pytest.raises(SensorError):
        await bench.sensor.measure()


async def test_a_missing_chip_is_told_at_the_opening(bench: Bench) -> None:
    """Before the first measurement."""
    bench.chip.fault = Fault.UNPLUGGED
    with pytest.raises(NoAnswer):
        await bench.sensor.open()
