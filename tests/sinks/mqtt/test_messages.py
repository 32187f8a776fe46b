import msgspec
import pytest

from weatherd.model import Event, Observation, Quality, Station, Statistics
from weatherd.processing.documents import Document, DocumentEncoder, decode
from weatherd.sinks.mqtt.messages import Message, availability, current, fresh, happened, observed
from weatherd.sinks.mqtt.port import SensorNow
from weatherd.sinks.mqtt.topics import Topics, birth_topic, discovery_topic, topics_of

TOPICS = Topics("weatherd/porto-alegre-01")
OBSERVATION = Observation(
    sensor="barometer",
    model="BMP280",
    observed_at_ms=1_795_446_850_000,
    recorded_at_ms=1_795_446_850_412,
    values={"air_pressure": 1012.3149},
    statistics={"air_pressure": Statistics(10, 1012.2801, 1012.3499)},
    quality={"air_pressure": Quality.GOOD},
    clock_synchronized=True,
)


def told(**changes: object) -> tuple[str, dict[str, object]]:
    """Return state and attributes of an observation with one quantity."""
    attributes, state = observed(TOPICS, msgspec.structs.replace(OBSERVATION, **changes))
    assert state.topic == "weatherd/porto-alegre-01/barometer/air_pressure"
    assert attributes.topic == "weatherd/porto-alegre-01/barometer/air_pressure/attributes"
    assert not state.is_retained
    assert not attributes.is_retained
    told = msgspec.json.decode(attributes.payload)
    assert told.pop("state") == state.payload.decode()
    return state.payload.decode(), told


def test_a_value_is_plain_and_its_attributes_tell_the_rest() -> None:
    """The state is a number alone; unit, quality, reason, time and extremes stand beside it."""
    state, attributes = told()
    assert state == "1012.31"
    assert attributes == {
        "value": 1012.31,
        "unit": "hPa",
        "quality": "good",
        "reason": "",
        "observed_at": "2026-11-23T15:14:10.000Z",
        "clock_synchronized": True,
        "min": 1012.28,
        "max": 1012.35,
    }


def test_a_missing_value_is_told_at_once_as_unknown() -> None:
    """Nobody goes on with the value before it, and the reason is there."""
    state, attributes = told(
        values={},
        statistics={},
        quality={"air_pressure": Quality.MISSING},
        quality_reasons={"air_pressure": "all_ones"},
    )
    assert state == "None"
    assert (attributes["value"], attributes["quality"], attributes["reason"]) == (None, "missing", "all_ones")


def test_an_erroneous_value_is_no_state_but_an_attribute() -> None:
    """It would stand in the statistics of Home Assistant for ever; whoever wants it finds it."""
    state, attributes = told(quality={"air_pressure": Quality.ERRONEOUS}, quality_reasons={"air_pressure": "step"})
    assert state == "None"
    assert (attributes["value"], attributes["quality"], attributes["reason"]) == (1012.31, "erroneous", "step")


def test_a_doubtful_value_is_a_state_that_says_so() -> None:
    """Persistence makes a value doubtful in real fog: it is shown."""
    state, attributes = told(quality={"air_pressure": Quality.DOUBTFUL})
    assert (state, attributes["quality"]) == ("1012.31", "doubtful")


def test_labels_tell_transmitters_apart() -> None:
    """They are among the attributes where there are some."""
    assert told(labels={"channel": "A"})[1]["labels"] == {"channel": "A"}


def test_attributes_come_before_the_state() -> None:
    """Whoever acts on a state finds the attributes that belong to it."""
    topics = [message.topic for message in observed(TOPICS, OBSERVATION)]
    assert [topic.endswith("/attributes") for topic in topics] == [True, False]


def test_an_event_is_told_with_its_time_and_reason() -> None:
    """Sensor, reason and sentence, as the document has them."""
    event = Event("sensor_lost", "barometer is lost", 1_795_446_850_000, True, "barometer", "no_answer")
    document = decode(DocumentEncoder(Station("porto-alegre-01"), "3f9c2a71").encode(event, 7))
    message = happened(TOPICS, document)
    assert message.topic == "weatherd/porto-alegre-01/event"
    assert msgspec.json.decode(message.payload) == {
        "time": "2026-11-23T15:14:10.000Z",
        "action": "sensor_lost",
        "sensor": "barometer",
        "reason": "no_answer",
        "message": "barometer is lost",
    }


def entry(one: Observation | Event) -> Document:
    """Return the document of an entry of the journal."""
    return decode(DocumentEncoder(Station("porto-alegre-01"), "3f9c2a71").encode(one, 7))


def barometer(observation: Observation = OBSERVATION) -> dict[str, SensorNow]:
    """Return the sensors of a station that has one, whose values are current for 15 s, and stale after 60 s."""
    return {"barometer": SensorNow("barometer", None, {"air_pressure": observation}, True, 60.0, 15.0)}


def test_an_event_of_the_station_names_no_sensor() -> None:
    """The field is there, and empty."""
    event = Event("station_started", "weatherd has started", 1_795_446_850_000, True)
    (message,) = fresh(TOPICS, entry(event), {}, 0)
    assert message.topic == TOPICS.event
    assert msgspec.json.decode(message.payload)["sensor"] == ""


@pytest.mark.parametrize(("age_ms", "count"), [(0, 2), (60_000, 2), (60_001, 0)])
def test_what_is_stale_when_it_is_told_is_not_told(age_ms: int, count: int) -> None:
    """A source may tell old times."""
    now_ms = OBSERVATION.observed_at_ms + age_ms
    assert len(list(fresh(TOPICS, entry(OBSERVATION), barometer(), now_ms))) == count


def test_what_a_sensor_that_is_gone_has_observed_is_not_told() -> None:
    """Its entities are removed."""
    assert list(fresh(TOPICS, entry(OBSERVATION), {}, OBSERVATION.observed_at_ms)) == []


def test_what_thinning_made_is_not_told() -> None:
    """It is neither an event nor an observation of now."""
    document = entry(OBSERVATION)
    reduced = msgspec.structs.replace(document.event, dataset="weatherd.observation.reduced")
    thinned = msgspec.structs.replace(document, event=reduced)
    assert list(fresh(TOPICS, thinned, barometer(), OBSERVATION.observed_at_ms)) == []


@pytest.mark.parametrize(("age_ms", "count"), [(0, 2), (15_000, 2), (15_001, 0)])
def test_what_is_told_as_present_is_the_newest_that_there_can_be(age_ms: int, count: int) -> None:
    """Later a newer one is due, and an old one is not told as if it were new."""
    now_ms = OBSERVATION.observed_at_ms + age_ms
    assert len(list(current(TOPICS, barometer(), now_ms))) == count


def test_availability_is_retained_and_stays() -> None:
    """Whoever comes later must know whether there is somebody."""
    topic = TOPICS.available("barometer")
    assert availability(topic, is_there=True) == Message(topic, b"online", is_retained=True, expires=False)
    assert availability(topic, is_there=False).payload == b"offline"


def test_every_topic_is_under_the_base_and_no_two_are_one() -> None:
    """Not even where a sensor has the name of a topic of the station's."""
    topics = topics_of("site/{station}/w", "a-1")
    sensors = ("status", "command", "availability", "backlog", "response", "event")
    every = [topics.availability, topics.status, topics.event, topics.command, topics.response, topics.backlog]
    for sensor in sensors:
        every += [topics.available(sensor), topics.state(sensor, "humidex"), topics.attributes(sensor, "humidex")]
    assert len(set(every)) == len(every)
    assert all(topic.startswith("site/a-1/w/") for topic in every)


def test_home_assistant_is_met_where_it_looks() -> None:
    """By device below its prefix, and its birth message beside that."""
    assert discovery_topic("homeassistant", "a-1") == "homeassistant/device/weatherd-a-1/config"
    assert birth_topic("homeassistant") == "homeassistant/status"
