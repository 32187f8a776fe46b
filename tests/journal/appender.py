"""Append to a journal for ever and print each seq once it is kept; test_kill.py ends it."""

import asyncio
import sys
import time
from pathlib import Path

from weatherd.journal import SqliteJournal
from weatherd.model import Event, Observation


class Clock:
    def boottime_s(self) -> float:
        return time.monotonic()

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def synchronized(self) -> bool:
        return True

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)


def encode(entry: Observation | Event, seq: int) -> bytes:
    return b'{"seq":%d}' % seq


async def main(path: Path, count: int) -> None:
    journal = SqliteJournal(
        path, encode=encode, clock=Clock(), sinks=["logstash"], size_max=50_000_000, retention_s=3600.0
    )
    await journal.open()
    entries = [Event("tested", "-", 0, clock_synchronized=True)] * count
    while True:
        await journal.append(entries)
        sys.stdout.write(f"{journal.last_seq}\n")
        sys.stdout.flush()


asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
