"""
What a sink refused for good: kept as it was sent, within bounds, so that a person can look and try again.

In its column a document is *sealed*: behind it stand four bytes, the CRC-32 of all that its row says. Its entry may be
long gone when it is tried again, so nothing else could tell what a card has made of it.
"""

import sqlite3
import struct
import zlib
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
    SELECT id, sink, seq, reason, quarantined_at_ms, document AS sealed FROM quarantine
    WHERE id > :id AND (:sink IS NULL OR sink = :sink) ORDER BY id
"""

_UNSEALED = "SELECT sink, seq, reason, quarantined_at_ms, document FROM quarantine WHERE id = ?"

_CHECKSUM = struct.Struct("<I")


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
        size: Bytes of the documents, sealed, and of their reasons.
    """

    counts: Mapping[str, int] = MappingProxyType({})
    size: int = 0


def sealed(sink: str, seq: int, reason: str, quarantined_at_ms: int, document: bytes) -> bytes:
    """Return a document as it stands in its column."""
    return document + _CHECKSUM.pack(_checksum(sink, seq, reason, quarantined_at_ms, document))


def opened(sink: str, seq: int, reason: str, quarantined_at_ms: int, sealed: bytes) -> bytes | None:
    """Return the document of a row; None if the row is not as it was written."""
    document = sealed[: -_CHECKSUM.size]
    checksum = _CHECKSUM.pack(_checksum(sink, seq, reason, quarantined_at_ms, document))
    return document if sealed[-_CHECKSUM.size :] == checksum else None


def seal(connection: sqlite3.Connection) -> None:
    """Seal all documents of file version 2, which had none sealed, in a transaction."""
    for (row_id,) in connection.execute("SELECT id FROM quarantine").fetchall():
        row = connection.execute(_UNSEALED, (row_id,)).fetchone()
        if row is None:
            raise Impossible("a row in quarantine is not where its id leads")
        connection.execute("UPDATE quarantine SET document = ? WHERE id = ?", (sealed(*row), row_id))


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
        kept = sealed(sink, seq, reason, quarantined_at_ms, document)
        cursor = connection.execute(_ADD, (sink, seq, reason, quarantined_at_ms, kept))
        if cursor.rowcount:
            counts[sink] += 1
            size += len(kept) + len(reason)
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
    for row_id, its_sink, seq, reason, quarantined_at_ms, kept in rows:
        document = opened(its_sink, seq, reason, quarantined_at_ms, kept)
        if document is None:
            raise Impossible("a row in quarantine has a wrong checksum")
        yield Quarantined(row_id, its_sink, seq, reason, quarantined_at_ms, document)


def _checksum(sink: str, seq: int, reason: str, quarantined_at_ms: int, document: bytes) -> int:
    return zlib.crc32(document, zlib.crc32(f"{sink}\0{seq}\0{quarantined_at_ms}\0{reason}".encode()))
