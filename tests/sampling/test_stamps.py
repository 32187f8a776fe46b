import pytest

from tests.fakes import NOON_MS, FakeClock
from weatherd.sampling.stamps import Stamp, stamp


async def test_a_stamp_has_the_time_and_the_offset_of_the_clock() -> None:
    """What lies between the boot clock and the time does not change as both go on."""
    clock = FakeClock(NOON_MS)
    before = stamp(clock)
    await clock.advance(12.345)
    assert before == Stamp(NOON_MS, clock.known_offset_ms())
    assert stamp(clock) == Stamp(NOON_MS + 12_345, clock.known_offset_ms())


@pytest.mark.parametrize("step_ms", [501, -501, 86_400_000])
async def test_a_stamp_goes_with_the_clock_over_a_step(step_ms: int) -> None:
    """The same moment by the new time, however much later it is asked for."""
    clock = FakeClock(NOON_MS)
    before = stamp(clock)
    clock.step_wall(step_ms / 1000)
    await clock.advance(60.0)
    assert before.by(stamp(clock)) == Stamp(NOON_MS + step_ms, clock.known_offset_ms())


@pytest.mark.parametrize("step_ms", [500, -500, 1, 0])
def test_a_stamp_is_not_touched_by_what_is_no_step(step_ms: int) -> None:
    """A whole second stays a whole second while a time daemon does its fine work."""
    clock = FakeClock(NOON_MS)
    before = stamp(clock)
    clock.step_wall(step_ms / 1000)
    assert before.by(stamp(clock)) is before


def test_the_time_of_a_source_does_not_go_with_the_clock() -> None:
    """Nor does the clock's time go with that of a source."""
    given, ours = Stamp(NOON_MS, None), Stamp(NOON_MS, 5000)
    assert given.by(ours) is given
    assert ours.by(given) is ours
