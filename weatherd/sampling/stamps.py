"""Stamps: times that go with the station's clock when it steps, until they stand in an observation."""

from typing import NamedTuple

from weatherd.ports import Clock

_STEP_MS = 500
"""Less is no step, but the two readings of a stamp that lie apart, or a time daemon's fine work."""


class Stamp(NamedTuple):
    """
    A time, and the clock that it is by.

    Attributes:
        time_ms: The time.
        offset_ms: What the station's clock added to the boot clock then; None if a source gave the time.
    """

    time_ms: int
    offset_ms: int | None

    def by(self, now: "Stamp") -> "Stamp":
        """Return the same moment by the clock of another stamp: moved by the steps in between."""
        if self.offset_ms is None or now.offset_ms is None:
            return self
        step_ms = now.offset_ms - self.offset_ms
        return Stamp(self.time_ms + step_ms, now.offset_ms) if abs(step_ms) > _STEP_MS else self


def stamp(clock: Clock) -> Stamp:
    """Return the present time."""
    return Stamp(clock.now_ms(), clock.known_offset_ms())
