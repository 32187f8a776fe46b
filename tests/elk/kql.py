"""Kibana's query language, as far as the panel speaks it: its fields, and the query that Kibana would send."""

import fnmatch
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

Json = dict[str, Any]

_TOKEN = re.compile(r'\s*("[^"]*"|>=|<=|[():<>]|[^\s():"<>]+)')
_RANGES = {">=": "gte", "<=": "lte", ">": "gt", "<": "lt"}


class Is(NamedTuple):
    """A field has a value; None for any."""

    field: str
    value: str | None


class Range(NamedTuple):
    """A field's value lies on one side of a number."""

    field: str
    side: str
    limit: float


class Combined(NamedTuple):
    """Parts that all hold (``and``), of which one holds (``or``), or the only one of which does not (``not``)."""

    how: str
    parts: Sequence["Is | Range | Combined"]


Tree = Is | Range | Combined


def parse(query: str) -> Tree:
    """
    Return the tree of a query.

    Raises:
        ValueError: If it is not of the language, as far as it is known here.
    """
    text = query.strip()
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != re.sub(r'\s+(?=(?:[^"]*"[^"]*")*[^"]*$)', "", text) or not tokens:
        raise ValueError(f"not a query: {query}")
    tree = _or(tokens, _statement)
    if tokens:
        raise ValueError(f"{tokens} are left of {query}")
    return tree


def fields(tree: Tree) -> Iterator[str]:
    """Return the names of the fields, with their wildcards."""
    if isinstance(tree, Combined):
        for part in tree.parts:
            yield from fields(part)
    else:
        yield tree.field


def query_of(tree: Tree, known: Sequence[str]) -> Json:
    """Return what Kibana sends; `known` are the fields of the data view, among which a wildcard looks."""
    if isinstance(tree, Combined):
        return _COMBINED[tree.how]([query_of(part, known) for part in tree.parts])
    if "*" in tree.field:
        found = fnmatch.filter(known, tree.field)
        return _any([query_of(tree._replace(field=field), known) for field in found])
    if isinstance(tree, Range):
        return {"range": {tree.field: {tree.side: tree.limit}}}
    if tree.value is None:
        return {"exists": {"field": tree.field}}
    return {"match_phrase" if tree.value.startswith('"') else "match": {tree.field: tree.value.strip('"')}}


def _any(queries: Sequence[Json]) -> Json:
    return {"bool": {"should": list(queries), "minimum_should_match": 1}}


_COMBINED: dict[str, Callable[[Sequence[Json]], Json]] = {
    "or": _any,
    "and": lambda queries: {"bool": {"filter": list(queries)}},
    "not": lambda queries: {"bool": {"must_not": queries[0]}},
}


def _or(tokens: list[str], one: Callable[[list[str]], Tree]) -> Tree:
    return _joined(tokens, "or", lambda rest: _joined(rest, "and", lambda last: _not(last, one)))


def _joined(tokens: list[str], word: str, one: Callable[[list[str]], Tree]) -> Tree:
    parts = [one(tokens)]
    while tokens and tokens[0] == word:
        tokens.pop(0)
        parts.append(one(tokens))
    return parts[0] if len(parts) == 1 else Combined(word, parts)


def _not(tokens: list[str], one: Callable[[list[str]], Tree]) -> Tree:
    if tokens[:1] == ["not"]:
        tokens.pop(0)
        return Combined("not", [_not(tokens, one)])
    if tokens[:1] == ["("]:
        tokens.pop(0)
        inner = _or(tokens, one)
        _take(tokens, ")")
        return inner
    return one(tokens)


def _statement(tokens: list[str]) -> Tree:
    field = _next(tokens)
    sign = _next(tokens)
    if sign in _RANGES:
        return Range(field, _RANGES[sign], float(_next(tokens)))
    if sign != ":":
        raise ValueError(f"{field} {sign}")

    def value(rest: list[str]) -> Tree:
        said = _next(rest)
        return Is(field, None if said == "*" else said)

    return _not(tokens, value)


def _take(tokens: list[str], expected: str) -> None:
    if _next(tokens) != expected:
        raise ValueError(f"{expected} is missing")


def _next(tokens: list[str]) -> str:
    if not tokens:
        raise ValueError("it ends too early")
    return tokens.pop(0)
