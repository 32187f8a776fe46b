"""Numbers of one quantity, with its unit; a value flagged erroneous is in none of them, for it is not the weather."""

from collections.abc import Iterable

from lens import Json, last, number
from texts import Say

UNITS = {
    "air_temperature": ("°C", 1),
    "relative_humidity": ("%", 0),
    "dew_point_temperature": ("°C", 1),
    "air_pressure_at_mean_sea_level": ("hPa", 1),
    "tendency_of_air_pressure": ("hPa", 1),
    "illuminance": ("lx", 0),
    "rainfall_amount": ("mm", 1),
    "rainfall_amount_of_day": ("mm", 1),
    "rainfall_rate": ("mm/h", 1),
    "surface_downwelling_shortwave_flux_in_air": ("W/m²", 0),
    "wind_speed": ("m/s", 1),
    "wind_speed_of_gust": ("m/s", 1),
    "wind_from_direction": ("°", 0),
}
"""Of each quantity that is shown: its unit as people write it, and the decimals that are shown."""


def last_of(say: Say, quantity: str) -> Json:
    """Return the last value of a quantity that can be trusted."""
    unit, decimals = UNITS[quantity]
    return last(f"weather.{quantity}", say(quantity), where=trusted(quantity), decimals=decimals, unit=unit)


def of(operation: str, quantity: str, label: str) -> Json:
    """Return a number made of the values of a quantity that can be trusted."""
    unit, decimals = UNITS[quantity]
    where = trusted(quantity)
    return number(operation, f"weather.{quantity}", label, where=where, decimals=decimals, unit=unit)


def extreme(say: Say, which: str, quantity: str) -> Json:
    """Return the least or greatest measurement behind the values of a quantity."""
    unit, decimals = UNITS[quantity]
    field = f"statistics.{quantity}.{which}"
    return number(which, field, say(which), where=trusted(quantity), decimals=decimals, unit=unit)


def trusted(quantity: str) -> str:
    """Return KQL for the documents that have a value of a quantity, and not an erroneous one."""
    return f'weather.{quantity}: * and not quality.{quantity}: "erroneous"'


def any_of(values: Iterable[str]) -> str:
    """Return the inside of a KQL list."""
    return " or ".join(f'"{value}"' for value in values)
