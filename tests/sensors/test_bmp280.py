"""The BMP280 through Adafruit's driver, on the emulated bus: true weather comes through, lies have names."""

import time
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weatherd.errors import (
    AllOnes,
    AllZeros,
    DriverFailed,
    ResetRegisters,
    SensorError,
    WrongChip,
)
from weatherd.ports import Sensor
from weatherd.sensors.bmp280 import Bmp280, check_registers
from weatherd.sensors.i2c import Bus
from weatherd.testing.chips import DATASHEET_CALIBRATION, Bmp280Chip, Calibration, SimulatedBus

DATASHEET = {"air_temperature": 128422 / 5120, "air_pressure": 1006.5326}


class Bench:
    """A chip in a settable weather, and the sensor that reads it."""

    def __init__(self, chip: Bmp280Chip | None = None) -> None:
        self.weather = dict(DATASHEET)
        self.chip = chip or Bmp280Chip(lambda: self.weather)
        self.bus = Bus(lambda: SimulatedBus({0x77: self.chip}), "the simulated bus")
        self.sensor: Sensor = Bmp280(self.bus, "barometer")


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    await bench.sensor.close()
    await bench.bus.close()


async def test_the_datasheets_example_comes_through_the_driver(bench: Bench) -> None:
    """Raw words 519888 and 415148 are 25.08 degC and 1006.5326 hPa (datasheet section 3.12)."""
    await bench.sensor.open()
    measurement = await bench.sensor.measure()
    assert measurement["air_temperature"] == pytest.approx(25.08, abs=0.005)
    assert measurement["air_pressure"] == pytest.approx(1006.5327, abs=0.0002)
    assert set(measurement) == set(bench.sensor.quantities)
    assert (bench.sensor.name, bench.sensor.model) == ("barometer", "BMP280")


@pytest.mark.parametrize(
    ("temperature_degc", "pressure_hpa"),
    [(-40, 300), (85, 1100), (-40, 1100), (85, 300), (-0.01, 1013.25), (0, 1013.25), (0.01, 773.4), (-22.9, 779.3)],
)
async def test_weather_comes_through_the_driver(bench: Bench, temperature_degc: float, pressure_hpa: float) -> None:
    """Both ends of the range, and around freezing: back to within the resolution, 0.0025 degC and 0.0016 hPa."""
    bench.weather.update(air_temperature=temperature_degc, air_pressure=pressure_hpa)
    await bench.sensor.open()
    measurement = await bench.sensor.measure()
    assert measurement["air_temperature"] == pytest.approx(temperature_degc, abs=0.0025)
    assert measurement["air_pressure"] == pytest.approx(pressure_hpa, abs=0.0016)


async def test_conversions_are_waited_for_not_asked_for(bench: Bench) -> None:
    """A measurement takes two conversions and fewer than forty messages; asking every 2 ms takes a hundred."""
    await bench.sensor.open()
    bench.chip.unplug_after(40)
    begun_s = time.monotonic()
    await bench.sensor.measure()
    assert time.monotonic() - begun_s > 0.086


@pytest.mark.parametrize(
    ("chip_id", "name", "hint"),
    [
        (0x55, "BMP180", 'driver = "bmp180"'),
        (0x60, "BME280", "adafruit_bme280.basic.Adafruit_BME280_I2C"),
        (0x61, "BME680", "adafruit_bme680.Adafruit_BME680_I2C"),
        (0x56, "early sample", "replace"),
        (0x57, "early sample", "replace"),
        (0x42, "another chip", "configuration"),
    ],
)
async def test_another_chip_is_named(chip_id: int, name: str, hint: str) -> None:
    """The error says what chip it probably is, and the hint what to write for it."""
    bench = Bench(Bmp280Chip(lambda: DATASHEET, chip_id=chip_id))
    with pytest.raises(WrongChip, match=name) as caught:
        await bench.sensor.open()
    assert f"0x{chip_id:02x}" in caught.value.sentence
    assert hint in caught.value.hint
    await bench.bus.close()


@pytest.mark.parametrize(
    ("calibration", "error"),
    [
        (Calibration(0xFFFF, -1, -1, 0xFFFF, *[-1] * 8), AllOnes),
        (Calibration(*[0] * 12), AllZeros),
        (DATASHEET_CALIBRATION._replace(p1=0), DriverFailed),
    ],
)
async def test_a_chip_without_calibration_makes_no_weather(calibration: Calibration, error: type[SensorError]) -> None:
    """Empty trimming words are told by name; what only the driver notices keeps its words."""

    class Untrimmed(Bmp280Chip):
        def _convert(self) -> None:
            self._temperature_word, self._pressure_word = 519888, 415148

    bench = Bench(Untrimmed(lambda: DATASHEET, calibration=calibration))

    async def once() -> None:
        await bench.sensor.open()
        await bench.sensor.measure()

    with pytest.raises(error) as caught:
        await once()
    assert type(caught.value) is error
    await bench.bus.close()


@pytest.mark.parametrize("register", [0xF7, 0xFA])
def test_reset_words_are_no_measurement(register: int) -> None:
    """0x80000 is refused whatever its four unused bits say; its neighbours are weather."""
    for word in ("800000", "80000f"):
        with pytest.raises(ResetRegisters):
            check_registers(register, bytes.fromhex(word))
    for word in ("7ffff0", "800010"):
        check_registers(register, bytes.fromhex(word))


def test_an_idle_status_and_settings_are_not_judged() -> None:
    """Zero is what an idle chip's status says, and settings may be anything."""
    check_registers(0xF3, b"\x00")
    check_registers(0xF5, b"\x00")
    check_registers(0xF4, b"\xff")
    with pytest.raises(AllOnes):
        check_registers(0xF3, b"\xff")


@given(st.integers(0, 2**20 - 1))
def test_every_other_word_is_let_through(word: int) -> None:
    """Of a million words three are refused."""
    data = (word << 4).to_bytes(3)
    if word in {0x80000, 0}:
        with pytest.raises(SensorError):
            check_registers(0xFA, data)
    else:
        check_registers(0xFA, data)
