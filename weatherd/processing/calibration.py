"""Calibration: what a sensor says, made right by the offset and slope found beside a better one."""

from collections.abc import Mapping
from typing import NamedTuple

from weatherd.model import Measurement


class Line(NamedTuple):
    """A straight line: calibrated = slope * measured + offset, the offset in the quantity's unit."""

    offset: float = 0.0
    slope: float = 1.0


def calibrate(measurement: Measurement, lines: Mapping[str, Line]) -> Measurement:
    """Apply each quantity's line; a quantity without one stays as it is."""
    if not lines:
        return measurement
    return {
        quantity: value * lines[quantity].slope + lines[quantity].offset if quantity in lines else value
        for quantity, value in measurement.items()
    }
