"""
Make the Painel do Clima: one file of saved objects a language, to import into Kibana 8.8 or later.

    python3 config/elk/kibana/painel.py [FOLDER]

What the panel shows is `weather` and `health`, in the order that stands here; how Kibana writes it down is `lens`,
`stations_map` and `saved_objects`; what it says is `texts`.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import health
import weather
from saved_objects import Row, dashboard, data_view, to_json
from stations_map import StationsMap
from texts import LANGUAGES, Say, texts

NOW = (
    "air_temperature",
    "relative_humidity",
    "dew_point_temperature",
    "air_pressure_at_mean_sea_level",
    "tendency_of_air_pressure",
    "illuminance",
    "rainfall_amount_of_day",
    "rainfall_rate",
    "wind_speed",
    "wind_speed_of_gust",
    "wind_from_direction",
    "surface_downwelling_shortwave_flux_in_air",
)


def rows(say: Say) -> Sequence[Row]:
    """Return the panel from top to bottom."""
    return (
        *(Row(5, [weather.now(say, quantity) for quantity in some]) for some in (NOW[:6], NOW[6:])),
        Row(12, [weather.day(say, of) for of in ("air_temperature", "relative_humidity", "dew_point_temperature")]),
        Row(12, [weather.pressure(say), weather.rain(say)]),
        Row(12, [weather.wind(say), weather.rose(say), weather.light(say)]),
        Row(5, health.tiles(say)),
        Row(12, [health.stations(say), StationsMap("map", say("map_title"), say("basemap"))]),
        Row(12, [health.quality_over_time(say), health.reasons(say), health.quality_of_stations(say)]),
        Row(12, [health.events_over_time(say), health.events_by_kind(say)]),
    )


def lines(language: str) -> str:
    """Return the file of one language: a saved object a line."""
    say = texts(language)
    controls = {"station.id": say("station"), "sensor.name": say("sensor")}
    panel = dashboard(f"weatherd-painel-do-clima-{language.lower()}", say, rows(say), controls)
    return "".join(to_json(one) + "\n" for one in (data_view(), panel))


def main(arguments: Sequence[str]) -> int:
    """Write the files into a folder, by default beside this program; exit 0, or 74 where they cannot be written."""
    folder = Path(arguments[0]) if arguments else Path(__file__).parent
    try:
        for language in LANGUAGES:
            (folder / f"painel-do-clima.{language}.ndjson").write_text(lines(language), encoding="utf-8")
    except OSError as error:
        sys.stderr.write(
            f"error: {error.filename} cannot be written: {error.strerror}\nhint:  name a folder that can\n"
        )
        return 74
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
