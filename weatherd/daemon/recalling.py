"""
The memory over restarts: at the start, the newest documents of the journal are shown to those who need the past.

Nothing more is written to the card for it. What is read is bounded in documents and in time, and done on threads,
before sampling begins.
"""

import asyncio
from collections.abc import Callable, Sequence

import msgspec
import structlog

from weatherd.errors import JournalError
from weatherd.journal import SqliteJournal
from weatherd.ports import Clock
from weatherd.processing.documents import Document, decode, time_ms_of

Recall = Callable[[Document], None]
"""Takes in one observation of an earlier run; the oldest come first."""

SPAN_MS = 24 * 3_600_000
"""How far back, before the newest entry."""

ENTRIES_MAX = 100_000
"""Entries that are looked at: a day of eleven sensors that report each ten seconds."""

DURATION_S_MAX = 10.0
"""How long it may take; then only the newest entries are still read."""

NEWEST_COUNT = 2_000
"""Entries that are read even if there was no time for those before."""

_OBSERVATION = b'"dataset":"weatherd.observation'  # also the reduced; nothing else is decoded


async def recall(
    journal: SqliteJournal, clock: Clock, log: structlog.typing.FilteringBoundLogger, recalls: Sequence[Recall]
) -> int:
    """
    Show the observations of the last day to those who recall.

    Args:
        journal: Open.
        clock: Tells how long it takes.
        log: Where people read that it could not be done.
        recalls: Whoever needs the past.

    Returns:
        How many observations were shown.
    """
    give_up_s = clock.boottime_s() + DURATION_S_MAX
    count = 0
    try:
        seq = await _first_seq(journal)
        while seq <= journal.last_seq and (run := await journal.run_at(seq)) is not None:
            documents = run.documents[max(seq - run.first_seq, 0) :]
            count += await asyncio.to_thread(_show, documents, recalls)
            seq = max(run.last_seq, seq) + 1
            if clock.boottime_s() > give_up_s:
                seq = max(seq, journal.last_seq + 1 - NEWEST_COUNT)
    except JournalError as error:
        message = f"what was observed before the start is not remembered: {error}"
        log.warning("daemon.recall_failed", message=message, code=error.code, hint=error.hint)
    return count


async def _first_seq(journal: SqliteJournal) -> int:
    """Return about the first seq of the last day, by halving: entries are recorded in the order of their seqs."""
    low = max(journal.first_seq, journal.last_seq + 1 - ENTRIES_MAX)
    high = journal.last_seq
    newest_ms = await journal.newest_recorded_at_ms()
    if newest_ms is None:
        return high + 1
    while low < high:
        middle = (low + high) // 2
        run = await journal.run_at(middle)
        if run is None or run.recorded_at_ms >= newest_ms - SPAN_MS:
            high = middle
        else:
            low = max(run.last_seq, middle) + 1
    return low


def _show(documents: Sequence[bytes], recalls: Sequence[Recall]) -> int:
    count = 0
    for encoded in documents:
        if _OBSERVATION not in encoded:
            continue
        try:
            document = decode(encoded)
            time_ms_of(document.timestamp)
        except (msgspec.DecodeError, ValueError):
            continue  # of another version, or damaged: the forwarder sends it as it is, and nobody can recall it
        for one in recalls:
            one(document)
        count += 1
    return count
