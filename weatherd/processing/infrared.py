"""
What infrared remotes say, in words: the kernel's protocols, and the limits of what is sent.

The kernel encodes and decodes; here are only the names by which people and documents call its protocols, those of
`ir-ctl`, and what it would refuse, so that a configuration is refused before.

Source:
    Linux, include/uapi/linux/lirc.h (enum rc_proto), drivers/media/rc/rc-main.c (protocols[], rc_validate_scancode) and
    drivers/media/rc/lirc_dev.c (lirc_transmit).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple


class Protocol(NamedTuple):
    """
    One protocol of the kernel's.

    Attributes:
        number: In ``enum rc_proto``.
        bits: Those of a scancode that may be 1; 0 where the kernel cannot encode, but only decode.
    """

    number: int
    bits: int = 0


UNKNOWN = "unknown"

PROTOCOLS: Mapping[str, Protocol] = {
    UNKNOWN: Protocol(0),
    "other": Protocol(1),
    "rc5": Protocol(2, 0x1F7F),
    "rc5x_20": Protocol(3, 0x1F7F3F),
    "rc5_sz": Protocol(4, 0x2FFF),
    "jvc": Protocol(5, 0xFFFF),
    "sony12": Protocol(6, 0x1F007F),
    "sony15": Protocol(7, 0xFF007F),
    "sony20": Protocol(8, 0x1FFF7F),
    "nec": Protocol(9, 0xFFFF),
    "necx": Protocol(10, 0xFFFFFF),
    "nec32": Protocol(11, 0xFFFFFFFF),
    "sanyo": Protocol(12, 0x1FFFFF),
    "mcir2-kbd": Protocol(13, 0xFFFFFF),
    "mcir2-mse": Protocol(14, 0x1FFFFF),
    "rc6_0": Protocol(15, 0xFFFF),
    "rc6_6a_20": Protocol(16, 0xFFFFF),
    "rc6_6a_24": Protocol(17, 0xFFFFFF),
    "rc6_6a_32": Protocol(18, 0xFFFFFFFF),
    "rc6_mce": Protocol(19, 0xFFFF7FFF),
    "sharp": Protocol(20, 0x1FFF),
    "xmp": Protocol(21),
    "cec": Protocol(22),
    "imon": Protocol(23, 0x7FFFFFFF),
    "rc-mm-12": Protocol(24, 0xFFF),
    "rc-mm-24": Protocol(25, 0xFFFFFF),
    "rc-mm-32": Protocol(26, 0xFFFFFFFF),
    "xbox-dvd": Protocol(27),
}

SENDABLE = tuple(name for name, protocol in PROTOCOLS.items() if protocol.bits)
"""Protocols that the kernel encodes."""

_NAMES = {protocol.number: name for name, protocol in PROTOCOLS.items()}

TIMINGS_MAX = 1023
"""Pulses and spaces of one message: the kernel takes 1,024 at most, and an odd number (LIRCBUF_SIZE)."""

DURATION_US_MAX = 500_000
"""Microseconds of one message: what the kernel takes (IR_MAX_DURATION)."""

REST_US_MIN = 20_000
"""A space so long may be a little longer: what is behind it can be a message of its own."""

SEND_US_MAX = 2_000_000
"""Microseconds of messages that are sent together."""

TIMING_US_MIN = 20
"""Microseconds of one pulse or space: less than a wave of the carrier is none."""

CARRIER_HZ_MIN, CARRIER_HZ_MAX = 20_000, 60_000
"""What remotes use is 30 to 56 kHz; no receiver hears anything else."""

CARRIER_HZ = 38_000
"""That of most remotes, and of the pHAT's receiver."""

_MCE_MASK, _MCE = 0xFFFF0000, 0x800F0000


def name_of(number: int) -> str:
    """Return what people call a protocol; one of a newer kernel by its number."""
    return _NAMES.get(number, f"protocol-{number}")


def written(scancode: int) -> str:
    """Write a scancode as `ir-keytable` does: ``0x40bf``."""
    return f"{scancode:#06x}"


def scancode_mistake(protocol: str, scancode: int) -> str:
    """Tell why the kernel would not send a scancode; nothing if it would."""
    bits = PROTOCOLS[protocol].bits
    if scancode & ~bits:
        return f"found {scancode:#x}; a scancode of {protocol} has no other bits than {bits:#x}"
    high, middle, low = scancode >> 16 & 0xFF, scancode >> 8 & 0xFF, scancode & 0xFF
    if protocol == "necx" and high == middle ^ 0xFF:
        return f'found {scancode:#x}; that is {(high << 8) | low:#x} with protocol = "nec"'
    if protocol == "nec32" and middle == low ^ 0xFF:
        return f'found {scancode:#x}; its command is followed by its inverse, so it is of "nec" or "necx"'
    if protocol in {"rc6_mce", "rc6_6a_32"} and (scancode & _MCE_MASK == _MCE) is (protocol == "rc6_6a_32"):
        return f"found {scancode:#x}; those of rc6_mce begin with 0x800f, those of rc6_6a_32 with anything else"
    return ""


def timings_mistakes(timings_us: Sequence[int]) -> Iterator[str]:
    """Yield why a message of pulses and spaces is not sent; nothing if it is."""
    if len(timings_us) > TIMINGS_MAX:
        yield f"found {len(timings_us)} timings; allowed are at most {TIMINGS_MAX}"
    if len(timings_us) % 2 == 0:
        yield f"found {len(timings_us)} timings; allowed is an odd number, as a message begins and ends with a pulse"
    if any(one < TIMING_US_MIN for one in timings_us):
        yield f"found {min(timings_us)}; allowed are {TIMING_US_MIN} microseconds or more each"
    if sum(timings_us) > DURATION_US_MAX:
        yield f"the message takes {sum(timings_us):,} microseconds; allowed are at most {DURATION_US_MAX:,}"


def signed(timings_us: Sequence[int]) -> list[int]:
    """Return pulses as positive and spaces as negative numbers, as Home Assistant has them."""
    return [-one if number % 2 else one for number, one in enumerate(timings_us)]


def unsigned(timings_us: Sequence[int]) -> list[int]:
    """
    Return pulses and spaces in turn, from positive and negative numbers; a space at the end is left out.

    Raises:
        ValueError: If they do not take turns, or begin with a space.
    """
    if any(one == 0 or (one < 0) is (number % 2 == 0) for number, one in enumerate(timings_us)):
        raise ValueError("pulses are positive and spaces negative, and they take turns, a pulse first")
    timings = [abs(one) for one in timings_us]
    return timings if len(timings) % 2 else timings[:-1]


def parts(timings_us: Sequence[int]) -> Iterator[tuple[Sequence[int], int]]:
    """
    Yield the messages in what is sent, each with the space behind it in microseconds; 0 behind the last.

    The kernel takes half a second at once, and a key that is held takes longer. What it takes stays in one piece.
    """
    begin = 0
    if len(timings_us) <= TIMINGS_MAX and sum(timings_us) <= DURATION_US_MAX:
        yield timings_us, 0
        return
    for number in range(1, len(timings_us), 2):
        if timings_us[number] >= REST_US_MIN:
            yield timings_us[begin:number], timings_us[number]
            begin = number + 1
    yield timings_us[begin:], 0
