"""
What a day costs the card: megabytes and syncs of a station with four sensors that report at the same tick every 10 s.

The journal is the daemon's own, with its default settings, on a fresh ext4 on a loop device (needs root), and its young
entries in a folder in memory. The day's ticks follow one another without the pauses between them; instead, the file
system writes after each what it would have written in the pause (syncfs). A far end that answers acknowledges each
tick's four documents before their sync is due, one that is dead none. What reaches the device is counted by the kernel
and scaled to a day.

Source:
    Linux, Documentation/block/stat.rst: the seventh number of a device's stat is sectors of 512 bytes written, the
    sixteenth the flushes.
"""

import argparse
import asyncio
import contextlib
import math
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bench_tools import Disk, Row, machine, own_disk, print_table, runtime_folder

from weatherd.journal import SqliteJournal, memory_file
from weatherd.model import Observation, Quality, Station, Statistics
from weatherd.ports import Clock
from weatherd.processing.documents import DocumentEncoder

TICK_S = 10
TICKS_A_DAY = 86_400 // TICK_S
HISTORY_PERIOD_S = 300
FILE_TIME_GRAIN_S = 0.01
"""The kernel's file times move in steps of up to that: without a pause some syncs would find the inode unchanged."""

GOALS = {
    (False, True): ("<= 35 MB", "<= 1,000"),
    (False, False): ("<= 180 MB", "<= 5,200"),
    (True, True): ("<= 200 MB", "<= 5,700"),
    (True, False): ("<= 180 MB", "<= 5,200"),
}
"""Of a day, and of a document: where young entries are on the card, and where the sink is up."""

SIZE_MAX = 256_000_000
RETENTION_S = 30 * 86_400.0
START_MS = 1_795_435_200_000
SENSORS = ("barometer", "hygrometer", "luxmeter", "mast")


class Wear(NamedTuple):
    """What reached the device: bytes, flushes, and of how many documents."""

    size: int
    flushes: int
    documents: int


class TickClock(Clock):
    """A clock that is set by the bench, tick by tick."""

    def __init__(self) -> None:
        self.tick = 0

    def boottime_s(self) -> float:
        """Return the seconds since the first tick."""
        return float(self.tick * TICK_S)

    def now_ms(self) -> int:
        """Return the time of the tick."""
        return START_MS + self.tick * TICK_S * 1000

    def synchronized(self) -> bool:
        """Return that it is."""
        return True

    def offset_ms(self) -> int | None:
        """Return that nothing is estimated."""
        return None

    def known_offset_ms(self) -> int:
        """Return how far the first tick is from 1970."""
        return START_MS

    async def sleep(self, delay_s: float) -> None:
        """Wait for nothing: the bench does."""

    async def sleep_unless(self, event: asyncio.Event, delay_s: float) -> None:
        """Wait for nothing: the bench does."""


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description="Measure what a day costs the card.")
    parser.add_argument("--ticks", type=int, default=TICKS_A_DAY // 4, metavar="N", help="(%(default)s)")
    parser.add_argument("--on-card", action="store_true", help="young entries on the card as well, as in a container")
    arguments = parser.parse_args()
    print(f"{machine()}; {arguments.ticks:,} ticks of {len(SENSORS)} documents", flush=True)
    rows: list[Row] = []
    for sink_up in (True, False):
        goal, goal_document = GOALS[arguments.on_card, sink_up]
        wear = asyncio.run(measure(arguments.ticks, sink_up=sink_up, on_card=arguments.on_card))
        state = "sink up" if sink_up else "sink down"
        if wear is None:
            rows.append((f"a day, {state}", "needs root", goal))
            continue
        days = arguments.ticks / TICKS_A_DAY
        rows += [
            (f"a day, {state}", f"{wear.size / days / 1e6:.1f} MB", goal),
            ("  in syncs", f"{wear.flushes / days:,.0f}", ""),
            ("  a document", f"{wear.size / wear.documents:,.0f} bytes", goal_document),
        ]
    print_table(rows)


async def measure(ticks: int, *, sink_up: bool, on_card: bool) -> Wear | None:
    """Let a journal live through ticks; None if there is no device of its own to count at."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        disk = stack.enter_context(own_disk(folder))
        if not disk.is_mounted:
            return None
        clock = TickClock()
        path = disk.folder / "journal.db"
        memory = stack.enter_context(runtime_folder())
        journal = SqliteJournal(
            path,
            encode=DocumentEncoder(Station("bench", "Bench", -30.03, -51.23, 10.0), "00000000").encode,
            clock=clock,
            sinks=["logstash"],
            station_id="bench",
            size_max=SIZE_MAX,
            retention_s=RETENTION_S,
            memory=None if on_card else memory_file(memory, path),
        )
        await journal.open()
        # What is made once and for all is no part of a day.
        await _live(journal, clock, disk, 60, sink_up=sink_up)
        before = _wear(disk, journal)
        await _live(journal, clock, disk, ticks, sink_up=sink_up)
        after = _wear(disk, journal)
        await journal.close()
    return Wear(*(now - then for now, then in zip(after, before, strict=True)))


async def _live(journal: SqliteJournal, clock: TickClock, disk: Disk, ticks: int, *, sink_up: bool) -> None:
    for _ in range(ticks):
        clock.tick += 1
        await journal.append(observations(clock.tick))
        if sink_up:
            batch = await journal.read("logstash", journal.last_seq - len(SENSORS) + 1, journal.last_seq, 500)
            assert batch is not None
            journal.acknowledge("logstash", batch.first_seq, batch.last_seq)
        await journal.secure()
        if clock.tick * TICK_S % HISTORY_PERIOD_S == 0:
            await journal.write_history()
        await asyncio.sleep(FILE_TIME_GRAIN_S)
        await asyncio.to_thread(disk.settle)


def observations(tick: int) -> Sequence[Observation]:
    """Return what four sensors would say, of numbers that change as weather does."""
    day = math.sin(tick * TICK_S / 86_400 * math.tau)
    noise = math.sin(tick * 12.9898) * 0.05
    quantities = {
        "barometer": {"air_pressure": 1013.25 + 2 * day + noise, "air_pressure_at_mean_sea_level": 1014.4 + 2 * day},
        "hygrometer": {"air_temperature": 21.4 + 6 * day + noise, "relative_humidity": 60 - 20 * day + noise},
        "luxmeter": {"illuminance": max(0.0, 40_000 * day + 400 * noise)},
        "mast": {"wind_speed": 3 + 2 * abs(noise), "wind_from_direction": 180 + 900 * noise},
    }
    time_ms = START_MS + tick * TICK_S * 1000
    return [
        Observation(
            sensor=sensor,
            model="BENCH",
            observed_at_ms=time_ms,
            recorded_at_ms=time_ms + 3,
            values=values,
            statistics={name: Statistics(10, value - 0.03, value + 0.02) for name, value in values.items()},
            quality=dict.fromkeys(values, Quality.GOOD),
            clock_synchronized=True,
        )
        for sensor, values in quantities.items()
    ]


def _wear(disk: Disk, journal: SqliteJournal) -> Wear:
    return Wear(disk.written_size(), disk.flushes_count(), journal.last_seq)


if __name__ == "__main__":
    started_s = time.monotonic()
    main()
    print(f"took {time.monotonic() - started_s:.0f} s")
