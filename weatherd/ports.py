"""
The architecture on one screen: what the two loops ask of the world outside.

    Sensor, Source, Receiver ─> sampling ─> recording ─> Journal ─> forwarding ─> Sink        all of them by the Clock

Each port names its promises. An adapter keeps them, a fake in the tests keeps them too, and the loops rely on
nothing else.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from weatherd.model import Arrival, Batch, Event, Infrared, Measurement, Observation
from weatherd.ranges import Ranges


class Clock(Protocol):
    """The only reader of time."""

    def boottime_s(self) -> float:
        """Return seconds since boot, suspension included. Never jumps, never goes back."""
        ...

    def now_ms(self) -> int:
        """Return the time, UTC: the boot clock and what is known of its distance to the wall clock."""
        ...

    def synchronized(self) -> bool:
        """Tell whether the kernel says that the wall clock is synchronised."""
        ...

    def offset_ms(self) -> int | None:
        """Return what the last `now_ms` added to the boot clock while that is an estimate; else None."""
        ...

    def known_offset_ms(self) -> int:
        """Return what the last `now_ms` added to the boot clock, be it an estimate or not."""
        ...

    async def sleep(self, delay_s: float) -> None:
        """Wait at least that long by the boot clock."""
        ...

    async def sleep_unless(self, event: asyncio.Event, delay_s: float) -> None:
        """Wait until an event is set; after that long, set it, so it is one that only the caller waits for."""
        ...


class Sensor(Protocol):
    """A sensor that is asked, at each tick of its sample period."""

    name: str
    model: str
    quantities: Sequence[str]

    async def open(self) -> None:
        """
        Find the part and make it ready; also again after a failure.

        Raises:
            SensorError: If it is not there, or is not what it should be.
        """
        ...

    async def measure(self) -> Measurement:
        """
        Take one measurement of every quantity, within a deadline of the sensor's own.

        Raises:
            SensorError: If there is none. Those of `NoMeasurement` mean that the sensor is still there.
        """
        ...

    async def close(self) -> None:
        """Give everything back. Raises nothing, and may be called without an `open`."""
        ...


class Source(Protocol):
    """What tells by itself, when it likes, about one sensor or several, and can be made to wait."""

    @property
    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """By sensor, what was received since the start, by what became of it."""
        ...

    async def open(self) -> None:
        """
        Make ready to listen.

        Raises:
            UnavailableError: If the place to listen at is taken. Trying again does not help.
        """
        ...

    async def run(self, deliver: Callable[[Mapping[str, Sequence[Arrival]]], Awaitable[None]]) -> None:
        """
        Hand over what arrives, by sensor, until cancelled. While `deliver` waits, nothing more is read.

        Raises:
            SourceEnded: If there is nothing more to come; `run` may be called again.
        """
        ...

    def rest(self) -> Mapping[str, Sequence[Arrival]]:
        """Return, by sensor, what had been read but not handed over when `run` was cancelled."""
        ...

    async def close(self) -> None:
        """Give everything back. Raises nothing, and may be called without an `open`."""
        ...


class Receiver(Protocol):
    """What hears remotes: no weather, and nothing to be reduced."""

    name: str
    model: str

    async def open(self) -> None:
        """
        Find the device and make it ready; also again after a failure.

        Raises:
            SensorError: If it is not there, or may not be used.
        """
        ...

    async def run(self, deliver: Callable[[Infrared], None]) -> None:
        """
        Hand over what is heard, at once, until cancelled. A key that is held comes again, with its repeats counted.

        Raises:
            SensorError: If the device has gone; `open` may be called again.
        """
        ...

    async def close(self) -> None:
        """Give everything back. Raises nothing, and may be called without an `open`."""
        ...


class Journal(Protocol):
    """Keeps what was observed until every sink has it. One writer; callable from one event loop."""

    @property
    def last_seq(self) -> int:
        """The seq of the newest entry; 0 for a journal that never held one."""
        ...

    @property
    def dropped_count(self) -> int:
        """Entries that had to be dropped before every sink had them, since the journal was made."""
        ...

    def delivered(self, sink: str) -> Ranges:
        """Return what a sink has, or can no longer have because it is gone."""
        ...

    def lag(self, sink: str) -> int:
        """Return how many entries a sink does not have yet."""
        ...

    async def append(self, entries: Sequence[Observation | Event]) -> None:
        """
        Give each entry its seq and id, and keep them over the end of the process: all or none.

        Raises:
            JournalUnavailable: If the disk does not take them now; nothing was kept, try again.
            JournalFull: If told to block. Nothing was kept, try again after a delivery.
        """
        ...

    async def wait_beyond(self, seq: int) -> None:
        """Wait until there is an entry with a higher seq."""
        ...

    async def wait_for_return(self) -> None:
        """Wait until older entries can be delivered again: they were held back, requeued, or found."""
        ...

    async def read(self, sink: str, first_seq: int, last_seq: int, count_max: int) -> Batch | None:
        """
        Return the first documents of a span of seqs for an attempt; from now on their bytes are frozen.

        There are `count_max` of them at most, and where the span has as many at least half: a journal may end a batch
        where it is easy to go on.

        Documents that are held back (their time is not known yet) are left out: the batch begins behind them and
        ends before them. Otherwise it begins with the span, and ends with its last document, or with the span if there
        are no more; so a span of which nothing is left gives a batch without documents.

        Returns:
            None if all that is left of the span is held back.

        Raises:
            JournalUnavailable: If the disk does not give them now; try again.
            JournalDamaged: If they cannot be read any more; behind its `last_seq`, if it has one, reading goes on.
        """
        ...

    def acknowledge(self, sink: str, first_seq: int, last_seq: int) -> None:
        """Note that a sink has all of a span. It is kept over the end of the process as soon as can be."""
        ...

    async def quarantine(self, sink: str, batch: Batch, reason: str) -> None:
        """
        Keep documents that a sink refuses for good, with its reason.

        Raises:
            JournalUnavailable: If the disk does not take them now; try again.
        """
        ...


class Sink(Protocol):
    """Somewhere to deliver documents to."""

    name: str

    @property
    def attempts(self) -> Mapping[str, int]:
        """Attempts since the start, by the answer they had."""
        ...

    async def deliver(self, documents: Sequence[bytes]) -> None:
        """
        Hand over documents in one attempt; return when the far end has acknowledged all of them.

        Raises:
            SinkError: One of its four kinds; what is to be done is the caller's.
        """
        ...

    async def close(self) -> None:
        """Give everything back. Raises nothing."""
        ...
