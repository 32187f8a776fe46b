"""What a sink refused for good: kept as it was sent, within bounds, so that a person can look and try again."""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from weatherd.journal.columns import Impossible
from weatherd.model import Batch

QUARANTINE_MAX = 10_000
"""Documents in quarantine, of all sinks together."""

REASON_LENGTH_MAX = 1000
"""Characters kept of a reason, which may be a whole page of HTML."""

_COUNT = """
    SELECT sink, count(*), sum(length(document) + length(reason)) AS size FROM quarantine GROUP BY sink
"""

_ADD = """
    INSERT OR IGNORE INTO quarantine (sink, seq, reason, quarantined_at_ms, document) VALUES (?, ?, ?, ?, ?)
"""

_DELETE_OLDEST = """
    DELETE FROM quarantine WHERE id = (SELECT min(id) FROM quarantine)
    RETURNING sink, length(document) + length(reason) AS size
"""


_EVERY = """
    SELECT id, sink, seq, reason, quarantined_at_ms, document FROM quarantine
    WHERE id > :id AND (:sink IS NULL OR sink = :sink) ORDER BY id
"""


class Quarantined(NamedTuple):
    """One document in quarantine, with the answer it had."""

    id: int
    sink: str
    seq: int
    reason: str
    quarantined_at_ms: int
    document: bytes


class Held(NamedTuple):
    """
    What is in quarantine, known without looking.

    Attributes:
        counts: Documents by sink.
        size: Bytes of the documents and their reasons.
    """

    counts: Mapping[str, int] = MappingProxyType({})
    size: int = 0


def load(connection: sqlite3.Connection) -> Held:
    """Count what the file holds."""
    rows = connection.execute(_COUNT).fetchall()
    return Held(MappingProxyType({row[0]: row[1] for row in rows}), sum(row[2] for row in rows))


def add(
    connection: sqlite3.Connection, held: Held, sink: str, batch: Batch, *, reason: str, quarantined_at_ms: int
) -> Held:
    """Keep what is not yet kept for that sink and seq."""
    reason = reason[:REASON_LENGTH_MAX]
    counts = Counter(held.counts)
    size = held.size
    for seq, document in zip(batch.seqs, batch.documents, strict=True):
        cursor = connection.execute(_ADD, (sink, seq, reason, quarantined_at_ms, document))
        if cursor.rowcount:
            counts[sink] += 1
            size += len(document) + len(reason)
    return Held(MappingProxyType(counts), size)


def make_room(connection: sqlite3.Connection, held: Held, size_max: int) -> tuple[Held, int]:
    """Delete the oldest until both bounds hold; return what is left, and how many went."""
    counts = Counter(held.counts)
    size = held.size
    dropped_count = 0
    while size > size_max or counts.total() > QUARANTINE_MAX:
        deleted = connection.execute(_DELETE_OLDEST).fetchall()
        if not deleted:
            raise Impossible("the oldest in quarantine is not where its id leads")
        ((sink, freed),) = deleted
        counts[sink] -= 1
        size -= freed
        dropped_count += 1
    return Held(MappingProxyType(counts), size), dropped_count


def every(connection: sqlite3.Connection, after_id: int, sink: str | None) -> Iterator[Quarantined]:
    """Yield what is in quarantine behind an id, ascending; of one sink, or of all."""
    rows = connection.execute(_EVERY, {"id": after_id, "sink": sink})
    return map(Quarantined._make, rows)
