"""Which quantities follow from those of one observation, and how good they can be."""

from weatherd.model import Quality, Station
from weatherd.processing import meteorology

# Outside of these the formulas mean nothing, and some have no value at all: nothing is derived from a fault.
# Source: WMO-No. 8, Annex 4.B (formulas from -45 to 60 degC), and the range of barometers.
_TEMPERATURE_DEGC_MIN, _TEMPERATURE_DEGC_MAX = -45.0, 60.0
_HUMIDITY_MIN, _HUMIDITY_MAX = 0.1, 100.0
_PRESSURE_HPA_MIN, _PRESSURE_HPA_MAX = 300.0, 1100.0

_BADNESS = {
    Quality.GOOD: 0,
    Quality.UNCHECKED: 1,
    Quality.INCONSISTENT: 2,
    Quality.DOUBTFUL: 3,
    Quality.ERRONEOUS: 4,
    Quality.MISSING: 5,
}


def derive(values: dict[str, float], quality: dict[str, Quality], station: Station) -> None:
    """
    Add dew point and sea-level pressure where their ingredients are there.

    Neither replaces a value that a sensor gave itself. The temperature of the reduction to sea level is the present
    one; `meteorology.air_pressure_at_mean_sea_level` takes any other.

    Args:
        values: Of one observation; the derived are added.
        quality: Of each value; a derived one gets the worst flag of what it was made from.
        station: Without its elevation no sea-level pressure is made up.
    """
    temperature = values.get("air_temperature")
    if temperature is None or not _TEMPERATURE_DEGC_MIN <= temperature <= _TEMPERATURE_DEGC_MAX:
        return
    humidity = values.get("relative_humidity")
    vapour_pressure_hpa = 0.0
    if humidity is not None and _HUMIDITY_MIN <= humidity <= _HUMIDITY_MAX:
        vapour_pressure_hpa = meteorology.vapour_pressure(temperature, humidity)
        if "dew_point_temperature" not in values:
            values["dew_point_temperature"] = meteorology.dew_point_temperature(temperature, humidity)
            quality["dew_point_temperature"] = worse(quality["air_temperature"], quality["relative_humidity"])
    pressure = values.get("air_pressure")
    if pressure is None or station.elevation_m is None or "air_pressure_at_mean_sea_level" in values:
        return
    if not _PRESSURE_HPA_MIN <= pressure <= _PRESSURE_HPA_MAX:
        return
    values["air_pressure_at_mean_sea_level"] = meteorology.air_pressure_at_mean_sea_level(
        pressure, station.elevation_m, temperature, vapour_pressure_hpa
    )
    quality["air_pressure_at_mean_sea_level"] = worse(quality["air_pressure"], quality["air_temperature"])


def worse(one: Quality, other: Quality) -> Quality:
    """Return that of two flags which trusts less."""
    return one if _BADNESS[one] >= _BADNESS[other] else other
