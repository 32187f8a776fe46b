import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes import NOON_MS, FakeClock, recording_log
from weatherd.daemon.keeping import Keeper
from weatherd.errors import JournalUnavailable
from weatherd.happenings import Happenings
from weatherd.journal import SqliteJournal
from weatherd.model import Event, Observation
from weatherd.queueing import BoundedQueue


class Bench:
    """A keeper of a real journal, by a clock that moves only when told to."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.queue: BoundedQueue[Observation | Event] = BoundedQueue(100)
        self.log, self.lines = recording_log()
        self.syncs = 0
        self.histories = 0
        self.error: JournalUnavailable | None = None
        self.journal = SqliteJournal(
            folder / "journal.db",
            encode=lambda _, seq: b'{"seq":%d}' % seq,
            clock=self.clock,
            sinks=["logstash"],
            station_id="test",
            size_max=10_000_000,
            retention_s=3600.0,
            memory=folder / "young.tail",
        )
        self.keeper = Keeper(
            self.journal,
            self.clock,
            self.log,
            Happenings(self.queue, self.clock, self.log),
            commit_period_s=1.0,
            history_period_s=300.0,
            delays=lambda: itertools.repeat(4.0),
        )

    def count_work(self, monkeypatch: pytest.MonkeyPatch) -> None:
        secure, write_history = self.journal.secure, self.journal.write_history

        async def secured() -> None:
            if self.error is not None:
                raise self.error
            self.syncs += 1
            await secure()

        async def written() -> None:
            self.histories += 1
            await write_history()

        monkeypatch.setattr(self.journal, "secure", secured)
        monkeypatch.setattr(self.journal, "write_history", written)

    def count_looks(self) -> list[float | None]:
        """Return a list that grows with each look at what is not on the card yet."""
        looks: list[float | None] = []
        unsecured_since_s = self.journal.unsecured_since_s

        def looked() -> float | None:
            looks.append(unsecured_since_s())
            return looks[-1]

        self.journal.unsecured_since_s = looked  # type: ignore[method-assign]
        return looks

    async def observe(self) -> None:
        await self.journal.append([Event("tested", "-", NOON_MS, clock_synchronized=True)])

    async def pass_time(self, duration_s: float) -> None:
        """Let time pass in steps, and the journal's threads do what they are given."""
        for _ in range(round(duration_s / 0.1)):
            await self.clock.advance(0.1)
            await self.journal.newest_recorded_at_ms()  # a turn of the card's thread


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    bench.count_work(monkeypatch)
    await bench.journal.open()
    task = asyncio.create_task(bench.keeper.run())
    try:
        yield bench
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await bench.journal.close()


async def test_what_is_not_delivered_is_synced_before_the_commit_period_is_over(bench: Bench) -> None:
    """One sync for all that came meanwhile, and none when nothing more comes."""
    await bench.observe()
    await bench.pass_time(0.5)
    await bench.observe()
    assert bench.syncs == 0
    await bench.pass_time(0.4)
    assert bench.syncs == 1
    await bench.pass_time(5.0)
    assert bench.syncs == 1
    assert bench.journal.unsecured_since_s() is None


async def test_what_is_delivered_in_time_is_not_synced(bench: Bench) -> None:
    """A far end that answers spares the card, also while the next observation is on its way."""
    for seq in range(1, 20):
        await bench.observe()
        await bench.pass_time(0.5)
        batch = await bench.journal.read("logstash", seq, seq, 10)
        assert batch is not None
        bench.journal.acknowledge("logstash", seq, seq)
    assert bench.syncs == 0


async def test_what_is_delivered_wakes_nobody_up_for_the_sync(bench: Bench) -> None:
    """With the answer the look at the card is settled, so that the process need not wake up for it later."""
    await bench.observe()
    await bench.pass_time(0.5)
    await bench.journal.read("logstash", 1, 1, 10)
    bench.journal.acknowledge("logstash", 1, 1)
    await bench.pass_time(0.1)
    looks = bench.count_looks()
    await bench.pass_time(5.0)
    assert not looks


async def test_an_answer_leaves_the_sync_of_what_came_later_in_time(bench: Bench) -> None:
    """The wait goes on for the oldest that is not delivered."""
    await bench.observe()
    await bench.pass_time(0.5)
    await bench.observe()
    await bench.journal.read("logstash", 1, 1, 10)
    bench.journal.acknowledge("logstash", 1, 1)
    await bench.pass_time(0.7)
    assert bench.syncs == 0
    await bench.pass_time(0.2)
    assert bench.syncs == 1


async def test_history_is_written_each_history_period(bench: Bench) -> None:
    """What was delivered goes into the database once in the period."""
    for seq in range(1, 10):
        await bench.observe()
        await bench.journal.read("logstash", seq, seq, 10)
        bench.journal.acknowledge("logstash", seq, seq)
        await bench.pass_time(100.0)
    assert bench.histories == 2
    assert bench.journal.contents.last_seq >= 4


async def test_a_card_that_does_not_take_it_is_tried_again_and_told_once(bench: Bench) -> None:
    """A full disk is an error in the log, and its end too; then everything is synced."""
    bench.error = JournalUnavailable("the disk is full", "make room")
    await bench.observe()
    await bench.pass_time(10.0)
    assert bench.keeper.error is bench.error
    bench.error = None
    await bench.pass_time(5.0)
    assert bench.syncs == 1
    assert [line["event"] for line in bench.lines] == ["keeping.paused", "keeping.resumed"]
    assert bench.keeper.error is None
