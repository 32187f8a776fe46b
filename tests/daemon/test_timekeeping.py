import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes import recording_log
from weatherd.clock import RELEASE_MS, SystemClock
from weatherd.daemon.timekeeping import Timekeeper
from weatherd.happenings import Happenings
from weatherd.journal import SqliteJournal
from weatherd.model import Event, Observation, Station
from weatherd.processing.documents import DocumentEncoder
from weatherd.queueing import BoundedQueue

HOUR_NS = 3_600 * 10**9
NOON_NS = (RELEASE_MS + 43_200_000) * 10**6


class Kernel:
    """What the kernel says, scripted."""

    def __init__(self) -> None:
        self.boot_ns = 60 * 10**9
        self.wall_ns = NOON_NS
        self.state = 5  # adjtimex(2): not synchronised

    def advance(self, seconds: float) -> None:
        self.boot_ns += round(seconds * 1e9)
        self.wall_ns += round(seconds * 1e9)


class Bench:
    """
    A real journal and a real clock on a scripted kernel.

    Attributes:
        seconds: Each lets one sleep end, and the kernel's time pass by it.
        woken_ns: When a sleep ended.
    """

    def __init__(self, folder: Path, hold_max_s: float) -> None:
        self.kernel = Kernel()
        self.seconds = asyncio.Semaphore(0)
        self.woken_ns: list[int] = []
        self.clock = SystemClock(
            boottime_ns=lambda: self.kernel.boot_ns,
            wall_ns=lambda: self.kernel.wall_ns,
            adjtimex=lambda: self.kernel.state,
        )
        self.queue: BoundedQueue[Observation | Event] = BoundedQueue(100)
        self.log, self.lines = recording_log()
        self.journal = SqliteJournal(
            folder / "journal.db",
            encode=DocumentEncoder(Station("test"), "00000000").encode,
            clock=self.clock,
            sinks=["logstash"],
            station_id="test",
            size_max=10_000_000,
            retention_s=3600.0,
            boot_id=self.clock.boot_id(),
            held=True,
        )
        self.timekeeper = Timekeeper(
            self.journal,
            self.clock,
            self.log,
            Happenings(self.queue, self.clock, self.log),
            hold_max_s=hold_max_s,
            delays=lambda: itertools.repeat(1.0),
        )

    async def observe(self) -> None:
        now_ms = self.clock.now_ms()
        offset_ms = self.clock.offset_ms()
        known = self.clock.synchronized()
        await self.journal.append([Event("tested", "-", now_ms, clock_synchronized=known, clock_offset_ms=offset_ms)])

    async def until(self, duration_s: float, *, released: bool) -> None:
        """Let time pass, as fast as the loop goes, until estimates are released or so long."""
        give_up_s = time.monotonic() + 10.0
        end_ns = self.kernel.boot_ns + round(duration_s * 1e9)
        while self.kernel.boot_ns < end_ns and self.journal.is_holding and time.monotonic() < give_up_s:
            self.seconds.release()
            await self.journal.newest_recorded_at_ms()
        assert self.journal.is_holding is not released


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path, hold_max_s=900.0)

    async def sleep(delay_s: float) -> None:
        await bench.seconds.acquire()
        bench.kernel.advance(delay_s)
        bench.woken_ns.append(bench.kernel.boot_ns)

    monkeypatch.setattr(bench.clock, "sleep", sleep)
    await bench.journal.open()
    task = asyncio.create_task(bench.timekeeper.run())
    try:
        yield bench
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await bench.journal.close()


async def test_documents_wait_for_the_first_synchronisation_and_are_corrected(bench: Bench) -> None:
    """The step that comes with the synchronisation moves what was stamped before it, and it goes out as certain."""
    await bench.observe()
    taken_ns = bench.kernel.wall_ns
    await bench.until(30.0, released=False)
    assert await bench.journal.read("logstash", 1, 1, 10) is None
    bench.kernel.wall_ns += HOUR_NS
    bench.kernel.state = 0
    await bench.until(30.0, released=True)
    batch = await bench.journal.read("logstash", 1, 1, 10)
    assert batch is not None
    (document,) = batch.documents
    assert b'"clock":{"synchronized":true}' in document
    hour = time.strftime('"@timestamp":"%Y-%m-%dT%H', time.gmtime((taken_ns + HOUR_NS) / 1e9))
    assert hour.encode() in document
    assert [event.action for event in bench.queue.take(10) if isinstance(event, Event)] == ["clock_stepped"]
    assert bench.timekeeper.steps_count == 1


async def test_documents_wait_no_longer_than_hold_max_s_after_the_boot(bench: Bench) -> None:
    """Then they go out with the time that the station takes it to be, and say so."""
    await bench.observe()
    await bench.until(800.0, released=False)
    await bench.until(200.0, released=True)
    batch = await bench.journal.read("logstash", 1, 1, 10)
    assert batch is not None
    assert b'"clock":{"synchronized":false,"estimated":true}' in batch.documents[0]
    assert "timekeeping.unsynchronized" in [line["event"] for line in bench.lines]


async def test_the_kernel_is_asked_ever_more_seldom_while_the_time_is_not_known(bench: Bench) -> None:
    """Each second at first, and each ten seconds after a while: a wake-up a second is a lot for a small station."""
    before_ns = bench.kernel.boot_ns
    for _ in range(8):
        bench.seconds.release()
        await bench.journal.newest_recorded_at_ms()
    waited_s = [round((boot_ns - before_ns) / 1e9) for boot_ns in bench.woken_ns]
    assert waited_s == [1, 3, 7, 15, 25, 35, 45, 55]


async def test_a_station_that_was_started_long_after_the_boot_does_not_wait(tmp_path: Path) -> None:
    """The wait is counted from the boot: a restart of the daemon holds nothing back once more."""
    assert not Bench(tmp_path, hold_max_s=30.0).journal.is_holding
