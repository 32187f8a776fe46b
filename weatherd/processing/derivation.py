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
from weatherd.processing.past import (
    APART_MS_MAX,
    ESTIMATED,
    FINAL,
    RECALLED,
    THREE_HOURS_MS,
    TWELVE_HOURS_MS,
    VAPOUR_PRESSURE,
    Dating,
    Known,
    Past,
    worse,
)
from weatherd.processing.zambretti import zambretti

SHORT_HISTORY = "short_history"
"""The reason beside a sea-level pressure that was reduced without the temperature of twelve hours ago."""

NO_HUMIDITY = "no_humidity"
"""The reason beside a sea-level pressure whose vapour is that of up to twelve hours ago: there is none of now."""

PASTS_MAX = 200
"""
Transmitters whose past is remembered, as many as there may be sensors. With one more, the one that was silent for
longest is forgotten.
"""

# Outside of these the formulas mean nothing, and some have no value at all: nothing is derived from a fault.
# Source: WMO-No. 8, Annex 4.B (formulas from -45 to 60 degC), and the ranges of barometers and anemometers.
_DOMAINS: Mapping[str, tuple[float, float]] = {
    "air_temperature": (-45.0, 60.0),
    "relative_humidity": (0.1, 100.0),
    "air_pressure": (300.0, 1100.0),
    "wind_speed": (0.0, 100.0),
    "wind_from_direction": (0.0, 360.0),
}
_UNCORRECTED = "uncorrected_air_temperature"
_REMEMBERED = frozenset({"air_temperature", "relative_humidity", "air_pressure"})

_MINUTE_LENGTH = len("2026-11-23T15:14")

_ABOUT_TWELVE_HOURS_MS = TWELVE_HOURS_MS - 30 * 60_000  # in half an hour the weather of then is still the same


class Sources(NamedTuple):
    """The sensors, by name, that speak for the station; without one, each sensor's own values serve."""

    temperature: str = ""
    humidity: str = ""
    pressure: str = ""
    wind: str = ""
    wind_direction: str = ""


EACH_FOR_ITSELF = Sources()


_NO_PAST = Past()  # of those of whom nothing need be remembered


class _Observed(msgspec.Struct):
    """One observation, while it is derived from; `known` is what of it lies within the domains."""

    sensor: str
    time_ms: int
    known: dict[str, Known]
    past: Past
    dating: Dating
    values: dict[str, float]
    quality: dict[str, Quality]
    reasons: dict[str, str]
    pair: tuple[Known, Known] | None = None
    """Temperature and humidity of one air."""

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
        self.station = station
        self.sources = sources
        self._named = frozenset(filter(None, sources))
        self._pasts: dict[tuple[str, frozenset[tuple[str, str]]], Past] = {}
        self._newest: tuple[str, Mapping[str, str], str | None, Past] | None = None
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
        calibration: str = "",
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
            calibration: The version of the sensor's; with another one its past begins anew.
            clock_offset_ms: What the station's clock adds to the boot clock while that is an estimate; else None.
            is_final: Whether the time is the source's own, which no estimate of ours can make wrong.
        """
        if clock_offset_ms != self._clock_offset_ms:
            self._settle(clock_offset_ms)
        observed = self._remember(
            sensor,
            observed_at_ms,
            values=values,
            quality=quality,
            reasons=reasons,
            labels=labels,
            calibration=calibration,
            dating=FINAL if clock_offset_ms is None or is_final else ESTIMATED,
        )
        if not observed.known:
            return
        if observed.pair is not None:
            _derive_from_humidity(observed, *observed.pair)
        self._derive_from_pressure(observed)
        self._derive_wind_chill(observed)

    def recall(self, document: Document) -> None:
        """Remember a document of an earlier run; the oldest come first, and of a minute one is enough."""
        if document.sensor is None or document.weather is None or document.clock.estimated:
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
            calibration=document.sensor.calibration,
            dating=RECALLED,
        )

    def _settle(self, clock_offset_ms: int | None) -> None:
        """Forget what was remembered under an estimate of the time once another one, or the time itself, is known."""
        for past in self._pasts.values():
            if self._clock_offset_ms is not None:
                past.forget_estimates()
            else:
                past.newest.clear()  # nobody knows how long the daemon was gone
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
        calibration: str,
        dating: Dating,
    ) -> _Observed:
        known = {}
        for quantity, value in values.items():
            domain = _DOMAINS.get(quantity)
            if domain is not None and domain[0] <= value <= domain[1]:
                known[quantity] = Known(time_ms, value, quality[quantity])
        is_remembered = sensor in self._named or not _REMEMBERED.isdisjoint(known)
        past = self._past(sensor, labels, calibration) if is_remembered else _NO_PAST
        observed = _Observed(sensor, time_ms, known, past, dating, values, quality, reasons)
        if not is_remembered:
            return observed
        if (pair := self._pair(observed)) is not None:
            observed.pair = pair
            known[VAPOUR_PRESSURE] = _vapour_pressure(observed, *pair)
        past.add(known, dating)
        if sensor in self._named:
            past.newest.update(known)
        return observed

    def _past(self, sensor: str, labels: Mapping[str, str], calibration: str | None = None) -> Past:
        """Return the past of a transmitter; a sensor that speaks for the station is taken as one."""
        if self._newest is not None and self._newest[:3] == (sensor, labels, calibration):
            return self._newest[3]  # the last in the row, too
        key = (sensor, frozenset() if sensor in self._named else frozenset(labels.items()))
        past = self._pasts.pop(key, None) or Past(calibration or "")
        if calibration is not None and calibration != past.calibration:
            past = Past(calibration)  # a step between the two would be weather that never was
        self._pasts[key] = past
        if len(self._pasts) > PASTS_MAX:
            del self._pasts[next(iter(self._pasts))]
        self._newest = sensor, labels, calibration, past
        return past

    def _ask(self, source: str, quantity: str, observed: _Observed) -> Known | None:
        """Return a quantity of the sensor that speaks for the station, or else of the observation itself."""
        if not source or source == observed.sensor:
            return observed.known.get(quantity)
        return self._past(source, {}).known_at(quantity, observed.time_ms)

    def _pair(self, observed: _Observed) -> tuple[Known, Known] | None:
        """Return temperature and humidity of one air: a sensor's own, for its humidity is that of its own warmth."""
        moisture = observed.known.get("relative_humidity")
        if moisture is None:
            return None
        temperature = observed.known.get("air_temperature")
        if temperature is None and "air_temperature" not in observed.values and self.sources.temperature:
            temperature = self._ask(self.sources.temperature, "air_temperature", observed)
        if temperature is None:
            return None
        return temperature, _of_cooler_air(moisture, temperature, observed.values.get(_UNCORRECTED))

    def _derive_wind_chill(self, observed: _Observed) -> None:
        if self.sources.temperature not in {"", observed.sensor}:
            return
        temperature = observed.known.get("air_temperature")
        wind = self._ask(self.sources.wind, "wind_speed", observed)
        if temperature is not None and wind is not None:
            chill_degc = comfort.wind_chill(temperature.value, wind.value)
            observed.put("wind_chill_of_air_temperature", chill_degc, worse(temperature.quality, wind.quality))

    def _derive_from_pressure(self, observed: _Observed) -> None:
        here = observed.known.get("air_pressure")
        if here is None or self.sources.pressure not in {"", observed.sensor}:
            return
        if (elevation_m := self.station.elevation_m) is not None:
            self._reduce_to_sea_level(observed, here, elevation_m)
            observed.put("altimeter_setting", pressure.altimeter_setting(here.value, elevation_m), here.quality)
        self._derive_tendency(observed, here)

    def _reduce_to_sea_level(self, observed: _Observed, here: Known, elevation_m: float) -> None:
        temperature = self._ask(self.sources.temperature, "air_temperature", observed)
        if temperature is None:
            return
        vapour = self._ask(self.sources.humidity or self.sources.temperature, VAPOUR_PRESSURE, observed)
        warm = self._speaker(self.sources.temperature, observed).temperature
        moist = self._speaker(self.sources.humidity or self.sources.temperature, observed).vapour_pressure
        time_ms = observed.time_ms
        long_ago_ms = time_ms - TWELVE_HOURS_MS
        recalled = observed.dating is not ESTIMATED
        then = warm.mean(long_ago_ms, time_ms - _ABOUT_TWELVE_HOURS_MS, recalled=recalled)
        reason = SHORT_HISTORY if then is None else ""
        if then is None:
            then = warm.mean(time_ms - _ABOUT_TWELVE_HOURS_MS, time_ms, recalled=recalled)
        if vapour is None:
            vapour = moist.mean(time_ms, long_ago_ms, recalled=recalled)
            reason = reason or (NO_HUMIDITY if vapour else "")
        moist_then = None if vapour is None else moist.mean(long_ago_ms, time_ms, recalled=recalled)
        mean_degc, flag = _mean(temperature, then)
        mean_hpa, moist_flag = (0.0, flag) if vapour is None else _mean(vapour, moist_then)
        sea_level_hpa = pressure.air_pressure_at_mean_sea_level(here.value, elevation_m, mean_degc, mean_hpa)
        flag = worse(here.quality, worse(flag, moist_flag))
        if observed.put("air_pressure_at_mean_sea_level", sea_level_hpa, flag) and reason:
            observed.reasons["air_pressure_at_mean_sea_level"] = reason

    def _speaker(self, source: str, observed: _Observed) -> Past:
        return observed.past if not source or source == observed.sensor else self._past(source, {})

    def _derive_tendency(self, observed: _Observed, here: Known) -> None:
        then = _about(observed, THREE_HOURS_MS)
        if then is None:
            return
        tendency = Known(observed.time_ms, here.value - then.value, worse(here.quality, then.quality))
        observed.put("tendency_of_air_pressure", tendency.value, tendency.quality)
        if (middle := _about(observed, THREE_HOURS_MS // 2)) is not None:
            code = pressure.tendency_characteristic(then.value, middle.value, here.value)
            observed.put("characteristic_of_pressure_tendency", code, worse(tendency.quality, middle.quality))
        self._indicate(observed, tendency)

    def _indicate(self, observed: _Observed, tendency: Known) -> None:
        sea_level_hpa = observed.values.get("air_pressure_at_mean_sea_level")
        if sea_level_hpa is None:
            return
        flag = worse(observed.quality["air_pressure_at_mean_sea_level"], tendency.quality)
        latitude = self.station.latitude
        speed = self._ask(self.sources.wind, "wind_speed", observed)
        wind = self._ask(self.sources.wind_direction or self.sources.wind, "wind_from_direction", observed)
        if speed is not None and speed.value == 0:
            wind = None  # a calm has no direction
        if wind is not None:
            flag = worse(flag, wind.quality)
        number = zambretti(
            sea_level_hpa,
            tendency.value,
            dt.datetime.fromtimestamp(observed.time_ms / 1000, dt.UTC).month,
            southern=None if latitude is None else latitude < 0,
            wind_from_deg=None if wind is None else wind.value,
        )
        observed.put("zambretti_indication", number, flag)


def _vapour_pressure(observed: _Observed, temperature: Known, moisture: Known) -> Known:
    vapour_hpa = humidity.vapour_pressure(temperature.value, moisture.value)
    return Known(observed.time_ms, vapour_hpa, worse(temperature.quality, moisture.quality))


def _derive_from_humidity(observed: _Observed, temperature: Known, moisture: Known) -> None:
    vapour = observed.known[VAPOUR_PRESSURE]
    degc, flag = temperature.value, vapour.quality
    dew_point_degc = humidity.dew_point_of(vapour.value)
    observed.put("dew_point_temperature", dew_point_degc, flag)
    observed.put("frost_point_temperature", humidity.frost_point_of(vapour.value), flag)
    water_g_m3 = humidity.absolute_humidity_of(degc, vapour.value)
    observed.put("mass_concentration_of_water_vapor_in_air", water_g_m3, flag)
    observed.put("heat_index_of_air_temperature", comfort.heat_index(degc, moisture.value), flag)
    observed.put("humidex", comfort.humidex_of(degc, dew_point_degc), flag)


def _of_cooler_air(moisture: Known, temperature: Known, board_degc: float | None) -> Known:
    """
    Return the humidity that air has at its own temperature, where it was measured on a board that is warmer.

    The vapour is the same, and only warmth sets them apart.
    """
    least, greatest = _DOMAINS["air_temperature"]
    if board_degc is None or not least <= board_degc <= greatest:
        return moisture
    vapour_hpa = humidity.vapour_pressure(board_degc, moisture.value)
    percent = 100 * vapour_hpa / humidity.saturation_vapour_pressure(temperature.value)
    return Known(moisture.time_ms, percent, moisture.quality)


def _mean(now: Known, then: Known | None) -> tuple[float, Quality]:
    if then is None:
        return now.value, now.quality
    return (now.value + then.value) / 2, worse(now.quality, then.quality)


def _about(observed: _Observed, age_ms: int) -> Known | None:
    """Return the pressure so long ago, or a little later or earlier."""
    then_ms = observed.time_ms - age_ms
    series = observed.past.pressure
    recalled = observed.dating is not ESTIMATED
    later = series.mean(then_ms, then_ms + APART_MS_MAX, recalled=recalled)
    return series.mean(then_ms, then_ms - APART_MS_MAX, recalled=recalled) if later is None else later
