"""
How warm or cold it feels: pure functions of floats, None outside of the domain for which each was made.

Source:
    Heat index: U.S. National Weather Service, Weather Prediction Center, "The Heat Index Equation" (Rothfusz, NWS
    Technical Attachment SR 90-23, 1990, with both adjustments). Humidex: Masterson and Richardson, Environment Canada,
    1979. Wind chill: Environment Canada and National Weather Service, JAG/TI, 2001.
"""

import math

from weatherd.processing.humidity import ZERO_CELSIUS_K, dew_point_temperature

_HEAT_INDEX_DEGF_MIN = 80.0
_HEAT_INDEX_DEGF_MAX = 122.0  # 50 degC: Steadman's table, which the regression fits, ends there
_HUMIDEX_DEGC_MIN = 20.0
_WIND_CHILL_DEGC_MIN, _WIND_CHILL_DEGC_MAX = -50.0, 10.0
_WIND_CHILL_KM_H_MIN = 4.8


def heat_index(temperature_degc: float, relative_humidity: float) -> float | None:
    """
    Return the heat index of the National Weather Service.

    Args:
        temperature_degc: Air temperature in the shade.
        relative_humidity: In %, 0 to 100.

    Returns:
        degC; None below 80 degF (26.67 degC), where the regression is not defined, and above 50 degC.
    """
    warm_degf = temperature_degc * 9 / 5 + 32
    if not _HEAT_INDEX_DEGF_MIN - 1e-9 <= warm_degf <= _HEAT_INDEX_DEGF_MAX:  # 80 degF in degC is 80 but for a bit
        return None
    simple_degf = 0.5 * (warm_degf + 61 + (warm_degf - 68) * 1.2 + relative_humidity * 0.094)
    simple_degf = (simple_degf + warm_degf) / 2
    felt_degf = simple_degf if simple_degf < _HEAT_INDEX_DEGF_MIN else _rothfusz(warm_degf, relative_humidity)
    return (felt_degf - 32) * 5 / 9


def _rothfusz(t: float, rh: float) -> float:
    """Return the regression and its adjustments, in degF, of a temperature in degF and a humidity in %."""
    index = -42.379 + 2.04901523 * t + 10.14333127 * rh - 0.22475541 * t * rh
    index += -6.83783e-3 * t * t - 5.481717e-2 * rh * rh
    index += 1.22874e-3 * t * t * rh + 8.5282e-4 * t * rh * rh - 1.99e-6 * t * t * rh * rh
    if rh < 13 and t <= 112:  # noqa: PLR2004  -- the bounds stand in the source
        index -= (13 - rh) / 4 * math.sqrt((17 - abs(t - 95)) / 17)
    elif rh > 85 and t <= 87:  # noqa: PLR2004  -- as above
        index += (rh - 85) / 10 * (87 - t) / 5
    return index


def humidex(temperature_degc: float, relative_humidity: float) -> float | None:
    """
    Return the Canadian humidex.

    Args:
        temperature_degc: Air temperature in the shade.
        relative_humidity: In %, above 0.

    Returns:
        Felt like so many degC; None below 20 degC, for a dew point of 0 degC or less, and where it is less than a
        degree above the temperature: Environment Canada does not report it there.
    """
    return humidex_of(temperature_degc, dew_point_temperature(temperature_degc, relative_humidity))


def humidex_of(temperature_degc: float, dew_point_degc: float) -> float | None:
    """Return the humidex of air with this dew point; None as above."""
    if temperature_degc < _HUMIDEX_DEGC_MIN or dew_point_degc <= 0:
        return None
    vapour_hpa = 6.11 * math.exp(5417.753 * (1 / 273.16 - 1 / (dew_point_degc + ZERO_CELSIUS_K)))
    felt_degc = temperature_degc + 5 / 9 * (vapour_hpa - 10)
    return felt_degc if felt_degc >= temperature_degc + 1 else None


def wind_chill(temperature_degc: float, wind_speed: float) -> float | None:
    """
    Return the wind chill temperature.

    Args:
        temperature_degc: Air temperature.
        wind_speed: In m/s, at the 10 m above ground for which the formula was made.

    Returns:
        degC; None above 10 degC and below -50 degC, and for a wind of 4.8 km/h (1.33 m/s) or less.
    """
    speed_km_h = wind_speed * 3.6
    if not _WIND_CHILL_DEGC_MIN <= temperature_degc <= _WIND_CHILL_DEGC_MAX or speed_km_h <= _WIND_CHILL_KM_H_MIN:
        return None
    power = float(speed_km_h**0.16)
    return 13.12 + 0.6215 * temperature_degc - 11.37 * power + 0.3965 * temperature_degc * power
