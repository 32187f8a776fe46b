"""kill -9: what was observed a tenth of a second before is there afterwards."""

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.end_to_end.stations import station
from tests.faults.parts import injecting
from tests.faults.trials import COUNTER, OWED_AFTER_S, Trial, moments

MakeTrial = Callable[..., Trial]

pytestmark = pytest.mark.alone


async def _kill_again_and_again(trial: Trial, moments_s: Sequence[float]) -> None:
    async with trial:
        for moment_s in moments_s:
            async with trial.station() as running:
                await asyncio.sleep(moment_s)
                await trial.kill(running)
        await trial.settle()


@pytest.mark.parametrize("where", ["in memory", "on disk"])
async def test_a_busy_station_killed_loses_nothing(make_trial: MakeTrial, where: str) -> None:
    """2,000 observations a second, kill -9 at 20 random moments, with the young tail in memory and on the card."""
    trials = [
        make_trial(f"kill -9, 20 times, 2,000/s, tail {where}", sink, on_disk=where == "on disk", rate=2000.0)
        for sink in ("up", "down")
    ]
    await asyncio.gather(
        *(_kill_again_and_again(trial, moments(20, 0.1, 0.5, seed=n)) for n, trial in enumerate(trials))
    )


async def test_a_quiet_station_killed_loses_nothing(make_trial: MakeTrial) -> None:
    """4 observations a second, kill -9 at 20 random moments, four stations side by side."""
    trials = [
        make_trial(f"kill -9, 20 times, 4/s, tail {where}", sink, on_disk=where == "on disk", rate=4.0)
        for where in ("in memory", "on disk")
        for sink in ("up", "down")
    ]
    await asyncio.gather(
        *(_kill_again_and_again(trial, moments(20, 0.2, 0.9, seed=10 + n)) for n, trial in enumerate(trials))
    )


async def _kill_in_a_flush(trial: Trial, calls: str, numbers: Sequence[int], record: Path) -> None:
    """Let the very call that writes or syncs the database be the last one that the station makes."""
    database = trial.folder / "journal.db"
    files = [database, database.with_name("journal.db-wal")]
    async with trial:
        for number in numbers:
            async with trial.station() as running:
                fault = f"signal=KILL:when={number}"
                async with injecting(running.process.pid, calls, fault, paths=files, record=record):
                    assert await asyncio.wait_for(running.process.wait(), 20.0) != 0
                trial.account.end(_killed_s(record) - OWED_AFTER_S)
        await trial.settle()


def _killed_s(record: Path) -> float:
    """Return when a process was killed, by the monotonic clock, from a record with times of the wall clock."""
    times = [line.split()[1] for line in record.read_text().splitlines() if "killed by SIGKILL" in line]
    return min(map(float, times)) - time.time() + time.monotonic()


@pytest.mark.parametrize(("calls", "numbers"), [("pwrite64", (1, 2, 5, 9)), ("fdatasync,fsync", (1, 2, 3))])
async def test_a_station_killed_in_the_middle_of_a_flush_loses_nothing(
    make_trial: MakeTrial, tmp_path: Path, calls: str, numbers: Sequence[int]
) -> None:
    """While the young go into the database, a kill -9 at a write or a sync of it neither loses nor doubles any."""
    what = "write" if calls == "pwrite64" else "sync"
    trials = [
        make_trial(
            f"kill -9 at a {what} of a flush, {len(numbers)} times, 2,000/s",
            sink,
            rate=2000.0,
            journal="history_period_s = 1",
        )
        for sink in ("up", "down")
    ]
    await asyncio.gather(
        *(_kill_in_a_flush(trial, calls, numbers, tmp_path / f"record-{trial.sink}") for trial in trials)
    )


async def _kill_at_the_start(trial: Trial, moments_s: Sequence[float]) -> None:
    async with trial:
        for moment_s in moments_s:
            async with trial.station() as running:
                await asyncio.sleep(0.2)
                await trial.kill(running)
            options = {"sensors": COUNTER, "url": trial.far_end.url, **trial.settings}
            async with station(trial.folder, runtime=trial.runtime, **options) as starting:
                await asyncio.sleep(moment_s)
                await starting.kill()
        await trial.settle()


async def test_a_station_killed_while_it_starts_loses_nothing(make_trial: MakeTrial) -> None:
    """A kill -9 while the tails of the killed run before are taken in leaves them for the next start."""
    trials = [make_trial("kill -9 during the start, 10 times, 500/s", sink, rate=500.0) for sink in ("up", "down")]
    await asyncio.gather(
        *(_kill_at_the_start(trial, moments(10, 0.1, 0.3, seed=20 + n)) for n, trial in enumerate(trials))
    )
