"""The searches that docs/fleet.md has people send, as they stand there, on a day that weatherd really sent."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.elk.day import TEMPLATES, Day
from tests.elk.engine import Engine

PAGE = Path("docs/fleet.md")
BAD = {"doubtful", "erroneous", "inconsistent", "missing"}


def searches() -> list[dict[str, Any]]:
    """Return the bodies of the page's searches; the day is years ago, so the present is left out of them."""
    blocks = re.findall(r"^    POST weatherd-\*/_search\n((?:    .*\n)+)", PAGE.read_text(), re.MULTILINE)
    return [json.loads(re.sub(r'"now-\d+d"', '"1970-01-01"', block)) for block in blocks]


@pytest.fixture(scope="module")
def index(elasticsearch: Engine, day: Day) -> str:
    """Give the name of an index that has the template's fields and the day's documents."""
    template = json.loads((TEMPLATES / "index-template.json").read_text())["template"]
    elasticsearch.put("/fleet", {"mappings": template["mappings"]})
    assert set(elasticsearch.create("fleet", [one.document for one in day.sent])) == {201}
    return "fleet"


def test_the_page_has_three_searches() -> None:
    """Each of them is tried below."""
    assert len(searches()) == 3


def test_who_has_been_silent_for_longest(elasticsearch: Engine, index: str, day: Day) -> None:
    """Each station has the time of its newest document."""
    found = elasticsearch.search(index, searches()[0])["aggregations"]["stations"]["buckets"]
    newest = max(one.document["@timestamp"] for one in day.sent)
    assert [(one["key"], one["last"]["value_as_string"]) for one in found] == [("test", newest)]


def test_what_has_happened(elasticsearch: Engine, index: str, day: Day) -> None:
    """Events are counted by station and action; those that nobody has to look at are left out."""
    (found,) = elasticsearch.search(index, searches()[1])["aggregations"]["stations"]["buckets"]
    sent = Counter(one["event"]["action"] for one in day.documents("weatherd.event"))
    assert sent.pop("station_started") == 1
    left = {name: count for name, count in sent.items() if name not in {"sensor_found", "calibration_changed"}}
    assert {one["key"]: one["doc_count"] for one in found["actions"]["buckets"]} == left
    assert "sensor_lost" in left


def test_what_is_not_to_be_trusted(elasticsearch: Engine, index: str, day: Day) -> None:
    """The share of documents with a value that is not good is that of the documents that were sent."""
    (found,) = elasticsearch.search(index, searches()[2])["aggregations"]["stations"]["buckets"]
    observed = day.documents("weatherd.observation")
    every = Counter(one["sensor"]["name"] for one in observed)
    bad = Counter(one["sensor"]["name"] for one in observed if BAD & set(one["quality"].values()))
    assert {one["key"]: one["doc_count"] for one in found["sensors"]["buckets"]} == every
    assert {one["key"]: one["bad"]["doc_count"] for one in found["sensors"]["buckets"]} == {
        name: bad[name] for name in every
    }
    assert 0 < bad.total() < every.total()
