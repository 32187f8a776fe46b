"""
Documents that weatherd really made: a recorded day through a real daemon, with every kind of sensor beside it.

The day goes in through a socket, at its own times; chips and contacts are emulated, and run for a few seconds. One
chip is not there, so that something is lost and missing. What thinning makes of all this is made by thinning itself.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tests.elk import logstash_config
from tests.end_to_end.stations import DAY_SENSOR, day_lines, eventually, station, write_lines
from weatherd.model import Event, Infrared, Station
from weatherd.processing.documents import DocumentEncoder
from weatherd.processing.thinning import thin
from weatherd.testing.logstash import LogstashStandIn

PIPELINE = Path("config/elk/logstash")
TEMPLATES = Path("config/elk/elasticsearch")

_SENSORS = f"""
name = "Alamosa, Colorado"
latitude = 37.70
longitude = -105.92

[i2c]
bus = "simulated"

[gpio]
chip = "simulated"
{DAY_SENSOR.replace('observed_at = "time"', 'observed_at = "time"' + chr(10) + 'labels = ["qc.flag", "ghi_w_m2"]')}
[[sensors]]
name = "garden"
driver = "jsonlines"
listen = "{{folder}}/garden.sock"
observed_at = "time"
report_period_s = 0
quantities = {{{{ air_temperature = "t", relative_humidity = "u" }}}}
labels = ["channel", "channel.sub"]
calibration = {{{{ air_temperature = {{{{ offset = 0.1 }}}} }}}}

[[sensors]]
name = "barometer"
driver = "bmp280"
report_period_s = 1.0
cpu_heat = 0.5

[[sensors]]
name = "hygrometer"
driver = "htu21d"
report_period_s = 1.0

[[sensors]]
name = "light"
driver = "bh1750"
report_period_s = 1.0

[[sensors]]
name = "unplugged"
driver = "bh1750"
address = 0x5C
report_period_s = 1.0

[[sensors]]
name = "vane"
driver = "wind_vane"
report_period_s = 1.0

[[sensors]]
name = "rain"
driver = "rain_gauge"
line = 17
report_period_s = 1.0

[[sensors]]
name = "wind"
driver = "anemometer"
line = 27
report_period_s = 1.0

[derive]
temperature = "alamosa"
pressure = "alamosa"
wind = "alamosa"
"""

_SUMMER = (
    b'{"time": "2016-01-01T00:00:10Z", "t": 38.4, "u": 52, "channel": 3, "channel.sub": true}',
    b'{"time": "2016-01-01T00:00:50Z", "t": 38.6, "u": 51, "channel": 3, "channel.sub": true}',
)


class Sent(NamedTuple):
    """What Logstash's output sends: the document, and where to."""

    index: str
    id: str
    document: dict[str, Any]


class Day(NamedTuple):
    """
    A day of documents of every dataset.

    Attributes:
        documents_by_id: As weatherd posted them; without the reduced.
        events: As Logstash's input hands them to the filter, with what it adds; ascending by seq.
        sent: The same as the filter leaves them.
    """

    documents_by_id: Mapping[str, dict[str, Any]]
    events: Sequence[dict[str, Any]]
    sent: Sequence[Sent]

    def documents(self, dataset: str) -> list[dict[str, Any]]:
        """Return the documents of one dataset."""
        return [one.document for one in self.sent if one.document["event"]["dataset"] == dataset]


def record(folder: Path) -> Day:
    """Run the station in a folder until it has sent the day, and something from each sensor (8 s)."""
    documents_by_id, events = asyncio.run(_record(folder))
    return Day(documents_by_id, events, [through_the_filter(event) for event in events])


def through_the_filter(event: dict[str, Any]) -> Sent:
    """Return what the shipped filter makes of an event, and where the output sends it; the event stays as it is."""
    filters = logstash_config.read(PIPELINE / "weatherd.conf")["filter"]
    document = logstash_config.apply(filters, msgspec.json.decode(msgspec.json.encode({"@version": "1", **event})))
    output = next(logstash_config.plugins(logstash_config.read(PIPELINE / "output-tls.conf")["output"])).options
    index, id_ = (logstash_config.sprintf(output[name], document) for name in ("index", "document_id"))
    del document["@metadata"]
    return Sent(index, id_, document)


async def _record(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    async with LogstashStandIn() as logstash, station(folder, logstash.url, _SENSORS) as running:
        await running.wait_for("READY=1")
        await write_lines(folder, day_lines())
        await write_lines(folder, _SUMMER, "garden.sock")
        await eventually(lambda: _is_complete(logstash.documents.values()), 60)
        assert await running.stop() == 0
    events = sorted(logstash.events, key=lambda event: event["event"]["sequence"])
    return logstash.documents, [*events, *_reduced(logstash.documents.values()), *_infrared()]


def _reduced(documents: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what thinning makes of documents."""
    encoded = sorted((one["event"]["sequence"], msgspec.json.encode(one)) for one in documents)
    thinned = [msgspec.json.decode(document) for _, document in thin(encoded, "test-abcdef01-")]
    return [one for one in thinned if one["event"]["dataset"] == "weatherd.observation.reduced"]


def _infrared() -> list[dict[str, Any]]:
    """Return what a remote says, and what is sent in its place, with every field that there is."""
    encoder = DocumentEncoder(Station("test", "Alamosa, Colorado", 37.70, -105.92, 2317.0), "abcdef02")
    heard = Infrared("nec", "0x40bf", 3, "tv_power", left_out_count=2)
    sent = Infrared(timings_us=(9000, 4500, 560), carrier_hz=38_000)
    events = [
        Event("infrared_received", "remote heard a key", _NIGHT_MS, True, sensor="remote", infrared=heard),
        Event("infrared_sent", "something was sent", _NIGHT_MS + 1000, True, infrared=sent),
    ]
    return [msgspec.json.decode(encoder.encode(event, seq)) for seq, event in enumerate(events, 1)]


_NIGHT_MS = 1_451_690_000_000
"""Within the recorded day: 2016-01-01T23:13:20Z."""


def _is_complete(documents: Any) -> bool:
    sensors = [one["sensor"]["name"] for one in documents if one["event"]["dataset"] == "weatherd.observation"]
    actions = {one["event"].get("action") for one in documents}
    return (
        sensors.count("alamosa") >= len(day_lines())
        and all(sensors.count(name) >= 3 for name in ("barometer", "hygrometer", "light", "vane", "rain", "wind"))
        and sensors.count("garden") == len(_SUMMER)
        and {"station_started", "sensor_lost"} <= actions
    )
