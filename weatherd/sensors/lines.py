"""
From bytes to measurements: what the `jsonlines` driver understands, without any I/O.

    bytes ─> LineSplitter ─> lines ─> LineReader ─> arrivals

A radio receiver such as rtl_433 prints one stream for all transmitters around, every transmission two or three times
over, in the units of each maker, and rain as a running total. A `LineReader` picks one sensor out of it, brings its
values into our units, and counts each transmission once. Nothing that a line holds makes it fail: the worst is a
`BadLine`.
"""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from weatherd.model import Arrival
from weatherd.sensors.matching import key_of

Tell = Callable[[str, str], None]
"""Takes the kind and the sentence of something that people should know about a line."""

_LABEL_LENGTH_MAX = 256
_REMEMBERED_MAX = 1024  # transmissions and running totals; a flood of new transmitters forgets the oldest
_NUMBER_MAX = 1e15  # no unit makes weather of more, and what is computed with less stays finite
_TIME_MS_MAX = 4_102_444_800_000  # 2100-01-01; later ones are no times of an observation
_EPOCH_MS_MIN = 100_000_000_000  # as seconds that is the year 5138, as milliseconds 1973
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_decoder = msgspec.json.Decoder(dict[str, Any])
_NUMBERS = (int, float)
_MILLISECOND = dt.timedelta(milliseconds=1)
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001  -- subtracted from local times, whose offset is looked up


class Field(NamedTuple):
    """
    Where a quantity comes from, and how it becomes ours.

    Attributes:
        name: Of the field in the JSON object.
        slope: Our unit per unit of the source.
        offset: Added after the slope, in our unit.
        counter: Whether the field is a running total, and its increase is the amount.
        counter_max: Where the running total starts again at zero, in the source's unit; None if it does so only at a
            reset.
    """

    name: str
    slope: float = 1.0
    offset: float = 0.0
    counter: bool = False
    counter_max: float | None = None


class BadLine(Exception):
    """
    A line that holds no measurement of anybody.

    Args:
        kind: For the counter: ``not_json``, ``wrong_type``.
        sentence: What is wrong.
    """

    def __init__(self, kind: str, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind


def decoded(line: bytes) -> Mapping[str, Any]:
    """
    Decode one line, once for all sensors of its stream.

    Args:
        line: A JSON object, UTF-8, without the line feed.

    Raises:
        BadLine: If it is anything else.
    """
    try:
        record: dict[str, Any] = _decoder.decode(line.removeprefix(_BYTE_ORDER_MARK))
    except msgspec.ValidationError as error:
        raise BadLine("wrong_type", f"JSON of the wrong type: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadLine("not_json", f"no JSON: {error}") from error
    except RecursionError as error:
        raise BadLine("not_json", "nested too deeply") from error
    return record


class LineSplitter:
    """
    Cut a stream of bytes into lines, in whatever pieces it comes; hold at most one line.

    Args:
        size_max: Bytes of a line without its line break; a longer one is left out.
        too_long: Called once for each that is.
    """

    def __init__(self, size_max: int, too_long: Callable[[], None]) -> None:
        self._size_max = size_max
        self._too_long = too_long
        self._rest = b""
        self._skipping = False

    def feed(self, chunk: bytes) -> Sequence[bytes]:
        """Take the next piece, and return the lines that are complete with it, without their line breaks."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if self._skipping and lines:
            del lines[0]
            self._skipping = False
        fitting = [line for line in lines if self._fits(line)]
        if self._skipping or not self._fits(self._rest):
            self._skipping = True
            self._rest = b""
        return fitting

    def finish(self) -> Sequence[bytes]:
        """Return the last line, at the end of the stream, if it had no line break."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []

    def _fits(self, line: bytes) -> bool:
        if len(line) <= self._size_max:
            return True
        self._too_long()
        return False


class LineReader:
    """
    Read the lines of one configured sensor.

    What tells transmitters apart is rtl_433's own identification, model with id or channel, where a line has it, and
    else the labels: a label such as ``battery_ok`` may change without making another transmitter.

    Two lines count as one transmission if one transmitter sends the same mapped values within the window; whatever
    else is in them, a sequence number or the raw bytes, may differ. The time is that of the source if it gives one,
    so a backlog that comes in a rush is not taken for repeats.

    Args:
        fields: By quantity, at least one.
        match: Fields that must have these values, or the line is somebody else's. A text is no number, and true is
            not 1.
        observed_at: The field with the time of the observation; None if the arrival counts.
        time_zone: Of times that are written without one.
        labels: Fields copied into the document as strings.
        repeat_window_s: Equal values of one transmitter this soon after the first are the same transmission; 0 if
            every line counts.

    Attributes:
        match: As given.

    Source:
        rtl_433, docs/DATA_FORMAT.md, "Message Data": model, id and channel identify a device.
    """

    def __init__(
        self,
        fields: Mapping[str, Field],
        *,
        match: Mapping[str, str | float | bool],
        observed_at: str | None,
        time_zone: dt.tzinfo,
        labels: Sequence[str],
        repeat_window_s: float,
    ) -> None:
        self._fields = fields
        self.match = match
        self._matched = tuple(match)
        self._wanted = key_of(self._matched, match)
        self._observed_at = observed_at
        self._time_zone = time_zone
        self._labels = labels
        self._repeat_window_ms = repeat_window_s * 1000
        self._tells_apart = bool(repeat_window_s) or any(field.counter for field in fields.values())
        self._transmissions: dict[tuple[object, ...], int] = {}
        self._totals: dict[tuple[object, ...], float] = {}
        self._lines_count = self._taken_count = 0
        self._others_counts: Counter[str] = Counter()

    @property
    def counts(self) -> Counter[str]:
        """
        Lines by what became of each; what there was none of is left out.

        ``taken``, ``not_matched``, ``without_quantity`` (also the first of a running total), ``repeated``,
        ``not_json``, ``too_long``, ``wrong_type``; ``lines`` is all of them. Of what was taken or repeated,
        ``field_wrong_type`` lacked a value and ``without_time`` had no time of its own.
        """
        return Counter(lines=self._lines_count, taken=self._taken_count) + self._others_counts

    def refuse(self, error: BadLine) -> None:
        """Count a line that could not be decoded."""
        self._lines_count += 1
        self._others_counts[error.kind] += 1

    def read(self, record: Mapping[str, Any], now_ms: int, tell: Tell | None = None) -> Arrival | None:
        """
        Read one line.

        Args:
            record: The line, decoded.
            now_ms: When it arrived.
            tell: Hears of a line that is of use, but not all of it.

        Returns:
            What it says; None if it is of another sensor, repeats a transmission, or has nothing for us yet.

        Raises:
            BadLine: If its mapped fields are no numbers.
        """
        self._lines_count += 1
        if self.match and key_of(self._matched, record) != self._wanted:
            self._others_counts["not_matched"] += 1
            return None
        numbers = self._numbers(record, tell)
        if not numbers:
            self._others_counts["without_quantity"] += 1
            return None
        labels = self._read_labels(record)
        transmitter = _transmitter(record, labels) if self._tells_apart else ()
        observed_at_ms = None if self._observed_at is None else self._time(record, now_ms, tell)
        if self._repeat_window_ms and self._repeated(
            numbers, transmitter, now_ms if observed_at_ms is None else observed_at_ms
        ):
            self._others_counts["repeated"] += 1
            return None
        measurement = self._measurement(numbers, transmitter)
        if not measurement:
            self._others_counts["without_quantity"] += 1
            return None
        self._taken_count += 1
        return Arrival(measurement, labels, observed_at_ms)

    def _numbers(self, record: Mapping[str, Any], tell: Tell | None) -> dict[str, float]:
        """
        Return the mapped numbers as the source gives them; a line may have only some of them, and null is none.

        A field of another type costs the line only if no number is left.
        """
        numbers = {}
        wrong = None
        for quantity, field in self._fields.items():
            value: Any = record.get(field.name)
            if (type(value) is float or type(value) is int) and -_NUMBER_MAX <= value <= _NUMBER_MAX:
                numbers[quantity] = float(value)
            elif value is not None:
                wrong = field.name
        if wrong is not None:
            what = f"field {wrong[:_LABEL_LENGTH_MAX]!r} holds {_description(record[wrong])}"
            if not numbers:
                self._others_counts["wrong_type"] += 1
                raise BadLine("wrong_type", f"of no use: {what}, and no number")
            self._others_counts["field_wrong_type"] += 1
            if tell is not None:
                tell("field_wrong_type", f"used only in part: {what}, and no number")
        return numbers

    def _measurement(self, numbers: Mapping[str, float], transmitter: tuple[object, ...]) -> dict[str, float]:
        measurement = {}
        for quantity, number in numbers.items():
            field = self._fields[quantity]
            if field.counter:
                increase = self._increase((quantity, *transmitter), number, field.counter_max)
                if increase is not None:
                    measurement[quantity] = increase * field.slope
            else:
                measurement[quantity] = number * field.slope + field.offset
        return measurement

    def _increase(self, key: tuple[object, ...], total: float, counter_max: float | None) -> float | None:
        """
        Return by how much a running total has grown; None for the first one, which says nothing yet.

        A total that falls has passed `counter_max`, if that explains less than a quarter of the range, or else was
        reset, as by a change of batteries; after a reset it counts from zero. A quarter of any gauge's range is more
        than falls between two transmissions, and half of it would make a flood of every other change of batteries.
        """
        before = self._totals.get(key)
        _remember(self._totals, key, total)
        if before is None:
            return None
        if total >= before:
            return total - before
        if counter_max is not None and 0 <= (wrapped := total + counter_max - before) < counter_max / 4:
            return wrapped
        return max(0.0, total)

    def _repeated(self, numbers: Mapping[str, float], transmitter: tuple[object, ...], time_ms: int) -> bool:
        key = (*numbers.items(), *transmitter)
        first_ms = self._transmissions.get(key)
        if first_ms is not None and abs(time_ms - first_ms) <= self._repeat_window_ms:
            return True
        _remember(self._transmissions, key, time_ms)
        return False

    def _read_labels(self, record: Mapping[str, Any]) -> dict[str, str]:
        labels = {}
        for name in self._labels:
            text = _text(record.get(name))
            if text is not None:
                labels[name] = text
        return labels

    def _time(self, record: Mapping[str, Any], now_ms: int, tell: Tell | None) -> int | None:
        """Return the source's own time; None if it has none that can be read, and the arrival counts."""
        assert self._observed_at is not None
        value = record.get(self._observed_at)
        time_ms = parse_time(value, self._time_zone, now_ms)
        if time_ms is None:
            self._others_counts["without_time"] += 1
            if tell is not None:
                what = f"field {self._observed_at[:_LABEL_LENGTH_MAX]!r} holds {_description(value)}"
                tell("without_time", f"stamped with the time of its arrival: {what}, and no time since 1970")
        return time_ms


def parse_time(value: object, time_zone: dt.tzinfo, now_ms: int) -> int | None:
    """
    Read a time as programs write it.

    Args:
        value: ISO 8601 text, with ``T`` or a space; or seconds or milliseconds since 1970, as a number or as text.
        time_zone: For texts without an offset.
        now_ms: When it arrived: of the two meanings that such a text has in the hour when the clock is put back, the
            nearer one counts.

    Returns:
        Milliseconds since 1970, UTC, up to the beginning of 2100; None for anything else, such as the ``@0.16s`` that
        rtl_433 writes when it reads from a file.
    """
    if isinstance(value, str):
        # Digits alone are no date, though ISO 8601 and Python would take some milliseconds for one.
        number = None if value[4:5] == "-" else _number(value)
        if number is None:
            return _in_range(_moment_ms(value, time_zone, now_ms))
        value = number
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return _in_range(value if value >= _EPOCH_MS_MIN else value * 1000)


def _in_range(time_ms: float | None) -> int | None:
    return round(time_ms) if time_ms is not None and 0 <= time_ms <= _TIME_MS_MAX else None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _moment_ms(text: str, time_zone: dt.tzinfo, now_ms: int) -> float | None:
    try:
        moment = dt.datetime.fromisoformat(text.upper())
        if moment.tzinfo is not None:
            return moment.timestamp() * 1000
        first, second = time_zone.utcoffset(moment), time_zone.utcoffset(moment.replace(fold=1))
    except (ValueError, OverflowError):
        return None
    assert first is not None
    assert second is not None
    local_ms = (moment - _EPOCH) / _MILLISECOND
    first_ms = local_ms - first / _MILLISECOND
    if first == second:
        return first_ms
    return min(first_ms, local_ms - second / _MILLISECOND, key=lambda time_ms: abs(time_ms - now_ms))


def _transmitter(record: Mapping[str, Any], labels: Mapping[str, str]) -> tuple[object, ...]:
    model = _text(record.get("model"))
    if model is not None and ("id" in record or "channel" in record):
        return (model, _text(record.get("id")), _text(record.get("channel")))
    return tuple(labels.items())


def _text(value: object) -> str | None:
    """Return a scalar as a text of bounded length; None for null, lists and objects."""
    if isinstance(value, str):
        return value[:_LABEL_LENGTH_MAX]
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)[:_LABEL_LENGTH_MAX] if isinstance(value, _NUMBERS) else None


def _description(value: object) -> str:
    """Describe a value for the log; short, however large or deep it is."""
    match value:
        case None:
            return "nothing"
        case str():
            return repr(value[:40])
        case bool() | int() | float():
            return (_text(value) or "")[:40]
        case _:
            return "a list or an object"


def _remember(memory: dict[tuple[object, ...], Any], key: tuple[object, ...], value: float) -> None:
    memory.pop(key, None)
    memory[key] = value
    if len(memory) > _REMEMBERED_MAX:
        del memory[next(iter(memory))]
