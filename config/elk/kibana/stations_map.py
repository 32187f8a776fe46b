"""The map of stations: the last document of each that says where it is, on Elastic's base map."""

import json
from collections.abc import Sequence
from typing import NamedTuple

from lens import TIME, Json, kql

LAYER = 1
"""Of the stations; 0 is the base map. Kibana numbers the references of a map by layer."""


class StationsMap(NamedTuple):
    """
    The view.

    Attributes:
        name: Unique in the panel.
        title: For people.
        basemap: The name of the base map's layer.
    """

    name: str
    title: str
    basemap: str

    @property
    def reference(self) -> str:
        """How the layer of the stations names its data view."""
        return f"layer_{LAYER}_source_index_pattern"


def map_attributes(view: StationsMap, references: Sequence[Json]) -> Json:
    """Return what a panel embeds: layers, state and the state of the controls are strings of JSON."""
    state = {
        "zoom": 2,
        "center": {"lat": 0, "lon": -50},
        "timeFilters": {"from": "now-24h", "to": "now"},
        "refreshConfig": {"isPaused": False, "interval": 30_000},
        "query": kql(""),
        "filters": [],
        # Opened where the stations are; the limit is for one that is alone, around which nothing has a size.
        "settings": {"initialLocation": "AUTO_FIT_TO_BOUNDS", "maxZoom": 14},
    }
    return {
        "title": view.title,
        "description": "",
        "layerListJSON": json.dumps([_base(view), _stations(view)], ensure_ascii=False, sort_keys=True),
        "mapStateJSON": json.dumps(state, sort_keys=True),
        "uiStateJSON": json.dumps({"isLayerTOCOpen": False, "openTOCDetails": []}, sort_keys=True),
        "references": list(references),
    }


def _base(view: StationsMap) -> Json:
    return {
        "id": "base",
        "label": view.basemap,
        "type": "EMS_VECTOR_TILE",
        "sourceDescriptor": {"type": "EMS_TMS", "isAutoSelect": True, "lightModeDefault": "road_map_desaturated"},
        "style": {"type": "EMS_VECTOR_TILE", "color": ""},
    } | _shown()


def _stations(view: StationsMap) -> Json:
    return {
        "id": "stations",
        "label": view.title,
        "type": "GEOJSON_VECTOR",
        "joins": [],
        "sourceDescriptor": {
            "id": "stations-source",
            "type": "ES_SEARCH",
            "indexPatternRefName": view.reference,
            "geoField": "station.location",
            "filterByMapBounds": False,
            "scalingType": "TOP_HITS",
            "topHitsSplitField": "station.id",
            "topHitsSize": 1,
            "sortField": TIME,
            "sortOrder": "desc",
            "tooltipProperties": ["station.id", "station.name", "station.elevation_m", TIME],
            "applyGlobalQuery": True,
            "applyGlobalTime": True,
            "applyForceRefresh": True,
        },
        "style": {"type": "VECTOR", "isTimeAware": True, "properties": _style()},
    } | _shown()


def _style() -> Json:
    return {
        "fillColor": {"type": "STATIC", "options": {"color": "#54B399"}},
        "lineColor": {"type": "STATIC", "options": {"color": "#FFFFFF"}},
        "lineWidth": {"type": "STATIC", "options": {"size": 1}},
        "iconSize": {"type": "STATIC", "options": {"size": 9}},
        "symbolizeAs": {"options": {"value": "circle"}},
        "labelText": {"type": "DYNAMIC", "options": {"field": {"name": "station.id", "origin": "source"}}},
        "labelSize": {"type": "STATIC", "options": {"size": 14}},
    }


def _shown() -> Json:
    return {"alpha": 1, "visible": True, "minZoom": 0, "maxZoom": 24, "includeInFitToBounds": True}
