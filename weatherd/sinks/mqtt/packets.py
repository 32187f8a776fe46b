"""
A message that arrives, before paho takes it apart. Pure.

Paho copies all properties that follow each time it has read one: 70 KB of them, which anybody may add who may publish
where we listen, took it 0.7 s, and 4 MB would take it half an hour, with the whole station waiting. And it ends the
connection over U+FEFF in a text, which brokers hand on. So it gets to see no more than a request needs.

Source:
    MQTT Version 5.0, OASIS Standard: 1.5.5 (variable byte integers), 2.2.2.2 (properties), 3.3.2 (PUBLISH).
"""

from collections.abc import Mapping

PROPERTIES_MAX = 100
"""Properties that are looked at; a request has two, and what a publisher adds has no limit."""

RESPONSE_TOPIC, CORRELATION_DATA = 0x08, 0x09

_FIXED: Mapping[int, int] = {0x01: 1, 0x02: 4, 0x23: 2}
_WITH_SIZE: Mapping[int, int] = {0x03: 1, RESPONSE_TOPIC: 1, CORRELATION_DATA: 1, 0x26: 2}
_SUBSCRIPTION = 0x0B


def without_ballast(packet: bytes | bytearray, id_size: int) -> bytes:
    """
    Leave out the properties of a message that nobody here reads.

    Args:
        packet: A PUBLISH of MQTT 5 behind its fixed header: topic, identifier, properties and content.
        id_size: Bytes of the identifier: 0 or 2.

    Returns:
        The same with response topic and correlation data as its only properties, if they are there, and the topic is
        one that can be shown.

    Raises:
        ValueError: If it is no such packet.
    """
    try:
        start = _behind_sized(packet, 0) + id_size
        size, at = _number(packet, start)
        end = at + size
        kept = bytearray()
        for _ in range(PROPERTIES_MAX):
            if at >= end:
                break
            behind = _behind(packet, at)
            if _is_wanted(packet[at:behind]):
                kept += packet[at:behind]
            at = behind
    except (IndexError, KeyError):
        raise ValueError("a message with properties that are none") from None
    if at > end or end > len(packet):
        raise ValueError("a message with properties that do not end where they should")
    return b"".join([packet[:start], _numbered(len(kept)), kept, packet[end:]])


def _is_wanted(one: bytes | bytearray) -> bool:
    if one[0] != RESPONSE_TOPIC:
        return one[0] == CORRELATION_DATA
    try:
        return one[3:].decode().isprintable()
    except UnicodeDecodeError:
        return False


def _behind(packet: bytes | bytearray, at: int) -> int:
    kind = packet[at]
    at += 1
    if kind == _SUBSCRIPTION:
        return _number(packet, at)[1]
    if kind in _FIXED:
        return at + _FIXED[kind]
    for _ in range(_WITH_SIZE[kind]):
        at = _behind_sized(packet, at)
    return at


def _behind_sized(packet: bytes | bytearray, at: int) -> int:
    return at + 2 + (packet[at] << 8 | packet[at + 1])


def _number(packet: bytes | bytearray, at: int) -> tuple[int, int]:
    """Return a variable byte integer, and where it ends."""
    number = 0
    for shift in (0, 7, 14, 21):
        number |= (packet[at] & 0x7F) << shift
        at += 1
        if not packet[at - 1] & 0x80:
            break
    return number, at


def _numbered(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:  # noqa: PLR2004
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*written, number])
