"""Rate and amount of the day, from tips alone."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from tests.fakes import NOON_MS
from weatherd.sensors.rain import Day, Rate

S = 10**9
HOUR_MS = 3_600_000
MIDNIGHT_MS = NOON_MS + 12 * HOUR_MS
UTC = dt.UTC


def rate_of(*tips_s: float, mm_per_tip: float = 0.25) -> Rate:
    rate = Rate(mm_per_tip)
    for tip_s in tips_s:
        assert rate.tip(round(tip_s * S))
    return rate


def test_the_rate_comes_from_the_time_between_tips() -> None:
    """A quarter of a millimetre each 90 s is 10 mm/h."""
    assert rate_of(0, 90).mm_per_h(90 * S) == pytest.approx(10.0)


def test_within_a_minute_the_tips_are_averaged() -> None:
    """The two sides of a bucket differ: tips 8 and 10 s apart by turns are one every 9 s, not two rates by turns."""
    assert rate_of(0, 8, 18, 26, 36).mm_per_h(36 * S) == pytest.approx(0.25 * 3600 / 9)


def test_what_is_older_than_a_minute_does_not_count() -> None:
    """When a shower begins, the long time before its first tips does not lower the rate."""
    assert rate_of(0, 1000, 1010, 1020).mm_per_h(1020 * S) == pytest.approx(90.0)


def test_the_rate_decays_after_the_last_tip() -> None:
    """It is at most one tip over the time since the last, so it is halved each time that this doubles."""
    rate = rate_of(0, 90)
    assert rate.mm_per_h(180 * S) == pytest.approx(10.0)
    assert rate.mm_per_h(270 * S) == pytest.approx(5.0)
    assert rate.mm_per_h(450 * S) == pytest.approx(2.5)


def test_after_an_hour_without_a_tip_there_is_no_rain() -> None:
    """A measurement of 0, not a rate that never ends."""
    rate = rate_of(0, 90)
    assert rate.mm_per_h((90 + 3599) * S) == pytest.approx(0.25, rel=0.001)
    assert rate.mm_per_h((90 + 3600) * S) == 0.0


@pytest.mark.parametrize("tips_s", [(), (5,), (0, 4000)])
def test_a_first_tip_has_no_rate(tips_s: tuple[float, ...]) -> None:
    """Nobody knows how long the bucket took to fill; dew of a whole night is no shower."""
    assert rate_of(*tips_s).mm_per_h(4000 * S) == 0.0


def test_ten_tips_a_second_are_counted() -> None:
    """Who pours water through the gauge finds each tip."""
    assert rate_of(*(number / 10 for number in range(100))).mm_per_h(10 * S) == pytest.approx(0.25 * 36000, rel=0.02)


def test_more_than_the_most_intense_rain_is_refused() -> None:
    """Of a quarter of a millimetre, 133 in a minute are 2000 mm/h; the next is no rain, until the minute is over."""
    rate = rate_of(*(number / 10 for number in range(133)))
    assert not rate.tip(14 * S)
    assert not rate.tip(59 * S)
    assert rate.tip(60 * S)


def test_the_day_ends_at_midnight() -> None:
    """The word at midnight, also if it comes a little late, is the last on the day; the next begins with nothing."""
    day = Day(UTC)
    day.go_on(0, 0.0, NOON_MS)
    day.add(0.5, MIDNIGHT_MS - 1)
    assert day.told(MIDNIGHT_MS - 1) == 0.5
    assert day.told(MIDNIGHT_MS) == 0.5
    assert day.told(MIDNIGHT_MS + 20) == 0.5
    assert day.told(MIDNIGHT_MS + 1000) == 0.0


def test_a_tip_between_midnight_and_the_tick_is_of_the_new_day() -> None:
    """A tick that comes late takes nothing from the day that has begun, and gives it none of the one before."""
    day = Day(UTC)
    day.go_on(0, 0.0, NOON_MS)
    day.add(0.5, NOON_MS)
    day.add(0.25, MIDNIGHT_MS + 5)
    assert day.told(MIDNIGHT_MS + 20) == 0.5
    assert day.told(MIDNIGHT_MS + 10_000) == 0.25


def test_a_clock_that_goes_back_over_midnight_loses_no_rain() -> None:
    """The day that has begun too early was the end of the one before, which goes on, and then ends as a whole."""
    day = Day(UTC)
    day.go_on(0, 0.0, NOON_MS)
    day.add(0.5, NOON_MS)
    day.add(0.25, MIDNIGHT_MS + HOUR_MS)
    assert day.told(MIDNIGHT_MS - HOUR_MS) == 0.75
    day.add(0.25, MIDNIGHT_MS - HOUR_MS)
    assert day.told(MIDNIGHT_MS) == 1.0
    assert day.told(MIDNIGHT_MS + HOUR_MS) == 0.0


def test_midnight_belongs_to_the_day_before() -> None:
    """As the end of a report period belongs to the period."""
    day = Day(UTC)
    assert day.number_of(MIDNIGHT_MS) + 1 == day.number_of(MIDNIGHT_MS + 1)


@pytest.mark.parametrize(
    ("zone", "midnight"),
    [
        ("America/Sao_Paulo", "2026-11-24T03:00:00+00:00"),
        ("Europe/Berlin", "2026-10-24T22:00:00+00:00"),  # the day of 25 hours begins in summer time
        ("Europe/Berlin", "2026-10-25T23:00:00+00:00"),  # and ends in winter time
        ("Asia/Kathmandu", "2026-11-23T18:15:00+00:00"),
        ("Africa/Cairo", "2026-04-23T22:00:00+00:00"),  # there is no midnight: the clock goes from 24:00 to 01:00
    ],
)
def test_the_midnight_is_that_of_the_time_zone(zone: str, midnight: str) -> None:
    """With summer time and without."""
    day = Day(ZoneInfo(zone))
    midnight_ms = round(dt.datetime.fromisoformat(midnight).timestamp() * 1000)
    day.go_on(0, 0.0, midnight_ms)
    day.add(1.0, midnight_ms)
    assert day.told(midnight_ms) == 1.0
    day.add(0.25, midnight_ms + 1)
    assert day.told(midnight_ms + 100) == 1.0
    assert day.told(midnight_ms + 1000) == 0.25
    assert day.told(midnight_ms + 22 * HOUR_MS) == 0.25


def test_a_day_goes_on_only_while_it_lasts() -> None:
    """What was counted earlier today counts; yesterday's does not, and is not told again."""
    day = Day(UTC)
    day.go_on(day.number_of(NOON_MS), 1.25, NOON_MS + HOUR_MS)
    assert day.told(NOON_MS + HOUR_MS) == 1.25
    other = Day(UTC)
    other.go_on(other.number_of(NOON_MS), 1.25, MIDNIGHT_MS + HOUR_MS)
    assert other.told(MIDNIGHT_MS + HOUR_MS) == 0.0
