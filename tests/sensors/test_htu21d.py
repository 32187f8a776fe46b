"""The HTU21D through Adafruit's driver, on the emulated bus: true weather comes through, lies have names."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smbus2 import i2c_msg

from weatherd.errors import AllOnes, AllZeros, BadChecksum, DeadlineExceeded, NoAnswer, NoMeasurement
from weatherd.ports import Sensor
from weatherd.sensors.bmp280 import Bmp280
from weatherd.sensors.htu21d import Htu21d, check_user_register, check_word, crc8
from weatherd.sensors.i2c import Bus
from weatherd.testing.chips import Bmp280Chip, Fault, Htu21dChip, SimulatedBus


class Scripted(Htu21dChip):
    """A chip that gives each command's word from a list, when it has one."""

    words: list[bytes]

    def _word(self) -> bytes:
        return self.words.pop(0) if self.words else super()._word()


class Bench:
    """A chip in a settable weather, and the sensor that reads it."""

    def __init__(self) -> None:
        self.weather = {"air_temperature": 20.0, "relative_humidity": 50.0, "air_pressure": 1000.0}
        self.chip = Scripted(lambda: self.weather)
        self.chip.words = []
        self.barometer = Bmp280Chip(lambda: self.weather)
        self.bus = Bus(lambda: SimulatedBus({0x40: self.chip, 0x77: self.barometer}), "the simulated bus")
        self.sensor: Sensor = Htu21d(self.bus, "roof")


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    await asyncio.sleep(Htu21dChip.RESET_S)
    yield bench
    await bench.sensor.close()
    await bench.bus.close()


@pytest.mark.parametrize(
    ("word", "checksum"), [("dc", 0x79), ("683a", 0x7C), ("4e85", 0x6B), ("0000", 0x00), ("fffc", 0x7E)]
)
def test_checksums_are_those_of_the_datasheet(word: str, checksum: int) -> None:
    """The vectors of the application note."""
    assert crc8(bytes.fromhex(word)) == checksum


async def test_the_datasheets_words_come_through_the_driver(bench: Bench) -> None:
    """683A as a humidity is 44.89 %, 4E85 as a temperature is 7.05 degC."""
    await bench.sensor.open()
    bench.chip.words = [bytes.fromhex("683a7c"), bytes.fromhex("4e856b")]
    measurement = await bench.sensor.measure()
    assert measurement["relative_humidity"] == pytest.approx(44.892, abs=0.001)
    assert measurement["air_temperature"] == pytest.approx(7.046, abs=0.001)
    assert set(measurement) == set(bench.sensor.quantities)
    assert (bench.sensor.name, bench.sensor.model) == ("roof", "HTU21D")


@pytest.mark.parametrize(
    ("temperature_degc", "humidity"), [(-40, 0), (125, 100), (-0.01, 35), (0.01, 99.9), (-22.9, 118), (15, -5)]
)
async def test_weather_comes_through_the_driver(bench: Bench, temperature_degc: float, humidity: float) -> None:
    """Both ends of the range, around freezing, and humidity beyond 0 and 100 %, which is not clipped."""
    bench.weather.update(air_temperature=temperature_degc, relative_humidity=humidity)
    await bench.sensor.open()
    measurement = await bench.sensor.measure()
    assert measurement["air_temperature"] == pytest.approx(temperature_degc, abs=0.011)
    assert measurement["relative_humidity"] == pytest.approx(humidity, abs=0.04)


class WithoutEmptyWrites(SimulatedBus):
    """A bus as on the Pi 5, whose adapter refuses messages of no bytes."""

    def i2c_rdwr(self, *i2c_msgs: i2c_msg) -> None:
        if not all(len(message) for message in i2c_msgs):
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        super().i2c_rdwr(*i2c_msgs)


async def test_an_adapter_without_empty_writes_will_do(bench: Bench) -> None:
    """An idle HTU21D acknowledges no read either, so the driver's own probe would find nobody there."""
    bus = Bus(lambda: WithoutEmptyWrites({0x40: bench.chip}), "the simulated bus")
    sensor = Htu21d(bus, "roof")
    await sensor.open()
    assert (await sensor.measure())["relative_humidity"] == pytest.approx(50.0, abs=0.04)
    bench.chip.fault = Fault.UNPLUGGED
    with pytest.raises(NoAnswer):
        await sensor.open()
    await bus.close()


async def test_a_slow_chip_is_waited_for(bench: Bench) -> None:
    """A chip that takes a third longer than it may is silent for a while, and then measures."""
    bench.chip.slowness = 1.33
    await bench.sensor.open()
    assert (await bench.sensor.measure())["air_temperature"] == pytest.approx(20.0, abs=0.011)


async def test_the_loop_goes_on_while_the_plug_is_pulled_in_mid_read(bench: Bench) -> None:
    """While the driver spins for its whole deadline, the loop gets its turns (bench/lateness.py: how late)."""
    await bench.sensor.open()
    bench.chip.unplug_after(1)
    measuring = asyncio.ensure_future(bench.sensor.measure())
    turns_count = 0
    while not measuring.done():
        await asyncio.sleep(0.001)
        turns_count += 1
    assert isinstance(measuring.exception(), NoAnswer)
    assert turns_count > 10


async def test_a_dead_neighbour_harms_no_measurement(bench: Bench) -> None:
    """While the HTU21D is stuck, the BMP280 on the same bus measures in turn."""
    barometer = Bmp280(bench.bus, "barometer")
    await bench.sensor.open()
    await barometer.open()
    bench.chip.fault = Fault.STUCK_BUSY
    stuck, *measured = await asyncio.gather(
        bench.sensor.measure(), barometer.measure(), barometer.measure(), return_exceptions=True
    )
    assert isinstance(stuck, DeadlineExceeded)
    for measurement in measured:
        assert isinstance(measurement, dict)
        assert measurement["air_pressure"] == pytest.approx(1000.0, abs=0.01)


def word_of(value: int) -> bytes:
    data = value.to_bytes(2)
    return data + bytes([crc8(data)])


WEATHER_WORDS = st.integers(0x0004, 0xFEFF)
"""Every word that can be weather: not a dead line, not beyond the range."""


@given(WEATHER_WORDS)
def test_weather_is_let_through(value: int) -> None:
    """A word with its checksum passes."""
    check_word(word_of(value))


@given(WEATHER_WORDS, st.integers(0, 23))
def test_one_flipped_bit_is_never_weather(value: int, bit: int) -> None:
    """In whichever of the three bytes it is."""
    flipped = (int.from_bytes(word_of(value)) ^ 1 << bit).to_bytes(3)
    with pytest.raises(NoMeasurement):
        check_word(flipped)


def test_one_flipped_bit_of_the_datasheets_word_is_never_weather() -> None:
    """All 24 of 683A 7C, one after the other."""
    for bit in range(24):
        with pytest.raises(BadChecksum):
            check_word((0x683A7C ^ 1 << bit).to_bytes(3))


@pytest.mark.parametrize("value", [0x0000, 0x0001, 0x0002, 0x0003])
def test_zeros_are_a_fault_with_any_status(value: int) -> None:
    """0000 has a valid checksum and means -6 % at -46.85 degC: no weather."""
    with pytest.raises(AllZeros):
        check_word(word_of(value))


@pytest.mark.parametrize("word", [b"\xff\xff\xff", word_of(0xFFFC), word_of(0xFFFE), word_of(0xFF00)])
def test_ones_are_a_fault(word: bytes) -> None:
    """A floating line, the chip's own word for an open circuit, and all that would make the driver spin."""
    with pytest.raises(AllOnes):
        check_word(word)


async def test_a_word_that_makes_the_driver_spin_has_its_name(bench: Bench) -> None:
    """FFFC with its checksum is named when it passes the bus, not at the deadline."""
    await bench.sensor.open()
    bench.chip.words = [word_of(0xFFFC)]
    with pytest.raises(AllOnes):
        await bench.sensor.measure()


async def test_a_flipped_bit_ends_at_the_bus(bench: Bench) -> None:
    """Humidity or temperature: the first bad word ends the measurement."""
    await bench.sensor.open()
    for bit in (0, 9, 23):
        bench.chip.words = [bytes.fromhex("683a7c"), (0x683A7C ^ 1 << bit).to_bytes(3)]
        with pytest.raises(BadChecksum):
            await bench.sensor.measure()


def test_the_user_register_is_neither_ones_nor_zeros() -> None:
    """After a reset it is 02, or 3A with the reserved bits of some chips."""
    check_user_register(0x02)
    check_user_register(0x3A)
    with pytest.raises(AllOnes):
        check_user_register(0xFF)
    with pytest.raises(AllZeros):
        check_user_register(0x00)
