"""The recorded day: what NOAA observed, at any time of any day."""

import itertools

import pytest

from weatherd.model import QUANTITIES
from weatherd.testing.ads1115 import Ads1115Chip
from weatherd.testing.chips import Bh1750Chip, Bmp280Chip, Htu21dChip
from weatherd.testing.weather import DAY_MINUTES, MINUTE_MS, Minute, RecordedDay, simulated_bus

DAY_MS = 86_400_000
TODAY_MS = 20_780 * DAY_MS


@pytest.fixture(scope="module")
def day() -> RecordedDay:
    return RecordedDay.load()


def still(wind_from_direction: float) -> Minute:
    return Minute(10.0, 50.0, 1000.0, 2.0, wind_from_direction, 0.0)


def test_midnight_is_the_files_first_line(day: RecordedDay) -> None:
    """At 00:00 UTC of any day the first record holds, under our names."""
    assert day.at(TODAY_MS) == {
        "air_temperature": -7.6,
        "relative_humidity": 52.7,
        "air_pressure": 773.5,
        "wind_speed": 3.1,
        "wind_from_direction": 304.7,
        "surface_downwelling_shortwave_flux_in_air": -1.8,
    }


def test_every_name_is_a_quantity_of_the_station(day: RecordedDay) -> None:
    """Nothing in the weather is unknown to the model."""
    assert set(day.at(0)) <= set(QUANTITIES)


def test_between_minutes_values_lie_between(day: RecordedDay) -> None:
    """At 00:00:30 the temperature is the mean of -7.6 and -7.7."""
    assert day.at(TODAY_MS + 30_000)["air_temperature"] == pytest.approx(-7.65)


def test_the_day_begins_again_at_midnight(day: RecordedDay) -> None:
    """Between 23:59 (-8.5 degC) and 00:00 (-7.6 degC) lies their mean."""
    assert day.at(TODAY_MS + DAY_MS - 30_000)["air_temperature"] == pytest.approx(-8.05)
    assert day.at(TODAY_MS + DAY_MS) == day.at(TODAY_MS)


def test_times_before_1970_have_a_time_of_day_too(day: RecordedDay) -> None:
    """A clock that was never set makes weather as well."""
    assert day.at(-30_000) == day.at(DAY_MS - 30_000)


def test_the_extremes_are_those_of_the_source(day: RecordedDay) -> None:
    """The whole day lies within what NOAA observed, and reaches it."""
    temperatures = [day.at(minute * MINUTE_MS)["air_temperature"] for minute in range(DAY_MINUTES)]
    pressures = [day.at(minute * MINUTE_MS)["air_pressure"] for minute in range(DAY_MINUTES)]
    assert (min(temperatures), max(temperatures)) == (-22.9, -3.1)
    assert (min(pressures), max(pressures)) == (773.4, 779.3)


@pytest.mark.parametrize(
    ("first", "second", "middle"), [(350.0, 10.0, 0.0), (10.0, 350.0, 0.0), (90.0, 120.0, 105.0), (350.0, 356.0, 353.0)]
)
def test_the_wind_turns_the_shorter_way(first: float, second: float, middle: float) -> None:
    """Between 350 and 10 deg lies north, not south."""
    day = RecordedDay([still(first), *[still(second)] * (DAY_MINUTES - 1)])
    assert day.at(30_000)["wind_from_direction"] == pytest.approx(middle)


def test_a_day_that_is_not_whole_is_refused() -> None:
    """1,439 minutes are a mistake of whoever made them."""
    with pytest.raises(ValueError, match="a day has 1440 minutes, not 1439"):
        RecordedDay([still(0.0)] * (DAY_MINUTES - 1))


def test_the_simulated_bus_stands_in_the_recorded_day() -> None:
    """A BMP280, an HTU21D, a BH1750 and an ADS1115 in its weather: -7.6 degC at midnight."""
    seconds = itertools.count()
    chips = simulated_bus(lambda: TODAY_MS, monotonic_s=lambda: float(next(seconds))).chips
    chips[0x40].write(b"\xf3")
    word = int.from_bytes(chips[0x40].read(2))
    assert word * 175.72 / 65536 - 46.85 == pytest.approx(-7.6, abs=0.011)
    assert isinstance(chips[0x77], Bmp280Chip)
    assert isinstance(chips[0x40], Htu21dChip)
    assert isinstance(chips[0x23], Bh1750Chip)
    assert isinstance(chips[0x48], Ads1115Chip)
    assert len(chips) == 4
