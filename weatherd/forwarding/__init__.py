"""
The second loop: from the journal to one sink, what is live first.

    journal ─ read ─> batch ─┬─ attempt ─> delivered ─> acknowledged, each batch on its own
                             ├─ too large, refused: halved until the culprit stands alone, which is quarantined
                             └─ unreachable, unwelcome: kept, tried again with backoff

What a sink has is told by the journal as ranges of seqs. Beside them there are only the few batches under way; so
entries that are requeued, or that return because their time is known now, are simply not delivered, and are sent.

Order
-----

When forwarding begins, and when a sink answers again after an outage, the newest `batch_size_max` entries and all that
come after them are *fresh*. They go first, ascending. What lies before them is *backlog*, and fills in behind: its
newest gap first, ascending inside the gap. So the small gaps that a flapping link leaves close at once, the panel shows
the latest hours before last month's, and the ranges stay few. Where there are `RANGES_MAX` of them all the same, no new
island is made: the lowest gap is filled first until there are fewer.

Fresh documents linger a moment for company, and the backlog may use the places meanwhile. A backlog has a pace
(`weatherd.pacing`): it begins with little, grows with each quick answer, and is halved by a slow one. While answers are
slow it leaves a place free for what is fresh, or, where there is only one place, a pause.

Attempts
--------

Up to `in_flight_max` batches are under way at once while the far end is well. While it is not, nothing more is read,
and one batch at a time is tried, so that a dead server is asked by one voice; an answer to an attempt that began before
the latest failure does not end an outage. What a batch holds never changes: every attempt sends the same bytes.
"""

from weatherd.forwarding.forwarder import Forwarder

__all__ = ["Forwarder"]
