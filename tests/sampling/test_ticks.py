import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import NOON_MS, FakeClock
from weatherd.sampling.ticks import Ticks, period_end


async def tick(ticks: Ticks, clock: FakeClock, duration_s: float) -> int:
    waiting = asyncio.create_task(ticks.next())
    await clock.advance(duration_s)
    assert waiting.done(), "no tick yet"
    return waiting.result().time_ms


async def test_ticks_are_aligned_to_the_wall_clock() -> None:
    """A period of ten seconds ticks at :00, :10, :20, whenever it began."""
    clock = FakeClock(NOON_MS + 3_210)
    ticks = Ticks(clock, 10.0)
    assert await tick(ticks, clock, 6.79) == NOON_MS + 10_000
    assert await tick(ticks, clock, 10.0) == NOON_MS + 20_000


async def test_a_late_tick_is_skipped_and_counted() -> None:
    """After 3.5 periods of delay the next tick is the present one, and those missed are counted, not made up for."""
    clock = FakeClock(NOON_MS)
    ticks = Ticks(clock, 1.0)
    assert await tick(ticks, clock, 1.0) == NOON_MS + 1_000
    await clock.advance(3.5)
    assert await tick(ticks, clock, 0.5) == NOON_MS + 5_000
    assert ticks.skipped_count == 3


async def test_a_pause_skips_nothing() -> None:
    """What was not meant to tick is not missed."""
    clock = FakeClock(NOON_MS)
    ticks = Ticks(clock, 1.0)
    await tick(ticks, clock, 1.0)
    await clock.advance(60.0)
    ticks.pause()
    await tick(ticks, clock, 1.0)
    assert ticks.skipped_count == 0


async def test_a_step_backwards_makes_nobody_wait_for_longer_than_a_period() -> None:
    """When the wall clock goes back by an hour, the next tick still comes when it was due, at the new time."""
    clock = FakeClock(NOON_MS)
    ticks = Ticks(clock, 10.0)
    await tick(ticks, clock, 10.0)
    waiting = asyncio.create_task(ticks.next())
    await clock.advance(5.0)
    clock.step_wall(-3600.0)
    await clock.advance(5.0)
    assert waiting.done()
    assert waiting.result().time_ms == NOON_MS - 3_600_000 + 20_000
    assert ticks.skipped_count == 0


async def test_a_step_forwards_gives_the_present_time() -> None:
    """When the wall clock goes forward by an hour, the tick carries the new time and skips nothing."""
    clock = FakeClock(NOON_MS)
    ticks = Ticks(clock, 10.0)
    await tick(ticks, clock, 10.0)
    waiting = asyncio.create_task(ticks.next())
    await clock.advance(5.0)
    clock.step_wall(3600.0)
    await clock.advance(5.0)
    assert waiting.result().time_ms == NOON_MS + 3_600_000 + 20_000
    assert ticks.skipped_count == 0


@pytest.mark.parametrize(
    ("time_ms", "end_ms"), [(NOON_MS, NOON_MS), (NOON_MS + 1, NOON_MS + 10_000), (NOON_MS + 9_999, NOON_MS + 10_000)]
)
def test_a_period_holds_its_end_and_not_its_beginning(time_ms: int, end_ms: int) -> None:
    """What is measured at 12:00:00.000 belongs to the period that ends then."""
    assert period_end(time_ms, 10.0) == end_ms


@given(st.integers(0, 4_000_000_000_000), st.sampled_from([0.1, 0.3, 1.0, 2.5, 10.0, 60.0, 86_400.0]))
def test_a_time_lies_in_the_period_that_it_is_given(time_ms: int, period_s: float) -> None:
    """The end is at or after the time, by less than a period."""
    assert 0 <= period_end(time_ms, period_s) - time_ms < period_s * 1000
