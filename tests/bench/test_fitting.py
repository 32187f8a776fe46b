import math

import pytest
from fitting import deviation, fit


def test_points_on_a_line_give_that_line() -> None:
    """Without an error, and without a deviation."""
    points = [(x, 3.0 + 0.5 * x) for x in (1.0, 10.0, 50.0)]
    line = fit(points)
    assert (line.intercept, line.slope) == pytest.approx((3.0, 0.5))
    assert line.slope_error == pytest.approx(0.0, abs=1e-12)
    assert deviation(points, line) == pytest.approx(0.0, abs=1e-12)


def test_the_error_of_the_slope_is_that_of_the_textbook() -> None:
    """Residuals 0.5, -1, 0.5 over a spread of 2, with one degree of freedom."""
    line = fit([(0.0, 0.5), (1.0, 0.0), (2.0, 2.5)])
    assert line.slope == pytest.approx(1.0)
    assert line.slope_error == pytest.approx(math.sqrt(1.5 / 1 / 2))
    assert deviation([(0.0, 0.5), (1.0, 0.0), (2.0, 2.5)], line) == pytest.approx(1.0 / 2.5)


def test_two_points_say_nothing_of_the_error() -> None:
    """It is infinite."""
    assert fit([(0.0, 1.0), (1.0, 2.0)]).slope_error == math.inf


@pytest.mark.parametrize("points", [[], [(1.0, 1.0)], [(1.0, 1.0), (1.0, 2.0)]])
def test_one_place_is_no_line(points: list[tuple[float, float]]) -> None:
    """It is refused."""
    with pytest.raises(ValueError, match="different x"):
        fit(points)
