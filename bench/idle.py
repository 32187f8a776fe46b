"""
What weatherd costs a small computer that does little: memory, processor, and wear of the card.

The daemon runs with its default settings, and a program writes four JSON lines a second to its socket, each an
observation. This is done twice: while a stand-in for Logstash answers, and while nobody does. Nobody asks the daemon
anything in between, and its start is left out: counting begins when the first observations are on their way.

    resident         VmRSS at the end: what the daemon has in memory, with what it shares with other processes
    own              RssAnon: the part that no file is behind, and that cannot be given back
    proportional     Pss: shared pages counted by their share
    wake-ups         how often its threads have gone to sleep
    by the process   bytes that it made the kernel write (write_bytes in /proc/PID/io)
    at the device    bytes that reached a fresh ext4 on a loop device, with all that the file system adds; what is
                     still in memory at the end is written then. Needs root, else it is left out
"""

import argparse
import contextlib
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench_tools import Daemon, Disk, Row, StandIn, free_port, lines, machine, own_disk, print_table, running

LINES_PER_S = 4
SETTLE_S = 3.0
CPU_PERIOD_S = 600.0


class Figures(NamedTuple):
    """What was counted from one moment on, or until another."""

    time_s: float
    cpu_s: float
    wakeups_count: int
    written_size: int
    device_size: int
    kept: int


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description="Measure what a station costs that has little to do.")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each of the two (default: %(default)g)")
    parser.add_argument("--rate", type=int, default=LINES_PER_S, help="lines a second (default: %(default)s)")
    parser.add_argument("--only", choices=("up", "dead"), help="one of the two")
    arguments = parser.parse_args()
    print(f"{machine()}; {arguments.rate} observations a second for {arguments.seconds:g} s", flush=True)
    for sink_up in (True, False):
        if arguments.only == ("dead" if sink_up else "up"):
            continue
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            print("\nwhile the sink answers" if sink_up else "\nwhile the sink is dead", flush=True)
            print_table(measure(Path(folder), arguments.seconds, arguments.rate, sink_up=sink_up))


def measure(folder: Path, duration_s: float, rate: int, *, sink_up: bool) -> list[Row]:
    """Let a station run, and return its figures."""
    with contextlib.ExitStack() as stack:
        disk = stack.enter_context(own_disk(folder))
        port = free_port()
        if sink_up:
            stand_in = StandIn()
            stack.enter_context(running(stand_in))
            port = stand_in.port
        started_s = time.monotonic()
        daemon = Daemon(folder, port, disk.folder / "journal.db")
        stack.enter_context(running(daemon))
        daemon.wait_until_ready()
        start_s = time.monotonic() - started_s
        start: Row = (f"CPU s of the start, which took {start_s:.1f} s", f"{daemon.cpu_s():.2f}", "")
        writing = write_slowly(daemon.socket)
        spend(writing, SETTLE_S, rate)
        before = _look(daemon, disk)
        spend(writing, duration_s, rate)
        after = _look(daemon, disk)
        return [*_rows(daemon, before, after, disk), start]


def write_slowly(path: Path) -> Iterator[None]:
    """Write a line each time that it is asked to go on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
        channel.connect(str(path))
        while True:
            for line in lines(100_000):
                channel.sendall(line)
                yield


def spend(writing: Iterator[None], duration_s: float, rate: int) -> None:
    """Let a writer write at its pace for a while."""
    started_s = time.monotonic()
    for number in range(1, round(duration_s * rate) + 1):
        next(writing)
        time.sleep(max(0.0, started_s + number / rate - time.monotonic()))


def _look(daemon: Daemon, disk: Disk) -> Figures:
    return Figures(
        time_s=time.monotonic(),
        cpu_s=daemon.cpu_s(),
        wakeups_count=daemon.wakeups_count(),
        written_size=daemon.written_size(),
        device_size=disk.written_size(),
        kept=daemon.counts().kept,
    )


def _rows(daemon: Daemon, before: Figures, after: Figures, disk: Disk) -> Iterator[Row]:
    duration_s = after.time_s - before.time_s
    count = after.kept - before.kept
    yield "resident", f"{daemon.memory_mb('VmRSS'):.1f} MB", "< 40 MB"
    yield "  of which own", f"{daemon.memory_mb('RssAnon'):.1f} MB", ""
    yield "  highest, since the start", f"{daemon.memory_mb('VmHWM'):.1f} MB", ""
    yield "proportional", f"{daemon.memory_mb('Pss'):.1f} MB", ""
    yield "CPU s per 600 s", f"{(after.cpu_s - before.cpu_s) / duration_s * CPU_PERIOD_S:.2f}", "< 1.0"
    yield "wake-ups a second", f"{(after.wakeups_count - before.wakeups_count) / duration_s:.1f}", "< 8"
    yield "documents", f"{count:,}", ""
    process_size = (after.written_size - before.written_size) / count
    yield "bytes written a document, by the process", f"{process_size:,.0f}", ""
    if disk.is_mounted:
        device_size = (after.device_size - before.device_size) / count
        yield "bytes written a document, at the device", f"{device_size:,.0f}", ""
    else:
        yield "bytes written a document, at the device", "needs root", ""


if __name__ == "__main__":
    main()
