import io
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from weatherd.logs import make_log


@pytest.fixture(autouse=True)
def standard_logging() -> Iterator[None]:
    """Give the standard library's root logger back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def test_a_line_is_json_with_ecs_names() -> None:
    """Time, level, sentence and event where ECS has them; our own fields under our own name."""
    stream = io.StringIO()
    make_log("info", "json", stream).warning(
        "sampling.sensor_lost", message="barometer is lost", code="sensor.no_answer", sensor="barometer"
    )
    line = json.loads(stream.getvalue())
    assert line.pop("@timestamp").endswith("Z")
    assert line.pop("service.version")
    assert line == {
        "log.level": "warning",
        "message": "barometer is lost",
        "ecs.version": "8.11",
        "service.name": "weatherd",
        "event.action": "sampling.sensor_lost",
        "error.code": "sensor.no_answer",
        "weatherd": {"sensor": "barometer"},
    }


def test_console_lines_are_for_people() -> None:
    """At a terminal the sentence comes first, and no JSON is read."""
    stream = io.StringIO()
    make_log("info", "console", stream).warning("sampling.sensor_lost", message="barometer is lost", sensor="barometer")
    assert "barometer is lost" in stream.getvalue()
    assert "{" not in stream.getvalue()


def test_less_important_lines_are_left_out() -> None:
    """The level of the configuration holds."""
    stream = io.StringIO()
    make_log("warning", "json", stream).info("daemon.started", message="the station runs")
    assert stream.getvalue() == ""


def test_a_traceback_is_one_line() -> None:
    """A mistake of ours is told with its whole traceback, inside one JSON line."""
    stream = io.StringIO()
    log = make_log("info", "json", stream)
    try:
        raise ZeroDivisionError("ours")
    except ZeroDivisionError:
        log.exception("supervision.loop_failed", message="failed")
    line = json.loads(stream.getvalue())
    assert "ZeroDivisionError: ours" in line["error.stack_trace"]


def test_a_reader_that_has_stopped_reading_holds_nobody_up() -> None:
    """When a pipe is full, lines are left out, and come again when somebody reads."""
    reading_end, writing_end = os.pipe()
    with os.fdopen(writing_end, "w") as stream:
        log = make_log("info", "json", stream)
        for number in range(2000):
            log.info("a", message=str(number))
        seen = os.read(reading_end, 1_000_000).decode()
        log.info("b", message="again")
        seen += os.read(reading_end, 1_000_000).decode()
    os.close(reading_end)
    messages = [json.loads(line)["message"] for line in seen.splitlines()]
    assert messages[0] == "0"
    assert messages[-1] == "again"
    assert len(messages) < 2000


def test_no_line_fails_for_what_is_in_it(tmp_path: Path) -> None:
    """A terminal that knows only Latin-1 gets an escape, and the caller no error."""
    with (tmp_path / "log").open("w", encoding="latin-1") as stream:
        make_log("info", "console", stream).info("a", message="27 \N{DEGREE CELSIUS} \ufffd")
    assert b"27 " in (tmp_path / "log").read_bytes()


def test_a_flood_of_other_peoples_lines_is_bounded() -> None:
    """What asyncio says a thousand times is said once a minute."""
    stream = io.StringIO()
    make_log("info", "json", stream)
    for number in range(1000):
        logging.getLogger("asyncio").critical("out of %s: %d", "resources", number)
    assert len(stream.getvalue().splitlines()) == 1


def test_the_standard_librarys_lines_go_the_same_way() -> None:
    """What asyncio and aiohttp say is JSON too, once, whoever made a log before."""
    make_log("info", "json", io.StringIO())
    stream = io.StringIO()
    make_log("info", "json", stream)
    logging.getLogger("asyncio").error("socket.send() raised %s", "something")
    line = json.loads(stream.getvalue())
    assert line["message"] == "socket.send() raised something"
    assert line["event.action"] == "asyncio.logged"
