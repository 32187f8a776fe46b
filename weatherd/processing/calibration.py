"""Calibration: what a sensor says, made right by what was found beside a better one."""

import bisect
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from weatherd.model import Measurement

VERSION_LENGTH = 8
"""Hex digits of a calibration's version."""


class Curve(Protocol):
    """What makes a value right."""

    def at(self, measured: float) -> float:
        """Return the true value of a measured one, both in the quantity's unit."""
        ...


class Line(NamedTuple):
    """A straight line: calibrated = slope * measured + offset, the offset in the quantity's unit."""

    offset: float = 0.0
    slope: float = 1.0

    def at(self, measured: float) -> float:
        """Return the true value of a measured one."""
        return measured * self.slope + self.offset


class Points(NamedTuple):
    """
    Straight lines from point to point, the first and the last going on for ever.

    Attributes:
        points: At least two of measured and true value, both strictly increasing.
    """

    points: Sequence[tuple[float, float]]

    def at(self, measured: float) -> float:
        """Return the true value of a measured one."""
        behind = bisect.bisect(self.points, measured, key=lambda point: point[0])
        index = min(max(behind, 1), len(self.points) - 1)
        (x_before, y_before), (x_behind, y_behind) = self.points[index - 1], self.points[index]
        return y_before + (measured - x_before) * (y_behind - y_before) / (x_behind - x_before)


def calibrate(measurement: Measurement, curves: Mapping[str, Curve]) -> Measurement:
    """Apply each quantity's curve; a quantity without one stays as it is."""
    if not curves:
        return measurement
    return {
        quantity: curves[quantity].at(value) if quantity in curves else value for quantity, value in measurement.items()
    }


def version(curves: Mapping[str, Curve], cpu_heat: float = 0.0) -> str:
    """
    Return what tells a sensor's calibration from any other.

    Args:
        curves: By quantity.
        cpu_heat: The share of `without_heat`.

    Returns:
        Eight hex digits; empty if nothing is changed by it.
    """
    if not curves and not cpu_heat:
        return ""
    import hashlib  # noqa: PLC0415  -- it may bring OpenSSL, and is imported with the configuration

    parts = [(quantity, type(curve).__name__, curve) for quantity, curve in sorted(curves.items())]
    return hashlib.sha256(msgspec.json.encode((parts, cpu_heat))).hexdigest()[:VERSION_LENGTH]


def without_heat(temperature_degc: float, cpu_degc: float, share: float) -> float:
    """
    Return the temperature of the air from that of a board which a processor warms.

    The board is warmer than the air by a share of what the processor is warmer than the board.

    Args:
        temperature_degc: What the thermometer on the board says.
        cpu_degc: The processor's own temperature.
        share: Found by comparing with a better thermometer: (said - true) / (cpu - said).

    Returns:
        degC.
    """
    return temperature_degc - share * (cpu_degc - temperature_degc)
