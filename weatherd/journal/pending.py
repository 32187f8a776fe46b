"""Documents that the database does not have yet: in memory, beside the tails that hold them for the next start."""

import bisect
from collections.abc import Iterator, Sequence

from weatherd.journal.rows import Estimate, Run


class Pending:
    """
    Entries from one seq on, without a gap.

    Attributes:
        size: Bytes of the documents.
    """

    def __init__(self) -> None:
        self.size = 0
        self._documents: list[bytes] = []
        self._runs: list[Run] = []
        self._starts: list[int] = []

    def __len__(self) -> int:
        return len(self._documents)

    @property
    def first_seq(self) -> int:
        """The seq of the oldest, if there is one."""
        return self._starts[0]

    @property
    def last_seq(self) -> int:
        """The seq of the newest, if there is one."""
        return self._starts[0] + len(self._documents) - 1

    @property
    def runs(self) -> Sequence[Run]:
        """All of them, as they were added."""
        return self._runs

    def add(self, run: Run) -> None:
        """Take in what follows."""
        assert not self._runs or run.first_seq == self.last_seq + 1
        self._runs.append(run)
        self._starts.append(run.first_seq)
        self._documents += run.documents
        self.size += sum(map(len, run.documents))

    def runs_from(self, seq: int) -> Iterator[Run]:
        """Yield the runs that hold a seq and those after it, if any; neighbours with equal clocks as one."""
        if not self._documents or seq > self.last_seq:
            return
        index = max(bisect.bisect_right(self._starts, seq) - 1, 0)
        while index < len(self._runs):
            estimate = self._runs[index].estimate
            end = index + 1
            while end < len(self._runs) and self._runs[end].estimate == estimate:
                end += 1
            yield self._joined(index, end, estimate)
            index = end

    def drop_until(self, last_seq: int) -> None:
        """Forget the first runs, as far as they end at a seq or before."""
        count = bisect.bisect_right([run.last_seq for run in self._runs], last_seq)
        if count:
            documents_count = self._runs[count - 1].last_seq - self._starts[0] + 1
            self.size -= sum(map(len, self._documents[:documents_count]))
            del self._runs[:count], self._starts[:count], self._documents[:documents_count]

    def _joined(self, index: int, end: int, estimate: Estimate | None) -> Run:
        first = self._starts[index] - self._starts[0]
        last = self._starts[end] - self._starts[0] if end < len(self._starts) else len(self._documents)
        return Run(self._starts[index], self._runs[end - 1].recorded_at_ms, estimate, self._documents[first:last])
