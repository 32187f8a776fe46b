"""Rows: how documents lie in the journal. Pure: no file, no clock."""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from weatherd.errors import JournalDamaged

ROW_COUNT_MAX = 1000
"""Documents in one row."""

ROW_SIZE_MAX = 512 * 1024
"""Bytes of the documents in one row, before compression; a single larger document has a row to itself."""


class Estimate(NamedTuple):
    """
    By what clock stamps were made that are not final.

    Attributes:
        boot_id: The boot of the machine in which they were.
        offset_ms: What was added to its boot clock.
    """

    boot_id: str
    offset_ms: int


class Run(NamedTuple):
    """
    Entries that lie side by side.

    Attributes:
        first_seq: The seq of the first document; each further one is the next seq.
        recorded_at_ms: When the last of them was recorded.
        estimate: The clock of those among them whose stamps are estimates; None if none are.
        documents: At least one; an empty one stands for a seq that is gone.
    """

    first_seq: int
    recorded_at_ms: int
    estimate: Estimate | None
    documents: Sequence[bytes]

    @property
    def last_seq(self) -> int:
        """The seq of the last document."""
        return self.first_seq + len(self.documents) - 1


class Row(NamedTuple):
    """
    A run, packed; a row of the table, with its columns.

    Attributes:
        body: The documents joined by line breaks, as a zlib stream (RFC 1950, with its checksum).
    """

    first_seq: int
    last_seq: int
    recorded_at_ms: int
    boot_id: str | None
    offset_ms: int | None
    body: bytes


def pack(runs: Iterable[Run]) -> Iterator[Row]:
    """Pack runs, ascending, into as few rows as the limits of a row allow."""
    documents: list[bytes] = []
    size = first_seq = recorded_at_ms = 0
    estimate: Estimate | None = None
    for run in runs:
        for seq, document in enumerate(run.documents, run.first_seq):
            is_end = (
                len(documents) == ROW_COUNT_MAX
                or size + len(document) > ROW_SIZE_MAX
                or run.estimate != estimate
                or seq != first_seq + len(documents)
            )
            if documents and is_end:
                yield pack_row(Run(first_seq, recorded_at_ms, estimate, documents))
                documents, size = [], 0
            if not documents:
                first_seq, estimate = seq, run.estimate
            documents.append(document)
            size += len(document)
            recorded_at_ms = run.recorded_at_ms
    if documents:
        yield pack_row(Run(first_seq, recorded_at_ms, estimate, documents))


def pack_row(run: Run) -> Row:
    """Pack one run, whatever its size."""
    boot_id, offset_ms = run.estimate or (None, None)
    body = zlib.compress(join(run.documents))
    return Row(run.first_seq, run.last_seq, run.recorded_at_ms, boot_id, offset_ms, body)


def join(documents: Sequence[bytes]) -> bytes:
    """Write documents as lines."""
    assert documents, "a run has at least one document"
    lines = b"\n".join(documents)
    assert lines.count(b"\n") == len(documents) - 1, "a line break would end the document"
    return lines


def unpack(row: Row) -> Run:
    """
    Return the run of a row.

    Raises:
        JournalDamaged: If the body is not what was packed.
    """
    try:
        documents = zlib.decompress(row.body).split(b"\n")
    except zlib.error as error:
        raise _damaged(row, str(error)) from error
    if len(documents) != row.last_seq - row.first_seq + 1:
        raise _damaged(row, f"{len(documents):,} documents")
    return Run(row.first_seq, row.recorded_at_ms, estimate_of(row), documents)


def estimate_of(row: Row) -> Estimate | None:
    """Return the clock of the estimates in a row."""
    return None if row.boot_id is None or row.offset_ms is None else Estimate(row.boot_id, row.offset_ms)


def _damaged(row: Row, what: str) -> JournalDamaged:
    return JournalDamaged(
        f"the journal's entries {row.first_seq} to {row.last_seq} cannot be unpacked: {what}",
        "the entries behind them are sent; look at the card, which begins to fail",
        last_seq=row.last_seq,
    )
