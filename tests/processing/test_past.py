import tracemalloc

from weatherd.model import Quality
from weatherd.processing.past import FINAL, HOUR_MS, MINUTE_MS, Known, Past


def full_past() -> Past:
    """Return a past that has been filled each minute for thirteen hours."""
    past = Past()
    for time_ms in range(1_795_446_850_000, 1_795_446_850_000 + 13 * HOUR_MS, MINUTE_MS):
        for series in (past.temperature, past.vapour_pressure, past.pressure):
            series.add(Known(time_ms, time_ms / 1e9, Quality.GOOD))
    return past


def test_the_past_of_a_transmitter_takes_little_memory() -> None:
    """Two hundred of them have to fit beside all the rest, in 4 MB."""
    tracemalloc.start()
    try:
        past = full_past()
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(past.temperature) > 140
    assert size < 20_000


def test_a_short_past_is_found_from_any_distance() -> None:
    """The search for the weather of twelve hours ago begins with the oldest there is, and ends with the newest."""
    past, time_ms = Past(), 1_795_446_850_000
    past.add({"air_temperature": Known(time_ms, 21.0, Quality.DOUBTFUL)}, FINAL)
    assert past.temperature.mean(time_ms - 12 * HOUR_MS, time_ms - HOUR_MS) is None
    for from_ms, to_ms in (
        (time_ms - 12 * HOUR_MS, time_ms),
        (time_ms, time_ms - 12 * HOUR_MS),
        (time_ms + 12 * HOUR_MS, time_ms),
    ):
        found = past.temperature.mean(from_ms, to_ms)
        assert found is not None
        assert (found.value, found.quality) == (21.0, Quality.DOUBTFUL)
