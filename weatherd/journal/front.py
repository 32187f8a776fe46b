"""
The front of the journal: what is young, kept over the end of the process without waiting for the card.

While the database commits, which can take a card a second, new entries go on being kept: they are written to the other
tail of a pair, and the one before is emptied when its content has arrived in the database.
"""

import enum
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager

from weatherd.journal import records
from weatherd.journal.delivered import Delivered
from weatherd.journal.pending import Pending
from weatherd.journal.reading import gather
from weatherd.journal.records import Standing
from weatherd.journal.rows import Estimate, Run
from weatherd.journal.tail import Tail
from weatherd.model import Batch, Event, Observation
from weatherd.ranges import Ranges

Encode = Callable[[Observation | Event, int], bytes]


class NotHere(enum.Enum):
    """What the front answers about entries that it does not have any more."""

    NOT_HERE = enum.auto()


class TailPair:
    """
    Two tails, of which one is written, and the other one empty or on its way into the database.

    Args:
        tails: Not open yet.
        compress: Whether documents are compressed, as for a card.
    """

    def __init__(self, tails: tuple[Tail, Tail], *, compress: bool) -> None:
        self._current, self._other = tails
        self._compress = compress
        self._is_other_empty = True
        self._has_turned = False

    @property
    def is_open(self) -> bool:
        """Whether they can be written."""
        return self._current.is_open

    @property
    def name(self) -> str:
        """Where they are."""
        return str(self._current.path)

    def open(self) -> Iterator[bytes]:
        """
        Open both; yield what they hold.

        Raises:
            OSError: If that cannot be done; both are closed.
        """
        try:
            for tail in (self._current, self._other):
                yield from tail.open()
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Give both back."""
        self._current.close()
        self._other.close()

    def write(self, runs: Sequence[Run], standing: Standing | None, epoch: int) -> bool:
        """Write runs and a standing as a whole; tell whether there was room. Raises OSError."""
        payload = records.encode(runs, standing, epoch, compress=self._compress)
        if not self._current.has_room_for(payload):
            return False
        self._current.write(payload)
        return True

    def sync(self, lock: AbstractContextManager[object]) -> None:
        """Let what was written to either reach the card; the lock is that of whoever writes. Raises OSError."""
        self._other.sync(lock)
        self._current.sync(lock)

    def turn(self) -> None:
        """Write to the other one from now on, unless that is still needed."""
        self._has_turned = self._is_other_empty
        if self._is_other_empty:
            self._current, self._other = self._other, self._current
            self._is_other_empty = False

    def empty_other(self) -> None:
        """Forget what was written before the turn; if there could be none then, turn now, so that there is room."""
        self._other.empty()
        self._is_other_empty = True
        if not self._has_turned:
            self.turn()


class Front:
    """
    Young entries and the sinks' standing. Each call is short, and safe from several threads.

    Args:
        encode: Makes a document of an entry and its seq: at least one byte, without a line break.
        tails: Where entries are kept over the end of the process, while they are open.
        boot_id: Of the machine's present boot.
        size_max: Bytes of documents.

    Attributes:
        lock: Held by whoever does several things as one.
        delivered: What each sink has.
        epoch: How often the tails were turned, for the database to take them in: a record of an epoch before the
            database's says nothing about the sinks any more.
        first_seq: The seq of the oldest that is young; None if none is.
        last_seq: The seq of the newest entry.
        held: Whether estimates of this boot are held back.
    """

    def __init__(self, encode: Encode, tails: TailPair, *, boot_id: str, size_max: int) -> None:
        self.lock = threading.RLock()
        self.delivered = Delivered()
        self.epoch = 0
        self.pending = Pending()
        self.first_seq: int | None = None
        self.last_seq = 0
        self.held = False
        self.tails = tails
        self._encode = encode
        self._boot_id = boot_id
        self._size_max = size_max
        self._tried = Ranges()
        self._next_seq = 1
        self._noted: tuple[object, Ranges] | None = None

    @property
    def standing(self) -> Standing:
        """How far the sinks have come."""
        return Standing(self.delivered.to_write(), self._tried, self._next_seq)

    @property
    def next_seq(self) -> int:
        """The seq that the next entry gets."""
        return self._next_seq

    @property
    def can_keep(self) -> bool:
        """Whether there is a tail to write to."""
        return self.tails.is_open

    def append(self, entries: Sequence[Observation | Event], recorded_at_ms: int) -> bool:
        """
        Give entries their seqs, and keep them; tell whether that was done.

        If not, there is no room for them, and nothing has changed.

        Raises:
            OSError: If the tail does not take them; nothing has changed.
        """
        with self.lock:
            if not self.can_keep:
                return False
            runs = self.encode(entries, recorded_at_ms)
            size = sum(len(document) for run in runs for document in run.documents)
            if self.pending.size + size > self._size_max or not self.tails.write(runs, None, self.epoch):
                return False
            self.add(runs)
            return True

    def encode(self, entries: Iterable[Observation | Event], recorded_at_ms: int) -> list[Run]:
        """Make documents of entries, with the next seqs; a new run begins where the clock of estimates changes."""
        runs: list[Run] = []
        first_seq = self.next_seq
        documents: list[bytes] = []
        offset_ms: int | None = None
        for entry in entries:
            if offset_ms is not None and entry.clock_offset_ms not in (None, offset_ms):
                runs.append(Run(first_seq, recorded_at_ms, self._estimate(offset_ms), documents))
                first_seq += len(documents)
                documents, offset_ms = [], None
            if entry.clock_offset_ms is not None:
                offset_ms = entry.clock_offset_ms
            documents.append(self._encode(entry, first_seq + len(documents)))
        runs.append(Run(first_seq, recorded_at_ms, self._estimate(offset_ms), documents))
        return runs

    def add(self, runs: Sequence[Run]) -> None:
        """Take in runs that are kept."""
        with self.lock:
            for run in runs:
                self.pending.add(run)
            self._next_seq = runs[-1].last_seq + 1
            self.first_seq = self.pending.first_seq
            self.last_seq = runs[-1].last_seq

    def drop_until(self, last_seq: int) -> None:
        """Forget the young up to a seq: the database has them."""
        with self.lock:
            self.pending.drop_until(last_seq)
            self.first_seq = self.pending.first_seq if len(self.pending) else None

    def has(self, seq: int) -> bool:
        """Tell whether an entry is among the young."""
        first_seq = self.first_seq
        return first_seq is not None and first_seq <= seq <= self.last_seq

    def read(self, first_seq: int, last_seq: int, count_max: int) -> Batch | NotHere | None:
        """
        Return the first documents of a span for an attempt, if it begins among the young.

        They are given only once it is kept that they were tried; if there is no room for that, they are not here.

        Raises:
            OSError: If the tail does not take that.
        """
        with self.lock:
            if not self.has(first_seq):
                return NotHere.NOT_HERE
            last_seq = min(last_seq, self.last_seq)
            batch = gather(self.pending.runs_from(first_seq), first_seq, last_seq, count_max, self.is_held)
            if batch is not None and batch.documents and not self.note_tried(batch):
                return NotHere.NOT_HERE
            return batch

    def is_held(self, run: Run) -> bool:
        """Tell whether the estimates of a run are held back."""
        return self.held and run.estimate is not None and run.estimate.boot_id == self._boot_id

    def learn(self, standing: Standing) -> None:
        """Take in what is known of how far the sinks have come."""
        with self.lock:
            for sink, ranges in standing.delivered.items():
                self.delivered.add(sink, ranges)
            self._tried = records.few(self._tried | standing.tried)
            self._next_seq = max(self._next_seq, standing.next_seq)

    def note(self) -> bool:
        """
        Keep how far the sinks have come over the end of the process; tell whether there was room for it.

        Raises:
            OSError: If the tail does not take it.
        """
        with self.lock:
            standing = self.standing
            if self._noted == (standing.delivered, standing.tried):
                return True
            if not self.can_keep or not self.tails.write([], standing, self.epoch):
                return False
            self._noted = standing.delivered, standing.tried
            return True

    def note_tried(self, batch: Batch) -> bool:
        """Keep that documents were given for an attempt; tell whether there was room for it. Raises OSError."""
        with self.lock:
            self._tried = records.few(self._tried.add(batch.first_seq, batch.last_seq))
            return self.note()

    def turn(self, *tails: TailPair) -> Standing:
        """
        Begin a new epoch, for what is kept so far to go into the database; return the standing that goes with it.

        What is noted from now on counts as well if the database has taken it in.
        """
        with self.lock:
            self.epoch += 1
            self._noted = None
            for pair in tails:
                pair.turn()
            return self.standing

    def _estimate(self, offset_ms: int | None) -> Estimate | None:
        return None if offset_ms is None else Estimate(self._boot_id, offset_ms)
