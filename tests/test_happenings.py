import pytest

from tests.fakes import NOON_MS, FakeClock, recording_log
from weatherd.happenings import Happenings
from weatherd.model import Event, Observation
from weatherd.queueing import BoundedQueue

STEP_MS = 3_600_000


class TurningClock(FakeClock):
    """A clock that is synchronised, with a step of an hour, when it is asked whether it is."""

    def synchronized(self) -> bool:
        if not self.is_synchronized:
            self.synchronize(STEP_MS / 1000)
        return super().synchronized()


def told(clock: FakeClock) -> tuple[Event, list[dict[str, object]]]:
    queue: BoundedQueue[Observation | Event] = BoundedQueue(10)
    log, lines = recording_log()
    Happenings(queue, clock, log).tell(
        "sampling.sensor_lost", "sensor_lost", "barometer is lost", sensor="barometer", reason="no_answer", hint="look"
    )
    (event,) = queue.take(10)
    assert isinstance(event, Event)
    return event, lines


def test_what_happens_is_told_to_people_and_to_programs() -> None:
    """A line in the log, with what only people need, and an event."""
    event, lines = told(FakeClock(NOON_MS))
    assert event == Event("sensor_lost", "barometer is lost", NOON_MS, True, "barometer", "no_answer")
    assert lines == [
        {
            "level": "warning",
            "event": "sampling.sensor_lost",
            "message": "barometer is lost",
            "sensor": "barometer",
            "hint": "look",
        }
    ]


@pytest.mark.parametrize("clock", [FakeClock(NOON_MS, synchronized=False), TurningClock(NOON_MS, synchronized=False)])
def test_an_event_before_the_time_is_known_is_an_estimate(clock: FakeClock) -> None:
    """It carries the offset of its stamp, even if the time becomes known at this very moment."""
    offset_ms = clock.known_offset_ms()
    event, _ = told(clock)
    assert (event.observed_at_ms, event.clock_offset_ms) == (NOON_MS, offset_ms)
