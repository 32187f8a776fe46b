"""Nothing stops the rest: whatever a check does, it ends in a finding."""

import asyncio
from collections.abc import Awaitable, Sequence

import pytest

from weatherd.doctor.findings import Finding, State, bounded, mistakes
from weatherd.errors import ConfigError, JournalFull


async def hang() -> Sequence[Finding]:
    await asyncio.get_running_loop().create_future()
    return []


async def refuse() -> Sequence[Finding]:
    raise JournalFull("it is full", "make room")


async def break_down() -> Sequence[Finding]:
    raise OSError(5, "Input/output error")


async def blunder() -> Sequence[Finding]:
    raise KeyError("hunter2")


@pytest.mark.parametrize(
    ("work", "code"),
    [
        (hang(), "doctor.deadline_exceeded"),
        (refuse(), "journal.full"),
        (break_down(), "doctor.not_possible"),
        (blunder(), "doctor.failed"),
    ],
    ids=["hang", "refuse", "break_down", "blunder"],
)
async def test_whatever_happens_in_a_check_is_one_finding(work: Awaitable[Sequence[Finding]], code: str) -> None:
    """A check that hangs, fails or has a mistake in it ends in time, as a failure with a code and a hint."""
    (found,) = await bounded("disk", "journal", work, 0.05)
    assert (found.check, found.subject, found.state, found.code) == ("disk", "journal", State.FAIL, code)
    assert found.hint


async def test_a_mistake_of_ours_is_told_without_its_words() -> None:
    """The words of an unexpected error may hold a secret: its kind and place are enough."""
    (found,) = await bounded("sink", "logstash", blunder(), 1.0)
    assert "KeyError in blunder" in found.message
    assert "hunter2" not in found.message


def test_every_mistake_of_a_configuration_is_a_finding() -> None:
    """Each has its key and line, and one more line says what could not be tried because of them."""
    error = ConfigError(
        "2 mistakes", mistakes=[ConfigError.Mistake(3, "a", "is wrong"), ConfigError.Mistake(5, "", "too")]
    )
    found = mistakes(error)
    assert [one.message for one in found[:2]] == ["line 3: a: is wrong", "line 5: too"]
    assert [one.state for one in found] == [State.FAIL, State.FAIL, State.WARN]
