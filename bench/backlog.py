"""
How fast a backlog goes out, and whether the newest observation waits for it.

The backlog is built by the journal itself, twice: in bulk, a thousand entries an append; and row by row, an entry an
append and a sync after every fourth, as a station does at four a second. It is built in memory, where syncs cost
nothing, and then copied to the disk. A daemon starts on it, and delivers it to a sink that takes what it can
(`fast_sink`), while a program goes on writing four lines a second.

    documents/s   from the first batch that the sink took to the last
    peak memory   the highest resident memory of the daemon (VmHWM)
    first fresh   from the first batch that the sink took to the first observation that was made after the start
"""

import argparse
import asyncio
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from bench_tools import Child, Daemon, Row, lines, machine, print_table, running, runtime_folder, write_all
from card import SENSORS, TickClock, observations

from weatherd.journal import SqliteJournal
from weatherd.model import Observation, Station
from weatherd.processing.documents import DocumentEncoder

BULK = 1000
SYNC_EVERY = 4
LINES_PER_S = 4


class Sink(Child):
    """`fast_sink` as a process of its own."""

    def __init__(self, fresh_after_seq: int) -> None:
        script = Path(__file__).with_name("fast_sink.py")
        super().__init__([str(script), "--fresh-after", str(fresh_after_seq)], subprocess.PIPE)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def stop_and_tell(self) -> dict[str, float]:
        """End it, and return what it had."""
        self.process.terminate()
        out, _ = self.process.communicate()
        told: dict[str, float] = json.loads(out)
        return told


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
            rows += drain(Path(folder), arguments.documents, name)
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


def drain(folder: Path, count: int, name: str) -> Sequence[Row]:
    """Deliver the backlog."""
    with contextlib.ExitStack() as stack:
        sink = Sink(count + 1)  # behind the backlog comes the event of the start
        stack.enter_context(running(sink))
        daemon = Daemon(folder, sink.port, folder / "journal.db")
        stack.enter_context(running(daemon))
        stopped = threading.Event()
        writer = threading.Thread(target=_write_slowly, args=(daemon, stopped))
        writer.start()
        daemon.wait_until_ready()
        done = daemon.wait_until(lambda now: now.delivered >= count)
        daemon.wait_until(lambda now: now.delivered >= count + 2)  # the event of the start, and a line
        stopped.set()
        writer.join()
        peak_mb = daemon.memory_mb("VmHWM")
        cpu_s = daemon.cpu_s()
        daemon.stop()
        told = sink.stop_and_tell()
    if told["documents"] < count:
        sys.exit(f"the sink had {told['documents']:,} documents of {count:,}")
    duration_s = done.time_s - told["first_s"]
    return [
        (f"documents/s out of a backlog, built in {name}", f"{count / duration_s:,.0f}", ">= 250,000"),
        ("  CPU us a document", f"{cpu_s / count * 1e6:.1f}", ""),
        ("  peak memory", f"{peak_mb:.1f} MB", "< 80 MB"),
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
