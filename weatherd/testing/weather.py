"""
One real day of weather, replayed at the present time of day, and a bus with chips that stand in it.

The day is 2016-01-01 at Alamosa, Colorado (37.70 N, 105.92 W, 2,317 m), a record a minute, as observed by
NOAA's SURFRAD network; public domain. It is cold (-22.9 to -3.1 degC), thin (773.4 to 779.3 hPa) and sunny.
"""

import math
import time
from collections.abc import Callable, Sequence
from importlib import resources

import msgspec

from weatherd.model import Measurement
from weatherd.testing.ads1115 import Ads1115Chip, vane_volt
from weatherd.testing.chips import Bh1750Chip, Bmp280Chip, Htu21dChip, SimulatedBus

MINUTE_MS = 60_000
DAY_MINUTES = 1_440

BMP280_ADDRESS = 0x77
HTU21D_ADDRESS = 0x40
ADS1115_ADDRESS = 0x48
BH1750_ADDRESS = 0x23

DAYLIGHT_LX = 110.0
"""Of a solar radiation of 1 W/m2: 105 to 115 under most skies (Littlefair, Lighting Research & Technology 17, 1985)."""

_FILE = "surfrad-alamosa-2016-01-01.ndjson"


class Minute(msgspec.Struct, frozen=True):
    """What the station's file says of one minute, under our names: solar radiation is negative at night."""

    air_temperature: float = msgspec.field(name="temp_c")
    relative_humidity: float = msgspec.field(name="rh_pct")
    air_pressure: float = msgspec.field(name="press_hpa")
    wind_speed: float = msgspec.field(name="wind_m_s")
    wind_from_direction: float = msgspec.field(name="wind_deg")
    surface_downwelling_shortwave_flux_in_air: float = msgspec.field(name="ghi_w_m2")


class RecordedDay:
    """
    The weather of one day, at any moment of any day.

    Args:
        minutes: One for each minute of the day from 00:00 UTC on.
    """

    def __init__(self, minutes: Sequence[Minute]) -> None:
        if len(minutes) != DAY_MINUTES:
            raise ValueError(f"a day has {DAY_MINUTES} minutes, not {len(minutes)}")
        self._minutes = minutes

    @classmethod
    def load(cls) -> "RecordedDay":
        """Read the day that ships with the package."""
        lines = resources.files("weatherd.testing").joinpath(_FILE).read_bytes()
        return cls(msgspec.json.Decoder(Minute).decode_lines(lines))

    def at(self, epoch_ms: int) -> Measurement:
        """
        Tell the weather at a time of day.

        Args:
            epoch_ms: Milliseconds since 1970 in UTC, of which only the time of day counts.

        Returns:
            Six quantities in their units, interpolated linearly between minutes (directions the shorter
            way round; 0 or more and less than 360), and from 23:59 back to 00:00.
        """
        minute, rest_ms = divmod(epoch_ms, MINUTE_MS)
        here, there = (self._minutes[index % DAY_MINUTES] for index in (minute, minute + 1))
        part = rest_ms / MINUTE_MS
        weather = {
            name: value + part * (getattr(there, name) - value) for name, value in msgspec.structs.asdict(here).items()
        }
        turn = math.remainder(there.wind_from_direction - here.wind_from_direction, 360)
        weather["wind_from_direction"] = (here.wind_from_direction + part * turn) % 360
        return weather


def simulated_bus(
    now_ms: Callable[[], int],
    *,
    day: RecordedDay | None = None,
    monotonic_s: Callable[[], float] = time.monotonic,
) -> SimulatedBus:
    """
    Make a bus with a BMP280 at 0x77, an HTU21D at 0x40, a BH1750 at 0x23, and a wind vane at an ADS1115 at 0x48, in the
    weather of a recorded day.

    Args:
        now_ms: The wall time, UTC. Called on the bus's thread.
        day: The day; None for the one that ships with the package.
        monotonic_s: Seconds that never go back, for the chips' conversions.
    """
    recorded = day or RecordedDay.load()

    def weather() -> Measurement:
        now = recorded.at(now_ms())
        radiation = max(now["surface_downwelling_shortwave_flux_in_air"], 0.0)
        return {**now, "illuminance": DAYLIGHT_LX * radiation}

    return SimulatedBus(
        {
            BMP280_ADDRESS: Bmp280Chip(weather, monotonic_s),
            HTU21D_ADDRESS: Htu21dChip(weather, monotonic_s),
            BH1750_ADDRESS: Bh1750Chip(weather, monotonic_s),
            ADS1115_ADDRESS: Ads1115Chip(lambda _channel: vane_volt(weather()["wind_from_direction"]), monotonic_s),
        }
    )
