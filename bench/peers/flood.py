"""
As many as possible: lines are written as fast as a peer takes them, while the far end answers.

What it still has when the writing ends is waited for, so that a peer is seen that takes in more than it delivers.
"""

import time

from peers.at_work import Result, at_work
from peers.numbered import BLOCK_COUNT
from peers.peer import Peer

END_S_MAX = 60.0
QUIET_S_MAX = 15.0


def measure(peer: Peer, duration_s: float) -> Result:
    """Flood a peer."""
    with at_work(peer) as work, work.feeding() as write:
        assert work.block is not None
        work.write_first(write)
        cpu_s, started_s = work.child.cpu_s(), time.monotonic()
        while (now_s := time.monotonic()) < started_s + duration_s:
            write(work.block.numbered(work.written))
            work.written += BLOCK_COUNT
        told = work.far_end.wait_for(work.written, END_S_MAX, QUIET_S_MAX)
        cpu_s = work.child.cpu_s() - cpu_s
        assert told.last_s is not None
        return {
            "taken": work.written / (now_s - started_s),
            "delivered": told.distinct / max(told.last_s - started_s, now_s - started_s),
            "cpu": cpu_s / told.distinct * 1e6,
            "peak": work.child.memory_mb("VmHWM"),
            "wire": told.size / told.documents,
            "lost": work.written - told.distinct,
            "duplicates": told.duplicates,
        }
