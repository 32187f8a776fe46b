"""
Saved objects as Kibana imports them: the data view, and one dashboard that holds all of a panel.

Every view is embedded in the dashboard, so that a panel is one object, and an import replaces it as a whole.
`coreMigrationVersion` and `typeMigrationVersion` are those of Kibana 8.8: a later Kibana brings them up to its own; an
earlier one would refuse newer ones.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from lens import Json, Lens, attributes, kql
from stations_map import StationsMap, map_attributes
from texts import Say

DATA_VIEW_ID = "weatherd"
WIDTH = 48
"""Columns of Kibana's grid."""

KIBANA_VERSION = "8.8.0"
REFRESH_PERIOD_MS = 30_000


class Row(NamedTuple):
    """
    Views side by side.

    Attributes:
        height: In rows of Kibana's grid, of 20 pixels each.
        views: From left to right, all equally wide; 48 is a multiple of their number.
    """

    height: int
    views: Sequence[Lens | StationsMap]


def data_view() -> Json:
    """Return the data view that both languages share."""
    return {
        "type": "index-pattern",
        "id": DATA_VIEW_ID,
        "coreMigrationVersion": KIBANA_VERSION,
        "typeMigrationVersion": "7.11.0",
        "attributes": {
            "title": "weatherd-*",
            "name": "weatherd",
            "timeFieldName": "@timestamp",
            "fields": "[]",
            "fieldAttrs": "{}",
            "fieldFormatMap": "{}",
            "runtimeFieldMap": "{}",
            "sourceFilters": "[]",
            "typeMeta": "{}",
        },
        "references": [],
    }


def dashboard(id_: str, say: Say, rows: Iterable[Row], controls: Mapping[str, str]) -> Json:
    """
    Return the panel.

    Args:
        id_: What an import replaces.
        say: The texts of its language.
        rows: From top to bottom.
        controls: From the field of each choice to its title.
    """
    panels, references = _panels(rows)
    references += [_reference(f"controlGroup_{_control_id(field)}:optionsListDataView") for field in controls]
    return {
        "type": "dashboard",
        "id": id_,
        "coreMigrationVersion": KIBANA_VERSION,
        "typeMigrationVersion": "8.7.0",
        "attributes": {
            "title": say("panel"),
            "description": say("panel_description"),
            "timeRestore": True,
            "timeFrom": "now-24h",
            "timeTo": "now",
            "refreshInterval": {"pause": False, "value": REFRESH_PERIOD_MS},
            "controlGroupInput": _control_group(controls),
            "kibanaSavedObjectMeta": {"searchSourceJSON": to_json({"query": kql(""), "filter": []})},
            "optionsJSON": to_json(
                {"useMargins": True, "syncColors": False, "syncCursor": True, "syncTooltips": False}
                | {"hidePanelTitles": False}
            ),
            "panelsJSON": to_json(panels),
            "version": 1,
        },
        "references": references,
    }


def to_json(value: object) -> str:
    """Encode in one way only: what has not changed must not differ."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _panels(rows: Iterable[Row]) -> tuple[list[Json], list[Json]]:
    panels: list[Json] = []
    references: list[Json] = []
    y = 0
    for row in rows:
        width = WIDTH // len(row.views)
        for place, view in enumerate(row.views):
            grid = {"x": place * width, "y": y, "w": width, "h": row.height, "i": view.name}
            inner = _references(view)
            panels.append(_panel(view, grid, inner))
            references += [one | {"name": f"{view.name}:{one['name']}"} for one in inner]
        y += row.height
    return panels, references


def _panel(view: Lens | StationsMap, grid: Json, references: Sequence[Json]) -> Json:
    embedded = attributes(view, references) if isinstance(view, Lens) else map_attributes(view, references)
    shown = view.title_shown if isinstance(view, Lens) else True
    return {
        "type": "lens" if isinstance(view, Lens) else "map",
        "version": KIBANA_VERSION,
        "panelIndex": view.name,
        "gridData": grid,
        "title": view.title,
        "embeddableConfig": {"attributes": embedded, "enhancements": {}, "hidePanelTitles": not shown},
    }


def _references(view: Lens | StationsMap) -> list[Json]:
    if isinstance(view, Lens):
        return [_reference(f"indexpattern-datasource-layer-{of}") for of in view.layers]
    return [_reference(view.reference)]


def _reference(name: str) -> Json:
    return {"type": "index-pattern", "id": DATA_VIEW_ID, "name": name}


def _control_group(controls: Mapping[str, str]) -> Json:
    panels = {
        _control_id(field): {
            "type": "optionsListControl",
            "order": order,
            "width": "medium",
            "grow": True,
            "explicitInput": {"id": _control_id(field), "fieldName": field, "title": title, "enhancements": {}},
        }
        for order, (field, title) in enumerate(controls.items())
    }
    ignored = {f"ignore{of}": False for of in ("Filters", "Query", "Timerange", "Validations")}
    return {
        "chainingSystem": "HIERARCHICAL",
        "controlStyle": "oneLine",
        "ignoreParentSettingsJSON": to_json(ignored),
        "panelsJSON": to_json(panels),
    }


def _control_id(field: str) -> str:
    return f"choice-{field.replace('.', '-')}"
