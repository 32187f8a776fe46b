"""Debouncing: by the edges that the kernel gives, with all that it leaves out."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from weatherd.model import Edge
from weatherd.sensors.contact import Contact
from weatherd.testing.gpio import Pulse

MS = 1_000_000


def contact(debounce_s: float = 0.02) -> Contact:
    """Return a contact that has been open for a second."""
    made = Contact(debounce_s)
    made.start(0, is_open=True)
    return made


def edges(pulses: Iterable[tuple[float, Pulse]]) -> list[Edge]:
    """Return the edges of pulses that begin at times in seconds, as a kernel gives them that loses none."""
    found = [(at_s + after_s, is_open) for at_s, pulse in pulses for after_s, is_open in pulse.edges()]
    return [Edge(round(1e9 + at_s * 1e9), is_open, number) for number, (at_s, is_open) in enumerate(found, 1)]


def closures(counting: Contact, given_edges: Iterable[Edge]) -> int:
    return sum(counting.closes(edge) for edge in given_edges)


def test_fifty_edges_in_twenty_milliseconds_are_one_tip() -> None:
    """A contact that bounces when it closes and when it opens has closed once."""
    bouncing = edges([(0.0, Pulse(17, 0.1, bounces=50, bounce_s=0.02))])
    assert len(bouncing) == 102
    assert closures(contact(), bouncing) == 1


def test_a_tip_every_hundred_milliseconds_is_counted_each() -> None:
    """Ten tips a second, each closed for 50 ms and bouncing at both ends, are ten."""
    tips = edges((number / 10, Pulse(17, 0.05, bounces=20, bounce_s=0.015)) for number in range(10))
    assert closures(contact(), tips) == 10


def test_a_closure_counts_at_its_first_edge() -> None:
    """Nobody waits for the end of the bouncing: what is killed a moment later has counted."""
    counting = contact()
    first, *_ = edges([(0.0, Pulse(17, 0.1, bounces=6, bounce_s=0.01))])
    assert counting.closes(first)


def test_a_long_closure_that_bounces_at_its_end_is_not_counted_again() -> None:
    """A bucket that stays on the contact for a second has tipped once, however the contact opens."""
    assert closures(contact(), edges([(0.0, Pulse(17, 1.0, bounces=30, bounce_s=0.02))])) == 1


def test_a_first_edge_that_is_called_an_opening_begins_a_closure() -> None:
    """The kernel looks at the level after the interrupt: a bounce in between makes the closing edge say open."""
    counting = contact()
    bounced = [Edge(1000 * MS, True, 1), Edge(1001 * MS, False, 2), Edge(1100 * MS, True, 3)]
    assert [counting.closes(edge) for edge in bounced] == [True, False, False]


def test_two_edges_that_the_kernel_takes_as_one_change_nothing() -> None:
    """A closure of which only the end of each bouncing is seen counts once."""
    counting = contact()
    assert closures(counting, [Edge(1000 * MS, False, 1), Edge(1100 * MS, True, 2), Edge(1200 * MS, False, 3)]) == 2


def test_lost_edges_are_counted_and_a_certain_tip_is_kept() -> None:
    """Of a burst whose beginning was dropped, the rest says that an open contact has closed."""
    counting = contact()
    bouncing = edges([(0.0, Pulse(17, 0.1, bounces=50, bounce_s=0.02))])
    assert closures(counting, bouncing[35:51]) == 1
    assert counting.lost_count == 35
    assert closures(counting, bouncing[90:]) == 0
    assert counting.lost_count == 35 + 39


def test_a_number_that_begins_anew_is_no_loss() -> None:
    """The kernel's number has 32 bits."""
    counting = contact()
    counting.closes(Edge(1000 * MS, False, 2**32 - 1))
    before = counting.lost_count
    counting.closes(Edge(1100 * MS, True, 0))
    assert counting.lost_count == before


def test_a_contact_that_is_closed_at_the_start_has_not_closed() -> None:
    """A bucket that rests on the contact while the station starts is no tip when it leaves."""
    counting = Contact(0.02)
    counting.start(0, is_open=False)
    assert closures(counting, [Edge(1000 * MS, True, 1), Edge(2000 * MS, False, 2)]) == 1


def test_a_kilohertz_is_counted_where_the_debounce_time_allows_it() -> None:
    """A fast anemometer: 1,000 pulses of half a millisecond in a second."""
    pulses = edges((number / 1000, Pulse(27, 0.0005)) for number in range(1000))
    assert closures(contact(0.0002), pulses) == 1000


@given(
    st.lists(st.tuples(st.floats(0.05, 0.07), st.integers(1, 60), st.floats(0, 0.019)), min_size=1, max_size=30),
    st.data(),
)
def test_any_bouncing_of_tips_is_counted_right(tips: list[tuple[float, int, float]], data: st.DataObject) -> None:
    """
    Tips of 50 to 70 ms, 120 ms apart, with up to 60 edges in 19 ms, of which the kernel takes any number as one.

    What it keeps of each burst is at least the last edge, with the level then.
    """
    made = []
    for number, (width_s, bounces, bounce_s) in enumerate(tips):
        burst = edges([(number * 0.12, Pulse(17, width_s, bounces, bounce_s))])
        half = len(burst) // 2
        for part in (burst[:half], burst[half:]):
            keep = data.draw(st.sets(st.integers(0, half - 1), max_size=4)) | {half - 1}
            made += [edge for index, edge in enumerate(part) if index in keep]
    numbered = [edge._replace(seqno=number) for number, edge in enumerate(made, 1)]
    counting = contact()
    assert closures(counting, numbered) == len(tips)
    assert counting.lost_count == 0
