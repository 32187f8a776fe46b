"""
Logs: JSON lines with ECS names on standard output, or readable lines at a terminal.

An event is named `module.past_tense` (`event.action`); its `message` is a sentence for people. `make_log` returns a
logger, and whoever logs is handed it; only the standard library's logging, which asyncio and aiohttp use, is global,
and is led into the same stream.
"""

import contextlib
import io
import logging
import math
import select
import sys
import threading
import time
from collections.abc import MutableMapping
from typing import Any, Literal, TextIO

import msgspec
import structlog

from weatherd import __version__
from weatherd.processing.documents import ECS_VERSION

_KIND_PERIOD_S = 60.0
_KIND_LENGTH_MAX = 60
_KINDS_MAX = 100
_PRINTED_LENGTH_MAX = 500
_PRINTED_LINES_MAX = 30

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["json", "console"]


def make_log(level: Level, log_format: Format, stream: TextIO | None = None) -> structlog.typing.FilteringBoundLogger:
    """
    Make the logger of this process.

    Args:
        level: Nothing less important is written.
        log_format: ``json`` for machines, ``console`` for people.
        stream: Where to; standard output by default.
    """
    target = stream or sys.stdout
    if isinstance(target, io.TextIOWrapper):
        target.reconfigure(errors="backslashreplace")  # no line may fail for what is in it
    processors: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="@timestamp"),
        structlog.processors.format_exc_info,
    ]
    if log_format == "json":
        processors += [_ecs, structlog.processors.JSONRenderer(_encode)]
    else:
        processors += [_sentence, structlog.dev.ConsoleRenderer(colors=target.isatty(), timestamp_key="@timestamp")]
    log: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        _Lines(target),
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    _adopt_standard_logging(log, level)
    return log


class _Lines:
    """
    Write each line at once, if somebody takes it.

    A reader that is gone, or has stopped reading, must not hold up the station: what it does not take is left out.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._poll = select.poll()
        try:
            self._poll.register(stream.fileno(), select.POLLOUT)
        except OSError:
            self._in_memory = True
        else:
            self._in_memory = False

    def write(self, line: str) -> None:
        if not self._in_memory and not self._poll.poll(0):
            return
        with contextlib.suppress(OSError):
            self._stream.write(line + "\n")
            self._stream.flush()

    debug = info = warning = error = critical = write


class Printed(io.TextIOBase):
    """
    Lead what others print into our log, where each line is JSON; for `contextlib.redirect_stdout`.

    A driver of somebody else's may print on every measurement, from any thread: so many lines a minute are logged, and
    no line is longer than so much. What is written past Python, by C code to the file descriptor, is not seen here.

    Args:
        log: Where to.
    """

    def __init__(self, log: structlog.typing.FilteringBoundLogger) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._rest = ""
        self._period_s = -math.inf
        self._told_count = 0

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: str) -> int:
        """Log each line that is complete, and one that is too long."""
        with self._lock:
            *lines, rest = (self._rest + text).split("\n")
            if len(rest) > _PRINTED_LENGTH_MAX:
                lines, rest = [*lines, rest], ""
            self._rest = rest
            for line in filter(None, lines):
                self._tell(line)
        return len(text)

    def _tell(self, line: str) -> None:
        now_s = time.monotonic()
        if now_s - self._period_s >= _KIND_PERIOD_S:
            self._period_s, self._told_count = now_s, 0
        self._told_count += 1
        if self._told_count <= _PRINTED_LINES_MAX:
            self._log.warning("program.printed", message=line[:_PRINTED_LENGTH_MAX])


def _ecs(_: object, __: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Rename what ECS has a name for; the rest is ours and goes under `weatherd`."""
    action = fields.pop("event")
    record = {
        "@timestamp": fields.pop("@timestamp"),
        "log.level": fields.pop("level"),
        "message": fields.pop("message", action),
        "ecs.version": ECS_VERSION,
        "service.name": "weatherd",
        "service.version": __version__,
        "event.action": action,
    }
    for ours, ecs in (("code", "error.code"), ("exception", "error.stack_trace")):
        if ours in fields:
            record[ecs] = fields.pop(ours)
    if fields:
        record["weatherd"] = dict(fields)
    return record


def _sentence(_: object, __: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Put the sentence where people look first."""
    fields["event"] = fields.pop("message", fields["event"])
    return fields


def _encode(record: object, **_: object) -> str:
    return msgspec.json.encode(record, enc_hook=str).decode()


class _Adopting(logging.Handler):
    """Lead other people's lines into our log, each kind at most once a minute: some come thousands of times."""

    def __init__(self, log: structlog.typing.FilteringBoundLogger) -> None:
        super().__init__()
        self._log = log
        self._told_s: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        kind = str(record.msg)[:_KIND_LENGTH_MAX]
        if record.created - self._told_s.get(kind, -math.inf) < _KIND_PERIOD_S:
            return
        if len(self._told_s) >= _KINDS_MAX:
            self._told_s.clear()
        self._told_s[kind] = record.created
        action = f"{record.name.partition('.')[0]}.logged"
        level = min(max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL)
        self._log.log(level, action, message=record.getMessage(), exc_info=record.exc_info or None)


def _adopt_standard_logging(log: structlog.typing.FilteringBoundLogger, level: Level) -> None:
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _Adopting)]:
        root.removeHandler(handler)
    root.addHandler(_Adopting(log))
    root.setLevel(level.upper())
