import pytest

from weatherd.sinks.mqtt.frames import framed


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (0, b"\x82\x80"),
        (1, b"\x82\x81"),
        (125, b"\x82\xfd"),
        (126, b"\x82\xfe\x00\x7e"),
        (65535, b"\x82\xfe\xff\xff"),
        (65536, b"\x82\xff\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_a_frame_says_its_size_and_is_masked(size: int, head: bytes) -> None:
    """Each byte is mixed with one of four, in turn (RFC 6455, section 5.3)."""
    data = bytes(number % 251 for number in range(size))
    frame = framed(2, data)
    assert frame.startswith(head)
    mask, masked = frame[len(head) : len(head) + 4], frame[len(head) + 4 :]
    assert bytes(one ^ mask[index % 4] for index, one in enumerate(masked)) == data


def test_an_answer_to_a_ping_is_masked_too() -> None:
    """A server ends the connection over one that is not."""
    assert framed(0xA, b"", 0)[:2] == b"\x8a\x80"


def test_no_two_masks_are_the_same() -> None:
    """They are drawn."""
    assert len({bytes(framed(2, b"")) for _ in range(10)}) > 1
