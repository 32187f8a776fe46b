import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.fakes import NOON_MS, FakeClock, recording_log
from weatherd.daemon import recalling
from weatherd.daemon.recalling import recall
from weatherd.errors import JournalUnavailable
from weatherd.journal import SqliteJournal
from weatherd.model import Event, Observation, Quality, Station, Statistics
from weatherd.processing.documents import Document, DocumentEncoder, time_ms_of

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


def observation(
    observed_at_ms: int,
    value: float = 1000.0,
    *,
    calibration: str = "",
    labels: Mapping[str, str] = {},
    statistics: Mapping[str, Statistics] = {},
) -> Observation:
    return Observation(
        sensor="barometer",
        model="BMP280",
        observed_at_ms=observed_at_ms,
        recorded_at_ms=observed_at_ms,
        values={"air_pressure": value},
        quality={"air_pressure": Quality.GOOD},
        statistics=statistics,
        labels=labels,
        calibration=calibration,
        clock_synchronized=True,
    )


class Bench:
    """A real journal, with rows that are filled as time passes, and somebody who recalls."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.log, self.lines = recording_log()
        self.recalled: list[Document] = []
        self.journal = SqliteJournal(
            folder / "journal.db",
            encode=DocumentEncoder(Station("test"), "00000000").encode,
            clock=self.clock,
            sinks=[],
            station_id="test",
            size_max=100_000_000,
            retention_s=365 * 86_400.0,
            memory=folder / "young.tail",
        )

    async def row(self, entries: Sequence[Observation | Event]) -> None:
        """Keep entries in a row of the database."""
        await self.journal.append(entries)
        await self.journal.write_history()

    async def recall(self) -> list[float]:
        """Recall, and return the pressures that were shown."""
        count = await recall(self.journal, self.clock, self.log, [self.recalled.append])
        assert count == len(self.recalled)
        return [(document.weather or {})["air_pressure"] for document in self.recalled]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    await bench.journal.open()
    yield bench
    with contextlib.suppress(JournalUnavailable):
        await bench.journal.close()


async def test_the_observations_of_the_last_day_are_shown_oldest_first(bench: Bench) -> None:
    """Of two days of rows, about the last one is shown, with what is still young; events are not."""
    for hour in range(48):
        told = Event("tested", '"dataset":"weatherd.observation"', NOON_MS, clock_synchronized=True)
        await bench.row([observation(bench.clock.now_ms(), 1000.0 + hour), told])
        await bench.clock.advance(3600)
    await bench.journal.append([observation(bench.clock.now_ms(), 1048.0)])
    shown = await bench.recall()
    assert shown == [1000.0 + hour for hour in range(24, 49)]


async def test_a_day_before_the_newest_entry_counts_however_long_the_station_was_off(bench: Bench) -> None:
    """After a winter in the cellar the last day is still the last day."""
    await bench.row([observation(NOON_MS)])
    await bench.clock.advance(180 * 86_400)
    assert await bench.recall() == [1000.0]


async def test_of_what_is_old_one_a_minute_of_each_transmitter_is_shown(bench: Bench) -> None:
    """Derivation remembers no more of it; to decode a day of ten-second reports would take a Pi ten seconds."""
    start_ms = bench.clock.now_ms()
    every_ten_seconds = range(start_ms, start_ms + 3 * MINUTE_MS, 10_000)
    await bench.row(
        [observation(time_ms, labels={"channel": label}) for time_ms in every_ten_seconds for label in ("{A}", "B")]
    )
    await bench.clock.advance(76 * 60)
    await bench.row([observation(bench.clock.now_ms() + number) for number in range(5)])
    await bench.recall()
    old = [document for document in bench.recalled if document.labels]
    assert [document.labels["channel"] for document in old] == ["{A}", "B"] * 3
    assert [time_ms_of(document.timestamp) - start_ms for document in old[::2]] == [0, MINUTE_MS, 2 * MINUTE_MS]
    assert len(bench.recalled) - len(old) == 5


async def test_each_total_and_each_change_of_a_calibration_is_shown(bench: Bench) -> None:
    """However old, the newest total tells which tips are owed, and the newest calibration whether it has changed."""
    total = {"air_pressure": Statistics(1, total=5)}
    await bench.row(
        [
            *(observation(NOON_MS + number, statistics=total) for number in range(3)),
            *(observation(NOON_MS + number, 1003.0) for number in range(3)),
            observation(NOON_MS, 1004.0, calibration="0badc0de"),
        ]
    )
    await bench.clock.advance(76 * 60)
    await bench.row([observation(bench.clock.now_ms(), 1005.0)])
    assert await bench.recall() == [1000.0, 1000.0, 1000.0, 1003.0, 1004.0, 1005.0]


async def test_an_empty_journal_shows_nothing(bench: Bench) -> None:
    """A new station has no past."""
    assert await bench.recall() == []
    assert bench.lines == []


async def test_no_more_entries_than_the_limit_are_looked_at(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a station with very much to tell, the newest entries count."""
    monkeypatch.setattr(recalling, "ENTRIES_MAX", 7)
    for number in range(20):
        await bench.row([observation(NOON_MS + number, 1000.0 + number)])
    assert await bench.recall() == [1013.0 + number for number in range(7)]


async def test_a_row_is_shown_from_the_limit_on(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit may lie in the middle of a row."""
    monkeypatch.setattr(recalling, "ENTRIES_MAX", 7)
    await bench.row([observation(NOON_MS + number, 1000.0 + number) for number in range(20)])
    assert await bench.recall() == [1013.0 + number for number in range(7)]


async def test_when_time_runs_out_the_newest_are_still_shown(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow card skips the middle, and never what is newest."""
    monkeypatch.setattr(recalling, "NEWEST_COUNT", 3)
    monkeypatch.setattr(recalling, "DURATION_S_MAX", -1.0)
    for number in range(20):
        await bench.row([observation(NOON_MS + number, 1000.0 + number)])
    assert await bench.recall() == [1000.0, 1017.0, 1018.0, 1019.0]


async def test_a_document_of_another_version_is_passed_over(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be read is not recalled, and hinders nothing."""
    encode = DocumentEncoder(Station("test"), "00000000").encode
    odd = (
        encode(observation(NOON_MS), 1)
        .replace(b'"weather":{', b'"weather":[{')
        .replace(b'},"quality"', b'}],"quality"')
    )
    without_time = encode(observation(NOON_MS), 3).replace(b'"@timestamp":"2', b'"@timestamp":"x')
    without_zone = encode(observation(NOON_MS), 4).replace(b'.000Z",', b'.000",', 1)
    documents = [odd, encode(observation(NOON_MS), 2), b"", without_time, without_zone]
    assert recalling._show(documents, [bench.recalled.append]) == 1


async def test_a_journal_that_cannot_be_read_is_told_and_costs_only_the_past(bench: Bench) -> None:
    """The station starts all the same."""

    class Unreadable:
        first_seq, last_seq = 1, 2

        async def newest_recorded_at_ms(self) -> int | None:
            raise JournalUnavailable("the disk does not answer", "look at it")

    count = await recall(Unreadable(), bench.clock, bench.log, [bench.recalled.append])  # type: ignore[arg-type]
    assert count == 0
    assert [line["event"] for line in bench.lines] == ["daemon.recall_failed"]
    assert bench.lines[0]["hint"] == "look at it"
