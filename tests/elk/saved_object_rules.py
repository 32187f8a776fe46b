"""
What Kibana 8.8 and later ask of saved objects: each rule looks at one file and tells what breaks it.

Source: what each part of Kibana 8.8 checks when it imports, opens or draws them.
"""

import fnmatch
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.elk import kql
from tests.elk.saved_objects import Panel, layers, map_layers, visualization

Json = dict[str, Any]

ATTRIBUTES = {
    *("title", "description", "kibanaSavedObjectMeta", "timeRestore", "timeFrom", "timeTo", "refreshInterval"),
    *("controlGroupInput", "panelsJSON", "optionsJSON", "version"),
}
CONTROL_GROUP = {"chainingSystem", "controlStyle", "ignoreParentSettingsJSON", "panelsJSON"}
CORE_VERSION = "8.8.0"
TYPE_VERSIONS = {"index-pattern": "7.11.0", "dashboard": "8.7.0"}
PANEL_VERSION = "8.8.0"
VISUALIZATIONS = {"lnsMetric", "lnsXY", "lnsDatatable"}
GRID_WIDTH = 48
SOURCELESS = {"filters"}
RECORDS = "___records___"


def one_object_a_line(text: str) -> Iterator[str]:
    """A file has one saved object a line, and nothing else."""
    if not text.endswith("\n"):
        yield "the last line does not end"
    for line in text.splitlines():
        try:
            saved = json.loads(line)
        except ValueError:
            yield f"no JSON: {line[:40]}"
            continue
        if not isinstance(saved, dict) or not {"type", "id", "attributes", "references"} <= saved.keys():
            yield f"no saved object: {line[:40]}"


def attributes_are_known(text: str) -> Iterator[str]:
    """A dashboard with an attribute that Kibana does not know is refused."""
    attributes = _dashboard(text)["attributes"]
    yield from attributes.keys() - ATTRIBUTES
    yield from attributes["kibanaSavedObjectMeta"].keys() - {"searchSourceJSON"}
    yield from attributes["controlGroupInput"].keys() - CONTROL_GROUP


def json_is_in_strings(text: str) -> Iterator[str]:
    """What ends in JSON is a string, and what stands in it is JSON."""
    for name, value in _json_attributes(_dashboard(text)["attributes"]):
        if not isinstance(value, str):
            yield f"{name} is no string"
            continue
        try:
            json.loads(value)
        except ValueError:
            yield f"{name} holds no JSON"


def panel_index_is_the_grid_index(text: str) -> Iterator[str]:
    """A panel has one name, in both places, and no two have the same."""
    panels = Panel(text).panels
    names = [panel["panelIndex"] for panel in panels]
    yield from (name for name in names if names.count(name) > 1)
    yield from (panel["panelIndex"] for panel in panels if panel["panelIndex"] != panel["gridData"]["i"])


def panels_fit_the_grid(text: str) -> Iterator[str]:
    """A panel lies within the 48 columns."""
    for panel in Panel(text).panels:
        grid = panel["gridData"]
        if not (0 <= grid["x"] < grid["x"] + grid["w"] <= GRID_WIDTH and 0 <= grid["y"] < grid["y"] + grid["h"]):
            yield f"{panel['panelIndex']}: {grid}"


def panels_do_not_overlap(text: str) -> Iterator[str]:
    """No two panels share a cell of the grid."""
    for one, other in itertools.combinations((panel["gridData"] for panel in Panel(text).panels), 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        if not beside and not above:
            yield f"{one['i']} and {other['i']}"


def references_resolve(text: str) -> Iterator[str]:
    """Each layer, each choice and each layer of a map has its reference to an object of the file; there is no other."""
    panel = Panel(text)
    objects = {(one["type"], one["id"]) for one in panel.objects}
    references = {one["name"]: (one["type"], one["id"]) for one in panel.dashboard["references"]}
    expected = {
        *(f"{lens['panelIndex']}:{name}" for lens in panel.lenses() for name in _layer_references(lens)),
        *(f"{of['panelIndex']}:{name}" for of in panel.maps() for name in _map_references(of)),
        *(f"controlGroup_{id_}:optionsListDataView" for id_ in panel.controls),
    }
    yield from expected ^ references.keys()
    yield from (name for name, target in references.items() if target not in objects)
    if len(references) != len(panel.dashboard["references"]):
        yield "a name is there twice"


def embedded_references_are_the_same(text: str) -> Iterator[str]:
    """A panel has its references twice: in itself, and under its name in the dashboard."""
    panel = Panel(text)
    outer = {(one["name"], one["type"], one["id"]) for one in panel.dashboard["references"]}
    for view in panel.panels:
        for one in view["embeddableConfig"]["attributes"]["references"]:
            if (f"{view['panelIndex']}:{one['name']}", one["type"], one["id"]) not in outer:
                yield f"{view['panelIndex']}: {one}"


def column_order_is_the_columns(text: str) -> Iterator[str]:
    """The order of a layer's columns names each of them once: what groups first, then the numbers."""
    for name, layer in _layers(text):
        order = layer["columnOrder"]
        if sorted(order) != sorted(layer["columns"]):
            yield f"{name}: {order}"
            continue
        groups = [layer["columns"][column]["isBucketed"] for column in order]
        if groups != sorted(groups, reverse=True):
            yield f"{name}: a number before what groups it"


def accessors_are_columns(text: str) -> Iterator[str]:
    """What a visualisation shows is a column of the layer it names."""
    for lens in Panel(text).lenses():
        shown: Json = visualization(lens)
        found = layers(lens)
        for one in shown.get("layers", [shown]):
            columns = found.get(one["layerId"], {}).get("columns", {})
            accessors = set(_accessors(one))
            yield from (f"{lens['panelIndex']}: {name}" for name in accessors - columns.keys())
            yield from (f"{lens['panelIndex']}: {name} is not shown" for name in columns.keys() - accessors)
        if {one["layerId"] for one in shown.get("layers", [shown])} != found.keys():
            yield f"{lens['panelIndex']}: other layers than are shown"


def versions_are_those_of_kibana_8_8(text: str) -> Iterator[str]:
    """Objects of a newer Kibana are refused by an older one."""
    panel = Panel(text)
    for one in panel.objects:
        if one.get("coreMigrationVersion") != CORE_VERSION:
            yield f"{one['id']}: core"
        if one.get("typeMigrationVersion") != TYPE_VERSIONS.get(one["type"]):
            yield f"{one['id']}: type"
    yield from (view["panelIndex"] for view in panel.panels if view["version"] != PANEL_VERSION)


def visualizations_are_known(text: str) -> Iterator[str]:
    """A view is of a type that Kibana 8.8 draws, and its layers are data."""
    for lens in Panel(text).lenses():
        shown = visualization(lens)
        if lens["embeddableConfig"]["attributes"]["visualizationType"] not in VISUALIZATIONS:
            yield lens["panelIndex"]
        yield from (lens["panelIndex"] for one in shown.get("layers", [shown]) if one["layerType"] != "data")


def orderings_are_columns(text: str) -> Iterator[str]:
    """Terms are ordered by themselves or by a number of their layer."""
    for name, layer in _layers(text):
        for column in layer["columns"].values():
            by = column.get("params", {}).get("orderBy", {"type": "alphabetical"})
            if by["type"] != "alphabetical" and by.get("columnId") not in layer["columns"]:
                yield f"{name}: {by}"


RULES: Mapping[str, Callable[[str], Iterator[str]]] = {
    rule.__name__: rule
    for rule in (
        one_object_a_line,
        attributes_are_known,
        json_is_in_strings,
        panel_index_is_the_grid_index,
        panels_fit_the_grid,
        panels_do_not_overlap,
        references_resolve,
        embedded_references_are_the_same,
        column_order_is_the_columns,
        accessors_are_columns,
        versions_are_those_of_kibana_8_8,
        visualizations_are_known,
        orderings_are_columns,
    )
}


def used_fields(text: str) -> set[str]:
    """Return every field that a panel names: in columns, queries, choices and maps; with wildcards as they are."""
    panel = Panel(text)
    found = {control["explicitInput"]["fieldName"] for control in panel.controls.values()}
    for lens in panel.lenses():
        found.update(_query_fields(lens["embeddableConfig"]["attributes"]["state"]["query"]))
        for layer in layers(lens).values():
            for column in layer["columns"].values():
                found.update(_column_fields(column))
    for view in panel.maps():
        for layer in map_layers(view):
            found.update(_map_fields(layer["sourceDescriptor"]))
            found.update(_style_fields(layer["style"]))
    return found


def unknown_fields(text: str, template: set[str]) -> list[str]:
    """Return the fields that a panel names and an index template does not map."""
    return [field for field in used_fields(text) if not fnmatch.filter(template, field)]


def template_fields(mappings: Json, prefix: str = "") -> set[str]:
    """Return the names of all fields that mappings map, but for those that hold others."""
    found = set()
    for name, field in mappings.get("properties", {}).items():
        inner = template_fields(field, f"{prefix}{name}.")
        found |= inner or {prefix + name}
    return found


def _dashboard(text: str) -> Json:
    (found,) = (one for one in map(json.loads, text.splitlines()) if one["type"] == "dashboard")
    return dict(found)


def _json_attributes(attributes: Json) -> Iterator[tuple[str, object]]:
    yield "panelsJSON", attributes["panelsJSON"]
    yield "optionsJSON", attributes["optionsJSON"]
    yield "searchSourceJSON", attributes["kibanaSavedObjectMeta"]["searchSourceJSON"]
    controls = attributes["controlGroupInput"]
    yield "panelsJSON of the choices", controls["panelsJSON"]
    yield "ignoreParentSettingsJSON", controls["ignoreParentSettingsJSON"]


def _layers(text: str) -> Iterator[tuple[str, Json]]:
    for lens in Panel(text).lenses():
        yield from ((f"{lens['panelIndex']}: {name}", layer) for name, layer in layers(lens).items())


def _layer_references(lens: Json) -> list[str]:
    return [f"indexpattern-datasource-layer-{name}" for name in layers(lens)]


def _map_references(view: Json) -> list[str]:
    """Kibana numbers the references of a map by the place of the layer."""
    return [
        f"layer_{place}_source_index_pattern"
        for place, layer in enumerate(map_layers(view))
        if layer["sourceDescriptor"].get("indexPatternRefName") == f"layer_{place}_source_index_pattern"
    ]


def _accessors(shown: Json) -> Iterator[str]:
    for key in ("metricAccessor", "xAccessor", "splitAccessor"):
        if key in shown:
            yield shown[key]
    yield from shown.get("accessors", [])
    yield from (one["columnId"] for one in shown.get("columns", []))
    yield from (one["forAccessor"] for one in shown.get("yConfig", []))


def _column_fields(column: Json) -> Iterator[str]:
    params = column["params"]
    if column["operationType"] not in SOURCELESS and column["sourceField"] != RECORDS:
        yield column["sourceField"]
    if "sortField" in params:
        yield params["sortField"]
    for query in (column.get("filter"), *(one["input"] for one in params.get("filters", []))):
        yield from _query_fields(query)


def _query_fields(query: Json | None) -> Iterator[str]:
    if query and query["query"]:
        yield from kql.fields(kql.parse(query["query"]))


def _map_fields(source: Json) -> Iterator[str]:
    if source["type"] == "ES_SEARCH":
        yield from (source["geoField"], source["topHitsSplitField"], source["sortField"])
        yield from source["tooltipProperties"]


def _style_fields(style: Json) -> Iterator[str]:
    for one in style.get("properties", {}).values():
        if one.get("type") == "DYNAMIC":
            yield one["options"]["field"]["name"]
