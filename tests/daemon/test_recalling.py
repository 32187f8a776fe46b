"""What the journal still knows is recalled in order, and within its bounds."""

from pathlib import Path

import pytest

from tests.fakes import NOON_MS, FakeClock
from weatherd.daemon.recalling import recall
from weatherd.journal import SqliteJournal
from weatherd.model import Observation, Quality, Station
from weatherd.processing.documents import DocumentEncoder


class Bench:
    """A journal on a fake clock."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.count = 0
        self.encoder = DocumentEncoder(Station("here"), "5eed0001")
        self.journal = SqliteJournal(
            folder / "journal.db",
            encode=self.encoder.encode,
            clock=self.clock,
            sinks=[],
            size_max=10**7,
            retention_s=86_400.0,
            when_full="thin",
            station_id="here",
            memory=None,
            boot_id="b0070001",
            held=False,
            tell=print,
        )

    async def append(self, count: int) -> None:
        """Append observations of rain with the numbers that follow."""
        numbers = range(self.count + 1, self.count + count + 1)
        self.count += count
        await self.journal.append([self._observation(number) for number in numbers])

    def _observation(self, number: int) -> Observation:
        return Observation(
            sensor="rain",
            model="tipping bucket",
            observed_at_ms=self.clock.now_ms(),
            recorded_at_ms=self.clock.now_ms(),
            values={"rainfall_amount": float(number)},
            quality={"rainfall_amount": Quality.UNCHECKED},
            clock_synchronized=True,
        )

    async def recalled(self, since_ms: int = 0, count_max: int = 1000) -> list[int]:
        found = recall(self.journal, since_ms, count_max)
        return [int((document.weather or {})["rainfall_amount"]) async for document in found]


@pytest.fixture
async def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_documents_are_recalled_the_oldest_first(bench: Bench) -> None:
    """From the database and from what is young, without a gap between them."""
    await bench.journal.open()
    await bench.append(5)
    await bench.journal.write_history()
    await bench.append(3)
    assert await bench.recalled() == [1, 2, 3, 4, 5, 6, 7, 8]
    await bench.journal.close()
    await bench.journal.open()
    assert await bench.recalled() == [1, 2, 3, 4, 5, 6, 7, 8]
    await bench.journal.close()


async def test_no_more_are_recalled_than_asked_for(bench: Bench) -> None:
    """The newest of them, however the rows are cut."""
    await bench.journal.open()
    await bench.append(5)
    await bench.journal.write_history()
    await bench.append(3)
    assert await bench.recalled(count_max=4) == [5, 6, 7, 8]
    await bench.journal.close()


async def test_old_rows_are_left_out(bench: Bench) -> None:
    """What was recorded before the time that is asked for."""
    await bench.journal.open()
    await bench.append(2)
    await bench.journal.write_history()
    await bench.clock.advance(100.0)
    await bench.append(2)
    assert await bench.recalled(since_ms=NOON_MS + 50_000) == [3, 4]
    await bench.journal.close()


async def test_an_empty_journal_recalls_nothing(bench: Bench) -> None:
    """As at the first start."""
    await bench.journal.open()
    assert await bench.recalled() == []
    await bench.journal.close()
