"""
How each quantity looks to people: its name, unit, class and digits in Home Assistant.

Home Assistant refuses a unit that does not belong to the class, down to its spelling, and a state class that the class
does not allow; a test holds this table against what it accepts.

Source:
    Home Assistant, ``homeassistant/components/sensor/const.py``: DEVICE_CLASS_UNITS, DEVICE_CLASS_STATE_CLASSES.
"""

from collections.abc import Mapping
from typing import NamedTuple

from weatherd.model import QUANTITIES


class Face(NamedTuple):
    """
    One quantity as people see it.

    Attributes:
        name: In English, behind the name of the sensor.
        unit: Spelled as Home Assistant spells it; empty for codes.
        device_class: Empty where none fits.
        state_class: Empty where no statistics make sense: a code has no mean.
        digits: Behind the decimal point, when it is shown.
        icon: Where the device class brings none that fits; else empty.
        is_diagnostic: Whether it stands with what concerns the station rather than the weather.
    """

    name: str
    unit: str
    device_class: str = ""
    state_class: str = "measurement"
    digits: int = 1
    icon: str = ""
    is_diagnostic: bool = False


FACES: Mapping[str, Face] = {
    "air_temperature": Face("air temperature", "°C", "temperature"),
    "relative_humidity": Face("relative humidity", "%", "humidity"),
    "air_pressure": Face("air pressure", "hPa", "atmospheric_pressure"),
    "air_pressure_at_mean_sea_level": Face("air pressure at mean sea level", "hPa", "atmospheric_pressure"),
    "dew_point_temperature": Face("dew point", "°C", "temperature", icon="mdi:thermometer-water"),
    "illuminance": Face("illuminance", "lx", "illuminance", digits=0),
    "rainfall_amount": Face("rainfall", "mm", "precipitation", icon="mdi:weather-rainy"),
    "rainfall_amount_of_day": Face(
        "rainfall of the day", "mm", "precipitation", "total_increasing", icon="mdi:weather-pouring"
    ),
    "rainfall_rate": Face("rainfall rate", "mm/h", "precipitation_intensity"),
    "surface_downwelling_shortwave_flux_in_air": Face("solar radiation", "W/m²", "irradiance", digits=0),
    "wind_speed": Face("wind speed", "m/s", "wind_speed"),
    "wind_speed_of_gust": Face("gust", "m/s", "wind_speed", icon="mdi:weather-windy-variant"),
    # A mean of 350 and 10 degrees is 0: the state class says so, and this class asks for it.
    "wind_from_direction": Face("wind direction", "°", "wind_direction", "measurement_angle", digits=0),
    "frost_point_temperature": Face("frost point", "°C", "temperature", icon="mdi:snowflake-thermometer"),
    # There is a class absolute_humidity since 2025.8; an earlier Home Assistant would refuse the whole entity.
    "mass_concentration_of_water_vapor_in_air": Face("absolute humidity", "g/m³", icon="mdi:water"),
    "heat_index_of_air_temperature": Face("heat index", "°C", "temperature", icon="mdi:sun-thermometer"),
    "humidex": Face("humidex", "°C", "temperature", icon="mdi:sun-thermometer-outline"),
    "wind_chill_of_air_temperature": Face("wind chill", "°C", "temperature", icon="mdi:snowflake-thermometer"),
    "altimeter_setting": Face("altimeter setting", "hPa", "atmospheric_pressure", icon="mdi:airplane"),
    "tendency_of_air_pressure": Face("pressure tendency", "hPa", "atmospheric_pressure", icon="mdi:trending-up"),
    "characteristic_of_pressure_tendency": Face(
        "characteristic of pressure tendency", "", state_class="", digits=0, icon="mdi:chart-line-variant"
    ),
    "zambretti_indication": Face("Zambretti indication", "", state_class="", digits=0, icon="mdi:crystal-ball"),
    "uncorrected_air_temperature": Face("uncorrected air temperature", "°C", "temperature", is_diagnostic=True),
}


def face_of(quantity: str) -> Face:
    """Return how a quantity looks; one that is unknown here, of another version, looks as plain as can be."""
    return FACES.get(quantity) or Face(quantity.replace("_", " "), "", state_class="", digits=2)


def written(quantity: str, value: float) -> str:
    """Write a value as text, with a decimal point and the decimals of its quantity; never ``-0.00``."""
    known = QUANTITIES.get(quantity)
    if known is None:
        return repr(value)
    text = f"{value:.{known.decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text
