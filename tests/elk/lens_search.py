"""
The search that Kibana sends for one layer of a Lens view, and what its table shows of the answer.

Only what the panel uses. Where Kibana sends `top_metrics` for a last value, which Elastic adds to the engine, there
is `top_hits`, which says the same; groups of time in which there is nothing are left out rather than filled in.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tests.elk import kql

Json = dict[str, Any]
Row = Mapping[str, Any]


class Window(NamedTuple):
    """
    The time range that somebody looks at.

    Attributes:
        start: ISO 8601; the first moment that belongs to it.
        end: The first that does not.
        automatic: The interval that Kibana takes by itself: about 50 groups, of a round length.
    """

    start: str
    end: str
    automatic: str


def search(layer: Json, query: str, window: Window, known: Sequence[str]) -> Json:
    """
    Return the body of the search.

    Args:
        layer: Of the saved object.
        query: KQL of its view.
        window: The time range.
        known: The fields of the data view.
    """
    wanted: list[Json] = [{"range": {"@timestamp": {"gte": window.start, "lt": window.end}}}]
    if query:
        wanted.append(_query(query, known))
    columns = [(name, layer["columns"][name]) for name in layer["columnOrder"]]
    found = {"bool": {"filter": wanted}}
    return {"size": 0, "track_total_hits": True, "query": found, "aggs": _aggregations(columns, window, known)}


def rows(layer: Json, answer: Json) -> list[Row]:
    """Return the table: a row for each group, with what each column says."""
    columns = [(name, layer["columns"][name]) for name in layer["columnOrder"]]
    whole = answer["aggregations"] | {"doc_count": answer["hits"]["total"]["value"]}
    return list(_rows(columns, whole, {}))


def _aggregations(columns: Sequence[tuple[str, Json]], window: Window, known: Sequence[str]) -> Json:
    if not columns:
        return {}
    name, column = columns[0]
    if column["isBucketed"]:
        return {name: _group(column, window, known) | {"aggs": _aggregations(columns[1:], window, known)}}
    inner = _number(column)
    if "filter" in column:
        inner = {"filter": _query(column["filter"]["query"], known)} | ({"aggs": {"value": inner}} if inner else {})
    return ({name: inner} if inner else {}) | _aggregations(columns[1:], window, known)


def _group(column: Json, window: Window, known: Sequence[str]) -> Json:
    params = column["params"]
    if column["operationType"] == "date_histogram":
        interval = window.automatic if params["interval"] == "auto" else params["interval"]
        return {"date_histogram": {"field": column["sourceField"], "fixed_interval": interval, "min_doc_count": 1}}
    if column["operationType"] == "terms":
        order = {"_key": params["orderDirection"]}
        return {"terms": {"field": column["sourceField"], "size": params["size"], "order": order}}
    queries = {one["label"]: _query(one["input"]["query"], known) for one in params["filters"]}
    return {"filters": {"filters": queries}}


def _number(column: Json) -> Json:
    field = column["sourceField"]
    match column["operationType"]:
        case "count":
            return {}
        case "last_value":
            latest = [{column["params"]["sortField"]: {"order": "desc"}}]
            return {"top_hits": {"size": 1, "sort": latest, "_source": [field]}}
        case "unique_count":
            return {"cardinality": {"field": field}}
        case "average":
            return {"avg": {"field": field}}
    return {column["operationType"]: {"field": field}}


def _rows(columns: Sequence[tuple[str, Json]], bucket: Json, groups: Json) -> Iterator[Row]:
    name, column = columns[0]
    if not column["isBucketed"]:
        yield groups | {of: _value(of, number, bucket) for of, number in columns}
        return
    buckets = bucket[name]["buckets"]
    named = buckets.items() if isinstance(buckets, dict) else ((one["key"], one) for one in buckets)
    for key, inner in named:
        yield from _rows(columns[1:], inner, groups | {name: key})


def _value(name: str, column: Json, bucket: Json) -> Any:
    found = bucket.get(name, bucket)
    if column["operationType"] == "count":
        return found["doc_count"]
    found = found.get("value", found) if "filter" in column else found
    if column["operationType"] == "last_value":
        hits = found["hits"]["hits"]
        return _at(hits[0]["_source"], column["sourceField"]) if hits else None
    return found["value"]


def _at(document: Json, field: str) -> Any:
    """Return a field of a document, in which its name may be split at each point, or not at all (`@timestamp`)."""
    found: Any = document
    for part in field.split("."):
        found = found[part]
    return found


def _query(query: str, known: Sequence[str]) -> Json:
    return kql.query_of(kql.parse(query), known)
