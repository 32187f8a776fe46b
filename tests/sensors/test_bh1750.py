"""The BH1750 on the emulated bus: from moonlight to full sun, never saturated, and the bus is free in the meantime."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weatherd.errors import AllOnes, NoAnswer
from weatherd.sensors.bh1750 import DAY, NIGHT, SETTINGS, SUN, Bh1750, Setting, next_setting
from weatherd.sensors.bmp280 import Bmp280
from weatherd.sensors.i2c import Bus
from weatherd.testing.chips import Bh1750Chip, Bmp280Chip, Fault, SimulatedBus


class Counting(Bh1750Chip):
    """A chip that notes by which measurement time it was asked."""

    def __init__(self, bench: "Bench") -> None:
        self.times: list[int] = []
        super().__init__(lambda: bench.weather)

    def _write(self, data: bytes) -> None:
        super()._write(data)
        if data and data[0] in self.MEASUREMENTS:
            self.times.append(self._time)


class Bench:
    """A chip in settable light, beside a barometer, and the sensors that read them."""

    def __init__(self) -> None:
        self.weather = {"illuminance": 1000.0, "air_temperature": 20.0, "air_pressure": 1000.0}
        self.chip = Counting(self)
        barometer = Bmp280Chip(lambda: self.weather)
        self.bus = Bus(lambda: SimulatedBus({0x23: self.chip, 0x77: barometer}), "the simulated bus")
        self.sensor = Bh1750(self.bus, "light")
        self.barometer = Bmp280(self.bus, "barometer")

    async def light(self, illuminance_lx: float) -> float:
        self.weather["illuminance"] = illuminance_lx
        return (await self.sensor.measure())["illuminance"]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    await bench.sensor.open()
    yield bench
    await bench.bus.close()


def test_the_settings_are_those_of_the_datasheet() -> None:
    """Counts / 1.2 * 69 / MTreg: 54,612 lx by default, 121,557 lx at most, 0.11 lx at least."""
    assert DAY.full_scale_lx == pytest.approx(54_612.5)
    assert SUN.full_scale_lx == pytest.approx(121_556.9, abs=0.1)
    assert NIGHT.lx_per_count == pytest.approx(0.1132, abs=0.0001)
    assert (NIGHT.longest_s, SUN.longest_s) == (pytest.approx(0.6626, abs=0.0001), pytest.approx(0.0809, abs=0.0001))


async def test_neither_moonlight_nor_the_sun_is_beyond_it(bench: Bench) -> None:
    """0.1 lx is one count of the longest measurement, 100,000 lx does not saturate the shortest."""
    assert await bench.light(0.1) == 0.0
    assert await bench.light(0.1) == pytest.approx(0.1132, abs=0.0001)
    assert await bench.light(100_000) == pytest.approx(100_000, abs=1)
    assert await bench.light(100_000) == pytest.approx(100_000, abs=1)


async def test_a_saturated_measurement_is_taken_again_at_once(bench: Bench) -> None:
    """Sun out of a cloud: the same call gives the true value, and the next one is short from the start."""
    assert await bench.light(90_000) == pytest.approx(90_000, abs=1)
    assert bench.chip.times == [69, 31]
    await bench.light(90_000)
    assert bench.chip.times == [69, 31, 31]


async def test_the_longest_measurement_ends_in_time(bench: Bench) -> None:
    """A lamp in the night costs the long conversion and the short one, less than the second between two samples."""
    await bench.light(1.0)
    begun_s = time.monotonic()
    assert await bench.light(60_000) == pytest.approx(60_000, abs=1)
    assert time.monotonic() - begun_s < 1.0


async def test_in_the_dark_the_next_measurement_is_longer(bench: Bench) -> None:
    """Dusk: from 69 to 254, and by day back again without saturating on the way."""
    await bench.light(1000)
    assert await bench.light(500.03) == pytest.approx(500.03, abs=0.06)
    assert await bench.light(6500) == pytest.approx(6500, abs=0.06)
    await bench.light(6500)
    assert bench.chip.times == [69, 254, 254, 69]


async def test_more_light_than_there_is_under_the_sky_is_no_measurement(bench: Bench) -> None:
    """Beyond 121,557 lx nothing is reported, and the hint speaks of a diffuser."""
    with pytest.raises(AllOnes, match="saturated") as caught:
        await bench.light(150_000)
    assert "diffuser" in caught.value.hint
    assert await bench.light(1000) == pytest.approx(1000, abs=1)


async def test_darkness_is_a_measurement(bench: Bench) -> None:
    """All zeros is 0 lx: the chip has nothing to tell it from a dead line."""
    await bench.light(0.0)
    assert await bench.light(0.0) == 0.0
    bench.chip.fault = Fault.ALL_ZEROS
    assert await bench.light(1000.0) == 0.0


async def test_a_zero_right_after_light_is_asked_for_again(bench: Bench) -> None:
    """A chip whose supply dropped for a moment in the middle of a conversion says zero once."""
    await bench.light(1000)

    async def drop_the_supply() -> None:
        await asyncio.sleep(0.05)
        bench.chip._power_on()

    bench.sensor._setting = DAY
    measured, _ = await asyncio.gather(bench.light(1000), drop_the_supply())
    assert measured == pytest.approx(1000, abs=1)


async def test_an_old_result_never_passes_for_a_new_one(bench: Bench) -> None:
    """A chip that has stopped measuring says darkness, and not the light of the last day for ever."""
    assert await bench.light(1000) == pytest.approx(1000, abs=1)
    bench.chip.fault = Fault.STUCK_BUSY
    assert await bench.light(2000) == 0.0


async def test_the_bus_is_free_while_the_chip_measures(bench: Bench) -> None:
    """In the 0.66 s of a night's measurement the barometer is measured several times."""
    await bench.barometer.open()
    await bench.light(0.0)
    measuring = asyncio.ensure_future(bench.light(0.0))
    measured_count = 0
    while not measuring.done():
        await bench.barometer.measure()
        measured_count += 1
    assert measured_count >= 4


async def test_a_plug_pulled_between_the_two_measurements_is_no_answer(bench: Bench) -> None:
    """The second attempt at a saturated measurement has the same names."""
    bench.chip.unplug_after(6)  # five commands and the first result
    with pytest.raises(NoAnswer):
        await bench.light(90_000)


@given(st.sampled_from(SETTINGS), st.floats(0, 121_000))
def test_any_light_has_a_measurement_that_stays(setting: Setting, illuminance_lx: float) -> None:
    """From whichever setting: the next one does not saturate, and the same light asks for no other."""
    chosen = next_setting(setting, illuminance_lx)
    assert illuminance_lx < chosen.full_scale_lx
    assert next_setting(chosen, illuminance_lx) == chosen


def test_light_in_between_does_not_make_it_change_at_each_sample() -> None:
    """Between half and four fifths of a full scale the chip stays as it is, from either side."""
    assert next_setting(NIGHT, 5000) == NIGHT
    assert next_setting(DAY, 5000) == DAY
    assert next_setting(DAY, 3000) == NIGHT
    assert next_setting(NIGHT, 6500) == DAY
