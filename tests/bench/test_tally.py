import pytest
from peers.station import Weatherd
from peers.tally import COUNT_MAX, FIRST, PATTERN, Tally

from weatherd.model import Event, Observation, Station
from weatherd.processing.documents import DocumentEncoder


def body(*numbers: int) -> bytes:
    return b"[" + b",".join(b'{"number":%d,"x":1}' % (FIRST + number) for number in numbers) + b"]"


def test_each_number_counts_once_and_what_comes_again_is_a_duplicate() -> None:
    """Documents, different ones, duplicates, and how far the numbers go."""
    tally = Tally(PATTERN, FIRST)
    assert tally.add(body(0, 1, 2)) == 3
    assert tally.add(body(2, 5)) == 2
    assert (tally.documents, tally.distinct, tally.highest) == (5, 4, 6)


@pytest.mark.parametrize("strange", [b"%d" % (FIRST + COUNT_MAX), b"099999999"])
def test_what_is_no_number_of_ours_is_counted_apart(strange: bytes) -> None:
    """The documents beside it count."""
    tally = Tally(PATTERN, FIRST)
    assert tally.add(body(7) + b'{"number":' + strange + b"}" + body(8)) == 2
    assert (tally.documents, tally.distinct, tally.strange) == (2, 2, 1)


def test_nothing_came_yet() -> None:
    """All counts are zero."""
    tally = Tally(PATTERN, FIRST)
    assert tally.add(b"[]") == 0
    assert (tally.documents, tally.distinct, tally.highest) == (0, 0, 0)


def test_ours_are_counted_by_their_seq_and_our_events_are_not() -> None:
    """An event is no line."""
    encoder = DocumentEncoder(Station("s"), "00000000")
    observation = Observation("garden", "jsonlines", 0, 0, {}, {}, clock_synchronized=True)
    event = Event("restart", "restarted", 0, clock_synchronized=True)
    tally = Tally(Weatherd.pattern, Weatherd.first)
    assert tally.add(encoder.encode(observation, 7) + encoder.encode(event, 8)) == 1
    assert tally.highest == 8
