"""
Which quantities follow from what was observed, and how good they can be.

What is made of several sensors stands in the document of the one that it is about: what follows from humidity beside
the humidity, what follows from pressure beside the pressure, wind chill beside the temperature. Nothing replaces what
a sensor says itself, and outside of its domain a quantity is absent.
"""

import datetime as dt
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from weatherd.model import Quality, Station
from weatherd.processing import comfort, humidity, pressure
from weatherd.processing.documents import Document, time_ms_of
from weatherd.processing.past import APART_MS_MAX, THREE_HOURS_MS, TWELVE_HOURS_MS, VAPOUR_PRESSURE, Known, Past
from weatherd.processing.zambretti import zambretti

SHORT_HISTORY = "short_history"
"""The reason beside a sea-level pressure that was reduced without the temperature of twelve hours ago."""

PASTS_MAX = 100
"""Transmitters whose past is remembered; with one more, the one that was silent for longest is forgotten."""

# Outside of these the formulas mean nothing, and some have no value at all: nothing is derived from a fault.
# Source: WMO-No. 8, Annex 4.B (formulas from -45 to 60 degC), and the ranges of barometers and anemometers.
_DOMAINS: Mapping[str, tuple[float, float]] = {
    "air_temperature": (-45.0, 60.0),
    "relative_humidity": (0.1, 100.0),
    "air_pressure": (300.0, 1100.0),
    "wind_speed": (0.0, 100.0),
    "wind_from_direction": (0.0, 360.0),
}
_REMEMBERED = frozenset({"air_temperature", "relative_humidity", "air_pressure"})

_MINUTE_LENGTH = len("2026-11-23T15:14")

_ABOUT_TWELVE_HOURS_MS = TWELVE_HOURS_MS - 30 * 60_000  # in half an hour the weather of then is still the same

_BADNESS = {
    Quality.GOOD: 0,
    Quality.UNCHECKED: 1,
    Quality.INCONSISTENT: 2,
    Quality.DOUBTFUL: 3,
    Quality.ERRONEOUS: 4,
    Quality.MISSING: 5,
}


class Sources(NamedTuple):
    """The sensors, by name, that speak for the station; without one, each sensor's own values serve."""

    temperature: str = ""
    humidity: str = ""
    pressure: str = ""
    wind: str = ""


EACH_FOR_ITSELF = Sources()


_NO_PAST = Past()  # of those of whom nothing need be remembered


class _Observed(msgspec.Struct, frozen=True):
    """One observation, while it is derived from; `known` is what of it lies within the domains."""

    sensor: str
    time_ms: int
    known: Mapping[str, Known]
    past: Past
    values: dict[str, float]
    quality: dict[str, Quality]
    reasons: dict[str, str]

    def put(self, quantity: str, value: float | None, flag: Quality) -> bool:
        """Add a derived value, unless there is none or the sensor has said it itself; return whether it was added."""
        if value is None or quantity in self.values:
            return False
        self.values[quantity] = value
        self.quality[quantity] = flag
        return True


class Derivation:
    """
    Derive for all sensors of a station, and remember what later observations need.

    Args:
        station: Without its elevation nothing is said of sea level; without its latitude no season counts.
        sources: Who speaks for the station.
    """

    def __init__(self, station: Station, sources: Sources = EACH_FOR_ITSELF) -> None:
        self._station = station
        self._sources = sources
        self._named = frozenset(filter(None, sources))
        self._pasts: dict[tuple[str, frozenset[tuple[str, str]]], Past] = {}
        self._recalled: dict[tuple[str, ...], str] = {}
        self._clock_offset_ms: int | None = None

    def derive(
        self,
        sensor: str,
        observed_at_ms: int,
        values: dict[str, float],
        quality: dict[str, Quality],
        reasons: dict[str, str],
        *,
        labels: Mapping[str, str] = {},
        clock_offset_ms: int | None = None,
        is_final: bool = False,
    ) -> None:
        """
        Add to one observation what follows from it, and remember it.

        Args:
            sensor: Who observed.
            observed_at_ms: When; what is late is derived from the past as it was then, or without one.
            values: The derived are added.
            quality: A flag for each value; a derived one gets the worst of what it was made from.
            reasons: Why, where something had to be left out.
            labels: Tell the transmitters of one sensor apart; each has a past of its own.
            clock_offset_ms: What the station's clock adds to the boot clock while that is an estimate; else None.
            is_final: Whether the time is the source's own, which no estimate of ours can make wrong.
        """
        self._settle(clock_offset_ms)
        observed = self._remember(
            sensor,
            observed_at_ms,
            values=values,
            quality=quality,
            reasons=reasons,
            labels=labels,
            is_estimated=clock_offset_ms is not None and not is_final,
        )
        if not observed.known:
            return
        self._derive_from_humidity(observed)
        self._derive_from_pressure(observed)
        self._derive_wind_chill(observed)

    def recall(self, document: Document) -> None:
        """Remember a document of an earlier run; the oldest come first, and of a minute one is enough."""
        if document.sensor is None or document.weather is None:
            return
        transmitter = (document.sensor.name, *document.labels.values())
        minute = document.timestamp[:_MINUTE_LENGTH]
        if self._recalled.get(transmitter) == minute:
            return
        if len(self._recalled) > PASTS_MAX:
            self._recalled.clear()
        self._recalled[transmitter] = minute
        self._remember(
            document.sensor.name,
            time_ms_of(document.timestamp),
            values=dict(document.weather),
            quality={name: document.quality.get(name, Quality.UNCHECKED) for name in document.weather},
            reasons={},
            labels=document.labels,
            is_estimated=document.clock.estimated,
        )

    def _settle(self, clock_offset_ms: int | None) -> None:
        """Forget what was remembered under an estimate of the time once another one, or the time itself, is known."""
        if self._clock_offset_ms is not None and self._clock_offset_ms != clock_offset_ms:
            for past in self._pasts.values():
                past.forget_estimates()
        self._clock_offset_ms = clock_offset_ms

    def _remember(
        self,
        sensor: str,
        time_ms: int,
        *,
        values: dict[str, float],
        quality: dict[str, Quality],
        reasons: dict[str, str],
        labels: Mapping[str, str],
        is_estimated: bool,
    ) -> _Observed:
        known = {}
        for quantity, value in values.items():
            domain = _DOMAINS.get(quantity)
            if domain is not None and domain[0] <= value <= domain[1]:
                known[quantity] = Known(time_ms, value, quality[quantity])
        is_remembered = sensor in self._named or not _REMEMBERED.isdisjoint(known)
        past = self._past(sensor, labels) if is_remembered else _NO_PAST
        observed = _Observed(sensor, time_ms, known, past, values, quality, reasons)
        if not is_remembered:
            return observed
        if (vapour := self._vapour_pressure(observed)) is not None:
            known[VAPOUR_PRESSURE] = vapour
        past.add(known, is_estimated=is_estimated)
        if sensor in self._named:
            past.newest.update(known)
        return observed

    def _past(self, sensor: str, labels: Mapping[str, str]) -> Past:
        """Return the past of a transmitter; a sensor that speaks for the station is taken as one."""
        key = (sensor, frozenset() if sensor in self._named else frozenset(labels.items()))
        past = self._pasts.pop(key, None) or Past()
        self._pasts[key] = past
        if len(self._pasts) > PASTS_MAX:
            del self._pasts[next(iter(self._pasts))]
        return past

    def _ask(self, source: str, quantity: str, observed: _Observed) -> Known | None:
        """Return a quantity of the sensor that speaks for the station, or else of the observation itself."""
        if not source or source == observed.sensor:
            return observed.known.get(quantity)
        return self._past(source, {}).known_at(quantity, observed.time_ms)

    def _vapour_pressure(self, observed: _Observed) -> Known | None:
        pair = self._pair(observed)
        if pair is None:
            return None
        temperature, moisture = pair
        vapour_hpa = humidity.vapour_pressure(temperature.value, moisture.value)
        return Known(observed.time_ms, vapour_hpa, worse(temperature.quality, moisture.quality))

    def _pair(self, observed: _Observed) -> tuple[Known, Known] | None:
        """Return temperature and humidity of one air: a sensor's own, for its humidity is that of its own warmth."""
        moisture = observed.known.get("relative_humidity")
        if moisture is None:
            return None
        temperature = observed.known.get("air_temperature")
        if temperature is None and "air_temperature" not in observed.values and self._sources.temperature:
            temperature = self._ask(self._sources.temperature, "air_temperature", observed)
        return None if temperature is None else (temperature, moisture)

    def _derive_from_humidity(self, observed: _Observed) -> None:
        vapour, pair = observed.known.get(VAPOUR_PRESSURE), self._pair(observed)
        if vapour is None or pair is None:
            return
        degc, flag = pair[0].value, vapour.quality
        dew_point_degc = humidity.dew_point_of(vapour.value)
        observed.put("dew_point_temperature", dew_point_degc, flag)
        observed.put("frost_point_temperature", humidity.frost_point_of(vapour.value), flag)
        water_g_m3 = humidity.absolute_humidity_of(degc, vapour.value)
        observed.put("mass_concentration_of_water_vapor_in_air", water_g_m3, flag)
        observed.put("heat_index_of_air_temperature", comfort.heat_index(degc, pair[1].value), flag)
        observed.put("humidex", comfort.humidex_of(degc, dew_point_degc), flag)

    def _derive_wind_chill(self, observed: _Observed) -> None:
        if self._sources.temperature not in {"", observed.sensor}:
            return
        temperature = observed.known.get("air_temperature")
        wind = self._ask(self._sources.wind, "wind_speed", observed)
        if temperature is not None and wind is not None:
            chill_degc = comfort.wind_chill(temperature.value, wind.value)
            observed.put("wind_chill_of_air_temperature", chill_degc, worse(temperature.quality, wind.quality))

    def _derive_from_pressure(self, observed: _Observed) -> None:
        here = observed.known.get("air_pressure")
        if here is None or self._sources.pressure not in {"", observed.sensor}:
            return
        if (elevation_m := self._station.elevation_m) is not None:
            self._reduce_to_sea_level(observed, here, elevation_m)
            observed.put("altimeter_setting", pressure.altimeter_setting(here.value, elevation_m), here.quality)
        self._derive_tendency(observed, here)

    def _reduce_to_sea_level(self, observed: _Observed, here: Known, elevation_m: float) -> None:
        temperature = self._ask(self._sources.temperature, "air_temperature", observed)
        if temperature is None:
            return
        vapour = self._ask(self._sources.humidity or self._sources.temperature, VAPOUR_PRESSURE, observed)
        warm = self._speaker(self._sources.temperature, observed).temperature
        moist = self._speaker(self._sources.humidity or self._sources.temperature, observed).vapour_pressure
        time_ms = observed.time_ms
        long_ago_ms = time_ms - TWELVE_HOURS_MS
        then_degc = warm.mean(long_ago_ms, time_ms - _ABOUT_TWELVE_HOURS_MS)
        is_short = then_degc is None
        if then_degc is None:
            then_degc = warm.mean(time_ms - _ABOUT_TWELVE_HOURS_MS, time_ms)
        mean_degc = temperature.value if then_degc is None else (temperature.value + then_degc) / 2
        mean_hpa = 0.0
        if vapour is not None:
            then_hpa = moist.mean(long_ago_ms, time_ms)
            mean_hpa = vapour.value if then_hpa is None else (vapour.value + then_hpa) / 2
        sea_level_hpa = pressure.air_pressure_at_mean_sea_level(here.value, elevation_m, mean_degc, mean_hpa)
        flag = worse(here.quality, temperature.quality)
        if vapour is not None:
            flag = worse(flag, vapour.quality)
        if observed.put("air_pressure_at_mean_sea_level", sea_level_hpa, flag) and is_short:
            observed.reasons["air_pressure_at_mean_sea_level"] = SHORT_HISTORY

    def _speaker(self, source: str, observed: _Observed) -> Past:
        return observed.past if not source or source == observed.sensor else self._past(source, {})

    def _derive_tendency(self, observed: _Observed, here: Known) -> None:
        then_hpa = _about(observed, THREE_HOURS_MS)
        if then_hpa is None:
            return
        observed.put("tendency_of_air_pressure", here.value - then_hpa, here.quality)
        if (middle_hpa := _about(observed, THREE_HOURS_MS // 2)) is not None:
            code = pressure.tendency_characteristic(then_hpa, middle_hpa, here.value)
            observed.put("characteristic_of_pressure_tendency", code, here.quality)
        self._indicate(observed, here.value - then_hpa)

    def _indicate(self, observed: _Observed, tendency_hpa: float) -> None:
        sea_level_hpa = observed.values.get("air_pressure_at_mean_sea_level")
        if sea_level_hpa is None:
            return
        flag = observed.quality["air_pressure_at_mean_sea_level"]
        latitude = self._station.latitude
        speed = self._ask(self._sources.wind, "wind_speed", observed)
        wind = self._ask(self._sources.wind, "wind_from_direction", observed)
        number = zambretti(
            sea_level_hpa,
            tendency_hpa,
            dt.datetime.fromtimestamp(observed.time_ms / 1000, dt.UTC).month,
            southern=None if latitude is None else latitude < 0,
            wind_from_deg=None if wind is None or (speed is not None and speed.value == 0) else wind.value,
        )
        observed.put("zambretti_indication", number, flag)


def worse(one: Quality, other: Quality) -> Quality:
    """Return that of two flags which trusts less."""
    return one if one is other or _BADNESS[one] >= _BADNESS[other] else other


def _about(observed: _Observed, age_ms: int) -> float | None:
    """Return the pressure so long ago, or a little later or earlier."""
    then_ms = observed.time_ms - age_ms
    series = observed.past.pressure
    later_hpa = series.mean(then_ms, then_ms + APART_MS_MAX)
    return series.mean(then_ms, then_ms - APART_MS_MAX) if later_hpa is None else later_hpa
