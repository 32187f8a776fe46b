"""
Zambretti: what a forecaster of 1915 would say for the next twelve hours. An indication, and no forecast.

It was made for the temperate zones, from pressure at sea level, its tendency, the season and the wind. Those who have
read the instrument differ in its details, and nobody has verified it by more than anecdotes.

Source:
    Negretti and Zambra, patent GB 6276/1915. The three lines and the tendency of 1.6 hPa: "The Zambretti Forecaster",
    integritext.net/DrKFS/zambretti.htm, 2004. Wind and season, as hPa: the slide rule as read by "beteljuice", 2008,
    at the eight main winds.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

PRESSURE_HPA_MIN, PRESSURE_HPA_MAX = 947.0, 1050.0
"""The scale of the instrument; beyond it, it says nothing."""

TENDENCY_HPA = 1.6
"""A change over three hours of at least this much is rising or falling; less is steady."""

_SEASON_HPA = 7.0
_WINDS_HPA = (6.0, 5.0, -0.5, -5.0, -12.0, -6.0, -3.0, 1.5)  # from the north by the east, as felt on the northern half
_SUMMER_MONTHS = range(4, 10)  # of the northern half


class _Line(NamedTuple):
    """One face of the instrument: turn = origin - slope * pressure, and the letter of each turn from the first on."""

    origin: float
    slope: float
    first: int
    letters: str


_FALLING = _Line(127.0, 0.12, 1, "ABDHORUVX")
_STEADY = _Line(144.0, 0.13, 10, "ABEKNPSWXZ")
_RISING = _Line(185.0, 0.16, 20, "ABCFGIJLMQTYZ")

WORDS: Mapping[str, Sequence[str]] = {
    "en": (
        "settled fine",
        "fine weather",
        "becoming fine",
        "fine, becoming less settled",
        "fine, possible showers",
        "fairly fine, improving",
        "fairly fine, possible showers early",
        "fairly fine, showery later",
        "showery early, improving",
        "changeable, mending",
        "fairly fine, showers likely",
        "rather unsettled, clearing later",
        "unsettled, probably improving",
        "showery, bright intervals",
        "showery, becoming less settled",
        "changeable, some rain",
        "unsettled, short fine intervals",
        "unsettled, rain later",
        "unsettled, some rain",
        "mostly very unsettled",
        "occasional rain, worsening",
        "rain at times, very unsettled",
        "rain at frequent intervals",
        "rain, very unsettled",
        "stormy, may improve",
        "stormy, much rain",
    ),
    "pt-BR": (
        "tempo bom e estável",
        "tempo bom",
        "melhorando para tempo bom",
        "bom, ficando menos estável",
        "bom, possíveis pancadas de chuva",
        "razoavelmente bom, melhorando",
        "razoavelmente bom, possíveis pancadas no início",
        "razoavelmente bom, pancadas mais tarde",
        "pancadas no início, melhorando",
        "variável, melhorando",
        "razoavelmente bom, pancadas prováveis",
        "um tanto instável, abrindo mais tarde",
        "instável, provavelmente melhorando",
        "pancadas com aberturas de sol",
        "pancadas, ficando menos estável",
        "variável, alguma chuva",
        "instável, curtos intervalos de sol",
        "instável, chuva mais tarde",
        "instável, alguma chuva",
        "em geral muito instável",
        "chuva ocasional, piorando",
        "chuva às vezes, muito instável",
        "chuva a intervalos frequentes",
        "chuva, muito instável",
        "tempestuoso, pode melhorar",
        "tempestuoso, muita chuva",
    ),
}
"""What the numbers 1 to 26 mean, by language; number 1, the letter A of the instrument, comes first."""


def zambretti(
    sea_level_hpa: float,
    tendency_hpa: float,
    month: int,
    *,
    southern: bool | None = None,
    wind_from_deg: float | None = None,
) -> int | None:
    """
    Return the instrument's letter as a number.

    Args:
        sea_level_hpa: Air pressure at mean sea level.
        tendency_hpa: Its change over three hours.
        month: 1 to 12.
        southern: Whether the station is south of the equator; None if unknown: season and wind do not count then.
        wind_from_deg: Where the wind comes from, 0 to 360, 0 being north; None if unknown or calm.

    Returns:
        1 (settled fine) to 26 (stormy, much rain), as in `WORDS`; None outside of the instrument's scale.
    """
    if not PRESSURE_HPA_MIN <= sea_level_hpa <= PRESSURE_HPA_MAX:
        return None
    line, summer_hpa = _STEADY, 0.0
    if tendency_hpa >= TENDENCY_HPA:
        line, summer_hpa = _RISING, _SEASON_HPA
    elif tendency_hpa <= -TENDENCY_HPA:
        line, summer_hpa = _FALLING, -_SEASON_HPA
    felt_hpa = sea_level_hpa
    if southern is not None:
        if (month in _SUMMER_MONTHS) is not southern:
            felt_hpa += summer_hpa
        if wind_from_deg is not None:
            poleward_deg = wind_from_deg + 180 * southern
            felt_hpa += _WINDS_HPA[round(poleward_deg / 45) % len(_WINDS_HPA)]
    turn = round(line.origin - line.slope * felt_hpa) - line.first
    letter = line.letters[min(max(turn, 0), len(line.letters) - 1)]
    return ord(letter) - ord("A") + 1
