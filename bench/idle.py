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
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench_tools import Daemon, Row, StandIn, free_port, lines, machine, print_table, running

LINES_PER_S = 4
SETTLE_S = 3.0
CPU_PERIOD_S = 600.0
DISK_SIZE = 512_000_000
SECTOR_SIZE = 512


class Figures(NamedTuple):
    """What was counted from one moment on, or until another."""

    time_s: float
    cpu_s: float
    wakeups_count: int
    written_size: int
    device_size: int
    kept: int


class Disk:
    """
    A file system of its own for the journal, or just a folder.

    Args:
        folder: Where it is mounted.
        is_mounted: Whether it is one.
    """

    def __init__(self, folder: Path, *, is_mounted: bool) -> None:
        self.folder = folder
        self.is_mounted = is_mounted

    def written_size(self) -> int:
        """
        Return the bytes that have reached the device, those included that had waited for it.

        Source:
            Linux, Documentation/block/stat.rst: the seventh number is sectors written, of 512 bytes.
        """
        if not self.is_mounted:
            return 0
        subprocess.run(["sync", "--file-system", self.folder], check=True)
        device = self.folder.stat().st_dev
        numbers = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat").read_text().split()
        return int(numbers[6]) * SECTOR_SIZE


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description="Measure what a station costs that has little to do.")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each of the two (default: %(default)g)")
    arguments = parser.parse_args()
    print(f"{machine()}; {LINES_PER_S} observations a second for {arguments.seconds:g} s", flush=True)
    for sink_up in (True, False):
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            print("\nwhile the sink answers" if sink_up else "\nwhile the sink is dead", flush=True)
            print_table(measure(Path(folder), arguments.seconds, sink_up=sink_up))


def measure(folder: Path, duration_s: float, *, sink_up: bool) -> list[Row]:
    """Let a station run, and return its figures."""
    with contextlib.ExitStack() as stack:
        disk = stack.enter_context(_own_disk(folder))
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
        writing = _write_slowly(daemon.socket)
        _spend(writing, SETTLE_S)
        before = _look(daemon, disk)
        _spend(writing, duration_s)
        after = _look(daemon, disk)
        return [*_rows(daemon, before, after, disk), start]


def _write_slowly(path: Path) -> Iterator[None]:
    """Write a line each time that it is asked to go on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
        channel.connect(str(path))
        while True:
            for line in lines(100_000):
                channel.sendall(line)
                yield


def _spend(writing: Iterator[None], duration_s: float) -> None:
    """Let a writer write at its pace for a while."""
    started_s = time.monotonic()
    for number in range(1, round(duration_s * LINES_PER_S) + 1):
        next(writing)
        time.sleep(max(0.0, started_s + number / LINES_PER_S - time.monotonic()))


def _look(daemon: Daemon, disk: Disk) -> Figures:
    return Figures(
        time_s=time.monotonic(),
        cpu_s=daemon.cpu_s(),
        wakeups_count=daemon.wakeups_count(),
        written_size=daemon.written_size(),
        device_size=disk.written_size(),
        kept=daemon.counts().kept,
    )


@contextlib.contextmanager
def _own_disk(folder: Path) -> Iterator[Disk]:
    """Mount a fresh ext4 on a loop device, if we may."""
    place, image = folder / "disk", folder / "disk.img"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(DISK_SIZE)
    # Without the work that mkfs leaves for later, which would be counted as the journal's.
    make = ["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(image)]
    try:
        subprocess.run(make, check=True, capture_output=True)
        subprocess.run(["mount", "-o", "loop", image, place], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        yield Disk(place, is_mounted=False)
        return
    try:
        yield Disk(place, is_mounted=True)
    finally:
        subprocess.run(["umount", place], check=True)


def _rows(daemon: Daemon, before: Figures, after: Figures, disk: Disk) -> Iterator[Row]:
    duration_s = after.time_s - before.time_s
    count = after.kept - before.kept
    yield "resident", f"{daemon.memory_mb('VmRSS'):.1f} MB", "< 46 MB"
    yield "  of which own", f"{daemon.memory_mb('RssAnon'):.1f} MB", ""
    yield "  highest, since the start", f"{daemon.memory_mb('VmHWM'):.1f} MB", ""
    yield "proportional", f"{daemon.memory_mb('Pss'):.1f} MB", ""
    yield "CPU s per 600 s", f"{(after.cpu_s - before.cpu_s) / duration_s * CPU_PERIOD_S:.2f}", "< 1.5"
    yield "wake-ups a second", f"{(after.wakeups_count - before.wakeups_count) / duration_s:.1f}", ""
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
