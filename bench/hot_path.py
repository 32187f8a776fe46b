"""
A fixed piece of the daemon's hot path, for `instructions`, which counts what it costs; it prints nothing.

    lines         bytes to arrivals: cut into lines, JSON, labels
    observations  arrivals to observations: quality control, derived quantities, condition
    appends       observations into the journal, 50 at once: the document's JSON, and the young file
    rows          all of them into the database, as at a stop, and the journal opened again
    batches       500 documents at once out of the database
    bodies        batches to request bodies, compressed

The way is gone twice, so that what is only done once is done; the second time counts. Each stage lies between two
marks. A mark is a call of getppid(), which nothing else here calls, and which callgrind knows by its name.
"""

import argparse
import asyncio
import datetime as dt
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import structlog
from bench_tools import lines
from card import TickClock

from weatherd.daemon.lifecycle import settle_memory
from weatherd.happenings import Happenings
from weatherd.journal import SqliteJournal
from weatherd.model import Arrival, Batch, Event, Observation, Station
from weatherd.processing.derivation import Derivation
from weatherd.processing.documents import DocumentEncoder
from weatherd.queueing import BoundedQueue
from weatherd.sampling.condition import Condition
from weatherd.sampling.forming import Former
from weatherd.sampling.telling import ToldSampler
from weatherd.sensors.lines import Field, LineReader, LineSplitter, decoded
from weatherd.sinks.logstash import _gzipped

STAGES = ("lines", "observations", "appends", "rows", "batches", "bodies")
APPEND_SIZE = 50
BATCH_SIZE = 500
CHUNK_SIZE = 32_768
SINK = "logstash"
STATION = Station("bench", "Bench", -30.03, -51.23, 10.0)


class FineClock(TickClock):
    """A clock whose tick is a tenth of a second: a chunk of a hundred lines, as at 1,000 a second."""

    def boottime_s(self) -> float:
        """Return the seconds since the first tick."""
        return self.tick / 10

    def now_ms(self) -> int:
        """Return the time of the tick."""
        return self.known_offset_ms() + self.tick * 100


class Way:
    """The parts of a station that an observation goes through, without sockets and without a loop of its own."""

    def __init__(self, folder: Path) -> None:
        clock = FineClock()
        log = structlog.get_logger()
        queue: BoundedQueue[Observation | Event] = BoundedQueue(1000)
        self._reader = LineReader(
            {"air_temperature": Field("temperature_C"), "relative_humidity": Field("humidity")},
            match={},
            observed_at=None,
            time_zone=dt.UTC,
            labels=["channel", "battery_ok"],
            repeat_window_s=0.0,
        )
        self._sampler = ToldSampler(
            "jsonlines",
            clock,
            Former("garden", "jsonlines", Derivation(STATION), clock, {}),
            Condition("garden", clock, Happenings(queue, clock, log)),
            report_period_s=0.0,
        )
        self._clock = clock
        self._splitter = LineSplitter(65_536, lambda: None)
        self._folder = folder
        self._journal: SqliteJournal | None = None

    async def open(self) -> None:
        """Open the journal."""
        self._journal = SqliteJournal(
            self._folder / "journal.db",
            encode=DocumentEncoder(STATION, "00000000").encode,
            clock=self._clock,
            sinks=[SINK],
            station_id=STATION.id,
            size_max=10**9,
            retention_s=86_400.0,
            memory=self._folder / "young.tail",
        )
        await self._journal.open()

    async def close(self) -> None:
        """Close the journal; what is young goes into the database."""
        await self.journal.close()

    @property
    def journal(self) -> SqliteJournal:
        """The journal that is open."""
        assert self._journal is not None
        return self._journal

    def read(self, stream: bytes) -> Sequence[Arrival]:
        """Understand what a source has written."""
        arrivals = []
        for start in range(0, len(stream), CHUNK_SIZE):
            self._clock.tick += 1
            now_ms = self._clock.now_ms()
            for line in self._splitter.feed(stream[start : start + CHUNK_SIZE]):
                arrival = self._reader.read(decoded(line), now_ms)
                assert arrival is not None
                arrivals.append(arrival)
        return arrivals

    def form(self, arrivals: Sequence[Arrival]) -> Sequence[Observation]:
        """Form observations."""
        return list(self._sampler.take(arrivals))

    async def keep(self, observations: Sequence[Observation]) -> None:
        """Append them to the journal."""
        for start in range(0, len(observations), APPEND_SIZE):
            await self.journal.append(observations[start : start + APPEND_SIZE])

    async def give(self, first_seq: int) -> Sequence[Batch]:
        """Read them back."""
        batches = []
        last_seq = self.journal.last_seq
        while first_seq <= last_seq:
            batch = await self.journal.read(SINK, first_seq, last_seq, BATCH_SIZE)
            assert batch is not None
            batches.append(batch)
            first_seq = batch.last_seq + 1
        return batches


async def bodies(batches: Sequence[Batch]) -> int:
    """Make the bodies of requests as the sink does; return their size."""
    return sum([len(await _gzipped(batch.documents)) for batch in batches])


async def walk(way: Way, stream: bytes, count: int) -> None:
    """Let lines go the whole way, with a mark before each stage and after the last."""
    first_seq = way.journal.last_seq + 1
    os.getppid()
    arrivals = way.read(stream)
    os.getppid()
    observations = way.form(arrivals)
    os.getppid()
    await way.keep(observations)
    os.getppid()
    await way.close()
    await way.open()
    os.getppid()
    batches = await way.give(first_seq)
    os.getppid()
    size = await bodies(batches)
    os.getppid()
    if sum(len(batch.documents) for batch in batches) != count or not size:
        raise SystemExit("not every line has become a document")


async def main() -> None:
    """Walk twice."""
    parser = argparse.ArgumentParser(description="Walk the hot path; for `instructions`.")
    parser.add_argument("lines", type=int)
    arguments = parser.parse_args()
    stream = b"".join(lines(arguments.lines))
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        way = Way(Path(folder))
        await way.open()
        settle_memory()  # as a daemon does: else a full collection of all that was imported falls into one stage
        for _ in range(2):
            await walk(way, stream, arguments.lines)
        await way.close()


if __name__ == "__main__":
    asyncio.run(main())
