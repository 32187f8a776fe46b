"""
The whole configuration: every table, key, type, default and range.

Field names are TOML keys; where the unit is part of the text ("30 d"), the field has it in its name and the key
is given beside it. What one key alone cannot tell stands in `weatherd.config.checks`. People read
``config/weatherd.toml``, which a test compares with this.
"""

import datetime as dt
from collections.abc import Mapping
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Annotated, ClassVar, Literal
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct, field

from weatherd import model
from weatherd.config.kinds import (
    Argument,
    AttributeName,
    ByteSize,
    ClassName,
    Duration,
    ExistingFile,
    FieldName,
    FilePlace,
    GpioChip,
    Listen,
    Name,
    Off,
    QuantityName,
    Shown,
    Text,
    TimeZone,
    Url,
    Username,
)
from weatherd.processing.calibration import Line
from weatherd.processing.units import conversion
from weatherd.processing.vane import VANE_OHMS


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


Point = Annotated[
    tuple[float, ...],
    Meta(min_length=2, max_length=2, description="a list of two numbers: what was measured and what is true"),
]


class Gpio(Struct, frozen=True):
    """The chip that the 40 pins belong to, or a simulated one."""

    chip: GpioChip = "/dev/gpiochip0"


class Calibration(Struct, frozen=True):
    """
    One quantity's calibration, in the quantity's unit: calibrated = slope * measured + offset, or a table of points.

    Attributes:
        points: Measured and true value of each; straight lines between them, and on at both ends.
        date: When it was found; for people, as is the note.
        note: Beside what.
    """

    offset: float = 0.0
    slope: Annotated[float, Meta(gt=0)] = 1.0
    points: Annotated[tuple[Point, ...], Meta(max_length=100, description="a list of 2 to 100 points")] = ()
    date: dt.date | None = None
    note: Annotated[str, Meta(max_length=256)] = ""


CpuHeat = Annotated[float, Meta(ge=0, le=2)]


class Limits(Struct, frozen=True):
    """One quantity's limits for quality control, narrower than the standard's; None for those of the standard."""

    min: float | None = None
    max: float | None = None
    step: Annotated[float, Meta(gt=0)] | Off | None = None
    step_doubtful: Annotated[float, Meta(gt=0)] | Off | None = None
    least_change: Annotated[float, Meta(gt=0)] | Off | None = None


SamplePeriod = Annotated[float, Meta(ge=0.1, le=3600)]
ReportPeriod = Annotated[float, Meta(gt=0, le=86_400)]


class Bmp280(Struct, frozen=True, tag_field="driver", tag="bmp280"):
    """Bosch BMP280 on the I2C bus: air pressure and air temperature."""

    name: Name
    address: Annotated[Literal[0x76, 0x77], Shown(hex)] = 0x77
    sample_period_s: SamplePeriod = 1.0
    report_period_s: ReportPeriod = 10.0
    calibration: Mapping[Literal["air_pressure", "air_temperature"], Calibration] = {}
    cpu_heat: CpuHeat = 0.0
    limits: Mapping[Literal["air_pressure", "air_temperature"], Limits] = {}


class Htu21d(Struct, frozen=True, tag_field="driver", tag="htu21d"):
    """TE Connectivity HTU21D on the I2C bus: air temperature and relative humidity."""

    name: Name
    address: Annotated[Literal[0x40], Shown(hex)] = 0x40
    sample_period_s: SamplePeriod = 1.0
    report_period_s: ReportPeriod = 10.0
    calibration: Mapping[Literal["air_temperature", "relative_humidity"], Calibration] = {}
    cpu_heat: CpuHeat = 0.0
    limits: Mapping[Literal["air_temperature", "relative_humidity"], Limits] = {}


class Bmp180(Struct, frozen=True, tag_field="driver", tag="bmp180"):
    """Bosch BMP180 on the I2C bus: air pressure and air temperature."""

    name: Name
    address: Annotated[Literal[0x77], Shown(hex)] = 0x77
    oversampling: Literal["ultra_low_power", "standard", "high_resolution", "ultra_high_resolution"] = (
        "ultra_high_resolution"
    )
    sample_period_s: SamplePeriod = 1.0
    report_period_s: ReportPeriod = 10.0
    calibration: Mapping[Literal["air_pressure", "air_temperature"], Calibration] = {}
    cpu_heat: CpuHeat = 0.0
    limits: Mapping[Literal["air_pressure", "air_temperature"], Limits] = {}


class Bh1750(Struct, frozen=True, tag_field="driver", tag="bh1750"):
    """ROHM BH1750 on the I2C bus: illuminance. In darkness a measurement takes two thirds of a second."""

    name: Name
    address: Annotated[Literal[0x23, 0x5C], Shown(hex)] = 0x23
    sample_period_s: Annotated[float, Meta(ge=1, le=3600)] = 1.0
    report_period_s: ReportPeriod = 10.0
    calibration: Mapping[Literal["illuminance"], Calibration] = {}
    limits: Mapping[Literal["illuminance"], Limits] = {}


GpioLine = Annotated[int, Meta(ge=0, le=63)]
DebounceMs = Annotated[float, Meta(ge=0, le=1000)]
CountPeriod = Annotated[float, Meta(ge=1, le=86_400)]


class RainGauge(Struct, frozen=True, tag_field="driver", tag="rain_gauge"):
    """A tipping bucket on a GPIO line: rainfall amount, rate, and amount of the day."""

    name: Name
    line: GpioLine
    mm_per_tip: Annotated[float, Meta(ge=0.01, le=10)] = 0.2794
    debounce_ms: DebounceMs = 20.0
    time_zone: TimeZone = "UTC"
    report_period_s: CountPeriod = 10.0
    limits: Mapping[Literal["rainfall_rate"], Limits] = {}
    calibration: ClassVar[Mapping[str, Calibration]] = {}

    @property
    def zone(self) -> tzinfo:
        """The time zone in whose midnight a day begins."""
        return _zone(self.time_zone)


class Anemometer(Struct, frozen=True, tag_field="driver", tag="anemometer"):
    """A cup anemometer on a GPIO line: wind speed and gust."""

    name: Name
    line: GpioLine
    m_per_s_per_hz: Annotated[float, Meta(ge=0.001, le=100)] = 0.6667
    debounce_ms: DebounceMs = 1.0
    report_period_s: CountPeriod = 10.0
    limits: Mapping[Literal["wind_speed", "wind_speed_of_gust"], Limits] = {}
    calibration: ClassVar[Mapping[str, Calibration]] = {}


class WindVane(Struct, frozen=True, tag_field="driver", tag="wind_vane"):
    """A vane of switches and resistors at an ADS1115 on the I2C bus: the direction that the wind comes from."""

    name: Name
    address: Annotated[Literal[0x48, 0x49, 0x4A, 0x4B], Shown(hex)] = 0x48
    channel: Annotated[int, Meta(ge=0, le=3)] = 0
    supply_v: Annotated[float, Meta(ge=1, le=5.5)] = 3.3
    pull_up_ohm: Annotated[float, Meta(ge=100, le=1_000_000)] = 10_000.0
    position_ohms: Annotated[
        tuple[Annotated[float, Meta(gt=0, le=10_000_000)], ...],
        Meta(min_length=4, max_length=64, description="a list of 4 to 64 resistances in ohm, from north clockwise"),
    ] = VANE_OHMS
    north_deg: Annotated[float, Meta(ge=0, le=360)] = 0.0
    sample_period_s: SamplePeriod = 1.0
    report_period_s: ReportPeriod = 10.0
    limits: ClassVar[Mapping[str, Limits]] = {}
    calibration: ClassVar[Mapping[str, Calibration]] = {}


class Mapped(Struct, frozen=True):
    """
    The field of a JSON line that holds a quantity.

    Attributes:
        unit: What the program sends; None for the quantity's own.
        counter: Whether it is a running total, of which the increase counts.
        counter_max: The value at which the running total wraps to zero; None if it never does.
    """

    field: FieldName
    unit: str | None = None
    counter: bool = False
    counter_max: Annotated[float, Meta(gt=0)] | None = None


def _just_a_field(text: str) -> Mapped:
    if not text:
        raise ValueError
    return Mapped(field=text)


class Attribute(Struct, frozen=True):
    """
    The attribute of a driver that holds a quantity.

    Attributes:
        unit: What the driver gives; None for the quantity's own.
    """

    attribute: AttributeName
    unit: str | None = None


def _just_an_attribute(text: str) -> Attribute:
    if not text.isidentifier():
        raise ValueError
    return Attribute(attribute=text)


class CircuitPython(Struct, frozen=True, tag_field="driver", tag="circuitpython"):
    """Any chip on the I2C bus that has a CircuitPython driver."""

    name: Name
    class_name: ClassName = field(name="class")
    quantities: Annotated[
        Mapping[QuantityName, Attribute | Annotated[Attribute, Text(_just_an_attribute, "the name of an attribute")]],
        Meta(min_length=1, description="a table of at least one quantity and its attribute"),
    ]
    arguments: Mapping[AttributeName, str | int | float | bool] = {}
    address: Annotated[int, Meta(ge=0x08, le=0x77), Shown(hex)] | None = None
    deadline_s: Annotated[float, Meta(ge=0.1, le=60)] = 2.0
    sample_period_s: SamplePeriod = 1.0
    report_period_s: ReportPeriod = 10.0
    calibration: Mapping[QuantityName, Calibration] = {}
    cpu_heat: CpuHeat = 0.0
    limits: Mapping[QuantityName, Limits] = {}

    @property
    def constructor_arguments(self) -> Mapping[str, str | int | float | bool]:
        """What its class is called with, beside the bus."""
        return self.arguments if self.address is None else {**self.arguments, "address": self.address}

    def conversion(self, quantity: str) -> Line:
        """Return the line from what the driver gives to the quantity's own unit."""
        own = model.QUANTITIES[quantity].unit
        return conversion(self.quantities[quantity].unit or own, own)


class Installed(Struct, frozen=True):
    """A sensor of somebody else's, whose package names it in the entry point group ``weatherd.sensors``."""

    name: Name
    driver: str
    options: Mapping[FieldName, str | int | float | bool] = {}
    sample_period_s: SamplePeriod = 1.0
    report_period_s: ReportPeriod = 10.0
    calibration: Mapping[QuantityName, Calibration] = {}
    limits: Mapping[QuantityName, Limits] = {}

    @property
    def address(self) -> str | int | float | bool | None:
        """Its address on the bus, if its options name one: no other chip may have it."""
        return self.options.get("address")


class JsonLines(Struct, frozen=True, tag_field="driver", tag="jsonlines"):
    """Any program that prints a JSON object a line, or a socket that one writes to."""

    name: Name
    quantities: Annotated[
        Mapping[QuantityName, Mapped | Annotated[Mapped, Text(_just_a_field, "the name of a field")]],
        Meta(min_length=1, description="a table of at least one quantity and its field"),
    ]
    command: (
        Annotated[tuple[Argument, ...], Meta(min_length=1, description="a list of texts: a program and its arguments")]
        | None
    ) = None
    listen: Listen | None = None
    match: Mapping[FieldName, str | int | float | bool] = {}
    observed_at: FieldName | None = None
    time_zone: TimeZone = "UTC"
    labels: Annotated[
        tuple[FieldName, ...],
        Meta(max_length=model.LABELS_MAX, description=f"a list of at most {model.LABELS_MAX} field names"),
    ] = ()
    report_period_s: Annotated[float, Meta(ge=0, le=86_400, description="0 or from 1 to 86400")] = 10.0
    repeat_window_s: Annotated[float, Meta(ge=0, le=3600)] | None = None
    calibration: Mapping[QuantityName, Calibration] = {}
    limits: Mapping[QuantityName, Limits] = {}

    @property
    def effective_repeat_window_s(self) -> float:
        """How long an equal line counts as a repeat: radio transmitters send everything several times."""
        if self.repeat_window_s is not None:
            return self.repeat_window_s
        return 3.0 if self.command or self.match else 0.0

    @property
    def zone(self) -> tzinfo:
        """The time zone of times without an offset."""
        return _zone(self.time_zone)

    def conversion(self, quantity: str) -> Line:
        """Return the line from what the program sends to the quantity's own unit."""
        own = model.QUANTITIES[quantity].unit
        return conversion(self.quantities[quantity].unit or own, own)


def _zone(name: str) -> tzinfo:
    return UTC if name == "UTC" else ZoneInfo(name)


SENSORS_MAX = 200
Sensor = Bmp280 | Htu21d | Bmp180 | Bh1750 | RainGauge | Anemometer | WindVane | CircuitPython | JsonLines | Installed


class Derive(Struct, frozen=True):
    """The sensors that speak for the station where a quantity is derived from several; None: each for itself."""

    temperature: Name | None = None
    humidity: Name | None = None
    pressure: Name | None = None
    wind: Name | None = None


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
    """The authority that Logstash's certificate must come from, and the station's own certificate."""

    ca_file: ExistingFile | None = None
    cert_file: ExistingFile | None = None
    key_file: ExistingFile | None = None


class Logstash(Struct, frozen=True):
    """Logstash's HTTP input. The password itself is not here: see `weatherd.config.read_password`."""

    urls: Annotated[tuple[Url, ...], Meta(min_length=1, max_length=16, description="a list of 1 to 16 URLs")]
    batch_size_max: Annotated[int, Meta(ge=1, le=10_000)] = 500
    linger_s: Annotated[float, Meta(ge=0, le=60)] = 1.0
    timeout_s: Annotated[float, Meta(ge=1, le=600)] = 60.0
    compression: Literal["gzip", "none"] = "gzip"
    in_flight_max: Annotated[int, Meta(ge=1, le=8)] = 2
    delay_s_max: Annotated[float, Meta(ge=1, le=3600)] = 30.0
    username: Username | None = None
    password_file: ExistingFile | None = None
    tls: Tls | None = None


class Sinks(Struct, frozen=True):
    """Where the observations go; what is not there is not served."""

    logstash: Logstash | None = None


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
    queue: Queue = Queue()
    journal: Journal = Journal()
    sinks: Sinks = Sinks()
    clock: Clock = Clock()
    log: Log = Log()
