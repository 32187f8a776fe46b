"""The card's side of the journal: the database, and the tail that is synced beside it; all on a thread of its own."""

import contextlib
import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from weatherd.errors import JournalDamaged, JournalError, JournalFull, JournalUnavailable
from weatherd.journal import records
from weatherd.journal.aside import remove, saved_from, take_place
from weatherd.journal.database import Database, size_of
from weatherd.journal.failures import told
from weatherd.journal.front import Front, TailPair
from weatherd.journal.quarantine import Quarantined, every
from weatherd.journal.reading import Reader
from weatherd.journal.records import Standing
from weatherd.journal.rows import Row, Run, pack, pack_row, unpack
from weatherd.journal.salvage import Saved, SavedCount, SavedEntries, SavedPosition, SavedQuarantined, salvage
from weatherd.model import Batch, Event, Observation
from weatherd.processing.documents import corrected, is_estimated
from weatherd.ranges import Ranges

SECURED_SIZE_MAX = 128 * 1024
"""Bytes of documents that are synced in the tail; more go into the database at once, which costs no more then."""

_CORRECTED_ROWS_MAX = 50
_SALVAGED_MAX = 50


class Notice(NamedTuple):
    """Something that the journal wants to be told: for the log, for programs, for people."""

    name: str
    action: str
    message: str


class Store:
    """
    What waits for the card. After a failure everything is as it was before.

    Args:
        database: Not open yet.
        front: What is young.
        reserve: The tails on the card. Where the front writes to the same, it has no other.
        sinks: The names of those that entries are kept for.

    Attributes:
        notices: What is to be told.
        has_returned: Whether older entries can be delivered again since this was last set to False.
        is_open: Whether it is open.
    """

    def __init__(self, database: Database, front: Front, reserve: TailPair, *, sinks: Sequence[str]) -> None:
        self.notices: deque[Notice] = deque()
        self.has_returned = False
        self.is_open = False
        self.database = database
        self._front = front
        self._reserve = reserve
        self._sinks = tuple(sinks)
        self._secured_seq = 0

    @property
    def is_in_memory(self) -> bool:
        """Whether young entries are kept in memory."""
        return self._front.tails is not self._reserve

    def open(self) -> None:
        """Open or make the files, and take in what the tails hold."""
        try:
            self._open_database()
            self._recover()
        except JournalDamaged:
            self.release()
            self._replace_database()
            self._recover()
        self.is_open = True

    def close(self) -> None:
        """Bring everything into the database, and give the files back."""
        try:
            self.flush()
        finally:
            self.release()

    def release(self) -> None:
        """Give the files back, whatever has been opened of them."""
        self.is_open = False
        self.database.close()
        for tails in self._tails():
            tails.close()

    def check(self) -> None:
        """Raise JournalDamaged if the database is still to be replaced: an earlier attempt has failed."""
        if self.is_open and not self.database.is_open:
            raise JournalDamaged(f"the journal {self.database.path} is damaged")

    def append(self, entries: Sequence[Observation | Event], recorded_at_ms: int) -> None:
        """Make room for entries in the tails; bring them into the database at once if there is none even so."""
        front = self._front
        if front.can_keep:
            self.flush()
            with contextlib.suppress(OSError):
                if front.append(entries, recorded_at_ms):
                    return
        with front.lock:
            runs = front.encode(entries, recorded_at_ms)
            with self._flushing(runs):
                pass
            front.last_seq = runs[-1].last_seq

    def read(self, first_seq: int, last_seq: int, count_max: int) -> Batch | None:
        """Return the first documents of a span for an attempt, once it is kept that they were tried."""
        with told(self.database.path):
            last_seq = min(last_seq, self._front.last_seq)
            batch = self._reader.read(first_seq, last_seq, count_max, self._front.is_held)
        if batch is not None and batch.documents and not self._is_kept_as_tried(batch):
            try:
                self._write_standing()
            except JournalUnavailable:
                # The bytes of all others stay the same anyway, and may go while the disk takes nothing.
                if any(map(is_estimated, batch.documents)):
                    raise
        return batch

    def note(self) -> None:
        """Keep how far the sinks have come, where the tails do not; if that fails, it goes with what is kept next."""
        with contextlib.suppress(JournalError):
            self.check()
            self._write_standing()

    def secure(self) -> int:
        """Sync what is not delivered to every sink; return up to where that is done."""
        front = self._front
        with front.lock:
            last_seq = front.last_seq
            runs = list(self._undelivered(self._secured_seq + 1))
        size = sum(len(document) for run in runs for document in run.documents)
        if runs and (size > SECURED_SIZE_MAX or not self._sync(runs)):
            self.flush()
        self._secured_seq = max(self._secured_seq, last_seq)
        return self._secured_seq

    def write_history(self, now_ms: int) -> None:
        """Bring what is beside the database into it if any of that is delivered, and prune."""
        if not self._reserve.is_open:
            self.flush()  # what it may hold is forgotten when it is written again
            with contextlib.suppress(OSError):
                list(self._reserve.open())
        pending = self._front.pending
        if len(pending) and self._settled_for_room().touches(pending.first_seq, pending.last_seq):
            self.flush(prune_at_ms=now_ms)

    def flush(self, *, prune_at_ms: int | None = None) -> None:
        """Bring into the database what is beside it, if there is anything; prune if the time is told."""
        if len(self._front.pending) or self._front.standing.positions != self.database.standing.positions:
            with self._flushing():
                if prune_at_ms is not None:
                    self.database.prune(prune_at_ms, self._settled_for_room())

    def quarantine(self, sink: str, batch: Batch, reason: str, quarantined_at_ms: int) -> None:
        """Keep documents that a sink refuses."""
        with self.database.transaction():
            self.database.keep_quarantined(sink, batch, reason, quarantined_at_ms)

    def requeue(self, sink: str, seqs: Sequence[int]) -> int:
        """Take documents of a sink out of quarantine, to be delivered again; return how many there were."""
        wanted = set(seqs)
        delivered = self._front.delivered
        with told(self.database.path):
            kept = [one for one in every(self.database.connection, 0, sink) if one.seq in wanted]
            # One behind the newest row is not gone: it is young, in a tail that this process does not see.
            there = {one.seq for one in kept if self._is_there(one.seq)}
            gone = [one for one in kept if one.seq not in there and one.seq <= self.database.contents.last_seq]
        # What is there and not acknowledged was quarantined just now: the acknowledgement is on its way.
        back = [one for one in kept if one in gone or (one.seq in there and one.seq in delivered.of(sink))]
        if back:
            ranges = Ranges.of((one.seq, one.seq) for one in back)
            with delivered.taking_back(sink, ranges), self._flushing():
                for one in gone:
                    self._put_back(one)
                self.database.release_quarantined(sink, [one.seq for one in back])
            self.has_returned = True
        return len(back)

    def quarantined_behind(self, row_id: int, count_max: int) -> Sequence[Quarantined]:
        """Return the first documents in quarantine behind one of them."""
        with told(self.database.path):
            return list(itertools.islice(every(self.database.connection, row_id, None), count_max))

    def run_at(self, seq: int) -> Run | None:
        """Return the run that holds a seq, or the next one that can be read."""
        with told(self.database.path):
            return self._reader.run_at(seq)

    def correct(self, boot_id: str, offset_ms: int, after_seq: int) -> int | None:
        """
        Correct stamps of a boot that are estimates and not tried yet, a bounded number of rows.

        Args:
            boot_id: Of the boot.
            offset_ms: By how much the wall clock is ahead of the boot clock.
            after_seq: Behind this seq; 0 to begin.

        Returns:
            Where to go on; None when all is done.
        """
        self.flush()
        count = 0
        with self.database.transaction():
            for row in self.database.rows(after_seq, boot_id=boot_id):
                with contextlib.suppress(JournalDamaged):  # the forwarder will tell
                    self.database.replace(self._corrected(row, offset_ms))
                after_seq = row.last_seq
                count += 1
                if count == _CORRECTED_ROWS_MAX:
                    break
        self._reader.forget()
        return after_seq if count == _CORRECTED_ROWS_MAX else None

    def replace_damaged(self) -> None:
        """Set a damaged database aside, take over what can be read of it, and go on with a new one."""
        self.database.close()
        self._replace_database()
        # What the old one was to have is still beside it, or is taken over.
        self._front.drop_until(self.database.contents.last_seq)

    def go_on_without(self, tails: TailPair, error: OSError) -> None:
        """Bring what tails hold into the database, and go on without them: they cannot be used."""
        with self._front.lock:
            if tails.is_open:
                if tails is self._front.tails:
                    self.flush()
                self._give_up(tails, error)

    def _give_up(self, tails: TailPair, error: OSError) -> None:
        """Close tails; those of the card are tried again with the next history."""
        with self._front.lock:
            tails.close()
            if tails is self._front.tails:
                self._front.tails = self._reserve
        message = f"{tails.name} cannot be used: {error.strerror or error}; the card is written more often"
        self.notices.append(Notice("journal.tail_lost", "journal_tail_lost", message))

    def _tails(self) -> list[TailPair]:
        young = self._front.tails
        return [self._reserve] if young is self._reserve else [young, self._reserve]

    def _open_database(self, how: str = "what could be read was taken over") -> None:
        with told(self.database.path):
            aside = take_place(self.database.path)
        if aside is not None:
            message = f"the journal was damaged and is kept as {aside.name}; {how}"
            self.notices.append(Notice("journal.damaged", "journal_damaged", message))
        self.database.open()
        self._front.learn(self.database.standing)
        self._front.epoch = max(self._front.epoch, self.database.contents.count("epoch"))
        self._reader = Reader(self.database.connection, self._front.pending, self._front.lock)

    def _recover(self) -> None:
        """Take in what the tails hold, and the database does not."""
        front = self._front
        last_seq = self.database.contents.last_seq
        epoch = self.database.contents.count("epoch")
        found: dict[int, Run] = {}
        for tails in self._tails():
            held = records.decode(self._open_tails(tails), epoch)
            front.learn(held.standing)
            front.epoch = max(front.epoch, held.epoch)
            for run in held.runs:
                for seq, document in enumerate(run.documents, run.first_seq):
                    if document and seq > last_seq:
                        found.setdefault(seq, run._replace(first_seq=seq, documents=[document]))
        front.learn(Standing(next_seq=max([last_seq, *found]) + 1))
        # Also when only positions are news: the next record to be written ends what the tails have told.
        if found or front.standing.positions != self.database.standing.positions:
            with self._flushing([found[seq] for seq in sorted(found)], is_recovery=True):
                pass
        front.last_seq = self.database.contents.last_seq
        self._secured_seq = front.last_seq

    def _open_tails(self, tails: TailPair) -> list[bytes]:
        """Open tails and return what they hold; those that cannot be opened are done without."""
        payloads: list[bytes] = []
        try:
            for payload in tails.open():
                payloads.append(payload)  # noqa: PERF402  # one by one: what the first held counts if the second fails
        except OSError as error:
            self._give_up(tails, error)
        return payloads

    def _is_there(self, seq: int) -> bool:
        run = self._reader.run_at(seq)
        return run is not None and run.first_seq <= seq and bool(run.documents[seq - run.first_seq])

    def _put_back(self, one: Quarantined) -> None:
        """Write a document in its place, in a row that has an empty line there, or in one of its own."""
        run = self._reader.run_at(one.seq)
        if run is None or run.first_seq > one.seq:
            run = Run(one.seq, one.quarantined_at_ms, None, [one.document])
        documents = list(run.documents)
        documents[one.seq - run.first_seq] = one.document
        self.database.replace(pack_row(run._replace(documents=documents)))
        self._reader.forget()

    def _write_standing(self) -> None:
        """Bring the standing into the database, with all that is beside it if there is room for that."""
        try:
            self.flush()
        except JournalFull:
            with self.database.transaction():
                self.database.write_standing(self._front.standing)

    def _is_kept_as_tried(self, batch: Batch) -> bool:
        try:
            return self._front.note_tried(batch)
        except OSError:
            return False  # the next append does something about the tail

    def _settled(self) -> Ranges:
        return self._front.standing.delivered_to_all(self._sinks)

    def _settled_for_room(self) -> Ranges:
        """Return what may be deleted: without any sink, everything."""
        return self._settled() if self._sinks else Ranges([(1, self._front.next_seq)])

    def _undelivered(self, first_seq: int) -> Iterator[Run]:
        """Yield what is beside the database from a seq on, and not delivered to every sink."""
        settled = self._settled()
        for run in self._front.pending.runs_from(first_seq):
            for first, last in settled.gaps(max(run.first_seq, first_seq), run.last_seq):
                documents = run.documents[first - run.first_seq : last - run.first_seq + 1]
                yield run._replace(first_seq=first, documents=documents)

    def _sync(self, runs: Sequence[Run]) -> bool:
        """Sync runs in the tail on the card, where they are already if there is no other; tell whether they are."""
        front = self._front
        if not self._reserve.is_open:
            return False
        try:
            if front.tails is not self._reserve and not self._reserve.write(runs, front.standing, front.epoch):
                return False
            self._reserve.sync(front.lock)
        except OSError as error:
            self._give_up(self._reserve, error)
            return False
        return True

    @contextlib.contextmanager
    def _flushing(self, more: Sequence[Run] = (), *, is_recovery: bool = False) -> Iterator[None]:
        """
        Write what is young and the standing in one transaction with whatever else is done, then empty the tails.

        What is recovered has been kept already, so it goes in even where there is no room for more.

        Args:
            more: Runs behind the young ones.
            is_recovery: Whether they are recovered.
        """
        front = self._front
        with front.lock:  # what is written to the tails after the turn is not among the runs, and the other way round
            runs = [*front.pending.runs, *more]
            standing = front.turn(*self._tails())
            epoch = front.epoch
        rows = list(pack(runs))
        with self.database.transaction():
            yield
            with contextlib.suppress(JournalFull) if is_recovery else contextlib.nullcontext():
                self.database.make_room(sum(map(size_of, rows)), self._settled_for_room(), standing)
            self.database.insert(rows)
            self.database.write_standing(standing)
            self.database.count_up_to("epoch", epoch)
        self._reader.forget()
        with front.lock:
            if rows:
                front.learn(Standing(next_seq=rows[-1].last_seq + 1))
                front.drop_until(rows[-1].last_seq)
                self._secured_seq = max(self._secured_seq, rows[-1].last_seq)
            for tails in self._tails():
                tails.empty_other()

    def _corrected(self, row: Row, offset_ms: int) -> Row:
        run = unpack(row)
        assert run.estimate is not None
        step_ms = offset_ms - run.estimate.offset_ms
        tried = self._front.standing.tried
        documents = [
            corrected(document, step_ms) if is_estimated(document) and seq not in tried else document
            for seq, document in enumerate(run.documents, run.first_seq)
        ]
        return pack_row(run._replace(documents=documents, estimate=None))

    def _replace_database(self) -> None:
        """
        Set the database aside, and go on with a new one that has what can still be read.

        The new one is filled under another name, and takes the place when it is whole: an end of the process, or a
        failure, before that leaves all as it was; one after that is made up for at the next opening.
        """
        path = self.database.path
        fresh = self.database.beside(path.with_name(f"{path.name}.new"))
        with told(path):
            remove(fresh.path)
            try:
                fresh.open()
                how = self._take_over(fresh)
                fresh.empty_wal()
            finally:
                fresh.close()
            fresh.path.rename(saved_from(path))
        self._open_database(how)

    def _take_over(self, fresh: Database) -> str:
        """Copy what can be read of the damaged file into a new one; tell how that went."""
        count = 0
        failure: OSError | None = None
        positions: dict[str, list[tuple[int, int]]] = {}

        def as_far_as_readable() -> Iterator[Saved]:
            nonlocal failure
            try:
                yield from salvage(self.database.path)
            except OSError as error:
                failure = error

        saved = as_far_as_readable()
        while some := list(itertools.islice(saved, _SALVAGED_MAX)):
            with fresh.transaction():
                for one in some:
                    if isinstance(one, SavedEntries):
                        count += (one.last_seq - one.first_seq + 1) * fresh.insert([Row._make(one)], unless_there=True)
                    elif isinstance(one, SavedPosition):
                        positions.setdefault(one.sink, []).append((one.first_seq, one.last_seq))
                    elif isinstance(one, SavedQuarantined):
                        batch = Batch(one.seq, one.seq, [one.seq], [one.document])
                        fresh.keep_quarantined(one.sink, batch, one.reason, one.quarantined_at_ms, make_room=False)
                    elif isinstance(one, SavedCount):
                        fresh.count_up_to(one.name, one.value)
        with fresh.transaction():
            fresh.write_positions(positions)
        if failure is not None:
            return f"{count:,} entries could be taken over, then it could not be read any more: {failure.strerror}"
        return f"{count:,} entries could be taken over"
