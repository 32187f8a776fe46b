"""
The event loop that knows how long whatever is due has to wait for it.

It takes the time from the end of each wait to the beginning of the next one. That is a pass: what became due meanwhile
has waited no longer than that. No pass is missed, as it would be by a timer that looks once a second, and nobody has to
wake up for it; it costs a third of a microsecond a pass.
"""

import asyncio
import bisect
import selectors
import time

BOUNDS_S = (0.001, 0.005, 0.02, 0.1, 0.5, 2.5)
"""Upper bounds in seconds by which passes are counted; 0.02 is what the design allows."""


class Passes(selectors.EpollSelector):
    """
    A selector that times what happens between its waits.

    Attributes:
        counts: Passes by their time: up to each of `BOUNDS_S`, and longer.
        sum_s: Of all of them.
        longest_s: Of the longest.
    """

    def __init__(self) -> None:
        super().__init__()
        self._began_s: float | None = None
        self.begin_again()

    def begin_again(self) -> None:
        """Forget what was; the pass that is under way does not count."""
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.sum_s = self.longest_s = 0.0
        self._began_s = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for what happens next."""
        if self._began_s is not None:
            self._note(time.perf_counter() - self._began_s)
        try:
            return super().select(timeout)
        finally:
            self._began_s = time.perf_counter()

    def _note(self, duration_s: float) -> None:
        self.counts[bisect.bisect_left(BOUNDS_S, duration_s)] += 1
        self.sum_s += duration_s
        self.longest_s = max(self.longest_s, duration_s)


class TimedLoop(asyncio.SelectorEventLoop):
    """An event loop with its `passes`."""

    def __init__(self) -> None:
        self.passes = Passes()
        super().__init__(self.passes)


def passes() -> Passes | None:
    """Return the passes of the running loop; None if it is one that does not time them."""
    loop = asyncio.get_running_loop()
    return loop.passes if isinstance(loop, TimedLoop) else None
