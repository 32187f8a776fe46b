"""
The words of the station: quantity, observation, event, quality, station.

Names are CF standard names, qualities are those of WMO-No. 8. A quantity's name fixes its unit, so no
value travels with a unit beside it. Times are whole milliseconds since 1970 in UTC.
"""

import enum
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec


class Reduction(enum.Enum):
    """How many measurements of one period become one value."""

    MEAN = "mean"
    SUM = "sum"
    MAX = "max"
    DIRECTION = "direction"  # the mean of unit vectors: 350 and 10 deg make 0, not 180
    LAST = "last"  # of codes, which cannot be averaged


class Quantity(NamedTuple):
    """One thing that can be observed: CF standard name, unit, decimals kept in a document, reduction."""

    name: str
    unit: str
    decimals: int
    reduction: Reduction = Reduction.MEAN


QUANTITIES: Mapping[str, Quantity] = {
    quantity.name: quantity
    for quantity in (
        Quantity("air_temperature", "degC", 2),
        Quantity("relative_humidity", "%", 2),
        Quantity("air_pressure", "hPa", 2),
        Quantity("air_pressure_at_mean_sea_level", "hPa", 2),
        Quantity("dew_point_temperature", "degC", 2),
        Quantity("illuminance", "lx", 2),
        Quantity("rainfall_amount", "mm", 3, Reduction.SUM),
        Quantity("rainfall_amount_of_day", "mm", 3, Reduction.MAX),
        Quantity("rainfall_rate", "mm/h", 3),
        Quantity("surface_downwelling_shortwave_flux_in_air", "W/m2", 1),
        Quantity("wind_speed", "m/s", 2),
        Quantity("wind_speed_of_gust", "m/s", 2, Reduction.MAX),
        Quantity("wind_from_direction", "deg", 1, Reduction.DIRECTION),
        # Derived (docs/derived.md). CF has no names for the frost point, humidex, QNH, the code and the indication.
        Quantity("frost_point_temperature", "degC", 2),
        Quantity("mass_concentration_of_water_vapor_in_air", "g/m3", 2),
        Quantity("heat_index_of_air_temperature", "degC", 2),
        Quantity("humidex", "degC", 2),
        Quantity("wind_chill_of_air_temperature", "degC", 2),
        Quantity("altimeter_setting", "hPa", 2),
        Quantity("tendency_of_air_pressure", "hPa", 2),
        Quantity("characteristic_of_pressure_tendency", "1", 0, Reduction.LAST),
        Quantity("zambretti_indication", "1", 0, Reduction.LAST),
        Quantity("uncorrected_air_temperature", "degC", 2),
    )
}

Measurement = Mapping[str, float]
"""What was measured at one moment: quantity name to value in that quantity's unit, finite."""

LABELS_MAX = 16
"""Labels that one sensor may copy into its documents."""


class Quality(enum.StrEnum):
    """How far a value can be trusted (WMO-No. 8); `unchecked` says that no test has looked at it."""

    GOOD = "good"
    INCONSISTENT = "inconsistent"
    DOUBTFUL = "doubtful"
    ERRONEOUS = "erroneous"
    MISSING = "missing"
    UNCHECKED = "unchecked"


class Station(msgspec.Struct, frozen=True):
    """Where the observations are made: latitude and longitude in degrees (WGS 84), elevation in metres."""

    id: str
    name: str = ""
    latitude: float | None = None
    longitude: float | None = None
    elevation_m: float | None = None


class Arrival(msgspec.Struct, frozen=True):
    """
    A measurement that a source sent by itself.

    Attributes:
        measurement: At least one quantity.
        labels: What tells apart the transmitters of one source; copied into the document.
        observed_at_ms: The source's own time; None where it gives none and the arrival counts.
    """

    measurement: Measurement
    labels: Mapping[str, str] = {}
    observed_at_ms: int | None = None


class Edge(NamedTuple):
    """
    One edge of a GPIO line.

    Attributes:
        at_ns: When it was, by CLOCK_MONOTONIC.
        is_open: Whether the contact was open just after it: the line is high, because it is pulled up.
        seqno: Edges of this line since it was requested, from 1, and from 0 again after 2**32 of them.
    """

    at_ns: int
    is_open: bool
    seqno: int


class Statistics(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    The spread of the measurements behind one value; no extremes for sums and directions.

    Attributes:
        count: The measurements that made the value.
        min: The least of them.
        max: The greatest of them.
        rejected: Those outside the plausible range, and of a thinned minute those behind erroneous values. They are
            left out of value, count and extremes, unless there is no other: then they make the value, and it is
            erroneous.
        total: Of what is counted, such as tips, how many there were ever.
    """

    count: int
    min: float | None = None
    max: float | None = None
    rejected: int = 0
    total: int | None = None


class Observation(msgspec.Struct, frozen=True):
    """
    What one sensor observed over one report period.

    Attributes:
        sensor: The sensor's name in the configuration.
        model: What kind of part it is, for people: ``BMP280``.
        observed_at_ms: The end of the report period.
        recorded_at_ms: When the observation was formed.
        values: Finite values by quantity; a missing one has no value, only a quality.
        statistics: For values that were reduced from several measurements.
        quality: One flag for each quantity, also for the missing.
        quality_reasons: Why, where the flag is not self-evident: ``{"air_pressure": "bad_checksum"}``.
        labels: Scalars copied from the source.
        calibration: The version of the sensor's calibration; empty if it has none.
        clock_synchronized: Whether the kernel said so when the stamp was taken.
        clock_offset_ms: By how much the wall clock was taken to be ahead of the boot clock, where nobody had said since
            the boot that it was right: the stamps are estimates, and can be corrected. None where they are final.
    """

    sensor: str
    model: str
    observed_at_ms: int
    recorded_at_ms: int
    values: Mapping[str, float]
    quality: Mapping[str, Quality]
    clock_synchronized: bool
    clock_offset_ms: int | None = None
    statistics: Mapping[str, Statistics] = {}
    quality_reasons: Mapping[str, str] = {}
    labels: Mapping[str, str] = {}
    calibration: str = ""


class Infrared(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    What a remote said, or what was said to a device in its place.

    Attributes:
        protocol: As the kernel calls it: ``nec``. ``unknown`` for timings that no decoder knew; empty for timings of
            what was decoded, and told as a key by itself.
        scancode: Which key of which remote, as it is written: ``0x40bf``; empty for timings.
        repeat: How often it was said again, because the key was held.
        command: The name that the configuration has for it; empty if it has none.
        timings_us: Pulses and spaces in turn, in microseconds; only where nothing else tells what was said.
        carrier_hz: Of what was sent as timings; 0 where nobody knows it.
        left_out_count: So many before it were too many in too short a time, and are told by nothing else.
    """

    protocol: str = ""
    scancode: str = ""
    repeat: int = 0
    command: str = ""
    timings_us: Sequence[int] = ()
    carrier_hz: int = 0
    left_out_count: int = 0


class Heard(NamedTuple):
    """
    What a receiver of infrared has heard.

    Attributes:
        number: From 1, one more each time.
        sensor: The receiver's name in the configuration.
        at_ms: When.
        infrared: What.
    """

    number: int
    sensor: str
    at_ms: int
    infrared: Infrared


class Event(msgspec.Struct, frozen=True):
    """
    What happened to the station that is not weather.

    Attributes:
        action: A short name for programs: ``sensor_lost``.
        message: A sentence for people.
        observed_at_ms: When it happened.
        clock_synchronized: Whether the kernel said so when the stamp was taken.
        sensor: The sensor it concerns; empty if none.
        reason: The code of the error behind it; empty if none.
        clock_offset_ms: As that of an observation.
        infrared: What a remote said, or was said in its place; None of everything else.
    """

    action: str
    message: str
    observed_at_ms: int
    clock_synchronized: bool
    sensor: str = ""
    reason: str = ""
    clock_offset_ms: int | None = None
    infrared: Infrared | None = None


class Batch(msgspec.Struct, frozen=True):
    """
    Documents of the journal, in the order of their seqs, and the span of seqs that is settled with them.

    A span may hold seqs that stand for nothing any more (dropped, thinned, lost with a card); with all of its documents
    delivered, it is settled as a whole.

    Attributes:
        first_seq: The first seq of the span.
        last_seq: The last seq of the span.
        seqs: That of each document.
        documents: JSON objects, encoded, without a line break; none where nothing is left of the span.
    """

    first_seq: int
    last_seq: int
    seqs: Sequence[int]
    documents: Sequence[bytes]

    def halves(self) -> "tuple[Batch, Batch]":
        """Split a batch of two documents or more into two; the first is the smaller where the number is odd."""
        middle = len(self.documents) // 2
        seq = self.seqs[middle]
        return (
            Batch(self.first_seq, seq - 1, self.seqs[:middle], self.documents[:middle]),
            Batch(seq, self.last_seq, self.seqs[middle:], self.documents[middle:]),
        )
