"""
Rows: how documents lie in the journal. Pure: no file, no clock.

The body of a row has one of two forms. In *fragments*, which a sink can send as they are (`weatherd.packed`):

    0x01    for each fragment: count, size, crc, shift, length of what follows; its deflated documents    checksum
    1 byte                     5 x 4 bytes, little-endian                                                 4 bytes

The checksum is the CRC-32 of all before it, so that a damaged row is known without being inflated. And in *lines*,
where a seq is gone or documents are few, and in all rows of file version 2: the documents joined by line breaks, an
empty one for a seq that is gone, as a zlib stream (RFC 1950), whose checksum does the same.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from weatherd.errors import JournalDamaged
from weatherd.packed import Fragment, Packed, compress

ROW_COUNT_MAX = 1000
"""Documents in one row."""

ROW_SIZE_MAX = 1_000_000
"""
Bytes of the documents in one row, before compression; a single larger document has a row to itself. So a row of
documents of the usual 600 to 900 bytes has as many as it may, and they make two whole batches.
"""


FRAGMENTS_COUNT_MIN = 32
"""
Documents in a row in fragments. Fewer hardly compress by themselves: to inflate such rows, and to compress their
documents side by side, sends less.
"""

_IN_FRAGMENTS = b"\x01"  # no zlib stream begins with it: the low half of its first byte is 8
_FRAGMENT = struct.Struct("<5I")
_CHECKSUM = struct.Struct("<I")


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
        body: The documents, in fragments or in lines.
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
    can_be_sent = len(run.documents) >= FRAGMENTS_COUNT_MIN and all(run.documents)
    body = _write(compress(run.documents)) if can_be_sent else zlib.compress(join(run.documents))
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
    run = opened(row)
    return run._replace(documents=list(run.documents))


def opened(row: Row) -> Run:
    """
    Return the run of a row, its documents `Packed` if they are in fragments.

    Raises:
        JournalDamaged: If the body is not what was packed.
    """
    documents: Sequence[bytes]
    try:
        if row.body.startswith(_IN_FRAGMENTS):
            documents = Packed(_fragments(row.body))
        else:
            documents = zlib.decompress(row.body).split(b"\n")
    except (zlib.error, ValueError) as error:
        raise _damaged(row, str(error)) from error
    if len(documents) != row.last_seq - row.first_seq + 1:
        raise _damaged(row, f"{len(documents):,} documents")
    return Run(row.first_seq, row.recorded_at_ms, estimate_of(row), documents)


def count_in_fragments(body: bytes) -> int | None:
    """Return how many documents a body has; 0 if it is damaged, None if it is not in fragments. Inflates nothing."""
    if not body.startswith(_IN_FRAGMENTS):
        return None
    try:
        return sum(fragment.documents_count for fragment in _fragments(body))
    except ValueError:
        return 0


def _write(fragments: Iterable[Fragment]) -> bytes:
    chunks = [_IN_FRAGMENTS]
    for fragment in fragments:
        *numbers, deflated = fragment
        chunks += _FRAGMENT.pack(*numbers, len(deflated)), deflated
    body = b"".join(chunks)
    return body + _CHECKSUM.pack(zlib.crc32(body))


def _fragments(body: bytes) -> list[Fragment]:
    """Read what `_write` wrote. Raises ValueError if it is anything else."""
    end = len(body) - _CHECKSUM.size
    if end < len(_IN_FRAGMENTS) or body[end:] != _CHECKSUM.pack(zlib.crc32(memoryview(body)[:end])):
        raise ValueError("its checksum is wrong")
    fragments = []
    first = len(_IN_FRAGMENTS)
    while first < end:
        count, size, crc, shift, length = _FRAGMENT.unpack_from(body, first)
        first += _FRAGMENT.size
        fragments.append(Fragment(count, size, crc, shift, body[first : first + length]))
        first += length
    return fragments


def estimate_of(row: Row) -> Estimate | None:
    """Return the clock of the estimates in a row."""
    return None if row.boot_id is None or row.offset_ms is None else Estimate(row.boot_id, row.offset_ms)


def _damaged(row: Row, what: str) -> JournalDamaged:
    return JournalDamaged(
        f"the journal's entries {row.first_seq} to {row.last_seq} cannot be unpacked: {what}",
        "the entries behind them are sent; look at the card, which begins to fail",
        last_seq=row.last_seq,
    )
