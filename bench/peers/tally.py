"""
What came, by number: how many documents, which are missing, and how many came twice.

A document carries its number as nine digits behind a marker, such as ``"number":``; the first is `FIRST`, so none has a
leading zero. One byte a number remembers that it came.
"""

FIRST = 100_000_000
DIGITS = 9
COUNT_MAX = 1 << 24
"""Of numbers that can be told apart: 16 MB."""


class Tally:
    """
    Count documents by their number.

    Args:
        marker: Stands before each number, and nowhere else.

    Attributes:
        documents: How many came, those included that came twice.
        strange: Markers without a number of ours behind them.
    """

    def __init__(self, marker: bytes) -> None:
        self.documents = 0
        self.strange = 0
        self._marker = marker
        self._seen = bytearray(COUNT_MAX)

    def add(self, body: bytes) -> int:
        """Count the documents of a body; return how many they are."""
        pieces = body.split(self._marker)[1:]
        seen = self._seen
        try:
            for piece in pieces:
                seen[int(piece[:DIGITS]) - FIRST] = 1
        except (ValueError, IndexError):
            # Nothing that comes here regularly: so what is already marked is marked again.
            return self._add_carefully(pieces)
        self.documents += len(pieces)
        return len(pieces)

    def _add_carefully(self, pieces: list[bytes]) -> int:
        count = 0
        for piece in pieces:
            digits = piece[:DIGITS]
            number = int(digits) - FIRST if digits.isdigit() else -1
            if 0 <= number < COUNT_MAX:
                self._seen[number] = 1
                count += 1
        self.strange += len(pieces) - count
        self.documents += count
        return count

    @property
    def distinct(self) -> int:
        """How many numbers came."""
        return self._seen.count(1)

    @property
    def duplicates(self) -> int:
        """How many documents came once more than was needed."""
        return self.documents - self.distinct

    @property
    def highest(self) -> int:
        """How many numbers there are up to the highest that came, counted from the first; 0 if none did."""
        return self._seen.rfind(1) + 1
