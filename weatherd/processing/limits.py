"""
Limits: what a value, and its change, may be before quality control doubts it.

Sources:
    WMO-No. 8, Guide to Instruments and Methods of Observation, and I. Zahumensky, Guidelines on Quality Control
    Procedures for Data from Automatic Weather Stations (WMO CBS, 2004): the ranges, steps and least changes of air
    temperature, dew point, humidity, station pressure, wind and rainfall, and the upper limit of solar radiation.
    The other limits say beside them where they come from.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from weatherd.model import QUANTITIES, Reduction

RANGE = "range"
"""The reason of what is outside of what is plausible."""


AMOUNTS = frozenset(name for name, quantity in QUANTITIES.items() if quantity.reduction is Reduction.SUM)
"""Quantities that add up: no sample is left out of a sum, and none is missing from it because it came late."""


class Range(NamedTuple):
    """What is plausible, both ends included, in the quantity's unit."""

    min: float = -math.inf
    max: float = math.inf


class Limits(NamedTuple):
    """
    The limits of one quantity, in its unit.

    Attributes:
        min: The least plausible value.
        max: The greatest plausible value; of an amount, the most within one minute.
        step: The change within a minute beyond which a value is erroneous; None without this test.
        step_doubtful: The change within a minute beyond which it is doubtful; None without this test.
        least_change: What must change within an hour, else the value is doubtful; None without this test.
        calm: Where the mean of the hour is not above this, nothing needs to change.
    """

    min: float = -math.inf
    max: float = math.inf
    step: float | None = None
    step_doubtful: float | None = None
    least_change: float | None = None
    calm: float = -math.inf


LIMITS: Mapping[str, Limits] = {
    "air_temperature": Limits(-80, 60, step=3, least_change=0.1),
    "relative_humidity": Limits(0, 100, step=15, step_doubtful=10, least_change=1),
    "air_pressure": Limits(500, 1100, step=2, step_doubtful=0.5, least_change=0.1),
    # From sensors that reduce it themselves. Records: 870 hPa (Typhoon Tip, 1979), 1085 hPa (Tosontsengel, 2001).
    "air_pressure_at_mean_sea_level": Limits(850, 1100),
    "dew_point_temperature": Limits(-80, 35),
    # Above the atmosphere the sun gives about 130,000 lx; for moments, the edges of bright clouds add half of it.
    "illuminance": Limits(0, 200_000),
    "rainfall_amount": Limits(0, 40),
    "rainfall_rate": Limits(0, 2400),  # the amount's 40 mm in a minute
    "rainfall_amount_of_day": Limits(0, 1825),  # record: 1,825 mm in 24 hours (Foc-Foc, 1966)
    # At night a thermopile shows its own cooling: up to 30 W/m2 in the lowest class (ISO 9060, zero offset A).
    "surface_downwelling_shortwave_flux_in_air": Limits(-30, 1600),
    # The wind of a calm hour need not change: the guidelines ask for more than 0.1 m/s on average.
    "wind_speed": Limits(0, 75, step=20, step_doubtful=10, least_change=0.5, calm=0.1),
    "wind_speed_of_gust": Limits(0, 120),  # the range of wind speed is that of means; record: 113 m/s (Barrow, 1996)
    "wind_from_direction": Limits(0, 360),
}
"""By quantity. A station may narrow them, not widen them."""


def sample_ranges(limits: Mapping[str, Limits]) -> Mapping[str, Range]:
    """Return the range of every quantity whose single samples are tested: an amount is judged as a whole."""
    return {quantity: Range(its.min, its.max) for quantity, its in limits.items() if quantity not in AMOUNTS}


Given = Mapping[str, float | bool | None]
"""What a station gives of `Limits`, by field: None keeps the standard's, False turns a test off."""


def narrowed(standard: Limits, given: Given) -> Limits:
    """Return limits with what a station gives in their place."""
    replaced: dict[str, Any] = {
        key: None if value is False else float(value) for key, value in given.items() if value is not None
    }
    return standard._replace(**replaced)


def wider(standard: Limits, given: Given) -> Iterator[tuple[str, str]]:
    """Yield each limit that is wider than the standard's, with what was found and what is allowed."""
    narrow = narrowed(standard, {key: given[key] for key in ("min", "max")})
    for key in ("min", "max"):
        if (value := given[key]) is None:
            continue
        if not standard.min <= value <= standard.max:
            yield key, f"found {value}; allowed is a number from {standard.min} to {standard.max}"
        elif narrow.min >= narrow.max:
            yield key, f"found {value}; min must be less than max, which are {narrow.min} and {narrow.max}"
    for key, bound, is_least in (
        ("step", standard.step, False),
        ("step_doubtful", standard.step_doubtful or standard.step, False),
        ("least_change", standard.least_change, True),
    ):
        if (value := given[key]) is None or value is False:
            continue
        if bound is None:
            yield key, "there is no such test of this quantity"
        elif is_least and value < bound:
            yield key, f"found {value}; allowed is false or a number of at least {bound}"
        elif not is_least and value > bound:
            yield key, f"found {value}; allowed is false or a number above 0 and up to {bound}"
