"""
The journal: keeps what was observed, on disk, until every sink has it.

An observation gets its place here, its seq, before any sink sees it; from then on it survives whatever is
killed, unplugged or refused, until each sink has acknowledged it and its retention is over.

On disk
-------

One SQLite file in WAL mode, beside it the WAL (``journal.db-wal``) while a daemon runs or after it was killed.
The file says whose it is: application_id ``wthr``, user_version 1 for the tables below.

    entries     first_seq, last_seq, recorded_at_ms, body    a row an append: its documents joined by line
                                                             breaks and compressed by zlib, whose checksum
                                                             also tells a damaged row
    positions   sink, seq                                    up to where each sink has everything
    quarantine  sink, seq, reason, quarantined_at_ms,        what a sink refused for good, as it was sent
                document
    counters    name, count                                  what was given up, since the file was made

A row an append, because the number of pages written decides how long a card lasts, and because documents
compress 15 to 1 side by side and hardly alone. An append of more than 1,000 documents or 512 KB is split into
several rows of one transaction, so that no read has to unpack more than that to get at one document.

Invariants
----------

Each has a test named after it.

J1   An append is kept whole or not at all; once it has returned, it outlives kill -9 and a power cut.
J2   A seq is given once: the next entry's is higher than any before, whatever was pruned, dropped or lost.
J3   A seq stands for the same bytes for ever.
J4   A read gives documents in the order of their seqs, each once and side by side: a gap ends the batch.
J5   What a registered sink does not have yet is deleted by `drop_oldest` alone: oldest first, and counted.
J6   A position never goes back; on disk it is never ahead of what was acknowledged.
J7   The newest row is never deleted.
J8   The file stays within size_max, apart from the quarantine, which has a bound of its own.
J9   A call that fails has changed nothing, and the next one works as soon as the disk does.
J10  One process has the journal; the second is told so.
J11  A quarantined document is kept once for its sink and seq, as it was sent; the oldest make room, counted.
J12  Opening reads a bounded number of rows, however large the journal.
J13  The event loop never waits for the disk.

Operation
---------

*One thread.* All of SQLite happens on a thread of the journal's own (`Store`); what the loop asks for often
(`last_seq`, `position`, `lag`, the counts) comes from memory (`SqliteJournal`). A call that is cancelled is
still carried out.

*Acknowledging costs no commit.* Positions wait in memory for the next transaction: the next append's, or that
of `prune`, which the daemon calls periodically and which thereby bounds how long. After a crash a sink may be
given again what it already had, with the same id and the same bytes.

*Size.* Counted are the pages in use; the pages of deleted rows are used again, and as room is made before a
row is written, the file does not outgrow size_max either. On top come the quarantine (at most an eighth of
size_max) and the WAL (4 MB and one append). The file of a journal whose size_max was lowered keeps its length
on disk, and only its use goes down: to shrink it, every page would have to be written once more.

*Full.* First goes what every sink has, oldest first and a little more than needed, so that not each append
has to delete; then it is up to `when_full`.

*Former sinks.* The position of a sink that is no longer configured holds nothing back, but is kept: when the
sink comes back, it goes on from there, instead of receiving a month of history twice.

*Clock.* Ages are counted by the wall clock, the only one that outlives a boot. When it jumps, delivered
rows go too early or too late; what is not delivered does not go by age at all.
"""

from weatherd.journal.sqlite import SqliteJournal
from weatherd.journal.store import WhenFull

__all__ = ["SqliteJournal", "WhenFull"]
