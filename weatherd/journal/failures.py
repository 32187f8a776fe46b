"""What SQLite and the system say when a disk fails, told as a sentence and a hint."""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from weatherd.errors import JournalDamaged, JournalError, JournalUnavailable

_RESULT_CODE_MASK = 0xFF  # The rest of an extended result code is detail (sqlite.org/rescode.html).
_UNKNOWN_FORMAT = "unsupported file format"  # SQLite says so of a number in page 1, with the code of a wrong statement.
_OF_THE_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})


@contextmanager
def told(path: Path) -> Iterator[None]:
    """
    Turn a failure of the disk or of the file into one that a person can do something about.

    Anything else that SQLite raises is a programmer's error, and stays what it is.

    Raises:
        JournalUnavailable: If the disk does not do what was asked; try again.
        JournalDamaged: If the file is no journal. Trying again does not help.
    """
    try:
        yield
    except sqlite3.Error as error:
        translated = _translate(error, path)
        if translated is None:
            raise
        raise translated from error
    except UnicodeDecodeError as error:
        # Of a text in the file, or of SQLite's message, which quotes the file.
        raise _damaged(path, "a text in it is none") from error
    except OSError as error:
        raise JournalUnavailable(
            f"the journal {path} cannot be opened: {error.strerror}",
            f"see `ls -ld {path.parent} {path}`, of which the daemon's user must be able to write both, "
            f"and `df -h {path.parent}`",
            may_pass=error.errno in _OF_THE_DISK,
        ) from error


def is_read_only(path: Path) -> bool:
    """Tell whether the file system under a path takes no writes at all: so ext4 turns when it finds a fault."""
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _translate(error: sqlite3.Error, path: Path) -> JournalError | None:
    match _result_code(error):
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return JournalUnavailable(
                f"the journal {path} is in use by another process",
                f"is another weatherd running? see `systemctl status weatherd` and `fuser -v {path}`",
            )
        case sqlite3.SQLITE_FULL:
            return JournalUnavailable(
                f"the disk is full under the journal {path}",
                f"make room: see `df -h {path.parent}`",
                may_pass=True,
            )
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_CANTOPEN:
            return JournalUnavailable(
                f"the journal {path} cannot be written: {error}",
                f"see `ls -ld {path.parent} {path}` and `findmnt --target {path.parent}`: "
                "a file system with faults is turned read-only",
                may_pass=is_read_only(path.parent),
            )
        case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_NOMEM:
            return JournalUnavailable(
                f"the disk fails under the journal {path}: {error} ({error.sqlite_errorname})",
                f"see `dmesg` and `df -h {path.parent}`; a worn card is often the cause",
                may_pass=True,
            )
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return _damaged(path, str(error))
        case _:
            return None


def _result_code(error: sqlite3.Error) -> int:
    """Return what SQLite says, without the detail; 0 for an error of the module itself, for a wrong use of it."""
    if str(error) == _UNKNOWN_FORMAT:
        return sqlite3.SQLITE_CORRUPT
    return getattr(error, "sqlite_errorcode", 0) & _RESULT_CODE_MASK


def _damaged(path: Path, what: str) -> JournalDamaged:
    return JournalDamaged(
        f"the journal {path} is damaged, or is no journal: {what}",
        f"set {path.name} and {path.name}-wal aside while no daemon runs; a new journal is made at the next start",
    )
