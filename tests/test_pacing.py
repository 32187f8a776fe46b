import pytest

from weatherd.pacing import PAUSE_S_MAX, RECENT_COUNT_MAX, SLOW_S, Pace


def at_full_pace(*, batch_size_max: int = 500, in_flight_max: int = 2) -> Pace:
    pace = Pace(batch_size_max=batch_size_max, in_flight_max=in_flight_max)
    for _ in range(4 * in_flight_max):
        pace.answered(0.01)
    assert pace.documents == batch_size_max * in_flight_max
    return pace


def test_a_backlog_begins_with_little() -> None:
    """The first batch is a sixteenth of a full one, and goes alone."""
    pace = Pace(batch_size_max=500, in_flight_max=2)
    assert pace.documents == 31
    assert pace.batch_size(0, 0) == 31
    assert pace.batch_size(31, 1) == 0


@pytest.mark.parametrize("batch_size_max", [1, 2, 3, 15, 17])
@pytest.mark.parametrize("in_flight_max", [1, 2, 8])
def test_the_smallest_batches_have_a_pace_too(batch_size_max: int, in_flight_max: int) -> None:
    """However small a batch may be, something always goes, and the pace still grows and shrinks."""
    pace = Pace(batch_size_max=batch_size_max, in_flight_max=in_flight_max)
    assert pace.batch_size(0, 0) >= 1
    for _ in range(100):
        pace.answered(0.01)
    assert pace.documents == batch_size_max * in_flight_max
    for _ in range(100):
        pace.failed()
    assert pace.documents >= 1
    assert pace.batch_size(0, 0) >= 1


def test_quick_answers_let_it_grow_soon_to_full_batches_in_every_place() -> None:
    """A quarter of a batch an answer: eight answers fill two places, and no more than that ever goes."""
    pace = Pace(batch_size_max=500, in_flight_max=2)
    grown = []
    for _ in range(9):
        pace.answered(0.2)
        grown.append(pace.documents)
    assert grown == [156, 281, 406, 531, 656, 781, 906, 1000, 1000]
    assert pace.batch_size(0, 0) == 500
    assert pace.batch_size(500, 1) == 500
    assert pace.batch_size(1000, 2) == 0


def test_a_slow_answer_halves_it() -> None:
    """Longer than a second, and than four times the quickest lately."""
    pace = at_full_pace()
    pace.answered(SLOW_S)
    assert pace.documents == 1000
    pace.answered(SLOW_S + 0.01)
    assert pace.documents == 500
    pace.answered(20.0)
    assert pace.documents == 250


def test_a_far_end_that_is_far_is_not_slow() -> None:
    """Where no answer comes in less than two seconds, seven are as usual, and nine are not."""
    pace = Pace(batch_size_max=500, in_flight_max=2)
    for _ in range(10):
        pace.answered(2.0)
    assert pace.documents == 1000
    pace.answered(7.0)
    assert pace.documents == 1000
    pace.answered(9.0)
    assert pace.documents == 500


def test_the_quickest_answer_is_forgotten_after_a_while() -> None:
    """A far end that has moved away is measured anew."""
    pace = at_full_pace()
    for _ in range(RECENT_COUNT_MAX):
        pace.answered(3.0)
    lowest = pace.documents
    pace.answered(3.0)
    assert pace.documents > lowest


def test_a_failure_halves_it_but_not_below_what_it_begins_with() -> None:
    """It never stops altogether."""
    pace = at_full_pace()
    pace.failed()
    assert pace.documents == 500
    for _ in range(20):
        pace.failed()
    assert pace.documents == 31


def test_what_room_is_left_is_the_next_batch() -> None:
    """Documents under way count; a remainder smaller than the first batch waits."""
    pace = Pace(batch_size_max=500, in_flight_max=2)
    for _ in range(5):
        pace.answered(0.1)
    assert pace.documents == 656
    assert pace.batch_size(500, 1) == 156
    assert pace.batch_size(625, 1) == 31
    assert pace.batch_size(626, 1) == 0
    assert pace.batch_size(5000, 1) == 0


def test_while_answers_are_slow_a_place_stays_free() -> None:
    """The backlog takes all places but one, and all again after a quick answer."""
    pace = at_full_pace(in_flight_max=3)
    pace.answered(1.1)
    assert pace.is_slow
    assert pace.batch_size(50, 1) == 500
    assert pace.batch_size(100, 2) == 0
    pace.answered(0.9)
    assert not pace.is_slow
    assert pace.batch_size(100, 2) == 500


def test_with_one_place_a_slow_answer_is_followed_by_a_pause() -> None:
    """As long as the answer took, five seconds at most; nothing after a quick one, nothing where a place is free."""
    pace = at_full_pace(in_flight_max=1)
    assert pace.pause_s == 0.0
    pace.answered(1.5)
    assert pace.pause_s == 1.5
    assert pace.batch_size(0, 0) > 0
    pace.answered(60.0)
    assert pace.pause_s == PAUSE_S_MAX
    pace.answered(0.1)
    assert pace.pause_s == 0.0
    two = at_full_pace()
    two.answered(1.5)
    assert two.pause_s == 0.0


def test_a_restart_knows_nothing_any_more() -> None:
    """After an outage the backlog begins with little again, whatever the answers were before."""
    pace = at_full_pace()
    pace.answered(60.0)
    pace.restart()
    assert pace.documents == 31
    assert not pace.is_slow
    pace.answered(2.0)
    assert pace.documents == 156
