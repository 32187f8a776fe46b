"""
Lens views as Kibana 8.8 keeps them: columns, layers, visualisations.

A column is one number, or one way to group numbers, of one search; a layer is one search; a view is one to several of
them. In charts the columns `x` and `split` group, and all others are numbers. Names of columns and layers are ours, and
the same each time, so that a second import changes nothing.

Source: saved objects that Kibana 8.8 to 8.19 exported; the rules are those of tests/elk/saved_object_rules.py.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

Json = dict[str, Any]
Columns = Mapping[str, Json]

TIME = "@timestamp"
GROUPING = ("x", "split")


class Lens(NamedTuple):
    """
    One view.

    Attributes:
        name: Unique in the panel; part of its place and of its references.
        title: For people.
        type: Of the visualisation: ``lnsMetric``, ``lnsXY``, ``lnsDatatable``.
        visualization: Its state: what of the layers is shown how.
        layers: By id, the columns in their order.
        query: KQL for all layers.
        title_shown: False where the view itself says what it is.
    """

    name: str
    title: str
    type: str
    visualization: Json
    layers: Mapping[str, Columns]
    query: str = ""
    title_shown: bool = True


class Series(NamedTuple):
    """
    One layer of curves or bars.

    Attributes:
        name: Unique in the view: the layer's id.
        shape: ``line``, ``area``, ``bar``, ``bar_stacked``, ``bar_horizontal_stacked``.
        columns: `x`, then `split` if there is one, then the numbers.
        colors: By the name of the number, ``#rrggbb``; the others get one from Kibana.
        axis: ``left`` or ``right``.
    """

    name: str
    shape: str
    columns: Columns
    colors: Mapping[str, str] = {}
    axis: str = "left"


def kql(query: str) -> Json:
    """Return a query in Kibana's own language."""
    return {"query": query, "language": "kuery"}


def number(
    operation: str, field: str, label: str, *, where: str = "", decimals: int | None = None, unit: str = ""
) -> Json:
    """
    Return a number of one field.

    Args:
        operation: ``average``, ``sum``, ``min``, ``max`` or ``unique_count``.
        field: Of the document.
        label: For people.
        where: KQL, if not all documents count.
        decimals: How many are shown; None for Kibana's own.
        unit: Shown behind the value.
    """
    params: Json = {}
    if decimals is not None:
        params["format"] = {"id": "number", "params": {"decimals": decimals, "suffix": f" {unit}" if unit else ""}}
    column = _column(operation, field, label, "number", params)
    if where:
        column["filter"] = kql(where)
    return column


def count(label: str, *, where: str = "") -> Json:
    """Return the number of documents, whole; 0 where there is none."""
    column = _column("count", "___records___", label, "number", {"emptyAsNull": False})
    if where:
        column["filter"] = kql(where)
    return column


def last(field: str, label: str, *, where: str = "", decimals: int | None = None, unit: str = "") -> Json:
    """Return the value of the last document that has the field; `where` is KQL."""
    column = number("last_value", field, label, where=where or f"{field}: *", decimals=decimals, unit=unit)
    column["params"] |= {"sortField": TIME, "showArrayValues": False}
    return column


def last_text(field: str, label: str) -> Json:
    """Return the text of the last document that has the field."""
    return last(field, label) | {"dataType": "string", "scale": "ordinal"}


def last_time(field: str, label: str, *, where: str = "") -> Json:
    """Return the time of the last document that has the field; `where` is KQL."""
    return last(field, label, where=where) | {"dataType": "date", "scale": "interval"}


def by_time(label: str, interval: str = "auto") -> Json:
    """Group by time: an interval such as ``1h``, or what suits the time range."""
    params = {"interval": interval, "includeEmptyRows": True, "dropPartials": False}
    return _column("date_histogram", TIME, label, "date", params, is_bucketed=True, scale="interval")


def by_value(field: str, label: str, size_max: int) -> Json:
    """Group by the values of a field, in their alphabetical order, so many at most."""
    params = {
        "size": size_max,
        "orderBy": {"type": "alphabetical", "fallback": False},
        "orderDirection": "asc",
        "otherBucket": False,
        "missingBucket": False,
        "parentFormat": {"id": "terms"},
    }
    return _column("terms", field, label, "string", params, is_bucketed=True, scale="ordinal")


def by_query(label: str, queries: Mapping[str, str]) -> Json:
    """Group by queries: from the label of each to its KQL. A document may be in several groups."""
    column = _column("filters", "", label, "string", {}, is_bucketed=True, scale="ordinal")
    column["params"] = {"filters": [{"input": kql(query), "label": of} for of, query in queries.items()]}
    del column["sourceField"]
    return column


def tile(name: str, column: Json) -> Lens:
    """Show one number, large; its label is its title."""
    visualization = {"layerId": "tile", "layerType": "data", "metricAccessor": "value"}
    layers = {"tile": {"value": column}}
    return Lens(name, column["label"], "lnsMetric", visualization, layers, title_shown=False)


def table(name: str, title: str, columns: Columns, query: str = "") -> Lens:
    """Show groups as rows."""
    visualization = {
        "layerId": "table",
        "layerType": "data",
        "columns": [{"columnId": of, "isTransposed": False} for of in columns],
        "paging": {"size": 10, "enabled": True},
    }
    return Lens(name, title, "lnsDatatable", visualization, {"table": columns}, query)


def chart(name: str, title: str, series: Sequence[Series], query: str = "") -> Lens:
    """Show curves and bars; the numbers along the axes carry their units."""
    lines = all(one.shape == "line" for one in series if one.axis == "left")
    visualization = {
        "preferredSeriesType": series[0].shape,
        "layers": [_chart_layer(one) for one in series],
        "legend": {"isVisible": True, "position": "bottom", "showSingleSeries": True},
        "valueLabels": "hide",
        "fittingFunction": "None",
        "axisTitlesVisibilitySettings": {"x": False, "yLeft": False, "yRight": False},
        "tickLabelsVisibilitySettings": {"x": True, "yLeft": True, "yRight": True},
        "gridlinesVisibilitySettings": {"x": True, "yLeft": True, "yRight": False},
        "labelsOrientation": {"x": 0, "yLeft": 0, "yRight": 0},
        # A pressure of 1013 hPa shows nothing on an axis that begins at 0; bars must begin there.
        "yLeftExtent": {"mode": "dataBounds" if lines else "full"},
        "yRightExtent": {"mode": "full"},
    }
    return Lens(name, title, "lnsXY", visualization, {one.name: one.columns for one in series}, query)


def attributes(lens: Lens, references: Sequence[Json]) -> Json:
    """Return what a panel embeds, with the references of its layers."""
    return {
        "title": lens.title,
        "description": "",
        "type": "lens",
        "visualizationType": lens.type,
        "state": {
            "visualization": lens.visualization,
            "query": kql(lens.query),
            "filters": [],
            "datasourceStates": {"formBased": {"layers": {of: _layer(columns) for of, columns in lens.layers.items()}}},
            "internalReferences": [],
            "adHocDataViews": {},
        },
        "references": list(references),
    }


def _layer(columns: Columns) -> Json:
    return {"columns": dict(columns), "columnOrder": list(columns), "incompleteColumns": {}, "sampling": 1}


def _chart_layer(series: Series) -> Json:
    numbers = [of for of in series.columns if of not in GROUPING]
    layer = {
        "layerId": series.name,
        "layerType": "data",
        "seriesType": series.shape,
        "xAccessor": "x",
        "accessors": numbers,
        "yConfig": [_y_config(series, of) for of in numbers],
        "position": "top",
        "showGridlines": False,
    }
    if "split" in series.columns:
        layer["splitAccessor"] = "split"
    return layer


def _y_config(series: Series, number_: str) -> Json:
    config = {"forAccessor": number_, "axisMode": series.axis}
    if number_ in series.colors:
        config["color"] = series.colors[number_]
    return config


def _column(
    operation: str,
    field: str,
    label: str,
    data_type: str,
    params: Json,
    *,
    is_bucketed: bool = False,
    scale: str = "ratio",
) -> Json:
    return {
        "label": label,
        "customLabel": True,
        "dataType": data_type,
        "operationType": operation,
        "sourceField": field,
        "isBucketed": is_bucketed,
        "scale": scale,
        "params": params,
    }
