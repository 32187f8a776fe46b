"""How long it takes from the start of a peer until its first document is at the far end; a line waits at its door."""

import statistics

from peers.at_work import FIRST_S_MAX, Result, at_work
from peers.peer import NotThere, Peer


def measure(peer: Peer, starts: int) -> Result:
    """Start a peer so often, each time anew; the median counts."""
    return {"first": statistics.median(_first_s(peer) for _ in range(starts))}


def _first_s(peer: Peer) -> float:
    with at_work(peer) as work:
        if work.block is not None:
            with work.feeding() as write:
                write(work.line())
                told = work.far_end.wait_for(1, FIRST_S_MAX)
        else:
            told = work.far_end.wait_for(1, FIRST_S_MAX)
        if told.first_s is None:
            raise NotThere(f"delivers nothing in {FIRST_S_MAX:g} s")
        return told.first_s - work.started_s
