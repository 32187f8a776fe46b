"""How a mistake is told: what was found, what is allowed, and what was perhaps meant."""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from weatherd.config.locate import KeyPath

TEXT_LENGTH_MAX = 60
"""Characters of a text that a message repeats."""

_INTEGER_MAX = 2**63


def quoted(text: str) -> str:
    """Return a text in quotes, on one line and not too long."""
    if len(text) > TEXT_LENGTH_MAX:
        text = f"{text[:TEXT_LENGTH_MAX]}…"
    return json.dumps(text, ensure_ascii=not text.isprintable())


def found(value: Any) -> str:
    """
    Return a TOML value in words.

    A text with an "@" is not repeated: a URL with a password looks like that.
    """
    match value:
        case str():
            return 'a text with "@"' if "@" in value else quoted(value)
        case int() if abs(value) >= _INTEGER_MAX:
            return "a number beyond 64 bits"
        case bool() | int() | float():
            return str(value).lower()
        case list():
            return f"a list of {len(value)}" if value else "an empty list"
        case dict():
            return "a table" if value else "an empty table"
        case _:
            return f"the date or time {value}"


def choice(words: Sequence[str], last: str = "or") -> str:
    """Join words as people do: ``a, b or c``."""
    return f" {last} ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return what to write instead of an unknown word: the nearest known one, or else all of them."""
    known = list(known)
    around = [name for name in known if word in name.split("_")]  # humidity is relative_humidity, and no humidex
    import difflib  # noqa: PLC0415  -- 0.1 MB that only a mistake needs

    if near := difflib.get_close_matches(word[:TEXT_LENGTH_MAX], around or known, n=1, cutoff=0.0 if around else 0.6):
        return f"did you mean {quoted(near[0])}?"
    return f"known is {choice(known)}" if len(known) == 1 else f"known are {choice(known, 'and')}"


def dotted(path: KeyPath) -> str:
    """Return a key path as it is written: ``sensors[0].calibration."a b"``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part if re.fullmatch('[A-Za-z0-9_-]{1,64}', part) else quoted(part)}"
    return text.removeprefix(".")
