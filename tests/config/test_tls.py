from pathlib import Path

import pytest

from weatherd import config

STATION = """
[station]
id = "s"
[panel]
listen = ""
[[sensors]]
name = "garden"
driver = "jsonlines"
listen = "127.0.0.1:7433"
quantities = { air_temperature = "t" }
[sinks.logstash]
urls = ["http://one:8080"]
"""
CHIP = """
[[sensors]]
name = "extra"
driver = "circuitpython"
class = "adafruit_bmp280.Adafruit_BMP280_I2C"
quantities = { air_temperature = "temperature" }
"""


def speaks(theirs: str = "", ours: str = "") -> bool:
    assert theirs in STATION
    return config.may_speak_tls(config.parse(STATION.replace(theirs, ours, 1), Path()))


def test_a_station_with_plain_logstash_alone_never_speaks_tls() -> None:
    """Its own sensors, the journal and an http url have no use for OpenSSL."""
    assert not speaks()


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ('"http://one:8080"', '"http://one:8080", "HTTPS://two:8080"'),
        ("[sinks.logstash]", '[sinks.mqtt]\nurl = "mqtt://broker"\n[sinks.logstash]'),
        ('listen = ""', 'listen = "127.0.0.1:8600"'),
        ("[sinks.logstash]", f"{CHIP}[sinks.logstash]"),
    ],
)
def test_a_station_with_what_imports_it_may_speak_tls(theirs: str, ours: str) -> None:
    """An https url, a broker, the panel, and drivers of other people's."""
    assert speaks(theirs, ours)
