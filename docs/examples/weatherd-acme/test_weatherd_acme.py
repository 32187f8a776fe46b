"""The driver on an emulated chip, as weatherd tests its own; run it with ``python -m pytest``."""

import asyncio

import pytest
from weatherd_acme import Acme

from weatherd.errors import AllOnes, NoAnswer
from weatherd.sensors.i2c import Bus
from weatherd.testing.chips import Chip, Fault, SimulatedBus


class Lm75Chip(Chip):
    """An LM75 as far as it is needed here; it converts faster than anybody asks."""

    faults = frozenset({Fault.UNPLUGGED, Fault.ALL_ONES})

    def _power_on(self) -> None:
        self._pointer = 0

    def _write(self, data: bytes) -> None:
        self._pointer = data[0] if data else self._pointer

    def _read(self, count: int) -> bytes:
        word = round(self._weather()["air_temperature"] * 2) << 7
        return (word.to_bytes(2, signed=True) if self._pointer == 0 else b"\x00").ljust(count, b"\xff")[:count]


def measured(chip: Chip) -> float:
    """Open the sensor and take one measurement."""

    async def once() -> float:
        bus = Bus(lambda: SimulatedBus({0x48: chip}), "the simulated bus")
        sensor = Acme(bus, "shed", {"address": 0x48})
        try:
            await sensor.open()
            return (await sensor.measure())["air_temperature"]
        finally:
            await bus.close()

    return asyncio.run(once())


@pytest.mark.parametrize("temperature_degc", [-55.0, -0.5, 0.0, 0.5, 21.5, 125.0])
def test_the_temperature_comes_through(temperature_degc: float) -> None:
    """Both ends of the range, and around the sign bit."""
    assert measured(Lm75Chip(lambda: {"air_temperature": temperature_degc})) == temperature_degc


@pytest.mark.parametrize(("fault", "error"), [(Fault.UNPLUGGED, NoAnswer), (Fault.ALL_ONES, AllOnes)])
def test_a_fault_has_its_name(fault: Fault, error: type[Exception]) -> None:
    """What is no temperature is never a number."""
    chip = Lm75Chip(lambda: {"air_temperature": 20.0})
    chip.fault = fault
    with pytest.raises(error):
        measured(chip)
