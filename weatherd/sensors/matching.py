"""Whom a line of a stream is meant for, found by its values, however many sensors there are."""

from collections.abc import Mapping, Sequence
from typing import Any

Match = Mapping[str, str | float | bool]
"""Fields that must have these values; none takes every line. A text is no number, and true is not 1."""

_Key = tuple[tuple[object, bool], ...]


class Matching:
    """
    Find the sensors that want a line.

    Args:
        matches: By sensor.

    Attributes:
        count_max: As many sensors may want one line.
    """

    def __init__(self, matches: Mapping[str, Match]) -> None:
        self._sensors: dict[tuple[str, ...], dict[_Key, list[str]]] = {}
        for sensor, match in matches.items():
            fields = tuple(sorted(match))
            self._sensors.setdefault(fields, {}).setdefault(key_of(fields, match), []).append(sensor)
        self.count_max = sum(max(map(len, by_values.values())) for by_values in self._sensors.values())

    def sensors(self, record: Mapping[str, Any]) -> Sequence[str]:
        """Return those that want a line."""
        wanting: list[str] = []
        for fields, by_values in self._sensors.items():
            try:
                wanting += by_values.get(key_of(fields, record), ())
            except TypeError:  # a list or an object is no value that anybody could want
                continue
        return wanting


def key_of(fields: Sequence[str], values: Mapping[str, Any]) -> _Key:
    """Return what tells apart the values of some fields: true is not 1."""
    return tuple((value := values.get(field), isinstance(value, bool)) for field in fields)
