"""
How fast a backlog may go: additive increase, multiplicative decrease, as TCP does it.

Numbers in, numbers out: no clock, no I/O. Only the backlog is paced. What is fresh is little, and never waits for it;
but a backlog of days, sent as fast as it can be read, would hold up what is fresh at a far end that is busy.

Source:
    Chiu and Jain, "Analysis of the Increase and Decrease Algorithms for Congestion Avoidance in Computer Networks",
    1989: additive increase and multiplicative decrease is what lets many share one far end fairly.
"""

from collections import deque

SLOW_S = 1.0
"""An answer that takes longer is felt by what is fresh; a quicker one is never called slow."""

SLOW_TIMES = 4.0
"""An answer is slow that takes this many times as long as the quickest lately: a far end may always be far."""

PAUSE_S_MAX = 5.0
"""The longest pause between two batches of backlog at a far end that takes one batch at a time."""

RECENT_COUNT_MAX = 32
"""Answers that count as lately."""


class Pace:
    """
    Say how many documents of backlog may be under way at once.

    Args:
        batch_size_max: Documents of one attempt, 1 or more.
        in_flight_max: Batches under way at once, fresh ones included, 1 or more.
    """

    def __init__(self, *, batch_size_max: int, in_flight_max: int) -> None:
        self._batch_size_max = batch_size_max
        self._in_flight_max = in_flight_max
        self._documents_min = max(batch_size_max // 16, 1)
        self._documents_max = batch_size_max * in_flight_max
        self._growth = max(batch_size_max // 4, 1)
        self._recent_s: deque[float] = deque(maxlen=RECENT_COUNT_MAX)
        self.restart()

    @property
    def documents(self) -> int:
        """How many documents of backlog may be under way at once."""
        return self._documents

    @property
    def is_slow(self) -> bool:
        """Whether the latest answer to a batch of backlog took so long that a place is kept free for what is fresh."""
        return bool(self._recent_s) and self._recent_s[-1] > SLOW_S

    @property
    def pause_s(self) -> float:
        """How long the next batch of backlog waits after the latest answer; nothing where a place is kept free."""
        return min(self._recent_s[-1], PAUSE_S_MAX) if self._in_flight_max == 1 and self.is_slow else 0.0

    def restart(self) -> None:
        """Begin anew with little: nothing is known of the far end, or nothing any more."""
        self._documents = self._documents_min
        self._recent_s.clear()

    def answered(self, duration_s: float) -> None:
        """Learn from a batch of backlog that was acknowledged how much the far end can bear."""
        self._recent_s.append(duration_s)
        if duration_s > max(SLOW_S, SLOW_TIMES * min(self._recent_s)):
            self.failed()
        else:
            self._documents = min(self._documents + self._growth, self._documents_max)

    def failed(self) -> None:
        """Learn that the far end did not take a batch now."""
        self._documents = max(self._documents // 2, self._documents_min)

    def batch_size(self, documents_under_way: int, batches_under_way: int) -> int:
        """
        Return how many documents the next batch of backlog may have.

        Args:
            documents_under_way: Of backlog, as `batches_under_way`.
            batches_under_way: Those that wait for their answer.

        Returns:
            0 to `batch_size_max`; 0 says to wait for an answer. What would be less than the pace begins with waits too,
            for a batch costs the far end something even when it is small.
        """
        if self.is_slow and 1 < self._in_flight_max <= batches_under_way + 1:
            return 0
        room = self._documents - documents_under_way
        return min(room, self._batch_size_max) if room >= self._documents_min else 0
