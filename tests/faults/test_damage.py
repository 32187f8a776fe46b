"""
A damaged journal: set aside, what can be read of it is taken over, and the station goes on.

What was delivered is not lost with it, nor what lies on pages that are whole. Which observations lie on the others is
read from a copy that was taken before.
"""

import asyncio
import contextlib
import os
import random
import shutil
import signal
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.faults.trials import Trial, number_of
from weatherd.journal.rows import Row, unpack

MakeTrial = Callable[..., Trial]
Pages = frozenset[int]

PAGE_SIZE = 4096
RATE = 1500.0
NOISE_SIZE = 400
"""Bytes of each line, so that each row has many pages."""


class _Page(NamedTuple):
    """A page of the table of entries, and the seqs of the rows that have a part on it."""

    number: int
    rows: Sequence[int]


def _truncate(file: Path, pages: Sequence[_Page]) -> Pages:
    """Cut off a little more than the second half, in the middle of a page."""
    size = file.stat().st_size // 2 // PAGE_SIZE * PAGE_SIZE - 1000
    os.truncate(file, size)
    return frozenset(page.number for page in pages if page.number * PAGE_SIZE > size)


def _zero(file: Path, pages: Sequence[_Page]) -> Pages:
    """Lose one page in the middle."""
    with_rows = [page for page in pages if page.rows]
    number = with_rows[len(with_rows) // 2].number
    _overwrite(file, (number - 1) * PAGE_SIZE, bytes(PAGE_SIZE))
    return frozenset([number])


def _overwrite_header(file: Path, pages: Sequence[_Page]) -> Pages:
    """Write garbage over the first page: SQLite's header, and where the tables are."""
    _overwrite(file, 0, random.Random(1).randbytes(PAGE_SIZE))
    return frozenset([1])


def _overwrite(file: Path, offset: int, content: bytes) -> None:
    with file.open("r+b") as stream:
        stream.seek(offset)
        stream.write(content)


def _pages(database: sqlite3.Connection) -> Sequence[_Page]:
    """
    Return where the rows are.

    Source:
        sqlite.org/dbstat.html: the path of an overflow page is that of its leaf, the cell's number, "+", its own.
    """
    rows = [seq for (seq,) in database.execute("SELECT first_seq FROM entries ORDER BY first_seq")]
    found = database.execute("SELECT pageno, pagetype, path, ncell FROM dbstat WHERE name = 'entries' ORDER BY path")
    pages: list[_Page] = []
    leaves: dict[str, Sequence[int]] = {}
    done = 0
    for number, kind, path, cells_count in found.fetchall():
        if kind == "leaf":
            leaves[path] = rows[done : done + cells_count]
            done += cells_count
            pages.append(_Page(number, leaves[path]))
        elif kind == "overflow":
            leaf, _, rest = path.rpartition("/")
            pages.append(_Page(number, [leaves[f"{leaf}/"][int(rest.partition("+")[0], 16)]]))
        else:
            pages.append(_Page(number, []))
    assert done == len(rows)
    return pages


def _damage(trial: Trial, how: Callable[[Path, Sequence[_Page]], Pages], folder: Path) -> None:
    """Damage the journal; what lay on the damaged pages may be lost."""
    file = trial.folder / "journal.db"
    copy = folder / file.name
    shutil.copy(file, copy)
    with contextlib.suppress(FileNotFoundError):
        shutil.copy(f"{file}-wal", f"{copy}-wal")
    with contextlib.closing(sqlite3.connect(copy)) as database:
        pages = _pages(database)
        damaged = how(file, pages)
        rows = {row for page in pages if page.number in damaged for row in page.rows}
        for row in rows:
            columns = database.execute("SELECT * FROM entries WHERE first_seq = ?", (row,)).fetchone()
            numbers = (number_of(line) for line in unpack(Row._make(columns)).documents if line)
            trial.excused.update(number for number in numbers if number is not None)


@pytest.mark.parametrize("sink", ["up", "down"])
@pytest.mark.parametrize("when", ["between two starts", "while it runs"])
@pytest.mark.parametrize(
    ("what", "how", "first_s"),
    # The leaf of the first three rows is written with the fourth, behind them all: only with twice as many rows is it
    # in the half that stays. Their number goes by the clock: a busy machine makes few large ones of as many lines.
    [
        pytest.param("truncated", _truncate, 5.0, marks=pytest.mark.alone),
        ("one page zeroed", _zero, 2.5),
        ("header overwritten", _overwrite_header, 2.5),
    ],
    ids=["truncated", "zeroed", "overwritten"],
)
async def test_a_damaged_journal_costs_no_more_than_what_was_on_the_damaged_pages(
    make_trial: MakeTrial,
    tmp_path: Path,
    *,
    sink: str,
    when: str,
    what: str,
    how: Callable[[Path, Sequence[_Page]], Pages],
    first_s: float,
) -> None:
    """The station goes on, delivers everything that can still be read, and tells of the damage."""
    trial = make_trial(f"journal {what} {when}", sink, rate=RATE, noise_size=NOISE_SIZE, journal="history_period_s = 1")
    async with trial:
        async with trial.station() as running:
            await asyncio.sleep(first_s)
            await trial.until_read(int(first_s * RATE))
            await trial.stop(running)
        if when == "between two starts":
            _damage(trial, how, tmp_path)
        async with trial.station() as running:
            if when == "while it runs":
                await asyncio.sleep(0.5)
                running.process.send_signal(signal.SIGSTOP)
                _damage(trial, how, tmp_path)
                running.process.send_signal(signal.SIGCONT)
            await asyncio.sleep(1.0)
            await trial.mend_far_end()
            await trial.until_delivered()
            await trial.stop(running)
        trial.remark = f"{len(trial.excused):,} were on damaged pages"
        await trial.settle()
    assert len(trial.excused) < len(trial.account.owed) * 0.7, "hardly anything was left"
    if trial.figures().lost or (when == "between two starts" and how is not _zero):
        assert trial.far_end.told() & {"journal_damaged", "entries_unreadable"}
