"""
Compare the formulas of derived quantities with MetPy and psychrolib over a grid, and print the greatest differences.

MetPy is large (464 MB with what it needs), so `make oracle` gives it a virtual environment of its own. psychrolib
takes ice below 0 degC, where humidity is reported against water: it is asked above 0 degC only. MetPy's altimeter
setting is that of the Smithsonian tables, for a barometer that stands 0.3 hPa lower than the runway; ICAO has none of
that, so it is taken out.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import metpy
import metpy.calc
import numpy as np
import psychrolib
from metpy.units import units

from weatherd.processing import comfort, humidity, pressure

TEMPERATURES_DEGC = range(-40, 51, 2)
HUMIDITIES = (1, 2, 5, 10, 15, 20, 30, 40, 50, 60, 70, 80, 85, 90, 95, 100)
SPEEDS_M_S = (1.4, 2.0, 5.0, 10.0, 20.0, 30.0)
PRESSURES_HPA = (850.0, 927.3, 1013.25, 1040.0)
ELEVATIONS_M = (-100.0, 0.0, 10.0, 760.0, 1500.0)
SMITHSONIAN_HPA = 0.3

Pair = tuple[float | None, float | None]


def air(above_degc: float = -40.0) -> Iterator[tuple[float, float]]:
    """Yield temperatures from one on, each with every humidity."""
    warm = (float(one) for one in TEMPERATURES_DEGC if one >= above_degc)
    return itertools.product(warm, HUMIDITIES)


def against_metpy() -> Iterator[tuple[str, str, list[Pair]]]:
    """Yield name, unit, and ours beside MetPy's."""
    calc, degc, percent = metpy.calc, units.degC, units.percent
    yield (
        "dew point",
        "degC",
        [
            (
                humidity.dew_point_temperature(t, rh),
                calc.dewpoint_from_relative_humidity(t * degc, rh * percent).m_as("degC"),
            )
            for t, rh in air()
        ],
    )
    yield (
        "vapour pressure over water",
        "%",
        [
            (
                100.0,
                100
                * calc.saturation_vapor_pressure(t * degc, phase="liquid").m_as("hPa")
                / humidity.saturation_vapour_pressure(t),
            )
            for t in map(float, TEMPERATURES_DEGC)
        ],
    )
    yield (
        "heat index",
        "degC",
        [(comfort.heat_index(t, rh), masked(calc.heat_index(t * degc, rh * percent))) for t, rh in air(27.0)],
    )
    yield (
        "wind chill",
        "degC",
        [
            (comfort.wind_chill(t, v), masked(calc.windchill(t * degc, v * units("m/s"))))
            for t, v in itertools.product(map(float, range(-40, 11, 2)), SPEEDS_M_S)
        ],
    )
    yield (
        "QNH, back to the station",
        "hPa",
        [
            (
                p + SMITHSONIAN_HPA,
                calc.altimeter_to_station_pressure(pressure.altimeter_setting(p, h) * units.hPa, h * units.m).m_as(
                    "hPa"
                ),
            )
            for p, h in itertools.product(PRESSURES_HPA, ELEVATIONS_M)
        ],
    )


def masked(quantity: Any) -> float | None:
    """Return MetPy's value in degC; None where it has masked it as undefined."""
    value = np.ma.atleast_1d(quantity.m_as("degC"))
    return None if np.ma.is_masked(value) else float(value[0])


def against_psychrolib() -> Iterator[tuple[str, str, list[Pair]]]:
    """Yield name, unit, and ours beside psychrolib's, above freezing."""
    psychrolib.SetUnitSystem(psychrolib.SI)
    dew_point: Callable[[float, float], float] = psychrolib.GetTDewPointFromRelHum
    points = [(humidity.dew_point_temperature(t, rh), dew_point(t, rh / 100)) for t, rh in air(2.0)]
    yield "dew point", "degC", [(ours, theirs) for ours, theirs in points if theirs > 0]
    yield (
        "vapour pressure",
        "%",
        [(100.0, psychrolib.GetVapPresFromRelHum(t, rh / 100) / humidity.vapour_pressure(t, rh)) for t, rh in air(2.0)],
    )


def show(library: str, name: str, unit: str, pairs: list[Pair]) -> None:
    """Print one line."""
    both = [abs(ours - theirs) for ours, theirs in pairs if ours is not None and theirs is not None]
    alone = sum((ours is None) is not (theirs is None) for ours, theirs in pairs)
    print(
        f"{library:<20} {name:<28} {len(both):>5} points   greatest {max(both):8.4f} {unit:<5} only one has it: {alone}"
    )


if __name__ == "__main__":
    for line in against_metpy():
        show(f"MetPy {metpy.__version__}", *line)
    for line in against_psychrolib():
        show("psychrolib", *line)
