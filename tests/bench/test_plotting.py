import re
from xml.etree import ElementTree as ET

import pytest
from fitting import fit
from plotting import Panel, Series, scale, svg


@pytest.mark.parametrize(
    ("value_max", "highest", "ticks"),
    [(200.0, 200.0, 5), (1000.0, 1000.0, 6), (0.37, 0.4, 5), (39.84, 40.0, 5), (1.0, 1.0, 6), (0.0, None, 2)],
)
def test_a_scale_ends_at_a_round_tick_that_is_not_below_the_highest_value(
    value_max: float, highest: float | None, ticks: int
) -> None:
    """Zero is at its start, the highest tick at its end."""
    made = scale(value_max, 100.0, 20.0)
    assert highest is None or made.highest == pytest.approx(highest)
    assert (made(0.0), made(made.highest)) == pytest.approx((100.0, 20.0))
    assert len(made.ticks()) == ticks


def test_a_picture_is_well_formed_and_has_each_point() -> None:
    """Names are escaped, and everything lies inside."""
    points = [(1.0, 2.0), (10.0, 4.0), (200.0, 39.0)]
    panel = Panel("cost & sensors", "sensors", "s", [Series(name, points, fit(points)) for name in ("a < b", "c")])
    root = ET.fromstring(svg([panel, panel]))
    width, height = map(float, root.attrib["viewBox"].split()[2:])
    circles = [element for element in root.iter() if element.tag.endswith("circle")]
    assert len(circles) == 12
    for circle in circles:
        assert 0 < float(circle.attrib["cx"]) < width
        assert 0 < float(circle.attrib["cy"]) < height
    assert not re.search(r'"-\d', svg([panel]))
