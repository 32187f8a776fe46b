import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import NOON_MS
from weatherd.model import Event, Infrared, Observation, Quality, Station, Statistics
from weatherd.processing.documents import DocumentEncoder, corrected, is_estimated, iso_8601, rounded_statistics

STATION = Station("porto-alegre-01", "Porto Alegre", -30.03, -51.23, 10.0)
OBSERVATION = Observation(
    sensor="barometer",
    model="BMP280",
    observed_at_ms=1_795_446_850_000,
    recorded_at_ms=1_795_446_850_412,
    values={"air_pressure": 1012.3149, "air_temperature": 21.4251, "air_pressure_at_mean_sea_level": 1013.4838},
    statistics={"air_pressure": Statistics(10, 1012.2801, 1012.3499)},
    quality={"air_pressure": Quality.GOOD, "air_temperature": Quality.GOOD},
    clock_synchronized=True,
)

EVENT = Event("sensor_lost", "barometer is lost", 1_795_446_850_000, clock_synchronized=True, sensor="barometer")


def encoded(entry: Observation | Event, **changes: object) -> bytes:
    return DocumentEncoder(STATION, "3f9c2a71").encode(msgspec.structs.replace(entry, **changes), 123)


def document(entry: Observation | Event, station: Station = STATION) -> dict:
    return msgspec.json.decode(DocumentEncoder(station, "3f9c2a71").encode(entry, 123))


def test_the_document_is_the_designs() -> None:
    """Field by field what DESIGN.md fixes for other programs; numbers are rounded as the quantity is."""
    assert document(OBSERVATION) == {
        "@timestamp": "2026-11-23T15:14:10.000Z",
        "ecs": {"version": "8.11"},
        "event": {
            "id": "porto-alegre-01-3f9c2a71-000000000123",
            "sequence": 123,
            "kind": "metric",
            "dataset": "weatherd.observation",
            "created": "2026-11-23T15:14:10.412Z",
        },
        "station": {
            "id": "porto-alegre-01",
            "name": "Porto Alegre",
            "location": {"lat": -30.03, "lon": -51.23},
            "elevation_m": 10.0,
        },
        "sensor": {"name": "barometer", "model": "BMP280"},
        "weather": {"air_pressure": 1012.31, "air_temperature": 21.43, "air_pressure_at_mean_sea_level": 1013.48},
        "statistics": {"air_pressure": {"min": 1012.28, "max": 1012.35, "count": 10}},
        "quality": {"air_pressure": "good", "air_temperature": "good"},
        "clock": {"synchronized": True},
    }


def test_the_same_entry_gives_the_same_bytes() -> None:
    """A document that is encoded twice is the same to the byte."""
    encoder = DocumentEncoder(STATION, "3f9c2a71")
    assert encoder.encode(OBSERVATION, 7) == encoder.encode(OBSERVATION, 7)


def test_what_is_unknown_is_absent() -> None:
    """A station without a place has no place in the document, and no zero either."""
    assert document(OBSERVATION, Station("bare"))["station"] == {"id": "bare"}


def test_a_missing_quantity_has_a_flag_and_a_reason_but_no_value() -> None:
    """A fault that is no measurement leaves no number behind."""
    missing = Observation(
        sensor="barometer",
        model="BMP280",
        observed_at_ms=NOON_MS,
        recorded_at_ms=NOON_MS,
        values={},
        quality={"air_pressure": Quality.MISSING},
        quality_reasons={"air_pressure": "bad_checksum"},
        clock_synchronized=False,
    )
    found = document(missing)
    assert found["weather"] == {}
    assert found["quality"] == {"air_pressure": "missing"}
    assert found["quality_reasons"] == {"air_pressure": "bad_checksum"}
    assert found["clock"] == {"synchronized": False}
    assert "statistics" not in found


def test_labels_are_strings_beside_the_weather() -> None:
    """Labels arrive as they were."""
    labelled = msgspec.structs.replace(OBSERVATION, labels={"channel": "A", "battery_ok": "1"})
    assert document(labelled)["labels"] == {"channel": "A", "battery_ok": "1"}


def test_a_press_of_a_key_is_told_beside_the_event() -> None:
    """What is not known, or nothing, is absent: a key without repeats, timings without a scancode."""
    key = Infrared("nec", "0x40bf", 3, "tv_power", left_out_count=2)
    told = document(msgspec.structs.replace(EVENT, action="infrared_received", infrared=key))
    assert told["event"]["dataset"] == "weatherd.event"
    assert told["infrared"] == {
        "protocol": "nec",
        "scancode": "0x40bf",
        "repeat": 3,
        "command": "tv_power",
        "left_out_count": 2,
    }
    timings = Infrared("unknown", timings_us=(9000, 4500, 560))
    assert document(msgspec.structs.replace(EVENT, infrared=timings))["infrared"] == {
        "protocol": "unknown",
        "timings_us": [9000, 4500, 560],
    }
    assert "infrared" not in document(EVENT)


def test_an_event_is_no_weather() -> None:
    """What happened to the station has its own dataset, a name for programs and a sentence for people."""
    found = document(
        Event(
            "sensor_lost", "barometer is lost", NOON_MS, clock_synchronized=True, sensor="barometer", reason="no_answer"
        )
    )
    assert found["event"]["dataset"] == "weatherd.event"
    assert found["event"]["kind"] == "event"
    assert found["event"]["action"] == "sensor_lost"
    assert found["event"]["reason"] == "no_answer"
    assert found["message"] == "barometer is lost"
    assert found["sensor"] == {"name": "barometer"}
    assert "weather" not in found


@pytest.mark.parametrize("entry", [OBSERVATION, EVENT], ids=["observation", "event"])
@pytest.mark.parametrize(
    ("clock_synchronized", "clock_offset_ms", "clock"),
    [
        (True, None, {"synchronized": True}),
        (False, None, {"synchronized": False}),
        (False, 1_795_446_000_000, {"synchronized": False, "estimated": True}),
        (False, 0, {"synchronized": False, "estimated": True}),
        (True, 1_795_446_000_000, {"synchronized": False, "estimated": True}),
    ],
)
def test_stamps_that_are_estimates_say_so_and_are_not_synchronised(
    entry: Observation | Event,
    clock_synchronized: bool,  # noqa: FBT001  -- a parameter
    clock_offset_ms: int | None,
    clock: dict[str, bool],
) -> None:
    """Final stamps say what the kernel said; estimates are marked, even if the kernel changed its mind meanwhile."""
    found = encoded(entry, clock_synchronized=clock_synchronized, clock_offset_ms=clock_offset_ms)
    assert msgspec.json.decode(found)["clock"] == clock
    assert is_estimated(found) is ("estimated" in clock)


@pytest.mark.parametrize("step_ms", [0, 1, -1, 86_400_000 - 1, -1_795_446_850_000, 100 * 365 * 86_400_000])
def test_a_corrected_document_is_what_it_would_have_been(step_ms: int) -> None:
    """Both stamps are moved, by whole milliseconds, and all other bytes are the same."""
    times = ("observed_at_ms", "recorded_at_ms")
    right = {name: getattr(OBSERVATION, name) + step_ms for name in times}
    estimated = encoded(OBSERVATION, clock_synchronized=False, clock_offset_ms=1)
    assert corrected(estimated, step_ms) == encoded(OBSERVATION, **right)
    estimated = encoded(EVENT, clock_synchronized=False, clock_offset_ms=1)
    assert corrected(estimated, step_ms) == encoded(EVENT, observed_at_ms=EVENT.observed_at_ms + step_ms)


@given(st.integers(0, 4_000_000_000_000), st.integers(0, 4_000_000_000_000))
def test_a_correction_moves_from_any_time_to_any_other(from_ms: int, to_ms: int) -> None:
    """No millisecond is lost on the way."""
    estimated = encoded(EVENT, observed_at_ms=from_ms, clock_offset_ms=1)
    assert corrected(estimated, to_ms - from_ms) == encoded(EVENT, observed_at_ms=to_ms)


def test_a_correction_leaves_alone_what_it_does_not_know() -> None:
    """Fields, order, numbers and texts of another version stay as they were written, to the byte."""
    document = (
        b'{"new":{"b":1.50,"a":[1e3,-0.0]},"clock":{"synchronized":false,"estimated":true},"weather":{"x":21.430},'
        b'"event":{"created":"2026-11-23T15:14:10.412Z","kind":"metric","reason":"\\u00e9\xc3\xa9"},'
        b'"@timestamp":"2026-11-23T15:14:10.000Z","message":"\\/"}'
    )
    assert corrected(document, 50_001) == (
        b'{"new":{"b":1.50,"a":[1e3,-0.0]},"clock":{"synchronized":true},"weather":{"x":21.430},'
        b'"event":{"created":"2026-11-23T15:15:00.413Z","kind":"metric","reason":"\\u00e9\xc3\xa9"},'
        b'"@timestamp":"2026-11-23T15:15:00.001Z","message":"\\/"}'
    )


@pytest.mark.parametrize("synchronized", [True, False])
def test_a_final_document_is_not_corrected(synchronized: bool) -> None:  # noqa: FBT001  -- a parameter
    """It is the same object: also one whose time a source gave while the clock was not synchronised."""
    final = encoded(OBSERVATION, clock_synchronized=synchronized)
    assert corrected(final, 1000) is final


def test_a_corrected_document_is_final() -> None:
    """Correcting it again changes nothing."""
    once = corrected(encoded(OBSERVATION, clock_synchronized=False, clock_offset_ms=1), 1000)
    assert not is_estimated(once)
    assert corrected(once, 1000) == once


# Pieces of the mark, and what escapes it, more often than any other text.
TEXTS = st.one_of(
    st.text(),
    st.lists(
        st.sampled_from(['"', "\\", "estimated", ":", "true", '"estimated":true', ",", "{", "}", "\n", "\x00"])
    ).map("".join),
)


@given(TEXTS, st.dictionaries(TEXTS, TEXTS, max_size=4))
def test_no_text_in_a_document_looks_like_the_mark(text: str, labels: dict[str, str]) -> None:
    """Neither labels, nor names, nor messages make a document an estimate."""
    encoder = DocumentEncoder(Station("here", text), "3f9c2a71")
    reasons = {"air_pressure": text}
    observation = msgspec.structs.replace(OBSERVATION, sensor=text, model=text, labels=labels, quality_reasons=reasons)
    event = msgspec.structs.replace(EVENT, action=text, message=text, sensor=text, reason=text)
    for entry in (observation, event):
        assert not is_estimated(encoder.encode(entry, 1))
        estimated = encoder.encode(msgspec.structs.replace(entry, clock_offset_ms=1), 1)
        assert is_estimated(estimated)
        assert json.loads(corrected(estimated, 0)) == json.loads(encoder.encode(entry, 1))


def test_a_label_of_the_marks_name_is_no_mark() -> None:
    """Its value is a text."""
    assert not is_estimated(encoded(OBSERVATION, labels={"estimated": "true"}))


def test_no_document_has_a_line_break() -> None:
    """A text with line breaks stays one line, because the journal separates documents by them."""
    assert b"\n" not in DocumentEncoder(Station("a", "two\nlines"), "0").encode(OBSERVATION, 1)


def test_no_name_collides_with_logstashs_own() -> None:
    """Top-level names that Logstash's input owns are not used: it would drop what stands after them."""
    assert not {"host", "http", "url", "user_agent"} & set(document(OBSERVATION))
    assert "original" not in document(OBSERVATION)["event"]


@pytest.mark.parametrize(
    ("time_ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_795_446_850_001, "2026-11-23T15:14:10.001Z"),
        (1_795_446_850_999, "2026-11-23T15:14:10.999Z"),
        (4_102_444_799_999, "2099-12-31T23:59:59.999Z"),
    ],
)
def test_times_keep_their_milliseconds(time_ms: int, text: str) -> None:
    """Three decimals always, never rounded into another millisecond."""
    assert iso_8601(time_ms) == text


def test_a_total_stays_when_a_spread_is_rounded() -> None:
    """How many there were ever is a whole number."""
    assert rounded_statistics("rainfall_rate", Statistics(2, 0.12345, 0.5, 7)) == Statistics(2, 0.123, 0.5, 7)
