"""A disk that is full, read-only, or fails to sync, and well again: sampling goes on, and nothing is lost."""

import asyncio
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.stations import RunningStation, eventually, station
from tests.faults.parts import Disk, injecting
from tests.faults.trials import COUNTER, Trial

MakeTrial = Callable[..., Trial]

BAD_S = 2.0
EAGER = "history_period_s = 1"
"""What is delivered goes to the card as soon as it may."""


@pytest.fixture
def make_folder(memory: Path) -> Callable[[str], Path]:
    """Make folders in memory."""

    def make(name: str) -> Path:
        folder = memory / name
        folder.mkdir()
        return folder

    return make


MakeFolder = Callable[[str], Path]


async def _until_told(running: RunningStation, *, wrong: bool) -> None:
    """Wait until the status tells that the journal fails, or that it does no more."""

    async def told() -> bool:
        return ((await running.ask())["journal"]["error"] is not None) == wrong

    await eventually(told, timeout_s=30.0)


async def _fill_and_free(trial: Trial, folder: Path) -> None:
    with Disk(folder) as disk:
        async with trial:
            async with trial.station(disk=disk.folder) as running:
                await asyncio.sleep(0.5)
                disk.fill()
                if trial.sink == "down":
                    await _until_told(running, wrong=True)
                await asyncio.sleep(BAD_S)
                disk.free()
                await _until_told(running, wrong=False)
                await asyncio.sleep(0.5)
                await trial.kill(running)
            trial.settings["disk"] = disk.folder
            await trial.settle()


async def test_a_full_disk_loses_nothing(make_trial: MakeTrial, make_folder: MakeFolder) -> None:
    """With a disk without room the status says so, the writers wait, and everything resumes when there is room."""
    trials = [
        make_trial("disk full and freed, kill -9, 2,000/s", sink, rate=2000.0, journal=EAGER) for sink in ("up", "down")
    ]
    await asyncio.gather(*(_fill_and_free(trial, make_folder(trial.sink)) for trial in trials))


async def _turn_read_only(trial: Trial, folder: Path) -> None:
    """Let ext4 find a fault in itself, kill the station, and mount the disk anew at its place."""
    async with trial:
        disk = Disk(folder)
        trial.settings["disk"] = disk.folder
        with disk:
            async with trial.station() as running:
                await asyncio.sleep(0.5)
                disk.turn_read_only()
                if trial.sink == "down":
                    await _until_told(running, wrong=True)
                arrived_count = len(trial.far_end.arrived())
                await asyncio.sleep(BAD_S)
                assert trial.sink == "down" or len(trial.far_end.arrived()) > arrived_count
                await trial.kill(running)
        with disk:
            await trial.settle()


async def _start_read_only(trial: Trial, folder: Path) -> None:
    """Kill the station, start it on a disk that cannot be written, and again when it can."""
    disk = Disk(folder)
    trial.settings["disk"] = disk.folder
    with disk:
        async with trial:
            async with trial.station() as running:
                await asyncio.sleep(1.0)
                await trial.kill(running)
            _remount(disk, "ro")
            options = {"sensors": COUNTER, "url": trial.far_end.url, **trial.settings}
            async with station(trial.folder, runtime=trial.runtime, **options) as starting:
                assert await asyncio.wait_for(starting.process.wait(), 10.0) == os.EX_IOERR
            errors = trial.folder / "errors"
            assert "journal.unavailable" in errors.read_text()
            errors.unlink()
            _remount(disk, "rw")
            await trial.settle()


def _remount(disk: Disk, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", disk.folder], check=True)


@pytest.mark.parametrize("at_the_start", [False, True], ids=["in the run", "at the start"])
async def test_a_read_only_disk_loses_nothing(
    make_trial: MakeTrial, make_folder: MakeFolder, *, at_the_start: bool
) -> None:
    """A disk that turns read-only costs no observation; with one that is so at the start the exit code says it."""
    fault = f"disk read-only {'at the start' if at_the_start else 'in the run'}, kill -9"
    trials = [make_trial(fault, sink, rate=100.0, journal=EAGER) for sink in ("up", "down")]
    act = _start_read_only if at_the_start else _turn_read_only
    await asyncio.gather(*(act(trial, make_folder(trial.sink)) for trial in trials))


async def _fail_to_sync(trial: Trial) -> None:
    names = ("journal.db", "journal.db-wal", "journal.db-tail", "journal.db-tail2")
    async with trial:
        async with trial.station() as running:
            await asyncio.sleep(0.5)
            files = [trial.folder / name for name in names]
            async with injecting(running.process.pid, "fsync,fdatasync", "error=EIO", paths=files):
                if trial.sink == "down":
                    await _until_told(running, wrong=True)
                await asyncio.sleep(BAD_S)
            await _until_told(running, wrong=False)
            await asyncio.sleep(0.5)
            await trial.kill(running)
        await trial.settle()


async def test_a_disk_that_fails_to_sync_loses_nothing(make_trial: MakeTrial) -> None:
    """EIO at every sync of the journal for a while is told, and all is written again when it works."""
    trials = [make_trial("fsync EIO, kill -9, 100/s", sink, rate=100.0, journal=EAGER) for sink in ("up", "down")]
    await asyncio.gather(*(_fail_to_sync(trial) for trial in trials))
