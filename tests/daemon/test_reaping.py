import asyncio
import os
import subprocess

import pytest

from tests.fakes import FakeClock
from weatherd.daemon.reaping import REAP_PERIOD_S, Reaper


def ended(*, group: int | None) -> int:
    """Leave a zombie, in a process group of that number (0 makes one of its own)."""
    process = subprocess.Popen(["true"], process_group=group)
    process.returncode = 0  # nobody else is to ask for it
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    return process.pid


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def foreign_group() -> "subprocess.Popen[bytes]":
    """Give a group whose leader is alive, as the program of a sensor is."""
    return subprocess.Popen(["sleep", "60"], process_group=0)


async def test_an_orphan_is_reaped_at_once(foreign_group: "subprocess.Popen[bytes]") -> None:
    """What a program has left behind is in the program's group, and nobody else waits for it."""
    try:
        orphans = [ended(group=foreign_group.pid) for _ in range(3)]
        Reaper(FakeClock()).reap()
        assert not any(map(is_there, orphans))
        assert foreign_group.poll() is None
    finally:
        foreign_group.kill()
        foreign_group.wait()


@pytest.mark.parametrize("group", [0, None])
async def test_what_may_be_waited_for_is_reaped_only_in_the_next_round(group: int | None) -> None:
    """The leader of a group, or one of our own group, may be about to be asked for its exit code."""
    clock = FakeClock()
    pid = ended(group=group)
    reaping = asyncio.create_task(Reaper(clock).run())
    try:
        await clock.advance(REAP_PERIOD_S / 2)
        assert is_there(pid)
        await clock.advance(REAP_PERIOD_S)
        assert not is_there(pid)
        await clock.advance(REAP_PERIOD_S)  # now there is nobody
    finally:
        reaping.cancel()
