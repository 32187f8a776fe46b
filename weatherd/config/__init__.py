"""The configuration: TOML into typed, frozen structs, with every mistake told at once."""

from weatherd.config.kinds import Address
from weatherd.config.load import load, parse
from weatherd.config.schema import (
    Bmp280,
    Calibration,
    Clock,
    Config,
    Derive,
    Htu21d,
    I2c,
    Journal,
    JsonLines,
    Limits,
    Log,
    Logstash,
    Mapped,
    Queue,
    Sensor,
    Sinks,
    Station,
    Tls,
)
from weatherd.config.secrets import read_password

__all__ = [
    "Address",
    "Bmp280",
    "Calibration",
    "Clock",
    "Config",
    "Derive",
    "Htu21d",
    "I2c",
    "Journal",
    "JsonLines",
    "Limits",
    "Log",
    "Logstash",
    "Mapped",
    "Queue",
    "Sensor",
    "Sinks",
    "Station",
    "Tls",
    "load",
    "parse",
    "read_password",
]
