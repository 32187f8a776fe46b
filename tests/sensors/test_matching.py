from collections.abc import Mapping
from typing import Any

import pytest

from weatherd.sensors.matching import Match, Matching

WANTED: Mapping[str, Match] = {
    "all": {},
    "one": {"id": 1},
    "text": {"id": "1"},
    "true": {"id": True},
    "other": {"id": 2, "model": "A"},
    "same": {"model": "A", "id": 2},
}


@pytest.mark.parametrize(
    ("record", "sensors"),
    [
        ({}, {"all"}),
        ({"id": 1}, {"all", "one"}),
        ({"id": 1.0, "model": "B"}, {"all", "one"}),
        ({"id": "1"}, {"all", "text"}),
        ({"id": True}, {"all", "true"}),
        ({"id": 2}, {"all"}),
        ({"id": 2, "model": "A"}, {"all", "other", "same"}),
        ({"id": [2], "model": {"A": 1}}, {"all"}),
        ({"id": None}, {"all"}),
    ],
)
def test_a_line_is_shown_to_those_who_want_it(record: Mapping[str, Any], sensors: set[str]) -> None:
    """All their fields have the wanted values; a text is no number, true is not 1, and a list is nothing wanted."""
    assert set(Matching(WANTED).sensors(record)) == sensors


def test_it_is_known_how_many_may_want_one_line() -> None:
    """Of those that look at the same fields, only such with the same values do."""
    assert Matching(WANTED).count_max == 4
    assert Matching({str(number): {"id": number} for number in range(200)}).count_max == 1
