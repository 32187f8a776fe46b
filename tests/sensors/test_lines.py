"""Lines: whatever a program prints, a line gives a measurement in our units, nothing, or an error that has a name."""

import datetime as dt
import itertools
import json
import math
import tracemalloc
from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import NOON_MS, FakeClock
from weatherd.model import QUANTITIES, Arrival, Station
from weatherd.processing.derivation import Derivation
from weatherd.processing.documents import DocumentEncoder
from weatherd.processing.units import conversion
from weatherd.sampling.forming import Former
from weatherd.sensors.lines import BadLine, Field, LineReader, LineSplitter, decoded, parse_time

SAO_PAULO = ZoneInfo("America/Sao_Paulo")
TEMPERATURE = {"air_temperature": Field("t")}
RAIN = {"rainfall_amount": Field("rain", counter=True)}
OUTCOMES = ("taken", "not_matched", "without_quantity", "repeated", "not_json", "too_long", "wrong_type")


class Reader(LineReader):
    """A reader that is given Python objects, moves on by itself, and remembers what it was told."""

    def __init__(
        self,
        fields: Mapping[str, Field] = TEMPERATURE,
        *,
        match: Mapping[str, str | float | bool] | None = None,
        observed_at: str | None = None,
        time_zone: dt.tzinfo = dt.UTC,
        labels: Sequence[str] = (),
        repeat_window_s: float = 0.0,
    ) -> None:
        super().__init__(
            fields,
            match=match or {},
            observed_at=observed_at,
            time_zone=time_zone,
            labels=labels,
            repeat_window_s=repeat_window_s,
        )
        self.told: list[tuple[str, str]] = []

    def line(self, record: bytes | Mapping[str, Any], at_s: float = 0.0) -> Arrival | None:
        line = record if isinstance(record, bytes) else json.dumps(record).encode()
        try:
            fields = decoded(line)
        except BadLine as error:
            self.refuse(error)
            raise
        return self.read(fields, NOON_MS + round(at_s * 1000), lambda *told: self.told.append(told))

    def measurement(self, record: bytes | Mapping[str, Any], at_s: float = 0.0) -> Mapping[str, float] | None:
        arrival = self.line(record, at_s)
        return None if arrival is None else arrival.measurement

    def bad(self, line: bytes | Mapping[str, Any]) -> str:
        with pytest.raises(BadLine) as raised:
            self.line(line)
        assert len(str(raised.value)) < 500
        return raised.value.kind


# What a line says -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quantity", "unit", "value", "expected"),
    [
        ("air_temperature", "degC", -12.5, -12.5),
        ("air_temperature", "degF", 71.1, 21.7222),
        ("air_temperature", "degF", -40, -40.0),
        ("air_temperature", "degF", 32, 0.0),
        ("air_temperature", "K", 0, -273.15),
        ("wind_speed", "km/h", 36, 10.0),
        ("wind_speed", "mi/h", 10, 4.4704),
        ("wind_speed", "kt", 1, 0.514444),
        ("rainfall_amount", "in", 0.01, 0.254),
        ("air_pressure", "inHg", 29.92, 1013.207),
        ("air_pressure", "Pa", 101325, 1013.25),
        ("air_pressure", "kPa", 101.325, 1013.25),
    ],
)
def test_values_come_in_our_units(quantity: str, unit: str, value: float, expected: float) -> None:
    """A value in the source's unit becomes the quantity's own, by the published factors."""
    line = conversion(unit, QUANTITIES[quantity].unit)
    reader = Reader({quantity: Field("field", line.slope, line.offset)})
    assert reader.measurement({"field": value}) == {quantity: pytest.approx(expected, abs=5e-4)}


def test_a_line_may_hold_only_some_of_the_quantities() -> None:
    """Message types that carry different quantities each give what they have; null is nothing."""
    reader = Reader({"air_temperature": Field("t"), "relative_humidity": Field("h")})
    assert reader.measurement({"t": 20.5, "h": None}) == {"air_temperature": 20.5}
    assert reader.measurement({"h": 50}) == {"relative_humidity": 50.0}
    assert reader.measurement({"t": 0, "h": 0}) == {"air_temperature": 0.0, "relative_humidity": 0.0}
    assert reader.line({"battery_ok": 1}) is None
    assert reader.line({"t": None}) is None
    assert reader.counts == {"lines": 5, "taken": 3, "without_quantity": 2}


def test_one_field_may_feed_two_quantities() -> None:
    """A field that is mapped twice gives both quantities."""
    reader = Reader({"air_temperature": Field("t"), "dew_point_temperature": Field("t")})
    assert reader.measurement({"t": 1.5}) == {"air_temperature": 1.5, "dew_point_temperature": 1.5}


@pytest.mark.parametrize("line", [b'{"t": 1}\r', b'\t {"t": 1} ', b'\xef\xbb\xbf{"t": 1}', b'{"t": 1, "x": "\\u0000"}'])
def test_harmless_oddities_are_no_mistake(line: bytes) -> None:
    """A carriage return, blanks, a byte order mark and an escaped zero leave a line as good as any."""
    assert Reader().measurement(line) == {"air_temperature": 1.0}


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"x",
        b"{",
        b'{"t": 1',
        b'{"t": 1}{"t": 2}',
        b"{'t': 1}",
        b'{"t": NaN}',
        b'{"t": Infinity}',
        b'{"t": -Infinity}',
        b'{"t": 0x10}',
        b"\0" * 100,
        b'{"t": 1, "x": "\0"}',
        b'{"t": 1, "x": "\\ud800"}',
        b'{"t": 1, "x": "\\udc00\\ud800"}',
        b'{"t": 1, "\\ud800": 1}',
        b'{"t": 1, "x": "\xed\xa0\x80"}',
        b'{"t": 1, "x": "\xff"}',
        b'{"t": 1, "\xff": 1}',
        '{"t": 1}'.encode("utf-16"),
        b'{"t": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        b'{"t": ' + b'{"t": ' * 10_000 + b"1" + b"}" * 10_001,
    ],
)
def test_what_is_no_json_is_a_bad_line(line: bytes) -> None:
    """Broken JSON, bytes that are no UTF-8, halves of surrogate pairs and endless nesting are told as not_json."""
    reader = Reader()
    assert reader.bad(line) == "not_json"
    assert reader.counts == {"lines": 1, "not_json": 1}
    assert reader.measurement({"t": 1}) == {"air_temperature": 1.0}


@pytest.mark.parametrize(
    "line",
    [
        b"[]",
        b'[{"t": 1}]',
        b"1",
        b"null",
        b"true",
        b'"t"',
        b'{"t": "21.5"}',
        b'{"t": "n/a"}',
        b'{"t": true}',
        b'{"t": false}',
        b'{"t": [1]}',
        b'{"t": {"v": 1}}',
        b'{"t": 1e999}',
        b'{"t": -1e999}',
        b'{"t": 1e308}',
        b'{"t": 1e16}',
        b'{"t": -1e16}',
        b'{"t": 1' + b"0" * 400 + b"}",
        b'{"t": -1' + b"0" * 4298 + b"}",
        b'{"t": 1' + b"0" * 60_000 + b"}",
        b'{"t": ' + b"[" * 300 + b"]" * 300 + b"}",
        b'{"t": [1' + b"0" * 4200 + b"]}",
        b'{"t": "' + b"x" * 60_000 + b'"}',
    ],
)
def test_what_is_no_number_is_a_bad_line(line: bytes) -> None:
    """A list or scalar for an object, a text, truth value, list or number beyond all bounds: all are wrong_type."""
    reader = Reader()
    assert reader.bad(line) == "wrong_type"
    assert reader.counts == {"lines": 1, "wrong_type": 1}


def test_a_field_of_the_wrong_type_does_not_cost_the_others() -> None:
    """Where one field is no number the rest of the line counts, and people are told of the field."""
    reader = Reader({"air_temperature": Field("t"), "relative_humidity": Field("h"), "wind_speed": Field("w")})
    assert reader.measurement({"t": 20.5, "h": "n/a", "w": True}) == {"air_temperature": 20.5}
    assert reader.counts == {"lines": 1, "taken": 1, "field_wrong_type": 1}
    assert [kind for kind, _ in reader.told] == ["field_wrong_type"]
    reader.line({"t": 20.5, "h": "n/a"})
    assert reader.told[-1][1] == "used only in part: field 'h' holds 'n/a', and no number"


def test_numbers_at_the_bound_stay_finite_in_every_unit() -> None:
    """The largest number that is taken is finite after conversion, as a difference too."""
    for sign in (1, -1):
        reader = Reader({"air_pressure": Field("p", slope=33.87), "rainfall_amount": Field("r", 25.4, counter=True)})
        reader.line({"r": -sign * 10**15})
        measurement = reader.measurement({"p": sign * 1e15, "r": sign * 1e15})
        assert measurement is not None
        assert all(math.isfinite(value) for value in measurement.values())


# Which sensor -----------------------------------------------------------------------------------------------------


def test_match_picks_one_sensor_out_of_a_stream() -> None:
    """Only lines whose fields have all the wanted values count; the others are told in the counts, not in the log."""
    reader = Reader(match={"model": "Acurite-Tower", "id": 9884})
    assert reader.measurement({"model": "Acurite-Tower", "id": 9884, "t": 1}) == {"air_temperature": 1.0}
    assert reader.measurement({"model": "Acurite-Tower", "id": 9884.0, "t": 2}) == {"air_temperature": 2.0}
    for other in (
        {"model": "Acurite-Tower", "id": 12053, "t": 1},
        {"model": "Acurite-Tower", "id": "9884", "t": 1},
        {"model": "Acurite-Tower", "t": 1},
        {"id": 9884, "t": "n/a"},
        {"model": ["Acurite-Tower"], "id": 9884, "t": 1},
        {"model": None, "id": None, "t": 1},
        {"model": "Acurite-Tower", "id": 10**400, "t": 1},
    ):
        assert reader.line(other) is None
    assert reader.counts == {"lines": 9, "taken": 2, "not_matched": 7}
    assert reader.told == []


@pytest.mark.parametrize(
    ("wanted", "found", "matches"),
    [(1, 1, True), (1, True, False), (0, False, False), (True, True, True), (True, 1, False), (False, False, True),
     (False, 0, False), (False, None, False), ("", None, False), ("A", "A", True), ("A", "a", False), (1.5, 1.5, True)],
)  # fmt: skip
def test_match_tells_true_from_1(wanted: str | float | bool, found: object, matches: bool) -> None:  # noqa: FBT001  -- a parameter
    """A truth value matches only itself, though Python takes True for 1."""
    assert (Reader(match={"x": wanted}).line({"x": found, "t": 1}) is not None) is matches


def test_match_works_on_what_is_not_mapped_to_be_a_key() -> None:
    """A field may be matched, mapped and copied as a label at once."""
    reader = Reader(match={"t": 5}, labels=("t",))
    assert reader.line({"t": 5}) == Arrival({"air_temperature": 5.0}, {"t": "5"})
    assert reader.line({"t": 6}) is None


# Labels -----------------------------------------------------------------------------------------------------------


def test_labels_are_scalars_as_strings() -> None:
    """Labels come as strings in the configured order; null, lists, objects and absent fields give none."""
    record = {"t": 1, "a": "x", "b": 7, "c": 1.5, "d": True, "e": False, "f": None, "g": [1], "h": {}, "i": "", "z": 1}
    arrival = Reader(labels=tuple("abcdefghij")).line(record)
    assert arrival is not None
    assert list(arrival.labels.items()) == [
        ("a", "x"), ("b", "7"), ("c", "1.5"), ("d", "true"), ("e", "false"), ("i", ""),
    ]  # fmt: skip


@pytest.mark.parametrize("value", ["x" * 60_000, 10**4000, 10**400])
def test_labels_are_bounded_in_length(value: object) -> None:
    """A label has at most 256 characters, however long the field is."""
    arrival = Reader(labels=("a",)).line({"t": 1, "a": value})
    assert arrival is not None
    assert arrival.labels == {"a": str(value)[:256]}


# Repeats ----------------------------------------------------------------------------------------------------------

RADIO: dict[str, Any] = {"model": "Acurite-5n1", "id": 839, "channel": "A", "sequence_num": 0, "raw": "c3", "t": 20.5}


def test_a_transmission_counts_once() -> None:
    """Lines of equal values within the window are one transmission, though sequence numbers and raw bytes differ."""
    reader = Reader(repeat_window_s=3.0)
    assert reader.line(RADIO) is not None
    assert reader.line({**RADIO, "sequence_num": 1, "raw": "c7"}, at_s=0.1) is None
    assert reader.line({**RADIO, "sequence_num": 2, "raw": "cb", "t": 20.5}, at_s=3.0) is None
    assert reader.counts == {"lines": 3, "taken": 1, "repeated": 2}


def test_the_window_begins_with_the_first_line() -> None:
    """After the window equal values count again, however often they were repeated within it."""
    reader = Reader(repeat_window_s=3.0)
    taken = [reader.line(RADIO, at_s=second) is not None for second in (0, 2, 3.001, 5, 6, 6.5)]
    assert taken == [True, False, True, False, False, True]


def test_without_a_window_every_line_counts() -> None:
    """With a window of 0 no line is taken for a repeat, not even in the same millisecond."""
    reader = Reader()
    assert all(reader.line(RADIO) is not None for _ in range(3))


def test_other_values_are_another_transmission() -> None:
    """A changed value counts at once, and going back to the first one within the window does not count again."""
    reader = Reader(repeat_window_s=3.0)
    assert [reader.line({**RADIO, "t": value}) is not None for value in (20.5, 20.6, 20.5, 20.6)] == [
        True, True, False, False,
    ]  # fmt: skip


def test_interleaved_message_types_are_told_apart() -> None:
    """Two message types of one transmitter, each repeated, make one observation each, in whatever order they come."""
    reader = Reader(
        {"wind_speed": Field("w"), "air_temperature": Field("t"), "rainfall_amount": Field("r")}, repeat_window_s=3.0
    )
    wind, warm = {"id": 1, "w": 4, "r": 0.5}, {"id": 1, "w": 4, "t": 20}
    taken = [reader.line(record) for record in (wind, warm, wind, warm, warm, wind)]
    assert [arrival is not None for arrival in taken] == [True, True, False, False, False, False]


@pytest.mark.parametrize(
    "other",
    [{"id": 840}, {"channel": "B"}, {"model": "Acurite-Tower"}, {"id": "839"[::-1]}, {"channel": None}, {"id": None}],
)
def test_transmitters_are_told_apart_by_what_rtl_433_identifies_them_with(other: Mapping[str, Any]) -> None:
    """Equal values of another model, id or channel are another transmission, without any label."""
    reader = Reader(repeat_window_s=3.0)
    assert reader.line(RADIO) is not None
    assert reader.line({**RADIO, **other}) is not None


def test_transmitters_are_told_apart_by_labels() -> None:
    """In a stream that knows no model, id and channel the labels tell who sends."""
    reader = Reader(labels=("room",), repeat_window_s=3.0)
    rooms = ("cellar", "attic", "cellar", "attic", None, None)
    taken = [reader.line({"model": "DHT22", "room": room, "t": 20.5}) is not None for room in rooms]
    assert taken == [True, True, False, False, True, False]


def test_a_label_that_changes_makes_no_other_transmitter() -> None:
    """The strength of a signal or the state of a battery, copied as a label, lets a repeat remain one."""
    reader = Reader(labels=("id", "rssi", "battery_ok", "sequence_num"), repeat_window_s=3.0)
    assert reader.line({**RADIO, "rssi": -0.1, "battery_ok": 1}) is not None
    assert reader.line({**RADIO, "rssi": -12.1, "battery_ok": 0, "sequence_num": 1}) is None


def test_a_strange_identification_is_no_mistake() -> None:
    """Lists, objects and texts without end where the model or the id should be do no harm."""
    reader = Reader(repeat_window_s=3.0)
    for value in ([1], {"a": []}, "x" * 60_000, 10**400, 1.5, True):
        assert reader.line({**RADIO, "model": value}) is not None or reader.counts["repeated"]
        assert reader.line({**RADIO, "id": value}) is not None or reader.counts["repeated"]
    assert sum(len(str(key)) for key in reader._transmissions) < 10_000


def test_the_source_s_own_time_decides_about_repeats() -> None:
    """A backlog of equal values that arrives in a rush is no repeat where its times say so, and late repeats are."""
    reader = Reader(observed_at="time", repeat_window_s=3.0)
    times = [f"2026-11-23 11:{minute:02}:00" for minute in range(10)]
    assert all(reader.line({**RADIO, "time": time}) is not None for time in times)
    assert reader.line({**RADIO, "time": times[0]}, at_s=3600) is not None
    assert reader.line({**RADIO, "time": "2026-11-23 11:00:01"}, at_s=7200) is None
    assert reader.line({**RADIO, "time": 0}) is not None
    assert reader.line({**RADIO, "time": 2}) is None


def test_a_wall_clock_that_steps_hides_no_transmission() -> None:
    """After a step of the clock, in either direction, equal values count."""
    reader = Reader(repeat_window_s=3.0)
    assert [reader.line(RADIO, at_s=at) is not None for at in (0, 3600, -3600)] == [True, True, True]


def test_what_is_remembered_is_bounded() -> None:
    """A flood of transmitters forgets the oldest and grows no further."""
    fields = {"air_temperature": Field("t"), **RAIN}
    reader = Reader(fields, labels=("id",), repeat_window_s=3.0)
    for number in range(3000):
        reader.line({"id": number, "t": number, "rain": 1})
    assert len(reader._transmissions) == 1024
    assert len(reader._totals) == 1024
    assert reader.line({"id": 2999, "t": 2999, "rain": 1}) is None


# Running totals ---------------------------------------------------------------------------------------------------


def amounts(totals: Sequence[float], field: Field) -> list[float | None]:
    reader = Reader({"rainfall_amount": field})
    measured = [reader.measurement({field.name: total}) for total in totals]
    return [None if one is None else round(one["rainfall_amount"], 6) for one in measured]


def test_a_running_total_becomes_an_amount() -> None:
    """The first total says nothing yet; after it the increase counts, also where it is none."""
    assert amounts([0.66, 0.66, 0.67, 1.0], Field("rain", counter=True)) == [None, 0.0, 0.01, 0.33]


def test_the_unit_applies_to_the_increase_alone() -> None:
    """An offset in the conversion, right for a value, does not add up with each line of a total."""
    assert amounts([0.66, 0.67, 0.67], Field("rain", 25.4, 100.0, counter=True)) == [None, 0.254, 0.0]


def test_a_reset_counts_from_zero() -> None:
    """A total that falls was reset, as by new batteries: what it shows has fallen since."""
    assert amounts([12.0, 0.0, 0.5, 0.25, -1.0, 0.0], Field("rain", counter=True)) == [None, 0, 0.5, 0.25, 0, 1.0]


def test_an_overflow_counts_on() -> None:
    """A total that passed counter_max has grown by what was left to it and what it shows now."""
    field = Field("rain", counter=True, counter_max=40.96)
    assert amounts([40.95, 0.0, 0.01, 40.0, 5.0], field) == [None, 0.01, 0.01, 39.99, 5.96]
    assert amounts([99, 0], Field("rain", 25.4, 7.0, counter=True, counter_max=100)) == [None, 25.4]


def test_a_reset_is_not_taken_for_an_overflow() -> None:
    """If the overflow would have to explain a quarter of the range or more, new batteries are the better guess."""
    field = Field("rain", counter=True, counter_max=40.96)
    assert amounts([30.0, 0.0, 10.0, 5.0], field) == [None, 0.0, 10.0, 5.0]
    assert amounts([75.1, 0.0], Field("rain", counter=True, counter_max=100)) == [None, 24.9]
    assert amounts([75.0, 0.0], Field("rain", counter=True, counter_max=100)) == [None, 0.0]


def test_a_total_above_its_maximum_is_no_overflow() -> None:
    """With a counter_max that was set too low a fall is a reset, and never a negative amount."""
    assert amounts([500, 3, 600, 100], Field("rain", counter=True, counter_max=100)) == [None, 3, 597, 100]


def test_totals_of_two_transmitters_are_told_apart() -> None:
    """Two rain gauges in one stream have a total each, by their identification or by their labels."""
    for labels, one, other in (
        ((), {"model": "A", "id": 1}, {"model": "A", "id": 2}),
        (("roof",), {"roof": "north"}, {"roof": "south"}),
    ):
        reader = Reader(RAIN, labels=labels)
        assert reader.line({**one, "rain": 100}) is None
        assert reader.line({**other, "rain": 5}) is None
        assert reader.measurement({**one, "rain": 101}) == {"rainfall_amount": 1.0}
        assert reader.measurement({**other, "rain": 7}) == {"rainfall_amount": 2.0}


def test_a_battery_that_flaps_does_not_count_rain_twice() -> None:
    """A changing label beside the identification leaves the running total one."""
    reader = Reader(RAIN, labels=("id", "battery_ok"))
    totals = [(10, 1), (11, 0), (12, 1), (13, 0)]
    measured = [reader.measurement({"model": "A", "id": 1, "battery_ok": ok, "rain": total}) for total, ok in totals]
    assert measured == [None, *[{"rainfall_amount": 1.0}] * 3]


def test_a_repeat_does_not_reset_a_total() -> None:
    """A late repeat of a total that has been passed is a repeat, and no reset."""
    reader = Reader(RAIN, repeat_window_s=3.0)
    measured = [
        reader.measurement({**RADIO, "rain": total}, at) for total, at in ((5, 0), (6, 1), (5, 1.5), (6, 2), (6, 20))
    ]
    assert measured == [None, {"rainfall_amount": 1.0}, None, None, {"rainfall_amount": 0.0}]


def test_a_gauge_that_keeps_sending_is_not_forgotten() -> None:
    """What falls out of memory is the transmitter that was heard longest ago, not the one known longest."""
    reader = Reader(RAIN, labels=("id",))
    reader.line({"id": "ours", "rain": 0})
    for number in range(3000):
        reader.line({"id": number, "rain": 1})
        if number % 500 == 0:
            assert reader.measurement({"id": "ours", "rain": number}) is not None
    assert reader.measurement({"id": "ours", "rain": 3001}) == {"rainfall_amount": 501.0}


def test_the_other_quantities_do_not_wait_for_a_second_total() -> None:
    """A line with the first total gives what else is in it; a line with nothing else gives nothing, and is counted."""
    reader = Reader({**TEMPERATURE, **RAIN})
    assert reader.measurement({"t": 20, "rain": 5}) == {"air_temperature": 20.0}
    assert reader.measurement({"t": 20, "rain": 6}) == {"air_temperature": 20.0, "rainfall_amount": 1.0}
    other = Reader(RAIN)
    assert other.line({"rain": 5}) is None
    assert other.counts == {"lines": 1, "without_quantity": 1}


@given(st.lists(st.floats(0, 100), max_size=30), st.none() | st.floats(0.1, 100))
def test_amounts_are_never_negative(totals: list[float], counter_max: float | None) -> None:
    """Whatever a total does, an amount is zero or more, and never more than the larger of total and range."""
    for amount in amounts(totals, Field("rain", counter=True, counter_max=counter_max)):
        assert amount is None or 0 <= amount <= 100


# Times ------------------------------------------------------------------------------------------------------------

MOMENT_MS = 1_795_446_845_000  # 2026-11-23T15:14:05Z


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-11-23T15:14:05Z", MOMENT_MS),
        ("2026-11-23t15:14:05z", MOMENT_MS),
        ("2026-11-23T15:14:05+00:00", MOMENT_MS),
        ("2026-11-23T12:14:05-03:00", MOMENT_MS),
        ("2026-11-23 12:14:05-0300", MOMENT_MS),
        ("2026-11-23 20:44:05.250+05:30", MOMENT_MS + 250),
        ("2026-11-23T15:14:05.123456789Z", MOMENT_MS + 123),
        ("2026-11-23T15:14:05,5Z", MOMENT_MS + 500),
        ("20261123T151405Z", MOMENT_MS),
        ("2026-11-23 12:14:05", MOMENT_MS),
        ("2026-11-23T12:14:05.9994", MOMENT_MS + 999),
        ("2026-11-23T12:14", MOMENT_MS - 5000),
        (1_795_446_845, MOMENT_MS),
        (1_795_446_845.25, MOMENT_MS + 250),
        (1_795_446_845_250, MOMENT_MS + 250),
        (1_795_446_845_250.4, MOMENT_MS + 250),
        ("1795446845", MOMENT_MS),
        ("1795446845.250", MOMENT_MS + 250),
        ("1795446845250", MOMENT_MS + 250),
        (0, 0),
        ("0", 0),
        ("1970-01-01T00:00:00Z", 0),
        (4_102_444_800, 4_102_444_800_000),
        ("2099-12-31T23:59:59.999Z", 4_102_444_799_999),
    ],
)
def test_times_are_read_as_programs_write_them(value: object, expected: int) -> None:
    """ISO 8601 with and without offset, and seconds and milliseconds since 1970, all give UTC milliseconds."""
    assert parse_time(value, SAO_PAULO, NOON_MS) == expected


def test_a_number_is_never_taken_for_a_date() -> None:
    """Milliseconds as text are a time since 1970, even where their digits would pass for a year, month and day."""
    assert parse_time("1801010100000", dt.UTC, NOON_MS) == 1_801_010_100_000


@pytest.mark.parametrize(
    "value",
    [
        None, True, False, "", " ", "@0.16s", "@0.163908s", "now", "15:14:05", "2026-13-01T00:00:00Z", "2026-\0",
        "2026-11-23T25:00Z", "2026-11-23T15:14:05+99:00", "nan", "inf", "-inf", "1e999", -1, -0.001, "-1",
        "1969-12-31T23:59:59Z", "1965-06-01 12:00:00", "0001-01-01T00:00:00", "0001-01-01T00:00:00+14:00",
        "2100-01-01T00:00:01Z", "2105-01-01 00:00:00", "9999-12-31T23:59:59", "9999-12-31T23:59:59-14:00",
        4_102_444_801, 10**12 * 5, 10**400, -(10**400), 1e300, math.nan, math.inf, "9" * 5000,
        "2026-11-23T15:14:05Z" * 1000, [2026], {"s": 1}, b"0",
    ],
)  # fmt: skip
def test_what_is_no_time_since_1970_is_none(value: object) -> None:
    """Relative times, other types, and times before 1970 or from 2100 on are no time of an observation."""
    assert parse_time(value, SAO_PAULO, NOON_MS) is None


def test_the_hour_that_comes_twice_is_the_nearer_one() -> None:
    """When the clock was put back, a local time of the hour that came twice is the one nearer to its arrival."""
    first_ms, second_ms = 1_518_917_400_000, 1_518_921_000_000  # 2018-02-18T01:30Z and T02:30Z
    for now_ms, expected in ((first_ms + 900, first_ms), (second_ms + 900, second_ms), (NOON_MS, second_ms)):
        assert parse_time("2018-02-17 23:30:00", SAO_PAULO, now_ms) == expected
    assert parse_time("2018-02-17 22:30:00", SAO_PAULO, second_ms) == first_ms - 3_600_000
    assert parse_time("2018-02-18 00:30:00", SAO_PAULO, first_ms) == second_ms + 3_600_000


def test_the_hour_that_never_was_is_read_all_the_same() -> None:
    """A local time in the hour that the clock skipped, which no right clock shows, is off by at most that hour."""
    skipped_ms = 1_541_300_400_000  # 2018-11-04T03:00Z: 00:00 became 01:00
    found = parse_time("2018-11-04 00:30:00", SAO_PAULO, skipped_ms)
    assert found is not None
    assert abs(found - skipped_ms) <= 3_600_000


@given(st.text(max_size=40) | st.from_regex(r"\A[0-9]{4}-?[0-9]{2}-?[0-9]{2}[ T]?[0-9:.,+Zz-]{0,20}\Z"))
@settings(max_examples=300)
def test_any_text_is_a_time_in_range_or_none(text: str) -> None:
    """No text whatsoever makes the reading of times fail."""
    time_ms = parse_time(text, SAO_PAULO, NOON_MS)
    assert time_ms is None or 0 <= time_ms <= 4_102_444_800_000


def test_the_arrival_counts_where_the_source_gives_no_time() -> None:
    """A line without a time that can be read is taken with the time of its arrival, told and counted."""
    reader = Reader(observed_at="time")
    arrival = reader.line({"t": 1, "time": "2026-11-23 15:14:05"})
    assert arrival == Arrival({"air_temperature": 1.0}, {}, MOMENT_MS)
    for time in ("@0.16s", None, [10**400], "x" * 60_000):
        arrival = reader.line({"t": 1, "time": time})
        assert arrival == Arrival({"air_temperature": 1.0})
    assert reader.counts == {"lines": 5, "taken": 5, "without_time": 4}
    assert {kind for kind, _ in reader.told} == {"without_time"}
    assert max(len(sentence) for _, sentence in reader.told) < 200


# Any line ---------------------------------------------------------------------------------------------------------

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -(10**400), 10**4290])
    | st.floats()
    | st.text(st.characters(codec=None, exclude_categories=()), max_size=8)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)
RECORDS = st.dictionaries(st.sampled_from(["t", "rain", "time", "model", "id", "channel", "x"]), VALUES)
JSON_LINES = st.builds(
    lambda record, ascii_only: json.dumps(record, ensure_ascii=ascii_only).encode(errors="surrogatepass"),
    RECORDS | VALUES,
    st.booleans(),
)
BROKEN_LINES = st.builds(
    lambda line, at, rubbish: line[: at % (len(line) + 1)] + rubbish + line[at % (len(line) + 1) :],
    JSON_LINES,
    st.integers(0, 10_000),
    st.binary(max_size=4),
)


@given(st.lists(JSON_LINES | BROKEN_LINES | st.binary(), max_size=8), st.booleans())
@settings(max_examples=250)
def test_any_line_gives_an_arrival_nothing_or_a_bad_line(lines: list[bytes], matching: bool) -> None:  # noqa: FBT001  -- a parameter
    """Whatever bytes a line holds, nothing else comes out, each line is counted once, and its document is JSON."""
    reader = Reader(
        {"air_temperature": Field("t", 5 / 9, -160 / 9), "rainfall_amount": Field("rain", 25.4, counter=True)},
        match={"x": 1} if matching else {},
        observed_at="time",
        time_zone=SAO_PAULO,
        labels=("model", "x", "t"),
        repeat_window_s=3.0,
    )
    former = Former("garden", "jsonlines", Derivation(Station("test")), FakeClock(), {})
    encoder = DocumentEncoder(Station("test"), "00000000")
    for line in lines:
        try:
            arrival = reader.line(line)
        except BadLine as error:
            assert error.kind in OUTCOMES  # noqa: PT017  -- an arrival is as good
            continue
        if arrival is not None:
            assert arrival.measurement
            assert all(math.isfinite(value) for value in arrival.measurement.values())
            [observation] = former.passed_on([arrival])
            document = json.loads(encoder.encode(observation, 1), parse_constant=pytest.fail)
            assert document.get("labels", {}) == arrival.labels
            assert None not in document["weather"].values()
    assert reader.counts["lines"] == len(lines) == sum(reader.counts[outcome] for outcome in OUTCOMES)


# Lines out of bytes -----------------------------------------------------------------------------------------------


def split(pieces: Sequence[bytes], size_max: int) -> tuple[list[bytes], int]:
    """Return the lines of a stream, and how many were too long."""
    too_long: list[None] = []
    splitter = LineSplitter(size_max, lambda: too_long.append(None))
    lines = [line for piece in pieces for line in splitter.feed(piece)]
    return [*lines, *splitter.finish()], len(too_long)


@given(
    st.lists(st.sampled_from([b"\n", b"\r\n", b"a", b"bcd", b"x" * 7, b"y" * 8, b"z" * 9, b"w" * 30]), max_size=30),
    st.lists(st.integers(0, 300), max_size=30),
)
def test_a_stream_may_come_in_any_pieces(words: list[bytes], cuts: list[int]) -> None:
    """However a stream is cut, the same lines come out of it, and the same number is too long."""
    stream = b"".join(words)
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    pieces = [stream[start:end] for start, end in itertools.pairwise(edges)]
    whole = stream.split(b"\n")
    last = [whole[-1]] if whole[-1] else []
    expected = [line for line in [*whole[:-1], *last] if len(line) <= 8]
    assert split(pieces, size_max=8) == (expected, len(whole) - sum(len(line) <= 8 for line in whole))


def test_a_line_of_exactly_the_limit_is_kept() -> None:
    """The limit itself is allowed, one byte more is not, with or without a line break at the end."""
    for end in (b"\n", b""):
        assert split([b"x" * 8 + end], size_max=8) == ([b"x" * 8], 0)
        assert split([b"x" * 9 + end], size_max=8) == ([], 1)
    assert split([b"x" * 9, b"xx", b"x\nok\n"], size_max=8) == ([b"ok"], 1)
    assert split([b"x" * 9, b"\n" + b"y" * 9, b"\nok"], size_max=8) == ([b"ok"], 2)


def test_an_endless_line_takes_no_memory() -> None:
    """Of a line without end no more is held than a line may have, and it is told once."""
    too_long: list[None] = []
    splitter = LineSplitter(65_536, lambda: too_long.append(None))
    chunk = b"x" * 32_768
    tracemalloc.start()
    try:
        for _ in range(2000):
            assert splitter.feed(chunk) == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 400_000
    assert splitter.feed(b"\nok\n") == [b"ok"]
    assert len(too_long) == 1
