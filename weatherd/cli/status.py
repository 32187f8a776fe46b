"""
`weatherd status`: how the running daemon is, for people or for programs.

Its exit code is what a container's health check goes by. It always ends: the daemon is waited for a few seconds.
"""

import datetime as dt
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from weatherd.control import ask

_COLOURS = {"working": 32, "answers": 32, "starting": 33, "untried": 33, "lost": 31}
"""Of a state, as SGR parameters (ECMA-48, section 8.3.117): green, yellow, red."""

_MB = 1_000_000


def show(*, as_json: bool) -> int:
    """Print the status of the running daemon; return 0 if it does its work, else 69, with what keeps it from that."""
    status = ask("status")
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(status)).decode())
    else:
        print("\n".join(lines(status, coloured=_has_colours())))
    trouble = status.get("trouble")  # a daemon of an earlier version does not tell
    if trouble is None:
        return os.EX_OK
    print(f"error: {trouble['code']}: {trouble['message']}\nhint:  {trouble['hint']}", file=sys.stderr)
    return os.EX_UNAVAILABLE


def _has_colours() -> bool:
    """Tell whether colours are seen as such; NO_COLOR is what no-color.org says."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def lines(status: Mapping[str, Any], *, coloured: bool = False) -> Iterator[str]:
    """Write a status for people; with colours the state of each part has one."""
    station, daemon, clock = status["station"], status["daemon"], status["clock"]
    yield f"{station['name'] or station['id']} ({station['id']}), weatherd {station['version']}"
    yield f"running for {_duration(station['uptime_s'])}, process {daemon['pid']}"
    if panel := status["panel"]:
        yield f"panel: {panel['url']}"
        yield from _error(panel["error"])
    else:
        yield "panel: off"
    yield "clock: " + ("synchronised" if clock["synchronized"] else "not synchronised; documents say so")
    yield ""
    yield "sensors"
    sensors, sinks = status["sensors"], status["sinks"]
    now = dt.datetime.fromisoformat(clock["now"])
    for sensor in sensors:
        yield from _sensor(sensor, now, _head(sensor, sensors, ("name", "model", "state"), coloured=coloured))
    yield ""
    journal = status["journal"]
    yield f"journal: {journal['path']}"
    yield f"  {_size(journal['size'])} of {_size(journal['size_max'])}, newest entry {journal['last_seq']:,}"
    if not journal["in_memory"]:
        yield "  young observations are kept on the card"
    if journal["holding"]:
        yield "  observations wait until the time is known"
    yield f"  queue {journal['queue_depth']:,} of {journal['queue_size_max']:,}"
    for count, what in (
        (journal["queue_dropped_count"], "observations dropped from the full queue"),
        (journal["dropped_count"], "observations dropped from the full journal, at most"),
        (journal["thinned_count"], f"observations reduced to {journal['reduced_count']:,} one-minute means"),
        (journal["quarantined_count"], "documents in quarantine"),
        (journal["quarantine_dropped_count"], "documents dropped from the full quarantine"),
        (journal["unreadable_count"], "entries that cannot be read any more"),
    ):
        if count:
            yield f"  {count:,} {what}"
    yield from _error(journal["error"])
    yield ""
    yield "sinks"
    for sink in sinks:
        yield from _sink(sink, _head(sink, sinks, ("name", "state"), coloured=coloured))
    if not sinks:
        yield "  none: observations stay in the journal"


def _head(one: Mapping[str, Any], every: Sequence[Mapping[str, Any]], keys: Sequence[str], *, coloured: bool) -> str:
    """Return the first columns of a table, as wide as the longest of them."""
    cells = [f"{one[key]:<{max(len(other[key]) for other in every)}}" for key in keys]
    if coloured and one["state"] in _COLOURS:
        cells[-1] = f"\x1b[{_COLOURS[one['state']]}m{cells[-1]}\x1b[0m"
    return "  ".join(cells)


def _sensor(sensor: Mapping[str, Any], now: dt.datetime, head: str) -> Iterator[str]:
    observed = "no observation yet" if sensor.get("heard") is None else _heard(sensor["heard"])
    if sensor["observed_at"]:
        age_s = (now - dt.datetime.fromisoformat(sensor["observed_at"])).total_seconds()
        observed = f"last observation {_duration(max(age_s, 0.0))} ago"
    yield f"  {head}  {observed}"
    if sensor["quality"]:
        yield f"    quality: {_quality(sensor['quality'], sensor['quality_reasons'])}"
    if sensor["skipped_count"]:
        yield f"    {sensor['skipped_count']:,} measurements came too late"
    if sensor["lost_edges_count"]:
        yield f"    {sensor['lost_edges_count']:,} edges were lost in the kernel"
    if sensor["calibration"]:
        yield f"    calibration {sensor['calibration']}"
    if sensor.get("lines"):
        yield "    lines: " + ", ".join(f"{name.replace('_', ' ')} {n:,}" for name, n in sensor["lines"].items())
    yield from _error(sensor["error"])


def _heard(counts: Mapping[str, int]) -> str:
    """Tell what a receiver of infrared has heard since the start."""
    words = [
        f"{counts['keys']:,} keys",
        f"{counts['repeats']:,} repeats",
        *(f"{counts[key]:,} {what}" for key, what in _HEARD.items() if counts[key]),
    ]
    return f"heard {', '.join(words)}"


_HEARD = {"unknown": "messages that no decoder knows", "left_out": "too many to be events"}


def _quality(flags: Mapping[str, str], reasons: Mapping[str, str]) -> str:
    """Name what is not good, with the reason; the rest in a word."""
    failed = [
        f"{quantity} {flag}" + (f" ({reasons[quantity]})" if quantity in reasons else "")
        for quantity, flag in flags.items()
        if flag != "good"
    ]
    return ", ".join(failed) or "good"


def _sink(sink: Mapping[str, Any], head: str) -> Iterator[str]:
    yield f"  {head}  {sink['delivered_count']:,} delivered, {sink['lag']:,} to send"
    if sink["backlog"]:
        yield f"    backlog {sink['backlog']:,} of them; the newest go first"
    if sink["attempt_next_in_s"] is not None:
        yield f"    next attempt in {sink['attempt_next_in_s']:.0f} s"
    yield from _error(sink["error"])


def _error(error: Mapping[str, str] | None) -> Iterator[str]:
    if error is not None:
        yield f"    {error['code']}: {error['message']}"
        if error["hint"]:
            yield f"    {error['hint']}"


def _duration(seconds: float) -> str:
    seconds = round(seconds)
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min {seconds % 60} s" if minutes else f"{seconds} s"


def _size(size: int) -> str:
    return f"{size / _MB:,.1f} MB" if size >= _MB else f"{size / 1000:.0f} kB"
