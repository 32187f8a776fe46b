"""
NEC as the kernel encodes and decodes it: for the emulated infrared device, which has this one protocol.

    9 ms pulse, 4.5 ms space, 32 bits of 0.5625 ms pulse and 0.5625 or 1.6875 ms space, 0.5625 ms pulse
    9 ms pulse, 2.25 ms space, 0.5625 ms pulse          the key is still held

The 32 bits are address, its inverse, command, its inverse, each with its lowest bit first.

Source:
    Linux, drivers/media/rc/ir-nec-decoder.c and include/media/rc-core.h (ir_nec_bytes_to_scancode).
"""

import itertools
from collections.abc import Iterator, Sequence

UNIT_US = 562.5
HEADER_US = (round(16 * UNIT_US), round(8 * UNIT_US))
REPEAT_US = (HEADER_US[0], round(4 * UNIT_US), round(UNIT_US))
GAP_US = 10 * UNIT_US
"""A space so long ends a frame."""

_BITS = 32
_BYTE = 0xFF


def encode(scancode: int) -> Sequence[int]:
    """Return pulses and spaces of a 16-bit scancode, in microseconds: 67 of them."""
    address, command = scancode >> 8 & _BYTE, scancode & _BYTE
    timings = list(HEADER_US)
    for byte in (address, address ^ _BYTE, command, command ^ _BYTE):
        for bit in range(8):
            timings += [round(UNIT_US), round((3 if byte >> bit & 1 else 1) * UNIT_US)]
    return [*timings, round(UNIT_US)]


def decode(timings: Sequence[int]) -> Iterator[int | None]:
    """
    Yield what the frames in a message say: a scancode, or None for a key that is still held.

    Args:
        timings: Pulses and spaces in turn, in microseconds.
    """
    frame: list[int] = []
    for is_space, timing in zip(itertools.cycle((False, True)), timings, strict=False):
        if is_space and timing >= GAP_US:
            yield from _decoded(frame)
            frame = []
        else:
            frame.append(timing)
    yield from _decoded(frame)


def _decoded(frame: Sequence[int]) -> Iterator[int | None]:
    if len(frame) == len(REPEAT_US) and all(map(_is_about, frame, REPEAT_US)):
        yield None
    if len(frame) != 2 * _BITS + 3 or not all(map(_is_about, frame, HEADER_US)):
        return
    bits = [round(space / UNIT_US) for space in frame[3::2]]
    if set(bits) - {1, 3} or not all(_is_about(pulse, UNIT_US) for pulse in frame[2::2]):
        return
    word = sum(1 << number for number, units in enumerate(bits) if units == 3)  # noqa: PLR2004 - a one
    address, not_address, command, not_command = word.to_bytes(4, "little")
    if address == not_address ^ _BYTE and command == not_command ^ _BYTE:
        yield address << 8 | command


def _is_about(found_us: float, wanted_us: float) -> bool:
    return abs(found_us - wanted_us) <= max(UNIT_US / 2, wanted_us / 5)
