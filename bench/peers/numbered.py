"""
Lines to write, each with a number of its own, made faster than any program reads them.

All lines of a block are equally long, so the digits of a number are a column of it: a new block is the old one with
nine columns written over, at a fraction of what it would cost to format its lines.
"""

import json
from collections.abc import Callable, Iterator

from bench_tools import lines

from peers.tally import DIGITS, FIRST

BLOCK_COUNT = 500
LINE_SIZE = 300
"""Bytes of a line with its line break."""

_PLACE = "#" * DIGITS


def json_lines() -> list[str]:
    """Return a block of lines such as a radio receiver prints, with a place for the number."""
    return [_json_line(json.loads(line)) for line in lines(BLOCK_COUNT)]


def _json_line(fields: dict[str, object]) -> str:
    del fields["mod"], fields["mic"]
    text = json.dumps({"number": _PLACE, **fields, "mod": ""}, separators=(",", ":")).replace(f'"{_PLACE}"', _PLACE)
    return text[:-2] + "A" * (LINE_SIZE - 1 - len(text)) + text[-2:] + "\n"


class Block:
    """
    A block of lines that can be numbered again and again.

    Args:
        make: Returns the lines; equally long, ASCII, each with nine number signs at the same place.
    """

    def __init__(self, make: Callable[[], list[str]] = json_lines) -> None:
        made = make()
        self.count = len(made)
        self._size = len(made[0])
        if {len(line) for line in made} != {self._size} or len({line.index(_PLACE) for line in made}) != 1:
            raise ValueError("the lines of a block are not alike")
        self._place = made[0].index(_PLACE)
        self._bytes = bytearray("".join(made), "ascii")

    def numbered(self, first: int) -> bytes:
        """Return the block, numbered from `first` on, the first of all lines being number 0."""
        for column, digits in enumerate(zip(*self._numbers(first), strict=True)):
            self._bytes[self._place + column :: self._size] = bytes(digits)
        return bytes(self._bytes)

    def _numbers(self, first: int) -> Iterator[bytes]:
        return (b"%d" % number for number in range(FIRST + first, FIRST + first + self.count))

    def line(self, number: int) -> bytes:
        """Return one line, with a number."""
        start = number % self.count * self._size
        line = bytes(self._bytes[start : start + self._size])
        return line[: self._place] + b"%d" % (FIRST + number) + line[self._place + DIGITS :]
