import itertools
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weatherd.errors import JournalDamaged
from weatherd.journal import reading
from weatherd.journal.reading import gather
from weatherd.journal.rows import Estimate, Run
from weatherd.model import Batch

CLOCK = Estimate("b0070001", 5)
HELD = b'{"clock":{"estimated":true}}'


def run(first_seq: int, *documents: bytes, estimate: Estimate | None = None) -> Run:
    return Run(first_seq, 0, estimate, documents)


def is_held(one: Run) -> bool:
    return one.estimate is not None


def numbered(first: int, last: int) -> Run:
    return run(first, *(b"%d" % seq for seq in range(first, last + 1)))


def told(batch: Batch | None) -> tuple[int, int, list[int]] | None:
    """Return the span and the seqs of a batch whose documents are those of the seqs."""
    if batch is None:
        return None
    assert list(batch.documents) == [b"%d" % seq for seq in batch.seqs]
    return batch.first_seq, batch.last_seq, list(batch.seqs)


@pytest.mark.parametrize(
    ("span", "count_max", "expected"),
    [
        ((1, 9), 100, (1, 9, list(range(1, 10)))),
        ((1, 9), 9, (1, 9, list(range(1, 10)))),
        ((1, 9), 4, (1, 4, [1, 2, 3, 4])),
        ((1, 9), 1, (1, 1, [1])),
        ((3, 5), 100, (3, 5, [3, 4, 5])),
        ((6, 6), 100, (6, 6, [6])),
        ((4, 20), 100, (4, 20, [4, 5, 6, 7, 8, 9])),
        ((10, 20), 100, (10, 20, [])),
    ],
)
def test_a_batch_is_the_first_documents_of_its_span(
    span: tuple[int, int], count_max: int, expected: tuple[int, int, list[int]]
) -> None:
    """It begins with the span, and ends with its last document, or with the span if there are no more."""
    assert told(gather([numbered(1, 4), numbered(5, 9)], *span, count_max, is_held)) == expected


def test_what_is_gone_is_settled_with_what_is_there() -> None:
    """Empty lines and gaps between runs are in the span, and no documents."""
    runs = [run(1, b"", b"2", b"", b"4"), numbered(9, 10), run(11, b"", b"")]
    assert told(gather(runs, 1, 20, 100, is_held)) == (1, 20, [2, 4, 9, 10])
    assert told(gather(runs, 1, 20, 2, is_held)) == (1, 4, [2, 4])
    assert told(gather(runs, 1, 20, 3, is_held)) == (1, 9, [2, 4, 9])
    assert told(gather(runs, 5, 8, 3, is_held)) == (5, 8, [])
    assert told(gather([], 5, 8, 3, is_held)) == (5, 8, [])


def test_what_is_held_parts_a_span() -> None:
    """A batch begins behind what is held and ends before it; where all of it is held there is none."""
    runs = [numbered(1, 2), run(3, HELD, HELD, b"5", b"", HELD, b"8", estimate=CLOCK), numbered(9, 9)]
    assert told(gather(runs, 1, 9, 100, is_held)) == (1, 2, [1, 2])
    assert told(gather(runs, 3, 9, 100, is_held)) == (5, 6, [5])
    assert told(gather(runs, 7, 9, 100, is_held)) == (8, 9, [8, 9])
    assert gather(runs, 3, 4, 100, is_held) is None
    assert gather(runs, 7, 7, 100, is_held) is None
    assert told(gather(runs, 6, 7, 100, is_held)) is None
    assert told(gather(runs, 5, 6, 100, is_held)) == (5, 6, [5])


def test_what_the_source_gave_the_time_of_is_not_held() -> None:
    """In a run of estimates only those documents wait that say that they are; the limits hold there as well."""
    runs = [run(1, *(b"%d" % seq for seq in range(1, 10)), estimate=CLOCK)]
    assert told(gather(runs, 1, 9, 100, is_held)) == (1, 9, list(range(1, 10)))
    assert told(gather(runs, 2, 9, 3, is_held)) == (2, 4, [2, 3, 4])


def test_estimates_go_when_nothing_is_held() -> None:
    """After the release they are documents like any other."""
    batch = gather([run(1, HELD, HELD, estimate=CLOCK)], 1, 2, 10, lambda _: False)
    assert batch == Batch(1, 2, range(1, 3), [HELD, HELD])


@pytest.mark.parametrize("gone", [b"", b"x"])
def test_a_batch_has_a_bounded_size(monkeypatch: pytest.MonkeyPatch, gone: bytes) -> None:
    """It ends before the document that would make it too large; one that is larger alone comes alone."""
    monkeypatch.setattr(reading, "READ_SIZE_MAX", 100)
    runs = [run(1, gone, b"a" * 50, b"b" * 48, b"c" * 3, b"d" * 500, b"e")]
    spans = []
    seq = 1
    while seq <= 6:
        batch = gather(runs, seq, 6, 100, is_held)
        assert batch is not None
        spans.append((batch.first_seq, batch.last_seq, len(batch.documents)))
        seq = batch.last_seq + 1
    assert spans == [(1, 3, 2 + bool(gone)), (4, 4, 1), (5, 5, 1), (6, 6, 1)]


def test_a_run_that_cannot_be_read_ends_the_batch_before_it() -> None:
    """It is told when it is the first; what lies behind it is in no span that was given."""

    def runs() -> Iterator[Run]:
        yield numbered(1, 4)
        raise JournalDamaged("damaged", last_seq=9)

    def nothing() -> Iterator[Run]:
        raise JournalDamaged("damaged", last_seq=9)
        yield

    assert told(gather(runs(), 1, 20, 100, is_held)) == (1, 4, [1, 2, 3, 4])
    assert told(gather(runs(), 1, 4, 100, is_held)) == (1, 4, [1, 2, 3, 4])
    assert told(gather(runs(), 1, 20, 2, is_held)) == (1, 2, [1, 2])
    with pytest.raises(JournalDamaged):
        gather(nothing(), 5, 20, 100, is_held)


def test_no_more_is_read_than_the_span_needs() -> None:
    """The run behind the span's last document is left alone: it may be damaged, and costs time."""
    asked = []

    def runs() -> Iterator[Run]:
        for one in (numbered(1, 4), numbered(5, 9)):
            asked.append(one.first_seq)
            yield one

    gather(runs(), 2, 4, 100, is_held)
    assert asked == [1]


@given(
    lines=st.lists(st.sampled_from(["there", "gone", "held", "nowhere"]), min_size=1, max_size=25),
    cuts=st.sets(st.integers(1, 25), max_size=5),
    span=st.tuples(st.integers(1, 25), st.integers(0, 24)),
    count_max=st.integers(1, 10),
)
def test_any_batch_is_what_the_port_tells(
    lines: Sequence[str], cuts: set[int], span: tuple[int, int], count_max: int
) -> None:
    """However entries are there, gone or held: the batch is that of someone who looks at them one by one."""
    first, last = span[0], sum(span)
    kinds = dict(enumerate(lines, 1))
    runs = []

    def piece(seq: int) -> tuple[bool, int]:
        return kinds[seq] == "nowhere", sum(cut <= seq for cut in cuts)

    for (is_nowhere, _), group in itertools.groupby(kinds, piece):
        seqs = list(group)
        if not is_nowhere:
            documents = [{"there": b"%d" % seq, "gone": b"", "held": HELD}[kinds[seq]] for seq in seqs]
            runs.append(run(seqs[0], *documents, estimate=CLOCK))
    assert told(gather(runs, first, last, count_max, is_held)) == plainly(kinds, first, last, count_max)


def plainly(kinds: dict[int, str], first: int, last: int, count_max: int) -> tuple[int, int, list[int]] | None:
    seqs: list[int] = []
    for seq in range(first, last + 1):
        if kinds.get(seq) == "held":
            if seqs:
                return first, seq - 1, seqs
            first = seq + 1
        elif kinds.get(seq) == "there":
            seqs.append(seq)
            if len(seqs) == count_max:
                return first, seq, seqs
    return (first, last, seqs) if first <= last else None
