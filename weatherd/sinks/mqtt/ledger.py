"""What became of the messages, over one connection and the next."""

from weatherd.errors import SinkError, Unwelcome
from weatherd.ranges import Range, Ranges

SENT_RANGES_MAX = 64
"""Ranges of seqs that are remembered as sent while they were fresh, one an outage; older ones go out once more."""

NOT_TAKEN_MAX = 100
"""Topics of which it is remembered that the broker does not take what is published there."""

TWIN_S = 180.0
"""So long after its last sign another daemon that publishes as this station is still shown."""


class Ledger:
    """
    Keep count.

    Attributes:
        position: The seq up to which every entry was looked at, while there is a connection.
        sent: Seqs of what was published while it was fresh.
        delivered_count: Observations and events that were published while they were fresh.
    """

    def __init__(self) -> None:
        self.position = 0
        self.sent = Ranges()
        self.delivered_count = 0
        self._not_taken: dict[str, Unwelcome] = {}
        self._refusal: SinkError | None = None
        self._twin: tuple[SinkError, float] | None = None

    def published(self, seq: int) -> None:
        """Note that an entry was published, every message of it."""
        self.delivered_count += 1
        ranges: list[Range] = list(self.sent.add(seq, seq))
        self.sent = Ranges(ranges[-SENT_RANGES_MAX:])

    def taken(self, topic: str) -> None:
        """Note that the broker has taken a message."""
        self._refusal = None
        self._not_taken.pop(topic, None)

    def not_taken(self, topic: str, error: SinkError) -> None:
        """Note that it has not: for good on this topic, or for now on any."""
        if not isinstance(error, Unwelcome):
            self._refusal = error
        elif topic in self._not_taken or len(self._not_taken) < NOT_TAKEN_MAX:
            self._not_taken[topic] = error

    def twin(self, error: SinkError, now_s: float) -> None:
        """Note that another daemon publishes as this station."""
        self._twin = (error, now_s)

    def error(self, now_s: float) -> SinkError | None:
        """Return what is wrong although there is a connection; what only a person can mend comes first."""
        if self._twin is not None and now_s - self._twin[1] <= TWIN_S:
            return self._twin[0]
        return next(iter(self._not_taken.values()), self._refusal)

    def begin(self, last_seq: int) -> None:
        """Begin with a new connection: what came before it is not fresh any more."""
        self.position = last_seq
        self._not_taken.clear()
        self._refusal = None
