"""The figures of every fault, and the table of them that ends a run."""

from collections.abc import Sequence
from typing import NamedTuple


class Figures(NamedTuple):
    """
    What became of the observations of one fault.

    Attributes:
        fault: What was done to the station.
        sink: How the far end was meanwhile.
        observed: Observations that the station owed, and others that arrived all the same.
        delivered: Observations that the far end has.
        lost: Those that it owed and the far end has not.
        duplicate_ids: Ids that came with other bytes than before, and observations under a second id.
        sent_twice: Documents that came once more with the same id and bytes.
        remark: What else was counted.
    """

    fault: str
    sink: str
    observed: int
    delivered: int
    lost: int
    duplicate_ids: int
    sent_twice: int
    remark: str = ""


_HEADINGS = ("fault", "sink", "observed", "delivered", "lost", "duplicate ids", "sent twice", "")


def table(figures: Sequence[Figures]) -> str:
    """Return figures as text, a line each; texts to the left, numbers to the right."""
    rows = [_HEADINGS, *((*(_shown(value) for value in one),) for one in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = (
        "  ".join(
            cell.rjust(width) if 2 <= column <= 6 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def _shown(value: str | int) -> str:
    return f"{value:,}" if isinstance(value, int) else value
