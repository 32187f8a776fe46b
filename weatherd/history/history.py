"""The history of a station: what is in the file, and what waits in memory for it; used from one thread."""

from collections.abc import Callable, Sequence
from pathlib import Path

from weatherd.history.bins import HOUR_MS, MINUTE_MS, Bin, in_steps, merged
from weatherd.history.file import TIME_MS_MAX, Happened, HistoryFile, Series
from weatherd.history.gathering import Covered, Gathered

WAITING_MAX = 100_000
"""Minutes and events that wait in memory, a few tens of MB; with more, `is_due` whatever the time."""


class History:
    """
    Minutes, hours and events of a station.

    Args:
        path: Of the file, in a folder that exists.
        retention_ms: How long they stay.
        tell_lost: Called with the reason when a damaged file is removed; the journal is taken in again then.
        now_ms: The wall clock.
    """

    def __init__(
        self,
        path: Path,
        *,
        retention_ms: int,
        tell_lost: Callable[[str], None] = lambda _: None,
        now_ms: Callable[[], int] = lambda: TIME_MS_MAX,
    ) -> None:
        self._tell_lost = tell_lost
        self.file = HistoryFile(path, retention_ms=retention_ms, tell_lost=self._lost, now_ms=now_ms)
        self._gathered = Gathered()

    def open(self) -> None:
        """Open the file, and go on where it ends. Raises HistoryUnavailable if the disk does not let us."""
        self.file.open()
        self._gathered = Gathered(self.file.position)

    @property
    def is_open(self) -> bool:
        """Whether the file is open."""
        return self.file.is_open

    @property
    def position(self) -> int:
        """The seq of the last document that was taken in."""
        return self._gathered.position

    @property
    def is_due(self) -> bool:
        """Whether so much waits that it has to be written now."""
        return self._gathered.size >= WAITING_MAX

    def begin_again(self, last_seq: int) -> None:
        """
        Take in another journal from its first document, and nothing twice that a restored one tells again.

        Args:
            last_seq: Up to where it may have been written before we saw it.

        Raises:
            HistoryUnavailable: If the disk does not let us; nothing has changed.
        """
        self._gathered = Gathered(covered=Covered(last_seq, self.file.newest()))

    def add(self, documents: Sequence[bytes], last_seq: int, *, behind_seq: int = 0) -> None:
        """
        Take in documents of the journal, in the order of their seqs; what was taken in before is left out.

        Args:
            documents: Without a gap.
            last_seq: That of the last one.
            behind_seq: The position for which they were read. If it is further back now, because the file was lost
                meanwhile, they come too early.
        """
        new = last_seq - self.position
        if new > 0 and behind_seq <= self.position:
            self._gathered.add(documents[max(len(documents) - new, 0) :], last_seq, self.file.series)

    def write(self) -> None:
        """
        Write what waits.

        Raises:
            HistoryUnavailable: If the disk does not let us; it waits on.
        """
        gathered = self._gathered
        if gathered.position == self.file.position and not gathered.size:
            return
        minutes = {series: gathered.bins(series) for series in gathered.minutes}
        self.file.write(gathered.position, minutes, gathered.events)
        self._gathered = Gathered(self.file.position, gathered.covered)

    def close(self) -> None:
        """Give the file back; what was not written is taken in again at the next start."""
        self.file.close()

    def _lost(self, reason: str) -> None:
        self._gathered = Gathered()
        self._tell_lost(reason)

    def series(self) -> Sequence[Series]:
        """Every series, those of the file first."""
        return list(dict.fromkeys([*self.file.series, *self._gathered.minutes]))

    def bins(self, series: Series, step_ms: int, from_ms: int, to_ms: int) -> list[Bin]:
        """
        Return a series in steps, those without a value left out.

        Args:
            series: Of a sensor and a quantity.
            step_ms: A whole multiple of a minute; steps begin at whole multiples of it since 1970.
            from_ms: The step that holds it is the first.
            to_ms: Excluded.

        Raises:
            HistoryUnavailable: If the disk does not let us.
        """
        from_ms = from_ms // step_ms * step_ms
        stored_ms = MINUTE_MS if step_ms % HOUR_MS else HOUR_MS
        young = [one for one in self._gathered.bins(series) if from_ms <= one.start_ms < to_ms]
        young = list(in_steps(series.quantity, young, stored_ms))
        stored = self.file.bins(series, stored_ms, from_ms, to_ms)
        return list(in_steps(series.quantity, merged(series.quantity, stored, young), step_ms))

    def events(self, before_seq: int, count_max: int) -> list[Happened]:
        """Return the newest events before a seq, the newest first. Raises HistoryUnavailable, as `bins` does."""
        young = [one for one in reversed(self._gathered.events) if one.seq < before_seq]
        return [*young, *self.file.events(before_seq, count_max)][:count_max]
