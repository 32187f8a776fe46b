import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from weatherd.sinks.mqtt.packets import PROPERTIES_MAX, without_ballast

USER = b"\x26\x00\x01a\x00\x01b"
RESPONSE = b"\x08\x00\x03a/b"
CORRELATION = b"\x09\x00\x02\x00\xff"
OTHERS = [b"\x01\x01", b"\x02\x00\x00\x01\x2c", b"\x03\x00\x01t", b"\x0b\xff\x7f", b"\x23\x00\x01", USER]


def packet(properties: bytes, identifier: bytes = b"\x00\x07") -> bytes:
    assert len(properties) < 128 * 128
    size = bytes([len(properties) % 128 | 0x80, len(properties) // 128])
    return b"\x00\x05topic" + identifier + size + properties + b"content"


def kept(properties: bytes, identifier: bytes = b"\x00\x07") -> bytes:
    return b"\x00\x05topic" + identifier + bytes([len(properties)]) + properties + b"content"


@pytest.mark.parametrize("identifier", [b"", b"\x00\x07"])
def test_what_belongs_to_a_request_stays_and_nothing_else(identifier: bytes) -> None:
    """Of all properties that a message may have, in any order, and with QoS 0 as with 1."""
    before = b"".join([*OTHERS, RESPONSE, *OTHERS, CORRELATION, *OTHERS])
    assert without_ballast(packet(before, identifier), len(identifier)) == kept(RESPONSE + CORRELATION, identifier)
    assert without_ballast(packet(b"", identifier), len(identifier)) == kept(b"", identifier)


def test_what_stands_behind_many_others_is_not_looked_at() -> None:
    """So a message costs as much time as a station can spare, however many there are."""
    assert without_ballast(packet(USER * (PROPERTIES_MAX - 1) + RESPONSE), 2) == kept(RESPONSE)
    assert without_ballast(packet(USER * PROPERTIES_MAX + RESPONSE), 2) == kept(b"")


@pytest.mark.parametrize(
    "text", [b"\xef\xbb\xbf", b"\xff", b"\x00", b"\xed\xa0\x80"], ids=["bom", "code", "nul", "d800"]
)
def test_a_response_topic_that_nobody_can_read_is_left_out(text: bytes) -> None:
    """The connection would end over it: again and again, if it is retained."""
    bad = b"\x08" + len(text).to_bytes(2) + text
    assert without_ballast(packet(bad + CORRELATION), 2) == kept(CORRELATION)


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\x00",
        b"\x00\x05top",
        b"\x00\x01t\x00\x07",
        b"\x00\x01t\x00\x07\xff\xff\xff\xff\x7f",
        b"\x00\x01t\x00\x07\x05",
        b"\x00\x01t\x00\x07\x02\x77\x00",
        b"\x00\x01t\x00\x07\x03\x26\x00\x09",
        b"\x00\x01t\x00\x07\x03\x09\x00\x04content",
        b"\x00\x01t\x00\x07\x05\x09\xff\xff\x00\x00",
    ],
)
def test_what_is_no_message_is_said_to_be_none(bad: bytes) -> None:
    """Whatever is missing, or says that there is more than there is."""
    with pytest.raises(ValueError, match="a message"):
        without_ballast(bad, 2)


@given(st.binary(max_size=60))
def test_no_bytes_bring_forth_anything_else(body: bytes) -> None:
    """A packet comes out, or an error that has a name."""
    with contextlib.suppress(ValueError):
        without_ballast(body, 2)


@given(st.binary(max_size=300), st.lists(st.tuples(st.text("ab", max_size=200), st.text("ab", max_size=3)), max_size=9))
def test_what_is_left_is_what_paho_reads(data: bytes, pairs: list[tuple[str, str]]) -> None:
    """Correlation data come through as they are, beside whatever else a publisher adds."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.CorrelationData = data
    properties.UserProperty = pairs
    properties.ContentType = "text"
    body = b"\x00\x01t\x00\x07" + properties.pack() + b"x"  # type: ignore[no-untyped-call]
    read = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    read.unpack(without_ballast(body, 2)[5:])  # type: ignore[no-untyped-call]
    assert read.CorrelationData == data
    assert not hasattr(read, "UserProperty")
    assert not hasattr(read, "ContentType")
