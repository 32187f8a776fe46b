"""The clock: right, not yet right, and plainly wrong."""

from pathlib import Path

from weatherd.clock import RELEASE_MS, SystemClock
from weatherd.doctor import State
from weatherd.doctor.time import synchronized

NOON_MS = 1_795_435_200_000


def clock(*, now_ms: int = NOON_MS, is_synchronized: bool = False, uptime_s: float = 100.0) -> SystemClock:
    return SystemClock(
        boottime_ns=lambda: int(uptime_s * 1e9),
        wall_ns=lambda: now_ms * 1_000_000,
        adjtimex=lambda: 0 if is_synchronized else 5,
        boot_id=Path("/dev/null"),
    )


def test_a_synchronised_clock_is_told_with_its_time() -> None:
    """The time in UTC stands there, for who has a watch."""
    found = synchronized(clock(is_synchronized=True), 900.0)
    assert (found.state, found.message) == (State.OK, "synchronised: 2026-11-23T12:00:00.000Z")


def test_shortly_after_the_boot_documents_wait() -> None:
    """It is told for how long, and how the clock is set."""
    found = synchronized(clock(), 900.0)
    assert (found.state, found.code) == (State.WARN, "clock.not_synchronized")
    assert found.message == "not synchronised: documents wait for up to 800 s"
    assert "timedatectl" in found.hint


def test_later_documents_go_out_as_they_are() -> None:
    """When the wait is over, each document says that its time is not sure."""
    assert synchronized(clock(uptime_s=1000.0), 900.0).message == "not synchronised: documents are sent, and say so"


def test_a_clock_before_the_release_is_wrong() -> None:
    """A Pi without a clock battery wakes up in the past."""
    found = synchronized(clock(now_ms=RELEASE_MS - 1), 900.0)
    assert (found.state, found.code) == (State.FAIL, "clock.wrong")
