"""The disk as the journal needs it, and as people find it."""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from weatherd import config
from weatherd.doctor import State, disk
from weatherd.doctor.daemon import Daemon
from weatherd.doctor.findings import Finding
from weatherd.journal import file_system_of

NOBODY = 65_534

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount, and give files away")


@contextlib.contextmanager
def powerless() -> Iterator[None]:
    """Be nobody for a while, where one is root: root may do everything."""
    is_root = os.geteuid() == 0
    if is_root:
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
            os.setegid(0)


@pytest.fixture
def shared() -> Iterator[Path]:
    """Make a folder that everybody gets to: that of pytest is only for who runs it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 64 kB, in memory; for root."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def examine(folder: Path, daemon: Daemon = Daemon(), **journal: Any) -> Sequence[Finding]:  # noqa: B008 - frozen
    found = disk.journal(config.Journal(path=folder / "journal.db", **journal), daemon)
    for one in found:
        assert (one.check, one.subject) == ("disk", "journal")
        assert bool(one.hint) == bool(one.code) == (one.state is not State.OK)
    return found


def test_a_folder_that_can_be_written_is_right_and_stays_empty(tmp_path: Path) -> None:
    """A page is written and synced for real, and nothing of it is left behind."""
    found = examine(tmp_path)[0]
    assert found.state is State.OK
    assert f"{tmp_path} can be written" in found.message
    assert file_system_of(tmp_path) in found.message
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_missing_is_told(tmp_path: Path) -> None:
    """The journal makes no folder, so people make it."""
    (found,) = examine(tmp_path / "there" / "is" / "none")
    assert (found.state, found.code) == (State.FAIL, "disk.no_folder")
    assert "install -d" in found.hint


def test_the_folder_of_the_unit_is_made_by_systemd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Before the first start of the unit its folder is not there, and nobody has to make it."""
    monkeypatch.setattr(disk, "STATE_FOLDER", tmp_path / "weatherd")
    (found,) = examine(tmp_path / "weatherd")
    assert (found.state, found.code) == (State.WARN, "disk.no_folder")
    assert "systemctl start weatherd" in found.hint


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path: Path) -> None:
    """A path that goes through a file is a mistake in the configuration."""
    (tmp_path / "file").touch()
    (found,) = examine(tmp_path / "file")
    assert (found.state, found.code) == (State.FAIL, "disk.no_folder")


def test_a_folder_in_the_place_of_the_file_is_told(tmp_path: Path) -> None:
    """A journal.path that names a folder is a mistake in the configuration."""
    (tmp_path / "journal.db").mkdir()
    (found,) = examine(tmp_path)
    assert (found.state, found.code) == (State.FAIL, "disk.no_file")
    assert f"{tmp_path}/journal.db/journal.db" in found.hint


def test_a_folder_of_somebody_else_is_told_with_the_way_to_get_it(shared: Path) -> None:
    """Who may not write is told by name, and by what command he may."""
    shared.chmod(0o555)
    with powerless():
        (found,) = examine(shared)
    assert (found.state, found.code) == (State.FAIL, "disk.not_writable")
    assert "sudo chown" in found.hint


@as_root
def test_a_read_only_disk_is_told(read_only_folder: Path) -> None:
    """A card with faults is turned read-only by the kernel."""
    (found,) = examine(read_only_folder)
    assert (found.state, found.code) == (State.FAIL, "disk.read_only")


@as_root
def test_a_full_disk_is_told(small: Path) -> None:
    """Not a page can be written."""
    with contextlib.suppress(OSError):
        (small / "much").write_bytes(bytes(1_000_000))
    (found,) = examine(small)
    assert (found.state, found.code) == (State.FAIL, "disk.full")


@as_root
def test_a_disk_in_memory_with_little_room_is_told_as_both(small: Path) -> None:
    """A power cut takes what is in memory; and the journal is meant to become larger than the disk."""
    found = examine(small)
    assert [one.code for one in found] == ["", "disk.in_memory", "disk.little_room"]
    assert found[2].message.endswith("the journal may grow by 256.0 MB")


def test_what_the_journal_has_already_needs_no_room(tmp_path: Path) -> None:
    """Only its growth counts: here the free space is enough for that, and not for the whole."""
    space = os.statvfs(tmp_path)
    free = space.f_bavail * space.f_frsize
    with (tmp_path / "journal.db").open("wb") as file:
        file.truncate(free)  # a file of holes takes no room
    assert [one.code for one in examine(tmp_path, size_max=free + free // 2)] == [""]
    assert [one.code for one in examine(tmp_path, size_max=3 * free)] == ["", "disk.little_room"]


@as_root
def test_files_that_root_has_left_behind_are_told(tmp_path: Path) -> None:
    """A `sudo weatherd run` leaves files that the daemon of the unit could not use."""
    (tmp_path / "journal.db-tail").touch()
    os.chown(tmp_path, NOBODY, NOBODY)
    (found,) = examine(tmp_path)
    assert (found.state, found.code) == (State.FAIL, "disk.foreign_file")
    assert found.hint.endswith(f"`sudo chown nobody {tmp_path}/journal.db-tail`")
    os.chown(tmp_path / "journal.db-tail", NOBODY, NOBODY)
    assert examine(tmp_path)[0].state is State.OK


@as_root
def test_for_root_the_owner_of_the_folder_counts(tmp_path: Path) -> None:
    """Root can write where the daemon's own user may not."""
    os.chown(tmp_path, NOBODY, NOBODY)
    tmp_path.chmod(0o500)
    (found,) = examine(tmp_path)
    assert (found.state, found.code) == (State.FAIL, "disk.not_writable")
    assert "nobody, to whom it belongs" in found.message


JOURNAL = {"path": "/x/journal.db", "size": 10, "size_max": 100, "quarantined_count": 0, "error": None}


def test_a_journal_that_a_daemon_has_is_not_touched() -> None:
    """The daemon is asked, also where its folder is not even there for us."""
    (found,) = examine(Path("/x"), Daemon({"journal": JOURNAL}))
    assert found.state is State.OK
    assert found.message.startswith("/x/journal.db takes what is observed, says the daemon")


def test_what_troubles_the_daemons_journal_is_told() -> None:
    """Its error with its hint, and what was refused and waits."""
    error = {"code": "journal.full", "message": "it is full", "hint": "make room"}
    found = examine(Path("/x"), Daemon({"journal": {**JOURNAL, "error": error, "quarantined_count": 2}}))
    assert [(one.state, one.code) for one in found] == [
        (State.FAIL, "journal.full"),
        (State.WARN, "journal.quarantined"),
    ]
    assert found[1].message == "2 documents were refused, and wait in quarantine"


def test_beside_a_daemon_that_cannot_be_asked_the_disk_is_left_alone(tmp_path: Path) -> None:
    """Its journal is another user's, and what this one may not is no fault."""
    (journal,) = examine(tmp_path / "missing", Daemon(is_silent=True))
    (runtime,) = disk.runtime(tmp_path / "missing", Daemon(is_silent=True))
    for found in (journal, runtime):
        assert (found.state, found.code) == (State.WARN, "doctor.not_tried")


@as_root
def test_a_runtime_folder_in_memory_is_right(small: Path) -> None:
    """What is young outlives the process there, and costs the card nothing."""
    (found,) = disk.runtime(small, Daemon())
    assert found.state is State.OK
    assert list(small.iterdir()) == []


def test_a_runtime_folder_on_the_card_is_worth_a_look(tmp_path: Path) -> None:
    """It works, and wears the card."""
    if file_system_of(tmp_path) in {"tmpfs", "ramfs"}:
        pytest.skip("the folders of these tests are in memory")
    (found,) = disk.runtime(tmp_path, Daemon())
    assert (found.state, found.code) == (State.WARN, "disk.runtime_on_card")


def test_a_runtime_folder_that_is_missing_is_not_made(tmp_path: Path) -> None:
    """A folder of root would be in the daemon's way."""
    (found,) = disk.runtime(tmp_path / "weatherd", Daemon())
    assert (found.state, found.code) == (State.WARN, "disk.no_runtime_folder")
    assert not (tmp_path / "weatherd").exists()


def test_a_runtime_folder_of_somebody_else_is_told(shared: Path) -> None:
    """Without it young observations would be on the card."""
    shared.chmod(0o555)
    with powerless():
        (found,) = disk.runtime(shared, Daemon())
    assert (found.state, found.code) == (State.WARN, "disk.not_writable")


@pytest.mark.parametrize(("in_memory", "state"), [(True, State.OK), (False, State.WARN)])
def test_a_running_daemon_knows_where_young_observations_are(*, in_memory: bool, state: State) -> None:
    """Its own runtime folder counts, not the one that this process would have."""
    (found,) = disk.runtime(Path("/x"), Daemon({"journal": {"in_memory": in_memory}}))
    assert found.state is state


@pytest.mark.parametrize("daemon", [Daemon(), Daemon({"journal": {"in_memory": False}})])
def test_a_container_keeps_young_observations_beside_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, daemon: Daemon
) -> None:
    """That is meant so, and no warning: its memory would end with it."""
    monkeypatch.setenv("container", "docker")
    (found,) = disk.runtime(tmp_path, daemon)
    assert (found.state, "beside the journal" in found.message) == (State.OK, True)
