"""What the panel says, in Brazilian Portuguese and in English, side by side."""

from collections.abc import Callable, Mapping

LANGUAGES = ("pt-BR", "en")

Say = Callable[[str], str]
"""From a key of `TEXTS` to its text in one language."""

TEXTS: Mapping[str, tuple[str, str]] = {
    "panel": ("Painel do Clima", "Painel do Clima (English)"),
    "panel_description": (
        "Estações weatherd: tempo agora, curvas do dia, qualidade dos dados e saúde das estações.",
        "weatherd stations: the weather now, the day's curves, quality of the data and health of the stations.",
    ),
    "station": ("Estação", "Station"),
    "sensor": ("Sensor", "Sensor"),
    "time": ("Hora", "Time"),
    "average": ("Média", "Mean"),
    "min": ("Mínima", "Minimum"),
    "max": ("Máxima", "Maximum"),
    "observations": ("Observações", "Observations"),
    "documents": ("Documentos", "Documents"),
    # Quantities.
    "air_temperature": ("Temperatura do ar", "Air temperature"),
    "relative_humidity": ("Umidade relativa", "Relative humidity"),
    "dew_point_temperature": ("Ponto de orvalho", "Dew point"),
    "air_pressure": ("Pressão na estação", "Station pressure"),
    "air_pressure_at_mean_sea_level": ("Pressão ao nível médio do mar", "Pressure at mean sea level"),
    "tendency_of_air_pressure": ("Tendência da pressão em 3 h", "Pressure tendency over 3 h"),
    "illuminance": ("Iluminância", "Illuminance"),
    "surface_downwelling_shortwave_flux_in_air": ("Radiação solar global", "Global solar radiation"),
    "rainfall_amount": ("Chuva", "Rain"),
    "rainfall_amount_of_day": ("Chuva do dia", "Rain of the day"),
    "rainfall_rate": ("Intensidade da chuva", "Rainfall rate"),
    "wind_speed": ("Velocidade do vento", "Wind speed"),
    "wind_speed_of_gust": ("Rajada", "Gust"),
    "wind_from_direction": ("Direção do vento", "Wind direction"),
    # Compass, of where the wind comes from.
    "north": ("N", "N"),
    "north_east": ("NE", "NE"),
    "east": ("L", "E"),
    "south_east": ("SE", "SE"),
    "south": ("S", "S"),
    "south_west": ("SO", "SW"),
    "west": ("O", "W"),
    "north_west": ("NO", "NW"),
    # Titles of curves and bars.
    "pressure_title": ("Pressão ao nível médio do mar e tendência", "Pressure at mean sea level and tendency"),
    "rain_title": ("Chuva por hora e acumulado do dia", "Rain per hour and total of the day"),
    "rain_per_hour": ("Chuva por hora", "Rain per hour"),
    "wind_title": ("Vento e rajadas", "Wind and gusts"),
    "rose_title": ("De onde veio o vento", "Where the wind came from"),
    "light_title": ("Iluminância e radiação solar", "Illuminance and solar radiation"),
    # Quality flags.
    "good": ("bom", "good"),
    "inconsistent": ("inconsistente", "inconsistent"),
    "doubtful": ("duvidoso", "doubtful"),
    "erroneous": ("errôneo", "erroneous"),
    "missing": ("ausente", "missing"),
    "unchecked": ("não verificado", "unchecked"),
    "quality_title": (
        "Qualidade: documentos com algum valor que não é bom",
        "Quality: documents with a value that is not good",
    ),
    "reasons_title": (
        "O que não é bom e por quê (motivo de cada grandeza)",
        "What is not good, and why (reason for each quantity)",
    ),
    "reason": ("Motivo", "Reason"),
    "quality_of_stations_title": ("Qualidade por estação (documentos)", "Quality by station (documents)"),
    # Health of the stations.
    "stations_heard": ("Estações ouvidas", "Stations heard"),
    "not_good": ("Documentos com ressalva", "Documents with a doubt"),
    "unsynchronized": ("Sem relógio sincronizado", "Clock not synchronised"),
    "losses": ("Avisos de perda de dados", "Events of data loss"),
    "stations_title": ("Estações", "Stations"),
    "name": ("Nome", "Name"),
    "last_seen": ("Última observação", "Last observation"),
    "recorded_at": ("Registrada em", "Recorded at"),
    "backlog": ("Resumidas por falta de espaço", "Thinned for lack of room"),
    "events": ("Eventos", "Events"),
    "events_title": ("Eventos ao longo do tempo", "Events over time"),
    "events_by_kind_title": ("Eventos por tipo", "Events by kind"),
    "action": ("Evento", "Event"),
    "last_time": ("Última vez", "Last time"),
    "started": ("estação iniciada", "station started"),
    "sensor_lost": ("sensor perdido", "sensor lost"),
    "sensor_found": ("sensor encontrado", "sensor found"),
    "sensor_stuck": ("sensor travado", "sensor stuck"),
    "sensor_unstuck": ("sensor destravado", "sensor unstuck"),
    "clock_stepped": ("relógio ajustado", "clock stepped"),
    "calibration_changed": ("calibração alterada", "calibration changed"),
    "mqtt_trouble": ("problema no MQTT", "MQTT trouble"),
    "infrared": ("infravermelho", "infrared"),
    "data_lost": ("perda de dados", "data loss"),
    "other": ("outro", "other"),
    "map_title": ("Mapa das estações", "Map of stations"),
    "basemap": ("Mapa de base", "Base map"),
}


def texts(language: str) -> Say:
    """
    Return what looks up a text.

    Raises:
        ValueError: If the language is none of `LANGUAGES`; trying again does not help.
    """
    place = LANGUAGES.index(language)
    return lambda key: TEXTS[key][place]
