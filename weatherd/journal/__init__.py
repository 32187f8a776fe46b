"""
The journal: keeps what was observed until every sink has it.

An observation gets its place here, its seq, before any sink sees it; from then on it survives whatever is
killed, unplugged or refused, until each sink has acknowledged it and its retention is over.

Where an entry is
-----------------

    young       in memory, and in a tail in the runtime folder, which is in memory too and outlives the process: a
                killed process loses nothing, and the card is not touched
    secured     what is not delivered to every sink after the commit period: also in a tail on the card, synced
    history     in the database, one compressed row for many: when the young have become many, or when some of them
                are delivered and the history period is over

So a far end that answers costs a commit each history period, and one that does not costs what a preallocated file
costs. Where there is no folder in memory, the tail on the card keeps the young as well.

On disk
-------

One SQLite file in WAL mode, beside it the WAL (``journal.db-wal``) while a daemon runs or after it was killed.
The file says whose it is: application_id ``wthr``, user_version 3 for the tables below.

    entries     first_seq, last_seq, recorded_at_ms,         a row is a run of documents, compressed and with a
                boot_id, offset_ms, body                     checksum: in fragments that a sink can send as they are,
                                                             or in lines (`rows` tells when). With a boot_id, the row
                                                             holds estimates: stamps of that boot, made by adding
                                                             offset_ms to its boot clock
    positions   sink, first_seq, last_seq                    what each sink has, as ranges; without a sink's name, what
                                                             any sink was given for an attempt
    quarantine  sink, seq, reason, quarantined_at_ms,        what a sink refused for good, as it was sent, and the
                document                                     checksum of its row
    counters    name, count                                  what was given up or thinned, since the file was made;
                                                             the highest seq given; the epoch: how often tails were
                                                             turned

The tails (``journal.db-tail``, ``journal.db-tail2``, and two in the runtime folder) are told in `tail` and `records`:
documents, and how far the sinks have come. Of a pair one is written, while the other goes into the database.

Many documents a row, because the number of pages written decides how long a card lasts, and because documents
compress 15 to 1 side by side and hardly alone. A row has at most 1,000 documents or 1 MB, so that no read has to
unpack more than that to get at one document. What a sink takes whole is not unpacked at all: a batch ends where a
fragment does, so that the next one begins with one. File version 2 had lines alone, and a quarantine without checksums;
it is read, and has both from then on, so that an older weatherd refuses it instead of taking them for damage.

Invariants
----------

Each has a test named after it.

J1   An append is kept whole or not at all; once it has returned, it outlives kill -9, and once it is secured, a
     power cut.
J2   A seq is given once: the next entry's is higher than any before, whatever was pruned, dropped or lost; only a power
     cut can take the memory of seqs whose entries it took as well, and then the ids differ.
J3   An id stands for the same bytes for ever, from the first attempt of any sink on.
J4   A read gives documents in the order of their seqs, each once; its span is settled as a whole.
J5   What a registered sink does not have yet is reduced by `thin` or deleted by `drop_oldest` alone: oldest first, what
     is delivered before what is not, and counted.
J6   What is acknowledged stays acknowledged over kill -9; on disk it is never ahead of what was acknowledged.
J7   The newest row is never deleted.
J8   The database stays within size_max, apart from the quarantine, which has a bound of its own, and from what is
     recovered at the start.
J9   A call that fails has changed nothing, and the next one works as soon as the disk does.
J10  One process has the journal; the second is told so.
J11  A quarantined document is kept once for its sink and seq, as it was sent; the oldest make room, counted.
J12  Opening reads a bounded number of rows, however large the journal.
J13  The event loop never waits for the disk; nor does an append while the database commits.
J14  A damaged database is set aside, what can be read of it is taken over, and the journal goes on.
J15  Estimates of this boot are given to no sink while they are held back, and are corrected only before any attempt.

Operation
---------

*Two threads.* What waits for the card happens on one (`Store`), what does not on another (`Front`); what the loop asks
for often comes from memory (`SqliteJournal`). Where the young are in memory, the loop itself keeps and gives a few of
them at once, unless a thread is at it. A call that is cancelled is still carried out.

*Acknowledging costs no commit.* Positions are written to the tail of the young, and to the card with whatever is
written there next; into the database only where the tail has no room. After a power cut a sink may be given again what
it already had, with the same id and bytes.

*Recovery.* What the tails hold and the database does not is brought into it at the start, by seq, so that nothing
comes twice. A record of an epoch before the database's says nothing about the sinks any more; each turn of the tails
begins one, so what is noted during a commit counts whether that succeeds or not.

*Damage.* SQLite tells of most; a row that it hands on though it was never written (`columns`) is the same to us. What
can be read is written to ``journal.db.new``, renamed to ``journal.db.saved`` when it is whole, and takes
the place of the database, which is renamed to ``journal.db.damaged-`` and the time. Whenever that is interrupted, the
next opening, or the next call, goes on with it.

*Size.* Counted are the pages in use; the pages of deleted rows are used again, and as room is made before a
row is written, the file does not outgrow size_max either. On top come the quarantine (at most an eighth of
size_max), the WAL (4 MB and one flush) and the tails on the card (2 MB). The file of a journal whose size_max was
lowered keeps its length on disk, and only its use goes down: to shrink it, every page would have to be written once
more.

*Full.* First goes what every sink has, oldest first and a little more than needed, so that not each flush
has to delete; then it is up to `when_full`.

*Former sinks.* The position of a sink that is no longer configured holds nothing back, but is kept: when the
sink comes back, it goes on from there, instead of receiving a month of history twice.

*Clock.* Ages are counted by the station's time, the only one that outlives a boot. When it jumps, delivered
rows go too early or too late; what is not delivered does not go by age at all.
"""

from weatherd.journal.database import WhenFull
from weatherd.journal.places import file_system_of, mark_of, memory_file, memory_outlives_us, young_folder
from weatherd.journal.sqlite import SqliteJournal
from weatherd.journal.store import Notice

__all__ = [
    "Notice",
    "SqliteJournal",
    "WhenFull",
    "file_system_of",
    "mark_of",
    "memory_file",
    "memory_outlives_us",
    "young_folder",
]
