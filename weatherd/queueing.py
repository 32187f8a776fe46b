"""
The bounded queue between sampling and recording.

It stays short while the journal keeps up. When the disk is slow or full it decides who waits and who loses: a source
that can wait (a socket, a pipe) is made to wait and loses nothing; for a sensor that cannot, the oldest observation of
such sensors gives way, and is counted. A quarter of the places is out of reach for those that can wait, so that a busy
stream cannot push the sensors out.
"""

import asyncio
from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class BoundedQueue(Generic[Item]):
    """
    Hold items in order, at most `size_max` of them. For one event loop and one consumer.

    Args:
        size_max: Places in all, at least 4.
    """

    def __init__(self, size_max: int) -> None:
        self._size_max = size_max
        self._size_max_waiting = size_max - size_max // 4
        self._items: deque[tuple[Item, bool]] = deque()
        self._room = asyncio.Event()
        self._reached = asyncio.Event()
        self._depth_wanted = 1
        self._closed = asyncio.Event()
        self.dropped_count = 0

    @property
    def closed(self) -> bool:
        """Whether nothing more will come."""
        return self._closed.is_set()

    @property
    def depth(self) -> int:
        """How many items are held."""
        return len(self._items)

    async def put(self, items: deque[Item]) -> None:
        """Move items that can wait out of `items`, oldest first, each as soon as there is room; a cancel loses none."""
        while items:
            room = self._size_max_waiting - len(self._items)
            if room > 0:
                self._items.extend((items.popleft(), False) for _ in range(min(room, len(items))))
                self._announce()
            else:
                self._room.clear()
                await self._room.wait()

    def push(self, item: Item) -> None:
        """Add an item that cannot wait; in a full queue the oldest of its kind is dropped for it."""
        if len(self._items) >= self._size_max:
            self._drop_oldest()
        self._items.append((item, True))
        self._announce()

    async def wait_for(self, depth: int) -> None:
        """Wait until the queue holds `depth` items, or is closed. For the one consumer."""
        while len(self._items) < depth and not self.closed:
            await self.reaching(depth).wait()

    def reaching(self, depth: int) -> asyncio.Event:
        """Return what is set as soon as the queue holds `depth` items, or is closed. For the one consumer."""
        if len(self._items) < depth and not self.closed:
            self._depth_wanted = depth
            self._reached.clear()
        else:
            self._reached.set()
        return self._reached

    def take(self, count_max: int) -> list[Item]:
        """Take what is there, oldest first; nothing if it is empty."""
        taken = [self._items.popleft()[0] for _ in range(min(count_max, len(self._items)))]
        self._room.set()
        return taken

    def close(self) -> None:
        """Say that nothing more will come, so that the consumer takes the rest at once."""
        self._closed.set()
        self._reached.set()

    async def wait_closed(self) -> None:
        """Wait until the queue is closed."""
        await self._closed.wait()

    def _announce(self) -> None:
        if len(self._items) >= self._depth_wanted:
            self._reached.set()

    def _drop_oldest(self) -> None:
        """Drop the oldest item that cannot wait; there is one, since those that can never fill the queue."""
        self.dropped_count += 1
        for index, (_, can_be_dropped) in enumerate(self._items):
            if can_be_dropped:
                del self._items[index]
                return
        raise AssertionError("a queue full of items that can wait")
