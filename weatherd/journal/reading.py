"""Read the journal in order, unpacking each row once."""

import sqlite3
from collections.abc import Generator
from contextlib import closing

from weatherd.errors import JournalDamaged
from weatherd.journal.rows import Row, unpack
from weatherd.model import Batch

READ_SIZE_MAX = 8_000_000
"""Bytes of the documents in one batch; a single larger document makes a batch of its own."""

_UNPACKED_MAX = 4

_ROWS_FROM = """
    SELECT first_seq, last_seq, body FROM entries
    WHERE first_seq >= coalesce((SELECT max(first_seq) FROM entries WHERE first_seq <= :seq), :seq)
    ORDER BY first_seq
"""

_Unpacked = tuple[int, list[bytes]]  # The first seq of a row, and its documents.


class Reader:
    """
    Reads batches, and remembers the rows in the middle of which it stopped: one for each reader that goes
    through the journal at its own place, at most four.

    Args:
        connection: Open for as long as the reader is used.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._unpacked: dict[int, list[bytes]] = {}

    def read(self, seq: int, count_max: int) -> Batch | None:
        """
        Return what lies side by side from `seq` on, or from the next seq that there is.

        Raises:
            JournalDamaged: If the first row there is cannot be unpacked; behind its `last_seq` reading goes on.
        """
        documents: list[bytes] = []
        size = 0
        with closing(self._rows_from(seq)) as rows:
            for first_seq, row in rows:
                if documents and first_seq != seq:
                    break  # a gap
                seq = max(seq, first_seq)
                wanted = row[seq - first_seq :][: count_max - len(documents)]
                size += sum(map(len, wanted))
                if documents and size > READ_SIZE_MAX:
                    self._remember(first_seq, row)
                    break
                documents += wanted
                seq += len(wanted)
                if seq < first_seq + len(row):
                    self._remember(first_seq, row)
                if len(documents) == count_max:
                    break
        return Batch(seq - len(documents), tuple(documents)) if documents else None

    def _rows_from(self, seq: int) -> Generator[_Unpacked, None, None]:
        """Yield the row that holds `seq`, if there is one, and those after it, up to one that is damaged."""
        anything = False
        for first_seq, documents in self._unpacked.items():
            if first_seq <= seq < first_seq + len(documents):
                yield first_seq, documents
                anything = True
                seq = first_seq + len(documents)
                break
        # Closed at once, since an open query would keep the WAL from being used again.
        with closing(self._connection.execute(_ROWS_FROM, {"seq": seq})) as cursor:
            for row in map(Row._make, cursor):
                if row.last_seq < seq:
                    continue
                try:
                    documents = unpack(row)
                except JournalDamaged:
                    if anything:
                        return  # it is told when it is the first
                    raise
                yield row.first_seq, documents
                anything = True

    def _remember(self, first_seq: int, documents: list[bytes]) -> None:
        """Keep an unpacked row as the most recently used, and let go of the least."""
        self._unpacked.pop(first_seq, None)
        self._unpacked[first_seq] = documents
        if len(self._unpacked) > _UNPACKED_MAX:
            del self._unpacked[next(iter(self._unpacked))]
