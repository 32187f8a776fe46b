"""
What came, by number: how many documents, how many different ones, and so how many came twice.

A document carries its number behind something that nothing else in it looks like, such as ``"number":``. One byte a
number remembers that it came.
"""

import re

FIRST = 100_000_000
"""What is added to the numbers of lines, so that all have nine digits, and none a leading zero."""

DIGITS = 9
COUNT_MAX = 1 << 24
"""Of numbers that can be told apart: 16 MB."""

PATTERN = r'"number": ?(\d{9})'


class Tally:
    """
    Count documents by their number.

    Args:
        pattern: A regular expression that finds the number of each document as its one group.
        first: The lowest number.

    Attributes:
        documents: How many came, those included that came twice.
        strange: Numbers that are none of ours.
    """

    def __init__(self, pattern: str, first: int) -> None:
        self.documents = 0
        self.strange = 0
        self._find = re.compile(pattern.encode()).findall
        self._first = first
        self._seen = bytearray(COUNT_MAX)

    def add(self, body: bytes) -> int:
        """Count the documents of a body; return how many they are."""
        numbers = [int(digits) - self._first for digits in self._find(body)]
        ours = [number for number in numbers if 0 <= number < COUNT_MAX]
        for number in ours:
            self._seen[number] = 1
        self.strange += len(numbers) - len(ours)
        self.documents += len(ours)
        return len(ours)

    @property
    def distinct(self) -> int:
        """How many numbers came."""
        return self._seen.count(1)

    @property
    def highest(self) -> int:
        """How many numbers there are up to the highest that came, counted from the first; 0 if none did."""
        return self._seen.rfind(1) + 1
