"""The journal's database: rows, the sinks' standing, counters, quarantine, and room for more of them."""

import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple

from weatherd.errors import JournalDamaged, JournalFull
from weatherd.journal import opening, quarantine
from weatherd.journal.columns import Impossible
from weatherd.journal.failures import told
from weatherd.journal.records import TRIED, Standing
from weatherd.journal.rows import Row, Run, pack_row, unpack
from weatherd.model import Batch
from weatherd.processing.thinning import thin
from weatherd.ranges import Range, Ranges

WhenFull = Literal["thin", "drop_oldest", "block"]

SIZE_MIN = 16 * opening.PAGE_SIZE
"""Bytes: the empty tables and a little to work with."""

PRUNE_ROWS_MAX = 1000
"""Rows that one prune deletes at most, so that an append does not wait long behind it."""

_ROOM_SHARE = 64
"""When full, a 64th of size_max is freed at once, as far as it is delivered: not each flush has to delete."""

_QUARANTINE_SHARE = 8

_MB = 1_000_000

_PAGES_BESIDE_BODY = 3
"""Pages that a row can take beyond the full ones of its body: the body's end, a new leaf, a new inner page."""

_ROW = "SELECT first_seq, last_seq, recorded_at_ms, boot_id, offset_ms, body FROM entries"


class Contents(NamedTuple):
    """
    What the database holds, as of the last commit.

    Attributes:
        first_seq: The seq of the oldest entry; None if there is none.
        last_seq: The seq of the newest entry; 0 if there is none.
        size: Bytes of the pages in use.
        counts: What happened since the file was made: ``dropped``, ``thinned`` (observations that were reduced),
            ``reduced`` (what they became), ``thinned_seq`` (up to where), ``quarantine_dropped``, ``epoch`` (how often
            the tails were turned), ``given_seq`` (the highest that was given to an entry).
        quarantined: What is in quarantine.
    """

    first_seq: int | None = None
    last_seq: int = 0
    size: int = 0
    counts: Mapping[str, int] = MappingProxyType({})
    quarantined: quarantine.Held = quarantine.Held()

    def count(self, name: str) -> int:
        """Return one of the counts."""
        return self.counts.get(name, 0)


class Database:
    """
    One SQLite file, used from one thread. What is done in a `transaction` is done as a whole, or not at all.

    Args:
        path: Of the file, in a folder that exists.
        station_id: Begins the ids of what thinning makes.
        size_max: Bytes of pages in use, at least `SIZE_MIN`.
        retention_s: How long delivered entries stay.
        when_full: What gives way when nothing delivered is left to delete.
    """

    def __init__(self, path: Path, station_id: str, *, size_max: int, retention_s: float, when_full: WhenFull) -> None:
        if size_max < SIZE_MIN:
            raise ValueError(f"size_max is {size_max}, less than {SIZE_MIN}")
        self.path = path
        self.size_max = size_max
        self.retention_s = retention_s
        self.when_full = when_full
        self.contents = Contents()
        self.standing = Standing()
        self._draft = self.contents
        self._draft_standing = self.standing
        self.is_open = False
        self._station_id = station_id
        self._resources = ExitStack()

    def beside(self, path: Path) -> "Database":
        """Return one like this at another place."""
        return Database(
            path, self._station_id, size_max=self.size_max, retention_s=self.retention_s, when_full=self.when_full
        )

    def open(self) -> None:
        """Open or make the file."""
        with ExitStack() as stack, told(self.path):
            self.connection = stack.enter_context(closing(opening.connect(self.path)))
            self._load()
            self._resources = stack.pop_all()
        self.is_open = True

    def close(self) -> None:
        """Give the file back, whatever has been opened of it."""
        self.is_open = False
        self._resources.close()

    def empty_wal(self) -> None:
        """Bring what is still in the WAL into the file, so that it can go without it."""
        with told(self.path):
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Do all of it or nothing; `contents` changes once it is on the disk."""
        self._draft = self.contents
        self._draft_standing = self.standing
        with told(self.path):
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self._write_counts()
                first_seq, last_seq = self._ends()
                draft = self._draft._replace(first_seq=first_seq, last_seq=last_seq, size=self._size())
                self.connection.execute("COMMIT")
            except BaseException:
                # Some failures have already rolled back.
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise
        self.contents = draft
        self.standing = self._draft_standing

    def count(self, name: str, increase: int) -> None:
        """Count something, in a transaction."""
        if increase:
            counts = {**self._draft.counts, name: self._draft.count(name) + increase}
            self._draft = self._draft._replace(counts=MappingProxyType(counts))

    def count_up_to(self, name: str, count: int) -> None:
        """Take over a count of another file, in a transaction."""
        self.count(name, max(count - self._draft.count(name), 0))

    def insert(self, rows: Iterable[Row], *, unless_there: bool = False) -> int:
        """Write rows, in a transaction; return how many were new."""
        verb = "INSERT OR IGNORE" if unless_there else "INSERT"
        return self.connection.executemany(f"{verb} INTO entries VALUES (?, ?, ?, ?, ?, ?)", rows).rowcount

    def replace(self, row: Row) -> None:
        """Write a row in the place of that with its first seq, in a transaction."""
        self.connection.execute("REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?)", row)

    def write_standing(self, standing: Standing) -> None:
        """Write how far the sinks have come, in a transaction."""
        self.count_up_to("given_seq", standing.next_seq - 1)
        if standing.positions != self._draft_standing.positions:
            self.write_positions(standing.positions)
        self._draft_standing = standing

    def write_positions(self, positions: Mapping[str, Iterable[Range]]) -> None:
        """Write the table of positions anew, in a transaction."""
        self.connection.execute("DELETE FROM positions")
        self.connection.executemany(
            "INSERT INTO positions VALUES (?, ?, ?)",
            [(sink, first, last) for sink, ranges in positions.items() for first, last in Ranges.of(ranges)],
        )

    def rows(self, after_seq: int, *, boot_id: str | None = None) -> Iterator[Row]:
        """Yield rows behind a seq, ascending: all, or those with estimates of one boot; they may be changed."""
        condition = "first_seq > ?" if boot_id is None else "first_seq > ? AND boot_id = ?"
        parameters = (boot_id,) if boot_id is not None else ()
        while row := self.connection.execute(
            f"{_ROW} WHERE {condition} ORDER BY first_seq LIMIT 1", (after_seq, *parameters)
        ).fetchone():
            if row[0] <= after_seq:
                raise Impossible("rows are out of order")
            after_seq = row[0]
            yield Row._make(row)

    def prune(self, now_ms: int, settled: Ranges) -> None:
        """Delete what every sink has and what is too old, in a transaction; a bounded number of rows."""
        recorded_before_ms = now_ms - self.retention_s * 1000
        count = 0
        for first_seq, last_seq in settled:
            while oldest := self._oldest(first_seq, last_seq):
                if oldest.recorded_at_ms >= recorded_before_ms or count == PRUNE_ROWS_MAX:
                    break
                self._delete(oldest)
                count += 1

    def make_room(self, size: int, settled: Ranges, standing: Standing) -> None:
        """
        Delete until `size` more bytes fit: first what is delivered, then as `when_full` says; in a transaction.

        Raises:
            JournalFull: If it may not delete more, or if there is nothing more to delete.
        """
        if self._size() + size <= self.size_max:
            return
        self._delete_settled(self.size_max - self.size_max // _ROOM_SHARE - size, settled)
        if self.when_full == "thin":
            self._thin(self.size_max - size, standing.tried)
        if self.when_full != "block":
            self._drop_oldest(self.size_max - size, settled)
        if self._size() + size > self.size_max:
            raise self._full(size, settled, standing.next_seq - 1)

    def keep_quarantined(
        self, sink: str, batch: Batch, reason: str, quarantined_at_ms: int, *, make_room: bool = True
    ) -> None:
        """Keep documents that a sink refuses, and make room among the oldest of them, in a transaction."""
        held = quarantine.add(
            self.connection, self._draft.quarantined, sink, batch, reason=reason, quarantined_at_ms=quarantined_at_ms
        )
        if make_room:
            held, dropped_count = quarantine.make_room(self.connection, held, self.size_max // _QUARANTINE_SHARE)
            self.count("quarantine_dropped", dropped_count)
        self._draft = self._draft._replace(quarantined=held)

    def release_quarantined(self, sink: str, seqs: Iterable[int]) -> None:
        """Take documents out of quarantine, in a transaction."""
        self.connection.executemany("DELETE FROM quarantine WHERE sink = ? AND seq = ?", [(sink, seq) for seq in seqs])
        self._draft = self._draft._replace(quarantined=quarantine.load(self.connection))

    def _load(self) -> None:
        """Learn what the file holds: the ends of the entries, and the small tables."""
        spans: dict[str, list[tuple[int, int]]] = {}
        highest = 0
        for sink, first_seq, last_seq in self.connection.execute("SELECT sink, first_seq, last_seq FROM positions"):
            spans.setdefault(sink, []).append((first_seq, last_seq))
            highest = max(highest, last_seq)
        tried = Ranges.of(spans.pop(TRIED, []))
        counts = dict(self.connection.execute("SELECT name, count AS value FROM counters"))
        first_seq, last_seq = self._ends()
        quarantined = self.connection.execute("SELECT seq FROM quarantine ORDER BY seq DESC LIMIT 1").fetchone()
        quarantined_seq = quarantined[0] if quarantined else 0
        # The newest row is never deleted, so it has the highest seq given; unless a card lost it, and then
        # the others still know what a sink has seen.
        next_seq = max(last_seq, highest, quarantined_seq, counts.get("given_seq", 0)) + 1
        self.standing = Standing({sink: Ranges.of(its) for sink, its in spans.items()}, tried, next_seq)
        self.contents = Contents(
            first_seq=first_seq,
            last_seq=last_seq,
            size=self._size(),
            counts=MappingProxyType(counts),
            quarantined=quarantine.load(self.connection),
        )

    def _ends(self) -> tuple[int | None, int]:
        ends = "SELECT first_seq, last_seq FROM entries ORDER BY first_seq"
        oldest = self.connection.execute(f"{ends} LIMIT 1").fetchone()
        newest = self.connection.execute(f"{ends} DESC LIMIT 1").fetchone()
        return (oldest[0], newest[1]) if oldest and newest else (None, 0)

    def _write_counts(self) -> None:
        changed = [(name, n) for name, n in self._draft.counts.items() if n != self.contents.counts.get(name)]
        self.connection.executemany(
            "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET count = excluded.count", changed
        )

    def _delete_settled(self, size: int, settled: Ranges) -> None:
        """Delete delivered rows, oldest first, until no more than `size` bytes are used."""
        for first_seq, last_seq in settled:
            while self._size() > size and (oldest := self._oldest(first_seq, last_seq)):
                self._delete(oldest)

    def _thin(self, size: int, tried: Ranges) -> None:
        """Reduce the oldest rows to one-minute means until no more than `size` bytes are used."""
        prefix = f"{self._station_id}-{secrets.token_hex(4)}-"
        thinned_seq = self._draft.count("thinned_seq")
        for row in self.rows(thinned_seq):
            if self._size() <= size:
                break
            thinned_seq = row.last_seq
            self._thin_row(row, tried, prefix)
        self.count("thinned_seq", thinned_seq - self._draft.count("thinned_seq"))

    def _thin_row(self, row: Row, tried: Ranges, prefix: str) -> None:
        try:
            run = unpack(row)
        except JournalDamaged:
            return  # the forwarder will tell
        untried = [(seq, one) for seq, one in _there(run) if seq not in tried]
        thinned = dict(thin(untried, prefix))
        went = {seq: thinned.get(seq, b"") for seq, _ in untried}
        made = sum(1 for seq, one in untried if thinned.get(seq, one) is not one)
        gone = sum(1 for one in went.values() if not one)
        if not gone:
            return
        documents = [went.get(seq, one) for seq, one in enumerate(run.documents, run.first_seq)]
        self.replace(pack_row(run._replace(documents=documents)))
        self.count("thinned", gone + made)
        self.count("reduced", made)

    def _drop_oldest(self, size: int, settled: Ranges) -> None:
        """Delete rows, oldest first and delivered or not, until no more than `size` bytes are used."""
        while self._size() > size and (oldest := self._oldest(0, self.contents.last_seq)):
            self.count("dropped", _undelivered(oldest, settled))
            self._delete(oldest)

    def _full(self, size: int, settled: Ranges, last_seq: int) -> JournalFull:
        waiting = settled.gaps(self.contents.first_seq or 1, last_seq)
        waiting_count = sum(last - first + 1 for first, last in waiting)
        if self.when_full != "block" or waiting_count == 0:
            return JournalFull(
                f"{_in_words(size)} of observations at once do not fit into a journal of {_in_words(self.size_max)}",
                "raise journal.size_max in weatherd.toml",
            )
        return JournalFull(
            f"the journal holds {_in_words(self.contents.size)} of {_in_words(self.size_max)}, "
            f"and {waiting_count:,} observations are not delivered yet",
            "look at the slowest sink with `weatherd status`, or raise journal.size_max in weatherd.toml",
        )

    def _oldest(self, first_seq: int, last_seq: int) -> Row | None:
        """Return the oldest row within a span, unless it is the newest of all."""
        found = self.connection.execute(
            f"{_ROW} WHERE first_seq >= ? AND first_seq <= ? ORDER BY first_seq LIMIT 1", (first_seq, last_seq)
        ).fetchone()
        row = None if found is None else Row._make(found)
        return None if row is None or row.last_seq > last_seq or row.last_seq == self._ends()[1] else row

    def _delete(self, row: Row) -> None:
        if not self.connection.execute("DELETE FROM entries WHERE first_seq = ?", (row.first_seq,)).rowcount:
            raise Impossible("a row is not where its seq leads")

    def _size(self) -> int:
        """Return the bytes of the pages in use, the running transaction included."""
        (page_count,) = self.connection.execute("PRAGMA page_count").fetchone()
        (free_count,) = self.connection.execute("PRAGMA freelist_count").fetchone()
        return int(page_count - free_count) * opening.PAGE_SIZE


def size_of(row: Row) -> int:
    """Return the most bytes of pages that a row can take."""
    return (len(row.body) // (opening.PAGE_SIZE - 4) + _PAGES_BESIDE_BODY) * opening.PAGE_SIZE


def _there(run: Run) -> Iterator[tuple[int, bytes]]:
    return ((seq, document) for seq, document in enumerate(run.documents, run.first_seq) if document)


def _undelivered(row: Row, settled: Ranges) -> int:
    """Count the documents of a row that not every sink has."""
    try:
        return sum(seq not in settled for seq, _ in _there(unpack(row)))
    except JournalDamaged:
        return row.last_seq - row.first_seq + 1


def _in_words(size: int) -> str:
    return f"{size / _MB:,.0f} MB" if size >= 10 * _MB else f"{size / 1000:,.0f} kB"
