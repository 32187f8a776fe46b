from pathlib import Path

import pytest

from weatherd.journal import memory_file, memory_outlives_us, young_folder
from weatherd.journal.places import file_system_of

MOUNTS = """\
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/root rw
23 22 0:21 / /run rw,nosuid shared:2 - tmpfs tmpfs rw,size=98304k
24 23 0:22 / /run/user/with\\040space\\134slash rw - ramfs none rw
25 22 0:23 / /var/lib rw - ext4 /dev/sda1 rw
26 25 0:24 / /var/lib rw master:1 propagate_from:2 - overlay overlay rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/runs", "ext4"),
        ("/run", "tmpfs"),
        ("/run/weatherd", "tmpfs"),
        ("/run/user/with space\\slash/deep", "ramfs"),
        ("/var/lib/weatherd", "overlay"),
    ],
)
def test_a_path_is_on_the_mount_that_is_nearest_and_newest(tmp_path: Path, path: str, kind: str) -> None:
    """The longest mount point counts, of several at one place the last, and odd letters are read as they are."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert file_system_of(Path(path), mounts) == kind


def test_a_system_that_does_not_say_has_nothing_in_memory(tmp_path: Path) -> None:
    """Without the system's word the card keeps what is young, which is only slower."""
    assert file_system_of(tmp_path, tmp_path / "nowhere") == ""


def test_a_folder_in_memory_is_made_and_used(memory_folder: Path, tmp_path: Path) -> None:
    """The file is not made yet, its folder is; each journal has a name of its own, always the same."""
    folder = memory_folder / "weatherd"
    one = memory_file(folder, tmp_path / "journal.db")
    assert folder.is_dir()
    assert one is not None
    assert one.parent == folder
    assert list(folder.iterdir()) == []
    assert one == memory_file(folder, tmp_path / "journal.db")
    assert one != memory_file(folder, tmp_path / "another.db")


def test_a_relative_path_is_the_same_journal(
    memory_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From wherever the daemon is started, a journal's young entries are found."""
    monkeypatch.chdir(tmp_path)
    assert memory_file(memory_folder, Path("journal.db")) == memory_file(memory_folder, tmp_path / "journal.db")


def test_a_folder_on_a_disk_is_not_used(tmp_path: Path) -> None:
    """What is written often shall not wear a card."""
    if file_system_of(tmp_path) in ("tmpfs", "ramfs"):
        pytest.skip("temporary folders are in memory here")
    assert memory_file(tmp_path / "run", tmp_path / "journal.db") is None


def test_a_folder_that_cannot_be_written_is_not_used(read_only_folder: Path, memory_folder: Path) -> None:
    """A mount that is read-only, a place where nothing can be made, a file in its place: the card has to do."""
    journal = Path("journal.db")
    assert file_system_of(read_only_folder) == "tmpfs"
    assert memory_file(read_only_folder, journal) is None
    assert memory_file(read_only_folder / "weatherd", journal) is None
    (memory_folder / "file").touch()
    assert memory_file(memory_folder / "file", journal) is None
    assert memory_file(memory_folder / "missing" / "deep", journal) is None
    assert [one.name for one in memory_folder.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("pid", "environment", "outlives"),
    [
        (4711, {}, True),
        (4711, {"container": ""}, True),
        (1, {}, False),
        (7, {"container": "podman"}, False),
    ],
)
def test_the_memory_of_a_container_ends_with_it(pid: int, environment: dict[str, str], *, outlives: bool) -> None:
    """Process 1 knows that it is in a container; beside an init program the environment says so."""
    assert memory_outlives_us(environment, pid) is outlives


def test_what_is_young_in_a_container_lies_beside_the_journal(
    memory_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its volume is what outlives it; elsewhere the folder in memory does."""
    journal = tmp_path / "journal.db"
    assert young_folder(memory_folder, journal) == memory_folder
    monkeypatch.setenv("container", "docker")
    assert young_folder(memory_folder, journal) == tmp_path
