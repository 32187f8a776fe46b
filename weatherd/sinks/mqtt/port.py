"""The port through which this sink sees the station."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from weatherd.model import Heard, Observation, Station
from weatherd.processing.documents import Document


class SensorNow(NamedTuple):
    """
    A sensor, as it is now.

    Attributes:
        name: Its name in the configuration.
        observable: The quantities that it may measure, or that may be derived for it; None while that is not known.
        newest: By quantity, the newest observation that tells it, be it of an earlier run.
        is_there: Whether it answers, and has told something lately.
        stale_s: Without an observation for so long, it is as good as lost.
        current_s: An observation is the current one for so long: until then no other is due.
    """

    name: str
    observable: Collection[str] | None
    newest: Mapping[str, Observation]
    is_there: bool
    stale_s: float
    current_s: float


class Fresh(NamedTuple):
    """Entries of the journal with their seqs, ascending, and the seq up to which there are no others."""

    entries: Sequence[tuple[int, Document]]
    last_seq: int


class InfraredNow(NamedTuple):
    """
    What Home Assistant may use.

    Attributes:
        receivers: The names of those that tell timings.
        emits: Whether whatever it likes is sent for it.
    """

    receivers: Sequence[str] = ()
    emits: bool = False


class StationNow(Protocol):
    """What there is to tell. None of it takes a position in the journal."""

    @property
    def station(self) -> Station:
        """The station itself."""
        ...

    @property
    def run_id(self) -> str:
        """Drawn anew at each start of the daemon."""
        ...

    @property
    def version(self) -> str:
        """That of weatherd."""
        ...

    @property
    def last_seq(self) -> int:
        """The seq of the newest entry of the journal."""
        ...

    async def wait_beyond(self, seq: int) -> None:
        """Wait until the journal has an entry with a higher seq."""
        ...

    async def fresh(self, seq: int) -> Fresh:
        """
        Return some entries of the journal from a seq on; `last_seq` is the seq or more.

        Raises:
            JournalError: If they cannot be read now. Trying again can help.
        """
        ...

    def sensors(self) -> Sequence[SensorNow]:
        """Return each sensor, in the order of the configuration."""
        ...

    def status(self) -> Mapping[str, Any]:
        """Return ``lag``, ``clock_synchronized``, ``started_at``, ``version`` and ``run_id``."""
        ...

    async def report(self, sensor: str | None) -> int:
        """
        End the report period of a sensor now, or of all; return how many observations that made.

        Raises:
            KeyError: If there is no such sensor.
        """
        ...

    @property
    def heard_count(self) -> int:
        """The number of what was heard last; 0 if nothing was."""
        ...

    def heard(self, number: int) -> Sequence[Heard]:
        """Return what was heard behind a number, as far as it is remembered."""
        ...

    async def wait_heard(self, number: int) -> None:
        """Wait until something was heard behind a number."""
        ...

    def infrared(self) -> InfraredNow:
        """Return which infrared is there for Home Assistant."""
        ...

    async def send_infrared(self, name: str) -> None:
        """
        Send a command of the configuration.

        Raises:
            InfraredError: If nothing was sent.
        """
        ...

    async def send_timings(self, timings_us: Sequence[int], carrier_hz: int) -> None:
        """
        Send pulses and spaces in turn, in microseconds.

        Raises:
            InfraredError: If nothing was sent.
        """
        ...

    async def requeue(self) -> int:
        """
        Take documents out of quarantine, to be tried again; return how many.

        Raises:
            JournalUnavailable: If the disk does not take it now; nothing has changed.
        """
        ...
