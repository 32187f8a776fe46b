"""
Tell on which line of a TOML text each key stands.

`tomllib` reads TOML and forgets the lines. This walks the same text again and keeps nothing else. It relies on
`tomllib` having accepted the text, so it need not understand values, only know where they end. Should it lose its
way all the same, it stops: what comes after has no line of its own, which is better than no answer.

Source:
    TOML v1.0.0, https://toml.io/en/v1.0.0
"""

import re
import tomllib
from bisect import bisect_left
from collections.abc import Mapping
from contextlib import suppress

KeyPath = tuple[str | int, ...]
"""Where a value stands: keys and, in lists, indices: ``("sensors", 0, "address")``."""

Lines = Mapping[KeyPath, int]
"""Key path to line, from 1. Tables have the line of their header, or of the first key that implies them."""

_BETWEEN = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_KEY = re.compile(r"""[ \t]*("(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)[ \t]*""")
# Three quotes first, or they would pass for an empty text. Up to two more quotes belong to what they close.
_TEXT = re.compile(r'"""(?:[^\\]|\\.)*?"{3,5}|' r"'''.*?'{3,5}|" r'"(?:[^"\\]|\\.)*"|' r"'[^']*'", re.DOTALL)
_OTHER = re.compile(r"[^,\]}#\n]+")


def locate(text: str) -> Lines:
    """
    Return the line of every key, table and item.

    Args:
        text: TOML which `tomllib` has accepted.
    """
    scanner = _Scanner(text)
    with suppress(_Lost):
        scanner.scan()
    return scanner.lines


class _Lost(Exception):
    """Says that the text does not go on as TOML does."""


class _Scanner:
    """One walk through a text; `_at` is the place that is read next, and every step moves it on or is lost."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._breaks = [found.start() for found in re.finditer("\n", text)]
        self.lines: dict[KeyPath, int] = {}
        self._lengths: dict[KeyPath, int] = {}

    def scan(self) -> None:
        table: KeyPath = ()
        self._pass(_BETWEEN)
        while self._at < len(self._text):
            if self._next() == "[":
                table = self._header()
            else:
                self._pair(table)
            self._pass(_BETWEEN)

    def _header(self) -> KeyPath:
        """Pass ``[a.b]`` or ``[[a.b]]`` and return the path of the table that it opens."""
        line = self._line()
        repeated = self._text.startswith("[[", self._at)
        self._at += 1 + repeated
        keys = self._keys()
        self._at += 1 + repeated
        path: KeyPath = ()
        for key in keys[:-1]:
            path += (key,)
            self.lines.setdefault(path, line)
            if path in self._lengths:  # a table in the last of these tables
                path += (self._lengths[path] - 1,)
        path += (keys[-1],)
        if repeated:
            self.lines.setdefault(path, line)
            self._lengths[path] = self._lengths.get(path, 0) + 1
            path += (self._lengths[path] - 1,)
        self.lines[path] = line
        return path

    def _pair(self, table: KeyPath) -> None:
        """Pass ``key = value``."""
        line = self._line()
        path = table
        for key in self._keys():
            path += (key,)
            self.lines.setdefault(path, line)
        self._at += 1  # the equals sign
        self._value(path)

    def _keys(self) -> list[str]:
        """Pass a key, dotted or not, and return its parts."""
        keys = []
        while found := _KEY.match(self._text, self._at):
            self._at = found.end()
            keys.append(_unquoted(found[1]))
            if self._next() != ".":
                break
            self._at += 1
        if not keys:
            raise _Lost
        return keys

    def _value(self, path: KeyPath) -> None:
        self._pass(_BETWEEN)
        match self._next():
            case "[":
                self._items(path)
            case "{":
                self._pairs(path)
            case _:
                if not (self._pass(_TEXT) or self._pass(_OTHER)):
                    raise _Lost

    def _items(self, path: KeyPath) -> None:
        """Pass a list."""
        self._at += 1
        index = 0
        self._pass(_BETWEEN)
        while self._next() != "]":
            self.lines[*path, index] = self._line()
            self._value((*path, index))
            index += 1
            self._pass_comma()
        self._at += 1

    def _pairs(self, path: KeyPath) -> None:
        """Pass an inline table."""
        self._at += 1
        self._pass(_BETWEEN)
        while self._next() != "}":
            self._pair(path)
            self._pass_comma()
        self._at += 1

    def _pass_comma(self) -> None:
        self._pass(_BETWEEN)
        if self._next() == ",":
            self._at += 1
            self._pass(_BETWEEN)

    def _pass(self, pattern: re.Pattern[str]) -> bool:
        """Pass what fits the pattern, and tell whether anything did."""
        found = pattern.match(self._text, self._at)
        if found:
            self._at = found.end()
        return found is not None

    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _line(self) -> int:
        return bisect_left(self._breaks, self._at) + 1


def _unquoted(key: str) -> str:
    if key[0] == '"':
        try:
            return next(iter(tomllib.loads(f"{key} = 0")))
        except tomllib.TOMLDecodeError:
            raise _Lost from None
    return key[1:-1] if key[0] == "'" else key
