"""Rows: how documents lie in the journal. Pure: no file, no clock."""

import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from weatherd.errors import JournalDamaged

ROW_COUNT_MAX = 1000
"""Documents in one row."""

ROW_SIZE_MAX = 512 * 1024
"""Bytes of the documents in one row, before compression; a single larger document has a row to itself."""


class Row(NamedTuple):
    """
    Documents that lie side by side, packed.

    Attributes:
        first_seq: The seq of the first document.
        last_seq: The seq of the last document.
        body: The documents joined by line breaks, as a zlib stream (RFC 1950, with its checksum).
    """

    first_seq: int
    last_seq: int
    body: bytes


def pack(documents: Iterable[bytes], first_seq: int) -> Iterator[Row]:
    """Pack documents into as few rows as the limits allow."""
    lines: list[bytes] = []
    size = 0
    for document in documents:
        assert document, "a document is at least one byte"
        assert b"\n" not in document, "a line break would end the document"
        if lines and (len(lines) == ROW_COUNT_MAX or size + len(document) > ROW_SIZE_MAX):
            yield _pack_row(lines, first_seq)
            first_seq += len(lines)
            lines, size = [], 0
        lines.append(document)
        size += len(document)
    if lines:
        yield _pack_row(lines, first_seq)


def _pack_row(lines: list[bytes], first_seq: int) -> Row:
    return Row(first_seq, first_seq + len(lines) - 1, zlib.compress(b"\n".join(lines)))


def unpack(row: Row) -> list[bytes]:
    """
    Return the documents of a row.

    Raises:
        JournalDamaged: If the body is not what was packed.
    """
    try:
        documents = zlib.decompress(row.body).split(b"\n")
    except zlib.error as error:
        raise _damaged(row, str(error)) from error
    if len(documents) != row.last_seq - row.first_seq + 1:
        raise _damaged(row, f"{len(documents):,} documents")
    return documents


def _damaged(row: Row, what: str) -> JournalDamaged:
    return JournalDamaged(
        f"the journal's entries {row.first_seq} to {row.last_seq} cannot be unpacked: {what}",
        "the entries behind them are sent; look at the card, which begins to fail",
        last_seq=row.last_seq,
    )
