from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weatherd.sensors import lirc
from weatherd.sensors.keys import GAP_US, Messages, Presses
from weatherd.sensors.lirc import Sample, Scancode

MS = 1_000_000


def repeats(*heard: tuple[int, int, int]) -> list[int]:
    """Return the repeats of what was heard at these milliseconds, with these scancodes and flags."""
    presses = Presses()
    return [presses.take(Scancode(at_ms * MS, flags, 9, 0, scancode)) for at_ms, scancode, flags in heard]


def test_a_key_that_is_held_counts_its_repeats() -> None:
    """NEC's sign for it every 108 ms, a pause, and the next press begins at nothing again."""
    held = [(0, 7, 0), (108, 7, lirc.FLAG_REPEAT), (216, 7, lirc.FLAG_REPEAT), (700, 7, 0)]
    assert repeats(*held) == [0, 1, 2, 0]


def test_a_remote_without_a_sign_repeats_its_whole_frame() -> None:
    """The time between tells a held key: a quarter of a second still does, and a little more does not."""
    assert repeats((0, 7, 0), (45, 7, 0), (295, 7, 0), (546, 7, 0)) == [0, 1, 2, 0]


def test_a_toggled_bit_is_a_new_press() -> None:
    """RC-5 turns a bit with every press, so even a quick second press is one."""
    assert repeats((0, 7, 0), (114, 7, 0), (228, 7, lirc.FLAG_TOGGLE), (342, 7, lirc.FLAG_TOGGLE)) == [0, 1, 0, 1]


def test_another_key_begins_anew() -> None:
    """Whatever was held before."""
    assert repeats((0, 7, 0), (50, 8, 0), (100, 8, 0), (150, 7, 0)) == [0, 0, 1, 0]


def test_a_repeat_whose_beginning_was_not_heard_is_a_press() -> None:
    """Somebody stood in the light; the key is told all the same."""
    assert repeats((0, 7, lirc.FLAG_REPEAT), (108, 7, lirc.FLAG_REPEAT)) == [0, 1]


def pulse(us: int) -> Sample:
    return Sample(lirc.MODE2_PULSE, us)


def space(us: int) -> Sample:
    return Sample(lirc.MODE2_SPACE, us)


def timeout(us: int = 125_000) -> Sample:
    return Sample(lirc.MODE2_TIMEOUT, us)


def messages(samples: Iterable[Sample]) -> list[list[int]]:
    """Return every message that ended, those that are left out as empty lists."""
    put_together = Messages()
    return [list(one) for sample in samples if (one := put_together.take(sample)) is not None]


@pytest.mark.parametrize("end", [timeout(), timeout(20_000), space(GAP_US), space(1 << 24)])
def test_a_silence_ends_a_message(end: Sample) -> None:
    """The kernel's own, or a space that no message has inside."""
    assert messages([pulse(9000), space(4500), pulse(560), end]) == [[9000, 4500, 560]]


def test_the_silence_before_a_message_is_none_of_it() -> None:
    """Nor is a space that begins it, nor the carrier's frequency in between."""
    samples = [space(2_000_000), pulse(9000), Sample(lirc.MODE2_FREQUENCY, 38_000), space(4500), pulse(560), timeout()]
    assert messages(samples) == [[9000, 4500, 560]]
    assert messages([space(300), pulse(9000), space(4500), pulse(560), timeout()]) == [[9000, 4500, 560]]


def test_a_pulse_in_pieces_is_one() -> None:
    """Some devices tell a long pulse, or a long space, in two."""
    samples = [pulse(8000), pulse(1000), space(4000), space(500), pulse(560), timeout()]
    assert messages(samples) == [[9000, 4500, 560]]


def test_a_held_nec_key_is_a_message_and_its_signs() -> None:
    """What an air conditioner's remote says with a rest of 35 ms stays together."""
    frame = [pulse(9000), space(4500), pulse(560)]
    sign = [pulse(9000), space(2250), pulse(560)]
    assert messages([*frame, space(40_000), *sign, space(96_000), *sign, timeout()]) == [
        [9000, 4500, 560],
        [9000, 2250, 560],
        [9000, 2250, 560],
    ]
    assert messages([*frame, space(35_000), *frame, timeout()]) == [[9000, 4500, 560, 35_000, 9000, 4500, 560]]


def test_a_message_with_a_hole_is_left_out() -> None:
    """The device could not keep up; the next message is whole again."""
    frame = [pulse(9000), space(4500), pulse(560)]
    samples = [*frame, Sample(lirc.MODE2_OVERFLOW, lirc.VALUE_MASK), *frame, timeout(), *frame, timeout()]
    assert messages(samples) == [[], [9000, 4500, 560]]


def test_a_single_flash_is_no_message() -> None:
    """A lamp that is turned on; two pulses are the least that a remote says."""
    assert messages([pulse(900), timeout(), pulse(900), space(500), timeout()]) == [[], []]


def test_a_message_without_an_end_is_left_out_and_takes_no_more_room() -> None:
    """A lamp that flickers for ever fills no memory: 1,023 timings are the most."""
    put_together = Messages()
    for _ in range(5000):
        put_together.take(pulse(500))
        put_together.take(space(500))
    assert len(put_together._timings) == 1023
    assert put_together.take(timeout()) == ()


@given(st.lists(st.builds(Sample, st.sampled_from([n << 24 for n in range(6)]), st.integers(0, lirc.VALUE_MASK))))
def test_whatever_a_device_says_a_message_is_one(samples: list[Sample]) -> None:
    """An odd number of timings, from a pulse to a pulse, none or at least three."""
    for message in messages(samples):
        assert message == [] or (len(message) % 2 == 1 and 3 <= len(message) <= 1023)
