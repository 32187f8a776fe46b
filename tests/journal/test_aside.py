import os
from pathlib import Path

import pytest

from weatherd.journal.aside import ASIDE_MAX, remove, saved_from, set_aside, take_place


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def names(path: Path) -> list[str]:
    return sorted(one.name for one in path.parent.iterdir())


def test_a_journal_and_its_wal_are_renamed_together(path: Path) -> None:
    """The new names begin with the old one, tell the time, and belong together; nothing is left behind."""
    path.write_bytes(b"journal")
    path.with_name("journal.db-wal").write_bytes(b"wal")
    aside = set_aside(path)
    assert aside.name.startswith("journal.db.damaged-2")
    assert names(path) == [aside.name, f"{aside.name}-wal"]
    assert aside.read_bytes() == b"journal"


def test_the_last_few_are_kept(path: Path) -> None:
    """A card that fails again and again is not filled by copies; two in one second do not overwrite each other."""
    asides = []
    for number in range(ASIDE_MAX + 2):
        path.write_bytes(b"%d" % number)
        path.with_name("journal.db-wal").touch()
        asides.append(set_aside(path))
        os.utime(asides[-1], (number, number))
    kept = asides[-ASIDE_MAX:]
    assert names(path) == sorted([one.name for one in kept] + [f"{one.name}-wal" for one in kept])
    assert [one.read_bytes() for one in kept] == [b"2", b"3"]


def test_what_was_saved_takes_the_place(path: Path) -> None:
    """The damaged journal goes aside with its WAL, which would not fit the new one; a second call changes nothing."""
    assert take_place(path) is None
    path.write_bytes(b"damaged")
    path.with_name("journal.db-wal").write_bytes(b"its wal")
    saved_from(path).write_bytes(b"saved")
    aside = take_place(path)
    assert aside is not None
    assert aside.read_bytes() == b"damaged"
    assert path.read_bytes() == b"saved"
    assert names(path) == ["journal.db", aside.name, f"{aside.name}-wal"]
    assert take_place(path) is None


@pytest.mark.parametrize("left", ["", "-wal"])
def test_an_end_in_the_middle_is_made_up_for(path: Path, left: str) -> None:
    """Whatever had been renamed when the process ended, what was saved is in its place in the end, without a WAL."""
    saved_from(path).write_bytes(b"saved")
    if left:
        path.with_name(f"journal.db{left}").write_bytes(b"its wal")
    assert take_place(path) is not None
    assert path.read_bytes() == b"saved"
    assert not path.with_name("journal.db-wal").exists()


def test_removing_takes_the_wal_and_needs_nothing(path: Path) -> None:
    """What is not there need not be removed."""
    remove(path)
    path.touch()
    path.with_name("journal.db-wal").touch()
    remove(path)
    assert names(path) == []
