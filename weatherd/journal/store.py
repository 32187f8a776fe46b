"""The journal's file, its transactions and its size. Everything here runs on the journal's own thread."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from weatherd.errors import JournalFull
from weatherd.journal import opening, quarantine
from weatherd.journal.failures import told
from weatherd.journal.reading import Reader
from weatherd.journal.rows import Row, pack
from weatherd.model import Batch, Event, Observation

WhenFull = Literal["drop_oldest", "block"]

Encode = Callable[[Observation | Event, int], bytes]

SIZE_MIN = 16 * opening.PAGE_SIZE
"""Bytes: the empty tables and a little to work with."""

PRUNE_ROWS_MAX = 1000
"""Rows that one prune deletes at most, so that an append does not wait long behind it."""

_ROOM_SHARE = 64
"""When full, a 64th of size_max is freed at once, as far as it is delivered: not each append has to delete."""

_QUARANTINE_SHARE = 8

_MB = 1_000_000

_PAGES_BESIDE_BODY = 3
"""Pages that a row can take beyond the full ones of its body: the body's end, a new leaf, a new inner page."""


class State(NamedTuple):
    """
    What the journal holds, as of the last commit.

    Attributes:
        first_seq: The seq of the oldest entry; `next_seq` if there is none.
        last_seq: The seq of the newest entry; 0 if there is none.
        next_seq: The seq that the next entry gets.
        size: Bytes of the pages in use.
        dropped_count: Documents deleted before every sink had them, since the file was made.
        quarantined: What is in quarantine.
        quarantine_dropped_count: Documents that left the quarantine to make room, since the file was made.
    """

    first_seq: int = 1
    last_seq: int = 0
    next_seq: int = 1
    size: int = 0
    dropped_count: int = 0
    quarantined: quarantine.Held = quarantine.Held()
    quarantine_dropped_count: int = 0


class Store:
    """
    The file behind `SqliteJournal`, used from one thread. After a failure everything is as it was before.

    Positions are handed in with each call, since the newest are in the memory of the loop.

    Args:
        path: Of the file, in a folder that exists.
        encode: Makes a document of an entry and its seq: at least one byte, without a line break.
        size_max: Bytes of pages in use, at least `SIZE_MIN`.
        retention_s: How long delivered entries stay.
        when_full: What gives way when nothing delivered is left to delete.
    """

    def __init__(self, path: Path, encode: Encode, *, size_max: int, retention_s: float, when_full: WhenFull) -> None:
        if size_max < SIZE_MIN:
            raise ValueError(f"size_max is {size_max}, less than {SIZE_MIN}")
        self.state = State()
        self._draft = self.state
        self._positions: dict[str, int] = {}
        self._resources = ExitStack()
        self._path = path
        self._encode = encode
        self._size_max = size_max
        self._retention_s = retention_s
        self._when_full = when_full

    def open(self) -> Mapping[str, int]:
        """Open or make the file; return the positions it holds, also those of former sinks."""
        with ExitStack() as stack, told(self._path):
            self._connection = stack.enter_context(closing(opening.connect(self._path)))
            self._reader = Reader(self._connection)
            self._load()
            self._resources = stack.pop_all()
        return self._positions

    def close(self, positions: Mapping[str, int]) -> None:
        """Write the positions and give the file back."""
        with self._resources, self._transaction(positions):
            pass

    def release(self) -> None:
        """Give the file back, whatever has been opened of it."""
        self._resources.close()

    def append(self, entries: Sequence[Observation | Event], recorded_at_ms: int, positions: Mapping[str, int]) -> None:
        """Keep entries, as one row where the limits of a row allow it."""
        first_seq = self.state.next_seq
        rows = list(pack((self._encode(entry, seq) for seq, entry in enumerate(entries, first_seq)), first_seq))
        with self._transaction(positions):
            self._make_room(sum(map(_size_of, rows)), positions)
            self._connection.executemany(
                "INSERT INTO entries VALUES (?, ?, ?, ?)",
                [(row.first_seq, row.last_seq, recorded_at_ms, row.body) for row in rows],
            )
            last_seq = rows[-1].last_seq
            self._draft = self._draft._replace(last_seq=last_seq, next_seq=last_seq + 1)

    def read(self, after_seq: int, count_max: int) -> Batch | None:
        """Return the next documents after a seq."""
        with told(self._path):
            return self._reader.read(max(after_seq + 1, self.state.first_seq), count_max)

    def prune(self, now_ms: int, positions: Mapping[str, int]) -> int:
        """Delete what is delivered and too old; return how many entries went."""
        delivered_seq = self._delivered_seq(positions)
        recorded_before_ms = now_ms - self._retention_s * 1000
        first_seq = self.state.first_seq
        with self._transaction(positions):
            for _ in range(PRUNE_ROWS_MAX):
                oldest = self._oldest()
                if oldest is None or oldest[1] > delivered_seq or oldest[2] >= recorded_before_ms:
                    break
                self._delete(oldest[0], oldest[1])
        return self.state.first_seq - first_seq

    def quarantine(
        self, sink: str, batch: Batch, reason: str, quarantined_at_ms: int, positions: Mapping[str, int]
    ) -> None:
        """Keep documents that a sink refuses, and make room among the oldest of them."""
        with self._transaction(positions):
            held = self.state.quarantined
            held = quarantine.add(
                self._connection, held, sink, batch, reason=reason, quarantined_at_ms=quarantined_at_ms
            )
            held, dropped_count = quarantine.make_room(self._connection, held, self._size_max // _QUARANTINE_SHARE)
            dropped_count += self.state.quarantine_dropped_count
            self._draft = self._draft._replace(quarantined=held, quarantine_dropped_count=dropped_count)

    def _load(self) -> None:
        """Learn what the file holds: the ends of the entries, and the small tables."""
        connection = self._connection
        self._positions = dict(connection.execute("SELECT sink, seq FROM positions"))
        counters = dict(connection.execute("SELECT name, count FROM counters"))
        (first_seq,) = connection.execute("SELECT min(first_seq) FROM entries").fetchone()
        newest = connection.execute("SELECT last_seq FROM entries ORDER BY first_seq DESC LIMIT 1").fetchone()
        last_seq = newest[0] if newest else 0
        (quarantined_seq,) = connection.execute("SELECT coalesce(max(seq), 0) FROM quarantine").fetchone()
        # The newest row is never deleted, so it has the highest seq given; unless a card lost it, and then
        # these two still know what a sink has seen.
        next_seq = max(last_seq, quarantined_seq, *self._positions.values()) + 1
        self.state = State(
            first_seq=next_seq if first_seq is None else first_seq,
            last_seq=last_seq,
            next_seq=next_seq,
            size=self._size(),
            dropped_count=counters.get("dropped", 0),
            quarantined=quarantine.load(connection),
            quarantine_dropped_count=counters.get("quarantine_dropped", 0),
        )

    @contextmanager
    def _transaction(self, positions: Mapping[str, int]) -> Iterator[None]:
        """Do all of it or nothing, together with the positions; `state` changes once it is on the disk."""
        self._draft = self.state
        with told(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                written = self._write_positions(positions)
                self._write_counters()
                draft = self._draft._replace(size=self._size())
                self._connection.execute("COMMIT")
            except BaseException:
                # Some failures have already rolled back.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        self.state = draft
        self._positions.update(written)

    def _write_positions(self, positions: Mapping[str, int]) -> Mapping[str, int]:
        moved = {sink: seq for sink, seq in positions.items() if seq > self._positions.get(sink, 0)}
        self._connection.executemany(
            "INSERT INTO positions VALUES (?, ?) ON CONFLICT (sink) DO UPDATE SET seq = excluded.seq",
            list(moved.items()),
        )
        return moved

    def _write_counters(self) -> None:
        counters = {"dropped": self._draft.dropped_count, "quarantine_dropped": self._draft.quarantine_dropped_count}
        before = (self.state.dropped_count, self.state.quarantine_dropped_count)
        if tuple(counters.values()) != before:
            self._connection.executemany(
                "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET count = excluded.count",
                list(counters.items()),
            )

    def _delivered_seq(self, positions: Mapping[str, int]) -> int:
        """Return up to where every registered sink has everything; with no sink, that is all there is."""
        return min(positions.values(), default=self.state.last_seq)

    def _make_room(self, size: int, positions: Mapping[str, int]) -> None:
        """
        Delete until `size` more bytes fit: first what is delivered, then as `when_full` says.

        Raises:
            JournalFull: If it may not delete more, or if there is nothing more to delete.
        """
        if self._size() + size <= self._size_max:
            return
        delivered_seq = self._delivered_seq(positions)
        self._delete_while_above(self._size_max - self._size_max // _ROOM_SHARE - size, delivered_seq)
        if self._when_full == "drop_oldest":
            self._delete_while_above(self._size_max - size, self.state.last_seq)
            kept_seq = max(delivered_seq, self.state.first_seq - 1)
            dropped_count = self.state.dropped_count + max(self._draft.first_seq - 1 - kept_seq, 0)
            self._draft = self._draft._replace(dropped_count=dropped_count)
        if self._size() + size > self._size_max:
            raise self._full(size, delivered_seq)

    def _full(self, size: int, delivered_seq: int) -> JournalFull:
        waiting_count = self.state.last_seq - max(delivered_seq, self.state.first_seq - 1)
        if self._when_full == "drop_oldest" or waiting_count <= 0:
            return JournalFull(
                f"{_in_words(size)} of observations at once do not fit into a journal of {_in_words(self._size_max)}",
                "raise journal.size_max in weatherd.toml",
            )
        return JournalFull(
            f"the journal holds {_in_words(self.state.size)} of {_in_words(self._size_max)}, "
            f"and {waiting_count:,} observations are not delivered yet",
            "look at the slowest sink with `weatherd status`, or raise journal.size_max in weatherd.toml",
        )

    def _delete_while_above(self, size: int, last_seq: int) -> None:
        """Delete the oldest rows that end at `last_seq` or before, until no more than `size` bytes are used."""
        while self._size() > size:
            oldest = self._oldest()
            if oldest is None or oldest[1] > last_seq:
                break
            self._delete(oldest[0], oldest[1])

    def _oldest(self) -> tuple[int, int, int] | None:
        """Return first_seq, last_seq and recorded_at_ms of the oldest row, unless it is the newest as well."""
        row: tuple[int, int, int] | None = self._connection.execute(
            "SELECT first_seq, last_seq, recorded_at_ms FROM entries ORDER BY first_seq LIMIT 1"
        ).fetchone()
        return None if row is None or row[1] == self.state.last_seq else row

    def _delete(self, first_seq: int, last_seq: int) -> None:
        self._connection.execute("DELETE FROM entries WHERE first_seq = ?", (first_seq,))
        self._draft = self._draft._replace(first_seq=last_seq + 1)

    def _size(self) -> int:
        """Return the bytes of the pages in use, the running transaction included."""
        (page_count,) = self._connection.execute("PRAGMA page_count").fetchone()
        (free_count,) = self._connection.execute("PRAGMA freelist_count").fetchone()
        return int(page_count - free_count) * opening.PAGE_SIZE


def _size_of(row: Row) -> int:
    """Return the most bytes of pages that a row can take."""
    return (len(row.body) // (opening.PAGE_SIZE - 4) + _PAGES_BESIDE_BODY) * opening.PAGE_SIZE


def _in_words(size: int) -> str:
    return f"{size / _MB:,.0f} MB" if size >= 10 * _MB else f"{size / 1000:,.0f} kB"
