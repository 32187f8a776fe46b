"""`weatherd doctor`: everything that the station needs is tried, a line for each, with the way to mend it."""

import contextlib
import os
import shutil
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import msgspec

from weatherd import config
from weatherd.cli.run import run_loop
from weatherd.clock import SystemClock
from weatherd.doctor import Finding, State, examine, mistakes
from weatherd.errors import ConfigError

_WORDS = {State.OK: "ok", State.WARN: "warn", State.FAIL: "FAIL"}
_STATE_WIDTH = 8
_SUBJECT_WIDTH_MIN, _SUBJECT_WIDTH_MAX = len("configuration"), 32
_LINE_WIDTH_MIN = 60


def doctor(path: Path, *, as_json: bool) -> int:
    """
    Print what was found, each line as soon as it is there; return 0 if nothing failed, else 1.

    Args:
        path: Of the configuration.
        as_json: One list of objects, at the end.

    Raises:
        ConfigError: If the configuration cannot be read at all.
    """
    return run_loop(_doctor(path, as_json=as_json))


async def _doctor(path: Path, *, as_json: bool) -> int:
    settings, first = _read(path)
    names = () if settings is None else [sensor.name for sensor in settings.sensors]
    width = min(max(map(len, names), default=0), _SUBJECT_WIDTH_MAX)
    found: list[Finding] = []
    stdout = sys.stdout

    def take(finding: Finding) -> None:
        is_told = bool(found) and found[-1].hint == finding.hint
        found.append(finding)
        if not as_json:
            shown = lines(finding, max(width, _SUBJECT_WIDTH_MIN), with_hint=not is_told)
            print("\n".join(shown), file=stdout, flush=True)

    for finding in first:
        take(finding)
    with contextlib.redirect_stdout(sys.stderr):  # drivers of other people's print
        async for finding in examine(settings, SystemClock()):
            take(finding)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(found)).decode())
    return os.EX_OK if all(finding.state is not State.FAIL for finding in found) else 1


def _read(path: Path) -> tuple[config.Config | None, list[Finding]]:
    try:
        settings = config.load(path)
    except ConfigError as error:
        if not error.mistakes:
            raise
        return None, list(mistakes(error))
    return settings, [Finding("configuration", "configuration", State.OK, "", f"{path} is right", "")]


def lines(finding: Finding, width: int, *, with_hint: bool = True) -> Iterator[str]:
    """
    Write a finding for people.

    Args:
        finding: To be written.
        width: Of the column of subjects.
        with_hint: False if the line before has the same one.
    """
    start = f"{_WORDS[finding.state]:<{_STATE_WIDTH}}{finding.subject:<{width}}  "
    yield _folded(start + finding.message, len(start))
    if finding.hint and with_hint:
        yield _folded(f"{'':<{_STATE_WIDTH}}hint: {finding.hint}", _STATE_WIDTH + len("hint: "))


def _folded(line: str, indent: int) -> str:
    """Break a long line at a terminal, and nowhere else: programs look for whole lines."""
    if not sys.stdout.isatty():
        return line
    width = max(shutil.get_terminal_size().columns, _LINE_WIDTH_MIN)
    return textwrap.fill(line, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)
