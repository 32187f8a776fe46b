import datetime as dt
from typing import Any

import pytest

from weatherd.config.words import choice, dotted, found, nearest, quoted


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (7, "7"),
        (-0.5, "-0.5"),
        (float("nan"), "nan"),
        (2**63, "a number beyond 64 bits"),
        ("São", '"São"'),
        ("a@b", 'a text with "@"'),
        ([], "an empty list"),
        ([1, 2], "a list of 2"),
        ({}, "an empty table"),
        ({"a": 1}, "a table"),
        (dt.date(2026, 1, 2), "the date or time 2026-01-02"),
    ],
)
def test_a_value_is_told_as_it_is_written(value: Any, text: str) -> None:
    """People find what they wrote; large things are named, and what may be a secret is not repeated."""
    assert found(value) == text


def test_a_text_cannot_disturb_a_terminal() -> None:
    """Line breaks, escapes and marks that turn the direction of writing come out as numbers."""
    assert quoted('a"\n\x1b\u202e') == '"a\\"\\n\\u001b\\u202e"'


def test_a_long_text_is_cut() -> None:
    """A mistake stays one line."""
    assert quoted("x" * 60) == f'"{"x" * 60}"'
    assert quoted("x" * 61) == f'"{"x" * 60}…"'


def test_words_are_joined_as_people_do() -> None:
    """The last one is set off with a word, not a comma."""
    assert [choice(["a"]), choice(["a", "b"]), choice(["a", "b", "c"], "and")] == ["a", "a or b", "a, b and c"]


def test_the_nearest_known_word_is_named() -> None:
    """A slip of the finger gets one answer; a word that is like none gets all."""
    assert nearest("adress", ["name", "address"]) == 'did you mean "address"?'
    assert nearest("zzz", ["name", "address"]) == "known are name and address"
    assert nearest("zzz", ["name"]) == "known is name"


def test_a_key_is_told_as_it_is_written() -> None:
    """Plain keys are joined by dots, indices stand in brackets, other keys in quotes."""
    assert dotted(("sensors", 0, "match", "a b", "c\n")) == 'sensors[0].match."a b"."c\\n"'
    assert not dotted(())
