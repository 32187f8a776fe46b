import asyncio
import itertools

import pytest

from tests.fakes import FakeClock, recording_log, settle
from weatherd.daemon.supervision import supervise


async def test_a_loop_that_fails_is_told_and_started_anew() -> None:
    """A mistake of ours costs one loop a restart, is logged each time, and stops nothing else."""
    clock = FakeClock()
    log, lines = recording_log()
    runs = itertools.count(1)

    async def loop() -> None:
        if next(runs) < 3:
            raise ZeroDivisionError("ours")

    task = asyncio.create_task(supervise("sampling", loop, clock, log, itertools.repeat(5.0)))
    await settle()
    assert not task.done()
    await clock.advance(10.0)
    assert task.done()
    assert next(runs) == 4
    assert [line["event"] for line in lines] == ["supervision.loop_failed"] * 2
    assert all(line["exc_info"] for line in lines)


async def test_a_loop_that_returns_is_done() -> None:
    """Nothing is started again that has ended by itself."""
    log, lines = recording_log()
    await supervise("recording", settle, FakeClock(), log, itertools.repeat(5.0))
    assert lines == []


async def test_a_loop_can_be_cancelled() -> None:
    """A stop is no failure."""
    log, lines = recording_log()
    task = asyncio.create_task(supervise("sampling", asyncio.Event().wait, FakeClock(), log, itertools.repeat(5.0)))
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert lines == []
