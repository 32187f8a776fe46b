"""
How fast a backlog goes out, and whether the newest observation waits for it.

The backlog is built by the journal itself, twice: in bulk, a thousand entries an append; and row by row, an entry an
append and a sync after every fourth, as a station does at four a second. It is built in memory, where syncs cost
nothing, and then copied to the disk. A daemon starts on it, and delivers it to a sink that takes what it can
(`fast_sink`), while a program goes on writing four lines a second.

    documents/s   from the first batch that the sink took to the last of the backlog
    CPU           of the daemon, from its first delivery on; a few looks at its status are in it
    peak memory   the highest resident memory of the daemon (VmHWM)
    first fresh   from the first batch that the sink took to the first observation that was made after the start
"""

import argparse
import asyncio
import contextlib
import shutil
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from bench_tools import Daemon, FastSink, Row, lines, machine, print_table, running, runtime_folder, write_all
from card import SENSORS, TickClock, observations

from weatherd.journal import SqliteJournal
from weatherd.model import Observation, Station
from weatherd.processing.documents import DocumentEncoder

BULK = 1000
SYNC_EVERY = 4
LINES_PER_S = 4

LOOK_PERIOD_S = 0.25
"""Between two questions whether all is delivered: each costs the daemon a millisecond."""


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description="Measure how fast a backlog goes out.")
    parser.add_argument("--documents", type=int, default=1_000_000, metavar="N", help="(%(default)s)")
    parser.add_argument("--only", choices=("bulk", "rows"), help="build it in one way only")
    arguments = parser.parse_args()
    print(f"{machine()}; a backlog of {arguments.documents:,} documents", flush=True)
    rows: list[Row] = []
    for name, entries_max in (("bulk", BULK), ("rows", 1)):
        if arguments.only not in (None, name):
            continue
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            started_s = time.monotonic()
            size = build(Path(folder), arguments.documents, entries_max)
            print(f"built ({name}) in {time.monotonic() - started_s:.0f} s, {size / 1e6:.0f} MB", flush=True)
            rows += drain(Path(folder), arguments.documents, size, name)
    print_table(rows)


def build(folder: Path, count: int, entries_max: int) -> int:
    """Make a journal with a backlog; return its size."""
    with runtime_folder() as memory:
        asyncio.run(_append(memory / "journal.db", count, entries_max))
        for file in memory.iterdir():
            shutil.copy(file, folder / file.name)
    return (folder / "journal.db").stat().st_size


async def _append(path: Path, count: int, entries_max: int) -> None:
    journal = SqliteJournal(
        path,
        encode=DocumentEncoder(Station("bench", "Bench", -30.03, -51.23, 10.0), "00000000").encode,
        clock=TickClock(),
        sinks=["logstash"],
        station_id="bench",
        size_max=10**9,
        retention_s=86_400.0,
        memory=path.with_name("young.tail"),
    )
    await journal.open()
    ready: list[Observation] = []
    for tick in range(-(-count // len(SENSORS))):
        ready += observations(tick)
        if len(ready) >= entries_max:
            for first in range(0, len(ready), entries_max):
                await journal.append(ready[first : first + entries_max])
            ready.clear()
            if entries_max < SYNC_EVERY:
                await journal.secure()
    await journal.append(ready)
    await journal.close()


def drain(folder: Path, count: int, size: int, name: str) -> Sequence[Row]:
    """Deliver a backlog of so many documents and bytes."""
    with contextlib.ExitStack() as stack:
        sink = FastSink(count + 1)  # behind the backlog comes the event of the start
        stack.enter_context(running(sink))
        daemon = Daemon(folder, sink.port, folder / "journal.db")
        stack.enter_context(running(daemon))
        stopped = threading.Event()
        writer = threading.Thread(target=_write_slowly, args=(daemon, stopped))
        writer.start()
        daemon.wait_until_ready()
        begun = daemon.wait_until(lambda now: now.delivered > 0)
        cpu_s = daemon.cpu_s()
        done = daemon.wait_until(lambda now: now.delivered >= count, period_s=LOOK_PERIOD_S)
        cpu_s = daemon.cpu_s() - cpu_s
        daemon.wait_until(lambda now: now.delivered >= count + 2)  # the event of the start, and a line
        stopped.set()
        writer.join()
        peak_mb = daemon.memory_mb("VmHWM")
        daemon.stop()
        told = sink.stop_and_tell(count)
    duration_s = told["backlog_s"] - told["first_s"]
    count_seen = done.delivered - begun.delivered  # none of a small backlog, which is gone before a look
    cpu_us = f"{cpu_s / count_seen * 1e6:.2f}" if count_seen else "out before a look"
    return [
        (f"documents/s out of a backlog, built in {name}", f"{count / duration_s:,.0f}", ">= 300,000"),
        ("  CPU us a document", cpu_us, ""),
        ("  bytes a document, on the wire", f"{told['bytes'] / told['documents']:.1f}", ""),
        ("  bytes a document, in the journal", f"{size / count:.1f}", ""),
        ("  peak memory", f"{peak_mb:.1f} MB", "< 70 MB"),
        ("  first fresh observation after the first batch", f"{told['fresh_s'] - told['first_s']:.2f} s", "< 5 s"),
    ]


def _write_slowly(daemon: Daemon, stopped: threading.Event) -> None:
    """Write lines at the pace of a station."""
    daemon.wait_until_ready()
    for line in lines(10_000):
        if stopped.wait(1 / LINES_PER_S):
            return
        write_all(daemon.socket, [line])


if __name__ == "__main__":
    main()
