"""What the journal still knows of the last day, for whoever goes on from there."""

import asyncio
from collections.abc import AsyncIterator

import msgspec

from weatherd.journal import SqliteJournal
from weatherd.processing.documents import Document

_decoder = msgspec.json.Decoder(Document)


async def recall(journal: SqliteJournal, since_ms: int, count_max: int) -> AsyncIterator[Document]:
    """
    Yield the newest documents of the journal, the oldest of them first; those of another version are left out.

    Args:
        journal: Open.
        since_ms: Rows that were recorded before are left out.
        count_max: Documents at most.

    Raises:
        JournalUnavailable: If the disk does not give them now.
    """
    seq = max(journal.last_seq - count_max + 1, 1)
    while seq <= journal.last_seq:
        run = await journal.run_at(seq)
        if run is None:
            return
        if run.recorded_at_ms >= since_ms:
            for document in run.documents[max(seq - run.first_seq, 0) :]:
                try:
                    if document:
                        yield _decoder.decode(document)
                except (msgspec.DecodeError, ValueError):
                    continue
                await asyncio.sleep(0)  # the loop is for others, too
        seq = run.last_seq + 1
