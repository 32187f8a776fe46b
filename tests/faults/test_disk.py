"""Disks that are full, read-only or failing: observing goes on, and everything resumes by itself."""

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.stations import RunningStation, eventually
from tests.faults.parts import Disk, injecting, small_memory
from tests.faults.trials import Trial

MakeTrial = Callable[..., Trial]

RATE = 1000.0
FAULT_S = 3.0
TOLD_S_MAX = 15.0
EAGER = "history_period_s = 1"
"""What is delivered goes to the card as soon as it may."""

_FILES = ("journal.db", "journal.db-wal", "journal.db-tail", "journal.db-tail2")


@pytest.fixture
def make_folder(memory: Path) -> Callable[[str], Path]:
    """Make folders in memory."""

    def make(name: str) -> Path:
        folder = memory / name
        folder.mkdir()
        return folder

    return make


MakeFolder = Callable[[str], Path]


def _files(disk: Disk) -> list[Path]:
    return [disk.folder / name for name in _FILES]


@asynccontextmanager
async def _full(running: RunningStation, disk: Disk) -> AsyncIterator[None]:
    disk.fill()
    yield
    disk.free()


@asynccontextmanager
async def _read_only(running: RunningStation, disk: Disk) -> AsyncIterator[None]:
    calls = "pwrite64,fsync,fdatasync,ftruncate"
    async with injecting(running.process.pid, calls, "error=EROFS", paths=_files(disk)):
        yield


@asynccontextmanager
async def _failing_syncs(running: RunningStation, disk: Disk) -> AsyncIterator[None]:
    async with injecting(running.process.pid, "fsync,fdatasync", "error=EIO"):
        yield


@asynccontextmanager
async def _failing_writes(running: RunningStation, disk: Disk) -> AsyncIterator[None]:
    async with injecting(running.process.pid, "pwrite64", "error=EIO", paths=_files(disk)):
        yield


async def _error(running: RunningStation) -> dict[str, Any] | None:
    error: dict[str, Any] | None = (await running.ask())["journal"]["error"]
    return error


async def _until_told(running: RunningStation, *, wrong: bool) -> None:
    """Wait until the status tells that the journal fails, or that it does no more."""

    async def told() -> bool:
        return (await _error(running) is not None) == wrong

    await eventually(told, TOLD_S_MAX)


Fail = Callable[[RunningStation, Disk], AbstractAsyncContextManager[None]]


async def _fail_for_a_while(trial: Trial, folder: Path, fail: Fail) -> None:
    """Let the disk fail and be well again, then kill the station."""
    with Disk(folder) as disk:
        trial.settings["disk"] = disk.folder
        async with trial:
            async with trial.station() as running:
                await asyncio.sleep(0.5)
                async with fail(running, disk):
                    await _until_told(running, wrong=True)
                    await asyncio.sleep(FAULT_S)
                    error = await _error(running)
                await _until_told(running, wrong=False)
                await asyncio.sleep(0.5)
                await trial.kill(running)
            await trial.settle()
    assert error is not None, "the state is not shown any more, though nothing was mended"
    assert error["code"] == "journal.unavailable"


@pytest.mark.parametrize(
    ("fault", "fail"),
    [
        ("disk full and freed", _full),
        ("disk read-only (EROFS) and back", _read_only),
        ("fsync and fdatasync EIO", _failing_syncs),
        ("writes EIO", _failing_writes),
    ],
    ids=["full", "read-only", "failing syncs", "failing writes"],
)
async def test_a_disk_that_fails_for_a_while_costs_nothing(
    make_trial: MakeTrial, make_folder: MakeFolder, fault: str, fail: Fail
) -> None:
    """Observing goes on, the state is shown, and when the disk is well again so is the station, by itself."""
    trials = [make_trial(f"{fault}, kill -9", sink, rate=RATE, journal=EAGER) for sink in ("up", "down")]
    await asyncio.gather(*(_fail_for_a_while(trial, make_folder(trial.sink), fail) for trial in trials))


async def _find_a_fault(trial: Trial, folder: Path, end: str) -> None:
    """Let ext4 find a fault in itself, end the station, and mount the disk anew at its place."""
    disk = Disk(folder)
    trial.settings["disk"] = disk.folder
    async with trial:
        with disk:
            async with trial.station() as running:
                await asyncio.sleep(0.5)
                disk.turn_read_only()
                if trial.sink == "down":
                    await _until_told(running, wrong=True)
                arrived_count = len(trial.far_end.arrived())
                await asyncio.sleep(FAULT_S)
                assert trial.sink == "down" or len(trial.far_end.arrived()) > arrived_count
                await (trial.stop(running) if end == "stopped" else trial.kill(running))
        with disk:
            await trial.settle()


@pytest.mark.parametrize("end", ["stopped", "killed"])
async def test_a_disk_that_stays_read_only_costs_nothing(
    make_trial: MakeTrial, make_folder: MakeFolder, end: str
) -> None:
    """When ext4 finds a fault and lets nothing be written any more, memory keeps it all until it is mounted anew."""
    fault = f"disk found faulty, mounted anew after being {end}"
    trials = [make_trial(fault, sink, rate=RATE) for sink in ("up", "down")]
    await asyncio.gather(*(_find_a_fault(trial, make_folder(trial.sink), end) for trial in trials))


def _remount(disk: Disk, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", disk.folder], check=True)


BREAK: dict[str, tuple[Callable[[Disk], None], Callable[[Disk], None]]] = {
    "read-only": (lambda disk: _remount(disk, "ro"), lambda disk: _remount(disk, "rw")),
    "full": (Disk.fill, Disk.free),
}


async def _start_on_a_bad_disk(trial: Trial, folder: Path, how: str, *, is_new: bool) -> None:
    """Start the station on a disk that takes nothing, and mend the disk under it."""
    break_disk, mend_disk = BREAK[how]
    with Disk(folder) as disk:
        trial.settings["disk"] = disk.folder
        async with trial:
            if not is_new:
                async with trial.station() as running:
                    await asyncio.sleep(1.0)
                    await trial.kill(running)
            break_disk(disk)
            async with trial.station() as running:
                await _until_told(running, wrong=True)
                await asyncio.sleep(1.0)
                mend_disk(disk)
                await _until_told(running, wrong=False)
                await trial.mend_far_end()
                await trial.until_delivered()
                await trial.kill(running)
            await trial.settle()


@pytest.mark.parametrize("is_new", [True, False], ids=["new journal", "old journal"])
@pytest.mark.parametrize("how", list(BREAK))
async def test_a_disk_that_is_bad_at_the_start_costs_nothing(
    make_trial: MakeTrial, make_folder: MakeFolder, how: str, *, is_new: bool
) -> None:
    """The station starts, observes into its queue, shows the state, and opens the journal when the disk lets it."""
    fault = f"disk {how} at the start, {'new' if is_new else 'old'} journal"
    trials = [make_trial(fault, sink, rate=100.0, journal=EAGER) for sink in ("up", "down")]
    await asyncio.gather(
        *(_start_on_a_bad_disk(trial, make_folder(trial.sink), how, is_new=is_new) for trial in trials)
    )


async def test_a_stop_before_the_disk_was_mended_says_what_is_lost(
    make_trial: MakeTrial, make_folder: MakeFolder
) -> None:
    """What was observed while the journal could not be opened lives in the queue alone, and a stop counts it."""
    trial = make_trial("disk full at the start, and stopped", "up", rate=100.0)
    with Disk(make_folder("full")) as disk:
        disk.fill()
        async with trial, trial.station(disk=disk.folder) as running:
            await asyncio.sleep(1.0)
            assert await running.stop() == 0
    (lost,) = [line for line in running.log if line["event.action"] == "recording.lost"]
    observed = len(trial.account.read_until(time.monotonic()))
    said = int(lost["message"].partition(" ")[0])
    assert 0 < observed <= said, "the event of the start is among those that are said"


@pytest.mark.parametrize("sink", ["up", "down"])
async def test_a_runtime_folder_without_room_costs_nothing(make_trial: MakeTrial, memory: Path, sink: str) -> None:
    """Where the folder in memory is full, the young are kept on the card."""
    with small_memory(memory / "small", "200k") as runtime:
        trial = make_trial("runtime folder full", sink, rate=RATE, runtime=runtime)
        async with trial:
            for _ in range(3):
                async with trial.station() as running:
                    await asyncio.sleep(1.0)
                    await trial.kill(running)
            await trial.settle()
