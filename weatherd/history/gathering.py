"""Gathering: documents of the journal become minutes and events, which wait in memory for the next write. Pure."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from weatherd.history.bins import MINUTE_MS, Bin, joined, start_of
from weatherd.history.file import TIME_MS_MAX, Happened, Series
from weatherd.model import Quality, Statistics
from weatherd.processing.documents import DATASET_EVENT, Document, decode, time_ms_of

SERIES_MAX = 1000
"""Sensors times quantities; a series beyond is not remembered."""

_ALONE = Statistics(1)


class Covered(NamedTuple):
    """
    What of a journal is known from another one that was in its place: a backup that was restored tells again.

    Attributes:
        until_seq: Up to this entry.
        minutes: Where the newest known minute of each series begins.
    """

    until_seq: int
    minutes: Mapping[Series, int]


NOTHING = Covered(0, {})


class Gathered:
    """
    Minutes by series, and events, that are not in the file yet.

    Args:
        position: The seq behind which it begins.
        covered: What is left out, because it is known.
    """

    def __init__(self, position: int = 0, covered: Covered = NOTHING) -> None:
        self.position = position
        self.covered = covered
        self.minutes: dict[Series, dict[int, Bin]] = {}
        self.events: list[Happened] = []
        self.left_out: set[Series] = set()
        self.size = 0

    def add(self, documents: Iterable[bytes], last_seq: int, known: Iterable[Series] = ()) -> None:
        """
        Take in documents.

        Args:
            documents: Encoded; an empty one stands for one that is gone, and what no version of ours wrote is left out.
            last_seq: That of the last of them.
            known: Series that are in the file.
        """
        for encoded in documents:
            if not encoded:
                continue
            try:
                document = decode(encoded)
                time_ms = time_ms_of(document.timestamp)
            except (msgspec.DecodeError, ValueError):
                continue
            if document.event.dataset == DATASET_EVENT:
                self._add_event(document, time_ms)
            elif 0 < time_ms < TIME_MS_MAX:
                self._add_observation(document, time_ms, known)
        self.position = last_seq

    def _add_event(self, document: Document, time_ms: int) -> None:
        sensor = "" if document.sensor is None else document.sensor.name
        event = document.event
        self.events.append(Happened(event.sequence, time_ms, event.action, sensor, event.reason, document.message))
        self.size += 1

    def _add_observation(self, document: Document, time_ms: int, known: Iterable[Series]) -> None:
        if document.sensor is None:
            return
        start_ms = start_of(time_ms, MINUTE_MS)
        is_told_again = document.event.sequence <= self.covered.until_seq
        for quantity, value in (document.weather or {}).items():
            series = Series(document.sensor.name, quantity)
            if is_told_again and start_ms <= self.covered.minutes.get(series, -1):
                continue
            minutes = self._minutes_of(series, known)
            if minutes is None:
                continue
            spread = document.statistics.get(quantity, _ALONE)
            least = value if spread.min is None else spread.min
            greatest = value if spread.max is None else spread.max
            flag = document.quality.get(quantity, Quality.UNCHECKED)
            new = Bin(start_ms, value, least, greatest, max(spread.count, 1), flag)
            there = minutes.get(start_ms)
            if there is None:
                self.size += 1
                minutes[start_ms] = new
            else:
                minutes[start_ms] = joined(quantity, there, new)

    def _minutes_of(self, series: Series, known: Iterable[Series]) -> dict[int, Bin] | None:
        minutes = self.minutes.get(series)
        if minutes is None:
            if series not in known and len({*known, *self.minutes}) >= SERIES_MAX:
                self.left_out.add(series)
                return None
            minutes = self.minutes[series] = {}
        return minutes

    def bins(self, series: Series) -> list[Bin]:
        """Return the minutes of a series, ascending."""
        minutes = self.minutes.get(series, {})
        return [minutes[start_ms] for start_ms in sorted(minutes)]
