"""What the sinks have: the loop adds to it, and whichever thread writes next takes it along."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from weatherd.ranges import NOTHING, Ranges


class Delivered:
    """
    What each sink has, former sinks included.

    Safe from several threads. None of them holds the lock for longer than the sum takes, so the loop need not wait.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ranges: Mapping[str, Ranges] = {}
        self._going_back: Mapping[str, Ranges] = {}

    @property
    def ranges(self) -> Mapping[str, Ranges]:
        """By sink, what it has."""
        return self._ranges

    def of(self, sink: str) -> Ranges:
        """Return what one sink has."""
        return self._ranges.get(sink, NOTHING)

    def add(self, sink: str, ranges: Ranges) -> None:
        """Let a sink have some entries more."""
        with self._lock:
            self._ranges = {**self._ranges, sink: self.of(sink) | ranges}

    def to_write(self) -> Mapping[str, Ranges]:
        """Return, by sink, what the disk is told that it has."""
        with self._lock:
            return _without(self._ranges, self._going_back)

    @contextmanager
    def taking_back(self, sink: str, ranges: Ranges) -> Iterator[None]:
        """
        Let a sink have some entries no more.

        What is written meanwhile says so at once; everybody else learns of it when that has succeeded, or never.
        """
        with self._lock:
            self._going_back = {sink: ranges}
        try:
            yield
        except BaseException:
            with self._lock:
                self._going_back = {}
            raise
        with self._lock:
            self._ranges = _without(self._ranges, self._going_back)
            self._going_back = {}


def _without(ranges: Mapping[str, Ranges], gone: Mapping[str, Ranges]) -> Mapping[str, Ranges]:
    left = dict(ranges)
    for sink, its in gone.items():
        for first, last in its:
            left[sink] = left.get(sink, NOTHING).remove(first, last)
    return left
