"""Set a damaged journal aside, so that a new one can take its place and a person can look at the old one."""

import contextlib
import datetime as dt
import os
from pathlib import Path

ASIDE_MAX = 2
"""Damaged journals that are kept; with one more the oldest is removed, so that a failing card is not filled by them."""


def set_aside(path: Path) -> Path:
    """Rename a journal and its WAL to a name with the time; return it."""
    time = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = path.with_name(f"{path.name}.damaged-{time}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.damaged-{time}-{number}")
    for one, other in ((path, aside), (_wal(path), _wal(aside))):
        with contextlib.suppress(FileNotFoundError):
            one.rename(other)
    every = [one for one in path.parent.glob(f"{path.name}.damaged-*") if not one.name.endswith("-wal")]
    for old in sorted(every, key=os.path.getctime)[:-ASIDE_MAX]:
        remove(old)
    return aside


def take_place(path: Path) -> Path | None:
    """
    Let what was saved of a journal take its place, if there is anything; return where the journal itself is now.

    Also at the start: the process may have ended when all was saved, and not yet in its place.
    """
    saved = saved_from(path)
    if not saved.exists():
        return None
    aside = set_aside(path)
    saved.rename(path)
    return aside


def saved_from(path: Path) -> Path:
    """Return where all that can be read of a journal waits to take its place, in one file."""
    return path.with_name(f"{path.name}.saved")


def remove(path: Path) -> None:
    """Remove a journal and its WAL, if they are there."""
    path.unlink(missing_ok=True)
    _wal(path).unlink(missing_ok=True)


def _wal(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")
