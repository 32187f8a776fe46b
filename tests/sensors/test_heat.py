import asyncio
import os
from pathlib import Path

import pytest

from tests.fakes import FakeSensor, recording_log
from weatherd.errors import NoAnswer
from weatherd.sensors.heat import CpuThermometer, WithoutHeat

CHIP = {"air_temperature": 25.0, "air_pressure": 1000.0}


class Bench:
    def __init__(self, folder: Path, cpu: str | None = "45000\n") -> None:
        self.path = folder / "temp"
        if cpu is not None:
            self.path.write_text(cpu)
        self.log, self.lines = recording_log()
        self.chip = FakeSensor(quantities=("air_temperature", "air_pressure"), otherwise=CHIP)
        self.thermometer = CpuThermometer(self.log, self.path)
        self.sensor = WithoutHeat(self.chip, self.thermometer, 0.25)


async def test_both_temperatures_are_given(tmp_path: Path) -> None:
    """A board of 25 degC beside a processor of 45 degC is in air of 20 degC, if it takes a quarter of the way."""
    bench = Bench(tmp_path)
    measurement = await bench.sensor.measure()
    assert measurement == {"air_temperature": 20.0, "uncorrected_air_temperature": 25.0, "air_pressure": 1000.0}
    assert measurement.keys() == set(bench.sensor.quantities)


@pytest.mark.parametrize("cpu", [None, "", "warm", "999000", "-60000"], ids=repr)
async def test_without_a_processors_temperature_there_is_no_corrected_one(tmp_path: Path, cpu: str | None) -> None:
    """What the chip says stands under its own name, the pressure goes on, and the log says why, once."""
    bench = Bench(tmp_path, cpu)
    for _ in range(3):
        assert await bench.sensor.measure() == {"uncorrected_air_temperature": 25.0, "air_pressure": 1000.0}
    assert [line["event"] for line in bench.lines] == ["sensors.cpu_heat_unknown"]
    bench.path.write_text("45000")
    assert (await bench.sensor.measure())["air_temperature"] == 20.0


async def test_a_read_that_hangs_is_not_waited_for_and_not_piled_up(tmp_path: Path) -> None:
    """A file that never answers costs each measurement a fifth of a second and one thread in all."""
    bench = Bench(tmp_path, None)
    os.mkfifo(bench.path)
    try:
        for _ in range(2):
            assert "air_temperature" not in await bench.sensor.measure()
        assert bench.lines[0]["message"] == "the processor's temperature cannot be read: no answer in time"
    finally:
        with bench.path.open("w") as fifo:  # lets the one reader go
            fifo.write("45000")
    reading = bench.thermometer._reading
    assert reading is not None
    assert await asyncio.wait_for(reading, 5) == 45.0
    bench.path.unlink()
    bench.path.write_text("45000")
    assert (await bench.sensor.measure())["air_temperature"] == 20.0


async def test_a_sensor_without_a_temperature_is_left_alone(tmp_path: Path) -> None:
    """There is nothing to correct in a measurement of pressure."""
    bench = Bench(tmp_path)
    bench.chip.otherwise = {"air_pressure": 1000.0}
    assert await bench.sensor.measure() == {"air_pressure": 1000.0}


async def test_the_sensors_errors_come_through(tmp_path: Path) -> None:
    """What the chip cannot do, this does not hide; it is opened and closed with it."""
    bench = Bench(tmp_path)
    await bench.sensor.open()
    assert bench.chip.opened_count == 1
    bench.chip.otherwise = NoAnswer("nobody acknowledges at 0x77")
    with pytest.raises(NoAnswer):
        await bench.sensor.measure()
    await bench.sensor.close()
