"""
Walk a TOML document along the schema, and gather every mistake on the way.

The schema's annotations drive it: a struct is a table, several structs are told apart by their tag, a tuple is a
list, a Mapping is a table of any keys, and the rest are scalars with what `weatherd.config.kinds` and
`msgspec.Meta` say of them. What has a mistake comes out as a `SimpleNamespace` of what is right in it, so that
the checks across tables still see the rest; it never leaves, because mistakes end in a `ConfigError`.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, KeysView, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args, get_origin

from msgspec import NODEFAULT, Struct
from msgspec.structs import FieldInfo, fields

from weatherd.config.locate import KeyPath
from weatherd.config.options import Option, allowed, options_of
from weatherd.config.words import choice, found, nearest, quoted

MISTAKEN = SimpleNamespace()
"""Stands for a value of which nothing is right."""

Check = Callable[..., Iterator[tuple[KeyPath, str]]]


class Walk:
    """
    One walk through one document.

    Args:
        folder: Where relative paths are counted from.
        checks: What is asked of each table beyond its keys.
        more_tags: Tells the tags that other packages bring along.
        about: Tells what is known of a tag that there is not; nothing if nothing is.

    Attributes:
        mistakes: Key path and message of each, in the order of the walk.
    """

    def __init__(
        self,
        folder: Path,
        checks: Mapping[type, Sequence[Check]],
        more_tags: Callable[[], Sequence[str]] = tuple,
        about: Callable[[str], str] = lambda _: "",
    ) -> None:
        self._folder = folder
        self._more_tags = more_tags
        self._about = about
        self._checks = checks
        self.mistakes: list[tuple[KeyPath, str]] = []

    def read(self, hint: Any, value: Any, path: KeyPath = ()) -> Any:
        """Return a value as its annotation wants it; what is wrong goes to `mistakes`."""
        options = options_of(hint)
        for option in options:
            if isinstance(value, dict) and get_origin(option.base) is Mapping:
                return self._mapping(option, value, path)
            if isinstance(value, list) and get_origin(option.base) is tuple:
                return self._list(option, value, path)
        structs = [option.base for option in options if option.is_table]
        if isinstance(value, dict) and structs:
            return self._one_of(structs, value, path)
        return self._scalar(options, value, path)

    def _scalar(self, options: Sequence[Option], value: Any, path: KeyPath) -> Any:
        message = ""
        for option in options:
            try:
                return option.convert(value, self._folder)
            except ValueError as error:
                message = message or str(error)
        self._mistake(path, message or f"found {options[0].show(value)}; allowed is {allowed(options)}")
        return MISTAKEN

    def _list(self, option: Option, items: list[Any], path: KeyPath) -> tuple[Any, ...]:
        hint, _ = get_args(option.base)
        if not option.holds(items):
            self._mistake(path, f"found {found(items)}; allowed is {allowed([option])}")
        return tuple(self.read(hint, item, (*path, index)) for index, item in enumerate(items))

    def _mapping(self, option: Option, table: dict[str, Any], path: KeyPath) -> dict[str, Any]:
        key_hint, value_hint = get_args(option.base)
        known = [word for key_option in options_of(key_hint) for word in key_option.words]
        if not option.holds(table):
            self._mistake(path, f"found {found(table)}; allowed is {allowed([option])}")
        values: dict[str, Any] = {}
        for key, value in table.items():
            values[key] = MISTAKEN
            if known and key not in known:
                self._unknown((*path, key), known)
            elif known or self._scalar(options_of(key_hint), key, (*path, key)) is not MISTAKEN:
                values[key] = self.read(value_hint, value, (*path, key))
        return values

    def _one_of(self, structs: Sequence[type[Struct]], table: dict[str, Any], path: KeyPath) -> Any:
        """Read a table as the struct that its tag names; that without a tag is for the tags from outside."""
        tag_key = structs[0].__struct_config__.tag_field
        if tag_key is None:
            return self._table(structs[0], table, path)
        by_tag = {str(tag): struct for struct in structs if (tag := struct.__struct_config__.tag) is not None}
        tag = table.get(tag_key)
        if not isinstance(tag, str) or tag not in by_tag:
            untagged = [struct for struct in structs if struct.__struct_config__.tag is None]
            by_tag = {tag: struct for struct in untagged for tag in self._more_tags()} | by_tag
        if isinstance(tag, str) and tag in by_tag:
            return self._table(by_tag[tag], table, path)
        what = f"found {found(tag)}; allowed" if tag_key in table else "missing; needed"
        known = self._about(tag) if isinstance(tag, str) else ""
        words = [f"{what} is {choice([quoted(tag) for tag in by_tag])}", *filter(None, [known])]
        self._mistake((*path, tag_key), "; ".join(words))
        common = [field for field in fields(structs[0]) if all(_has(other, field) for other in structs)]
        return SimpleNamespace(**self._fields(common, table, path))

    def _table(self, struct: type[Struct], table: dict[str, Any], path: KeyPath) -> Any:
        mistakes_before = len(self.mistakes)
        known = [field.encode_name for field in fields(struct)]
        if tag_key := struct.__struct_config__.tag_field:
            known.append(tag_key)
        for key in table.keys() - known:
            self._unknown((*path, key), known, next(_deeper(struct, key), ""))
        values = self._fields(fields(struct), table, path)
        self._check(struct, values, table.keys(), path)
        return struct(**values) if len(self.mistakes) == mistakes_before else SimpleNamespace(**values)

    def _fields(self, wanted: Iterable[FieldInfo], table: dict[str, Any], path: KeyPath) -> dict[str, Any]:
        """Return the fields that are right, by name; defaults are right."""
        values = {}
        for field in wanted:
            key = (*path, field.encode_name)
            if field.encode_name in table:
                value = self.read(field.type, table[field.encode_name], key)
            elif field.default is not NODEFAULT:
                value = field.default
            elif field.default_factory is not NODEFAULT:
                value = field.default_factory()
            else:
                value = self._missing(field, key)
            if value is not MISTAKEN:
                values[field.name] = value
        return values

    def _missing(self, field: FieldInfo, path: KeyPath) -> Any:
        options = options_of(field.type)
        if any(option.is_table for option in options):
            return self.read(field.type, {}, path)  # to name the keys that it needs
        self._mistake(path, f"missing; needed is {allowed(options)}")
        return MISTAKEN

    def _check(self, struct: type[Struct], values: Mapping[str, Any], given: KeysView[str], path: KeyPath) -> None:
        known = {**values, "given": given}
        for check in self._checks.get(struct, ()):
            wanted = inspect.signature(check).parameters
            if all(name in known for name in wanted):
                for where, message in check(**{name: known[name] for name in wanted}):
                    self._mistake((*path, *where), message)

    def _unknown(self, path: KeyPath, known: Sequence[str], meant: str = "") -> None:
        words = f"did you mean {quoted(meant)}?" if meant else nearest(str(path[-1]), known)
        self._mistake(path, f"unknown key; {words}")

    def _mistake(self, path: KeyPath, message: str) -> None:
        self.mistakes.append((path, message))


def _has(struct: type[Struct], field: FieldInfo) -> bool:
    return any(other.name == field.name and other.type == field.type for other in fields(struct))


def _deeper(struct: type[Struct], key: str) -> Iterator[str]:
    """Return where a key would be right in the tables of this table: ``sinks.logstash``."""
    for field in fields(struct):
        for option in options_of(field.type):
            if option.is_table and key in {inner.encode_name for inner in fields(option.base)}:
                yield f"{field.encode_name}.{key}"
