"""
Pages: bins of one series as bytes. Pure.

A page is a zlib stream (RFC 1950, with its checksum) of six columns, one behind the other; in it, each column is an
array of signed 64-bit numbers, little-endian, whose first bytes come first, then all second ones, and so on: numbers
that hardly change are mostly zeros then.

    start     steps since the bin before; the first one since the page's own beginning
    value     in units of the quantity's last decimal, since the bin before
    least     below the value
    greatest  above the value
    weight    as it is
    quality   its place in `FLAGS`
"""

import itertools
import sys
import zlib
from array import array
from collections.abc import Iterable, Sequence

from weatherd.history.bins import Bin
from weatherd.model import QUANTITIES, Quality

FLAGS = (
    *(Quality.GOOD, Quality.UNCHECKED, Quality.INCONSISTENT),
    *(Quality.DOUBTFUL, Quality.ERRONEOUS, Quality.MISSING),
)
"""The numbers of the flags in a page: new ones come behind these."""

_FLAG_NUMBERS = {flag: number for number, flag in enumerate(FLAGS)}
_COLUMNS = 6
_DECIMALS_UNKNOWN = 3
_WIDTH = 8
_VALUE_MAX = 2**60


class PageDamaged(ValueError):
    """These bytes are no page."""


def pack(quantity: str, bins: Sequence[Bin], page_start_ms: int, step_ms: int) -> bytes:
    """
    Write bins as a page.

    Args:
        quantity: Decides how many decimals are kept.
        bins: Ascending, at least one.
        page_start_ms: Where the page begins.
        step_ms: The length of a bin.
    """
    scale = _scale(quantity)
    steps = [(one.start_ms - page_start_ms) // step_ms for one in bins]
    values = [_scaled(one.value, scale) for one in bins]
    columns = (
        _differences(steps),
        _differences(values),
        [value - _scaled(one.least, scale) for value, one in zip(values, bins, strict=True)],
        [_scaled(one.greatest, scale) - value for value, one in zip(values, bins, strict=True)],
        [one.weight for one in bins],
        [_FLAG_NUMBERS[one.quality] for one in bins],
    )
    return zlib.compress(b"".join(_planes(column) for column in columns), 9)


def unpack(quantity: str, page: bytes, page_start_ms: int, step_ms: int) -> list[Bin]:
    """
    Read the bins of a page.

    Raises:
        PageDamaged: If it is none.
    """
    try:
        steps, changes, below, above, counts, flags = _columns(zlib.decompress(page))
        scale = _scale(quantity)
        values = list(itertools.accumulate(changes))
        columns = (
            [page_start_ms + step * step_ms for step in itertools.accumulate(steps)],
            [value / scale for value in values],
            [(value - low) / scale for value, low in zip(values, below, strict=True)],
            [(value + high) / scale for value, high in zip(values, above, strict=True)],
            counts,
            [FLAGS[number] for number in flags],
        )
        return list(map(Bin._make, zip(*columns, strict=True)))
    except (zlib.error, ValueError, IndexError) as error:
        raise PageDamaged(str(error)) from error


def _scale(quantity: str) -> int:
    known = QUANTITIES.get(quantity)
    return int(10 ** (_DECIMALS_UNKNOWN if known is None else known.decimals))


def _scaled(value: float, scale: int) -> int:
    return round(max(-_VALUE_MAX, min(value * scale, _VALUE_MAX)))


def _differences(numbers: Sequence[int]) -> Iterable[int]:
    return (number - before for before, number in itertools.pairwise((0, *numbers)))


def _planes(column: Iterable[int]) -> bytes:
    raw = _little_endian(array("q", column)).tobytes()
    return b"".join(raw[place::_WIDTH] for place in range(_WIDTH))


def _columns(raw: bytes) -> "list[array[int]]":
    size, rest = divmod(len(raw), _COLUMNS)
    if rest or size % _WIDTH or not size:
        raise ValueError(f"{len(raw)} bytes are no columns")
    return [_column(raw[place : place + size]) for place in range(0, len(raw), size)]


def _column(planes: bytes) -> "array[int]":
    count = len(planes) // _WIDTH
    raw = bytearray(len(planes))
    for place in range(_WIDTH):
        raw[place::_WIDTH] = planes[place * count : (place + 1) * count]
    column = array("q")
    column.frombytes(raw)
    return _little_endian(column)


def _little_endian(column: "array[int]") -> "array[int]":
    if sys.byteorder == "big":
        column.byteswap()
    return column
