import asyncio
import time

from weatherd.cli.run import run_loop
from weatherd.looping import Passes, passes

HELD_UP_S = 0.03


def hold_up() -> None:
    """Be busy for a while, as nothing on the loop may."""
    until_s = time.perf_counter() + HELD_UP_S
    while time.perf_counter() < until_s:
        pass


def timed() -> Passes:
    found = passes()
    assert found is not None
    return found


def test_whoever_holds_up_the_loop_is_noticed() -> None:
    """A callback that takes 30 ms is a pass between 20 and 100 ms, and the longest."""

    async def main() -> Passes:
        timed().begin_again()
        asyncio.get_running_loop().call_soon(hold_up)
        await asyncio.sleep(0.001)
        return timed()

    found = run_loop(main())
    assert sum(found.counts[3:]) == 1
    assert HELD_UP_S <= found.longest_s <= found.sum_s


def test_waiting_is_no_lag() -> None:
    """While nothing is due nobody is kept waiting."""

    async def main() -> tuple[Passes, float]:
        timed().begin_again()
        began_s = time.perf_counter()
        await asyncio.sleep(HELD_UP_S)
        return timed(), time.perf_counter() - began_s

    found, duration_s = run_loop(main())
    assert sum(found.counts) >= 1
    assert found.sum_s < duration_s / 2


def test_the_start_is_forgotten() -> None:
    """The pass in which the count begins anew does not count itself."""

    async def main() -> Passes:
        hold_up()
        timed().begin_again()
        await asyncio.sleep(0.001)
        return timed()

    assert run_loop(main()).longest_s < HELD_UP_S


async def test_another_loop_is_not_timed() -> None:
    """Where the daemon runs on somebody else's loop, there is no lag to tell, instead of a wrong one."""
    assert passes() is None
