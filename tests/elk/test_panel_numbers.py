"""
The searches behind each view of the panel, asked of a real Elasticsearch that holds what two stations really sent.

English is asked; test_saved_objects says that both languages ask the same.
"""

import fnmatch
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.elk import lens_search
from tests.elk.engine import Engine
from tests.elk.expected_numbers import EXPECTED, Table, latest
from tests.elk.lens_search import Window
from tests.elk.saved_object_rules import template_fields, unknown_fields, used_fields
from tests.elk.saved_objects import FILES, Panel, layers, map_layers
from tests.elk.two_stations import record

Json = dict[str, Any]

INDEX = "painel"
"""No name of weatherd's: other tests count what those hold."""

TEXT = FILES["en"].read_text(encoding="utf-8")
TEMPLATE = json.loads(Path("config/elk/elasticsearch/index-template.json").read_text(encoding="utf-8"))
MAPPINGS = TEMPLATE["template"]["mappings"]
KNOWN = sorted(template_fields(MAPPINGS))

WINDOWS = {
    "the recorded day": (Window("2016-01-01T00:00:00Z", "2016-01-02T00:00:00Z", "30m"), 1800),
    "the last hour": (Window("now-1h", "now+1m", "1m"), 60),
}
"""Each with the seconds of its automatic interval."""


class Stations(NamedTuple):
    """
    Two stations' documents, and the Elasticsearch that holds them.

    Attributes:
        elasticsearch: With all documents in `INDEX`.
        documents: The same.
    """

    elasticsearch: Engine
    documents: Sequence[Json]

    def within(self, window: Window) -> list[Json]:
        """Return the documents of a time range; the ranges here are the recorded day and what is younger."""
        recorded = window.start < "2017"
        return [one for one in self.documents if (one["@timestamp"] < "2017") == recorded]


@pytest.fixture(scope="module")
def two(elasticsearch: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stations]:
    """Let two stations fill an index that is mapped as the template says."""
    documents = record(tmp_path_factory.mktemp("stations"))
    elasticsearch.put(f"/{INDEX}", {"mappings": MAPPINGS})
    assert set(elasticsearch.create(INDEX, documents)) == {201}
    yield Stations(elasticsearch, documents)
    assert elasticsearch.ask("DELETE", f"/{INDEX}")[0] == 200


def shown(two: Stations, view: str, layer: str, window: Window) -> Table:
    """Return what Kibana would show of a layer: its rows by their groups."""
    lens = next(one for one in Panel(TEXT).lenses() if one["panelIndex"] == view)
    state = layers(lens)[layer]
    query = lens["embeddableConfig"]["attributes"]["state"]["query"]["query"]
    answer = two.elasticsearch.search(INDEX, lens_search.search(state, query, window, KNOWN))
    groups = [name for name in state["columnOrder"] if state["columns"][name]["isBucketed"]]
    numbers = [name for name in state["columnOrder"] if name not in groups]
    return {
        tuple(row[name] for name in groups): {name: row[name] for name in numbers}
        for row in lens_search.rows(state, answer)
    }


def visible(table: Table) -> Table:
    """Return a table without the rows in which there is nothing, or nothing was counted."""
    return {key: row for key, row in table.items() if any(row.values())}


def differences(found: Table, expected: Table) -> list[str]:
    """Tell where two tables differ; of several values that are as late, any will do."""
    wrong = [f"{key}: {found.get(key)} instead of {expected.get(key)}" for key in found.keys() ^ expected.keys()]
    for key in found.keys() & expected.keys():
        for name, value in expected[key].items():
            choices = value if isinstance(value, set) else {value}
            if not any(same(found[key][name], choice) for choice in choices):
                wrong.append(f"{key}: {name} is {found[key][name]} instead of {value}")
    return wrong


def same(found: object, expected: object) -> bool:
    """Tell whether two values are one; averages may differ in what no document holds."""
    if isinstance(found, float | int) and isinstance(expected, float | int):
        return found == pytest.approx(expected, abs=1e-6)
    return found == expected


@pytest.mark.parametrize(("view", "layer"), EXPECTED)
def test_each_view_shows_the_numbers_that_were_sent(two: Stations, view: str, layer: str) -> None:
    """What a search returns for a view is what the documents themselves say, and it is something."""
    something = False
    for window, length_s in WINDOWS.values():
        expected = visible(EXPECTED[view, layer](two.within(window), length_s))
        assert differences(visible(shown(two, view, layer, window)), expected) == []
        something |= any(any(row.values()) for row in expected.values())
    assert something


def test_every_view_is_compared() -> None:
    """No layer of the panel is without numbers to compare with."""
    found = {(lens["panelIndex"], layer) for lens in Panel(TEXT).lenses() for layer in layers(lens)}
    assert found == EXPECTED.keys()
    assert len(list(Panel(TEXT).maps())) == 1


def test_the_map_shows_each_station_where_it_is(two: Stations) -> None:
    """The search of the map returns one document a station, the last one, with its place."""
    source = map_layers(next(Panel(TEXT).maps()))[1]["sourceDescriptor"]
    hits = {"size": source["topHitsSize"], "sort": [{source["sortField"]: source["sortOrder"]}]}
    groups = {"terms": {"field": source["topHitsSplitField"], "size": 10_000}, "aggs": {"last": {"top_hits": hits}}}
    located = {"exists": {"field": source["geoField"]}}
    answer = two.elasticsearch.search(INDEX, {"size": 0, "query": located, "aggs": {"stations": groups}})
    buckets = answer["aggregations"]["stations"]["buckets"]
    found = {one["key"]: one["last"]["hits"]["hits"][0]["_source"] for one in buckets}
    assert {id_: one["station"]["location"]["lat"] for id_, one in found.items()} == {"alamosa": 37.7, "garden": 37.8}
    for id_, one in found.items():
        own = [document for document in two.documents if document["station"]["id"] == id_]
        assert one["@timestamp"] == latest(own, lambda document: document["@timestamp"])


@pytest.mark.parametrize("language", FILES)
def test_each_field_that_is_shown_is_mapped(language: str) -> None:
    """A field that the index template does not map can be neither searched nor shown."""
    assert unknown_fields(FILES[language].read_text(encoding="utf-8"), set(KNOWN)) == []


def test_each_field_that_is_shown_was_really_sent(two: Stations) -> None:
    """Each field of the panel is in a document that weatherd made: no view waits for what nobody sends."""
    sent = {name for document in two.documents for name in names(document)}
    assert [field for field in used_fields(TEXT) if not fnmatch.filter(sent, field)] == []


def names(value: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Return the names of a document's fields; one that holds a place is a field itself."""
    for name, inner in value.items():
        if isinstance(inner, dict) and name != "location":
            yield from names(inner, f"{prefix}{name}.")
        else:
            yield prefix + name


def test_a_changed_number_would_be_seen(two: Stations) -> None:
    """The comparison has teeth: one value that differs by a hundredth makes a difference."""
    window, length_s = WINDOWS["the recorded day"]
    documents = json.loads(json.dumps(two.within(window)))
    first = next(one for one in documents if "air_temperature" in one["weather"])
    first["weather"]["air_temperature"] += 0.01
    expected = EXPECTED["day-air_temperature", "curve"](documents, length_s)
    assert len(differences(shown(two, "day-air_temperature", "curve", window), expected)) == 1
