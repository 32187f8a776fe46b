"""
What station pressure is worth elsewhere, and how it moves: pure functions of floats.

Source:
    WMO-No. 8, Volume I, section 3.11 (reduction to mean sea level); ICAO Doc 7488, Manual of the ICAO Standard
    Atmosphere (QNH); WMO-No. 306, Manual on Codes, Volume I.1, code table 0200 (characteristic of the tendency).
"""

from weatherd.processing.humidity import ZERO_CELSIUS_K

_ICAO_SEA_LEVEL_HPA = 1013.25
_ICAO_SEA_LEVEL_K = 288.15
_ICAO_LAPSE_K_PER_M = 0.0065
_ICAO_EXPONENT = 9.80665 / (287.05287 * _ICAO_LAPSE_K_PER_M)  # g / (R * lapse): 5.2559

_MORE_RAPIDLY = 2.0  # one half has moved more than so many times as far as the other: a change of rate, our choice


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


def altimeter_setting(air_pressure_hpa: float, elevation_m: float) -> float:
    """
    Return QNH: what an altimeter must be set to so that it shows the station's elevation on the ground.

    The ICAO standard atmosphere takes the place of the real one: neither temperature nor humidity counts.

    Args:
        air_pressure_hpa: At the station.
        elevation_m: Of the station above mean sea level, up to 11,000.

    Returns:
        hPa. Not rounded down to a whole one, as a tower would say it.
    """
    share = (air_pressure_hpa / _ICAO_SEA_LEVEL_HPA) ** (1 / _ICAO_EXPONENT)
    share += _ICAO_LAPSE_K_PER_M * elevation_m / _ICAO_SEA_LEVEL_K
    return float(_ICAO_SEA_LEVEL_HPA * share**_ICAO_EXPONENT)


def tendency_characteristic(three_hours_ago_hpa: float, middle_hpa: float, now_hpa: float) -> int:
    """
    Return how the pressure has moved over three hours, as a figure of code table 0200.

    The three pressures are compared in tenths of a hPa, as they are reported. A curve that turns within one of the
    halves is not seen. The table does not say how much faster "more rapidly" is; here it is twice as far.

    Args:
        three_hours_ago_hpa: At the station.
        middle_hpa: An hour and a half ago.
        now_hpa: At the same place.

    Returns:
        0 rising, then falling, now the same or higher; 1 rising, then steady or more slowly; 2 rising; 3 falling or
        steady, then rising, or rising more rapidly, now higher; 4 steady; 5 falling, then rising, now the same or
        lower; 6 falling, then steady or more slowly; 7 falling; 8 rising or steady, then falling, or falling more
        rapidly.
    """
    first, middle, last = (round(pressure_hpa * 10) for pressure_hpa in (three_hours_ago_hpa, middle_hpa, now_hpa))
    before, after = middle - first, last - middle
    if last == first:
        return 4 if before == 0 else 0 if before > 0 else 5
    if last > first:
        return (0, 1, 2, 3)[_shape(before, after)]
    return (5, 6, 7, 8)[_shape(-before, -after)]


def _shape(before: int, after: int) -> int:
    """Return 0 for a rise that turns, 1 one that slackens, 2 a steady one, 3 one that gathers; risen in all."""
    if after < 0:
        return 0
    if before <= 0 or after > _MORE_RAPIDLY * before:
        return 3
    return 1 if before > _MORE_RAPIDLY * after else 2
