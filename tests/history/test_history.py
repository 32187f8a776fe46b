import tracemalloc
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import NOON_MS
from weatherd.history import HOUR_MS, MINUTE_MS, Bin, History, Series, gathering
from weatherd.model import Event, Observation, Quality, Station, Statistics
from weatherd.processing.documents import DocumentEncoder

YEAR_MS = 365 * 24 * HOUR_MS
PRESSURE = Series("barometer", "air_pressure")
_encode = DocumentEncoder(Station("test"), "00000000").encode


def opened(folder: Path) -> History:
    one = History(folder / "history.db", retention_ms=YEAR_MS)
    one.open()
    return one


def observation(second: int, value: float, *, sensor: str = "barometer", quantity: str = "air_pressure") -> Observation:
    return Observation(
        sensor=sensor,
        model="BMP280",
        observed_at_ms=NOON_MS + second * 1000,
        recorded_at_ms=NOON_MS + second * 1000,
        values={quantity: value},
        statistics={quantity: Statistics(10, value - 0.25, value + 0.25)},
        quality={quantity: Quality.GOOD},
        clock_synchronized=True,
    )


def documents(first_seq: int, *entries: Observation | Event) -> list[bytes]:
    return [_encode(entry, seq) for seq, entry in enumerate(entries, first_seq)]


def test_minutes_are_the_same_before_and_after_the_write(tmp_path: Path) -> None:
    """What waits in memory and what is in the file are one, and their seam is not seen."""
    one = opened(tmp_path)
    values = [1000.0 + second / 100 for second in range(10, 310, 10)]
    told = documents(1, *(observation(10 * n, value) for n, value in enumerate(values, 1)))
    one.add(told[:8], 8)
    one.write()
    one.add(told[8:], len(told))
    before = one.bins(PRESSURE, MINUTE_MS, NOON_MS, NOON_MS + HOUR_MS)
    hour = one.bins(PRESSURE, HOUR_MS, NOON_MS, NOON_MS + HOUR_MS)
    one.write()
    one.close()
    again = opened(tmp_path)
    after = again.bins(PRESSURE, MINUTE_MS, NOON_MS, NOON_MS + HOUR_MS)
    assert [each[1:4] for each in after] == [pytest.approx(each[1:4], abs=0.006) for each in before]
    assert [(each.start_ms, *each[4:]) for each in after] == [(each.start_ms, *each[4:]) for each in before]
    assert [(each.start_ms - NOON_MS, each.weight) for each in before] == [(n * MINUTE_MS, 60) for n in range(5)]
    assert before[0].value == pytest.approx(sum(values[:6]) / 6)
    assert (before[0].least, before[0].greatest) == (values[0] - 0.25, values[5] + 0.25)
    assert (hour[0].value, hour[0].weight) == (pytest.approx(sum(values) / 30), 300)
    assert again.position == len(told)


def test_a_step_of_any_number_of_minutes_is_made_of_them(tmp_path: Path) -> None:
    """Of ten minutes from minutes, of three hours from hours."""
    one = opened(tmp_path)
    one.add(documents(1, *(observation(60 * n, float(n)) for n in range(1, 401))), 400)
    one.write()
    tens = one.bins(PRESSURE, 10 * MINUTE_MS, NOON_MS, NOON_MS + 30 * MINUTE_MS)
    assert [each.value for each in tens] == [5.5, 15.5, 25.5]
    threes = one.bins(PRESSURE, 3 * HOUR_MS, NOON_MS, NOON_MS + 6 * HOUR_MS)
    assert [(each.start_ms, each.weight) for each in threes] == [(NOON_MS, 1800), (NOON_MS + 3 * HOUR_MS, 1800)]


def test_a_month_is_read_a_page_at_a_time(tmp_path: Path) -> None:
    """What a month of minutes needs while it is read is that of a day: a Pi does not get back what was needed once."""
    one = opened(tmp_path)
    days = 30
    minutes = [Bin(NOON_MS + n * MINUTE_MS, n / 7, n / 7, n / 7, 60, Quality.GOOD) for n in range(days * 1440)]
    one.file.write(0, {PRESSURE: minutes}, ())
    del minutes
    tracemalloc.start()
    try:
        halves = one.bins(PRESSURE, 30 * MINUTE_MS, NOON_MS, NOON_MS + days * 24 * HOUR_MS)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(halves) == days * 48
    assert peak < 2_000_000


def test_what_is_no_observation_costs_nothing(tmp_path: Path) -> None:
    """Gaps, damaged documents, those of other versions, and a date before 1970 or behind 2100."""
    one = opened(tmp_path)
    odd = [
        b"",
        b"{",
        b'{"event": {}}',
        *documents(4, observation(-NOON_MS // 1000 - 60, 1.0), observation(3 * 10**9, 1.0)),
    ]
    one.add([*odd, *documents(6, observation(10, 1000.0))], 6)
    assert [each.value for each in one.bins(PRESSURE, MINUTE_MS, NOON_MS, NOON_MS + HOUR_MS)] == [1000.0]
    assert one.series() == [PRESSURE]
    assert one.position == 6


def test_events_are_kept_newest_first(tmp_path: Path) -> None:
    """From memory and from the file, each once."""
    one = opened(tmp_path)
    told = documents(1, *(Event(f"action_{n}", "it happened", NOON_MS + n, True) for n in range(1, 7)))
    one.add(told[:3], 3)
    one.write()
    one.add(told[3:], 6)
    assert [each.seq for each in one.events(100, 5)] == [6, 5, 4, 3, 2]
    assert [each.action for each in one.events(3, 5)] == ["action_2", "action_1"]


def test_series_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that invents sensors cannot fill the memory."""
    monkeypatch.setattr(gathering, "SERIES_MAX", 2)
    one = opened(tmp_path)
    one.add(documents(1, *(observation(10, 1.0, sensor=f"s{n}") for n in range(3))), 3)
    assert [each.sensor for each in one.series()] == ["s0", "s1"]
    one.write()
    one.add(documents(4, observation(20, 1.0, sensor="s2"), observation(20, 1.0, sensor="s1")), 5)
    assert [each.sensor for each in one.series()] == ["s0", "s1"]


def test_what_waits_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An old journal that is read again is written in parts."""
    monkeypatch.setattr("weatherd.history.history.WAITING_MAX", 3)
    one = opened(tmp_path)
    one.add(documents(1, observation(10, 1.0), observation(20, 1.0), observation(70, 1.0)), 3)
    assert not one.is_due
    one.add(documents(4, observation(130, 1.0)), 4)
    assert one.is_due
    one.write()
    assert not one.is_due


def test_what_was_taken_in_is_not_taken_in_again(tmp_path: Path) -> None:
    """An answer that nobody waits for any more may still be at it when the next one begins with the same entries."""
    one = opened(tmp_path)
    told = documents(1, observation(10, 1.0), observation(20, 2.0), observation(30, 3.0))
    one.add(told[:2], 2)
    one.add(told, 3)
    one.add(told[:2], 2)
    assert [each.weight for each in one.bins(PRESSURE, MINUTE_MS, NOON_MS, NOON_MS + HOUR_MS)] == [30]
    assert one.position == 3


def test_what_comes_too_early_is_left_out(tmp_path: Path) -> None:
    """Entries that were read for a file which is lost by now leave no gap before them."""
    one = opened(tmp_path)
    told = documents(1, observation(10, 1.0), observation(20, 2.0))
    one.add(told[1:], 2, behind_seq=1)
    assert one.position == 0
    one.add(told, 2, behind_seq=0)
    assert [each.weight for each in one.bins(PRESSURE, MINUTE_MS, NOON_MS, NOON_MS + HOUR_MS)] == [20]


_STEPS = st.sampled_from((MINUTE_MS, 5 * MINUTE_MS, HOUR_MS, 3 * HOUR_MS))
_OBSERVED = st.tuples(
    st.integers(-7200, 7200), st.integers(-500, 500), st.sampled_from((Quality.GOOD, Quality.ERRONEOUS)), st.booleans()
)


@pytest.mark.parametrize("quantity", ["air_temperature", "rainfall_amount", "wind_speed_of_gust"])
@given(told=st.lists(_OBSERVED, min_size=1, max_size=40), step_ms=_STEPS)
@settings(max_examples=40)
def test_the_history_is_what_the_documents_are(
    quantity: str, told: list[tuple[int, int, Quality, bool]], step_ms: int
) -> None:
    """In whatever order they come, and wherever between them it is written: as a plain reckoning over them."""
    with TemporaryDirectory() as folder:
        one = opened(Path(folder))
        expected: dict[int, list[Observation]] = {}
        for seq, (second, tenths, flag, is_written) in enumerate(told, 1):
            seen = observation(second, tenths / 10, quantity=quantity)
            seen = msgspec.structs.replace(seen, quality={quantity: flag})
            one.add(documents(seq, seen), seq)
            expected.setdefault((seen.observed_at_ms - 1) // step_ms * step_ms, []).append(seen)
            if is_written:
                one.write()
        found = one.bins(Series("barometer", quantity), step_ms, NOON_MS - 3 * HOUR_MS, NOON_MS + 3 * HOUR_MS)
        one.close()
    assert [each.start_ms for each in found] == sorted(expected)
    for each in found:
        there = expected[each.start_ms]
        good = [seen for seen in there if seen.quality[quantity] is Quality.GOOD]
        counted = there if quantity == "rainfall_amount" else good or there
        values = [seen.values[quantity] for seen in counted]
        reckoned = {
            "air_temperature": sum(values) / len(values),
            "rainfall_amount": sum(values),
            "wind_speed_of_gust": max(values),
        }
        assert each.value == pytest.approx(reckoned[quantity], abs=0.05)
        assert each.weight == 10 * len(counted)
        is_whole = all(seen.quality[quantity] is Quality.GOOD for seen in counted)
        assert each.quality is (Quality.GOOD if is_whole else Quality.ERRONEOUS)
