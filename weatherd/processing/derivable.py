"""Which quantities may ever be derived for a sensor, by what all sensors measure; the weather decides when."""

from collections.abc import Collection, Mapping

from weatherd.model import Station
from weatherd.processing.derivation import Sources

SEA_LEVEL = "air_pressure_at_mean_sea_level"

FROM_HUMIDITY = frozenset(
    {
        "dew_point_temperature",
        "frost_point_temperature",
        "mass_concentration_of_water_vapor_in_air",
        "heat_index_of_air_temperature",
        "humidex",
    }
)
FROM_PRESSURE_ALONE = frozenset({"tendency_of_air_pressure", "characteristic_of_pressure_tendency"})


def derivable(
    sensor: str, measured: Mapping[str, Collection[str] | None], sources: Sources, station: Station
) -> frozenset[str]:
    """
    Return what `weatherd.processing.derivation` may derive for a sensor.

    Args:
        sensor: Whose observations are derived from.
        measured: By sensor, the quantities that it measures; None while that is not known: it may be all.
        sources: Who speaks for the station.
        station: Without its elevation nothing is said of sea level.
    """

    def has(quantity: str, source: str = "") -> bool:
        quantities = measured.get(source or sensor)
        return quantities is None or quantity in quantities

    found: set[str] = set()
    is_warm = has("air_temperature") or (sources.temperature and has("air_temperature", sources.temperature))
    if has("relative_humidity") and is_warm:
        found |= FROM_HUMIDITY
    if has("air_temperature") and sources.temperature in {"", sensor} and has("wind_speed", sources.wind):
        found.add("wind_chill_of_air_temperature")
    if has("air_pressure") and sources.pressure in {"", sensor}:
        found |= FROM_PRESSURE_ALONE
        if station.elevation_m is not None:
            found.add("altimeter_setting")
            if has("air_temperature", sources.temperature):
                found.add(SEA_LEVEL)
        if SEA_LEVEL in found or has(SEA_LEVEL):
            found.add("zambretti_indication")
    return frozenset(found)
