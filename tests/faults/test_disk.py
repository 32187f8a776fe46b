"""Disks that are full, read-only or failing: observing goes on, and everything resumes by itself."""

import asyncio
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
RESUMED_S_MAX = 15.0

_FILES = ("journal.db", "journal.db-wal", "journal.db-tail", "journal.db-tail2")

SINKS = pytest.mark.parametrize("sink", ["up", "down"])


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


@SINKS
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
    make_trial: MakeTrial,
    memory: Path,
    sink: str,
    fault: str,
    fail: Callable[[RunningStation, Disk], AbstractAsyncContextManager[None]],
) -> None:
    """Observing goes on, the state is shown, and when the disk is well again so is the station, by itself."""
    with Disk(memory) as disk:
        trial = make_trial(fault, sink, rate=RATE, disk=disk.folder, journal="history_period_s = 1")
        async with trial:
            async with trial.station() as running:
                await asyncio.sleep(0.5)
                async with fail(running, disk):
                    await asyncio.sleep(FAULT_S)
                    error = await _error(running)

                async def resumed() -> bool:
                    return await _error(running) is None

                await eventually(resumed, RESUMED_S_MAX)
                await trial.mend_far_end()
                await trial.until_delivered()
            await trial.settle()
        assert error is not None, "the state is not shown"
        assert error["code"] == "journal.unavailable"


@SINKS
@pytest.mark.parametrize("end", ["stopped", "killed"])
async def test_a_disk_that_stays_read_only_costs_nothing(
    make_trial: MakeTrial, memory: Path, sink: str, end: str
) -> None:
    """When ext4 finds a fault and lets nothing be written any more, memory keeps it all until it is mounted anew."""
    disk = Disk(memory)
    trial = make_trial(f"disk found faulty, mounted anew after being {end}", sink, rate=RATE, disk=disk.folder)
    async with trial:
        with disk:
            async with trial.station() as running:
                await asyncio.sleep(0.5)
                disk.turn_read_only()
                await asyncio.sleep(FAULT_S)
                await (trial.stop(running) if end == "stopped" else trial.kill(running))
        with disk:
            await trial.settle()


@SINKS
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
