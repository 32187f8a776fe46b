import os

import pytest

from weatherd import errors
from weatherd.errors import ConfigError, JournalError, NoAnswer, UnavailableError, WeatherdError


def all_errors() -> list[type[WeatherdError]]:
    found = [WeatherdError]
    for error in found:
        found.extend(error.__subclasses__())
    return [error for error in found if error.__module__ == errors.__name__]


def test_the_tree_in_the_docstring_is_the_tree_in_the_code() -> None:
    """Every error stands in the drawing with its code, and nothing else does."""
    assert errors.__doc__ is not None
    for error in all_errors()[1:]:
        (line,) = [line for line in errors.__doc__.splitlines() if f"── {error.__name__} " in line]
        assert error.code in line or error.code.replace(".failed", ".*") in line
    drawn = [line.split("── ")[1].split()[0] for line in errors.__doc__.splitlines() if "── " in line]
    assert sorted(drawn) == sorted(error.__name__ for error in all_errors()[1:])


def test_codes_are_unique() -> None:
    """No two errors share a code."""
    codes = [error.code for error in all_errors()]
    assert len(codes) == len(set(codes))


def test_an_error_has_two_readers() -> None:
    """A code for the machine, a sentence and a hint for the person."""
    error = NoAnswer("nobody acknowledges at 0x77", "check the plug")
    assert error.report() == "error: sensor.no_answer: nobody acknowledges at 0x77\nhint:  check the plug"
    assert error.reason == "no_answer"
    assert str(error) == "nobody acknowledges at 0x77"


def test_without_a_hint_there_is_one_line() -> None:
    """Nothing is said where there is nothing to say."""
    assert NoAnswer("nobody answers").report() == "error: sensor.no_answer: nobody answers"


@pytest.mark.parametrize(
    ("error", "code"), [(ConfigError, os.EX_CONFIG), (UnavailableError, os.EX_UNAVAILABLE), (JournalError, os.EX_IOERR)]
)
def test_exit_codes_are_sysexits(error: type[WeatherdError], code: int) -> None:
    """78 for the configuration, 69 for what is unavailable, 74 for input and output."""
    assert error.exit_code == code
