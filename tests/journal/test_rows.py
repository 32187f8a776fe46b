import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weatherd.errors import JournalDamaged
from weatherd.journal.rows import ROW_COUNT_MAX, ROW_SIZE_MAX, Estimate, Row, Run, estimate_of, pack, pack_row, unpack

lines = st.lists(st.binary(max_size=300).filter(lambda line: b"\n" not in line), min_size=1, max_size=20)
clocks = st.sampled_from([None, Estimate("b0070001", 5), Estimate("b0070001", 6), Estimate("b0070002", 5)])


def run(first_seq: int, *documents: bytes, estimate: Estimate | None = None, recorded_at_ms: int = 0) -> Run:
    return Run(first_seq, recorded_at_ms, estimate, documents)


@given(st.lists(st.tuples(lines, clocks, st.sampled_from([0, 0, 7])), max_size=6), st.integers(1, 2**53))
def test_what_is_packed_comes_back(written: list[tuple[list[bytes], Estimate | None, int]], first_seq: int) -> None:
    """Every document is under its seq, with its clock and in the order of the seqs, gaps between runs or not."""
    runs = []
    seq = first_seq
    for documents, estimate, gap in written:
        runs.append(run(seq, *documents, estimate=estimate))
        seq += len(documents) + gap

    def told(runs: list[Run]) -> list[tuple[int, Estimate | None, bytes]]:
        return [
            (seq, one.estimate, document) for one in runs for seq, document in enumerate(one.documents, one.first_seq)
        ]

    rows = list(pack(runs))
    assert told([unpack(row) for row in rows]) == told(runs)
    assert all(row.last_seq - row.first_seq + 1 == len(unpack(row).documents) for row in rows)


def test_neighbours_share_a_row() -> None:
    """Runs that touch and have one clock become one row, recorded when the last of them was."""
    clock = Estimate("b0070001", 5)
    runs = [
        run(1, b"1", recorded_at_ms=10),
        run(2, b"2", recorded_at_ms=20),
        run(3, b"3", estimate=clock, recorded_at_ms=30),
        run(5, b"5", estimate=clock, recorded_at_ms=50),
    ]
    rows = [(row.first_seq, row.last_seq, row.recorded_at_ms, estimate_of(row)) for row in pack(runs)]
    assert rows == [(1, 2, 20, None), (3, 3, 30, clock), (5, 5, 50, clock)]


@pytest.mark.parametrize("count", [1, ROW_COUNT_MAX - 1, ROW_COUNT_MAX, ROW_COUNT_MAX + 1, 3 * ROW_COUNT_MAX])
def test_a_row_has_a_bounded_number_of_documents(count: int) -> None:
    """Rows are full before another one is begun, and never more than full."""
    counts = [row.last_seq - row.first_seq + 1 for row in pack([run(1, *[b"x"] * count)])]
    assert sum(counts) == count
    assert counts[:-1] == [ROW_COUNT_MAX] * (len(counts) - 1)
    assert counts[-1] <= ROW_COUNT_MAX


def test_a_row_has_a_bounded_size() -> None:
    """A row ends before the document that would exceed its size; one that exceeds it alone is alone."""
    half = b"x" * (ROW_SIZE_MAX // 2)
    rows = [unpack(row).documents for row in pack([run(1, half, half, b"y", half * 3, b"z")])]
    assert rows == [[half, half], [b"y"], [half * 3], [b"z"]]


@pytest.mark.parametrize("documents", [[b"two\nlines"], [b"", b"\n"], []])
def test_what_would_not_come_back_is_a_programmers_error(documents: list[bytes]) -> None:
    """A document with a line break is not packed, nor is a run of nothing; an empty one stands for what is gone."""
    with pytest.raises(AssertionError):
        pack_row(run(1, *documents))
    assert unpack(pack_row(run(1, b"", b"2", b""))).documents == [b"", b"2", b""]


@pytest.mark.parametrize("position", [0, 2, 5, -1])
def test_a_flipped_bit_is_damage(position: int) -> None:
    """One flipped bit anywhere in a body is never read as documents."""
    row = pack_row(run(1, b"one", b"two"))
    body = bytearray(row.body)
    body[position] ^= 1
    with pytest.raises(JournalDamaged, match="entries 1 to 2") as caught:
        unpack(row._replace(body=bytes(body)))
    assert caught.value.last_seq == 2


def test_a_row_with_another_number_of_documents_is_damage() -> None:
    """A body that is whole but does not fit its seqs is not read."""
    with pytest.raises(JournalDamaged, match="entries 7 to 9 cannot be unpacked: 2 documents"):
        unpack(Row(7, 9, 0, None, None, zlib.compress(b"one\ntwo")))
