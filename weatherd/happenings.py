"""What happens to the station that is not weather: told once in the log, and kept beside the observations."""

import structlog

from weatherd.model import Event, Infrared, Observation
from weatherd.ports import Clock
from weatherd.queueing import BoundedQueue


class Happenings:
    """
    Tell what happened, to people and to programs.

    Args:
        queue: Where events go, beside the observations; one that finds no room is dropped and counted like them.
        clock: The station's clock.
        log: Where people read.
    """

    def __init__(
        self, queue: BoundedQueue[Observation | Event], clock: Clock, log: structlog.typing.FilteringBoundLogger
    ) -> None:
        self._queue = queue
        self._clock = clock
        self._log = log

    def tell(
        self, name: str, action: str, message: str, *, sensor: str = "", reason: str = "", **fields: object
    ) -> None:
        """
        Log a warning and keep an event.

        Args:
            name: Of the log line: ``sampling.sensor_lost``.
            action: Of the event, for programs: ``sensor_lost``.
            message: A sentence.
            sensor: The sensor it concerns, if any.
            reason: The last part of the code of the error behind it, if any.
            fields: For the log alone.
        """
        if sensor:
            fields["sensor"] = sensor
        self._log.warning(name, message=message, **fields)
        self._keep(action, message, sensor=sensor, reason=reason)

    def sent(self, infrared: Infrared, message: str) -> None:
        """Log and keep what was sent by infrared: nothing is wrong with that."""
        self._log.info("infrared.sent", message=message)
        self._keep("infrared_sent", message, infrared=infrared)

    def _keep(
        self, action: str, message: str, *, sensor: str = "", reason: str = "", infrared: Infrared | None = None
    ) -> None:
        now_ms = self._clock.now_ms()
        clock_offset_ms = self._clock.offset_ms()
        self._queue.push(
            Event(
                action=action,
                message=message,
                observed_at_ms=now_ms,
                clock_synchronized=self._clock.synchronized(),
                sensor=sensor,
                reason=reason,
                clock_offset_ms=clock_offset_ms,
                infrared=infrared,
            )
        )
