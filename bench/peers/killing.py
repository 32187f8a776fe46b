"""
What a kill costs: 2,000 lines a second come in, and in the middle of it the process is killed and started anew.

Nothing is written while nobody is there. What the kernel had taken for the peer counts as taken, for no writer can know
better.
"""

import time
from collections.abc import Callable

from peers.at_work import Result, Work, at_work
from peers.peer import Peer

RATE = 2000
TICK_S = 0.005
END_S_MAX = 60.0
QUIET_S_MAX = 12.0


def measure(peer: Peer, kills: int, duration_s: float) -> Result:
    """Kill a peer so often, each time a new one; the sums count."""
    results = [_kill(peer, duration_s) for _ in range(kills)]
    return {name: sum(result[name] for result in results) for name in results[0]}


def _kill(peer: Peer, duration_s: float) -> Result:
    with at_work(peer) as work:
        with work.feeding() as write:
            work.write_first(write)
            _feed(work, write, duration_s)
            work.child.process.kill()
        work.restart()
        with work.feeding() as write:
            _feed(work, write, duration_s)
        told = work.far_end.wait_for(work.written, END_S_MAX, QUIET_S_MAX)
        return {"lost": work.written - told.distinct, "duplicates": told.duplicates}


def _feed(work: Work, write: Callable[[bytes], None], duration_s: float) -> None:
    assert work.block is not None
    lines = round(RATE * TICK_S)
    started_s = time.monotonic()
    for tick in range(1, round(duration_s / TICK_S) + 1):
        write(b"".join(work.block.line(work.written + number) for number in range(lines)))
        work.written += lines
        time.sleep(max(0.0, started_s + tick * TICK_S - time.monotonic()))
