"""
Radio sensors from end to end: what rtl_433 printed for five transmitters, as the documents that Logstash gets.

Source:
    ``tests/data/rtl_433.ndjson``, see the README beside it.
"""

import asyncio
import datetime as dt
import json
import shutil
import socket
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import quiet_log
from weatherd import config
from weatherd.daemon import Daemon
from weatherd.testing.logstash import LogstashStandIn

SENT = frozenset({"air_temperature", "relative_humidity", "wind_speed", "wind_from_direction", "rainfall_amount"})

STREAM = Path(__file__).parent.parent / "data" / "rtl_433.ndjson"

STATION = """
    [station]
    id = "test"

    [journal]
    path = "journal.db"
    commit_period_s = 0.1

    [sinks.logstash]
    urls = ["{url}"]
    linger_s = 0.0
    """

SENSORS = {
    "garden": """
        match = { model = "AmbientWeather-WH31E", id = 53 }
        labels = ["channel", "battery_ok"]
        quantities = { air_temperature = "temperature_C", relative_humidity = "humidity" }
        """,
    "roof": """
        match = { model = "Acurite-5n1", id = 839 }
        labels = ["channel", "sequence_num"]
        [sensors.quantities]
        wind_speed = { field = "wind_avg_km_h", unit = "km/h" }
        wind_from_direction = "wind_dir_deg"
        rainfall_amount = { field = "rain_in", unit = "in", counter = true }
        """,
    "porch": """
        match = { model = "Acurite-Tower", id = 9884 }
        observed_at = "time"
        quantities = { air_temperature = "temperature_C", relative_humidity = "humidity" }
        """,
    "cellar": """
        match = { model = "Acurite-Tower", id = 12053 }
        quantities = { air_temperature = "temperature_C", relative_humidity = "humidity" }
        """,
    "mast": """
        match = { model = "Acurite-Atlas" }
        labels = ["raw_msg"]
        [sensors.quantities]
        air_temperature = { field = "temperature_F", unit = "degF" }
        relative_humidity = "humidity"
        wind_speed = { field = "wind_avg_mi_h", unit = "mi/h" }
        """,
}


def text_of(sensors: Mapping[str, str], ours: str) -> str:
    """Write a configuration: these sensors, each with the same lines of ours."""
    tables = [
        "\n".join(["[[sensors]]", f'name = "{name}"', 'driver = "jsonlines"', "report_period_s = 0", ours, rest])
        for name, rest in sensors.items()
    ]
    return "\n".join(textwrap.dedent(part) for part in (STATION, *map(textwrap.dedent, tables)))


async def documents_of(
    text: str,
    folder: Path,
    count: int,
    do: Callable[[], Any] = lambda: None,
) -> tuple[Sequence[dict[str, Any]], Mapping[str, Mapping[str, int]]]:
    """Run a station until Logstash has so many observations and stop it; also return each sensor's count of lines."""
    async with LogstashStandIn() as logstash:
        daemon = Daemon(
            config.parse(text.replace("{url}", logstash.url), folder), quiet_log(), runtime_folder=folder / "run"
        )
        running = asyncio.create_task(daemon.run())
        observations: list[dict[str, Any]] = []
        try:
            async with asyncio.timeout(10):
                await daemon.ready.wait()
                await asyncio.to_thread(do)
                while len(observations) < count:
                    await asyncio.sleep(0.02)
                    observations = observed(logstash)
            lines = {sensor["name"]: sensor["lines"] for sensor in daemon.status()["sensors"]}
        finally:
            daemon.stop()
            await running
        return observed(logstash), lines


def observed(logstash: LogstashStandIn) -> list[dict[str, Any]]:
    return [one for one in logstash.documents.values() if one["event"]["dataset"] == "weatherd.observation"]


def sent(document: Mapping[str, Any]) -> Mapping[str, float]:
    """Return what the transmitter sent; what the station derives from it is tested elsewhere."""
    return {name: value for name, value in document["weather"].items() if name in SENT}


async def test_each_of_five_transmitters_makes_one_observation_a_transmission(tmp_path: Path) -> None:
    """Five sensors on one stream: one document a transmission, of the right transmitter, in our units."""
    began = dt.datetime.now(dt.UTC).replace(microsecond=0)
    starts = tmp_path / "starts"
    command = f"""command = ["sh", "-c", "echo >>'{starts}'; cat '{STREAM}'; exec sleep 60"]"""
    documents, lines = await documents_of(text_of(SENSORS, command), tmp_path, count=5)
    assert starts.read_text() == "\n", "one receiver, one program, for all five"
    assert {document["sensor"]["name"]: sent(document) for document in documents} == {
        "garden": {"air_temperature": 15.8, "relative_humidity": 60.0},
        "roof": {"wind_speed": 1.2, "wind_from_direction": 337.5},  # 4.311 km/h; the first total is no rain yet
        "porch": {"air_temperature": 22.8, "relative_humidity": 66.0},
        "cellar": {"air_temperature": 21.0, "relative_humidity": 73.0},
        "mast": {  # 71.1 degF, 0 mi/h
            "air_temperature": 21.72,
            "relative_humidity": 55.0,
            "wind_speed": 0.0,
        },
    }
    assert len(documents) == 5
    assert {document["sensor"]["name"]: document.get("labels", {}) for document in documents} == {
        "garden": {"channel": "5", "battery_ok": "1"},
        "roof": {"channel": "A", "sequence_num": "0"},
        "porch": {},
        "cellar": {},
        "mast": {"raw_msg": "c39c650088d7b7009f79"},
    }
    assert lines == {
        "garden": {"lines": 11, "taken": 1, "repeated": 1, "not_matched": 9},
        "roof": {"lines": 11, "taken": 1, "repeated": 2, "not_matched": 8},
        "porch": {"lines": 11, "taken": 1, "repeated": 1, "not_matched": 9, "without_time": 2},
        "cellar": {"lines": 11, "taken": 1, "repeated": 1, "not_matched": 9},
        "mast": {"lines": 11, "taken": 1, "repeated": 1, "not_matched": 9},
    }
    for document in documents:
        assert began <= dt.datetime.fromisoformat(document["@timestamp"]) <= dt.datetime.now(dt.UTC)


@pytest.mark.parametrize("place", ["{folder}/in.sock", "127.0.0.1:{port}"])
async def test_one_stream_through_a_socket_makes_the_same_observations(
    tmp_path: Path, place: str, unused_port: int
) -> None:
    """
    One sensor that takes everything tells the five transmitters apart, and rain as a running total becomes an amount.

    The stream is followed by a later message of the 5-in-1 sensor with 0.03 in more, twice; that one is made up.
    """
    where = place.format(folder=tmp_path, port=unused_port)
    everything = """
        repeat_window_s = 3.0
        labels = ["model", "id"]
        [sensors.quantities]
        air_temperature = "temperature_C"
        wind_speed = { field = "wind_avg_km_h", unit = "km/h" }
        rainfall_amount = { field = "rain_in", unit = "in", counter = true }
        relative_humidity = "humidity"
        """
    later = json.loads(STREAM.read_bytes().splitlines()[2]) | {"rain_in": 0.69, "wind_avg_km_h": 36}
    stream = STREAM.read_bytes() + (json.dumps(later) + "\n").encode() * 2
    documents, lines = await documents_of(
        text_of({"all": everything}, f'listen = "{where}"'), tmp_path, 6, do=lambda: write(where, stream)
    )
    assert sorted(((one["labels"]["id"], sent(one)) for one in documents), key=str) == [
        ("12053", {"air_temperature": 21.0, "relative_humidity": 73.0}),
        ("53", {"air_temperature": 15.8, "relative_humidity": 60.0}),
        ("839", {"wind_speed": 1.2}),
        ("839", {"wind_speed": 10.0, "rainfall_amount": 0.762}),
        ("924", {"relative_humidity": 55.0}),
        ("9884", {"air_temperature": 22.8, "relative_humidity": 66.0}),
    ]
    assert lines == {"all": {"lines": 13, "taken": 6, "repeated": 7}}


@pytest.fixture
def unused_port() -> int:
    """Return a port that nobody listens at, as far as one can know."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def write(where: str, content: bytes) -> None:
    if where.startswith("/"):
        client = socket.socket(socket.AF_UNIX)
        client.connect(where)
    else:
        host, _, port = where.partition(":")
        client = socket.create_connection((host, int(port)))
    with client:
        client.sendall(content)


def acurite_tower(channel: int, id_: int, temperature_degc: float, humidity: int) -> str:
    """
    Return what an Acurite tower sensor sends, as `rtl_433 -y` takes it.

    Source:
        rtl_433, src/devices/acurite.c: two bits of channel and fourteen of id, type 4 with the battery's bit, then
        seven bits a byte with even parity (humidity, temperature in tenths above -100 degC), and their sum. On the air
        every bit is inverted.
    """
    tenths = round(temperature_degc * 10) + 1000
    words = [0x44, humidity, tenths >> 7, tenths & 0x7F]
    message = [channel << 6 | id_ >> 8, id_ & 0xFF, *(word | (word.bit_count() & 1) << 7 for word in words)]
    return "{56}" + bytes(byte ^ 0xFF for byte in [*message, sum(message) & 0xFF]).hex()


@pytest.mark.parametrize(("temperature_degc", "humidity"), [(22.8, 66), (-40.0, 1), (-0.1, 99), (0.0, 50)])
async def test_the_real_decoder_is_understood(tmp_path: Path, temperature_degc: float, humidity: int) -> None:
    """The program rtl_433 itself decodes a transmission, ends, and is started again for the next one."""
    if shutil.which("rtl_433") is None:
        pytest.skip("rtl_433 is not installed")
    began = dt.datetime.now(dt.UTC).replace(microsecond=0)
    code = acurite_tower(2, 9884, temperature_degc, humidity)
    tower = f"""
        command = ["rtl_433", "-R", "40", "-F", "json", "-M", "time:utc:iso", "-y", "{code}"]
        match = {{ model = "Acurite-Tower", id = 9884 }}
        observed_at = "time"
        labels = ["channel", "battery_ok"]
        quantities = {{ air_temperature = "temperature_C", relative_humidity = "humidity" }}
        """
    documents, lines = await documents_of(text_of({"tower": tower}, "repeat_window_s = 0"), tmp_path, count=2)
    assert lines["tower"].keys() == {"lines", "taken"}
    for document in documents:
        assert sent(document) == {"air_temperature": temperature_degc, "relative_humidity": humidity}
        assert document["labels"] == {"channel": "B", "battery_ok": "1"}
        assert began <= dt.datetime.fromisoformat(document["@timestamp"]) <= dt.datetime.now(dt.UTC)
