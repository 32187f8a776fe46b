"""
What the panel costs, and how fast it is: the page, its viewers, its memory, its history.

The daemon runs with its default settings and a stand-in for Logstash, and a program writes four JSON lines a second to
its socket, each an observation. It does so without the panel, with the panel that nobody looks at, and with fifty
viewers. Figures of one run can be compared with each other: other things on this machine touch all of them alike.

    page ready       from the navigation to all values and curves, by the browser's own clock; nothing in its cache, and
                     as a second visit; the median of several loads. First values: until the first card
    transfer         bytes over the wire for that, headers included, as the browser counts them
    viewers          CPU time of the daemon with fifty clients of the stream, less that of the same time with none, as a
                     share of one core; what a viewer has missed of what was written, the worst of them
    memory           Pss of the daemon at the end, and what is its own (RssAnon); `looked at` is after all of the above
    history          time of /api/v1/history over thirty days of minutes, as a document a second leaves them, with the
                     step that it chooses itself: 1,440 of half an hour
    scrape           time of /metrics
"""

import argparse
import asyncio
import contextlib
import http.client
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import chromium
from bench_tools import POLL_PERIOD_S, Daemon, Row, StandIn, free_port, lines, machine, print_table, running

from weatherd.daemon.assembly import history_path
from weatherd.history import MINUTE_MS, Bin, Series
from weatherd.history.file import HistoryFile
from weatherd.model import Quality

LINES_PER_S = 4
VIEWERS = 50
DAY_MINUTES = 1440
YEARS_MS = 10 * 366 * 86_400_000
REQUESTS = 20
CAUGHT_UP_S_MAX = 10.0


class Memory(NamedTuple):
    """Of a daemon, in MB."""

    pss: float
    own: float


class Watched(NamedTuple):
    """
    What fifty viewers cost.

    Attributes:
        share: Of a core, with them.
        written: Lines that were written meanwhile.
        seen: Observations that a viewer was told, the fewest of all viewers.
        kept: Entries that the journal took.
    """

    share: float
    written: int
    seen: int
    kept: int


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description="Measure what the panel costs.")
    parser.add_argument("--seconds", type=float, default=30.0, help="for each part (default: %(default)g)")
    parser.add_argument("--loads", type=int, default=5, help="of the page (default: %(default)s)")
    parser.add_argument("--days", type=int, default=30, help="of history (default: %(default)s)")
    arguments = parser.parse_args()
    print(f"{machine()}; {LINES_PER_S} observations a second", flush=True)
    stand_in = StandIn()
    with running(stand_in):
        with station(stand_in.port, None, 0) as (daemon, _):
            bare_share = asyncio.run(_share(daemon, arguments.seconds))
            without = memory_of(daemon)
        panel_port = free_port()
        with station(stand_in.port, panel_port, arguments.days) as (daemon, url):
            unseen_share = asyncio.run(_share(daemon, arguments.seconds))
            unseen = memory_of(daemon)
            watched = asyncio.run(watch(daemon, panel_port, arguments.seconds))
            rows = [*asyncio.run(page_rows(url, arguments.loads)), *viewer_rows(watched, bare_share, unseen_share)]
            rows += request_rows(panel_port, arguments.days)
            rows += memory_rows(without, unseen, memory_of(daemon))
    print_table(rows)


@contextlib.contextmanager
def station(sink_port: int, panel_port: int | None, days: int) -> Iterator[tuple[Daemon, str]]:
    """Run a daemon, with a panel if it has a port for it, and with days of history; yield it and the panel's url."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        journal = Path(folder, "journal.db")
        if days:
            build_history(history_path(journal), days)
        daemon = Daemon(Path(folder), sink_port, journal, panel_port)
        with running(daemon):
            daemon.wait_until_ready()
            yield daemon, f"http://127.0.0.1:{panel_port}/"


def build_history(path: Path, days: int) -> None:
    """Write the minutes of so many days until now, as documents that come each second leave them."""
    history = HistoryFile(path, retention_ms=YEARS_MS)
    history.open()
    end = int(time.time() * 1000) // MINUTE_MS - 5
    for quantity, mean, swing in (("air_temperature", 20.0, 8.0), ("relative_humidity", 60.0, 25.0)):
        bins = [_minute(minute, mean, swing) for minute in range(end - days * DAY_MINUTES, end)]
        history.write(0, {Series("garden", quantity): bins}, ())
    history.close()


def _minute(minute: int, mean: float, swing: float) -> Bin:
    value = mean + swing * math.sin(2 * math.pi * minute / DAY_MINUTES) + 0.3 * math.sin(minute)
    return Bin(minute * MINUTE_MS, round(value, 2), round(value - 0.2, 2), round(value + 0.2, 2), 60, Quality.GOOD)


async def write(daemon: Daemon, duration_s: float) -> int:
    """Write lines at their pace for a while; return how many."""
    count = round(duration_s * LINES_PER_S)
    _, writer = await asyncio.open_unix_connection(daemon.socket)
    began_s = time.monotonic()
    for number, line in enumerate(lines(count), 1):
        writer.write(line)
        await writer.drain()
        await asyncio.sleep(max(0.0, began_s + number / LINES_PER_S - time.monotonic()))
    writer.close()
    await writer.wait_closed()
    return count


async def watch(daemon: Daemon, port: int, duration_s: float) -> Watched:
    """Write for a while, with viewers."""
    counts = [0] * VIEWERS
    viewers = [asyncio.create_task(_view(port, counts, index)) for index in range(VIEWERS)]
    await _until(lambda: all(not one.done() for one in viewers) and _viewers_count(port) == VIEWERS)
    before = daemon.counts().kept
    share = await _share(daemon, duration_s)
    written = round(duration_s * LINES_PER_S)
    await _until(lambda: min(counts) >= written)
    for one in viewers:
        one.cancel()
    await asyncio.gather(*viewers, return_exceptions=True)
    return Watched(share, written, min(counts), daemon.counts().kept - before)


async def _share(daemon: Daemon, duration_s: float) -> float:
    """Return the share of a core that the daemon takes while lines are written."""
    began_s, before_s = time.monotonic(), daemon.cpu_s()
    await write(daemon, duration_s)
    return (daemon.cpu_s() - before_s) / (time.monotonic() - began_s)


async def _view(port: int, counts: list[int], index: int) -> None:
    """Read the stream, as cheaply as can be, and count the observations in it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET /api/v1/stream HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        async for line in reader:
            counts[index] += line.startswith(b"event: observation")
    finally:
        writer.close()


def _viewers_count(port: int) -> int:
    text = _get(port, "/metrics").decode()
    return int(float(next(line for line in text.splitlines() if line.startswith("weatherd_panel_viewers ")).split()[1]))


async def _until(holds: Callable[[], bool]) -> None:
    """Wait until something holds, or long enough: what did not come by then is missed."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CAUGHT_UP_S_MAX):
            while not await asyncio.to_thread(holds):  # noqa: ASYNC110 - it happens in another process
                await asyncio.sleep(POLL_PERIOD_S)


def _get(port: int, path: str) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        sys.exit(f"{path} answers {answer.status}: {body.decode(errors='replace')}")
    return body


async def page_rows(url: str, loads_count: int) -> Sequence[Row]:
    """Load the page."""
    if not chromium.is_there():
        return [("page ready", "needs chromium", "")]
    async with chromium.Chromium() as browser:
        await browser.load(url, cached=False)  # the browser itself has to become warm
        fresh = [await browser.load(url, cached=False) for _ in range(loads_count)]
        await browser.load(url, cached=True)
        again = [await browser.load(url, cached=True) for _ in range(loads_count)]
    return [
        ("page ready", f"{statistics.median(one.ready_s for one in fresh):.2f} s", "< 1 s"),
        ("  the slowest", f"{max(one.ready_s for one in fresh):.2f} s", ""),
        ("  first values", f"{statistics.median(one.shown_s for one in fresh):.2f} s", ""),
        ("  on a second visit", f"{statistics.median(one.ready_s for one in again):.2f} s", ""),
        ("transfer", f"{max(one.size for one in fresh) / 1000:.0f} KB", "< 150 KB"),
        ("  in so many answers", f"{fresh[0].requests_count}", ""),
        ("  on a second visit", f"{max(one.size for one in again) / 1000:.0f} KB", ""),
    ]


def viewer_rows(watched: Watched, bare_share: float, unseen_share: float) -> Iterator[Row]:
    """Tell what viewers cost."""
    yield f"{VIEWERS} viewers, of a core", f"{watched.share - unseen_share:.1%}", "< 5 %"
    yield "  the station without viewers", f"{unseen_share:.1%}", ""
    yield "  the station without the panel", f"{bare_share:.1%}", ""
    yield "  observations lost", f"{watched.written - watched.kept:,} of {watched.written:,}", "0"
    yield "  missed by a viewer", f"{watched.written - watched.seen:,}", "0"


def request_rows(port: int, days: int) -> Iterator[Row]:
    """Ask for the history, and for the counters."""
    start = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - days * 86_400))
    path = f"/api/v1/history?quantity=air_temperature&from={start}"
    first_ms, *others_ms = [_request_ms(port, path) for _ in range(REQUESTS)]
    yield f"history of {days} days", f"{statistics.median(others_ms):.0f} ms", "< 300 ms"
    yield "  the slowest", f"{max(first_ms, *others_ms):.0f} ms", ""
    yield "  bytes", f"{len(_get(port, path)):,}", ""
    yield "scrape", f"{statistics.median(_request_ms(port, '/metrics') for _ in range(REQUESTS)):.1f} ms", ""


def _request_ms(port: int, path: str) -> float:
    began_s = time.perf_counter()
    _get(port, path)
    return (time.perf_counter() - began_s) * 1000


def memory_of(daemon: Daemon) -> Memory:
    """Look at the memory of a daemon."""
    return Memory(daemon.memory_mb("Pss"), daemon.memory_mb("RssAnon"))


def memory_rows(without: Memory, unseen: Memory, seen: Memory) -> Iterator[Row]:
    """Compare."""
    yield "memory without the panel", f"{without.pss:.1f} MB", ""
    yield "  more with the panel", f"{unseen.pss - without.pss:.1f} MB", "< 12 MB"
    yield "    of which own", f"{unseen.own - without.own:.1f} MB", ""
    yield "  more with the panel, looked at", f"{seen.pss - without.pss:.1f} MB", "< 12 MB"
    yield "    of which own", f"{seen.own - without.own:.1f} MB", ""


if __name__ == "__main__":
    main()
