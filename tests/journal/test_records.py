import pytest
from hypothesis import given
from hypothesis import strategies as st

from weatherd.journal import records
from weatherd.journal.records import TRIED_RANGES_MAX, Standing, decode, encode, few
from weatherd.journal.rows import Estimate, Run
from weatherd.ranges import Ranges

lines = st.binary(max_size=60).filter(lambda line: b"\n" not in line)
estimates = st.none() | st.builds(Estimate, st.text(max_size=40), st.integers(-(2**53), 2**53))
runs = st.builds(Run, st.integers(1, 2**53), st.integers(0, 2**53), estimates, st.lists(lines, min_size=1, max_size=20))
spans = st.lists(st.tuples(st.integers(1, 1000), st.integers(0, 50)).map(lambda one: (one[0], sum(one))), max_size=5)
standings = st.builds(
    Standing, st.dictionaries(st.text(max_size=10), spans.map(Ranges.of), max_size=3), spans.map(Ranges.of), st.just(9)
)


@given(written=st.lists(runs, max_size=4), standing=st.none() | standings, compress=st.booleans())
def test_what_is_encoded_comes_back(written: list[Run], standing: Standing | None, *, compress: bool) -> None:
    """Documents, clocks and positions are what they were, compressed or not."""
    found = decode([encode(written, standing, 7, compress=compress)], 7)
    assert found.runs == written
    assert found.standing == (standing or Standing())
    assert found.epoch == (7 if written or standing else 0)


def test_what_several_records_say_comes_together() -> None:
    """Each record may know something that no other does; none of them takes back what another says."""
    one = Standing({"a": Ranges([(1, 5)]), "b": Ranges([(1, 1)])}, Ranges([(1, 9)]), 10)
    two = Standing({"a": Ranges([(8, 9)]), "c": Ranges([(2, 3)])}, Ranges([(4, 20)]), 8)
    payloads = [encode([], standing, epoch, compress=False) for standing, epoch in ((one, 3), (two, 4))]
    found = decode(payloads, 3)
    assert found.standing == Standing(
        {"a": Ranges([(1, 5), (8, 9)]), "b": Ranges([(1, 1)]), "c": Ranges([(2, 3)])}, Ranges([(1, 20)]), 10
    )
    assert found.epoch == 4


def test_an_earlier_epoch_says_nothing_about_the_sinks() -> None:
    """Its documents count, and its positions do not: the database knows better since, perhaps of a requeue."""
    run = Run(1, 0, None, [b"one"])
    payload = encode([run], Standing({"a": Ranges([(1, 1)])}, Ranges([(1, 1)]), 2), 3, compress=True)
    assert decode([payload], 3).standing.delivered == {"a": Ranges([(1, 1)])}
    found = decode([payload], 4)
    assert found.runs == [run]
    assert found.standing == Standing()
    assert found.epoch == 3


def test_documents_are_compressed_where_bytes_wear_the_card() -> None:
    """A hundred alike take less than a few on a card, and no time where they stay in memory."""
    run = Run(1, 0, None, [b'{"temperature":20.0}'] * 100)
    assert len(encode([run], None, 1, compress=True)) < 200
    assert len(encode([run], None, 1, compress=False)) > 2000


def test_delivered_to_all_is_what_each_sink_has() -> None:
    """A sink that is not known yet has nothing; one that is not asked for does not matter; no sink has nothing."""
    standing = Standing({"a": Ranges([(1, 10)]), "b": Ranges([(4, 6), (9, 20)]), "former": Ranges()})
    assert standing.delivered_to_all(["a"]) == Ranges([(1, 10)])
    assert standing.delivered_to_all(["a", "b"]) == Ranges([(4, 6), (9, 10)])
    assert standing.delivered_to_all(["a", "new"]) == Ranges()
    assert standing.delivered_to_all([]) == Ranges()


def test_positions_leave_out_those_that_have_nothing() -> None:
    """A sink without anything is no row of the table, so a standing that says so is no other standing."""
    assert Standing({"a": Ranges()}).positions == Standing().positions == {}
    standing = Standing({"a": Ranges([(1, 2)])}, Ranges([(1, 3)]))
    assert standing.positions == {"a": Ranges([(1, 2)]), records.TRIED: Ranges([(1, 3)])}


@given(st.sets(st.integers(1, 2000), max_size=900))
def test_few_ranges_of_tried_entries_have_all_of_them(tried: set[int]) -> None:
    """However they are scattered there are few ranges, and none that was tried is missing; the newest stay exact."""
    exact = Ranges.of((seq, seq) for seq in tried)
    kept = few(exact)
    assert len(kept) <= TRIED_RANGES_MAX
    assert kept & exact == exact
    assert list(kept)[1:] == list(exact)[len(exact) - len(kept) + 1 :]


def test_a_line_break_in_a_document_is_a_programmers_error() -> None:
    """It would make two documents of one, and shift every seq behind it."""
    with pytest.raises(AssertionError, match="line break"):
        encode([Run(1, 0, None, [b"one\ntwo"])], None, 0, compress=True)


def test_a_standing_with_the_most_ranges_takes_a_page() -> None:
    """It is written at each attempt, so what was tried must not make it large."""
    scattered = few(Ranges.of((seq, seq) for seq in range(1_000_000_000, 1_000_009_000, 3)))
    assert len(encode([], Standing(tried=scattered), 0, compress=False)) <= 4096
