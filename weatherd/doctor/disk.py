"""
Whether the journal can be written where the configuration has it, and stays there.

What is written to try it is a file without a name: it is gone with its last byte, whoever runs this.
Root may write everywhere, and the daemon is seldom root. So for root the owner of the folder counts.
"""

import errno
import os
import pwd
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from weatherd import config
from weatherd.doctor.daemon import NOT_TRIED, SEE_DAEMON, Daemon
from weatherd.doctor.findings import Finding, fail, ok, warn
from weatherd.journal import file_system_of, memory_outlives_us

STATE_FOLDER = Path("/var/lib/weatherd")
"""Made by systemd at the unit's first start, and given to the unit's user."""

_PAGE = bytes(4096)
_IN_MEMORY = frozenset({"tmpfs", "ramfs"})
_ON_A_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs"})
_FILES = ("", "-wal", "-tail", "-tail2")
_RWX = stat.S_IRUSR | stat.S_IWUSR | stat.S_IXUSR


def journal(settings: config.Journal, daemon: Daemon) -> Sequence[Finding]:
    """
    Try the journal's folder; if a daemon has the journal, ask it. Blocks for as long as the disk does.

    Args:
        settings: The journal's table.
        daemon: Which may have the journal.
    """
    if daemon.is_silent:
        return [warn("disk", "journal", "doctor.not_tried", NOT_TRIED, SEE_DAEMON)]
    if daemon.status is not None:
        return list(_asked(daemon.status["journal"]))
    return list(_journal(settings))


def runtime(folder: Path, daemon: Daemon) -> Sequence[Finding]:
    """
    Tell whether what is young is kept in memory, and not on the card. Blocks as `journal` does.

    Args:
        folder: The runtime folder; it is not made if it is missing.
        daemon: Which knows its own.
    """
    if daemon.is_silent:
        return [warn("disk", "runtime", "doctor.not_tried", NOT_TRIED, SEE_DAEMON)]
    if daemon.status is not None:
        if daemon.status["journal"]["in_memory"]:
            return [ok("disk", "runtime", "young observations are in memory, says the daemon")]
        return [_on_card() if memory_outlives_us() else _beside_the_journal()]
    if not memory_outlives_us():
        return [_beside_the_journal()]
    return [_runtime(folder)]


def _asked(journal: Mapping[str, Any]) -> Iterator[Finding]:
    if error := journal["error"]:
        yield fail("disk", "journal", error["code"], f"{error['message']}, says the daemon", error["hint"])
    else:
        size = f"{_size(journal['size'])} of {_size(journal['size_max'])}"
        yield ok("disk", "journal", f"{journal['path']} takes what is observed, says the daemon: {size}")
    if count := journal["quarantined_count"]:
        sentence = f"{count:,} {'document was' if count == 1 else 'documents were'} refused, and wait in quarantine"
        hint = "`weatherd journal quarantine` shows why, `weatherd journal requeue` tries again"
        yield warn("disk", "journal", "journal.quarantined", sentence, hint)


def _journal(settings: config.Journal) -> Iterator[Finding]:
    folder = settings.path.parent
    if not folder.exists():
        yield _missing(folder)
        return
    problem = _problem(folder) or _foreign_file(settings.path)
    if problem is not None:
        yield problem
        return
    kind = file_system_of(folder)
    size = sum(path.stat().st_size for path in _files(settings.path))
    space = os.statvfs(folder)
    free = space.f_bavail * space.f_frsize
    yield ok("disk", "journal", f"{folder} can be written{_for_whom(folder)}: {kind or 'a disk'}, {_size(free)} free")
    if kind in _IN_MEMORY:
        sentence = f"{folder} is in memory: what it holds does not survive a power cut"
        yield warn("disk", "journal", "disk.in_memory", sentence, "set journal.path to a folder on the card")
    if kind == "overlay":
        sentence = f"{folder} is on an overlay: what it holds may not survive the container, or the power"
        hint = "mount a volume there; on a Pi, see whether raspi-config's overlay file system is on"
        yield warn("disk", "journal", "disk.overlay", sentence, hint)
    if kind in _ON_A_NETWORK:
        sentence = f"{folder} is on another machine ({kind}): a journal there can be damaged"
        yield warn(
            "disk", "journal", "disk.on_a_network", sentence, "set journal.path to a folder on a disk of its own"
        )
    growth = settings.size_max - size
    if free < growth:
        sentence = f"{_size(free)} are free, and the journal may grow by {_size(growth)}"
        hint = f"make room (see `df -h {folder}`), or lower journal.size_max"
        yield warn("disk", "journal", "disk.little_room", sentence, hint)


def _missing(folder: Path) -> Finding:
    if folder == STATE_FOLDER:
        sentence = f"there is no folder {folder} yet: systemd makes it when it starts the unit"
        hint = "`sudo systemctl start weatherd`; to run without it, set journal.path to a folder of yours"
        return warn("disk", "journal", "disk.no_folder", sentence, hint)
    hint = f"make it, and give it to the user of the daemon: `sudo install -d -o USER {folder}`"
    return fail("disk", "journal", "disk.no_folder", f"there is no folder {folder}", hint)


def _problem(folder: Path) -> Finding | None:
    """Write a page to a folder, and return what stands against it."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(_PAGE)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        code, sentence, hint = _words(error.errno or 0, folder)
        return fail("disk", "journal", code, sentence, hint)
    owner = folder.stat()
    if os.geteuid() == 0 and owner.st_uid and owner.st_mode & _RWX != _RWX:
        name = _user(owner.st_uid)
        sentence = f"{folder} may not be written by {name}, to whom it belongs"
        return fail("disk", "journal", "disk.not_writable", sentence, f"allow it: `sudo chmod u+rwx {folder}`")
    return None


def _words(number: int, folder: Path) -> tuple[str, str, str]:
    """Return a code, a sentence and a hint for what the system said."""
    user = _user(os.geteuid())
    match number:
        case errno.EACCES | errno.EPERM:
            hint = f"if {user} is to run the daemon: `sudo chown {user} {folder}`; if not, try with sudo"
            return "disk.not_writable", f"{folder} may not be written by {user}", hint
        case errno.EROFS:
            hint = "a card with faults is turned read-only: see `dmesg` and `findmnt --target`; `mount -o remount,rw`"
            return "disk.read_only", f"{folder} is on a file system that is read-only", hint
        case errno.ENOSPC | errno.EDQUOT:
            return "disk.full", f"the disk is full under {folder}", f"make room: see `df -h {folder}`"
        case errno.ENOTDIR:
            return "disk.no_folder", f"{folder} is no folder", "correct journal.path"
    sentence = f"{folder} cannot be written: {os.strerror(number)}"
    return "disk.failed", sentence, "see `dmesg`: the card may be at its end"


def _foreign_file(path: Path) -> Finding | None:
    """Return what stands against what is there already: no file, or another user's than the folder."""
    if path.is_dir():
        hint = f'set journal.path to a file in it: "{path}/journal.db"'
        return fail("disk", "journal", "disk.no_file", f"{path} is a folder, and the journal is a file", hint)
    owner = path.parent.stat().st_uid if os.geteuid() == 0 else os.geteuid()
    for file in _files(path):
        if file.stat().st_uid != owner and (
            os.geteuid() == 0 or not os.access(file, os.R_OK | os.W_OK, effective_ids=True)
        ):
            sentence = f"{file} belongs to {_user(file.stat().st_uid)}, and {_user(owner)} could not use it"
            hint = f"give it to whoever runs the daemon: `sudo chown {_user(owner)} {file}`"
            return fail("disk", "journal", "disk.foreign_file", sentence, hint)
    return None


def _files(path: Path) -> list[Path]:
    return [file for end in _FILES if (file := path.with_name(path.name + end)).exists()]


def _for_whom(folder: Path) -> str:
    if os.geteuid():
        return ""
    return f" by {_user(folder.stat().st_uid)}, to whom it belongs"


def _runtime(folder: Path) -> Finding:
    if not folder.exists():
        sentence = f"there is no folder {folder} now; the systemd unit makes it, in memory"
        if os.access(folder.parent, os.W_OK, effective_ids=True) and file_system_of(folder.parent) in _IN_MEMORY:
            return ok("disk", "runtime", f"{folder} is made in memory when the daemon starts")
        hint = "to run without the unit, set RUNTIME_DIRECTORY to a folder on a tmpfs"
        return warn("disk", "runtime", "disk.no_runtime_folder", sentence, hint)
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
        sentence = f"{folder} may not be written by {_user(os.geteuid())}"
        hint = "try with sudo, or set RUNTIME_DIRECTORY to a folder of this user on a tmpfs"
        return warn("disk", "runtime", "disk.not_writable", sentence, hint)
    if file_system_of(folder) not in _IN_MEMORY:
        return _on_card()
    return ok("disk", "runtime", f"{folder} is in memory, for young observations")


def _beside_the_journal() -> Finding:
    return ok(
        "disk", "runtime", "young observations are kept beside the journal: the memory of a container ends with it"
    )


def _on_card() -> Finding:
    sentence = "the runtime folder is not in memory: young observations are kept on the card, which wears it more"
    hint = "use the systemd unit, or set RUNTIME_DIRECTORY to a folder on a tmpfs that outlives the process"
    return warn("disk", "runtime", "disk.runtime_on_card", sentence, hint)


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _size(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 10**9 else f"{size / 1e6:,.1f} MB"
