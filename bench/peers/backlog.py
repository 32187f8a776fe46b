"""
What an outage leaves: lines are written as fast as a peer takes them while nobody listens at the far end; then it does.

Documents a second are counted from the first that the far end takes to the last, so how long a peer waits between its
attempts is left out; it is a figure of its own.
"""

import time

from peers.at_work import Result, at_work, reset_peak
from peers.numbered import BLOCK_COUNT
from peers.peer import Peer

QUIET_S_MAX = 20.0
END_S_MAX = 240.0
STUCK_S_MAX = 75.0


def measure(peer: Peer, count: int) -> Result:
    """Let a backlog of at least so many documents grow, and drain it."""
    with at_work(peer, is_up=False) as work, work.feeding() as write:
        assert work.block is not None
        started_s = time.monotonic()
        while work.written < count:
            write(work.block.numbered(work.written))
            work.written += BLOCK_COUNT
        took_s = time.monotonic() - started_s
        work.wait_until_quiet(QUIET_S_MAX)
        result = {"taken": work.written / took_s, "peak_in": work.child.memory_mb("VmHWM")}
        reset_peak(work.child)
        cpu_s, back_s = work.child.cpu_s(), time.monotonic()
        work.far_end.order("take")
        told = work.far_end.wait_for(work.written, END_S_MAX, STUCK_S_MAX)
        result["peak"] = work.child.memory_mb("VmHWM")
        result["lost"] = work.written - told.distinct
        result["duplicates"] = told.duplicates
        if told.first_s is not None and told.last_s is not None:
            result["delivered"] = told.distinct / (told.last_s - told.first_s)
            result["cpu"] = (work.child.cpu_s() - cpu_s) / told.distinct * 1e6
            result["return"] = told.first_s - back_s
        return result
