"""A desk to test the journal on: a clock, entries, what their documents look like, and journals that get closed."""

import random
import sqlite3
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from weatherd.journal import SqliteJournal
from weatherd.model import Event, Observation


class FakeClock:
    def __init__(self) -> None:
        self.ms = 1_790_000_000_000

    def boottime_s(self) -> float:
        return self.ms / 1000

    def now_ms(self) -> int:
        return self.ms

    def synchronized(self) -> bool:
        return True

    async def sleep(self, delay_s: float) -> None:
        raise AssertionError("the journal has no timer")


def encode(entry: Observation | Event, seq: int) -> bytes:
    assert isinstance(entry, Event)
    return f'{{"seq":{seq},"message":"{entry.message}"}}'.encode()


class Desk:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "journal.db"
        self.clock = FakeClock()
        self.journals: list[SqliteJournal] = []

    def make(self, path: Path | None = None, **options: Any) -> SqliteJournal:
        options = {"sinks": ("logstash",), "size_max": 100_000_000, "retention_s": 86_400.0, "encode": encode} | options
        journal = SqliteJournal(path or self.path, clock=self.clock, **options)
        self.journals.append(journal)
        return journal

    async def open(self, path: Path | None = None, **options: Any) -> SqliteJournal:
        journal = self.make(path, **options)
        await journal.open()
        return journal

    def crashed(self) -> Path:
        """Copy the files as a power cut would leave them, while the journal is open."""
        copy = self.folder / f"copy-{len(self.journals)}.db"
        for end in ("", "-wal"):
            copy.with_name(copy.name + end).write_bytes(self.path.with_name(self.path.name + end).read_bytes())
        return copy

    def sql(self, statement: str, *values: Any, path: Path | None = None) -> list[Any]:
        """Ask the file itself, while no journal has it."""
        connection = sqlite3.connect(path or self.path, isolation_level=None)
        try:
            return connection.execute(statement, values).fetchall()
        finally:
            connection.close()

    @staticmethod
    def entries(count: int = 1, message: str = "-") -> list[Event]:
        return [Event("tested", message, 0, clock_synchronized=True)] * count

    @staticmethod
    def noise(seed: int, size: int) -> list[Event]:
        """Return one entry that hardly compresses: about that many bytes."""
        return Desk.entries(1, random.Random(seed).randbytes(size).hex())

    @staticmethod
    def documents(first_seq: int, last_seq: int, message: str = "-") -> tuple[bytes, ...]:
        (event,) = Desk.entries(1, message)
        return tuple(encode(event, seq) for seq in range(first_seq, last_seq + 1))

    async def fill(self, journal: SqliteJournal, count: int) -> None:
        """Append entries of about 3 KB, one by one."""
        for _ in range(count):
            await journal.append(self.noise(journal.last_seq, 3000))

    @staticmethod
    async def seqs(journal: SqliteJournal, count_max: int = 500) -> Sequence[int]:
        """Return every seq that the journal can still give, in the order in which it does."""
        seqs: list[int] = []
        seq = 0
        while (batch := await journal.read(seq, count_max)) is not None:
            seqs += range(batch.first_seq, batch.last_seq + 1)
            seq = batch.last_seq
        return seqs


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    for journal in desk.journals:
        await journal.close()
