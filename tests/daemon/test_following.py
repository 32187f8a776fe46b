import asyncio
import contextlib
import errno
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.end_to_end.stations import eventually
from tests.fakes import NOON_MS, FakeClock, recording_log
from tests.history.test_history import PRESSURE, YEAR_MS, observation
from weatherd.daemon import following
from weatherd.daemon.following import FOLLOW_PERIOD_S, WRITE_PERIOD_S, Follower
from weatherd.errors import HistoryUnavailable
from weatherd.history import HOUR_MS, MINUTE_MS, History
from weatherd.journal import SqliteJournal
from weatherd.model import Event, Station
from weatherd.processing.documents import DocumentEncoder


def _delays() -> Iterator[float]:
    while True:
        yield 1.0


class Bench:
    """A real journal and the history that follows it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = FakeClock()
        self.log, self.lines = recording_log()
        self.journal = SqliteJournal(
            folder / "journal.db",
            encode=DocumentEncoder(Station("test"), "00000000").encode,
            clock=self.clock,
            sinks=[],
            station_id="test",
            size_max=100_000_000,
            retention_s=30 * 86_400.0,
            memory=folder / "young.tail",
        )
        self.follower = self.follow()

    def follow(self) -> Follower:
        self.history = History(self.folder / "history.db", retention_ms=YEAR_MS)
        return Follower(self.history, self.journal, self.clock, self.log, _delays)

    async def observe(self, *values: float, second: int = 0) -> None:
        await self.journal.append([observation(second + 10 * n, value) for n, value in enumerate(values, 1)])

    async def values(self) -> list[float]:
        bins = await self.follower.bins(PRESSURE, MINUTE_MS, NOON_MS, NOON_MS + HOUR_MS)
        return [round(each.value, 2) for each in bins]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    one = Bench(tmp_path)
    await one.journal.open()
    yield one
    await one.journal.close()


async def _begin(bench: Bench) -> "asyncio.Task[None]":
    running = asyncio.create_task(bench.follower.run())
    await eventually(lambda: bench.history.is_open and bench.history.position == bench.journal.last_seq)
    return running


async def _end(running: "asyncio.Task[None]") -> None:
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_an_answer_holds_what_was_just_observed(bench: Bench) -> None:
    """Who asks does not wait for the next look into the journal."""
    running = await _begin(bench)
    await bench.observe(1000.0, 1001.0)
    assert await bench.values() == [1000.5]
    assert await bench.follower.series() == [PRESSURE]
    await _end(running)


async def test_what_was_not_written_is_read_again_after_a_kill(bench: Bench) -> None:
    """Nothing is lost with the process, and nothing counts twice."""
    running = await _begin(bench)
    await bench.observe(1000.0, 1001.0)
    assert await bench.values() == [1000.5]
    await _end(running)
    bench.history.close()
    bench.follower = bench.follow()
    running = await _begin(bench)
    assert await bench.values() == [1000.5]
    await _end(running)


async def test_the_card_is_written_once_an_hour_and_at_the_end(bench: Bench) -> None:
    """Looks are frequent, writes are rare, and the end leaves nothing to do for the next start."""
    running = await _begin(bench)
    await bench.observe(1000.0)
    await bench.clock.advance(FOLLOW_PERIOD_S)
    await eventually(lambda: bench.history.position == 1)
    assert bench.history.file.position == 0
    await bench.clock.advance(WRITE_PERIOD_S)
    await eventually(lambda: bench.history.file.position == 1)
    await bench.observe(1001.0)
    await _end(running)
    await bench.follower.close()
    assert bench.history.file.position == 2


@pytest.mark.parametrize("loss", ["gone", "damaged"])
async def test_a_history_that_was_lost_is_read_from_the_journal_again(bench: Bench, loss: str) -> None:
    """As far back as the journal goes, and the log tells."""
    running = await _begin(bench)
    await bench.observe(*(1000.0 + n for n in range(60)))
    before = await bench.values()
    await _end(running)
    await bench.follower.close()
    path = bench.folder / "history.db"
    path.unlink() if loss == "gone" else path.write_bytes(b"x" * 5000)
    bench.follower = bench.follow()
    running = await _begin(bench)
    assert await bench.values() == before
    await _end(running)


async def test_another_journal_is_read_from_its_beginning(bench: Bench) -> None:
    """A journal that was removed begins with seq 1 again; what was known of before stays."""
    running = await _begin(bench)
    await bench.observe(1000.0, 1000.0, 1000.0)
    assert await bench.values() == [1000.0]
    await _end(running)
    await bench.follower.close()
    await bench.journal.close()
    for path in bench.folder.glob("journal.db*"):
        path.unlink()
    for path in bench.folder.glob("young.tail*"):
        path.unlink()
    await bench.journal.open()
    bench.follower = bench.follow()
    await bench.observe(990.0, second=60)
    running = await _begin(bench)
    assert await bench.values() == [1000.0, 990.0]
    await _end(running)


async def _weights(bench: Bench) -> list[int]:
    return [each.weight for each in await bench.follower.bins(PRESSURE, MINUTE_MS, NOON_MS, NOON_MS + HOUR_MS)]


async def test_a_restored_journal_is_not_counted_twice(bench: Bench) -> None:
    """What a backup tells again is known; what comes behind it is new, though its seqs were used before."""
    await bench.observe(1000.0, 1000.0)
    await bench.journal.close()
    backup = {path: path.read_bytes() for path in bench.folder.iterdir()}
    await bench.journal.open()
    running = await _begin(bench)
    await bench.observe(1001.0, 1001.0, second=60)
    await bench.journal.append([Event("later", "it happened behind the backup", NOON_MS, True)])
    assert await _weights(bench) == [20, 20]
    await _end(running)
    await bench.follower.close()
    await bench.journal.close()
    for path in (*bench.folder.glob("journal.db*"), *bench.folder.glob("young.tail*")):
        path.unlink()
    for path, content in backup.items():
        path.write_bytes(content)
    await bench.journal.open()
    bench.follower = bench.follow()
    running = await _begin(bench)
    await bench.observe(1002.0, second=120)
    await bench.journal.append([Event("again", "it happened in place of another", NOON_MS, True)])
    assert await _weights(bench) == [20, 20, 10]
    assert [one.action for one in await bench.follower.events(100, 10)] == ["again"]
    await _end(running)
    await bench.follower.close()


async def test_a_page_that_is_damaged_while_it_is_used_is_gathered_again(bench: Bench) -> None:
    """Whoever stumbles over it is told; then all is there, once."""
    running = await _begin(bench)
    await bench.observe(*(1000.0 + n for n in range(60)))
    weights = await _weights(bench)
    await _end(running)
    await bench.follower.close()
    with contextlib.closing(sqlite3.connect(bench.folder / "history.db")) as connection:
        connection.execute("UPDATE pages SET body = x'00'")
        connection.commit()
    bench.follower = bench.follow()
    running = await _begin(bench)
    await bench.observe(1000.0, second=3000)
    with pytest.raises(HistoryUnavailable):
        await bench.values()
    assert await _weights(bench) == [*weights, 10]
    await _end(running)


async def test_a_damaged_file_on_a_disk_that_takes_nothing_ends_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told as any other trouble of the disk, and the file is made anew as soon as the disk allows it."""
    running = await _begin(bench)
    await bench.observe(1000.0)
    await bench.values()
    await _end(running)
    await bench.follower.close()
    with contextlib.closing(sqlite3.connect(bench.folder / "history.db")) as connection:
        connection.execute("UPDATE pages SET body = x'00'")
        connection.commit()
    bench.follower = bench.follow()
    running = await _begin(bench)
    await bench.observe(1000.0, second=10)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        with pytest.raises(HistoryUnavailable):
            await bench.values()
        with pytest.raises(HistoryUnavailable):
            await bench.follower._write()
        await bench.clock.advance(FOLLOW_PERIOD_S)
    with pytest.raises(HistoryUnavailable):  # it is found damaged again, and now it can give way
        await bench.values()
    assert await _weights(bench) == [20]
    await _end(running)


async def test_a_disk_that_stays_full_fills_no_memory(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit into memory stays in the journal until what waits is written."""
    monkeypatch.setattr("weatherd.history.history.WAITING_MAX", 3)
    running = await _begin(bench)
    assert bench.history.file._connection is not None
    bench.history.file._connection.execute("PRAGMA query_only = ON")
    for minute in range(20):
        await bench.observe(1000.0, second=60 * minute)
        await bench.values()
    assert bench.history.position == 3
    assert len(await bench.values()) == 3
    bench.history.file._connection.execute("PRAGMA query_only = OFF")
    assert len(await bench.values()) == 20
    await _end(running)


async def test_what_waits_for_the_time_waits_here_too(bench: Bench) -> None:
    """A stamp that may still be corrected is not drawn at the wrong place."""
    bench.journal._front.held = True
    running = asyncio.create_task(bench.follower.run())
    await eventually(lambda: bench.history.is_open)
    await bench.observe(1000.0)
    assert await bench.values() == []
    bench.journal.release()
    assert await bench.values() == [1000.0]
    await _end(running)


async def test_a_disk_that_fails_is_told_once_and_tried_again(bench: Bench) -> None:
    """The station goes on without its history, and has it as soon as the disk does."""
    bench.history.file.path = bench.folder / "missing" / "history.db"
    running = asyncio.create_task(bench.follower.run())
    await eventually(lambda: bench.follower.error is not None)
    assert await bench.values() == []
    await bench.clock.advance(1.0)
    (bench.folder / "missing").mkdir()
    await bench.clock.advance(1.0)
    await eventually(lambda: bench.follower.error is None)
    assert [line["event"] for line in bench.lines] == ["following.paused", "following.resumed"]
    await _end(running)


async def test_a_long_journal_is_read_with_rests(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind each part it pauses, and an answer meanwhile does not wait for all of it."""
    monkeypatch.setattr(following, "CATCH_UP_MAX", 10)
    await bench.observe(*(1000.0 for _ in range(20)))
    await bench.journal.write_history()
    await bench.observe(*(1001.0 for _ in range(11)), second=1800)
    running = asyncio.create_task(bench.follower.run())
    await eventually(lambda: bench.history.is_open and bench.history.position == 20)
    assert await bench.values() == [1000.0] * 4
    await bench.clock.advance(0.0)
    await eventually(lambda: bench.history.position == 31)
    await _end(running)
