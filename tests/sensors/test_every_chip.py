"""What every chip on the bus promises, whichever it is: true weather comes through, faults have names and pass."""

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest

from tests.sensors.rigs import FAIR, RIGS, Bench
from weatherd.errors import NoAnswer, SensorError
from weatherd.model import QUANTITIES, Measurement
from weatherd.testing.chips import Fault

WHILE_MEASURING = [(name, fault) for name, rig in RIGS.items() for fault in rig.while_measuring]
WHILE_OPENING = [(name, fault) for name, rig in RIGS.items() for fault in rig.while_opening]


@pytest.fixture
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """Give the bench of the chip that the test names."""
    bench = Bench(RIGS[request.param])
    await asyncio.sleep(bench.rig.start_up_s)
    yield bench
    await bench.sensor.close()
    await bench.bus.close()


async def mend(bench: Bench) -> None:
    bench.chip.fault = None
    await asyncio.sleep(bench.rig.start_up_s)


def is_fair(bench: Bench, measurement: Measurement) -> bool:
    return measurement.keys() == bench.rig.tolerance.keys() and all(
        abs(value - FAIR[quantity]) <= bench.rig.tolerance[quantity] for quantity, value in measurement.items()
    )


async def opened_and_measured(bench: Bench) -> Measurement:
    await bench.sensor.open()
    return await bench.sensor.measure()


@pytest.mark.parametrize("bench", RIGS, indirect=True)
async def test_the_weather_comes_through(bench: Bench) -> None:
    """A measurement has every quantity that the sensor promises, each as it is."""
    assert is_fair(bench, await opened_and_measured(bench))
    assert set(bench.sensor.quantities) == set(bench.rig.tolerance)
    assert set(bench.sensor.quantities) <= QUANTITIES.keys()
    assert bench.sensor.name == "chip"
    assert bench.sensor.model.isupper()


@pytest.mark.parametrize(("bench", "fault"), WHILE_MEASURING, indirect=["bench"])
async def test_each_fault_has_its_name_and_passes(bench: Bench, fault: Fault) -> None:
    """A measurement of a broken chip ends with the fault's own error; mended and opened again it measures."""
    await bench.sensor.open()
    bench.chip.fault = fault
    with pytest.raises(SensorError) as caught:
        await bench.sensor.measure()
    assert type(caught.value) is bench.rig.while_measuring[fault]
    assert caught.value.hint
    await mend(bench)
    assert is_fair(bench, await opened_and_measured(bench))


@pytest.mark.parametrize(("bench", "fault"), WHILE_OPENING, indirect=["bench"])
async def test_each_fault_has_its_name_at_the_opening(bench: Bench, fault: Fault) -> None:
    """A chip that is broken from the start is told by name as soon as it speaks."""
    bench.chip.fault = fault
    with pytest.raises(SensorError) as caught:
        await bench.sensor.open()
    assert type(caught.value) is bench.rig.while_opening[fault]
    await mend(bench)
    assert is_fair(bench, await opened_and_measured(bench))


@pytest.mark.parametrize("bench", RIGS, indirect=True)
async def test_a_plug_pulled_at_any_moment_is_no_answer(bench: Bench) -> None:
    """Whichever message is the last, opening and measuring end in time and by name."""
    for messages in itertools.count():
        bench.chip.unplug_after(messages)
        async with asyncio.timeout(10.0):
            try:
                await opened_and_measured(bench)
                break
            except NoAnswer:
                await mend(bench)
    assert messages >= bench.rig.messages


@pytest.mark.parametrize("bench", RIGS, indirect=True)
async def test_closing_needs_no_opening(bench: Bench) -> None:
    """Closing raises nothing, before and after."""
    await bench.sensor.close()
    await bench.sensor.open()
    await bench.sensor.close()
    await bench.sensor.close()
