import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from tests.elk.day import TEMPLATES, Day, through_the_filter
from tests.elk.engine import Engine
from tests.elk.test_pipeline import OURS, of_body
from weatherd.model import QUANTITIES, Reduction

TEMPLATE = json.loads((TEMPLATES / "index-template.json").read_text())
FOREIGN = json.loads((TEMPLATES / "foreign-template.json").read_text())
PROPERTIES = TEMPLATE["template"]["mappings"]["properties"]


def leaves(document: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every field of a document as Elasticsearch counts them: a place, and all labels, are one."""
    for name, value in document.items():
        if isinstance(value, dict) and path + name not in ("station.location", "labels"):
            yield from leaves(value, f"{path}{name}.")
        else:
            yield path + name, value


def mapped(properties: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Yield every field of a mapping."""
    for name, field in properties.items():
        if "properties" in field:
            yield from mapped(field["properties"], f"{path}{name}.")
        else:
            yield path + name


@pytest.fixture(scope="module")
def loaded(elasticsearch: Engine, day: Day) -> Engine:
    """Give an engine that has both templates and the day; without the lifecycle, which this engine has not."""
    del TEMPLATE["template"]["settings"]["index"]["lifecycle"]
    elasticsearch.put("/_index_template/weatherd", TEMPLATE)
    elasticsearch.put("/_index_template/foreign-weatherd", FOREIGN)
    assert set(elasticsearch.deliver(day.sent)) == {201}
    return elasticsearch


def aggregated(engine: Engine, aggregations: Mapping[str, Any]) -> Any:
    return engine.search("weatherd-*", {"size": 0, "aggs": aggregations})["aggregations"]


def count(engine: Engine) -> int:
    status, answer = engine.ask("GET", "/weatherd-*/_count")
    assert status == 200
    return int(answer["count"])


def test_every_quantity_is_mapped_with_its_decimals() -> None:
    """A quantity's value, extremes, counts, flag and reason each have a field, as precise as documents are."""
    for name, quantity in QUANTITIES.items():
        number = {"type": "scaled_float", "scaling_factor": 10**quantity.decimals}
        if quantity.reduction is Reduction.LAST:
            number = {"type": "byte"}
        spread = PROPERTIES["statistics"]["properties"][name]["properties"]
        assert PROPERTIES["weather"]["properties"][name] == spread["min"] == spread["max"] == number
        assert {spread[field]["type"] for field in ("count", "rejected", "total")} == {"long"}
        for flags in ("quality", "quality_reasons"):
            assert PROPERTIES[flags]["properties"][name]["type"] == "keyword"
    for fields in ("weather", "statistics", "quality", "quality_reasons"):
        assert PROPERTIES[fields]["properties"].keys() == QUANTITIES.keys(), "and nothing else has one"


def test_every_index_of_weather_gets_the_lifecycle() -> None:
    """The template names the policy that lifecycle.json is loaded as, and the policy never makes an index read-only."""
    settings = json.loads((TEMPLATES / "index-template.json").read_text())["template"]["settings"]
    assert settings["index"]["lifecycle"] == {"name": "weatherd"}
    phases = json.loads((TEMPLATES / "lifecycle.json").read_text())["policy"]["phases"]
    actions = {action for phase in phases.values() for action in phase["actions"]}
    assert actions == {"set_priority", "migrate", "delete"}
    assert phases["warm"]["actions"]["migrate"] == {"enabled": False}


def test_a_day_has_every_quantity_and_every_dataset(day: Day) -> None:
    """What the tests below find is about all that weatherd sends."""
    values = {name for one in day.sent for name in one.document.get("weather", {})}
    assert values == QUANTITIES.keys()
    datasets = {one.document["event"]["dataset"] for one in day.sent}
    assert datasets == {"weatherd.observation", "weatherd.observation.reduced", "weatherd.event"}
    fields = {field for one in day.sent for field, _ in leaves(one.document)}
    single = {field for field in mapped(PROPERTIES) if not field.startswith(("statistics.", "quality_reasons."))}
    assert single <= fields, "each of these fields occurs"
    assert {field.split(".")[2] for field in fields if field.startswith("statistics.")} >= {
        "count",
        "min",
        "max",
        "total",
    }


def test_every_field_of_every_document_is_mapped_and_indexed(loaded: Engine, day: Day) -> None:
    """No field is unknown to the mapping that the engine made of the template, and no value was ignored."""
    status, answer = loaded.ask("GET", "/weatherd-*/_mapping")
    assert status == 200
    for index in answer.values():
        known = set(mapped(index["mappings"]["properties"]))
        assert known == set(mapped(PROPERTIES)), "nothing was added by a document"
        for one in day.sent:
            assert {field for field, _ in leaves(one.document)} <= known
    assert loaded.search("weatherd-*", {"query": {"exists": {"field": "_ignored"}}})["hits"]["total"]["value"] == 0


def test_a_day_that_comes_twice_is_there_once(loaded: Engine, day: Day) -> None:
    """The second time each document is answered 409, and not one is added."""
    before = count(loaded)
    assert before >= len(day.sent)
    assert set(loaded.deliver(day.sent)) == {409}
    assert count(loaded) == before


def test_an_observation_that_comes_weeks_late_meets_its_month(loaded: Engine, day: Day) -> None:
    """The recorded January is in January's index, although it arrived today."""
    counts = aggregated(loaded, {"index": {"terms": {"field": "_index"}}})["index"]["buckets"]
    january = sum(one.index == "weatherd-2016.01" for one in day.sent)
    assert january >= 1440
    assert {"key": "weatherd-2016.01", "doc_count": january} in counts


def numbers(day: Day) -> Mapping[str, Sequence[float]]:
    """Return every value of every numeric field of weather and its spread."""
    found: dict[str, list[float]] = defaultdict(list)
    for one in day.sent:
        for field, value in leaves(one.document):
            if field.startswith(("weather.", "statistics.")):
                found[field].append(value)
    return found


def test_numbers_come_back_as_they_were_sent(loaded: Engine, day: Day) -> None:
    """Of every field the number is exact, and least, greatest and sum are, as far as a float of 64 bits tells."""
    sent = numbers(day)
    assert len(sent) > 60
    aggregations = {field: {"stats": {"field": field}} for field in sent}
    for field, stats in aggregated(loaded, aggregations).items():
        values = sent[field]
        assert stats["count"] == len(values), field
        extremes = pytest.approx((min(values), max(values)), rel=1e-14)
        assert (stats["min"], stats["max"]) == extremes, field
        assert stats["sum"] == pytest.approx(sum(values), rel=1e-12, abs=1e-9), field


def test_each_value_of_the_day_comes_back_at_its_minute(loaded: Engine, day: Day) -> None:
    """Read through doc values, not from the source, every pressure of the day is the one that was sent."""
    body = {
        "size": 2000,
        "query": {"term": {"sensor.name": "alamosa"}},
        "_source": False,
        "docvalue_fields": ["@timestamp", "weather.air_pressure"],
    }
    hits = loaded.search("weatherd-2016.01", body)["hits"]["hits"]
    found = {hit["fields"]["@timestamp"][0]: round(hit["fields"]["weather.air_pressure"][0], 2) for hit in hits}
    observations = [one for one in day.documents("weatherd.observation") if one["sensor"]["name"] == "alamosa"]
    assert found == {one["@timestamp"]: one["weather"]["air_pressure"] for one in observations}


def test_stations_are_on_the_map_and_labels_can_be_asked_for(loaded: Engine, day: Day) -> None:
    """Each place is a point, and a label with a dot in its name is found by its value."""
    bounds = aggregated(loaded, {"place": {"geo_bounds": {"field": "station.location"}}})["place"]["bounds"]
    assert bounds["top_left"] == pytest.approx({"lat": 37.70, "lon": -105.92}, abs=1e-6)
    garden = sum(one.document.get("labels", {}).get("channel.sub") == "true" for one in day.sent)
    assert garden == 3
    found = loaded.search("weatherd-*", {"query": {"term": {"labels.channel.sub": "true"}}})
    assert found["hits"]["total"]["value"] == garden


def test_any_name_of_a_label_is_taken(loaded: Engine) -> None:
    """Users choose them: no name, a dot, and one that begins like another are no mistake, and make no fields."""
    labels = {"a": "1", "a.b": "2", ".": "3", " ": "4", "": "5", "x" * 300: "6"}
    assert loaded.deliver([("weatherd-1999.01", "labels", {**OURS, "labels": labels})]) == [201]
    found = loaded.search("weatherd-1999.01", {"query": {"term": {"labels.a.b": "2"}}})
    assert found["hits"]["hits"][0]["_source"]["labels"] == labels


def test_an_unknown_field_is_kept_but_makes_no_new_one(loaded: Engine) -> None:
    """What a newer station sends is not refused; it waits in the source until the template knows it."""
    newer = {**OURS, "weather": {"soil_temperature": 12.5}, "sky": {"cover": 3}}
    assert loaded.deliver([("weatherd-1999.02", "newer", newer)]) == [201]
    _, answer = loaded.ask("GET", "/weatherd-1999.02/_mapping")
    assert set(mapped(answer["weatherd-1999.02"]["mappings"]["properties"])) == set(mapped(PROPERTIES))
    assert loaded.search("weatherd-1999.02", {})["hits"]["hits"][0]["_source"] == newer


def test_a_value_of_the_wrong_type_is_refused(loaded: Engine) -> None:
    """It is answered 400, which Logstash's output keeps as a dead letter; it is not stored half."""
    wrong = {**OURS, "weather": {"air_pressure": "high"}}
    assert loaded.deliver([("weatherd-1999.03", "wrong", wrong)]) == [400]


def test_what_is_foreign_is_stored_whatever_it_is(loaded: Engine) -> None:
    """No shape is refused there, and by its tags one finds it."""
    bodies = [
        b"",
        b"17",
        b'{"weather": "fine", "event": {"id": {"a": 1}}}',
        b'{"tags": ["5"]}',
        b"[[",
        b'{"a.b.c": [{}, 1]}',
    ]
    sent = [through_the_filter({**event, "host": {"ip": "192.0.2.7"}}) for body in bodies for event in of_body(body)]
    assert {one.index for one in sent} == {"foreign-weatherd"}
    assert loaded.deliver(sent) == [201] * len(bodies)
    query = {"bool": {"filter": [{"prefix": {"tags": "_weatherd_"}}, {"term": {"host.ip": "192.0.2.7"}}]}}
    assert loaded.search("foreign-weatherd", {"query": query})["hits"]["total"]["value"] == len(bodies)
    ours = loaded.search("weatherd-*", {"query": {"prefix": {"tags": "_weatherd_"}}})
    assert ours["hits"]["total"]["value"] == 0
