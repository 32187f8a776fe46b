"""
The architecture on one screen: what the two loops ask of the world outside.

    Sensor, Source ─> sampling ─> recording ─> Journal ─> forwarding ─> Sink        all of them by the Clock

Each port names its promises. An adapter keeps them, a fake in the tests keeps them too, and the loops rely on
nothing else.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from weatherd.model import Arrival, Batch, Event, Measurement, Observation


class Clock(Protocol):
    """The only reader of time."""

    def boottime_s(self) -> float:
        """Return seconds since boot, suspension included. Never jumps, never goes back."""
        ...

    def now_ms(self) -> int:
        """Return the wall time, UTC. May jump: a Pi has no clock battery."""
        ...

    def synchronized(self) -> bool:
        """Tell whether the kernel says that the wall clock is synchronised."""
        ...

    async def sleep(self, delay_s: float) -> None:
        """Wait at least that long by the boot clock."""
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

    def position(self, sink: str) -> int:
        """Return the seq up to which a sink has everything; 0 for a sink never seen before."""
        ...

    async def append(self, entries: Sequence[Observation | Event]) -> None:
        """
        Give each entry its seq and id, and keep them: all or none.

        Raises:
            JournalUnavailable: If the disk does not take them now; nothing was kept, try again.
            JournalFull: If told to block. Nothing was kept, try again after a delivery.
        """
        ...

    async def wait_beyond(self, seq: int) -> None:
        """Wait until there is an entry with a higher seq."""
        ...

    async def read(self, after_seq: int, count_max: int) -> Batch | None:
        """
        Return the next documents after a seq, as far as they lie side by side; None if there are none.

        Raises:
            JournalUnavailable: If the disk does not give them now; try again.
            JournalDamaged: If they cannot be read any more; behind its `last_seq`, if it has one, reading goes on.
        """
        ...

    async def acknowledge(self, sink: str, seq: int) -> None:
        """Note that a sink has everything up to `seq`. Going back is ignored."""
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
