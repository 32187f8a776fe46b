"""Use a journal for ever, at full speed, and print what it kept and what was acknowledged; test_kill.py ends it."""

import asyncio
import random
import sys
import time
from pathlib import Path

from weatherd.journal import SqliteJournal
from weatherd.model import Batch, Event, Observation


class Clock:
    def boottime_s(self) -> float:
        return time.monotonic()

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def synchronized(self) -> bool:
        return True

    def offset_ms(self) -> int | None:
        return None

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)


def encode(entry: Observation | Event, seq: int) -> bytes:
    return b'{"seq":%d}' % seq


def say(word: str, first_seq: int, last_seq: int) -> None:
    sys.stdout.write(f"{word} {first_seq} {last_seq}\n")
    sys.stdout.flush()


async def read_some(journal: SqliteJournal, draw: random.Random) -> Batch | None:
    """Read the oldest that is not delivered, or the newest."""
    gap = next(journal.delivered("logstash").gaps(1, journal.last_seq), None)
    if gap is None:
        return None
    first_seq, last_seq = gap if draw.random() < 0.5 else (journal.last_seq, journal.last_seq)
    return await journal.read("logstash", first_seq, last_seq, draw.choice([1, 10, 500]))


async def append_and_deliver(journal: SqliteJournal, count: int, draw: random.Random) -> None:
    entries = [Event("tested", "-", 0, clock_synchronized=True)] * count
    while True:
        before = journal.last_seq
        await journal.append(entries)
        say("kept", before + 1, journal.last_seq)
        if draw.random() < 0.3 and (batch := await read_some(journal, draw)) is not None:
            say("given", batch.first_seq, batch.last_seq)
            journal.acknowledge("logstash", batch.first_seq, batch.last_seq)
            # Whatever is asked of the front's thread now, and then of the journal's, comes after what is noted there.
            await journal._run_in_front(lambda: None)
            await journal._run(lambda: None)
            say("acknowledged", batch.first_seq, batch.last_seq)


async def write_to_the_card(journal: SqliteJournal, draw: random.Random) -> None:
    while True:
        await draw.choice([journal.secure, journal.write_history])()


async def main(path: Path, memory: Path | None, count: int, seed: int) -> None:
    journal = SqliteJournal(
        path,
        encode=encode,
        clock=Clock(),
        sinks=["logstash"],
        station_id="test",
        size_max=50_000_000,
        retention_s=3600.0,
        memory=memory,
        boot_id="b007b007",
    )
    await journal.open()
    draw = random.Random(seed)
    await asyncio.gather(append_and_deliver(journal, count, draw), write_to_the_card(journal, draw))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]) if sys.argv[2] else None, int(sys.argv[3]), int(sys.argv[4])))
