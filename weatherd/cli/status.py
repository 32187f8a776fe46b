"""
`weatherd status`: how the running daemon is, for people or for programs.

Its exit code is what a container's health check goes by. It always ends: the daemon is waited for a few seconds.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from weatherd.control import ask


def show(*, as_json: bool) -> int:
    """Print the status of the running daemon; return 0 if it does its work, else 69, with what keeps it from that."""
    status = ask("status")
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(status)).decode())
    else:
        print("\n".join(lines(status)))
    trouble = status.get("trouble")  # a daemon of an earlier version does not tell
    if trouble is None:
        return os.EX_OK
    print(f"error: {trouble['code']}: {trouble['message']}\nhint:  {trouble['hint']}", file=sys.stderr)
    return os.EX_UNAVAILABLE


def lines(status: Mapping[str, Any]) -> Iterator[str]:
    """Write a status for people."""
    station, daemon, clock = status["station"], status["daemon"], status["clock"]
    yield f"{station['name'] or station['id']} ({station['id']}), weatherd {station['version']}"
    yield f"running for {_duration(station['uptime_s'])}, process {daemon['pid']}"
    if panel := status["panel"]:
        yield f"panel: {panel['url']}"
        yield from _error(panel["error"])
    yield "clock: " + ("synchronised" if clock["synchronized"] else "not synchronised; documents say so")
    yield ""
    yield "sensors"
    for sensor in status["sensors"]:
        yield from _sensor(sensor)
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
    for sink in status["sinks"]:
        yield from _sink(sink)
    if not status["sinks"]:
        yield "  none: observations stay in the journal"


def _sensor(sensor: Mapping[str, Any]) -> Iterator[str]:
    observed = f"last observation {sensor['observed_at']}" if sensor["observed_at"] else "no observation yet"
    yield f"  {sensor['name']:<20} {sensor['model']:<10} {sensor['state']:<9} {observed}"
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


def _quality(flags: Mapping[str, str], reasons: Mapping[str, str]) -> str:
    """Name what is not good, with the reason; the rest in a word."""
    failed = [
        f"{quantity} {flag}" + (f" ({reasons[quantity]})" if quantity in reasons else "")
        for quantity, flag in flags.items()
        if flag != "good"
    ]
    return ", ".join(failed) or "good"


def _sink(sink: Mapping[str, Any]) -> Iterator[str]:
    yield f"  {sink['name']:<20} {sink['state']:<10} {sink['delivered_count']:,} delivered, {sink['lag']:,} to send"
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
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if days:
        return f"{days:.0f} d {hours % 24:.0f} h"
    if hours:
        return f"{hours:.0f} h {minutes % 60:.0f} min"
    return f"{minutes:.0f} min {seconds % 60:.0f} s"


def _size(size: int) -> str:
    return f"{size / 1_000_000:,.1f} MB"
