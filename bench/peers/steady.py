"""
What a peer costs that has little to do: four documents a second, while the far end answers, and while it refuses.

Each keeps what it keeps on a fresh ext4 on a loop device, where what reaches it is counted (as root). The start, and
the first seconds after it, are left out. A far end that is dead answers each attempt with 503; afterwards it answers
again, and what is then delivered is waited for.
"""

import time
from collections.abc import Iterator
from typing import NamedTuple

from peers.at_work import Result, Work, at_work
from peers.peer import Peer

RATE = 4
SETTLE_S = 5.0
CPU_PERIOD_S = 600.0
RETURN_S_MAX = 90.0
QUIET_S_MAX = 40.0
OWN_RETURN_S = 20.0
"""How long a peer with weather of its own has to deliver what it still has."""


class Moment(NamedTuple):
    """What was counted from the start until a moment."""

    time_s: float
    cpu_s: float
    wakeups: int
    device_size: int
    wire_size: int
    attempts: int
    documents: int


def while_up(peer: Peer, settle_s: float, duration_s: float) -> Result:
    """Measure while the far end answers."""
    with at_work(peer, own_device=True) as work:
        before, after = _spend(work, settle_s, duration_s, "take")
        memory = {"resident": work.child.memory_mb("VmRSS"), "private": work.child.memory_mb("RssAnon")}
        told = work.far_end.wait_for(work.written, RETURN_S_MAX, QUIET_S_MAX) if work.block else work.far_end.told()
        result = memory | _costs(work, before, after)
        if peer.make_lines is not None:
            result["lost"] = work.written - told.distinct
        result["wire"] = (after.wire_size - before.wire_size) / max(after.documents - before.documents, 1)
        result["duplicates"] = told.duplicates
        return result


def while_dead(peer: Peer, settle_s: float, duration_s: float) -> Result:
    """Measure while the far end refuses, and what is left when it answers again."""
    with at_work(peer, own_device=True) as work:
        before, after = _spend(work, settle_s, duration_s, "refuse")
        result = {"resident": work.child.memory_mb("VmRSS")} | _costs(work, before, after)
        result["attempts"] = after.attempts - before.attempts
        told = work.far_end.order("take")
        back_s = time.monotonic()
        if work.block:
            told = work.far_end.wait_for(work.written, RETURN_S_MAX, QUIET_S_MAX)
            result["lost"] = work.written - told.distinct
        else:
            time.sleep(OWN_RETURN_S)
            told = work.far_end.told()
            result["lost"] = told.highest - told.distinct
        if not result["lost"] and told.last_s is not None:
            result["return"] = told.last_s - back_s
        result["duplicates"] = told.duplicates
        return result


def _spend(work: Work, settle_s: float, duration_s: float, order: str) -> tuple[Moment, Moment]:
    """Let it run, and look at the beginning and at the end; the far end does as ordered in between."""
    if work.block is None:
        work.far_end.wait_for(1, RETURN_S_MAX)
        time.sleep(settle_s)
        work.far_end.order(order)
        before = _look(work)
        time.sleep(duration_s)
        return before, _look(work)
    with work.feeding() as write:
        work.write_first(write)
        for _ in _paced(settle_s):
            write(work.line())
            work.written += 1
        work.far_end.order(order)
        before = _look(work)
        for _ in _paced(duration_s):
            write(work.line())
            work.written += 1
        return before, _look(work)


def _paced(duration_s: float) -> Iterator[int]:
    started_s = time.monotonic()
    for number in range(1, round(duration_s * RATE) + 1):
        yield number
        time.sleep(max(0.0, started_s + number / RATE - time.monotonic()))


def _look(work: Work) -> Moment:
    device_size = work.disk.written_size()
    told = work.far_end.told()
    return Moment(
        time_s=time.monotonic(),
        cpu_s=work.child.cpu_s(),
        wakeups=work.child.wakeups_count(),
        device_size=device_size,
        wire_size=told.size,
        attempts=told.attempts,
        documents=told.distinct,
    )


def _costs(work: Work, before: Moment, after: Moment) -> Result:
    duration_s = after.time_s - before.time_s
    costs = {
        "cpu": (after.cpu_s - before.cpu_s) / duration_s * CPU_PERIOD_S,
        "wakeups": (after.wakeups - before.wakeups) / duration_s,
    }
    if work.disk.is_mounted:
        costs["device"] = (after.device_size - before.device_size) / (duration_s * RATE)
    return costs
