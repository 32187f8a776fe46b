"""
From the words of a lirc device to what a remote said: which key, and for how long it was held. Pure.

Nothing is decoded here; the kernel does that. A key that is held says the same again and again, and what tells it from
a key that is pressed twice depends on the remote: NEC has a sign for it, RC-5 a bit that changes with every press, and
many have nothing but the time between.
"""

from collections.abc import Sequence

from weatherd.processing.infrared import TIMINGS_MAX
from weatherd.sensors.lirc import (
    FLAG_TOGGLE,
    MODE2_OVERFLOW,
    MODE2_PULSE,
    MODE2_SPACE,
    MODE2_TIMEOUT,
    Sample,
    Scancode,
)

HELD_S = 0.25
"""Between two frames of a key that is held; remotes send one each 45 to 125 ms (rc-main.c, repeat_period)."""

GAP_US = 36_000
"""
A space so long ends a message. NEC rests for 40 ms before it repeats, and the longest rest that belongs into a message
is 35 ms, of an air conditioner's remote by Daikin.
"""

TIMINGS_MIN = 3
"""Two pulses and the space between them, NEC's sign of a held key; a single pulse is a lamp."""


class Presses:
    """Count how often a key is repeated."""

    def __init__(self) -> None:
        self._key: tuple[int, int, int] | None = None
        self._at_ns = 0
        self._repeat = 0

    def take(self, heard: Scancode) -> int:
        """Take in what was decoded; return how often it was said again, 0 for a new press."""
        key = (heard.protocol, heard.scancode, heard.flags & FLAG_TOGGLE)
        is_held = key == self._key and heard.at_ns - self._at_ns <= HELD_S * 1e9
        self._repeat = self._repeat + 1 if is_held else 0
        self._key, self._at_ns = key, heard.at_ns
        return self._repeat


class Messages:
    """Put pulses and spaces together, until a long space ends the message."""

    def __init__(self) -> None:
        self._timings: list[int] = []
        self._is_lost = False

    def take(self, sample: Sample) -> Sequence[int] | None:
        """
        Take in one word of the device; return the message that it ends.

        Returns:
            Pulses and spaces in turn, an odd number of them; none of a message that is too long, too short, or has a
            hole. None if no message has ended.
        """
        match sample.kind:
            case kind if kind == MODE2_PULSE:
                self._pulse(sample.value)
            case kind if kind == MODE2_SPACE and sample.value < GAP_US:
                self._space(sample.value)
            case kind if kind in {MODE2_SPACE, MODE2_TIMEOUT}:
                return self._ended()
            case kind if kind == MODE2_OVERFLOW:
                self._is_lost = True
        return None

    def _pulse(self, length_us: int) -> None:
        if len(self._timings) % 2:  # the kernel gives a long pulse in pieces
            self._timings[-1] += length_us
        else:
            self._add(length_us)

    def _space(self, length_us: int) -> None:
        if self._timings and len(self._timings) % 2 == 0:
            self._timings[-1] += length_us
        elif self._timings:
            self._add(length_us)

    def _add(self, length_us: int) -> None:
        if len(self._timings) < TIMINGS_MAX:
            self._timings.append(length_us)
        else:
            self._is_lost = True

    def _ended(self) -> Sequence[int] | None:
        if not self._timings and not self._is_lost:
            return None  # the silence that the kernel tells before the next message
        timings, self._timings = self._timings, []
        was_lost, self._is_lost = self._is_lost, False
        if len(timings) % 2 == 0:
            timings = timings[:-1]
        return timings if len(timings) >= TIMINGS_MIN and not was_lost else ()
