import asyncio
import random
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.journal.appender import encode
from tests.journal.conftest import Desk
from weatherd.journal import SqliteJournal
from weatherd.journal.rows import ROW_COUNT_MAX
from weatherd.ranges import Ranges

KILLS = 20
APPENDER = Path(__file__).with_name("appender.py")


class Said(NamedTuple):
    """What an appender said before it was killed, as spans of seqs."""

    kept: list[tuple[int, int]]
    given: list[tuple[int, int]]
    acknowledged: list[tuple[int, int]]


@pytest.fixture(params=["memory", "card"])
def memory(request: pytest.FixtureRequest) -> Path | None:
    """The file for the young in a folder that is in memory, or none."""
    if request.param == "card":
        return None
    folder: Path = request.getfixturevalue("memory_folder")
    return folder / "young.tail"


async def test_what_was_kept_outlives_kill_9(desk: Desk, memory: Path | None) -> None:
    """A process is killed twenty times while it works; what it said was kept or acknowledged still is, and no more."""
    draw = random.Random(9)
    last_seq = 0
    given, acknowledged = Ranges(), Ranges()
    for seed in range(KILLS):
        count = draw.choice([1, 4, 40, 2 * ROW_COUNT_MAX])
        said = await _work_until_killed(desk.path, memory, count, seed, lines_count=draw.randrange(1, 300))
        assert [first for first, _ in said.kept] == [last_seq + 1 + count * number for number in range(len(said.kept))]
        given |= Ranges.of(said.given)
        acknowledged |= Ranges.of(said.acknowledged)
        journal = await desk.open(desk.path, memory, encode=encode)
        assert journal.last_seq >= said.kept[-1][1]
        assert (journal.last_seq - last_seq) % count == 0, "half an append is there"
        delivered = journal.delivered("logstash")
        assert delivered & acknowledged == acknowledged
        assert delivered & given == delivered, "more is delivered than ever was given"
        await _assert_all_there(journal, last_seq + 1)
        last_seq = journal.last_seq
        await journal.close()
    await journal.open()
    await _assert_all_there(journal, 1)


async def _work_until_killed(path: Path, memory: Path | None, count: int, seed: int, *, lines_count: int) -> Said:
    """Return what an appender said that was killed after so many lines."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(APPENDER), str(path), str(memory or ""), str(count), str(seed)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    lines = [await process.stdout.readline() for _ in range(lines_count)]
    process.kill()
    lines += (await process.stdout.read()).splitlines(keepends=True)
    await process.wait()
    said = Said([], [], [])
    for word, first_seq, last_seq in (line.decode().split() for line in lines if line.endswith(b"\n")):
        getattr(said, word).append((int(first_seq), int(last_seq)))
    return said


async def _assert_all_there(journal: SqliteJournal, first_seq: int) -> None:
    """Everything from a seq on is given once, in order."""
    while first_seq <= journal.last_seq:
        batch = await journal.read("logstash", first_seq, journal.last_seq, 5000)
        assert batch is not None
        assert batch.first_seq == first_seq
        assert list(batch.seqs) == list(range(first_seq, batch.last_seq + 1))
        assert list(batch.documents) == [b'{"seq":%d}' % seq for seq in batch.seqs]
        first_seq = batch.last_seq + 1
