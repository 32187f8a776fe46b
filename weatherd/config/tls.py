"""Whether a station has any use for TLS: without it, it needs 5 MB less."""

from urllib.parse import urlsplit

from weatherd.config.schema import Config
from weatherd.config.sensors import CircuitPython, Installed


def may_speak_tls(settings: Config) -> bool:
    """Tell whether anything in a station speaks TLS, or imports what does."""
    sinks = settings.sinks
    urls = () if sinks.logstash is None else sinks.logstash.urls
    return (
        sinks.mqtt is not None  # aiomqtt imports it for every url,
        or settings.panel.listen is not None  # and so does prometheus_client
        or any(urlsplit(url).scheme == "https" for url in urls)
        or any(isinstance(sensor, CircuitPython | Installed) for sensor in settings.sensors)
    )
