import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weatherd.errors import JournalDamaged
from weatherd.journal.rows import ROW_COUNT_MAX, ROW_SIZE_MAX, Row, pack, unpack

lines = st.lists(st.binary(min_size=1, max_size=300).filter(lambda line: b"\n" not in line), max_size=50)


@given(lines, st.integers(1, 2**53))
def test_what_is_packed_comes_back(documents: list[bytes], first_seq: int) -> None:
    """Rows lie side by side from the first seq on, and hold the documents in their order."""
    rows = list(pack(documents, first_seq))
    assert [document for row in rows for document in unpack(row)] == documents
    assert [row.first_seq for row in rows] == [first_seq, *(row.last_seq + 1 for row in rows)][: len(rows)]


@pytest.mark.parametrize("count", [1, ROW_COUNT_MAX - 1, ROW_COUNT_MAX, ROW_COUNT_MAX + 1, 3 * ROW_COUNT_MAX])
def test_a_row_has_a_bounded_number_of_documents(count: int) -> None:
    """Rows are full before another one is begun, and never more than full."""
    counts = [row.last_seq - row.first_seq + 1 for row in pack([b"x"] * count, 1)]
    assert sum(counts) == count
    assert counts[:-1] == [ROW_COUNT_MAX] * (len(counts) - 1)
    assert counts[-1] <= ROW_COUNT_MAX


def test_a_row_has_a_bounded_size() -> None:
    """A row ends before the document that would exceed its size; one that exceeds it alone is alone."""
    half = b"x" * (ROW_SIZE_MAX // 2)
    documents = [half, half, b"y", half * 3, b"z"]
    rows = [unpack(row) for row in pack(documents, 1)]
    assert rows == [[half, half], [b"y"], [half * 3], [b"z"]]


@pytest.mark.parametrize("document", [b"", b"two\nlines"])
def test_a_document_that_would_not_come_back_is_a_programmers_error(document: bytes) -> None:
    """A document without bytes or with a line break is not packed."""
    with pytest.raises(AssertionError):
        list(pack([document], 1))


@pytest.mark.parametrize("position", [0, 2, 5, -1])
def test_a_flipped_bit_is_damage(position: int) -> None:
    """One flipped bit anywhere in a body is never read as documents."""
    (row,) = pack([b"one", b"two"], 1)
    body = bytearray(row.body)
    body[position] ^= 1
    with pytest.raises(JournalDamaged, match="entries 1 to 2"):
        unpack(row._replace(body=bytes(body)))


def test_a_row_with_another_number_of_documents_is_damage() -> None:
    """A body that is whole but does not fit its seqs is not read."""
    with pytest.raises(JournalDamaged, match="entries 7 to 9 cannot be unpacked: 2 documents"):
        unpack(Row(7, 9, zlib.compress(b"one\ntwo")))
