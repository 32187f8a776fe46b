"""
From a line of JSON to a measurement: what the `jsonlines` driver understands, without any I/O.

A radio receiver such as rtl_433 prints one stream for all transmitters around, every transmission two or three times
over, in the units of each maker, and rain as a running total. A `LineReader` picks one sensor out of it, brings its
values into our units, and counts each transmission once.
"""

import datetime as dt
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from weatherd.model import Arrival

_LABEL_LENGTH_MAX = 256
_REMEMBERED_MAX = 1024  # transmissions and running totals; a flood of new labels forgets the oldest
_TIME_MS_MAX = 4_102_444_800_000  # 2100-01-01; later ones are no times of an observation
_EPOCH_MS_MIN = 100_000_000_000  # as seconds that is the year 5138, as milliseconds 1973


class Field(NamedTuple):
    """
    Where a quantity comes from, and how it becomes ours.

    Attributes:
        name: Of the field in the JSON object.
        slope: Our unit per unit of the source.
        offset: Added after the slope, in our unit.
        counter: Whether the field is a running total, and its increase is the amount.
        counter_max: Where the running total starts again at zero; None if it does so only at a reset.
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


class LineReader:
    """
    Read the lines of one configured sensor.

    Args:
        fields: By quantity, at least one.
        match: Fields that must have these values, or the line is somebody else's.
        observed_at: The field with the time of the observation; None if the arrival counts.
        time_zone: Of times that are written without one.
        labels: Fields copied into the document as strings.
        repeat_window_s: Equal values of one transmitter this soon after the first are the same transmission; 0 if
            every line counts.
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
        self._match = match
        self._observed_at = observed_at
        self._time_zone = time_zone
        self._labels = labels
        self._repeat_window_ms = repeat_window_s * 1000
        self._decoder = msgspec.json.Decoder(dict[str, Any])
        self._transmissions: dict[tuple[object, ...], int] = {}
        self._totals: dict[tuple[object, ...], float] = {}
        self.counts: Counter[str] = Counter()

    def read(self, line: bytes, now_ms: int) -> Arrival | None:
        """
        Read one line.

        Args:
            line: A JSON object, UTF-8, without the line break.
            now_ms: When it arrived.

        Returns:
            What it says; None if it is of another sensor, repeats a transmission, or has nothing for us yet.

        Raises:
            BadLine: If it is no JSON object, or its mapped fields are no numbers.
        """
        self.counts["lines"] += 1
        try:
            record = self._decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._bad("not_json", f"no JSON object: {error}") from error
        except RecursionError as error:
            raise self._bad("not_json", "nested too deeply") from error
        if self._match and not self._matches(record):
            self.counts["not_matched"] += 1
            return None
        numbers = self._numbers(record)
        if not numbers:
            self.counts["without_quantity"] += 1
            return None
        labels = self._read_labels(record)
        observed_at_ms = self._time(record)
        if self._repeat_window_ms and self._repeated(numbers, labels, observed_at_ms or now_ms):
            self.counts["repeated"] += 1
            return None
        measurement = self._measurement(numbers, labels)
        return Arrival(measurement, labels, observed_at_ms) if measurement else None

    def _bad(self, kind: str, sentence: str) -> BadLine:
        self.counts[kind] += 1
        return BadLine(kind, sentence)

    def _matches(self, record: Mapping[str, Any]) -> bool:
        for name, wanted in self._match.items():
            found = record.get(name)
            if found != wanted or isinstance(found, bool) is not isinstance(wanted, bool):
                return False
        return True

    def _numbers(self, record: Mapping[str, Any]) -> dict[str, float]:
        """
        Return the mapped numbers as the source gives them; a line may have only some of them.

        A field of another type costs the line only if no number is left.
        """
        numbers = {}
        wrong = None
        for quantity, field in self._fields.items():
            value = record.get(field.name)
            if (type(value) is float or type(value) is int) and math.isfinite(value):
                numbers[quantity] = float(value)
            elif value is not None:
                self.counts["wrong_type"] += 1
                wrong = field.name
        if wrong is not None and not numbers:
            raise BadLine(
                "wrong_type", f"of no use: field {wrong!r} holds {str(record[wrong])[:40]!r}, which is no number"
            )
        return numbers

    def _measurement(self, numbers: Mapping[str, float], labels: Mapping[str, str]) -> dict[str, float]:
        measurement = {}
        for quantity, number in numbers.items():
            field = self._fields[quantity]
            if field.counter:
                increase = self._increase(quantity, number, field, labels)
                if increase is not None:
                    measurement[quantity] = increase * field.slope
            else:
                measurement[quantity] = number * field.slope + field.offset
        return measurement

    def _increase(self, quantity: str, total: float, field: Field, labels: Mapping[str, str]) -> float | None:
        """
        Return by how much a running total has grown; None for the first one, which says nothing yet.

        A total that falls has passed `counter_max`, if that explains less than half of the range, or else was reset;
        after a reset it counts from zero.
        """
        key = (quantity, *labels.items())
        before = self._totals.get(key)
        _remember(self._totals, key, total)
        if before is None:
            return None
        if total >= before:
            return total - before
        if field.counter_max is not None and (wrapped := total + field.counter_max - before) < field.counter_max / 2:
            return max(0.0, wrapped)
        return max(0.0, total)

    def _repeated(self, numbers: Mapping[str, float], labels: Mapping[str, str], time_ms: int) -> bool:
        key = (*numbers.items(), *labels.items())
        first_ms = self._transmissions.get(key)
        if first_ms is not None and abs(time_ms - first_ms) <= self._repeat_window_ms:
            return True
        _remember(self._transmissions, key, time_ms)
        return False

    def _read_labels(self, record: Mapping[str, Any]) -> dict[str, str]:
        labels = {}
        for name in self._labels:
            value = record.get(name)
            if isinstance(value, bool):
                labels[name] = "true" if value else "false"
            elif isinstance(value, str | int | float):
                labels[name] = str(value)[:_LABEL_LENGTH_MAX]
        return labels

    def _time(self, record: Mapping[str, Any]) -> int | None:
        """Return the source's own time; None if it has none that can be read, and the arrival counts."""
        if self._observed_at is None:
            return None
        time_ms = parse_time(record.get(self._observed_at), self._time_zone)
        if time_ms is None:
            self.counts["without_time"] += 1
        return time_ms


def parse_time(value: object, time_zone: dt.tzinfo) -> int | None:
    """
    Read a time as programs write it.

    Args:
        value: ISO 8601 text, with ``T`` or a space; or seconds or milliseconds since 1970, as a number or as text.
        time_zone: For texts without an offset.

    Returns:
        Milliseconds since 1970, UTC, from 1970 to 2100; None for anything else, such as the ``@0.16s`` that rtl_433
        writes when it reads from a file.
    """
    if isinstance(value, str):
        try:
            moment = dt.datetime.fromisoformat(value)
        except ValueError:
            try:
                value = float(value)
            except ValueError:
                return None
        else:
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=time_zone)
            value = moment.timestamp()
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    time_ms = round(value if value >= _EPOCH_MS_MIN else value * 1000)
    return time_ms if 0 <= time_ms < _TIME_MS_MAX else None


def _remember(memory: dict[tuple[object, ...], Any], key: tuple[object, ...], value: float) -> None:
    memory.pop(key, None)
    memory[key] = value
    if len(memory) > _REMEMBERED_MAX:
        del memory[next(iter(memory))]
