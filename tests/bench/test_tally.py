import pytest
from peers.tally import COUNT_MAX, FIRST, Tally


def body(*numbers: int) -> bytes:
    return b"[" + b",".join(b'{"number":%d,"x":1}' % (FIRST + number) for number in numbers) + b"]"


def test_each_number_counts_once_and_what_comes_again_is_a_duplicate() -> None:
    """Documents, different ones, duplicates, and how far the numbers go."""
    tally = Tally(b'"number":')
    assert tally.add(body(0, 1, 2)) == 3
    assert tally.add(body(2, 5)) == 2
    assert (tally.documents, tally.distinct, tally.duplicates, tally.highest) == (5, 4, 1, 6)


@pytest.mark.parametrize("strange", [b"null", b"12", b"abcdefghi", b"%d" % (FIRST + COUNT_MAX)])
def test_what_is_no_number_of_ours_is_counted_apart(strange: bytes) -> None:
    """The documents beside it count."""
    tally = Tally(b'"number":')
    assert tally.add(body(7) + b'{"number":' + strange + b"}" + body(8)) == 2
    assert (tally.documents, tally.distinct, tally.strange) == (2, 2, 1)


def test_nothing_came_yet() -> None:
    """All counts are zero."""
    tally = Tally(b'"number":')
    assert tally.add(b"[]") == 0
    assert (tally.documents, tally.distinct, tally.duplicates, tally.highest) == (0, 0, 0, 0)
