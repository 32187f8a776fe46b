import asyncio
import random
import sys
from pathlib import Path

from tests.journal.conftest import Desk
from weatherd.journal.rows import ROW_COUNT_MAX

KILLS = 20
APPENDER = Path(__file__).with_name("appender.py")


async def test_what_was_kept_outlives_kill_9(desk: Desk) -> None:
    """A process is killed twenty times while it appends; whatever it said was kept is there, once and in order."""
    draw = random.Random(9)
    said_seq = 0
    for _ in range(KILLS):
        count = draw.choice([1, 4, 40, 2 * ROW_COUNT_MAX])
        seqs = await _append_until_killed(desk.path, count, draw.random() * 0.1)
        assert seqs, "the process was killed before it had appended anything"
        journal = await desk.open(encode=lambda entry, seq: b'{"seq":%d}' % seq)
        assert journal.last_seq >= seqs[-1]
        assert (journal.last_seq - seqs[0]) % count == 0, "half an append is there"
        assert seqs == [*range(seqs[0], seqs[-1] + 1, count)]
        assert seqs[0] - count >= said_seq
        said_seq = seqs[-1]
        await journal.close()
    await _assert_all_there(desk, said_seq)


async def _append_until_killed(path: Path, count: int, delay_s: float) -> list[int]:
    """Return the seqs that were printed by the time of the kill, which comes that long after the first one."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(APPENDER), str(path), str(count), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    first = await process.stdout.readline()
    await asyncio.sleep(delay_s)
    process.kill()
    rest = await process.stdout.read()
    await process.wait()
    lines = (first + rest).decode().splitlines(keepends=True)
    return [int(line) for line in lines if line.endswith("\n")]


async def _assert_all_there(desk: Desk, said_seq: int) -> None:
    journal = await desk.open()
    seq = 0
    while (batch := await journal.read(seq, 5000)) is not None:
        assert batch.first_seq == seq + 1
        assert batch.documents == tuple(b'{"seq":%d}' % number for number in range(seq + 1, batch.last_seq + 1))
        seq = batch.last_seq
    assert seq == journal.last_seq >= said_seq
