"""A desk to test the journal on: a clock, entries, what their documents look like, and journals that get closed."""

import contextlib
import random
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from weatherd.errors import JournalFull
from weatherd.journal import Notice, SqliteJournal, memory_file
from weatherd.model import Event, Observation, Quality, Station
from weatherd.processing.documents import DocumentEncoder

BOOT = "b0070001"

in_both_modes = pytest.mark.parametrize("desk", ["memory", "card"], indirect=True)
"""Once with a folder in memory for what is young, and once without."""


class FakeClock:
    def __init__(self) -> None:
        self.ms = 1_790_000_000_000

    def boottime_s(self) -> float:
        return self.ms / 1000

    def now_ms(self) -> int:
        return self.ms

    def synchronized(self) -> bool:
        return True

    def offset_ms(self) -> int | None:
        return None

    async def sleep(self, delay_s: float) -> None:
        raise AssertionError("the journal has no timer")


def encode(entry: Observation | Event, seq: int) -> bytes:
    assert isinstance(entry, Event)
    mark = ',"estimated":true' if entry.clock_offset_ms is not None else ""
    return f'{{"seq":{seq},"message":"{entry.message}"{mark}}}'.encode()


class Desk:
    """
    Journals at one place, and copies of them.

    Attributes:
        path: Of the database.
        memory: Of the young tail; None if the card has it.
        notices: What the journals told.
    """

    def __init__(self, folder: Path, *, in_memory: bool = True) -> None:
        self.folder = folder
        self.path = folder / "journal.db"
        self.memory = folder / "young.tail" if in_memory else None
        self.clock = FakeClock()
        self.journals: list[SqliteJournal] = []
        self.notices: list[Notice] = []
        self._copies = 0

    def make(self, path: Path | None = None, memory: Path | None = None, **options: Any) -> SqliteJournal:
        """Make a journal at the desk's place, or at another one, there without a memory unless it is given."""
        options = {
            "sinks": ("logstash",),
            "size_max": 100_000_000,
            "retention_s": 86_400.0,
            "encode": encode,
            "station_id": "test",
            "boot_id": BOOT,
            "tell": self.notices.append,
            "memory": self.memory if path is None else memory,
        } | options
        journal = SqliteJournal(path or self.path, clock=self.clock, **options)
        self.journals.append(journal)
        return journal

    async def open(self, path: Path | None = None, memory: Path | None = None, **options: Any) -> SqliteJournal:
        journal = self.make(path, memory, **options)
        await journal.open()
        return journal

    async def after_kill(self, journal: SqliteJournal, **options: Any) -> SqliteJournal:
        """Open a copy of every file of a journal, as the next process finds them."""
        await at_rest(journal)
        return await self.open(*self.copied(journal, memory=True), **options)

    async def after_power_cut(self, journal: SqliteJournal, **options: Any) -> SqliteJournal:
        """Open a copy of what a journal has on the card, apart from what is in memory."""
        await at_rest(journal)
        return await self.open(*self.copied(journal, memory=False), **options)

    def copied(self, journal: SqliteJournal, *, memory: bool) -> tuple[Path, Path | None]:
        """Copy the files of a journal as they are; return where its database and its memory are then."""
        self._copies += 1
        path, young = self.folder / f"copy{self._copies}.db", self.folder / f"copy{self._copies}.young"
        pairs = [(journal.path, path, end) for end in ("", "-wal", "-tail", "-tail2")]
        if memory and journal._memory is not None:
            pairs += [(journal._memory, young, end) for end in ("", "2")]
        for one, copy, end in pairs:
            if with_end(one, end).exists():
                shutil.copyfile(with_end(one, end), with_end(copy, end))
        return path, young if journal._memory is not None else None

    def sql(self, statement: str, *values: Any, path: Path | None = None) -> list[Any]:
        """Ask the database itself, while no journal has it."""
        connection = sqlite3.connect(path or self.path, isolation_level=None)
        try:
            return connection.execute(statement, values).fetchall()
        finally:
            connection.close()

    @staticmethod
    def entries(count: int = 1, message: str = "-") -> list[Event]:
        return [Event("tested", message, 0, clock_synchronized=True)] * count

    @staticmethod
    def estimates(count: int = 1, offset_ms: int = 1_700_000_000_000) -> list[Event]:
        """Return entries whose stamps were made before anybody knew the time."""
        return [Event("tested", "-", offset_ms + 60_000, clock_synchronized=False, clock_offset_ms=offset_ms)] * count

    @staticmethod
    def noise(seed: int, size: int) -> list[Event]:
        """Return one entry that hardly compresses: about that many bytes."""
        return Desk.entries(1, random.Random(seed).randbytes(size).hex())

    @staticmethod
    def documents(first_seq: int, last_seq: int, message: str = "-") -> list[bytes]:
        (event,) = Desk.entries(1, message)
        return [encode(event, seq) for seq in range(first_seq, last_seq + 1)]

    async def fill(self, journal: SqliteJournal, count: int) -> None:
        """Bring entries of about 3 KB into the database, a row for each."""
        for _ in range(count):
            await journal.append(self.noise(journal.last_seq, 3000))
            await flush(journal)

    async def keep_rows(self, journal: SqliteJournal, *counts: int) -> None:
        """Bring entries into the database, a row for each count."""
        for count in counts:
            await journal.append(self.entries(count))
            await flush(journal)


def with_end(path: Path, end: str) -> Path:
    return path.with_name(path.name + end)


async def at_rest(journal: SqliteJournal) -> None:
    """Wait until both threads have done what they were given."""
    await journal._run_in_front(lambda: None)
    await journal._run(lambda: None)


async def flush(journal: SqliteJournal) -> None:
    """Bring what is young into the database, as the journal does when there is a reason."""
    await journal._run(journal._store.flush)


async def on_card(journal: SqliteJournal, work: Callable[[], Any]) -> Any:
    """Do something on the thread that waits for the card."""
    return await journal._run(work)


async def everything(journal: SqliteJournal) -> dict[int, bytes]:
    """Return every document that is there, by its seq, without an attempt."""
    documents: dict[int, bytes] = {}
    seq = 1
    while (run := await journal.run_at(seq)) is not None:
        for one, document in enumerate(run.documents, run.first_seq):
            assert one not in documents, f"{one} is there twice"
            if document:
                documents[one] = document
        seq = run.last_seq + 1
    assert list(documents) == sorted(documents)
    return documents


async def seqs(journal: SqliteJournal, count_max: int = 500, sink: str = "logstash") -> Sequence[int]:
    """Return every seq that a sink is given from the first one on, in the order in which it is."""
    found: list[int] = []
    seq = 1
    while seq <= journal.last_seq:
        batch = await journal.read(sink, seq, journal.last_seq, count_max)
        assert batch is not None
        assert batch.first_seq == seq
        found += batch.seqs
        seq = batch.last_seq + 1
    return found


def observation(observed_at_ms: int, value: float = 20.0, **fields: Any) -> Observation:
    """Return one that can be thinned."""
    return Observation(
        sensor="thermometer",
        model="HTU21D",
        observed_at_ms=observed_at_ms,
        recorded_at_ms=observed_at_ms + 400,
        values={"air_temperature": value},
        quality={"air_temperature": Quality.GOOD},
        clock_synchronized=True,
        **fields,
    )


def real_encode() -> Callable[[Observation | Event, int], bytes]:
    """Return the encoder of a station."""
    return DocumentEncoder(Station(id="test"), "3f9c2a71").encode


@pytest.fixture
async def desk(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path, in_memory=getattr(request, "param", "memory") == "memory")
    yield desk
    for journal in desk.journals:
        with contextlib.suppress(JournalFull):  # some are told to block, and end full
            await journal.close()


@pytest.fixture
def memory_folder() -> Iterator[Path]:
    """A folder in memory that outlives a process."""
    if not Path("/dev/shm").is_dir():
        pytest.skip("there is no /dev/shm")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        if memory_file(Path(name), Path(name)) is None:
            pytest.skip("/dev/shm is no folder in memory")
        yield Path(name)
