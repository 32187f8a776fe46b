"""Read the journal in order, unpacking each row once."""

import itertools
import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing

from weatherd.errors import JournalDamaged
from weatherd.journal.columns import Impossible
from weatherd.journal.pending import Pending
from weatherd.journal.rows import Row, Run, opened
from weatherd.model import Batch
from weatherd.packed import Packed, compress
from weatherd.processing.documents import is_estimated

READ_SIZE_MAX = 8_000_000
"""Bytes of the documents in one batch; a single larger document makes a batch of its own."""

_UNPACKED_MAX = 4

_ROWS_FROM = """
    SELECT first_seq, last_seq, recorded_at_ms, boot_id, offset_ms, body FROM entries
    WHERE first_seq >= coalesce((SELECT max(first_seq) FROM entries WHERE first_seq <= :seq), :seq)
    ORDER BY first_seq
"""


class Reader:
    """
    Reads batches, and remembers the rows in the middle of which it stopped: one for each reader that goes
    through the journal at its own place, at most four.

    Args:
        connection: Open for as long as the reader is used.
        pending: What comes after the rows of the database.
        lock: Held while `pending` is looked at.
    """

    def __init__(self, connection: sqlite3.Connection, pending: Pending, lock: AbstractContextManager[object]) -> None:
        self._connection = connection
        self._pending = pending
        self._lock = lock
        self._unpacked: dict[int, Run] = {}

    def read(self, first_seq: int, last_seq: int, count_max: int, is_held: Callable[[Run], bool]) -> Batch | None:
        """
        Return the first documents of a span; the port tells what a batch is.

        Args:
            first_seq: Of the span.
            last_seq: Of the span.
            count_max: Documents at most.
            is_held: Tells of a run whether its estimates are held back.

        Raises:
            JournalDamaged: If the first row there is cannot be unpacked; behind its `last_seq` reading goes on.
        """
        with closing(self._runs_from(first_seq)) as runs:
            return gather(self._remembering(runs, first_seq + count_max), first_seq, last_seq, count_max, is_held)

    def run_at(self, seq: int) -> Run | None:
        """Return the run that holds a seq, or the next one that can be read."""
        while True:
            try:
                with closing(self._runs_from(seq)) as runs:
                    run = next(runs, None)
                return run and run._replace(documents=list(run.documents))
            except JournalDamaged as error:
                if error.last_seq is None:
                    raise
                seq = error.last_seq + 1

    def forget(self) -> None:
        """Forget what is remembered: rows have changed."""
        self._unpacked.clear()

    def _runs_from(self, seq: int) -> Generator[Run, None, None]:
        """Yield the run that holds `seq`, if there is one, and those after it. Raises JournalDamaged at one that is."""
        for run in self._unpacked.values():
            if run.first_seq <= seq <= run.last_seq:
                yield run
                seq = run.last_seq + 1
                break
        if not self._is_pending(seq):
            # Closed at once, since an open query would keep the WAL from being used again.
            with closing(self._connection.execute(_ROWS_FROM, {"seq": seq})) as cursor:
                end_seq = 0
                for row in map(Row._make, cursor):
                    if row.first_seq <= end_seq:
                        raise Impossible("rows are out of order")
                    end_seq = row.last_seq
                    if row.last_seq < seq:
                        continue
                    run = opened(row)
                    yield run
                    seq = run.last_seq + 1
        with self._lock:
            young = list(self._pending.runs_from(seq))
        yield from young

    def _remembering(self, runs: Iterable[Run], end_seq: int) -> Iterator[Run]:
        """Pass runs on, and remember that which goes on behind what is wanted."""
        for run in runs:
            if run.last_seq >= end_seq and not self._is_pending(run.first_seq):
                self._remember(run)
            yield run

    def _is_pending(self, seq: int) -> bool:
        return len(self._pending) > 0 and seq >= self._pending.first_seq

    def _remember(self, run: Run) -> None:
        """Keep a run as the most recently used, and let go of the least."""
        self._unpacked.pop(run.first_seq, None)
        self._unpacked[run.first_seq] = run
        if len(self._unpacked) > _UNPACKED_MAX:
            del self._unpacked[next(iter(self._unpacked))]


def gather(
    runs: Iterable[Run], first_seq: int, last_seq: int, count_max: int, is_held: Callable[[Run], bool]
) -> Batch | None:
    """
    Return the first documents of a span out of runs, ascending; the port tells what a batch is.

    Raises:
        JournalDamaged: If the first run cannot be read. A later one ends the batch, and is told when it is the first.
    """
    batch = _Gathering(first_seq, last_seq, count_max)
    gathered_seq: int | None = None
    try:
        for run in runs:
            if run.first_seq > last_seq:
                break
            first = max(first_seq, run.first_seq)
            documents = run.documents[first - run.first_seq : last_seq - run.first_seq + 1]
            if is_held(run):
                batch.add_unless_held(first, documents)
            elif isinstance(documents, Packed):
                batch.add_pieces(first, documents)
            else:
                batch.add(first, documents)
            if batch.is_full or run.last_seq >= last_seq:
                break
            gathered_seq = run.last_seq
    except JournalDamaged:
        if gathered_seq is None:
            raise
        batch.end(gathered_seq)
    return batch.close()


class _Gathering:
    """A batch that comes together."""

    def __init__(self, first_seq: int, last_seq: int, count_max: int) -> None:
        self._first_seq = first_seq
        self._last_seq = last_seq
        self._count_max = count_max
        self._size = 0
        self._count = 0
        self._documents: list[Sequence[bytes]] = []
        self._seqs: list[range] = []
        self._ends_at: int | None = None

    @property
    def is_full(self) -> bool:
        return self._ends_at is not None

    def add(self, seq: int, documents: Sequence[bytes]) -> None:
        """Take in documents side by side, as far as the limits go; empty ones are gone."""
        room = self._count_max - self._count
        wanted = documents[:room]
        size = sum(map(len, wanted))
        if self._size + size > READ_SIZE_MAX or b"" in wanted:
            self._add_singly(seq, documents)
            return
        self._take(seq, wanted, size)
        if len(wanted) < len(documents) or self._count == self._count_max:
            self.end(seq + len(wanted) - 1)

    def add_pieces(self, seq: int, documents: Packed) -> None:
        """
        Take in fragments as they are, as far as the limits go.

        Where one more does not fit, and half of what is wanted is there, the batch ends before it: then the next one
        begins with a fragment. What is no whole fragment, or too large, is inflated.
        """
        for piece in documents.pieces():
            room = self._count_max - self._count
            if piece.is_whole and len(piece) <= room and self._size + piece.size <= READ_SIZE_MAX:
                self._take(seq, piece, piece.size)
                if len(piece) == room:
                    self.end(seq + len(piece) - 1)
            elif len(piece) > room and self._count >= room:
                self.end(seq - 1)
            else:
                self.add(seq, list(piece))
            if self.is_full:
                return
            seq += len(piece)

    def add_unless_held(self, first_seq: int, documents: Sequence[bytes]) -> None:
        """Take in documents, and end before one that is held back; those before the first are left out."""
        for seq, document in enumerate(documents, first_seq):
            if document and is_estimated(document):
                if self._documents:
                    self.end(seq - 1)
                    return
                self._first_seq = seq + 1
            elif document:
                self.add(seq, [document])
            if self.is_full:
                return

    def end(self, last_seq: int) -> None:
        """Take in nothing behind a seq."""
        self._ends_at = last_seq

    def close(self) -> Batch | None:
        last_seq = self._last_seq if self._ends_at is None else self._ends_at
        if self._first_seq > last_seq:
            return None
        seqs: Sequence[int]
        if len(self._seqs) == 1:
            (seqs,) = self._seqs
        else:
            seqs = tuple(seq for one in self._seqs for seq in one)
        return Batch(self._first_seq, last_seq, seqs, _side_by_side(self._documents))

    def _add_singly(self, seq: int, documents: Iterable[bytes]) -> None:
        """Take in those documents that are not gone, until the next would make it too large."""
        for one, document in enumerate(documents, seq):
            if self._count and self._size + len(document) > READ_SIZE_MAX:
                self.end(one - 1)
                return
            if document:
                self._take(one, [document], len(document))
            if self._count == self._count_max:
                self.end(one)
                return

    def _take(self, seq: int, documents: Sequence[bytes], size: int) -> None:
        if not documents:
            return
        if self._seqs and self._seqs[-1].stop == seq:
            self._seqs[-1] = range(self._seqs[-1].start, seq + len(documents))
        else:
            self._seqs.append(range(seq, seq + len(documents)))
        self._documents.append(documents)
        self._count += len(documents)
        self._size += size


def _side_by_side(pieces: Sequence[Sequence[bytes]]) -> Sequence[bytes]:
    """Return the documents of pieces: packed if most of them are, and then the others are compressed for it."""
    packed_count = sum(len(piece) for piece in pieces if isinstance(piece, Packed))
    if 2 * packed_count <= sum(map(len, pieces)):
        return list(itertools.chain.from_iterable(pieces))
    neighbours = itertools.groupby(pieces, lambda piece: isinstance(piece, Packed))
    return Packed.of(
        Packed.of(piece for piece in some if isinstance(piece, Packed))
        if are_packed
        else Packed(compress(list(itertools.chain.from_iterable(some))))
        for are_packed, some in neighbours
    )
