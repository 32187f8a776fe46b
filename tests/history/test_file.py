import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.history.test_bins import a_bin
from weatherd.errors import HistoryUnavailable
from weatherd.history import file as history_file
from weatherd.history.bins import HOUR_MS, MINUTE_MS, Bin
from weatherd.history.file import EVENTS_MAX, Happened, HistoryFile, Series

DAY_MS = 24 * HOUR_MS
YEAR_MS = 365 * DAY_MS
TEMPERATURE = Series("hygrometer", "air_temperature")
HUMIDITY = Series("hygrometer", "relative_humidity")


def opened(folder: Path, *, retention_ms: int = YEAR_MS, lost: list[str] | None = None) -> HistoryFile:
    told = (lambda why: None) if lost is None else lost.append
    one = HistoryFile(folder / "history.db", retention_ms=retention_ms, tell_lost=told)
    one.open()
    return one


def minutes(first: int, last: int, value: float = 10.0) -> list[Bin]:
    return [a_bin(round(value + minute / 100, 2), start_ms=minute * MINUTE_MS) for minute in range(first, last + 1)]


def event(seq: int) -> Happened:
    return Happened(seq, seq * 1000, "sensor_lost", "hygrometer", "sensor.no_answer", "nobody answers")


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    """Minutes over midnight, hours, events and the position, also by the next process."""
    one = opened(tmp_path)
    bins = minutes(1400, 1500)
    one.write(17, {TEMPERATURE: bins, HUMIDITY: minutes(1, 2, 55.0)}, [event(3), event(9)])
    one.close()
    one = opened(tmp_path)
    assert one.position == 17
    assert one.series == [TEMPERATURE, HUMIDITY]
    assert list(one.bins(TEMPERATURE, MINUTE_MS, 0, YEAR_MS)) == bins
    assert list(one.bins(HUMIDITY, MINUTE_MS, 0, YEAR_MS)) == minutes(1, 2, 55.0)
    assert [hour.start_ms // HOUR_MS for hour in list(one.bins(TEMPERATURE, HOUR_MS, 0, YEAR_MS))] == [23, 24, 25]
    assert one.events(before_seq=100, count_max=10) == [event(9), event(3)]
    assert one.events(before_seq=9, count_max=10) == [event(3)]


def test_only_the_span_that_is_asked_for_is_read(tmp_path: Path) -> None:
    """From its first minute to before its end."""
    one = opened(tmp_path)
    one.write(1, {TEMPERATURE: minutes(0, 3000)}, [])
    starts = [
        each.start_ms // MINUTE_MS
        for each in list(one.bins(TEMPERATURE, MINUTE_MS, 1438 * MINUTE_MS, 1442 * MINUTE_MS))
    ]
    assert starts == [1438, 1439, 1440, 1441]


def test_a_minute_that_comes_in_two_parts_is_joined(tmp_path: Path) -> None:
    """A write in mid-minute, and what is observed late, change neither the mean nor the hour."""
    one = opened(tmp_path)
    one.write(1, {TEMPERATURE: [a_bin(10.0, 2), a_bin(11.0, 2, start_ms=MINUTE_MS)]}, [])
    one.write(2, {TEMPERATURE: [a_bin(13.0, 4, start_ms=0)]}, [])
    assert list(one.bins(TEMPERATURE, MINUTE_MS, 0, DAY_MS)) == [
        Bin(0, 12.0, 10.0, 13.0, 6, a_bin(0.0).quality),
        a_bin(11.0, 2, start_ms=MINUTE_MS),
    ]
    [hour] = list(one.bins(TEMPERATURE, HOUR_MS, 0, DAY_MS))
    assert (hour.value, hour.weight) == (11.75, 8)


def test_what_is_older_than_the_retention_goes(tmp_path: Path) -> None:
    """Minutes by the day, hours by their page of 64 days."""
    one = opened(tmp_path, retention_ms=10 * DAY_MS)
    one.write(1, {TEMPERATURE: minutes(0, 1)}, [])
    one.write(2, {TEMPERATURE: [a_bin(1.0, start_ms=12 * DAY_MS)]}, [])
    assert [each.start_ms for each in list(one.bins(TEMPERATURE, MINUTE_MS, 0, YEAR_MS))] == [12 * DAY_MS]
    assert len(list(one.bins(TEMPERATURE, HOUR_MS, 0, YEAR_MS))) == 2
    one.write(3, {TEMPERATURE: [a_bin(1.0, start_ms=80 * DAY_MS)]}, [])
    assert [each.start_ms for each in list(one.bins(TEMPERATURE, HOUR_MS, 0, YEAR_MS))] == [80 * DAY_MS]


def test_events_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest stay."""
    monkeypatch.setattr(history_file, "EVENTS_MAX", 5)
    assert EVENTS_MAX > 5
    one = opened(tmp_path)
    one.write(1, {}, [event(seq) for seq in range(1, 4)])
    one.write(2, {}, [event(seq) for seq in range(4, 9)])
    assert [each.seq for each in one.events(100, 100)] == [8, 7, 6, 5, 4]


def _overwrite_header(path: Path) -> None:
    path.write_bytes(b"\xff" * 100 + path.read_bytes()[100:])


def _make_another(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE diary (day TEXT)")
    connection.close()


@pytest.mark.parametrize(
    "damage", [_overwrite_header, _make_another, lambda path: path.write_bytes(b"no database at all")]
)
def test_a_file_that_is_no_history_gives_way(tmp_path: Path, damage: object) -> None:
    """It is told, and the new one is empty, so that it is filled again."""
    one = opened(tmp_path)
    one.write(5, {TEMPERATURE: minutes(0, 9)}, [])
    one.close()
    assert callable(damage)
    damage(tmp_path / "history.db")
    lost: list[str] = []
    one = opened(tmp_path, lost=lost)
    assert (one.position, one.series, len(lost)) == (0, [], 1)
    one.write(5, {TEMPERATURE: minutes(0, 9)}, [])


def test_a_page_that_is_damaged_while_in_use_makes_all_of_it_anew(tmp_path: Path) -> None:
    """Who asks is told, the position is 0, and the next question finds a new file."""
    one = opened(tmp_path)
    one.write(5, {TEMPERATURE: minutes(0, 9)}, [])
    one.close()
    with sqlite3.connect(tmp_path / "history.db") as connection:
        connection.execute("UPDATE pages SET body = x'00'")
    connection.close()
    lost: list[str] = []
    one = opened(tmp_path, lost=lost)
    with pytest.raises(HistoryUnavailable, match="made anew"):
        list(one.bins(TEMPERATURE, MINUTE_MS, 0, DAY_MS))
    assert (one.position, len(lost)) == (0, 1)
    assert list(one.bins(TEMPERATURE, MINUTE_MS, 0, DAY_MS)) == []


def test_a_write_that_fails_changes_nothing(tmp_path: Path) -> None:
    """All or nothing, and the next write succeeds."""
    one = opened(tmp_path)
    one.write(5, {TEMPERATURE: minutes(0, 9)}, [])
    connection = one._connection
    assert connection is not None
    connection.execute(f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0]}")
    many = {Series("s", f"q{n}"): [a_bin(n * m**3 % 97, start_ms=m * MINUTE_MS) for m in range(99)] for n in range(99)}
    with pytest.raises(HistoryUnavailable, match="full"):
        one.write(6, many, [])
    assert (one.position, one.series) == (5, [TEMPERATURE])
    connection.execute("PRAGMA max_page_count = 1000000")
    one.write(6, many, [])
    assert len(one.series) == 100


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    """As a sentence and a hint, and it can be tried again."""
    folder = tmp_path / "data"
    one = HistoryFile(folder / "history.db", retention_ms=YEAR_MS)
    with pytest.raises(HistoryUnavailable, match="cannot be used"):
        one.open()
    assert not one.is_open
    folder.mkdir()
    one.open()
    one.close()
    shutil.rmtree(folder)


def test_it_is_not_for_everybody(tmp_path: Path) -> None:
    """Who may not read the journal may not read this either."""
    one = opened(tmp_path)
    one.write(1, {TEMPERATURE: minutes(1, 2)}, [])
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o640}
    one.close()
