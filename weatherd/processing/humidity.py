"""
What temperature and relative humidity say of the water in the air: pure functions of floats.

Source:
    WMO-No. 8, Guide to Instruments and Methods of Observation, Volume I, Annex 4.B: the Magnus formulas over water
    (-45 to 60 degC) and over ice (-65 to 0.01 degC).
"""

import math

ZERO_CELSIUS_K = 273.15

_AT_ZERO_HPA = 6.112
_WATER = 17.62, 243.12  # without a unit, degC
_ICE = 22.46, 272.62


def saturation_vapour_pressure(temperature_degc: float) -> float:
    """
    Return the saturation vapour pressure over water in hPa, from -45 to 60 degC.

    Also below freezing: relative humidity is reported against water there too (WMO-No. 8, 4.1.4.1).
    """
    slope, origin = _WATER
    return _AT_ZERO_HPA * math.exp(slope * temperature_degc / (origin + temperature_degc))


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
    return dew_point_of(_some_vapour_pressure(temperature_degc, relative_humidity))


def dew_point_of(vapour_pressure_hpa: float) -> float:
    """Return the dew point in degC of air with this partial pressure of water vapour, above 0."""
    return _saturated_at(vapour_pressure_hpa, *_WATER)


def frost_point_temperature(temperature_degc: float, relative_humidity: float) -> float | None:
    """
    Return the temperature at which the air would be saturated over ice.

    Args:
        temperature_degc: As for the dew point.
        relative_humidity: Against water, as for the dew point.

    Returns:
        degC, below the freezing point and above the dew point; None where the dew point is not below 0 degC, for then
        dew falls before there is ice.

    Raises:
        ValueError: If the humidity is 0 or less.
    """
    return frost_point_of(_some_vapour_pressure(temperature_degc, relative_humidity))


def frost_point_of(vapour_pressure_hpa: float) -> float | None:
    """Return the frost point in degC of air with this partial pressure of water vapour, above 0; None as above."""
    frost_point_degc = _saturated_at(vapour_pressure_hpa, *_ICE)
    return frost_point_degc if frost_point_degc < 0 else None


def absolute_humidity(temperature_degc: float, relative_humidity: float) -> float:
    """Return the mass of water vapour in a cubic metre of air in g (WMO-No. 8, Annex 4.B); humidity in %."""
    return absolute_humidity_of(temperature_degc, vapour_pressure(temperature_degc, relative_humidity))


def absolute_humidity_of(temperature_degc: float, vapour_pressure_hpa: float) -> float:
    """Return the mass of water vapour in a cubic metre of air in g, of its partial pressure."""
    return 216.68 * vapour_pressure_hpa / (ZERO_CELSIUS_K + temperature_degc)


def _some_vapour_pressure(temperature_degc: float, relative_humidity: float) -> float:
    if relative_humidity <= 0:
        raise ValueError("air without water has no dew point")
    return vapour_pressure(temperature_degc, relative_humidity)


def _saturated_at(vapour_pressure_hpa: float, slope: float, origin_degc: float) -> float:
    logarithm = math.log(vapour_pressure_hpa / _AT_ZERO_HPA)
    return origin_degc * logarithm / (slope - logarithm)
