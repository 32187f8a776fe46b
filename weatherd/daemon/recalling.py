"""
The memory over restarts: at the start, the newest documents of the journal are shown to those who need the past.

Nothing more is written to the card for it. What is read is bounded in documents and in time, and done on threads,
before sampling begins. To decode a document costs more than all the rest, so of what is older than quality control
looks back, only one a minute is decoded of each transmitter: that is what derivation remembers.
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

WHOLE_MS = 75 * 60_000
"""So far back every observation is shown: the hour of quality control, its longest gap, and some."""

TRANSMITTERS_MAX = 1_000
"""Of so many it is known which minute was shown; with one more, of all of them another observation is."""

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
    thinning = _Thinning()
    give_up_s = clock.boottime_s() + DURATION_S_MAX
    count = 0
    try:
        newest_ms = await journal.newest_recorded_at_ms()
        seq = journal.last_seq + 1 if newest_ms is None else await _first_seq(journal, newest_ms)
        while seq <= journal.last_seq and (run := await journal.run_at(seq)) is not None:
            documents = run.documents[max(seq - run.first_seq, 0) :]
            is_old = newest_ms is not None and run.recorded_at_ms < newest_ms - WHOLE_MS
            count += await asyncio.to_thread(_show, documents, recalls, thinning if is_old else None)
            seq = max(run.last_seq, seq) + 1
            if clock.boottime_s() > give_up_s:
                seq = max(seq, journal.last_seq + 1 - NEWEST_COUNT)
    except JournalError as error:
        message = f"what was observed before the start is not remembered: {error}"
        log.warning("daemon.recall_failed", message=message, code=error.code, hint=error.hint)
    return count


class _Thinning:
    """Tells which documents nobody needs, without decoding them: of each minute the first is enough."""

    # Within a text each quote is preceded by a backslash, so nothing but our fields can look like these.
    _BEGIN = b'{"@timestamp":"'
    _MINUTE = slice(len(_BEGIN), len(_BEGIN) + len("2026-11-23T15:14"))
    _SENSOR = b'"sensor":{'  # with its calibration, so that each change of it is seen
    _SENSOR_END = b'},"'
    _LABELS = b'"labels":{'  # the last field of an observation
    _TOTAL = b'"total":'  # the newest of what a rain gauge has counted matters

    def __init__(self) -> None:
        self._minutes: dict[bytes, bytes] = {}

    def spares(self, document: bytes) -> bool:
        """Tell whether another document of the same transmitter and minute came before this one."""
        sensor = document.find(self._SENSOR)
        if sensor < 0 or not document.startswith(self._BEGIN) or self._TOTAL in document:
            return False
        sensor_end, labels = document.find(self._SENSOR_END, sensor), document.rfind(self._LABELS)
        transmitter, minute = document[sensor:sensor_end] + document[labels:], document[self._MINUTE]
        if self._minutes.get(transmitter) == minute:
            return True
        if len(self._minutes) >= TRANSMITTERS_MAX:
            self._minutes.clear()
        self._minutes[transmitter] = minute
        return False


async def _first_seq(journal: SqliteJournal, newest_ms: int) -> int:
    """Return about the first seq of the last day, by halving: entries are recorded in the order of their seqs."""
    low = max(journal.first_seq, journal.last_seq + 1 - ENTRIES_MAX)
    high = journal.last_seq
    while low < high:
        middle = (low + high) // 2
        run = await journal.run_at(middle)
        if run is None or run.recorded_at_ms >= newest_ms - SPAN_MS:
            high = middle
        else:
            low = max(run.last_seq, middle) + 1
    return low


def _show(documents: Sequence[bytes], recalls: Sequence[Recall], thinning: _Thinning | None = None) -> int:
    count = 0
    for encoded in documents:
        if _OBSERVATION not in encoded or (thinning and thinning.spares(encoded)):
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
