"""`weatherd journal export`: documents as NDJSON or CSV, to the standard output or into a new file."""

import contextlib
import csv
import datetime as dt
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, NamedTuple, Self, TextIO

import msgspec

from weatherd.cli.journal import Run, Span, opened
from weatherd.clock import SystemClock
from weatherd.errors import WeatherdError
from weatherd.model import QUANTITIES

Format = Literal["ndjson", "csv"]
Encode = Callable[[bytes], bytes]

CSV_COLUMNS = (
    *("time", "id", "sequence", "dataset", "sensor", "model"),
    *(column for quantity in QUANTITIES for column in (quantity, f"{quantity}_quality")),
    *("labels", "clock_synchronized", "action", "message"),
)

_GONE = b"null"
_SHOW_PERIOD_S = 0.1
_BAR_LENGTH_MAX = 30
_COLUMNS_DEFAULT = 80


class OutputError(WeatherdError):
    """Tell that the documents cannot be written where they should be."""

    code = "cli.output"
    exit_code = os.EX_IOERR


class Period(NamedTuple):
    """The times of the documents that are wanted: from the first, and before the second; None is no bound."""

    from_: dt.datetime | None
    to: dt.datetime | None

    def __contains__(self, document: object) -> bool:
        assert isinstance(document, bytes)
        if self.from_ is None and self.to is None:
            return True
        time = _stamp.decode(document).timestamp
        return (self.from_ is None or self.from_ <= time) and (self.to is None or time < self.to)


class _Stamp(msgspec.Struct):
    timestamp: dt.datetime = msgspec.field(name="@timestamp")


class _Event(msgspec.Struct):
    id: str = ""
    sequence: msgspec.Raw = msgspec.Raw()
    dataset: str = ""
    action: str = ""


class _Sensor(msgspec.Struct):
    name: str = ""
    model: str = ""


class _Clock(msgspec.Struct):
    synchronized: msgspec.Raw = msgspec.Raw()


class _Document(msgspec.Struct):
    """What a table shows of a document; numbers stay as they are written there."""

    timestamp: str = msgspec.field(name="@timestamp")
    event: _Event
    sensor: _Sensor = msgspec.field(default_factory=_Sensor)
    clock: _Clock = msgspec.field(default_factory=_Clock)
    weather: Mapping[str, msgspec.Raw] = {}
    quality: Mapping[str, str] = {}
    labels: Mapping[str, str] = {}
    message: str = ""


_stamp = msgspec.json.Decoder(_Stamp)
_document = msgspec.json.Decoder(_Document)


def export(config: Path | None, period: Period, file_format: Format, output: Path | None) -> int:
    """
    Write the documents of a period, in the order of their seqs.

    Args:
        config: The configuration; None for the usual one.
        period: By their ``@timestamp``.
        file_format: NDJSON has them as they were sent, CSV is for spreadsheets.
        output: A new file; None for the standard output.
    """
    encode: Encode = ndjson_line if file_format == "ndjson" else csv_line
    if output is not None:
        _refuse_existing(output)
    with opened(config) as ask, _stream(output) as stream:
        span = ask(Span, "journal.span")
        is_shown = sys.stderr.isatty() and (output is not None or not sys.stdout.isatty())
        with Progress(sys.stderr if is_shown else None, span, SystemClock().boottime_s) as progress:
            if file_format == "csv":
                stream.write(_csv_row(CSV_COLUMNS))
            seq = span.first_seq
            while seq <= span.last_seq and (run := ask(Run, "journal.run", seq=seq)).documents:
                lines = [encode(one) for one in _wanted(run, seq, span.last_seq) if one in period]
                stream.write(b"".join(lines))
                seq = max(run.last_seq, seq) + 1
                progress.show(seq, len(lines))
            stream.flush()
    progress.sum_up("" if output is None else f" to {output}")
    return os.EX_OK


def ndjson_line(document: bytes) -> bytes:
    """Write a document as it is."""
    return document + b"\n"


def csv_line(document: bytes) -> bytes:
    """Write a document as a row of `CSV_COLUMNS`; a quantity that this version does not know is left out."""
    one = _document.decode(document)
    event, sensor = one.event, one.sensor
    cells = [one.timestamp, event.id, _text(event.sequence), event.dataset, sensor.name, sensor.model]
    for quantity in QUANTITIES:
        cells += [_text(one.weather.get(quantity)), one.quality.get(quantity, "")]
    labels = ";".join(f"{name}={value}" for name, value in one.labels.items())
    return _csv_row([*cells, labels, _text(one.clock.synchronized), event.action, one.message])


class Progress:
    """
    How far an export is, in one line of a terminal that is written again and again.

    Args:
        stream: The terminal; None to show nothing.
        span: Of the seqs to go through.
        now_s: A clock that never steps.
    """

    def __init__(self, stream: TextIO | None, span: Span, now_s: Callable[[], float]) -> None:
        self._stream = stream
        self._first_seq = span.first_seq
        self._count = max(span.last_seq - span.first_seq + 1, 1)
        self._now_s = now_s
        self._started_s = now_s()
        self._shown_s = -math.inf
        self._documents_count = 0

    def __enter__(self) -> Self:
        self.show(self._first_seq, 0)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is not None:
            self._write("\n")  # whatever is told about it begins a line of its own

    def show(self, next_seq: int, more_count: int) -> None:
        """Show that everything before a seq is done, with so many more documents."""
        self._documents_count += more_count
        now_s = self._now_s()
        if self._stream is not None and now_s - self._shown_s >= _SHOW_PERIOD_S:
            self._shown_s = now_s
            done = min((next_seq - self._first_seq) / self._count, 1.0)
            self._write(self._line(done, now_s - self._started_s, _columns(self._stream)))

    def sum_up(self, where: str) -> None:
        """Say at the end how many documents were written."""
        s = "" if self._documents_count == 1 else "s"
        self._write(f"\r\x1b[K{self._documents_count:,} document{s} written{where}\n")

    def _line(self, done: float, elapsed_s: float, columns: int) -> str:
        left = f", {_clock_face(elapsed_s / done - elapsed_s)} left" if done else ""
        facts = f"{done:4.0%}".replace("%", " %"), f"{self._documents_count:,} documents{left}"
        length = min(_BAR_LENGTH_MAX, columns - len("".join(facts)) - len("  []  ") - 1)
        bar = f"  [{'#' * round(done * length):-<{length}}]" if length > 0 else ""
        return f"\r{facts[0]}{bar}  {facts[1]}\x1b[K"

    def _write(self, text: str) -> None:
        if self._stream is not None:
            self._stream.write(text)
            self._stream.flush()


def _columns(stream: TextIO) -> int:
    with contextlib.suppress(OSError):
        return os.get_terminal_size(stream.fileno()).columns or _COLUMNS_DEFAULT
    return _COLUMNS_DEFAULT


def _wanted(run: Run, first_seq: int, last_seq: int) -> Iterator[bytes]:
    """Yield the documents of a run between two seqs; some may be gone."""
    for seq, document in enumerate(map(bytes, run.documents), run.first_seq):
        if first_seq <= seq <= last_seq and document != _GONE:
            yield document


class _Encoded:
    """Takes what csv writes, and gives it back as bytes."""

    @staticmethod
    def write(text: str) -> bytes:
        return text.encode()


_csv = csv.writer(_Encoded(), lineterminator="\n")


def _csv_row(cells: Sequence[str]) -> bytes:
    row: bytes = _csv.writerow(cells)
    return row


def _text(value: msgspec.Raw | None) -> str:
    return "" if value is None else bytes(value).decode()


def _clock_face(duration_s: float) -> str:
    minutes, seconds = divmod(round(duration_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


@contextlib.contextmanager
def _stream(output: Path | None) -> Iterator[BinaryIO]:
    """Yield where to write; a file has its name only once it is whole."""
    try:
        if output is None:
            yield sys.stdout.buffer
            return
        part = output.with_name(f".{output.name}.{os.getpid()}.part")
        with part.open("xb") as stream:
            try:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
                _refuse_existing(output)
                part.rename(output)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
    except BrokenPipeError:
        raise
    except OSError as error:
        if output is None:
            # The interpreter must not trip over it again when it flushes.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        where = "the standard output" if output is None else output
        raise OutputError(
            f"{where} cannot be written: {error.strerror}", "is there room, and may you write there?"
        ) from error


def _refuse_existing(output: Path) -> None:
    if os.path.lexists(output):
        raise OutputError(f"{output} is there already", "name a new file, or remove that one first")
