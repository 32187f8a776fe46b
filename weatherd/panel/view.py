"""The port through which the panel sees the station: plain values, of the shapes that `openapi.yaml` describes."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

Shape = Mapping[str, Any]


class Wanted(NamedTuple):
    """
    What of the history is wanted.

    Attributes:
        quantity: Its name.
        sensor: Only this one; None for all.
        from_ms: Included.
        to_ms: Excluded; more than `from_ms`.
        step_s: A whole multiple of 60; None for the shortest that fits.
    """

    quantity: str
    sensor: str | None
    from_ms: int
    to_ms: int
    step_s: int | None


class Message(NamedTuple):
    """
    One entry of the journal, for the stream.

    Attributes:
        seq: Its seq.
        name: ``observation`` or ``happened``.
        body: What it tells.
    """

    seq: int
    name: str
    body: Shape


class Read(NamedTuple):
    """Entries of the journal, ascending, and the seq up to which there are no others."""

    messages: Sequence[Message]
    last_seq: int


class View(Protocol):
    """What there is to see."""

    def station(self) -> Shape:
        """Return a `Station`."""
        ...

    def sensors(self) -> Sequence[Shape]:
        """Return each `Sensor`."""
        ...

    def sinks(self) -> Sequence[Shape]:
        """Return each `Sink`."""
        ...

    def journal(self) -> Shape:
        """Return the `Journal`."""
        ...

    def clock(self) -> Shape:
        """Return the `Clock`."""
        ...

    def problems(self) -> Sequence[str]:
        """Return what keeps the station from its work, a sentence each; nothing while it does it."""
        ...

    async def counters(self) -> bytes:
        """Return every counter, in the text format of Prometheus, version 0.0.4."""
        ...

    async def current(self) -> Shape:
        """Return `Current`."""
        ...

    async def history(self, wanted: Wanted) -> Shape:
        """
        Return a `History`.

        Raises:
            Problem: If the step does not fit, or nobody knows the quantity.
            HistoryUnavailable: If it cannot be read now. Trying again can help.
        """
        ...

    async def events(self, before_seq: int, count_max: int) -> Sequence[Shape]:
        """
        Return each `Event`, the newest first.

        Raises:
            HistoryUnavailable: If they cannot be read now. Trying again can help.
        """
        ...

    @property
    def last_seq(self) -> int:
        """The seq of the newest entry of the journal."""
        ...

    async def wait_beyond(self, seq: int) -> None:
        """Wait until the journal has an entry with a higher seq."""
        ...

    async def read(self, seq: int) -> Read:
        """
        Return some entries of the journal from a seq on; `last_seq` is the seq or more.

        Raises:
            JournalError: If they cannot be read now. Trying again can help.
        """
        ...
