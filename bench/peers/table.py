"""The table: figures of all peers side by side, each with its ratio to weatherd's of the same run."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

Results = Mapping[str, Mapping[str, Mapping[str, float]]]
"""By work, by peer, by figure."""

OWN = "weatherd"


class Figure(NamedTuple):
    """A row: the name of the figure, what it is called, how it is written, and whether a ratio says something."""

    name: str
    title: str
    style: str = ",.0f"
    has_ratio: bool = True


_LOSS = (Figure("lost", "lost", has_ratio=False), Figure("duplicates", "sent twice", has_ratio=False))
WORKS: Mapping[str, tuple[str, Sequence[Figure]]] = {
    "up": (
        "Four documents a second, the far end answers",
        (
            Figure("resident", "resident memory, MB", ".1f"),
            Figure("private", "of which private, MB", ".1f"),
            Figure("cpu", "CPU s per 600 s", ".2f"),
            Figure("wakeups", "wake-ups a second", ".1f"),
            Figure("device", "bytes on the block device a document"),
            Figure("wire", "bytes on the wire a document"),
            *_LOSS,
        ),
    ),
    "dead": (
        "Four documents a second, the far end answers 503",
        (
            Figure("resident", "resident memory, MB", ".1f"),
            Figure("cpu", "CPU s per 600 s", ".2f"),
            Figure("wakeups", "wake-ups a second", ".1f"),
            Figure("device", "bytes on the block device a document"),
            Figure("attempts", "attempts"),
            Figure("return", "s until all is there, once it answers again", ".1f", has_ratio=False),
            *_LOSS,
        ),
    ),
    "flood": (
        "As many as possible, the far end answers",
        (
            Figure("taken", "documents/s in"),
            Figure("delivered", "documents/s delivered"),
            Figure("cpu", "CPU us a document", ".1f"),
            Figure("peak", "peak memory, MB", ".1f"),
            Figure("wire", "bytes on the wire a document"),
            Figure("lost", "not there a minute later", has_ratio=False),
            Figure("duplicates", "sent twice", has_ratio=False),
        ),
    ),
    "backlog": (
        "A backlog, written while nobody listens",
        (
            Figure("taken", "documents/s in"),
            Figure("peak_in", "peak memory until it is there, MB", ".1f"),
            Figure("delivered", "documents/s out"),
            Figure("cpu", "CPU us a document out", ".1f"),
            Figure("peak", "peak memory while it goes out, MB", ".1f"),
            Figure("return", "s until the first, once somebody listens", ".1f", has_ratio=False),
            *_LOSS,
        ),
    ),
    "start": ("From the start to the first delivery", (Figure("first", "s", ".2f"),)),
    "kill": ("Killed while 2,000 documents a second come in", _LOSS),
}


def rows(results: Results, names: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield the rows of the table, a title alone before each work's."""
    for work, (title, figures) in WORKS.items():
        if not results.get(work):
            continue
        yield [title, *("" for _ in names)]
        for figure in figures:
            own = results[work].get(OWN, {}).get(figure.name)
            cells = [_cell(results[work].get(name, {}).get(figure.name), own, figure, name) for name in names]
            yield [f"  {figure.title}", *cells]


def _cell(value: float | None, own: float | None, figure: Figure, name: str) -> str:
    if value is None:
        return "-"
    text = format(value, figure.style)
    return f"{text} ({value / own:.2f})" if figure.has_ratio and own and name != OWN else text


def said(work: str, result: Mapping[str, float]) -> str:
    """Say one result in a line."""
    return "; ".join(
        f"{figure.title} {result[figure.name]:{figure.style}}" for figure in WORKS[work][1] if figure.name in result
    )


def as_text(table: Sequence[Sequence[str]]) -> str:
    """Align it for a terminal."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(_aligned(row, widths).rstrip() for row in table)


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True))
    return "  ".join([f"{row[0]:<{len(first)}}", *others])


def as_markdown(table: Sequence[Sequence[str]]) -> str:
    """Write it for a page; the first row is its head."""
    head, *body = table
    ruler = ["---", *("--:" for _ in head[1:])]
    return "\n".join(f"| {' | '.join(_emphasised(row))} |" for row in [head, ruler, *body])


def _emphasised(row: Sequence[str]) -> Sequence[str]:
    is_title = row[0] and not row[0].startswith((" ", "-")) and not any(row[1:])
    return [f"**{row[0]}**" if is_title else row[0].strip(), *row[1:]]
