"""Sizes and durations as people write them: a number, one space, a unit. Anything else is refused."""

import re
from collections.abc import Mapping
from decimal import Decimal

SIZE_UNITS: Mapping[str, int] = {
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
"""Bytes in each unit (IEC 80000-13: the k of kB is small, the K of KiB is large)."""

DURATION_UNITS: Mapping[str, int] = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
"""Seconds in each unit; a day is 24 hours."""

# So many digits are more than any size or duration needs, and few enough to stay exact.
_AMOUNT = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?) ([A-Za-z]+)", re.ASCII)


def parse_size(text: str) -> int:
    """
    Return a size such as ``256 MB`` in bytes.

    Raises:
        ValueError: If it is none, or no whole number of bytes.
    """
    size = _parse(text, SIZE_UNITS)
    if size % 1:
        raise ValueError
    return int(size)


def parse_duration(text: str) -> float:
    """
    Return a duration such as ``30 d`` in seconds.

    Raises:
        ValueError: If it is none.
    """
    return float(_parse(text, DURATION_UNITS))


def write_size(size: float) -> str:
    """Return a size of whole bytes in the largest unit that needs no fraction."""
    return _write(size, SIZE_UNITS, "B")


def write_duration(duration_s: float) -> str:
    """Return a duration in the largest unit that needs no fraction."""
    return _write(duration_s, DURATION_UNITS, "s")


def _parse(text: str, units: Mapping[str, int]) -> Decimal:
    amount = _AMOUNT.fullmatch(text)
    if not amount or amount[2] not in units:
        raise ValueError
    return Decimal(amount[1]) * units[amount[2]]


def _write(amount: float, units: Mapping[str, int], smallest: str) -> str:
    for unit, factor in sorted(units.items(), key=lambda item: -item[1]):
        if amount and amount % factor == 0:
            return f"{amount / factor:.0f} {unit}"
    return f"{amount} {smallest}"
