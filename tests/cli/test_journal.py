import csv
import datetime as dt
import io
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from weatherd.cli.export import CSV_COLUMNS, Period, Progress, csv_line, ndjson_line
from weatherd.cli.journal import Span, _shortened
from weatherd.control.server import Answer
from weatherd.daemon import answers
from weatherd.daemon.answers import journal_answers
from weatherd.journal import SqliteJournal
from weatherd.journal.rows import Run
from weatherd.model import QUANTITIES, Batch, Event, Observation, Quality, Station
from weatherd.processing.documents import DocumentEncoder

NOON_MS = 1_795_435_200_000
"""2026-11-23T12:00:00Z."""

encode = DocumentEncoder(Station("test"), "00000000").encode


class Clock:
    def now_ms(self) -> int:
        return NOON_MS

    def boottime_s(self) -> float:
        return 0.0

    def synchronized(self) -> bool:
        return True

    async def sleep(self, delay_s: float) -> None:
        raise AssertionError("the journal has no timer")


def event(message: str = "it happened") -> Event:
    return Event("tested", message, NOON_MS, clock_synchronized=True)


def observation(values: Mapping[str, float], **more: Any) -> Observation:
    quality = dict.fromkeys(values, Quality.GOOD)
    return Observation("garden", "jsonlines", NOON_MS, NOON_MS, values, quality, clock_synchronized=True, **more)


def table(*documents: bytes) -> Sequence[Mapping[str, str]]:
    text = ",".join(CSV_COLUMNS) + "\n" + b"".join(map(csv_line, documents)).decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_ndjson_is_the_document_itself() -> None:
    """Not a byte is another one: whoever signs or compares documents can do so."""
    document = encode(observation({"air_pressure": 1012.31}), 7)
    assert ndjson_line(document) == document + b"\n"


def test_a_table_has_every_quantity_with_its_quality() -> None:
    """The columns do not depend on what was observed, so that tables of several days fit together."""
    (row,) = table(encode(observation(dict.fromkeys(QUANTITIES, 1.0)), 7))
    for name in QUANTITIES:
        assert (row[name], row[f"{name}_quality"]) == ("1.0", "good")


def test_numbers_in_a_table_stand_as_in_the_document() -> None:
    """Nothing is rounded, converted or written in another way on its way into a table."""
    document = b"""{"@timestamp":"2026-11-23T12:00:00.000Z","event":{"id":"a","sequence":7,"dataset":"d"},
        "clock":{"synchronized":false},"weather":{"air_pressure":1012.310,"illuminance":1e5,"wind_speed":-0}}"""
    (row,) = table(document)
    assert (row["air_pressure"], row["illuminance"], row["wind_speed"]) == ("1012.310", "1e5", "-0")
    assert (row["sequence"], row["clock_synchronized"]) == ("7", "false")


def test_whatever_text_there_is_comes_back_out_of_a_table() -> None:
    """Commas, quotes and line breaks in labels and messages break no row."""
    labels = {"channel": "A,B", "note": 'say "hi"\r\nthere', "ort": "Zürich"}
    seen = table(encode(observation({"wind_speed": 3.1}, labels=labels), 7), encode(event('a "b",\nc'), 8))
    assert seen[0]["labels"] == 'channel=A,B;note=say "hi"\r\nthere;ort=Zürich'
    assert (seen[1]["action"], seen[1]["message"], seen[1]["wind_speed"]) == ("tested", 'a "b",\nc', "")


def test_a_missing_value_has_its_quality_alone() -> None:
    """What is no measurement is an empty cell beside the word that says so, and never a number."""
    missing = Observation(
        "garden", "jsonlines", NOON_MS, NOON_MS, {}, {"air_pressure": Quality.MISSING}, clock_synchronized=True
    )
    (row,) = table(encode(missing, 7))
    assert (row["air_pressure"], row["air_pressure_quality"]) == ("", "missing")


def test_what_another_version_wrote_is_in_the_table_as_far_as_it_is_known() -> None:
    """A quantity without a column, and a field that is not there, cost nothing else."""
    (row,) = table(b'{"@timestamp":"2026-11-23T12:00:00Z","event":{"id":"a"},"weather":{"lightning":3}}')
    assert (row["time"], row["id"], row["sequence"], row["sensor"]) == ("2026-11-23T12:00:00Z", "a", "", "")


@pytest.mark.parametrize(
    ("from_", "to", "count"),
    [
        (None, None, 1),
        ("2026-11-23T12:00:00+00:00", None, 1),
        ("2026-11-23T12:00:00.001+00:00", None, 0),
        (None, "2026-11-23T12:00:00+00:00", 0),
        (None, "2026-11-23T12:00:00.001+00:00", 1),
        ("2026-11-23T09:00:00-03:00", "2026-11-23T09:00:01-03:00", 1),
        ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", 1),
    ],
)
def test_a_period_begins_with_its_first_moment_and_ends_before_its_last(
    from_: str | None, to: str | None, count: int
) -> None:
    """Two periods side by side have each document once."""
    period = Period(*(None if text is None else dt.datetime.fromisoformat(text) for text in (from_, to)))
    assert len([one for one in [encode(event(), 1)] if one in period]) == count


class Terminal(io.StringIO):
    def fileno(self) -> int:
        raise OSError


def test_progress_is_shown_as_share_count_and_time_left() -> None:
    """A quarter in ten seconds leaves half a minute, and the last line stays."""
    now_s = 0.0
    terminal = Terminal()
    with Progress(terminal, Span(101, 500), lambda: now_s) as progress:
        now_s = 10.0
        progress.show(201, 1234)
    progress.sum_up(" to week.csv")
    first, quarter, last = terminal.getvalue().split("\r")[1:]
    assert first == f"  0 %  [{'-' * 30}]  0 documents\x1b[K"
    assert quarter == f" 25 %  [{'#' * 8}{'-' * 22}]  1,234 documents, 0:30 left\x1b[K"
    assert last == "\x1b[K1,234 documents written to week.csv\n"


def test_progress_is_not_shown_for_each_run() -> None:
    """A terminal on a slow line is not flooded."""
    terminal = Terminal()
    with Progress(terminal, Span(1, 1000), lambda: 5.0) as progress:
        for seq in range(2, 1001):
            progress.show(seq, 1)
    assert terminal.getvalue().count("\r") == 1


def test_progress_gives_way_to_an_error() -> None:
    """What is told of a failure begins a line of its own."""
    terminal = Terminal()
    with pytest.raises(ValueError, match="failed"), Progress(terminal, Span(1, 10), lambda: 5.0):
        raise ValueError("failed")
    assert terminal.getvalue().endswith("\x1b[K\n")


def test_a_reason_does_what_it_likes_to_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A far end's page of HTML is one line, without escape sequences, as long as the terminal is wide."""
    page = "<html>\r\n\x1b[2J<body>  400 Bad Request" + "x" * 100
    assert _shortened("7  logstash  ", page) == "7  logstash  <html> [2J<body> 400 Bad Request" + "x" * 100
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    assert _shortened("7  logstash  ", page) == "7  logstash  <html> [2J<body> 400 Bad R…"
    assert _shortened("7  logstash  ", "short") == "7  logstash  short"


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[SqliteJournal]:
    journal = SqliteJournal(
        tmp_path / "journal.db",
        encode=encode,
        clock=Clock(),
        sinks=("logstash",),
        station_id="test",
        size_max=100_000_000,
        retention_s=86_400.0,
    )
    await journal.open()
    yield journal
    await journal.close()


async def ask(answer: Answer, **arguments: Any) -> Any:
    """Ask as over the socket."""
    return json.loads(msgspec.json.encode(await answer(arguments)))


async def test_a_run_is_told_from_the_seq_on(journal: SqliteJournal) -> None:
    """Young or old, the documents come as they are, and behind the newest there is nothing."""
    asked = journal_answers(journal)
    assert await ask(asked["journal.span"]) == {"first_seq": 1, "last_seq": 0}
    assert await ask(asked["journal.run"], seq=0) == {}
    await journal.append([event()] * 5)
    assert await ask(asked["journal.span"]) == {"first_seq": 1, "last_seq": 5}
    for _ in range(2):
        run = await ask(asked["journal.run"], seq=3)
        assert (run["first_seq"], run["last_seq"]) == (3, 5)
        assert [document["event"]["sequence"] for document in run["documents"]] == [3, 4, 5]
        assert await ask(asked["journal.run"], seq=6) == {}
        journal.acknowledge("logstash", 1, 5)
        await journal.write_history()


async def test_no_answer_is_too_large(journal: SqliteJournal) -> None:
    """What is young may be much more than one answer takes: it comes in several, and whole."""
    asked = journal_answers(journal)
    for _ in range(6):
        await journal.append([event("x" * 300_000)] * 2)
    seqs: list[int] = []
    answers_count = 0
    while run := await ask(asked["journal.run"], seq=len(seqs) + 1):
        answers_count += 1
        assert sum(len(document["message"]) for document in run["documents"]) <= answers.DOCUMENTS_SIZE_MAX
        seqs += (document["event"]["sequence"] for document in run["documents"])
        assert seqs[-1] == run["last_seq"]
    assert seqs == list(range(1, 13))
    assert answers_count >= 4


async def test_what_is_gone_is_told_as_such(journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A seq that stands for nothing any more is a null at its place."""

    async def run_at(seq: int) -> Run:
        return Run(1, NOON_MS, None, [encode(event(), 1), b"", encode(event(), 3)])

    monkeypatch.setattr(journal, "run_at", run_at)
    run = await ask(journal_answers(journal)["journal.run"], seq=1)
    assert [document and document["event"]["sequence"] for document in run["documents"]] == [1, None, 3]
    assert (run["first_seq"], run["last_seq"]) == (1, 3)


async def test_the_quarantine_is_told_page_by_page(journal: SqliteJournal) -> None:
    """Hundreds of documents, large ones too, come in answers of a bounded size, each document once."""
    asked = journal_answers(journal)
    await journal.append([event("x" * 20_000)] * 150)
    documents = [encode(event("x" * 20_000), seq) for seq in range(1, 151)]
    await journal.quarantine("logstash", Batch(1, 150, range(1, 151), documents), "refused")
    seen: list[Any] = []
    while page := (await ask(asked["journal.quarantined"], behind=seen[-1]["id"] if seen else 0))["quarantined"]:
        assert len(page) < 60
        seen += page
    assert [one["seq"] for one in seen] == list(range(1, 151))
    assert {one["sink"] for one in seen} == {"logstash"}
    assert seen[0]["quarantined_at"] == "2026-11-23T12:00:00.000Z"
    assert seen[149]["document"]["event"]["sequence"] == 150


@pytest.mark.parametrize(
    ("request_", "arguments"),
    [
        ("journal.run", {}),
        ("journal.run", {"seq": "1"}),
        ("journal.run", {"seq": -1}),
        ("journal.run", {"seq": 1, "more": 2}),
        ("journal.quarantined", {"behind": 1.5}),
        ("journal.requeue", {"sink": "logstash"}),
        ("journal.requeue", {"sink": "logstash", "seqs": ["1"]}),
        ("journal.requeue", {"sink": "logstash", "seqs": list(range(1001))}),
    ],
    ids=str,
)
async def test_wrong_arguments_are_no_question(
    journal: SqliteJournal, request_: str, arguments: Mapping[str, Any]
) -> None:
    """What is missing, of another type, out of bounds or too much is refused before the journal is asked."""
    with pytest.raises(msgspec.ValidationError):
        await ask(journal_answers(journal)[request_], **arguments)
