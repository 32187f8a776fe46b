import msgspec
import pytest

from tests.fakes import NOON_MS
from weatherd.model import Event, Observation, Quality, Station, Statistics
from weatherd.processing.documents import DocumentEncoder, iso_8601

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
