"""What receivers hear, for those who want it at once: a few seconds of it in memory, and nothing that is kept."""

import asyncio
from collections import deque
from collections.abc import Sequence

from weatherd.model import Heard, Infrared
from weatherd.ports import Clock

HEARD_MAX = 100
"""Of all receivers; the oldest give way."""


class Hearing:
    """
    Remember what was heard lately.

    Args:
        clock: The station's clock.

    Attributes:
        count: What was heard since the start.
    """

    def __init__(self, clock: Clock) -> None:
        self.count = 0
        self._clock = clock
        self._heard: deque[Heard] = deque(maxlen=HEARD_MAX)
        self._grown = asyncio.Event()

    def tell(self, sensor: str, heard: Infrared) -> None:
        """Take in what a receiver has heard just now."""
        self.count += 1
        self._heard.append(Heard(self.count, sensor, self._clock.now_ms(), heard))
        self._grown.set()
        self._grown = asyncio.Event()

    def behind(self, number: int) -> Sequence[Heard]:
        """Return what was heard behind a number, as far as it is remembered."""
        return [one for one in self._heard if one.number > number]

    async def wait_beyond(self, number: int) -> None:
        """Wait until something with a higher number was heard."""
        while self.count <= number:
            await self._grown.wait()
