"""One annotation of the schema, taken apart: which values it takes, and how that is said in words."""

import datetime as dt
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

from msgspec import Meta, Struct

from weatherd.config.kinds import OneOf, Place, Shown, Text
from weatherd.config.words import choice, found, quoted

Mark = TypeVar("Mark")

_KINDS: Mapping[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    dt.date: "a date such as 2026-05-01",
}


class Option(NamedTuple):
    """One of the types that an annotation allows, with all marks on it."""

    base: Any
    marks: Sequence[Any]

    @property
    def is_table(self) -> bool:
        """Whether it is a struct, and written as a table."""
        return isinstance(self.base, type) and issubclass(self.base, Struct) and not self._mark(Text)

    @property
    def words(self) -> Sequence[Any]:
        """The values to choose from, if they are listed."""
        one_of = self._mark(OneOf)
        return one_of.words if one_of else get_args(self.base) if get_origin(self.base) is Literal else ()

    def convert(self, value: Any, folder: Path) -> Any:
        """
        Return a scalar as this type.

        Raises:
            ValueError: If it does not fit; with a message only where there is more to say than what is allowed.
        """
        if text := self._mark(Text) or self._mark(Place):
            if not isinstance(value, str):
                raise ValueError
            value = text.parse(value) if isinstance(text, Text) else text.parse(value, folder)
        elif self.words:
            if not any(word == value and type(word) is type(value) for word in self.words):
                raise ValueError
        elif self.base is float and type(value) in {int, float}:
            value = _finite(value)
        elif type(value) is not self.base:
            raise ValueError
        if not self.holds(value):
            raise ValueError
        return value

    def holds(self, value: Any) -> bool:
        """Tell whether a value is in every range that the marks set."""
        return all(_within(value, mark) for mark in self.marks if isinstance(mark, Meta))

    def show(self, value: Any) -> str:
        """Return a value that was found, written as people write this type."""
        shown = self._mark(Shown)
        if not (shown and self.words and type(value) is int):
            return found(value)
        if f"0x{value}" in map(shown.write, self.words):
            return f"{value} without 0x before it"
        return shown.write(value)

    def describe(self) -> str:
        """Return in words what is allowed."""
        metas = [mark for mark in self.marks if isinstance(mark, Meta)]
        for meta in metas:
            if meta.description:
                return meta.description
        shown = self._mark(Shown)
        write = shown.write if shown else str
        if text := self._mark(Text) or self._mark(Place):
            kind = text.allowed
        elif self.words:
            return choice([quoted(word) if isinstance(word, str) else write(word) for word in self.words])
        else:
            kind = _KINDS.get(self.base, "a list" if get_origin(self.base) is tuple else "a table")
        return " ".join([kind, *(words for meta in metas if (words := _range(meta, write)))])

    def _mark(self, kind: type[Mark]) -> Mark | None:
        return next((mark for mark in self.marks if isinstance(mark, kind)), None)


def options_of(hint: Any, marks: Sequence[Any] = ()) -> list[Option]:
    """Return every type that an annotation allows but None, which TOML does not have."""
    origin = get_origin(hint)
    if origin is Annotated:
        inner, *more = get_args(hint)
        return options_of(inner, (*marks, *more))
    if origin in {Union, UnionType}:
        return [option for part in get_args(hint) for option in options_of(part, marks)]
    return [] if hint is NoneType else [Option(hint, marks)]


def allowed(options: Sequence[Option]) -> str:
    """Return in words what several types allow together."""
    return choice(list(dict.fromkeys(option.describe() for option in options)))


def _finite(value: float) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError
    return number


def _within(value: Any, meta: Meta) -> bool:
    if meta.pattern is not None:
        return re.fullmatch(meta.pattern, value) is not None
    size = len(value) if isinstance(value, (str, list, dict)) else 0
    return (
        (meta.ge is None or value >= meta.ge)
        and (meta.gt is None or value > meta.gt)
        and (meta.le is None or value <= meta.le)
        and (meta.min_length is None or size >= meta.min_length)
        and (meta.max_length is None or size <= meta.max_length)
    )


def _range(meta: Meta, write: Callable[[Any], str]) -> str:
    if meta.ge is not None and meta.le is not None:
        return f"from {write(meta.ge)} to {write(meta.le)}"
    words = [
        f"{word} {write(bound)}"
        for word, bound in (("of at least", meta.ge), ("above", meta.gt), ("up to", meta.le))
        if bound is not None
    ]
    if meta.max_length is not None:
        words.append(f"of at most {meta.max_length} characters")
    return " and ".join(words)
