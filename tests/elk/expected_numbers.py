"""
What each view of the panel should show, computed from the documents themselves: no search, no saved object.

A table is a mapping from the groups of a row to its numbers. Where several documents are equally late, any of their
values may be the last: then a number is the set of them.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

Json = dict[str, Any]
Table = dict[tuple[Any, ...], Json]
Compute = Callable[[Sequence[Json], int], Table]
"""From documents and the length of a group of time in seconds, to the table."""

FLAGS = ("good", "inconsistent", "doubtful", "erroneous", "missing", "unchecked")
COMPASS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")
HOUR_S = 3600
LOST = {"observations_dropped", "backlog_thinned", "documents_quarantined", "quarantine_dropped"}
LOST |= {"entries_unreadable", "journal_damaged", "journal_tail_lost"}
EVENTS = {
    "station_started": "station started",
    "sensor_lost": "sensor lost",
    "sensor_found": "sensor found",
    "sensor_stuck": "sensor stuck",
    "sensor_unstuck": "sensor unstuck",
    "clock_stepped": "clock stepped",
    "calibration_changed": "calibration changed",
    **dict.fromkeys(("mqtt_unwelcome", "mqtt_not_taken", "mqtt_twin"), "MQTT trouble"),
    **dict.fromkeys(LOST, "data loss"),
}


def mean(values: Sequence[float]) -> float:
    """Return the arithmetic mean."""
    return sum(values) / len(values)


def is_observation(document: Json) -> bool:
    """Tell whether it is weather, thinned or not."""
    return document["event"]["kind"] == "metric"


def trusted(documents: Iterable[Json], quantity: str) -> list[Json]:
    """Return those that have a value of a quantity, and not an erroneous one."""
    found = [one for one in documents if quantity in one.get("weather", {})]
    return [one for one in found if one["quality"][quantity] != "erroneous"]


def values(documents: Iterable[Json], quantity: str, extreme: str = "") -> list[float]:
    """Return the values of a quantity that can be trusted, or the extremes behind them."""
    found = trusted(documents, quantity)
    if not extreme:
        return [one["weather"][quantity] for one in found]
    spreads = [one.get("statistics", {}).get(quantity, {}) for one in found]
    return [spread[extreme] for spread in spreads if extreme in spread]


def latest(documents: Sequence[Json], of: Callable[[Json], Any]) -> Any:
    """Return what the last document says; a set where several are as late, None where there is none."""
    last = max((one["@timestamp"] for one in documents), default="")
    found = {of(one) for one in documents if one["@timestamp"] == last}
    return found if len(found) > 1 else next(iter(found), None)


def last_of(documents: Sequence[Json], quantity: str) -> Any:
    """Return the last value of a quantity that can be trusted."""
    return latest(trusted(documents, quantity), lambda one: one["weather"][quantity])


def by(documents: Iterable[Json], key: Callable[[Json], Any]) -> dict[Any, list[Json]]:
    """Put the documents of a key together."""
    groups: dict[Any, list[Json]] = {}
    for one in documents:
        groups.setdefault(key(one), []).append(one)
    return groups


def by_time(documents: Iterable[Json], length_s: int) -> dict[int, list[Json]]:
    """Put the documents of an interval together, under the millisecond since 1970 at which it begins."""

    def begin(one: Json) -> int:
        at_s = dt.datetime.fromisoformat(one["@timestamp"]).timestamp()
        return int(at_s // length_s) * length_s * 1000

    return by(documents, begin)


def number(compute: Callable[[Sequence[Json]], Any]) -> Compute:
    """Return how a tile is computed."""
    return lambda documents, length_s: {(): {"value": compute(documents)}}


def now(quantity: str) -> Compute:
    """Return how a current value is computed."""
    return number(lambda documents: last_of(documents, quantity))


def curve(length_s: int = 0, **columns: Callable[[Sequence[Json]], Any]) -> Compute:
    """Return how a curve is computed; with a length of its own, or with that of the time range."""

    def compute(documents: Sequence[Json], automatic_s: int) -> Table:
        groups = by_time(documents, length_s or automatic_s)
        return {(at,): {name: of(inner) for name, of in columns.items()} for at, inner in groups.items()}

    return compute


def some(how: Callable[[Sequence[float]], float], quantity: str, extreme: str = "") -> Callable[[Sequence[Json]], Any]:
    """Return how one number is made of values, None where there are none."""
    return lambda documents: how(found) if (found := values(documents, quantity, extreme)) else None


def day(quantity: str, *, spread: bool) -> Compute:
    """Return how a curve with its extremes is computed."""
    least, most = ("min", "max") if spread else ("", "")
    return curve(average=some(mean, quantity), min=some(min, quantity, least), max=some(max, quantity, most))


def rose(documents: Sequence[Json], _: int) -> Table:
    """Count the directions: each of the eight is 45 degrees wide, and north is around 0."""
    places = [int((value + 22.5) // 45) % 8 for value in values(documents, "wind_from_direction")]
    return {(name,): {"observations": places.count(place)} for place, name in enumerate(COMPASS)}


def flagged(documents: Iterable[Json], flags: Iterable[str]) -> int:
    """Count the documents of which some value has one of the flags."""
    return sum(any(flag in flags for flag in one.get("quality", {}).values()) for one in documents)


def quality(documents: Sequence[Json], length_s: int) -> Table:
    """Count by time and flag."""
    return {
        (at, flag): {"documents": flagged(inner, [flag])}
        for at, inner in by_time(documents, length_s).items()
        for flag in FLAGS[1:]
    }


def reasons(quantity: str) -> Compute:
    """Return how the reasons of a quantity are counted."""

    def compute(documents: Sequence[Json], _: int) -> Table:
        found = [one for one in documents if quantity in one.get("quality_reasons", {})]
        doubted = [one for one in found if one["quality"][quantity] != "good"]
        groups = by(doubted, lambda one: one["quality_reasons"][quantity])
        return {(reason,): {"documents": len(inner)} for reason, inner in groups.items()}

    return compute


def stations(documents: Sequence[Json], _: int) -> Table:
    """Tell of each station when it was heard, and what it said."""
    return {(station,): dict(_of_station(inner)) for station, inner in _by_station(documents).items()}


def _of_station(documents: Sequence[Json]) -> Iterator[tuple[str, Any]]:
    observations = [one for one in documents if is_observation(one)]
    yield "name", latest(documents, lambda one: one["station"]["name"])
    yield "seen", latest(observations, lambda one: one["@timestamp"])
    yield "recorded", latest(observations, lambda one: one["event"]["created"])
    yield "temperature", last_of(documents, "air_temperature")
    yield "humidity", last_of(documents, "relative_humidity")
    yield "pressure", last_of(documents, "air_pressure_at_mean_sea_level")
    yield "observations", len(observations)
    yield "unsynchronized", unsynchronized(documents)
    yield "backlog", sum(one["event"]["dataset"].endswith(".reduced") for one in documents)


def unsynchronized(documents: Iterable[Json]) -> int:
    """Count what was stamped without a synchronised clock."""
    return sum(not one["clock"]["synchronized"] for one in documents)


def quality_of_stations(documents: Sequence[Json], _: int) -> Table:
    """Count the flags of each station."""
    groups = _by_station(filter(is_observation, documents))
    return {(station,): {flag: flagged(inner, [flag]) for flag in FLAGS} for station, inner in groups.items()}


def events(documents: Sequence[Json], length_s: int) -> Table:
    """Count events by time and kind."""
    happened = [one for one in documents if not is_observation(one)]
    return {
        (at, kind): {"events": len(same)}
        for at, inner in by_time(happened, length_s).items()
        for kind, same in by(inner, lambda one: EVENTS.get(one["event"]["action"], "other")).items()
    }


def events_by_kind(documents: Sequence[Json], _: int) -> Table:
    """Tell how often each kind of event was at each station, and when last."""
    happened = [one for one in documents if not is_observation(one)]
    groups = by(happened, lambda one: (one["event"]["action"], one["station"]["id"]))
    return {
        key: {
            "events": len(inner),
            "sensor": latest([one for one in inner if "sensor" in one], lambda one: one["sensor"]["name"]),
            "time": latest(inner, lambda one: one["@timestamp"]),
        }
        for key, inner in groups.items()
    }


def not_good(documents: Sequence[Json]) -> int:
    """Count the observations of which some value is not good."""
    return flagged(filter(is_observation, documents), FLAGS[1:])


def losses(documents: Sequence[Json]) -> int:
    """Count the events that tell of lost data."""
    return sum(one["event"].get("action") in LOST for one in documents)


def _by_station(documents: Iterable[Json]) -> dict[Any, list[Json]]:
    return by(documents, lambda one: one["station"]["id"])


_NOW = (
    *("air_temperature", "relative_humidity", "dew_point_temperature", "air_pressure_at_mean_sea_level"),
    *("tendency_of_air_pressure", "illuminance", "rainfall_amount_of_day", "rainfall_rate", "wind_speed"),
    *("wind_speed_of_gust", "wind_from_direction", "surface_downwelling_shortwave_flux_in_air"),
)
_REASONED = ("air_temperature", "relative_humidity", "air_pressure", "wind_speed", "rainfall_amount", "illuminance")
_SUN = "surface_downwelling_shortwave_flux_in_air"

EXPECTED: Mapping[tuple[str, str], Compute] = {
    **{(f"now-{quantity}", "tile"): now(quantity) for quantity in _NOW},
    ("day-air_temperature", "curve"): day("air_temperature", spread=True),
    ("day-relative_humidity", "curve"): day("relative_humidity", spread=True),
    ("day-dew_point_temperature", "curve"): day("dew_point_temperature", spread=False),
    ("pressure", "pressure"): curve(pressure=some(mean, "air_pressure_at_mean_sea_level")),
    ("pressure", "tendency"): curve(tendency=some(mean, "tendency_of_air_pressure")),
    ("rain", "hours"): curve(HOUR_S, hour=some(sum, "rainfall_amount")),
    ("rain", "total"): curve(HOUR_S, day=some(max, "rainfall_amount_of_day")),
    ("wind", "wind"): curve(speed=some(mean, "wind_speed"), gust=some(max, "wind_speed_of_gust")),
    ("rose", "rose"): rose,
    ("light", "lux"): curve(lux=some(mean, "illuminance")),
    ("light", "watt"): curve(watt=some(mean, _SUN)),
    ("stations-heard", "tile"): number(lambda documents: len(_by_station(documents))),
    ("not-good", "tile"): number(not_good),
    ("unsynchronized", "tile"): number(unsynchronized),
    ("losses", "tile"): number(losses),
    ("stations", "table"): stations,
    ("quality", "flags"): quality,
    **{("reasons", quantity): reasons(quantity) for quantity in _REASONED},
    ("quality-of-stations", "table"): quality_of_stations,
    ("events", "events"): events,
    ("events-by-kind", "table"): events_by_kind,
}
"""By the view and its layer."""
