"""Open the journal's file: make a new one, recognise one of ours, and say what is wrong with any other."""

import os
import sqlite3
import urllib.parse
from collections.abc import Iterable
from pathlib import Path

from weatherd.errors import JournalUnavailable
from weatherd.journal import quarantine
from weatherd.journal.columns import Impossible, guard
from weatherd.journal.failures import is_read_only, told

APPLICATION_ID = int.from_bytes(b"wthr", "big")
USER_VERSION = 3
"""Of the file: the first whose rows may be in fragments, and whose quarantine is sealed."""

USER_VERSION_READ = 2
"""The oldest that is read, and becomes ours as soon as it is opened: one of ours may be written next."""

PAGE_SIZE = 4096
"""Bytes: the block of ext4 and the least that a card writes; smaller pages would be written as much."""

_WAL_PAGES = 1000
_WAL_SIZE_MAX = 6_000_000

# Not given by a setting of its own are: incremental vacuum, which would write freed pages once more, and mmap,
# where a failing card ends the process by SIGBUS instead of an error.
_SETTINGS = (
    # One writer, which keeps the lock: a second daemon is turned away, and no -shm file is needed.
    "PRAGMA locking_mode = EXCLUSIVE",
    f"PRAGMA page_size = {PAGE_SIZE}",
    # Freed pages are used again as they are.
    "PRAGMA auto_vacuum = NONE",
    # Debian builds SQLite to overwrite what is deleted with zeros, which would wear the card.
    "PRAGMA secure_delete = OFF",
    # A commit is synced before it returns; NORMAL would lose what came after the last checkpoint.
    "PRAGMA synchronous = FULL",
    # 1 MB: appends touch the same few pages again and again, and reads go straight through.
    "PRAGMA cache_size = -1024",
    # A page that many commits changed goes from the WAL into the file once, every 500 commits or so.
    f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}",
    # A WAL that has grown is overwritten in place for two thirds of what a growing one costs; only what an
    # unusually large transaction left behind is cut off.
    f"PRAGMA journal_size_limit = {_WAL_SIZE_MAX}",
)

# The index of the quarantine has the seq first, so that `salvage` cannot take its records for positions.
_SCHEMA = (
    """
    CREATE TABLE entries (
        first_seq INTEGER PRIMARY KEY,
        last_seq INTEGER NOT NULL,
        recorded_at_ms INTEGER NOT NULL,
        boot_id TEXT,
        offset_ms INTEGER,
        body BLOB NOT NULL
    ) STRICT
    """,
    "CREATE INDEX estimates ON entries (boot_id) WHERE boot_id IS NOT NULL",
    """
    CREATE TABLE positions (
        sink TEXT NOT NULL,
        first_seq INTEGER NOT NULL,
        last_seq INTEGER NOT NULL,
        PRIMARY KEY (sink, first_seq)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE quarantine (
        id INTEGER PRIMARY KEY,
        sink TEXT NOT NULL,
        seq INTEGER NOT NULL,
        reason TEXT NOT NULL,
        quarantined_at_ms INTEGER NOT NULL,
        document BLOB NOT NULL,
        UNIQUE (seq, sink)
    ) STRICT
    """,
    "CREATE TABLE counters (name TEXT PRIMARY KEY, count INTEGER NOT NULL) STRICT, WITHOUT ROWID",
)

_MARKS = (
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {USER_VERSION}",
)

_STATEMENTS = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid"


def connect(path: Path) -> sqlite3.Connection:
    """
    Open the journal at a path, or make a new one there, readable by its group.

    The folder is not made: a missing one is most often a disk that is not mounted, and a journal written
    below its mount point would be hidden as soon as it is.

    Raises:
        JournalUnavailable: If the place cannot be written, another process has the journal, or a newer
            weatherd made it.
        JournalDamaged: If what is there is no journal.
    """
    with told(path):
        _make_file(path)
        uri = f"file:{urllib.parse.quote(str(path.absolute()))}?mode=rw"
        connection = sqlite3.connect(uri, uri=True, timeout=0.0, isolation_level=None)
        guard(connection)
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection


def _make_file(path: Path) -> None:
    if not path.parent.is_dir():
        raise JournalUnavailable(
            f"there is no folder {path.parent} for the journal",
            f"mount the disk, or make the folder: `mkdir {path.parent}`, owned by the daemon's user",
        )
    if path.is_dir():
        raise JournalUnavailable(
            f"{path} is a folder, and the journal is a file", f'set journal.path to a file in it: "{path}/journal.db"'
        )
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640))
    except FileExistsError:
        # Never opened here by hand: closing it again would give up the locks that this process holds on it.
        # SQLite itself would go on with a file that it may only read.
        if not os.access(path, os.R_OK | os.W_OK):
            raise JournalUnavailable(
                f"the journal {path} may not be read and written",
                f"see `ls -l {path}` for its owner, and `findmnt --target {path.parent}`: "
                "a file system with faults is turned read-only",
                may_pass=is_read_only(path.parent),
            ) from None


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    for setting in _SETTINGS:
        connection.execute(setting)
    is_new = _recognise(connection, path)
    # Only now, since it writes the file's header, which may have been someone else's.
    connection.execute("PRAGMA journal_mode = WAL")
    if is_new:
        connection.execute("BEGIN IMMEDIATE")
        for statement in (*_SCHEMA, *_MARKS):
            connection.execute(statement)
        connection.execute("COMMIT")
    if connection.execute("PRAGMA user_version").fetchone() != (USER_VERSION,):
        connection.execute("BEGIN IMMEDIATE")
        quarantine.seal(connection)
        connection.execute(f"PRAGMA user_version = {USER_VERSION}")
        connection.execute("COMMIT")


def _recognise(connection: sqlite3.Connection, path: Path) -> bool:
    """Tell whether the file is still empty; raise unless it is, or is a journal that we can read."""
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (table_count,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application_id == 0 and table_count == 0:
        return True
    if application_id != APPLICATION_ID:
        raise JournalUnavailable(
            f"{path} is a database of another program",
            "give journal.path in weatherd.toml a name of its own",
        )
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version < USER_VERSION_READ:
        raise JournalUnavailable(
            f"the journal {path} was made by a weatherd before the first release (its version {version}, ours "
            f"{USER_VERSION})",
            f"let that weatherd deliver it, then set {path.name} aside to start a new one",
        )
    if version > USER_VERSION:
        raise JournalUnavailable(
            f"the journal {path} was made by a newer weatherd (its version {version}, ours {USER_VERSION})",
            "install that weatherd again, or set the journal aside to start a new one",
        )
    # Both versions have the same tables; another name in one of their statements is what a card made of it.
    if _words(statement for (statement,) in connection.execute(_STATEMENTS)) != _words(_SCHEMA):
        raise Impossible("its tables are not as they were made")
    return False


def _words(statements: Iterable[str]) -> list[list[str]]:
    return [statement.split() for statement in statements]
