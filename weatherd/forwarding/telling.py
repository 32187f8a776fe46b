"""What people hear of forwarding: each change once, and quarantine at most once in a while."""

import structlog

from weatherd.errors import JournalDamaged, JournalError, SinkError
from weatherd.happenings import Happenings
from weatherd.ports import Clock

QUARANTINE_PERIOD_S = 60.0
"""Quarantine is told at most once in this time."""


class Teller:
    """
    Tell what becomes of the documents for one sink.

    Args:
        sink: Its name.
        clock: The station's clock.
        log: Where people read about outages.
        happenings: Where it is told what could not be delivered.
    """

    def __init__(
        self, sink: str, clock: Clock, log: structlog.typing.FilteringBoundLogger, happenings: Happenings
    ) -> None:
        self._sink = sink
        self._clock = clock
        self._log = log
        self._happenings = happenings
        self._quarantine_told_s = -QUARANTINE_PERIOD_S
        self._quarantine_untold_count = 0

    def sink_lost(self, error: SinkError, lag: int) -> None:
        """Tell that attempts fail, or now fail for another reason."""
        self._log.warning(
            "forwarding.sink_lost",
            message=f"{error}; everything is kept and will be sent later",
            sink=self._sink,
            code=error.code,
            hint=error.hint,
            lag=lag,
        )

    def sink_found(self, lag: int) -> None:
        """Tell that the far end is back."""
        self._log.info(
            "forwarding.sink_found",
            message=f"{self._sink} answers again; {lag} entries are to be sent",
            sink=self._sink,
            lag=lag,
        )

    def paused(self, error: JournalError) -> None:
        """Tell that the journal gives or takes nothing now."""
        self._log.error("forwarding.paused", message=f"nothing is sent: {error}", code=error.code, hint=error.hint)

    def resumed(self) -> None:
        """Tell that it does again."""
        self._log.info("forwarding.resumed", message="the journal can be read again")

    def unreadable(self, error: JournalDamaged) -> None:
        """Tell that entries are lost, for they cannot be read any more."""
        self._happenings.tell(
            "forwarding.unreadable",
            "entries_unreadable",
            str(error),
            reason=error.reason,
            code=error.code,
            hint=error.hint,
        )

    def quarantined(self, error: SinkError) -> None:
        """Tell of a document in quarantine, at most once in a while: the far end may refuse them all."""
        self._quarantine_untold_count += 1
        if self._clock.boottime_s() - self._quarantine_told_s < QUARANTINE_PERIOD_S:
            return
        count, self._quarantine_untold_count = self._quarantine_untold_count, 0
        self._quarantine_told_s = self._clock.boottime_s()
        self._happenings.tell(
            "forwarding.quarantined",
            "documents_quarantined",
            f"{self._sink} refuses {count} document{'s' if count > 1 else ''} for good; in quarantine: {error}",
            reason=error.reason,
            code=error.code,
            count=count,
        )
