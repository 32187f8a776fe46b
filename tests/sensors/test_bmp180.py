"""The BMP180 on the emulated bus: the datasheet's example, every mode, and what only this chip can get wrong."""

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weatherd.errors import AllOnes, AllZeros, BadChecksum, NoMeasurement, ResetRegisters, SensorError, WrongChip
from weatherd.sensors.bmp180 import (
    OVERSAMPLING,
    Bmp180,
    Calibration,
    check_registers,
    compensate_pressure,
    decode_calibration,
    fine_temperature,
)
from weatherd.sensors.bmp280 import Bmp280
from weatherd.sensors.i2c import Bus
from weatherd.testing.chips import Bmp180Chip, Bmp280Chip, Chip, SimulatedBus
from weatherd.testing.chips import bmp180 as emulated

WORDS = Calibration(*emulated.DATASHEET_CALIBRATION)
DATASHEET = {"air_temperature": 14.9971, "air_pressure": 699.632}


def integers_of_the_datasheet(c: Calibration, ut: int, up: int, oss: int) -> tuple[int, int]:
    """Section 3.5, line by line: temperature in 0.1 degC and pressure in Pa. Python's // rounds as the shifts do."""
    x1 = (ut - c.ac6) * c.ac5 // 2**15
    x2 = c.mc * 2**11 // (x1 + c.md)
    b5 = x1 + x2
    b6 = b5 - 4000
    x1 = c.b2 * (b6 * b6 // 2**12) // 2**11
    x2 = c.ac2 * b6 // 2**11
    b3 = (((c.ac1 * 4 + x1 + x2) << oss) + 2) // 4
    x1 = c.ac3 * b6 // 2**13
    x2 = c.b1 * (b6 * b6 // 2**12) // 2**16
    b4 = c.ac4 * ((x1 + x2 + 2) // 4 + 32768) // 2**15
    p = (up - b3) * (50_000 >> oss) * 2 // b4
    x1 = (p // 2**8) * (p // 2**8) * 3038 // 2**16
    x2 = -7357 * p // 2**16
    return (b5 + 8) // 2**4, p + (x1 + x2 + 3791) // 2**4


def test_the_datasheets_example_is_15_degrees_and_69964_pascal() -> None:
    """UT 27898 and UP 23843 (section 3.5), which the datasheet's integers round to whole tenths and pascals."""
    assert integers_of_the_datasheet(WORDS, 27898, 23843, 0) == (150, 69964)
    b5 = fine_temperature(27898, WORDS)
    assert round(b5 / 160, 1) == 15.0
    assert compensate_pressure(23843, b5, WORDS) == pytest.approx(69964, abs=1)


@given(st.floats(-40, 85), st.floats(300, 1100), st.integers(0, 3))
def test_floating_point_is_where_the_datasheets_integers_are(degc: float, hpa: float, oss: int) -> None:
    """Over the whole range and in every mode, to within what the integers lose by rounding: up to 11 Pa."""
    ut = round(emulated.temperature_reading(emulated.DATASHEET_CALIBRATION, degc))
    b5 = fine_temperature(ut, WORDS)
    up = round(emulated.pressure_reading(emulated.DATASHEET_CALIBRATION, b5, hpa) * 2**oss)
    tenths, pascal = integers_of_the_datasheet(WORDS, ut, up, oss)
    assert b5 / 160 == pytest.approx(tenths / 10, abs=0.07)
    assert compensate_pressure(up / 2**oss, b5, WORDS) == pytest.approx(pascal, abs=12)


class Bench:
    """A BMP180 in a settable weather, and the sensor that reads it."""

    def __init__(self, chip: Chip | None = None, oversampling: int = 3) -> None:
        self.weather = dict(DATASHEET)
        self.chip = chip or Bmp180Chip(lambda: self.weather)
        self.bus = Bus(lambda: SimulatedBus({0x77: self.chip}), "the simulated bus")
        self.sensor = Bmp180(self.bus, "barometer", oversampling=oversampling)

    async def measurement(self) -> dict[str, float]:
        await self.sensor.open()
        try:
            return dict(await self.sensor.measure())
        finally:
            await self.bus.close()


@pytest.mark.parametrize(
    ("degc", "hpa"),
    [(-40, 300), (85, 1100), (-40, 1100), (85, 300), (-0.1, 1013.25), (0, 1013.25), (0.1, 773.4), (-22.9, 779.3)],
)
async def test_weather_comes_through(degc: float, hpa: float) -> None:
    """Both ends of the range, and around freezing: back to within half a step of the words, 0.005 degC and 0.01 hPa."""
    bench = Bench()
    bench.weather.update(air_temperature=degc, air_pressure=hpa)
    measurement = await bench.measurement()
    assert measurement["air_temperature"] == pytest.approx(degc, abs=0.005)
    assert measurement["air_pressure"] == pytest.approx(hpa, abs=0.012)


@pytest.mark.parametrize(
    ("mode", "samples_s"),
    [("ultra_low_power", 0.0045), ("standard", 0.0075), ("high_resolution", 0.0135), ("ultra_high_resolution", 0.0255)],
)
async def test_each_mode_waits_for_its_samples_and_resolves_finer(mode: str, samples_s: float) -> None:
    """The wait is the datasheet's, so that hardly any message asks whether the chip is ready."""
    bench = Bench(chip := Bmp180Chip(lambda: DATASHEET), oversampling=OVERSAMPLING[mode])
    await bench.sensor.open()
    bench.chip.unplug_after(30)
    begun_s = time.monotonic()
    measurement = await bench.sensor.measure()
    assert time.monotonic() - begun_s >= 0.0045 + samples_s
    assert chip._control >> 6 == OVERSAMPLING[mode]
    assert measurement["air_pressure"] == pytest.approx(699.632, abs=0.04 / 2 ** OVERSAMPLING[mode] + 0.0001)
    await bench.bus.close()


def check_once(registers: bytes) -> None:
    check_registers(0xAA, registers)
    decode_calibration(registers)


@pytest.mark.parametrize("index", range(11))
@pytest.mark.parametrize(("word", "error"), [(b"\x00\x00", AllZeros), (b"\xff\xff", AllOnes)])
def test_no_calibration_word_is_empty(index: int, word: bytes, error: type[SensorError]) -> None:
    """Any of the eleven that is 0 or FFFF ends the opening: the datasheet's check."""
    registers = bytearray(emulated.DATASHEET_CALIBRATION.registers())
    registers[2 * index : 2 * index + 2] = word
    with pytest.raises(error):
        check_once(bytes(registers))


def test_calibration_words_have_their_signs() -> None:
    """Negative words in two's complement, and AC4 to AC6 without a sign, also above 7FFF."""
    words = WORDS._replace(ac4=0x8001, ac5=0xFFFE, ac6=0x8000)
    assert decode_calibration(emulated.Calibration(*words).registers()) == words


async def test_a_bmp280_in_its_place_is_named() -> None:
    """The hint says what to write for the chip that is there."""
    bench = Bench(Bmp280Chip(lambda: DATASHEET))
    with pytest.raises(WrongChip, match=r"is no BMP180 but a BMP280 \(chip id 0x58\)") as caught:
        await bench.measurement()
    assert 'driver = "bmp280"' in caught.value.hint


async def test_it_is_named_in_the_place_of_a_bmp280() -> None:
    """And the other way round."""
    bus = Bus(lambda: SimulatedBus({0x77: Bmp180Chip(lambda: DATASHEET)}), "the simulated bus")
    with pytest.raises(WrongChip, match=r"is no BMP280 but a BMP180 \(chip id 0x55\)") as caught:
        await Bmp280(bus, "barometer").open()
    assert 'driver = "bmp180"' in caught.value.hint
    await bus.close()


class Flipping(Bmp180Chip):
    """A chip on a bad cable: one bit of one read is changed."""

    flip_read = -1
    flip_bit = 0

    def _read(self, count: int) -> bytes:
        data = super()._read(count)
        self.flip_read -= 1
        if self.flip_read != -1 or self.flip_bit >= 8 * count:
            return data
        return (int.from_bytes(data) ^ 1 << self.flip_bit).to_bytes(count)


@pytest.mark.parametrize("bit", [0, 7, 8, 15, 23])
async def test_one_flipped_bit_is_never_weather(bit: int) -> None:
    """In whichever read of opening and measuring: the weather comes through, or there is none."""
    chip = Flipping(lambda: DATASHEET)
    bench = Bench(chip)
    named = 0
    for read in itertools.count():
        chip.flip_read, chip.flip_bit = read, bit
        try:
            await bench.sensor.open()
            measurement = await bench.sensor.measure()
        except (NoMeasurement, WrongChip):
            named += 1
            continue
        assert measurement["air_pressure"] == pytest.approx(699.632, abs=0.01)
        if chip.flip_read >= 0:
            break
    await bench.bus.close()
    assert named >= (7 if bit < 8 else 2)


async def test_a_changed_bit_of_the_data_is_a_bad_checksum() -> None:
    """What is read twice and differs has its name."""
    chip = Flipping(lambda: DATASHEET)
    bench = Bench(chip)
    await bench.sensor.open()
    chip.flip_read, chip.flip_bit = 1, 9
    with pytest.raises(BadChecksum):
        await bench.sensor.measure()
    await bench.bus.close()


async def test_a_chip_that_was_reset_in_mid_measurement_makes_no_weather() -> None:
    """A drop of the supply leaves 800000 in the registers and no conversion under way."""

    class Browning(Bmp180Chip):
        def _convert(self) -> None:
            self._data = self.RESET_DATA

    bench = Bench(Browning(lambda: DATASHEET))
    with pytest.raises(ResetRegisters):
        await bench.measurement()


def test_reset_data_are_no_measurement_and_its_neighbours_are() -> None:
    """Of 16 million words one is refused."""
    with pytest.raises(ResetRegisters):
        check_registers(0xF6, b"\x80\x00\x00")
    for data in (b"\x80\x00\x20", b"\x7f\xff\xe0", b"\x00\x00\x20", b"\xff\xff\xe0"):
        check_registers(0xF6, data)


def test_an_idle_control_register_is_not_judged() -> None:
    """Zero is what it says after a reset."""
    check_registers(0xF4, b"\x00")
    with pytest.raises(AllOnes):
        check_registers(0xF4, b"\xff")


@pytest.mark.parametrize("ut", [0, 1, 20_283, 20_284])
def test_a_temperature_word_beyond_the_formula_is_refused(ut: int) -> None:
    """It would divide by zero, or turn its sign: 45 degC colder than the chip can be."""
    with pytest.raises(NoMeasurement):
        fine_temperature(ut, WORDS)


@given(st.integers(20_286, 0xFFFF))
def test_every_other_temperature_word_is_a_temperature(ut: int) -> None:
    """The higher the word, the warmer."""
    assert fine_temperature(ut, WORDS) > fine_temperature(ut - 1, WORDS)
