import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weatherd.errors import JournalDamaged
from weatherd.journal.rows import (
    FRAGMENTS_COUNT_MIN,
    ROW_COUNT_MAX,
    ROW_SIZE_MAX,
    Estimate,
    Row,
    Run,
    count_in_fragments,
    estimate_of,
    opened,
    pack,
    pack_row,
    unpack,
)
from weatherd.packed import FRAGMENT_COUNT_MAX, Packed

lines = st.lists(st.binary(max_size=300).filter(lambda line: b"\n" not in line), min_size=1, max_size=70)
numbers = [b"%d" % number for number in range(2 * FRAGMENT_COUNT_MAX)]
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


def test_a_row_is_in_fragments_where_it_can_be_sent_as_it_is() -> None:
    """Those with a seq that is gone, or with few documents, are in lines, and read all the same."""
    for estimate in (None, Estimate("b0070001", 5)):
        in_fragments = pack_row(run(1, *numbers, estimate=estimate))
        assert isinstance(opened(in_fragments).documents, Packed)
        assert count_in_fragments(in_fragments.body) == len(numbers)
    for one in (
        run(1, b"", *numbers),
        run(1, *numbers[1:FRAGMENTS_COUNT_MIN]),
    ):
        row = pack_row(one)
        assert opened(row).documents == list(one.documents)
        assert count_in_fragments(row.body) is None


@pytest.mark.parametrize("bit", range(8))
def test_a_flipped_bit_of_fragments_is_damage(bit: int) -> None:
    """Wherever it is, the row is neither read nor sent, and that is known without inflating it."""
    row = pack_row(run(1, *numbers))
    for position in range(len(row.body)):
        body = bytearray(row.body)
        body[position] ^= 1 << bit
        with pytest.raises(JournalDamaged, match="entries 1 to 500 cannot be unpacked"):
            opened(row._replace(body=bytes(body)))
        assert not count_in_fragments(bytes(body))


@pytest.mark.parametrize("length", [0, 1, 4, 5, 20, 100, -1])
def test_fragments_that_are_cut_off_are_damage(length: int) -> None:
    """Half a row is not taken for a row of fewer documents."""
    row = pack_row(run(1, *numbers))
    with pytest.raises(JournalDamaged):
        opened(row._replace(body=row.body[:length]))


def test_fragments_with_another_number_of_documents_are_damage() -> None:
    """A body that is whole but does not fit its seqs is not read."""
    with pytest.raises(JournalDamaged, match="entries 1 to 499 cannot be unpacked: 500 documents"):
        opened(pack_row(run(1, *numbers))._replace(last_seq=499))
