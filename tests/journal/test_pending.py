from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from weatherd.journal.pending import Pending
from weatherd.journal.rows import Estimate, Run

CLOCKS = (None, Estimate("b0070001", 5), Estimate("b0070001", 6))


def pending(*runs: tuple[int, int, Estimate | None]) -> Pending:
    """Return what holds runs, each told by its first and last seq and its clock."""
    made = Pending()
    for first, last, estimate in runs:
        made.add(Run(first, 1000 + last, estimate, [b"%d" % seq for seq in range(first, last + 1)]))
    return made


def test_neighbours_with_one_clock_are_one_run() -> None:
    """Reading is not slower for many small appends; the clock of estimates parts runs, and the newest time counts."""
    found = list(pending((3, 4, None), (5, 5, None), (6, 8, CLOCKS[1]), (9, 9, CLOCKS[1]), (10, 10, None)).runs_from(1))
    assert [(run.first_seq, run.last_seq, run.estimate) for run in found] == [
        (3, 5, None),
        (6, 9, CLOCKS[1]),
        (10, 10, None),
    ]
    assert [run.recorded_at_ms for run in found] == [1005, 1009, 1010]


def test_runs_begin_with_the_one_that_holds_the_seq() -> None:
    """What lies before is not even looked at; behind the newest there is nothing."""
    young = pending((3, 4, None), (5, 9, None), (10, 10, CLOCKS[1]))
    assert [(run.first_seq, run.last_seq) for run in young.runs_from(7)] == [(5, 9), (10, 10)]
    assert [run.first_seq for run in young.runs_from(10)] == [10]
    assert list(young.runs_from(11)) == []
    assert list(Pending().runs_from(1)) == []


def test_only_whole_runs_are_dropped() -> None:
    """What went into the database goes; a run of which it has only a part stays, and more can follow."""
    young = pending((3, 4, None), (5, 9, None), (10, 10, None))
    size = young.size
    young.drop_until(8)
    assert (young.first_seq, young.last_seq, len(young)) == (5, 10, 6)
    assert young.size == size - 2
    young.drop_until(10)
    assert (len(young), young.size, list(young.runs)) == (0, 0, [])
    young.add(Run(40, 0, None, [b"later"]))
    assert (young.first_seq, young.last_seq) == (40, 40)


@given(
    st.lists(st.tuples(st.integers(1, 5), st.sampled_from(CLOCKS)), max_size=8),
    st.integers(0, 45),
    st.integers(0, 45),
)
def test_it_is_a_list_of_documents(appends: Sequence[tuple[int, Estimate | None]], dropped: int, asked: int) -> None:
    """Whatever was added and dropped: from each seq on there is every document that is left, once."""
    young = Pending()
    seq = 1
    for count, estimate in appends:
        young.add(Run(seq, 0, estimate, [b"%d" % one for one in range(seq, seq + count)]))
        seq += count
    young.drop_until(dropped)
    runs = list(young.runs_from(asked))
    first = runs[0].first_seq if runs else seq
    assert first <= max(asked, young.first_seq if len(young) else seq) or not runs
    assert [document for run in runs for document in run.documents] == [b"%d" % one for one in range(first, seq)]
    assert young.size == sum(len(document) for run in young.runs for document in run.documents)
