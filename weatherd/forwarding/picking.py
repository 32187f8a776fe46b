"""
Which span of the journal is read next: pure, without a clock and without I/O.

    1   delivered     gap     delivered     held     gap     delivered     fresh_seq       last_seq
    ├──────────────┤       ├─────────────┼────────┤       ├─────────────┼────────────────┤
                    third                           second                first

A gap is what is neither delivered nor under way nor known to be held back. What is delivered is the journal's to tell,
what is under way the forwarder's; remembered here is only where the fresh entries begin, and what a read has said to be
held back.
"""

from collections import deque
from collections.abc import Iterator

from weatherd.model import Batch
from weatherd.ranges import Range, Ranges

RANGES_MAX = 256
"""Ranges that what a sink has may consist of: the journal keeps them over the end of the process."""


class Picker:
    """
    Pick the next span: what is fresh ascending, a backlog from its newest gap to its oldest, ascending in each.

    Args:
        batch_size_max: How many of the newest entries are fresh when forwarding begins anew.
        in_flight_max: Batches under way at once; each may part a range in two for as long as it is.
    """

    def __init__(self, *, batch_size_max: int, in_flight_max: int) -> None:
        self.fresh_seq = 1
        self._batch_size_max = batch_size_max
        self._in_flight_max = in_flight_max
        self._held = Ranges()

    def begin(self, last_seq: int) -> None:
        """Let the newest entries be the fresh ones; what was left before them is backlog."""
        self.fresh_seq = self.newest_from(last_seq)

    def newest_from(self, last_seq: int) -> int:
        """Return the first seq of the newest entries."""
        return max(last_seq - self._batch_size_max + 1, 1)

    def note(self, span: Range, batch: Batch | None) -> None:
        """Learn from what a read gave what is held back, and go on behind it among the fresh."""
        first, last = span
        if batch is None:
            self._held = self._held.add(first, last)
        else:
            self._held = self._held.add(first, batch.first_seq - 1)
            last = batch.last_seq
        self.fresh_seq = max(self.fresh_seq, last + 1)

    def release(self) -> None:
        """Forget what was held back, for it may have returned."""
        self._held = Ranges()

    def fresh(self, taken: Ranges, last_seq: int) -> Range | None:
        """
        Return the lowest gap among the fresh entries, if there is one.

        Args:
            taken: What is delivered or under way.
            last_seq: The newest entry.
        """
        if self.fresh_seq > last_seq:
            return None
        return next(self._gaps(taken, self.fresh_seq, last_seq), None)

    def backlog(self, taken: Ranges) -> Range | None:
        """Return the newest gap before the fresh entries; the lowest if there are too many."""
        if taken.covers(1, self.fresh_seq - 1):
            return None
        gaps = self._gaps(taken, 1, self.fresh_seq - 1)
        if self.is_crowded(taken):
            return next(gaps, None)
        newest = deque(gaps, maxlen=1)
        return newest[0] if newest else None

    def is_crowded(self, taken: Ranges) -> bool:
        """
        Tell whether there are so many islands that none may be added.

        The range from seq 1 on is no island: it is where the lowest gap is filled from, be it there yet or not.
        """
        islands_count = len(taken) - (1 in taken)
        return 1 + islands_count + self._in_flight_max >= RANGES_MAX

    def _gaps(self, taken: Ranges, first: int, last: int) -> Iterator[Range]:
        """Yield gaps, ascending; where there are many islands, only those that can be filled without a new one."""
        is_crowded = self.is_crowded(taken)
        for gap in (taken | self._held if self._held else taken).gaps(first, last):
            if not is_crowded or gap[0] == 1 or gap[0] - 1 in taken:
                yield gap
