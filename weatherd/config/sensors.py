"""
The tables of the sensors: every driver, key, type, default and range.

What all of the schema has in common is told in `weatherd.config.schema`.
"""

import datetime as dt
from collections.abc import Mapping
from datetime import UTC, tzinfo
from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct, field

from weatherd import model
from weatherd.config.kinds import (
    Argument,
    AttributeName,
    ClassName,
    FieldName,
    InfraredDevice,
    Listen,
    Name,
    Off,
    QuantityName,
    Shown,
    Text,
    TimeZone,
)
from weatherd.processing.calibration import Line
from weatherd.processing.units import conversion
from weatherd.processing.vane import VANE_OHMS

Point = Annotated[
    tuple[float, ...],
    Meta(min_length=2, max_length=2, description="a list of two numbers: what was measured and what is true"),
]


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


class InfraredReceiver(Struct, frozen=True, tag_field="driver", tag="infrared"):
    """A receiver of infrared remotes. What it hears is no weather: each press of a key is an event."""

    name: Name
    device: InfraredDevice = "auto"
    raw: bool = False
    home_assistant: bool = False
    report_period_s: ClassVar[float] = 0.0
    limits: ClassVar[Mapping[str, Limits]] = {}
    calibration: ClassVar[Mapping[str, Calibration]] = {}


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
        Annotated[
            tuple[Argument, ...],
            Meta(
                min_length=1,
                description='a list of texts: a program and its arguments, such as ["rtl_433", "-F", "json"]',
            ),
        ]
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
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo  # noqa: PLC0415  -- with what it needs half a MB, that most stations do not

    return ZoneInfo(name)


Sensor = (
    Bmp280
    | Htu21d
    | Bmp180
    | Bh1750
    | CircuitPython
    | RainGauge
    | Anemometer
    | WindVane
    | InfraredReceiver
    | JsonLines
    | Installed
)
