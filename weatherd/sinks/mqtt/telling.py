"""What people hear of the broker: each change once, and what needs a person as an event, too."""

import structlog

from weatherd.errors import SinkError, Unwelcome
from weatherd.happenings import Happenings
from weatherd.ports import Clock
from weatherd.throttling import ThrottledLog

EVENT_PERIOD_S = 3600.0
"""A broker that wants other settings now and then is an event no more often than this."""

BURST = 10
"""Lines in the log of one kind, in a minute, of what others can bring about a thousand times a second."""

NAMED_MAX = 100
"""Runs, and topics, that are remembered as told."""


class Teller:
    """
    Tell how it goes with the broker.

    Args:
        log: Where people read.
        happenings: For what only a person can mend.
        clock: The station's clock.
    """

    def __init__(self, log: structlog.typing.FilteringBoundLogger, happenings: Happenings, clock: Clock) -> None:
        self._log = log
        self._throttled = ThrottledLog(log, clock, burst=BURST)
        self._happenings = happenings
        self._clock = clock
        self._event_next_s: dict[str, float] = {}  # by what is wrong: a few sentences of ours
        self._told: set[str] = set()

    def lost(self, error: SinkError) -> None:
        """Tell that there is no connection, or none now for another reason."""
        now_s = self._clock.boottime_s()
        if isinstance(error, Unwelcome) and now_s >= self._event_next_s.get(error.sentence, 0.0):
            self._event_next_s[error.sentence] = now_s + EVENT_PERIOD_S
            self._happenings.tell(
                "mqtt.unwelcome", "mqtt_unwelcome", str(error), reason=error.reason, code=error.code, hint=error.hint
            )
        else:
            self._throttled.warning("mqtt.lost", str(error), code=error.code, hint=error.hint)

    def found(self, shown: str) -> None:
        """Tell that there is a connection again."""
        self._log.info("mqtt.found", message=f"{shown} answers")

    def not_taken(self, topic: str, error: SinkError) -> None:
        """Tell, once for each topic, that the broker does not take what is published there."""
        if self._is_new(f"topic {topic}"):
            self._happenings.tell(
                "mqtt.not_taken", "mqtt_not_taken", str(error), reason=error.reason, code=error.code, hint=error.hint
            )

    def not_heard(self, topic: str) -> None:
        """Tell, once for each topic, that the broker does not let us subscribe."""
        if self._is_new(f"subscription {topic}"):
            message = f"the broker does not let us subscribe to {topic}"
            self._log.warning("mqtt.not_heard", message=message, hint="allow it in its access list: docs/fleet.md")

    def twin(self, run_id: str, error: SinkError) -> bool:
        """Tell, once for each of them, that another daemon publishes as this station; tell you whether it was news."""
        is_new = self._is_new(f"run {run_id}")
        if is_new:
            self._happenings.tell("mqtt.twin", "mqtt_twin", str(error), code=error.code, hint=error.hint)
        return is_new

    def corrected(self, topic: str) -> None:
        """Tell that somebody, or a last will that came late, said that we are gone."""
        self._throttled.warning("mqtt.corrected", f"{topic} did not say online while we are there; now it does again")

    def commanded(self, command: str, outcome: str) -> None:
        """Tell what was asked, and what became of it."""
        self._log.info("mqtt.commanded", message=f"command {command}: {outcome}")

    def refused(self, command: str, why: str) -> None:
        """Tell that a command was not followed."""
        self._throttled.warning("mqtt.command_refused", f"command {command}: {why}")

    def moved(self, topic: str) -> None:
        """Tell that what an earlier configuration left behind is removed."""
        self._log.info("mqtt.moved", message=f"nobody is at {topic} any more; what was retained there is removed")

    def _is_new(self, what: str) -> bool:
        if what in self._told or len(self._told) >= NAMED_MAX:
            return False
        self._told.add(what)
        return True
