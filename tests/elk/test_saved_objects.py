import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.elk import kql
from tests.elk.saved_object_rules import RULES, unknown_fields, used_fields
from tests.elk.saved_objects import FILES, KIBANA, Panel, layers, map_layers, visualization

Change = Callable[[Panel], object]


@pytest.fixture(params=FILES)
def text(request: pytest.FixtureRequest) -> str:
    """The saved objects of one language."""
    return FILES[request.param].read_text(encoding="utf-8")


def test_the_saved_objects_are_those_that_the_generator_makes(tmp_path: Path) -> None:
    """What is imported is what config/elk/kibana describes: nobody has edited the files, or forgotten to make them."""
    subprocess.run([sys.executable, KIBANA / "painel.py", tmp_path], check=True)
    for committed in FILES.values():
        assert (tmp_path / committed.name).read_bytes() == committed.read_bytes()


def test_a_folder_that_is_not_there_is_told_without_a_traceback(tmp_path: Path) -> None:
    """The generator says what it cannot write, and what to do, in two lines."""
    command = [sys.executable, KIBANA / "painel.py", tmp_path / "absent"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 74
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["error", "hint"]


@pytest.mark.parametrize("rule", RULES)
def test_the_saved_objects_obey_each_rule_of_kibana(rule: str, text: str) -> None:
    """Kibana 8.8 imports the panel, opens it and draws it: no rule has anything to say."""
    assert list(RULES[rule](text)) == []


def lens(panel: Panel, name: str = "day-air_temperature") -> dict:
    """Return one view of a panel."""
    return next(one for one in panel.panels if one["panelIndex"] == name)


def layer(panel: Panel, name: str = "day-air_temperature", layer_: str = "curve") -> dict:
    """Return one layer of a panel."""
    return layers(lens(panel, name))[layer_]


def without(found: list, name: str) -> None:
    """Take out the reference of a name."""
    found[:] = [one for one in found if one["name"] != name]


def relabel(panel: Panel, place: str) -> None:
    """Let a map's layer of stations name a reference that is not its place."""
    attributes = next(panel.maps())["embeddableConfig"]["attributes"]
    attributes["layerListJSON"] = attributes["layerListJSON"].replace("layer_1_source", place)


CURVE = "day-air_temperature:indexpattern-datasource-layer-curve"
BROKEN: list[tuple[str, Change]] = [
    ("attributes_are_known", lambda panel: panel.attributes.update(hits=0)),
    ("attributes_are_known", lambda panel: panel.attributes["controlGroupInput"].update(showApplySelections=False)),
    ("attributes_are_known", lambda panel: panel.attributes["kibanaSavedObjectMeta"].update(index="weatherd")),
    ("json_is_in_strings", lambda panel: panel.attributes.update(optionsJSON={})),
    ("json_is_in_strings", lambda panel: panel.attributes["kibanaSavedObjectMeta"].update(searchSourceJSON="{")),
    ("json_is_in_strings", lambda panel: panel.attributes["controlGroupInput"].update(panelsJSON={})),
    ("panel_index_is_the_grid_index", lambda panel: panel.panels[0].update(panelIndex="another")),
    ("panel_index_is_the_grid_index", lambda panel: panel.panels.append(panel.panels[0])),
    ("panels_fit_the_grid", lambda panel: panel.panels[5]["gridData"].update(w=9)),
    ("panels_fit_the_grid", lambda panel: panel.panels[0]["gridData"].update(h=0)),
    ("panels_do_not_overlap", lambda panel: panel.panels[0]["gridData"].update(h=6)),
    ("panels_do_not_overlap", lambda panel: panel.panels[1]["gridData"].update(x=7)),
    ("references_resolve", lambda panel: without(panel.dashboard["references"], CURVE)),
    ("references_resolve", lambda panel: without(panel.dashboard["references"], "map:layer_1_source_index_pattern")),
    ("references_resolve", lambda panel: panel.dashboard["references"][0].update(id="absent")),
    ("references_resolve", lambda panel: panel.dashboard["references"][-1].update(name="controlGroup_x:dataView")),
    ("references_resolve", lambda panel: panel.dashboard["references"].append(panel.dashboard["references"][0])),
    ("references_resolve", lambda panel: panel.objects.pop(0)),
    ("references_resolve", lambda panel: relabel(panel, "layer_0_source")),
    (
        "embedded_references_are_the_same",
        lambda panel: lens(panel)["embeddableConfig"]["attributes"]["references"][0].update(id="another"),
    ),
    ("column_order_is_the_columns", lambda panel: layer(panel)["columnOrder"].pop()),
    ("column_order_is_the_columns", lambda panel: layer(panel)["columnOrder"].append("min")),
    ("column_order_is_the_columns", lambda panel: layer(panel)["columnOrder"].reverse()),
    ("accessors_are_columns", lambda panel: visualization(lens(panel))["layers"][0]["accessors"].append("absent")),
    ("accessors_are_columns", lambda panel: visualization(lens(panel))["layers"][0].update(layerId="absent")),
    ("accessors_are_columns", lambda panel: visualization(lens(panel, "losses")).update(metricAccessor="absent")),
    ("accessors_are_columns", lambda panel: visualization(lens(panel, "stations"))["columns"].pop()),
    (
        "accessors_are_columns",
        lambda panel: visualization(lens(panel))["layers"][0]["yConfig"][0].update(forAccessor="absent"),
    ),
    ("versions_are_those_of_kibana_8_8", lambda panel: panel.dashboard.update(typeMigrationVersion="10.2.0")),
    ("versions_are_those_of_kibana_8_8", lambda panel: panel.objects[0].pop("coreMigrationVersion")),
    ("versions_are_those_of_kibana_8_8", lambda panel: panel.panels[0].update(version="8.19.12")),
    (
        "visualizations_are_known",
        lambda panel: lens(panel)["embeddableConfig"]["attributes"].update(visualizationType="lnsGauge"),
    ),
    ("visualizations_are_known", lambda panel: visualization(lens(panel))["layers"][0].update(layerType="annotations")),
    (
        "orderings_are_columns",
        lambda panel: layer(panel, "stations", "table")["columns"]["station"]["params"].update(
            orderBy={"type": "column", "columnId": "absent"}
        ),
    ),
]


@pytest.mark.parametrize(("rule", "change"), BROKEN)
def test_each_rule_refuses_a_panel_that_breaks_it(rule: str, change: Change, text: str) -> None:
    """A rule that lets a broken copy pass would hold nothing."""
    panel = Panel(text)
    change(panel)
    assert list(RULES[rule](panel.encoded())) != []


@pytest.mark.parametrize("broken", ["[]\n", '{"type": "dashboard"}\n', "\n", "{", '{"exportedCount": 2}\n'])
def test_a_line_that_is_no_saved_object_is_refused(broken: str, text: str) -> None:
    """The rule of one object a line sees what is no object, no JSON, or does not end."""
    assert list(RULES["one_object_a_line"](text + broken)) != []


def test_every_rule_has_a_panel_that_breaks_it() -> None:
    """No rule is without a broken copy."""
    assert {rule for rule, _ in BROKEN} | {"one_object_a_line"} == RULES.keys()


def test_a_field_is_found_wherever_a_panel_names_it(text: str) -> None:
    """Columns, their filters, groups of queries, queries of views, choices, orders and maps are all looked at."""
    assert used_fields(text) >= {
        "weather.air_temperature",
        "quality.air_temperature",
        "weather.wind_from_direction",
        "event.dataset",
        "sensor.name",
        "@timestamp",
        "station.location",
        "station.elevation_m",
        "quality.*",
    }


def test_a_field_that_no_template_maps_is_told(text: str) -> None:
    """A panel that names a field which was never mapped shows nothing there, so it is refused."""
    known = used_fields(text)
    assert unknown_fields(text, known - {"weather.air_temperature"}) == ["weather.air_temperature"]
    assert unknown_fields(text, known - {"station.location"}) == ["station.location"]


def test_both_languages_show_the_same_numbers() -> None:
    """The languages differ in words only, and in their id, so that both can be imported beside each other."""
    portuguese, english = (Panel(path.read_text(encoding="utf-8")) for path in FILES.values())
    assert portuguese.objects[0] == english.objects[0], "the data view is shared"
    assert portuguese.dashboard["id"] != english.dashboard["id"]
    assert portuguese.dashboard["references"] == english.dashboard["references"]
    assert [wordless(one) for one in portuguese.panels] == [wordless(one) for one in english.panels]
    assert {one["title"] for one in portuguese.panels} != {one["title"] for one in english.panels}


def wordless(value: object) -> object:
    """Return a part of a panel without its titles and labels."""
    if isinstance(value, dict):
        return {key: wordless(inner) for key, inner in value.items() if key not in {"title", "label", "layerListJSON"}}
    return [wordless(inner) for inner in value] if isinstance(value, list) else value


def test_a_map_shows_the_last_document_of_each_station(text: str) -> None:
    """One point a station, where its newest document says it is, whatever the map shows at first."""
    base, stations = map_layers(next(Panel(text).maps()))
    assert base["sourceDescriptor"]["type"] == "EMS_TMS"
    source = stations["sourceDescriptor"]
    assert (source["scalingType"], source["topHitsSplitField"], source["topHitsSize"]) == ("TOP_HITS", "station.id", 1)
    assert (source["sortField"], source["sortOrder"]) == ("@timestamp", "desc")
    assert not source["filterByMapBounds"]


def test_a_panel_opens_with_the_last_day_and_renews_itself(text: str) -> None:
    """It shows the last 24 hours, asks again every 30 s, and lets one choose station and sensor."""
    panel = Panel(text)
    attributes = panel.attributes
    assert (attributes["timeRestore"], attributes["timeFrom"], attributes["timeTo"]) == (True, "now-24h", "now")
    assert attributes["refreshInterval"] == {"pause": False, "value": 30_000}
    assert [one["explicitInput"]["fieldName"] for one in panel.controls.values()] == ["sensor.name", "station.id"]
    assert json.loads(attributes["optionsJSON"])["hidePanelTitles"] is False


def test_every_event_has_a_name_for_people(text: str) -> None:
    """What can happen to a station is in the view of events under a name of its own, or as a loss, not as `other`."""
    filters = layer(Panel(text), "events", "events")["columns"]["split"]["params"]["filters"]
    named = {action for one in filters[:-1] for action in values(kql.parse(one["input"]["query"]))}
    page = Path("docs/logstash.md").read_text(encoding="utf-8")
    (told,) = (line for line in page.splitlines() if line.startswith("| `event.dataset` |"))
    assert named == set(re.findall(r"`([a-z]+_[a-z_]+)`", told))
    assert filters[-1]["input"]["query"].startswith("not ")


def values(tree: kql.Tree) -> set[str]:
    """Return the values that a query asks for."""
    if isinstance(tree, kql.Combined):
        return {value for part in tree.parts for value in values(part)}
    return {tree.value.strip('"')} if isinstance(tree, kql.Is) and tree.value else set()


def test_the_page_names_every_view_in_both_languages() -> None:
    """docs/painel.md has a line for each view, under the titles that the panel has."""
    page = Path("docs/painel.md").read_text(encoding="utf-8")
    portuguese, english = (Panel(path.read_text(encoding="utf-8")).panels for path in FILES.values())
    for one, other in zip(portuguese, english, strict=True):
        assert f"| {one['title']} | {other['title']} |" in page
