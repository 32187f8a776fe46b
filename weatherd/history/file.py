"""
The file of the history: pages of bins and the last events, in SQLite, used from one thread.

Nothing in it is the only copy while the journal's retention lasts, so it is written rarely and in one transaction with
the seq up to which it is true; a damaged or foreign file is removed and made anew.
"""

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from weatherd.errors import HistoryUnavailable
from weatherd.history.bins import HOUR_MS, MINUTE_MS, Bin, in_steps, merged
from weatherd.history.pages import PageDamaged, pack, unpack

APPLICATION_ID = int.from_bytes(b"wthh", "big")
USER_VERSION = 1

EVENTS_MAX = 10_000
"""Of more events, only the newest stay; the journal has the others until its retention ends."""

PAGE_MS = {MINUTE_MS: 24 * HOUR_MS, HOUR_MS: 64 * 24 * HOUR_MS}
"""What one page holds of each step: 1440 minutes, 1536 hours."""

_MODE = 0o640
"""As the journal: not for everybody on the machine."""

_SETTINGS = (
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA journal_mode = WAL",
    # A commit an hour: each is synced.
    "PRAGMA synchronous = FULL",
    "PRAGMA secure_delete = OFF",
    "PRAGMA cache_size = -512",
    "PRAGMA journal_size_limit = 2000000",
)
_SCHEMA = (
    "CREATE TABLE position (seq INTEGER NOT NULL) STRICT",
    "INSERT INTO position VALUES (0)",
    """
    CREATE TABLE series (
        id INTEGER PRIMARY KEY, sensor TEXT NOT NULL, quantity TEXT NOT NULL, UNIQUE (sensor, quantity)
    ) STRICT
    """,
    """
    CREATE TABLE pages (
        series INTEGER NOT NULL,
        step_ms INTEGER NOT NULL,
        start_ms INTEGER NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (series, step_ms, start_ms)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE events (
        seq INTEGER PRIMARY KEY,
        time_ms INTEGER NOT NULL,
        action TEXT NOT NULL,
        sensor TEXT NOT NULL,
        reason TEXT NOT NULL,
        message TEXT NOT NULL
    ) STRICT
    """,
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {USER_VERSION}",
)


class Series(NamedTuple):
    """What is drawn as one curve."""

    sensor: str
    quantity: str


class Happened(NamedTuple):
    """An event as the journal has it: its seq, its time, and its words."""

    seq: int
    time_ms: int
    action: str
    sensor: str
    reason: str
    message: str


class HistoryFile:
    """
    The minutes and hours of every series.

    Args:
        path: Of the file, in a folder that exists.
        retention_ms: How long minutes and hours stay.
        tell_lost: Called when a damaged file was removed; it has to be filled again.
    """

    def __init__(self, path: Path, *, retention_ms: int, tell_lost: Callable[[str], None] = lambda _: None) -> None:
        self.path = path
        self._retention_ms = retention_ms
        self._tell_lost = tell_lost
        self._connection: sqlite3.Connection | None = None
        self._ids: dict[Series, int] = {}
        self.position = 0

    def open(self) -> None:
        """
        Open the file, or make a new one; one that is damaged or not ours gives way.

        Raises:
            HistoryUnavailable: If the disk does not let us. Trying again can help.
        """
        with self._told():
            try:
                self._connect()
            except (sqlite3.DatabaseError, PageDamaged) as error:
                if not _is_damage(error):
                    raise
                self._begin_anew(str(error))

    def close(self) -> None:
        """Give the file back; does nothing if it is not open."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def is_open(self) -> bool:
        """Whether the file can be read and written."""
        return self._connection is not None

    @property
    def series(self) -> Sequence[Series]:
        """Every series that there is."""
        return list(self._ids)

    def write(self, position: int, minutes: dict[Series, list[Bin]], events: Iterable[Happened]) -> None:
        """
        Add minutes and events, all or nothing.

        Args:
            position: The seq up to which the file is true then.
            minutes: Ascending; those of a minute that is there are joined with it.
            events: Any; those that are there stay as they are.

        Raises:
            HistoryUnavailable: If the disk does not let us. Nothing has changed, and trying again can help.
        """
        with self._told(), self._transaction() as connection:
            for series, bins in minutes.items():
                self._add(connection, series, MINUTE_MS, bins)
                self._add(connection, series, HOUR_MS, list(in_steps(series.quantity, bins, HOUR_MS)))
            connection.executemany("INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?, ?)", events)
            connection.execute(
                "DELETE FROM events WHERE seq <= (SELECT seq FROM events ORDER BY seq DESC LIMIT 1 OFFSET ?)",
                (EVENTS_MAX,),
            )
            self._forget(connection, minutes)
            connection.execute("UPDATE position SET seq = ?", (position,))
        self.position = position

    def bins(self, series: Series, step_ms: int, from_ms: int, to_ms: int) -> Iterator[Bin]:
        """
        Yield the minutes or hours of a series that begin in a span, its end excluded; a page at a time is in memory.

        Raises:
            HistoryUnavailable: If the disk does not let us.
        """
        number = self._ids.get(series)
        if number is None or self._connection is None:
            return
        with self._told():
            pages = self._connection.execute(
                "SELECT start_ms, body FROM pages WHERE series = ? AND step_ms = ? AND start_ms > ? AND start_ms < ? "
                "ORDER BY start_ms",
                (number, step_ms, from_ms - PAGE_MS[step_ms], to_ms),
            )
            for start_ms, body in pages:
                for one in unpack(series.quantity, body, start_ms, step_ms):
                    if from_ms <= one.start_ms < to_ms:
                        yield one

    def events(self, before_seq: int, count_max: int) -> list[Happened]:
        """
        Return the newest events before a seq, the newest first.

        Raises:
            HistoryUnavailable: If the disk does not let us.
        """
        if self._connection is None:
            return []
        with self._told():
            rows = self._connection.execute(
                "SELECT * FROM events WHERE seq < ? ORDER BY seq DESC LIMIT ?", (before_seq, count_max)
            )
            return [Happened(*row) for row in rows]

    def _add(self, connection: sqlite3.Connection, series: Series, step_ms: int, bins: Sequence[Bin]) -> None:
        number = self._id(connection, series)
        for start_ms, group in _by_page(bins, step_ms):
            key = (number, step_ms, start_ms)
            row = connection.execute(
                "SELECT body FROM pages WHERE series = ? AND step_ms = ? AND start_ms = ?", key
            ).fetchone()
            there = [] if row is None else unpack(series.quantity, row[0], start_ms, step_ms)
            body = pack(series.quantity, list(merged(series.quantity, there, group)), start_ms, step_ms)
            connection.execute("INSERT OR REPLACE INTO pages VALUES (?, ?, ?, ?)", (*key, body))

    def _id(self, connection: sqlite3.Connection, series: Series) -> int:
        if series not in self._ids:
            cursor = connection.execute("INSERT INTO series (sensor, quantity) VALUES (?, ?)", series)
            assert cursor.lastrowid is not None
            self._ids[series] = cursor.lastrowid
        return self._ids[series]

    def _forget(self, connection: sqlite3.Connection, minutes: dict[Series, list[Bin]]) -> None:
        """Let go what is older than the retention, counted from the newest minute."""
        newest_ms = max((bins[-1].start_ms for bins in minutes.values() if bins), default=None)
        if newest_ms is not None:
            connection.execute(
                "DELETE FROM pages WHERE start_ms < ? - iif(step_ms = ?, ?, ?)",
                (newest_ms - self._retention_ms, MINUTE_MS, PAGE_MS[MINUTE_MS], PAGE_MS[HOUR_MS]),
            )

    def _connect(self) -> None:
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE))
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
            for setting in _SETTINGS:
                connection.execute(setting).fetchall()
            self._make_or_recognise(connection)
            self._ids = {Series(*names): number for number, *names in connection.execute("SELECT * FROM series")}
            [self.position] = connection.execute("SELECT seq FROM position").fetchone()
        except BaseException:
            connection.close()
            raise
        self._connection = connection

    @staticmethod
    def _make_or_recognise(connection: sqlite3.Connection) -> None:
        [application], [version] = (
            connection.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")
        )
        [count] = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if count == 0:
            connection.execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute("COMMIT")
        elif (application, version) != (APPLICATION_ID, USER_VERSION):
            raise PageDamaged(f"it is no history of this version: {application:#x}, {version}")

    def _begin_anew(self, why: str) -> None:
        self._tell_lost(why)
        for name in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + name).unlink(missing_ok=True)
        self._connect()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        assert self._connection is not None, "the history is not open"
        ids = dict(self._ids)
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
            self._connection.execute("COMMIT")
        except BaseException:
            self._ids = ids
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.OperationalError, OSError) as error:
            raise HistoryUnavailable(
                f"the history {self.path} cannot be used: {error}", f"see `df -h {self.path.parent}` and `dmesg`"
            ) from error
        except (sqlite3.DatabaseError, PageDamaged) as error:
            self._lose(str(error))
            raise HistoryUnavailable(
                f"the history {self.path} is damaged, and is made anew from the journal: {error}", "wait a moment"
            ) from error

    def _lose(self, why: str) -> None:
        """Replace a file that turned out to be damaged while it was used."""
        if self._connection is not None:
            self.close()
            self._begin_anew(why)


def _is_damage(error: Exception) -> bool:
    return isinstance(error, PageDamaged) or not isinstance(error, sqlite3.OperationalError)


def _by_page(bins: Iterable[Bin], step_ms: int) -> Iterator[tuple[int, list[Bin]]]:
    by_page: dict[int, list[Bin]] = {}
    for one in bins:
        by_page.setdefault(one.start_ms // PAGE_MS[step_ms] * PAGE_MS[step_ms], []).append(one)
    return iter(by_page.items())
