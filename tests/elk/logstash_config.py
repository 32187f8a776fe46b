"""
Logstash's configuration files, as far as ours use the language: read, and their filters applied to events.

Logstash itself is not to be had from the package registries, so this stands in for it in the tests. It reads the
very files that are shipped and refuses what it does not know.

Source:
    Logstash Reference 8.19, "Structure of a pipeline" and "Accessing event data and fields"; how a condition treats a
    field that is missing or no text (`=~` is false, `!~` is true), read in logstash-core's EventCondition.java.
"""

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

_TOKEN = re.compile(
    r"""\s+|\#[^\n]*                                 # nothing
    |(?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
    |(?P<regexp>/(?:\\.|[^/\\])*/)
    |(?P<field>(?:\[[^\[\],"]+\])+)
    |(?P<number>-?\d+(?:\.\d+)?)
    |(?P<sign>=>|=~|!~|==|!=|[{}\[\],!()])
    |(?P<word>[A-Za-z_]\w*)""",
    re.VERBOSE,
)
_REFERENCE = re.compile(r"\[([^\[\]]+)\]")
_SPRINTF = re.compile(r"%\{([^}]+)\}")

Event: TypeAlias = dict[str, Any]


class Token(NamedTuple):
    """A piece of a file: what kind of piece, and its text."""

    kind: str
    text: str


@dataclass(frozen=True)
class Plugin:
    """One plugin and its options."""

    name: str
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Comparison:
    """``field =~ regexp``, ``field !~ regexp`` or ``value in field``."""

    left: str
    operator: str
    right: str


@dataclass(frozen=True)
class Branch:
    """``if`` any of the comparisons holds, these, else those."""

    any_of: Sequence[Comparison]
    then: Sequence["Block"]
    otherwise: Sequence["Block"]


Block: TypeAlias = Plugin | Branch


def read(path: Path) -> dict[str, list[Block]]:
    """
    Read a file; return the blocks of its sections by ``input``, ``filter`` and ``output``.

    Raises:
        ValueError: If it is no configuration, or uses more of the language than ours do.
    """
    return _Reader(path.read_text("ascii")).file()


def plugins(blocks: Sequence[Block]) -> Iterator[Plugin]:
    """Yield every plugin, also those in branches."""
    for block in blocks:
        if isinstance(block, Plugin):
            yield block
        else:
            yield from plugins(block.then)
            yield from plugins(block.otherwise)


def apply(blocks: Sequence[Block], event: Event) -> Event:
    """Send one event through a filter section, and return it; fields of ``@metadata`` are left in it."""
    for block in blocks:
        if isinstance(block, Branch):
            holds = any(_holds(comparison, event) for comparison in block.any_of)
            apply(block.then if holds else block.otherwise, event)
        elif block.name == "uuid":
            _set(event, block.options["target"], str(uuid.uuid4()))
        elif block.name == "mutate":
            _mutate(block.options, event)
        else:
            raise ValueError(f"no filter {block.name} here")
    return event


def sprintf(text: str, event: Event) -> str:
    """Put an event's fields into a text; what is missing stays as it is written, as in Logstash."""

    def value(match: re.Match[str]) -> str:
        if match[1].startswith("+"):
            assert match[1] == "+yyyy.MM"
            return datetime.fromisoformat(event["@timestamp"]).strftime("%Y.%m")
        found = _get(event, match[1])
        return match[0] if found is None else str(found)

    return _SPRINTF.sub(value, text)


def _mutate(options: Mapping[str, Any], event: Event) -> None:
    assert set(options) <= {"add_field", "remove_field", "add_tag"}
    for field, text in options.get("add_field", {}).items():
        _set(event, field, sprintf(text, event))
    for field in options.get("remove_field", ()):
        *parents, name = _keys(field)
        holder = _get(event, "".join(f"[{key}]" for key in parents)) if parents else event
        if isinstance(holder, dict):
            holder.pop(name, None)
    if "add_tag" in options:
        event["tags"] = [*event.get("tags", ()), *options["add_tag"]]


def _holds(comparison: Comparison, event: Event) -> bool:
    if comparison.operator == "in":
        return comparison.left in (_get(event, comparison.right) or ())
    found = _get(event, comparison.left)
    pattern = comparison.right.replace(r"\z", r"\Z")  # Ruby's end of text
    matches = isinstance(found, str) and re.search(pattern, found) is not None
    return matches if comparison.operator == "=~" else not matches


def _keys(field: str) -> list[str]:
    return _REFERENCE.findall(field) or [field]


def _get(event: Event, field: str) -> Any:
    found: Any = event
    for key in _keys(field):
        if not isinstance(found, dict):
            return None
        found = found.get(key)
    return found


def _set(event: Event, field: str, value: str) -> None:
    *parents, name = _keys(field)
    for key in parents:
        event = event.setdefault(key, {})
    event[name] = value


class _Reader:
    """Descend through one file."""

    def __init__(self, text: str) -> None:
        self._tokens = [*_tokens(text), Token("end", "")]
        self._at = 0

    def file(self) -> dict[str, list[Block]]:
        sections: dict[str, list[Block]] = {}
        while self._next.kind != "end":
            name = self._take("word")
            if name not in ("input", "filter", "output"):
                raise ValueError(f"no section {name}")
            sections.setdefault(name, []).extend(self._blocks())
        return sections

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self, *allowed: str) -> str:
        token = self._next
        if token.kind not in allowed and (token.kind != "sign" or token.text not in allowed):
            raise ValueError(f"{token.text!r} where {' or '.join(allowed)} belongs")
        self._at += 1
        return token.text

    def _blocks(self) -> list[Block]:
        self._take("{")
        blocks: list[Block] = []
        while self._next.text != "}":
            name = self._take("word")
            blocks.append(self._branch() if name == "if" else Plugin(name, self._options()))
        self._take("}")
        return blocks

    def _branch(self) -> Branch:
        any_of = [self._comparison()]
        while self._next == Token("word", "or"):
            self._take("word")
            any_of.append(self._comparison())
        then = self._blocks()
        otherwise: list[Block] = []
        if self._next == Token("word", "else"):
            self._take("word")
            if self._next == Token("word", "if"):
                self._take("word")
                otherwise = [self._branch()]
            else:
                otherwise = self._blocks()
        return Branch(any_of, then, otherwise)

    def _comparison(self) -> Comparison:
        if self._next.kind == "string":
            left = self._value()
            if self._take("word") != "in":
                raise ValueError("only `in` stands behind a text")
            return Comparison(left, "in", self._take("field"))
        return Comparison(self._take("field"), self._take("=~", "!~"), self._take("regexp")[1:-1])

    def _options(self) -> dict[str, Any]:
        self._take("{")
        options: dict[str, Any] = {}
        while self._next.text != "}":
            name = self._take("word", "string").strip("\"'")
            self._take("=>")
            if name in options:
                raise ValueError(f"{name} twice")
            options[name] = self._value()
        self._take("}")
        return options

    def _value(self) -> Any:
        if self._next.text == "{":
            return self._options()
        if self._next.text == "[":
            self._take("[")
            values = [self._value()]
            while self._next.text == ",":
                self._take(",")
                values.append(self._value())
            self._take("]")
            return values
        kind, text = self._next
        self._take("string", "number", "word")
        return text[1:-1] if kind == "string" else text


def _tokens(text: str) -> Iterator[Token]:
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"not to be read: {text[at : at + 40]!r}")
        at = match.end()
        if match.lastgroup:
            yield Token(match.lastgroup, match[0])
