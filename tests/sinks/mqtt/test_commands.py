import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weatherd.sinks.mqtt.commands import (
    BURST_MAX,
    PERIOD_S,
    SIZE_MAX,
    BadCommand,
    Command,
    answer,
    parse,
    response_topic,
    shown,
)
from weatherd.sinks.mqtt.topics import Topics
from weatherd.throttling import Allowance

TOPICS = Topics("weatherd/s")


@pytest.mark.parametrize(
    ("payload", "command"),
    [
        (b"report", Command("report")),
        (b"requeue", Command("requeue")),
        (b'{"command": "report"}', Command("report")),
        (b'{"command": "report", "sensor": "garden"}', Command("report", "garden")),
        (b'{"command": "infrared", "name": "tv_power"}', Command("infrared", name="tv_power")),
        (b'{"command": "requeue"}', Command("requeue")),
    ],
)
def test_a_command_is_a_word_or_json(payload: bytes, command: Command) -> None:
    """Whoever types it writes a word; a program names a sensor as well."""
    assert parse(payload) == command


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"", "neither report nor requeue"),
        (b"REPORT", "neither report nor requeue"),
        (b"\xff", "neither report nor requeue"),
        (b'{"command": "halt"}', "neither report nor requeue"),
        (b'{"command": "report", "sensors": ["a"]}', "neither report nor requeue"),
        (b'{"command": "requeue", "sensor": "a"}', "sensor goes only together with report"),
        (b'{"command": "infrared"}', "infrared with a name"),
        (b'{"command": "report", "name": "tv_power"}', "name goes with infrared"),
        (b" " * SIZE_MAX + b"report", "4,102 bytes are more than 4,096"),
    ],
)
def test_what_is_no_command_is_refused_with_a_reason(payload: bytes, why: str) -> None:
    """Whoever asked is told what is wrong."""
    with pytest.raises(BadCommand, match=why):
        parse(payload)


@given(st.binary(max_size=2 * SIZE_MAX))
def test_any_bytes_are_a_command_or_refused(payload: bytes) -> None:
    """Nothing else can come of them, and what the log shows of them is one short line."""
    with contextlib.suppress(BadCommand):
        assert parse(payload).command in {"report", "requeue"}
    assert shown(payload).isprintable()
    assert len(shown(payload)) < 300


@pytest.mark.parametrize(
    ("wanted", "topic"),
    [
        (None, "weatherd/s/response"),
        ("weatherd/s/response", "weatherd/s/response"),
        ("weatherd/s/response/me", "weatherd/s/response/me"),
        ("weatherd/s/responses", "weatherd/s/response"),
        ("weatherd/s/response/#", "weatherd/s/response"),
        ("weatherd/s/response/+/x", "weatherd/s/response"),
        ("weatherd/other/response", "weatherd/s/response"),
        ("homeassistant/status", "weatherd/s/response"),
        ("", "weatherd/s/response"),
    ],
)
def test_an_answer_goes_nowhere_but_to_our_response_topic(wanted: str | None, topic: str) -> None:
    """Else the one who asks could publish through us where he may not himself."""
    assert response_topic(TOPICS, wanted) == topic


def test_a_burst_is_let_through_and_then_one_a_second() -> None:
    """However many there are, and however long none came before."""
    allowance = Allowance(1000.0, BURST_MAX, PERIOD_S)
    assert [allowance.take(5000.0) for _ in range(BURST_MAX + 2)] == [True] * BURST_MAX + [False] * 2
    assert not allowance.take(5000.5)
    assert allowance.take(5001.0)
    assert not allowance.take(5001.0)


def test_an_answer_says_how_many_or_why_not() -> None:
    """One of the two."""
    assert msgspec.json.decode(answer("report", count=2)) == {"command": "report", "ok": True, "count": 2}
    assert msgspec.json.decode(answer("halt", error="no")) == {"command": "halt", "ok": False, "error": "no"}
