"""
Derived quantities: formulas of the WMO, pure functions of floats.

Source:
    WMO-No. 8, Guide to Instruments and Methods of Observation, Volume I, Annex 4.B (humidity) and
    chapter 3, section 3.11 (reduction of pressure to mean sea level).
"""

import math

ZERO_CELSIUS_K = 273.15


def saturation_vapour_pressure(temperature_degc: float) -> float:
    """
    Return the saturation vapour pressure over water in hPa, from -45 to 60 degC.

    Also below freezing: relative humidity is reported against water there too (WMO-No. 8, 4.1.4.1).
    """
    return 6.112 * math.exp(17.62 * temperature_degc / (243.12 + temperature_degc))


def vapour_pressure(temperature_degc: float, relative_humidity: float) -> float:
    """Return the partial pressure of water vapour in hPa; humidity in %."""
    return saturation_vapour_pressure(temperature_degc) * relative_humidity / 100


def dew_point_temperature(temperature_degc: float, relative_humidity: float) -> float:
    """
    Return the temperature at which the air would be saturated over water.

    Args:
        temperature_degc: Air temperature, -45 to 60 degC.
        relative_humidity: In %, above 0; dry air has no dew point.

    Returns:
        degC, at most the temperature itself up to 100 %.

    Raises:
        ValueError: If the humidity is 0 or less.
    """
    if relative_humidity <= 0:
        raise ValueError("air without water has no dew point")
    logarithm = math.log(vapour_pressure(temperature_degc, relative_humidity) / 6.112)
    return 243.12 * logarithm / (17.62 - logarithm)


def air_pressure_at_mean_sea_level(
    air_pressure_hpa: float, elevation_m: float, temperature_degc: float, vapour_pressure_hpa: float = 0.0
) -> float:
    """
    Reduce station pressure to mean sea level.

    The column of air that is not there is taken to be as warm as `temperature_degc` at its top and 6.5 K/km warmer
    downwards. Give the mean of now and twelve hours ago as temperature and vapour pressure where both are known: with
    the present ones alone the result breathes with the day.

    Args:
        air_pressure_hpa: At the station.
        elevation_m: Of the station above mean sea level.
        temperature_degc: Air temperature at the station.
        vapour_pressure_hpa: At the station; 0 where humidity is unknown, which costs 0.1 hPa at 100 m.

    Returns:
        hPa.
    """
    virtual_k = temperature_degc + ZERO_CELSIUS_K + 0.0065 * elevation_m / 2 + 0.12 * vapour_pressure_hpa
    return float(air_pressure_hpa * 10 ** (0.0148275 * elevation_m / virtual_k))
