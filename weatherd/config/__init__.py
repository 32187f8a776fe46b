"""The configuration: TOML into typed, frozen structs, with every mistake told at once."""

from weatherd.config.kinds import Address
from weatherd.config.load import load, parse
from weatherd.config.schema import (
    Anemometer,
    Bmp280,
    Calibration,
    Clock,
    Config,
    Gpio,
    Htu21d,
    I2c,
    Journal,
    JsonLines,
    Log,
    Logstash,
    Mapped,
    Queue,
    RainGauge,
    Sensor,
    Sinks,
    Station,
    Tls,
    WindVane,
)
from weatherd.config.secrets import read_password

__all__ = [
    "Address",
    "Anemometer",
    "Bmp280",
    "Calibration",
    "Clock",
    "Config",
    "Gpio",
    "Htu21d",
    "I2c",
    "Journal",
    "JsonLines",
    "Log",
    "Logstash",
    "Mapped",
    "Queue",
    "RainGauge",
    "Sensor",
    "Sinks",
    "Station",
    "Tls",
    "WindVane",
    "load",
    "parse",
    "read_password",
]
