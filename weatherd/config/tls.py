"""Whether a station has any use for TLS: without it, it needs 5 MB less."""

from weatherd.config.checks import any_https
from weatherd.config.schema import Config
from weatherd.config.sensors import CircuitPython, Installed


def may_speak_tls(settings: Config) -> bool:
    """Tell whether anything in a station speaks TLS, or imports what does."""
    sinks = settings.sinks
    urls = () if sinks.logstash is None else sinks.logstash.urls
    return (
        sinks.mqtt is not None  # aiomqtt imports it for every url,
        or settings.panel.listen is not None  # and so does prometheus_client
        or any_https(urls)
        or any(isinstance(sensor, CircuitPython | Installed) for sensor in settings.sensors)
    )
