import datetime as dt
from typing import Any

import pytest

from weatherd.cli.status import _duration, _quality, _sensor, _size, lines

NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)


def test_what_is_not_good_is_named_with_its_reason() -> None:
    """A sensor's line says what to doubt, and why; where all is good, one word is enough."""
    flags = {"air_pressure": "good", "air_temperature": "doubtful", "relative_humidity": "missing"}
    assert _quality(flags, {"air_temperature": "step"}) == "air_temperature doubtful (step), relative_humidity missing"
    assert _quality({"air_pressure": "good"}, {}) == "good"


def test_lost_edges_and_a_calibration_are_told() -> None:
    """Both stand below their sensor where there are any, and in no other."""
    plain = {
        "name": "wind",
        "model": "cup anemometer",
        "state": "working",
        "observed_at": None,
        "quality": {},
        "quality_reasons": {},
        "skipped_count": 0,
        "lost_edges_count": 0,
        "calibration": "",
        "error": None,
    }
    assert len(list(_sensor(plain, NOON, "wind"))) == 1
    _, edges, calibration = _sensor({**plain, "lost_edges_count": 1032, "calibration": "85ca0be3"}, NOON, "wind")
    assert (edges, calibration) == ("    1,032 edges were lost in the kernel", "    calibration 85ca0be3")


SENSOR = {
    "name": "rain",
    "model": "tipping bucket",
    "state": "working",
    "observed_at": "2026-11-23T11:57:55.000Z",
    "quality": {},
    "quality_reasons": {},
    "skipped_count": 0,
    "lost_edges_count": 0,
    "calibration": "",
    "error": None,
}


def test_a_receiver_of_infrared_tells_what_it_has_heard() -> None:
    """Keys and repeats always; what is strange, or was too much, where there was any."""
    counts = {"keys": 12, "repeats": 1040, "timings": 7, "unknown": 0, "left_out": 0}
    remote = {**SENSOR, "name": "remote", "model": "infrared", "observed_at": None}
    assert list(_sensor({**remote, "heard": counts}, NOON, "remote")) == ["  remote  heard 12 keys, 1,040 repeats"]
    (line,) = _sensor({**remote, "heard": {**counts, "unknown": 3, "left_out": 2}}, NOON, "remote")
    assert line.endswith("1,040 repeats, 3 messages that no decoder knows, 2 too many to be events")


COUNTS = (
    *("queue_depth", "queue_size_max", "queue_dropped_count", "dropped_count", "thinned_count", "reduced_count"),
    *("quarantined_count", "quarantine_dropped_count", "unreadable_count"),
)
STATUS: dict[str, Any] = {
    "station": {"name": "School", "id": "school", "version": "1.0", "uptime_s": 14.2},
    "daemon": {"pid": 1},
    "panel": None,
    "clock": {"synchronized": True, "now": "2026-11-23T12:00:00.000Z"},
    "sensors": [SENSOR, {**SENSOR, "name": "mast-behind-the-old-library", "model": "BMP280", "state": "lost"}],
    "journal": {
        **dict.fromkeys(COUNTS, 0),
        "path": "j",
        "size": 24_000,
        "size_max": 256_000_000,
        "last_seq": 1,
        "in_memory": True,
        "holding": False,
        "error": None,
    },
    "sinks": [],
}


def test_sensors_are_a_table() -> None:
    """However long names and models are, the columns below each other begin at one place, and an age is an age."""
    rain, mast = (one for one in lines(STATUS) if "last observation" in one)
    assert rain == "  rain                         tipping bucket  working  last observation 2 min 5 s ago"
    assert rain.index("last") == mast.index("last")
    assert "  24 kB of 256.0 MB, newest entry 1" in list(lines(STATUS))


def test_a_panel_that_is_off_is_told() -> None:
    """Who looks for its address learns that there is none."""
    assert "panel: off" in list(lines(STATUS))


def test_colours_change_no_word() -> None:
    """Where a terminal has colours, the state has one; a file or a pipe gets none."""
    plain, coloured = "\n".join(lines(STATUS)), "\n".join(lines(STATUS, coloured=True))
    assert "\x1b" not in plain
    assert "\x1b[32mworking\x1b[0m" in coloured
    assert "\x1b[31mlost   \x1b[0m" in coloured
    assert coloured.replace("\x1b[32m", "").replace("\x1b[31m", "").replace("\x1b[0m", "") == plain


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.4, "0 s"), (59.7, "1 min 0 s"), (3599.0, "59 min 59 s"), (7200.0, "2 h 0 min"), (90_000.0, "1 d 1 h")],
)
def test_durations_are_short(seconds: float, shown: str) -> None:
    """Two units at most, and no sixtieth second."""
    assert _duration(seconds) == shown


def test_sizes_are_never_nothing() -> None:
    """A journal that has just begun does not take 0.0 MB."""
    assert (_size(4096), _size(12_345_678)) == ("4 kB", "12.3 MB")
