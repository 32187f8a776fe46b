"""A straight line through points, and how far they are from it; pure."""

import math
from collections.abc import Sequence
from typing import NamedTuple

Point = tuple[float, float]


class Line(NamedTuple):
    """
    The line y = intercept + slope x.

    Attributes:
        slope_error: Standard error of the slope; infinite for fewer than three points.
    """

    intercept: float
    slope: float
    slope_error: float

    def at(self, x: float) -> float:
        """Return the y of an x."""
        return self.intercept + self.slope * x


def fit(points: Sequence[Point]) -> Line:
    """
    Fit a line by least squares.

    Raises:
        ValueError: If there are not two points with different x.
    """
    count = len(points)
    xs, ys = [x for x, _ in points], [y for _, y in points]
    x_mean, y_mean = math.fsum(xs) / max(count, 1), math.fsum(ys) / max(count, 1)
    spread = math.fsum((x - x_mean) ** 2 for x in xs)
    if not spread:
        raise ValueError("a line needs two points with different x")
    slope = math.fsum((x - x_mean) * (y - y_mean) for x, y in points) / spread
    intercept = y_mean - slope * x_mean
    residual = math.fsum((y - intercept - slope * x) ** 2 for x, y in points)
    slope_error = math.sqrt(residual / (count - 2) / spread) if count > 2 else math.inf  # noqa: PLR2004
    return Line(intercept, slope, slope_error)


def deviation(points: Sequence[Point], line: Line) -> float:
    """Return the greatest distance of a point from a line, as a share of the highest y."""
    return max(abs(y - line.at(x)) for x, y in points) / max(y for _, y in points)
