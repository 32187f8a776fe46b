"""
From the edges of a contact to its closures: debouncing, pure, by the times that the kernel gave.

A reed contact bounces when it closes and when it opens, and the kernel's word on a single edge is not safe: it stamps
an edge in the interrupt, but reads afterwards, in a thread, whether the line is high or low, and takes edges that come
meanwhile as one (Linux, drivers/gpio/gpiolib-cdev.c, edge_irq_thread). So a closing contact may well begin with an
edge that is called an opening. What can be trusted is a rest: after it the level is the one of the last edge. A
closure therefore is any edge that comes after the contact was open and at rest for the debounce time.

It is counted at its first edge, not when the bouncing is over, so that a count is never late. A long closure that
bounces when it ends is not counted again, because the rest before was a closed one.
"""

from weatherd.model import Edge

_SEQNO_COUNT = 2**32


class Contact:
    """
    Count the closures of one contact.

    Args:
        debounce_s: How long it must have been open before a closure counts.

    Attributes:
        lost_count: Edges that the kernel had to drop, because nobody read them in time.
        restless_ns: The longest time without a rest between edges, since `start` or since it was set to 0.
    """

    def __init__(self, debounce_s: float) -> None:
        self._debounce_ns = round(debounce_s * 1e9)
        self._is_open = True
        self._last_ns = 0
        self._seqno = 0
        self._restless_since_ns = 0
        self.lost_count = self.restless_ns = 0

    def start(self, at_ns: int, *, is_open: bool) -> None:
        """Begin with a level at a time: the line was requested, and its edges are numbered from 1."""
        self._is_open = is_open
        self._last_ns = at_ns
        self._seqno = self.restless_ns = 0
        self._restless_since_ns = at_ns

    def closes(self, edge: Edge) -> bool:
        """
        Tell whether a closure begins with this edge, the next one that there is.

        Of lost edges nothing is guessed: if the contact was open and at rest before them, one closure is certain.
        """
        self.lost_count += (edge.seqno - self._seqno - 1) % _SEQNO_COUNT
        rested = edge.at_ns - self._last_ns >= self._debounce_ns
        begins = self._is_open and rested
        if rested:
            self._restless_since_ns = edge.at_ns
        self.restless_ns = max(self.restless_ns, edge.at_ns - self._restless_since_ns)
        self._last_ns, self._is_open, self._seqno = edge
        return begins
