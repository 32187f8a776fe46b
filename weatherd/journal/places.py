"""Where young entries are kept: in a folder in memory that outlives the process, if there is one."""

import os
import zlib
from collections.abc import Mapping
from pathlib import Path

_IN_MEMORY = frozenset({"tmpfs", "ramfs"})
_MOUNTS = Path("/proc/self/mountinfo")
_INIT = 1


def memory_outlives_us(environment: Mapping[str, str] = os.environ, pid: int | None = None) -> bool:
    """
    Tell whether a folder in memory is still there when this process is started again.

    In a container it is not: it is mounted for the container, and gone with it. The first process of a container is
    its number 1; where an init program is that instead, or another process asks, the environment tells.

    Source:
        systemd's container interface (systemd.io/CONTAINER_INTERFACE): whoever runs a container sets ``$container``.
        Podman does, Docker and Kubernetes do not, so our Dockerfile sets it. A service of a systemd within a container
        does not get it, and is right not to: there memory stays while the service is restarted.
    """
    return (os.getpid() if pid is None else pid) != _INIT and not environment.get("container")


def young_folder(runtime_folder: Path, journal: Path) -> Path:
    """Return where to keep what must outlive the process: in memory if that does, else beside the journal."""
    return runtime_folder if memory_outlives_us() else journal.absolute().parent


def memory_file(folder: Path, journal: Path) -> Path | None:
    """
    Return the file for the young tail of a journal; None if the folder is not in memory, or cannot be written.

    The name tells journals apart, so that one is never mistaken for another's.

    Args:
        folder: The runtime folder; made if it is missing.
        journal: The database's path.
    """
    try:
        folder.mkdir(mode=0o755, exist_ok=True)
    except OSError:
        return None
    if not os.access(folder, os.W_OK | os.X_OK) or file_system_of(folder) not in _IN_MEMORY:
        return None
    return folder / f"journal-{mark_of(journal)}.tail"


def mark_of(journal: Path) -> str:
    """Return eight hex digits that tell a journal's files from another's in a folder that both use."""
    return f"{zlib.crc32(os.fsencode(journal.absolute())):08x}"


def file_system_of(path: Path, mounts: Path = _MOUNTS) -> str:
    """
    Return the type of the file system under a path; nothing if the system does not say.

    Source:
        proc_pid_mountinfo(5): the fifth field is the mount point, with spaces and the like as octal numbers; the
        first behind the lone hyphen is the type. Of several at one place the last one is seen.
    """
    real = Path(os.path.realpath(path))
    found, found_length = "", -1
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return ""
    for line in lines:
        before, _, after = line.partition(" - ")
        point = Path(os.fsdecode(os.fsencode(before.split(" ")[4]).decode("unicode_escape").encode("latin-1")))
        if len(point.parts) >= found_length and real.is_relative_to(point):
            found, found_length = after.split(" ")[0], len(point.parts)
    return found
