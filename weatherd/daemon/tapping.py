"""
The tap: what is fresh in the journal, for those who live on it and hold no position there: the panel and MQTT.

Each keeps a seq of its own, and what it misses it misses: nobody waits for it, and nothing is kept for it.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import msgspec

from weatherd.journal import SqliteJournal
from weatherd.processing.documents import Document, decode

DECODED_AT_ONCE_MAX = 20
"""Documents that are decoded on the loop; more go to a thread."""

READ_MAX = 500
"""Documents that one reading of the journal gives."""

_T = TypeVar("_T")


class Tap:
    """Read the journal behind a seq."""

    def __init__(self, journal: SqliteJournal) -> None:
        self._journal = journal

    @property
    def last_seq(self) -> int:
        """The seq of the newest entry."""
        return self._journal.last_seq

    async def wait_beyond(self, seq: int) -> None:
        """Wait until there is an entry with a higher seq."""
        await self._journal.wait_beyond(seq)

    async def read(self, seq: int, make: Callable[[int, Document], _T]) -> tuple[Sequence[_T], int]:
        """
        Read some entries from a seq on.

        Args:
            seq: At least 1.
            make: Makes of each what is wanted, on a thread where there are many. Those of which it cannot, for a
                ValueError, are left out, as are those that are gone or of another version.

        Returns:
            What was made, and the seq up to which there are no others: the seq asked for, or more.

        Raises:
            JournalError: If they cannot be read now. Trying again can help.
        """
        run = await self._journal.run_at(seq)
        if run is None:
            return (), max(seq, self.last_seq)
        first_seq = max(seq, run.first_seq)
        documents = run.documents[first_seq - run.first_seq :][:READ_MAX]
        if len(documents) > DECODED_AT_ONCE_MAX:
            made = await asyncio.to_thread(lambda: list(_made(first_seq, documents, make)))
        else:
            made = list(_made(first_seq, documents, make))
        return made, first_seq + len(documents) - 1


def _made(first_seq: int, documents: Sequence[bytes], make: Callable[[int, Document], _T]) -> Iterator[_T]:
    for seq, encoded in enumerate(documents, first_seq):
        try:
            yield make(seq, decode(encoded))
        except (msgspec.DecodeError, ValueError):
            continue
