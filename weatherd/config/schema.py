"""
The whole configuration: every table, key, type, default and range. The sensors have a page of their own.

Field names are TOML keys; where the unit is part of the text ("30 d"), the field has it in its name and the key
is given beside it. What one key alone cannot tell stands in `weatherd.config.checks`. People read
``config/weatherd.toml``, which a test compares with this.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from weatherd import model
from weatherd.config.kinds import (
    Address,
    ByteSize,
    Duration,
    ExistingFile,
    FilePlace,
    GpioChip,
    HostName,
    InfraredDevice,
    InfraredProtocol,
    MqttUrl,
    Name,
    PanelListen,
    Prefix,
    Shown,
    Topic,
    Url,
    Username,
)
from weatherd.config.sensors import Sensor
from weatherd.processing.infrared import CARRIER_HZ, CARRIER_HZ_MAX, CARRIER_HZ_MIN


class Station(model.Station, frozen=True):
    """The station as the model knows it, with what is allowed."""

    id: Annotated[str, Meta(pattern=r"[a-z0-9-]{1,64}", description='1 to 64 characters out of a-z, 0-9 and "-"')]
    name: Annotated[str, Meta(max_length=256)] = ""
    latitude: Annotated[float, Meta(ge=-90, le=90)] | None = None
    longitude: Annotated[float, Meta(ge=-180, le=180)] | None = None
    elevation_m: Annotated[float, Meta(ge=-500, le=9000)] | None = None


class I2c(Struct, frozen=True):
    """The bus: a number for /dev/i2c-N, or emulated chips."""

    bus: Annotated[int, Meta(ge=0, le=255)] | Literal["simulated"] = 1


class Gpio(Struct, frozen=True):
    """The chip that the 40 pins belong to, or a simulated one."""

    chip: GpioChip = "/dev/gpiochip0"


SENSORS_MAX = 200


class Derive(Struct, frozen=True):
    """The sensors that speak for the station where a quantity is derived from several; None: each for itself."""

    temperature: Name | None = None
    humidity: Name | None = None
    pressure: Name | None = None
    wind: Name | None = None
    wind_direction: Name | None = None


class Queue(Struct, frozen=True):
    """Observations in memory, on their way to the journal."""

    size_max: Annotated[int, Meta(ge=10, le=100_000)] = 1000


class Journal(Struct, frozen=True):
    """Observations on disk, until every sink has them and the retention is over."""

    path: FilePlace = Path("/var/lib/weatherd/journal.db")
    size_max: Annotated[ByteSize, Meta(ge=10**6, le=10**12)] = 256 * 10**6
    retention_s: Annotated[Duration, Meta(ge=0, le=3650 * 86_400)] = field(default=30 * 86_400.0, name="retention")
    commit_period_s: Annotated[float, Meta(ge=0.1, le=60)] = 1.0
    history_period_s: Annotated[float, Meta(ge=1, le=86_400)] = 300.0
    when_full: Literal["thin", "drop_oldest", "block"] = "thin"


class Tls(Struct, frozen=True):
    """The authority that the far end's certificate must come from, and the station's own certificate."""

    ca_file: ExistingFile | None = None
    cert_file: ExistingFile | None = None
    key_file: ExistingFile | None = None


class Logstash(Struct, frozen=True):
    """Logstash's HTTP input. The password itself is not here: see `weatherd.config.read_password`."""

    urls: Annotated[
        tuple[Url, ...],
        Meta(min_length=1, max_length=16, description='a list of 1 to 16 URLs, such as ["http://logstash.local:8080"]'),
    ]
    batch_size_max: Annotated[int, Meta(ge=1, le=10_000)] = 500
    linger_s: Annotated[float, Meta(ge=0, le=60)] = 1.0
    timeout_s: Annotated[float, Meta(ge=1, le=600)] = 60.0
    compression: Literal["gzip", "none"] = "gzip"
    in_flight_max: Annotated[int, Meta(ge=1, le=8)] = 2
    delay_s_max: Annotated[float, Meta(ge=1, le=3600)] = 30.0
    username: Username | None = None
    password_file: ExistingFile | None = None
    tls: Tls | None = None


class Mqtt(Struct, frozen=True):
    """An MQTT broker. The password itself is not here: see `weatherd.config.read_password`."""

    url: MqttUrl
    topic: Topic = "weatherd/{station}"
    protocol: Literal["5", "3.1.1"] = "5"
    username: Annotated[str, Meta(pattern=r"[^\0\n\r]{1,256}", description="1 to 256 characters")] | None = None
    password_file: ExistingFile | None = None
    tls: Tls | None = None
    home_assistant: bool = True
    discovery_prefix: Prefix = "homeassistant"
    backlog: bool = False
    commands: bool = False
    keep_alive_s: Annotated[int, Meta(ge=5, le=3600)] = 60
    session_expiry_s: Annotated[int, Meta(ge=0, le=86_400)] = 0
    message_expiry_s: Annotated[int, Meta(ge=1, le=86_400)] = 300
    delay_s_max: Annotated[float, Meta(ge=1, le=3600)] = 30.0
    timeout_s: Annotated[float, Meta(ge=1, le=60)] = 10.0


class Sinks(Struct, frozen=True):
    """Where the observations go; what is not there is not served."""

    logstash: Logstash | None = None
    mqtt: Mqtt | None = None


class InfraredCommand(Struct, frozen=True):
    """
    What is sent under a name: a scancode that the kernel encodes, or pulses and spaces in turn.

    Attributes:
        repeats: How often it is sent again behind the first time.
    """

    protocol: InfraredProtocol | None = None
    scancode: Annotated[int, Meta(ge=0, le=0xFFFFFFFF), Shown(hex)] | None = None
    timings_us: Annotated[tuple[int, ...], Meta(min_length=1, description="a list of microseconds")] | None = None
    carrier_hz: Annotated[int, Meta(ge=CARRIER_HZ_MIN, le=CARRIER_HZ_MAX)] = CARRIER_HZ
    repeats: Annotated[int, Meta(ge=0, le=9)] = 0


class Infrared(Struct, frozen=True):
    """What may be sent by infrared; without the table nothing is. What is received is a sensor's."""

    device: InfraredDevice = "auto"
    sends_per_minute_max: Annotated[int, Meta(ge=1, le=120)] = 20
    home_assistant: bool = False
    commands: Annotated[
        Mapping[Name, InfraredCommand], Meta(max_length=200, description="a table of at most 200 commands")
    ] = {}


class PanelTls(Struct, frozen=True):
    """The panel's own certificate, and its key."""

    cert_file: ExistingFile
    key_file: ExistingFile


class Panel(Struct, frozen=True):
    """The panel and the API. The token itself is not here: see `weatherd.config.read_token`."""

    listen: PanelListen = Address("127.0.0.1", 8600)
    language: Literal["auto", "en", "pt-BR"] = "auto"
    hosts: Annotated[
        tuple[HostName, ...],
        Meta(max_length=16, description='a list of at most 16 names, such as ["weather.example.org"]'),
    ] = ()
    token_file: ExistingFile | None = None
    tls: PanelTls | None = None


class Clock(Struct, frozen=True):
    """How long documents wait, after a boot, until somebody says that the time is right."""

    hold_max_s: Annotated[float, Meta(ge=0, le=86_400)] = 900.0


class Log(Struct, frozen=True):
    """How much the daemon tells."""

    level: Literal["debug", "info", "warning", "error"] = "info"


class Config(Struct, frozen=True):
    """The whole configuration, checked."""

    station: Station
    sensors: Annotated[
        tuple[Sensor, ...],
        Meta(max_length=SENSORS_MAX, description=f"a list of at most {SENSORS_MAX} tables, each under [[sensors]]"),
    ] = ()
    i2c: I2c = I2c()
    derive: Derive = Derive()
    gpio: Gpio = Gpio()
    infrared: Infrared | None = None
    queue: Queue = Queue()
    journal: Journal = Journal()
    sinks: Sinks = Sinks()
    panel: Panel = Panel()
    clock: Clock = Clock()
    log: Log = Log()
