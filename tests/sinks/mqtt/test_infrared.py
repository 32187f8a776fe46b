import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import NOON_MS
from weatherd.model import Heard, Infrared
from weatherd.processing.infrared import parts, signed, unsigned
from weatherd.sinks.mqtt.emitting import SIZE_MAX, Signal, parse
from weatherd.sinks.mqtt.messages import heard_key, heard_timings
from weatherd.sinks.mqtt.topics import Topics

TOPICS = Topics("weatherd/s")


def test_a_key_is_told_with_its_repeat_and_its_name() -> None:
    """On a topic of the receiver's, and the broker may drop it for who is away."""
    message = heard_key(TOPICS, Heard(1, "remote", NOON_MS, Infrared("nec", "0x40bf", 2, "tv_power")))
    assert (message.topic, message.is_retained, message.expires) == ("weatherd/s/remote/key", False, True)
    assert msgspec.json.decode(message.payload) == {
        "time": "2026-11-23T12:00:00.000Z",
        "protocol": "nec",
        "scancode": "0x40bf",
        "repeat": 2,
        "command": "tv_power",
    }


def test_pulses_are_told_as_home_assistant_takes_them() -> None:
    """Spaces are negative, and the carrier is the usual one, as no receiver knows it."""
    message = heard_timings(TOPICS, Heard(1, "remote", NOON_MS, Infrared("", timings_us=[9000, 4500, 560])))
    assert message.topic == "weatherd/s/remote/timings"
    assert msgspec.json.decode(message.payload) == {"timings": [9000, -4500, 560], "modulation": 38_000}


def test_a_signal_is_read_as_home_assistant_sends_it() -> None:
    """What it tells beyond is no mistake."""
    payload = b'{"timings": [9000, -4500, 560, -40000], "modulation": 38000, "repeat_count": 1}'
    assert parse(payload) == Signal([9000, -4500, 560, -40_000], 38_000)


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"", "no infrared signal"),
        (b"\xff", "no infrared signal"),
        (b"[" * 10_000, "no infrared signal"),
        (b'{"timings": [9000.5], "modulation": 38000}', "no infrared signal"),
        (b'{"timings": [9000], "modulation": 19999}', "`int` >= 20000"),
        (b'{"timings": [9000], "modulation": 60001}', "`int` <= 60000"),
        (b'{"timings": [9000]}', "missing required field `modulation`"),
        (b" " * (SIZE_MAX + 1), "16,385 bytes are more than 16,384"),
    ],
)
def test_what_is_no_signal_is_refused_with_a_reason(payload: bytes, why: str) -> None:
    """It is told in the log."""
    with pytest.raises(ValueError, match=why):
        parse(payload)


@pytest.mark.parametrize("timings", [[-4500], [9000, 4500], [9000, -4500, -560], [9000, 0, 560], [0]])
def test_pulses_and_spaces_take_turns(timings: list[int]) -> None:
    """A message begins with a pulse, and has no two of one kind beside each other."""
    with pytest.raises(ValueError, match="take turns"):
        unsigned(timings)


@given(st.lists(st.integers(1, 100_000), max_size=50))
def test_signs_come_and_go(timings: list[int]) -> None:
    """What is told can be sent again, without the space at its end."""
    assert unsigned(signed(timings)) == (timings if len(timings) % 2 else timings[:-1])


def test_what_the_kernel_takes_stays_whole_and_all_else_is_parted_at_its_rests() -> None:
    """It takes 1,023 timings of half a second together; a rest is a space of 20 ms."""
    short, rest = [100] * 601, 20_000
    assert list(parts([*short[:301], rest, *short[:301]])) == [([*short[:301], rest, *short[:301]], 0)]
    assert list(parts([*short, rest, *short])) == [(short, rest), (short, 0)]
    assert list(parts([*short, rest - 1, *short])) == [([*short, rest - 1, *short], 0)]


@given(st.lists(st.integers(20, 100_000), min_size=1, max_size=99))
def test_no_pulse_is_lost_between_the_parts(timings: list[int]) -> None:
    """Put together again they are what they were, and each is an odd number of timings."""
    timings = timings if len(timings) % 2 else timings[:-1]
    together: list[int] = []
    for message, rest_us in parts(timings):
        assert len(message) % 2 == 1
        together += [*message, *([rest_us] if rest_us else [])]
    assert together == timings
