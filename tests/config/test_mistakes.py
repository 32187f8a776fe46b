from collections.abc import Callable
from pathlib import Path

import pytest

from weatherd.config import parse
from weatherd.errors import ConfigError

MistakesOf = Callable[[str], list[tuple[int, str, str]]]

# What a table needs besides the line under test, which comes first.
BESIDE = {
    "[station]": 'id = "s"',
    "[i2c]": "",
    "[bmp280]": 'name = "x"\ndriver = "bmp280"',
    "[htu21d]": 'name = "x"\ndriver = "htu21d"',
    "[bmp180]": 'name = "x"\ndriver = "bmp180"',
    "[bh1750]": 'name = "x"\ndriver = "bh1750"',
    "[circuitpython]": (
        'name = "x"\ndriver = "circuitpython"\nclass = "a.B"\nquantities = { air_temperature = "temperature" }'
    ),
    "[jsonlines]": 'name = "x"\ndriver = "jsonlines"\nlisten = "localhost:1"\nquantities = { air_temperature = "t" }',
    "[queue]": "",
    "[journal]": "",
    "[sinks.logstash]": 'urls = ["http://a", "https://b"]',
    "[sinks.mqtt]": 'url = "mqtts://broker.local"',
    "[clock]": "",
    "[log]": "",
    "[derive]": "",
    "": "",
}

# Table, line in it, end of the key (if it is not the line's own), and what the message must say.
MISTAKES = [
    ("[station]", 'id = "Porto Alegre"', "", 'found "Porto Alegre"; allowed is 1 to 64 characters out of a-z, 0-9'),
    ("[station]", 'id = "s\\n"', "", 'found "s\\n"'),
    ("[station]", 'id = ""', "", 'found ""'),
    ("[station]", "id = 7", "", "found 7"),
    ("[station]", "name = false", "", "found false; allowed is a text"),
    ("[station]", f'name = "{"x" * 257}"', "", "allowed is a text of at most 256 characters"),
    ("[station]", "elevation_m = 9001", "", "found 9001; allowed is a number from -500 to 9000"),
    ("[station]", "elevation_m = true", "", "found true; allowed is a number"),
    ("[station]", "elevation_m = nan", "", "found nan"),
    ("[station]", "elevation_m = -inf", "", "found -inf"),
    ("[station]", "elevation_m = 0x" + "f" * 300, "", "found a number beyond 64 bits"),
    ("[station]", "elevation_m = 2026-01-01", "", "found the date or time 2026-01-01"),
    ("[station]", "latitude = 3", "", "goes only together with longitude"),
    ("[station]", "longitude = 3", "", "goes only together with latitude"),
    ("[station]", "latitude = 90.1\nlongitude = 0", "latitude", "from -90 to 90"),
    ("[station]", "elevation = 3", "", 'unknown key; did you mean "elevation_m"?'),
    ("[station]", "zzz = 3", "", "unknown key; known are id, name, latitude, longitude and elevation_m"),
    ("[i2c]", "bus = -1", "", 'found -1; allowed is a whole number from 0 to 255 or "simulated"'),
    ("[i2c]", "bus = 1.0", "", "found 1.0"),
    ("[i2c]", "bus = true", "", "found true"),
    ("[i2c]", 'bus = "/dev/i2c-1"', "", 'found "/dev/i2c-1"'),
    ("[i2c]", "bus = 0x" + "f" * 5000, "", "found a number beyond 64 bits"),
    ("[bmp280]", "address = 0x40", "", "found 0x40; allowed is 0x76 or 0x77"),
    ("[bmp280]", "address = 77", "", "found 77 without 0x before it; allowed is 0x76 or 0x77"),
    ("[bmp280]", "address = 119.0", "", "found 119.0; allowed is 0x76 or 0x77"),
    ("[bmp280]", 'address = "0x76"', "", 'found "0x76"; allowed is 0x76 or 0x77'),
    ("[bmp280]", "adress = 0x76", "", 'unknown key; did you mean "address"?'),
    ("[bmp280]", "sample_period_s = 0.05", "", "from 0.1 to 3600"),
    ("[bmp280]", "report_period_s = 0", "", "found 0; allowed is a number above 0 and up to 86400"),
    ("[bmp280]", "report_period_s = 86401", "", "above 0 and up to 86400"),
    ("[bmp280]", "report_period_s = 10.5", "", "found 10.5; allowed is a whole multiple of sample_period_s = 1.0"),
    ("[bmp280]", "report_period_s = 0.5", "", "whole multiple"),
    ("[bmp280]", "report_period_s = 1e-9", "", "whole multiple"),
    ("[bmp280]", "sample_period_s = 3", "report_period_s", "whole multiple of sample_period_s = 3.0"),
    ("[bmp280]", "calibration = { relative_humidity = {} }", "calibration.relative_humidity", "unknown key"),
    ("[bmp280]", "calibration = { air_pressure = 1 }", "calibration.air_pressure", "found 1; allowed is a table"),
    ("[bmp280]", "calibration.air_pressure.slope = 0", "", "found 0; allowed is a number above 0"),
    ("[bmp280]", "calibration.air_pressure.offst = 0", "", 'did you mean "offset"?'),
    ("[bmp280]", "calibration.air_pressure.points = [[1, 2]]", "", "found 1 of them; allowed is a list of 2 to 100"),
    (
        "[bmp280]",
        "calibration.air_pressure.points = [[1, 2], [3]]",
        "calibration.air_pressure.points[1]",
        "two numbers",
    ),
    (
        "[bmp280]",
        "calibration.air_pressure.points = [[1, 2], [1, 3]]",
        "calibration.air_pressure.points[1]",
        "found 1.0 as its measured value; allowed is more than 1.0",
    ),
    (
        "[bmp280]",
        "calibration.air_pressure.points = [[1, 2], [2, 1]]",
        "calibration.air_pressure.points[1]",
        "found 1.0 as its true value; allowed is more than 2.0",
    ),
    (
        "[bmp280]",
        "calibration.air_pressure = { slope = 2, points = [[1, 2], [2, 3]] }",
        "calibration.air_pressure.points",
        "does not go together with slope",
    ),
    ("[bmp280]", 'calibration.air_pressure.date = "May"', "", 'found "May"; allowed is a date such as 2026-05-01'),
    ("[bmp280]", "cpu_heat = 2.1", "", "found 2.1; allowed is a number from 0 to 2"),
    ("[derive]", 'pressure = "barometer"', "", 'there is no sensor "barometer"; known is b'),
    ("[derive]", 'humidity = "b"', "", '"b" does not yield relative_humidity, but air_pressure and air_temperature'),
    ("[derive]", 'wind = "b"\ntemperature = "b"', "wind", '"b" does not yield wind_speed'),
    ("", "[logstash]", "logstash", 'unknown key; did you mean "sinks.logstash"?'),
    ("[derive]", 'wind_direction = "b"', "", '"b" does not yield wind_from_direction, but air_pressure'),
    ("[derive]", 'rain = "b"', "", "unknown key; known are temperature, humidity, pressure, wind and wind_direction"),
    ("[bmp280]", "limits = { relative_humidity = {} }", "limits.relative_humidity", "unknown key"),
    ("[bmp280]", "limits.air_pressure.min = 499", "", "found 499.0; allowed is a number from 500 to 1100"),
    ("[bmp280]", "limits.air_pressure.max = 1101", "", "found 1101.0; allowed is a number from 500 to 1100"),
    ("[bmp280]", "limits.air_temperature.max = -90", "", "found -90.0; allowed is a number from -80 to 60"),
    ("[bmp280]", "limits.air_temperature.min = 60", "", "min must be less than max, which are 60.0 and 60"),
    ("[bmp280]", "limits.air_pressure.step = 2.1", "", "found 2.1; allowed is false or a number above 0 and up to 2"),
    ("[bmp280]", "limits.air_pressure.step = 0", "", "found 0; allowed is a number above 0 or false"),
    ("[bmp280]", "limits.air_pressure.step = true", "", "found true; allowed is a number above 0 or false"),
    ("[bmp280]", "limits.air_pressure.step_doubtful = 0.6", "", "found 0.6; allowed is false or a number above 0 and"),
    ("[bmp280]", "limits.air_temperature.step_doubtful = 4", "", "found 4.0; allowed is false or a number above 0 and"),
    ("[bmp280]", "limits.air_temperature.least_change = 0.01", "", "allowed is false or a number of at least 0.1"),
    ("[bmp280]", "limits.air_temperature.stepp = 1", "", 'did you mean "step"?'),
    ("[bmp280]", "limits = { air_pressure = 3 }", "limits.air_pressure", "found 3; allowed is a table"),
    ("[bmp280]", 'listen = "localhost:1"', "", "unknown key"),
    ("[htu21d]", "address = 0x77", "", "found 0x77; allowed is 0x40"),
    ("[htu21d]", "calibration = { air_pressure = {} }", "calibration.air_pressure", "unknown key"),
    ("[bmp180]", "address = 0x76", "", "found 0x76; allowed is 0x77"),
    ("[bmp180]", "oversampling = 3", "", 'found 3; allowed is "ultra_low_power", "standard", "high_resolution" or "ul'),
    ("[bmp180]", "report_period_s = 1.5", "", "whole multiple"),
    ("[bh1750]", "address = 0x24", "", "found 0x24; allowed is 0x23 or 0x5c"),
    ("[bh1750]", "sample_period_s = 0.5", "", "found 0.5; allowed is a number from 1 to 3600"),
    ("[bh1750]", "report_period_s = 1.5", "", "whole multiple"),
    ("[bh1750]", "calibration = { air_pressure = {} }", "calibration.air_pressure", "unknown key"),
    (
        "[circuitpython]",
        'class = "SHT4x"',
        "",
        'found "SHT4x"; allowed is a module and a class in it, such as "adafrui',
    ),
    (
        "[circuitpython]",
        'quantities = { illuminance = "lux" }\ncpu_heat = 0.3',
        "cpu_heat",
        "goes only together with air_temperature",
    ),
    ("[circuitpython]", 'class = "a.b-c"', "", "a module and a class in it"),
    ("[circuitpython]", 'class = "os.system; rm"', "", "a module and a class in it"),
    ("[circuitpython]", "quantities = {}", "", "found an empty table; allowed is a table of at least one quantity and"),
    ("[circuitpython]", 'quantities = { temprature = "t" }', "quantities.temprature", "unknown key"),
    ("[circuitpython]", 'quantities = { illuminance = "a b" }', "quantities.illuminance", "the name of an attribute"),
    (
        "[circuitpython]",
        'quantities = { air_pressure = { attribute = "p", unit = "bar" } }',
        "quantities.air_pressure.unit",
        '"hPa", "Pa"',
    ),
    (
        "[circuitpython]",
        'quantities = { air_pressure = { attribute = "p", unit = 1 } }',
        "quantities.air_pressure.unit",
        "found 1",
    ),
    (
        "[circuitpython]",
        "arguments = { gain = [1] }",
        "arguments.gain",
        "found a list of 1; allowed is a text, a whole num",
    ),
    ("[circuitpython]", "address = 0x78", "", "found 120; allowed is a whole number from 0x8 to 0x77"),
    (
        "[circuitpython]",
        "address = 0x40\narguments = { address = 1 }",
        "arguments.address",
        "is given already: address",
    ),
    ("[circuitpython]", "deadline_s = 61", "", "found 61; allowed is a number from 0.1 to 60"),
    ("[circuitpython]", "report_period_s = 1.5", "", "whole multiple"),
    ("[circuitpython]", "calibration = { air_pressure = {} }", "calibration.air_pressure", "sensor: air_temperature"),
    ("[jsonlines]", 'command = ["rtl_433"]', "listen", "does not go together with command"),
    ("[jsonlines]", "report_period_s = 0.5", "", "found 0.5; allowed is 0 or from 1 to 86400"),
    ("[jsonlines]", "report_period_s = -1", "", "found -1; allowed is 0 or from 1 to 86400"),
    ("[jsonlines]", "repeat_window_s = 3601", "", "from 0 to 3600"),
    ("[jsonlines]", 'time_zone = "Mars"', "", 'found "Mars"; allowed is an IANA time zone'),
    ("[jsonlines]", 'observed_at = ""', "", 'found ""; allowed is the name of a field'),
    ("[jsonlines]", 'labels = "channel"', "", 'found "channel"; allowed is a list of at most 16 field names'),
    ("[jsonlines]", f"labels = {[f'l{n}' for n in range(17)]}", "", "found a list of 17"),
    ("[jsonlines]", 'labels = ["a", "b", "a"]', "labels[2]", "the same as labels[0]"),
    ("[jsonlines]", 'labels = ["a", 2]', "labels[1]", "found 2; allowed is the name of a field"),
    ("[jsonlines]", 'labels = ["a\\u0000"]', "labels[0]", "allowed is the name of a field"),
    ("[jsonlines]", f'labels = ["{"a" * 257}"]', "labels[0]", "allowed is the name of a field"),
    ("[jsonlines]", "match = { a = [1] }", "match.a", "found a list of 1"),
    ("[jsonlines]", "match = { a = nan }", "match.a", "found nan"),
    ("[jsonlines]", 'match = { "" = 1 }', 'match.""', "allowed is the name of a field"),
    ("[jsonlines]", "match = 3", "", "found 3; allowed is a table"),
    ("[jsonlines]", "calibration = { illuminance = {} }", "calibration.illuminance", "sensor: air_temperature"),
    ("[jsonlines]", "calibration = { illuminence = {} }", "calibration.illuminence", 'did you mean "illuminance"?'),
    ("[jsonlines]", "limits = { illuminance = {} }", "limits.illuminance", "of this sensor: air_temperature"),
    ("[jsonlines]", "limits = { illuminence = {} }", "limits.illuminence", 'did you mean "illuminance"?'),
    ("[queue]", "size_max = 9", "", "found 9; allowed is a whole number from 10 to 100000"),
    ("[queue]", "size_max = 1000.0", "", "found 1000.0"),
    ("[journal]", 'path = ""', "", 'found ""; allowed is a path'),
    ("[journal]", "path = 3", "", "found 3; allowed is a path"),
    ("[journal]", "size_max = 256", "", 'found 256; allowed is a number, a space and a unit, such as "256 MB" (kB'),
    (
        "[journal]",
        'size_max = "256 XB"',
        "",
        'found "256 XB"; allowed is a number, a space and a unit, such as "256 MB" (kB',
    ),
    ("[journal]", 'size_max = "999 kB"', "", "from 1 MB to 1000 GB"),
    ("[journal]", 'retention = "1 month"', "", 'such as "30 d" (s, min, h, d) from 0 s to 3650 d'),
    ("[journal]", 'retention_s = "1 d"', "", 'did you mean "retention"?'),
    ("[journal]", "commit_period_s = 0", "", "from 0.1 to 60"),
    ("[journal]", 'when_full = "stop"', "", 'found "stop"; allowed is "thin", "drop_oldest" or "block"'),
    ("[journal]", "history_period_s = 0.5", "", "found 0.5; allowed is a number from 1 to 86400"),
    ("[clock]", "hold_max_s = -1", "", "found -1; allowed is a number from 0 to 86400"),
    ("[sinks.logstash]", "batch_size_max = 10001", "", "from 1 to 10000"),
    ("[sinks.logstash]", "linger_s = 61", "", "from 0 to 60"),
    ("[sinks.logstash]", "timeout_s = 0.5", "", "from 1 to 600"),
    ("[sinks.logstash]", 'compression = "zstd"', "", 'allowed is "gzip" or "none"'),
    ("[sinks.logstash]", "in_flight_max = 9", "", "from 1 to 8"),
    ("[sinks.logstash]", "delay_s_max = 0", "", "from 1 to 3600"),
    ("[sinks.logstash]", 'username = "weatherd"', "", "goes only together with password_file"),
    ("[sinks.logstash]", 'password = "secret"', "", 'did you mean "password_file"?'),
    ("[sinks.logstash]", 'tls = { ca_file = "ca.pem" }', "tls.ca_file", "there is no file"),
    ("[log]", 'level = "INFO"', "", 'found "INFO"; allowed is "debug", "info", "warning" or "error"'),
    ("", "[sink.logstash]", "sink", 'did you mean "sinks"?'),
    ("", "[sinks.logstsh]", "sinks.logstsh", 'did you mean "logstash"?'),
    ("", "[sinks.mqtt]", "sinks.mqtt.url", "missing; needed is an mqtt, mqtts, ws or wss URL"),
    ("", "[sinks.mqqt]", "sinks.mqqt", 'did you mean "mqtt"?'),
    ("", '[sinks.mqtt]\nurl = "http://a"', "sinks.mqtt.url", "allowed is an mqtt, mqtts, ws or wss URL"),
    ("", '[sinks.mqtt]\nurl = "broker.local:1883"', "sinks.mqtt.url", "allowed is an mqtt, mqtts, ws or wss URL"),
    ("", '[sinks.mqtt]\nurl = "mqtt://a:0"', "sinks.mqtt.url", "allowed is an mqtt"),
    ("", '[sinks.mqtt]\nurl = "mqtt://u:secret@a"', "sinks.mqtt.url", "use username and password_file"),
    ("", '[sinks.mqtt]\nurl = "mqtt://a/weather"', "sinks.mqtt.url", "has no path; topics stand in topic"),
    ("[sinks.mqtt]", 'topic = "weatherd/#"', "", "without wildcards"),
    ("[sinks.mqtt]", 'topic = "weatherd/{sensor}"', "", "without wildcards"),
    ("[sinks.mqtt]", 'topic = "/weatherd"', "", "empty levels"),
    ("[sinks.mqtt]", 'topic = "$SYS/weatherd"', "", 'found "$SYS/weatherd"'),
    ("[sinks.mqtt]", f'topic = "{"x" * 201}"', "", "at most 200 bytes"),
    ("[sinks.mqtt]", 'discovery_prefix = "home+assistant"', "", 'such as "homeassistant", without wildcards'),
    ("[sinks.mqtt]", 'discovery_prefix = "{station}"', "", 'such as "homeassistant"'),
    ("[sinks.mqtt]", 'topic = "homeassistant"', "", "has to differ from discovery_prefix"),
    ("[sinks.mqtt]", 'discovery_prefix = "a b"', "", "without wildcards, spaces"),
    ("[sinks.mqtt]", 'protocol = "3.1"', "", 'allowed is "5" or "3.1.1"'),
    (
        "[sinks.mqtt]",
        'protocol = "3.1.1"\nsession_expiry_s = 9',
        "session_expiry_s",
        'only together with protocol = "5"',
    ),
    (
        "[sinks.mqtt]",
        'protocol = "3.1.1"\nmessage_expiry_s = 9',
        "message_expiry_s",
        'only together with protocol = "5"',
    ),
    ("[sinks.mqtt]", "session_expiry_s = 86401", "", "from 0 to 86400"),
    ("[sinks.mqtt]", "message_expiry_s = 0", "", "from 1 to 86400"),
    ("[sinks.mqtt]", "keep_alive_s = 4", "", "from 5 to 3600"),
    ("[sinks.mqtt]", "delay_s_max = 0", "", "from 1 to 3600"),
    ("[sinks.mqtt]", "timeout_s = 61", "", "from 1 to 60"),
    ("[sinks.mqtt]", "backlog = 1", "", "allowed is true or false"),
    ("[sinks.mqtt]", 'username = "u"', "", "goes only together with password_file"),
    ("[sinks.mqtt]", 'password = "secret"', "", 'did you mean "password_file"?'),
    ("[sinks.mqtt]", 'url = "mqtt://a"\ntls = {}', "tls", "goes only together with an mqtts or wss URL"),
    ("[sinks.mqtt]", 'tls = { ca_file = "ca.pem" }', "tls.ca_file", "there is no file"),
    ("", "[[queue]]", "queue", "found a list of 1; allowed is a table"),
]


def whole(table: str, lines: str) -> tuple[int, str]:
    """Return the line at which the lines under test stand, and a text that has nothing wrong but perhaps them."""
    driver = "driver = " in BESIDE[table]
    before = [] if table == "[station]" else ["[station]", 'id = "s"']
    before += [] if driver else ["[[sensors]]", 'name = "b"', 'driver = "bmp280"']
    before.append("[[sensors]]" if driver else table)
    own = {line.partition(" = ")[0] for line in lines.splitlines()}
    beside = [line for line in BESIDE[table].splitlines() if line.partition(" = ")[0] not in own]
    return len(before) + 1, "\n".join([*before, lines, *beside])


@pytest.mark.parametrize(("table", "line", "key", "message"), MISTAKES)
def test_a_mistake_is_told_with_its_line_and_key(
    table: str, line: str, key: str, message: str, mistakes_of: MistakesOf
) -> None:
    """One wrong line is one mistake, at its key; what was found and what is allowed stand in it."""
    number, text = whole(table, line)
    ((found_line, found_key, found),) = mistakes_of(text)
    where = "sensors[0]" if "[[sensors]]\n" + line in text else table.strip("[]")
    assert found_key == ".".join(part for part in (where, key or line.partition(" = ")[0]) if part)
    assert message in found
    if not key:
        assert found_line == number


LIMITS = [
    ("[station]", f'id = "{"a-9" * 21}z"'),
    ("[station]", f'name = "{"x" * 256}"\nlatitude = 90\nlongitude = -180\nelevation_m = 9000'),
    ("[i2c]", "bus = 0"),
    ("[i2c]", "bus = 255"),
    ("[bmp280]", "sample_period_s = 0.1\nreport_period_s = 0.3"),
    ("[bmp280]", "sample_period_s = 3600\nreport_period_s = 86400"),
    ("[jsonlines]", f"labels = {[f'l{n}' for n in range(16)]}"),
    ("[jsonlines]", "report_period_s = 0\nrepeat_window_s = 3600"),
    ("[jsonlines]", "report_period_s = 1\nrepeat_window_s = 0"),
    ("[bmp280]", "calibration.air_pressure.points = [[1, 2], [2, 3.5]]\ncpu_heat = 2"),
    ("[derive]", 'temperature = "b"\npressure = "b"'),
    ("[queue]", "size_max = 10"),
    ("[queue]", "size_max = 100_000"),
    ("[journal]", 'size_max = "1 MB"\nretention = "0 s"\ncommit_period_s = 0.1'),
    ("[journal]", 'size_max = "1000 GB"\nretention = "3650 d"\ncommit_period_s = 60'),
    ("[sinks.logstash]", "batch_size_max = 1\nlinger_s = 0\ntimeout_s = 1\nin_flight_max = 1\ndelay_s_max = 1"),
    (
        "[sinks.logstash]",
        "batch_size_max = 10000\nlinger_s = 60\ntimeout_s = 600\nin_flight_max = 8\ndelay_s_max = 3600",
    ),
]


@pytest.mark.parametrize(("table", "lines"), LIMITS)
def test_a_limit_itself_is_allowed(table: str, lines: str, mistakes_of: MistakesOf) -> None:
    """Both ends of every range belong to it."""
    _, text = whole(table, lines)
    assert mistakes_of(text) == []


def test_a_wind_needs_a_temperature_to_chill(mistakes_of: MistakesOf) -> None:
    """A sensor that yields wind may speak for the station, but not alone."""
    text = """\
[station]
id = "s"
[[sensors]]
name = "mast"
driver = "jsonlines"
listen = "localhost:1"
quantities = { wind_speed = "v", air_temperature = "t" }
[derive]
wind = "mast"
"""
    assert mistakes_of(text) == [(9, "derive.wind", "goes only together with temperature")]
    assert mistakes_of(text + 'temperature = "mast"\n') == []


MAPPED = [
    ('air_temprature = "t"', "air_temprature", 'unknown key; did you mean "air_temperature"?'),
    ('humidity = "h"', "humidity", 'unknown key; did you mean "relative_humidity"?'),
    ('temperature = "t"', "temperature", 'unknown key; did you mean "air_temperature"?'),
    ('air_temperature = ""', "air_temperature", 'found ""; allowed is a table or the name of a field'),
    ("air_temperature = 3", "air_temperature", "found 3; allowed is a table or the name of a field"),
    ("air_temperature = {}", "air_temperature.field", "missing; needed is the name of a field"),
    ('air_temperature = { field = "t", unit = "F" }', "air_temperature.unit", 'allowed is "degC", "degF" or "K"'),
    ('wind_speed = { field = "t", unit = "mph" }', "wind_speed.unit", '"m/s", "km/h", "mi/h" or "kt"'),
    ('illuminance = { field = "t", unit = "degF" }', "illuminance.unit", 'found "degF"; allowed is "lx"'),
    ('air_pressure = { field = "t", counter = true }', "air_pressure.counter", "true only for rainfall_amount"),
    ('rainfall_amount = { field = "t", counter_max = 9 }', "rainfall_amount.counter_max", "together with counter"),
    (
        'rainfall_amount = { field = "t", counter = true, counter_max = 0 }',
        "rainfall_amount.counter_max",
        "found 0; allowed is a number above 0",
    ),
    ("", "", "found an empty table; allowed is a table of at least one quantity and its field"),
]


@pytest.mark.parametrize(("quantities", "key", "message"), MAPPED)
def test_a_mistake_in_a_mapping_is_told(quantities: str, key: str, message: str, mistakes_of: MistakesOf) -> None:
    """Quantities, their fields, units and counters are checked against each other."""
    text = f"""\
[station]
id = "s"
[[sensors]]
name = "x"
driver = "jsonlines"
listen = "localhost:1"
quantities = {{ {quantities} }}
"""
    ((line, found_key, found),) = mistakes_of(text)
    assert line == 7
    assert found_key == ".".join(part for part in ("sensors[0].quantities", key) if part)
    assert message in found


MANY = "".join(
    f'[[sensors]]\nname = "s{n}"\ndriver = "jsonlines"\nlisten = "/s"\nquantities.illuminance = "l"\n'
    for n in range(201)
)


@pytest.mark.parametrize(
    ("sensors", "key", "message"),
    [
        ("", "sensors", "no sensors; add a table [[sensors]]"),
        ("sensors = []", "sensors", "no sensors"),
        ("[sensors]\nname = 3", "sensors", "found a table; allowed is a list of at most 200 tables, each under [[sens"),
        ("sensors = 3", "sensors", "found 3"),
        ("sensors = [3]", "sensors[0]", "found 3; allowed is a table"),
        ('[[sensors]]\nname = "b"', "sensors[0].driver", 'missing; needed is "bmp280", "htu21d", "bmp180"'),
        ('[[sensors]]\nname = "b"\ndriver = "bmp208"', "sensors[0].driver", 'found "bmp208"; allowed is "bmp280"'),
        (
            '[[sensors]]\nname = "b"\ndriver = "BME280"',
            "sensors[0].driver",
            'or "jsonlines"; "BME280" is read by "circuitpython", with class = "adafruit_bme280.basic.Adafruit_BME28',
        ),
        ('[[sensors]]\nname = "b"\ndriver = "si7021"', "sensors[0].driver", '"si7021" is read as an "htu21d"'),
        ('[[sensors]]\nname = "b"\ndriver = ["bmp280"]', "sensors[0].driver", "found a list of 1"),
        ('[[sensors]]\nname = "B"\ndriver = "bmp280"', "sensors[0].name", 'found "B"; allowed is 1 to 64 characters'),
        ('[[sensors]]\ndriver = "bmp280"', "sensors[0].name", "missing"),
        (
            '[[sensors]]\nname = "g"\ndriver = "jsonlines"\nquantities = { illuminance = "l" }',
            "sensors[0]",
            "needs a command to start or an address to listen at",
        ),
        (
            '[[sensors]]\nname = "g"\ndriver = "jsonlines"\nlisten = "/s"',
            "sensors[0].quantities",
            "missing; needed is a table of at least one quantity and its field",
        ),
        (
            '[[sensors]]\nname = "g"\ndriver = "jsonlines"\ncommand = "rtl_433"\nquantities = { illuminance = "l" }',
            "sensors[0].command",
            'found "rtl_433"; allowed is a list of texts: a program and its arguments',
        ),
        (
            '[[sensors]]\nname = "g"\ndriver = "jsonlines"\ncommand = []\nquantities = { illuminance = "l" }',
            "sensors[0].command",
            "found an empty list",
        ),
        (
            '[[sensors]]\nname = "g"\ndriver = "jsonlines"\ncommand = ["a\\u0000"]\nquantities = { illuminance = "l" }',
            "sensors[0].command[0]",
            "allowed is a text without a zero character",
        ),
        (
            '[[sensors]]\nname = "g"\ndriver = "jsonlines"\nlisten = "0.0.0.0:1"\nquantities = { illuminance = "l" }',
            "sensors[0].listen",
            "only loopback hosts",
        ),
        (
            '[[sensors]]\nname = "b"\ndriver = "bmp280"\n[[sensors]]\nname = "b"\ndriver = "htu21d"',
            "sensors[1].name",
            '"b" is already the name of sensors[0]',
        ),
        (
            '[[sensors]]\nname = "b"\ndriver = "bmp280"\n[[sensors]]\nname = "c"\ndriver = "bmp280"',
            "sensors[1].address",
            "0x77 is already the address of sensors[0]",
        ),
        (
            """[[sensors]]\nname = "r"\ndriver = "rain_gauge"\nline = 17
[[sensors]]\nname = "w"\ndriver = "anemometer"\nline = 17""",
            "sensors[1].line",
            "17 is already the line of sensors[0], and each contact needs its own",
        ),
        ('[[sensors]]\nname = "r"\ndriver = "rain_gauge"', "sensors[0].line", "needed is a whole number from 0 to 63"),
        (
            '[[sensors]]\nname = "r"\ndriver = "rain_gauge"\nline = 17\nmm_per_tip = 0',
            "sensors[0].mm_per_tip",
            "found 0; allowed is a number from 0.01 to 10",
        ),
        (
            '[[sensors]]\nname = "r"\ndriver = "rain_gauge"\nline = 17\ndebounce_ms = -1',
            "sensors[0].debounce_ms",
            "found -1; allowed is a number from 0 to 1000",
        ),
        (
            '[[sensors]]\nname = "r"\ndriver = "rain_gauge"\nline = 17\ntime_zone = "Mars/Olympus"',
            "sensors[0].time_zone",
            'found "Mars/Olympus"; allowed is an IANA time zone',
        ),
        (
            '[[sensors]]\nname = "v"\ndriver = "wind_vane"\nposition_ohms = [1, 2, 3]',
            "sensors[0].position_ohms",
            "found a list of 3; allowed is a list of 4 to 64 resistances in ohm, from north clockwise",
        ),
        (
            '[[sensors]]\nname = "v"\ndriver = "wind_vane"\nposition_ohms = [1, 2, 3, 2.0]',
            "sensors[0].position_ohms[3]",
            "the same as position_ohms[1]",
        ),
        (
            '[[sensors]]\nname = "v"\ndriver = "wind_vane"\nsample_period_s = 3',
            "sensors[0].report_period_s",
            "allowed is a whole multiple of sample_period_s",
        ),
        (MANY, "sensors", "found a list of 201; allowed is a list of at most 200 tables"),
    ],
    ids=lambda value: value[:40],
)
def test_a_mistake_of_a_sensor_is_told(sensors: str, key: str, message: str, mistakes_of: MistakesOf) -> None:
    """Sensors have a driver that is known, and neither name nor address of another."""
    text = f'{sensors}\n[station]\nid = "s"' if sensors.startswith("sensors") else f'[station]\nid = "s"\n{sensors}'
    ((_, found_key, found),) = mistakes_of(text)
    assert found_key == key
    assert message in found


ONE_SENSOR = '[[sensors]]\nname = "r"\ndriver = "rain_gauge"\nline = 17\n'


@pytest.mark.parametrize("chip", ["gpiochip0", "simulated:", "simulated:sock", "simulate", ""])
def test_a_gpio_chip_is_a_path_or_simulated(chip: str, mistakes_of: MistakesOf) -> None:
    """What is neither an absolute path nor simulated is told with what is allowed."""
    ((line, key, message),) = mistakes_of(f'[station]\nid = "s"\n[gpio]\nchip = "{chip}"\n{ONE_SENSOR}')
    assert (line, key) == (4, "gpio.chip")
    assert message.startswith(f'found "{chip}"; allowed is "/dev/gpiochip0" or another absolute path, "simulated" or')


@pytest.mark.parametrize("chip", ["/dev/gpiochip4", "simulated", "simulated:/run/weatherd/contacts"])
def test_a_gpio_chip_is_taken_as_it_is_written(chip: str, mistakes_of: MistakesOf) -> None:
    """A real chip, a simulated one, and one that can be pulsed from outside are all right."""
    assert mistakes_of(f'[station]\nid = "s"\n[gpio]\nchip = "{chip}"\n{ONE_SENSOR}') == []


def test_a_misspelt_quantity_is_not_told_twice(mistakes_of: MistakesOf) -> None:
    """A calibration of the quantity that was meant is no mistake of its own."""
    ((line, key, _),) = mistakes_of(
        '[station]\nid = "s"\n[[sensors]]\nname = "g"\ndriver = "jsonlines"\nlisten = "/s"\n'
        'quantities = { iluminance = "l", wind_speed = "w" }\ncalibration = { illuminance = { slope = 2 } }\n'
    )
    assert (line, key) == (7, "sensors[0].quantities.iluminance")


def test_equal_names_are_told_although_a_driver_is_unknown(mistakes_of: MistakesOf) -> None:
    """One mistake does not hide another: what is right in a wrong table still counts."""
    found = mistakes_of(
        '[station]\nid = "s"\n[[sensors]]\nname = "b"\ndriver = "x"\n[[sensors]]\nname = "b"\ndriver = "bmp280"\n'
        'address = 0\n[[sensors]]\nname = "c"\naddress = 0x77\ndriver = "bmp280"\nx = 1\n[[sensors]]\nname = "c"\n'
        'driver = "bmp280"\n'
    )
    assert [(line, key) for line, key, _ in found] == [
        (5, "sensors[0].driver"),
        (7, "sensors[1].name"),
        (9, "sensors[1].address"),
        (14, "sensors[2].x"),
        (15, "sensors[3].address"),
        (16, "sensors[3].name"),
    ]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("batch_size_max = 1", [("urls", "missing; needed is a list of 1 to 16 URLs")]),
        ("urls = []", [("urls", "found an empty list; allowed is a list of 1 to 16 URLs")]),
        ('urls = "http://a"', [("urls", 'found "http://a"; allowed is a list of 1 to 16 URLs')]),
        (f"urls = {[f'http://a{n}' for n in range(17)]}", [("urls", "found a list of 17")]),
        ('urls = ["logstash:8080"]', [("urls[0]", 'found "logstash:8080"; allowed is an http or https URL')]),
        ('urls = ["http://a", "HTTP://A:80/"]', [("urls[1]", "the same as urls[0]")]),
        ('urls = ["https://a/", "https://a:443"]', [("urls[1]", "the same as urls[0]")]),
        ('urls = ["http://a"]\ntls = {}', [("tls", "goes only together with an https URL")]),
        ('urls = ["http://a", 3]\ntls = {}', [("urls[1]", "found 3")]),
        (
            'urls = ["https://a"]\ntls = { key_file = "nope" }',
            [("tls.key_file", "goes only together with cert_file"), ("tls.key_file", "there is no file")],
        ),
        (
            'urls = ["http://a"]\npassword_file = "nope"',
            [("password_file", "together with username"), ("password_file", "there is no file")],
        ),
        (
            'urls = ["http://a"]\nusername = "u"\npassword_file = "empty"',
            [("password_file", "holds no password")],
        ),
        (
            'urls = ["http://a"]\nusername = "u"\npassword_file = "long"',
            [("username", "has with its password more than 1024 bytes")],
        ),
    ],
)
def test_a_mistake_of_logstash_is_told(
    lines: str, expected: list[tuple[str, str]], mistakes_of: MistakesOf, tmp_path: Path
) -> None:
    """URLs, certificates and credentials are checked together, before the first attempt is."""
    (tmp_path / "empty").touch()
    (tmp_path / "long").write_text("p" * 1024)
    found = mistakes_of(f'[station]\nid = "s"\n[[sensors]]\nname = "b"\ndriver = "bmp280"\n[sinks.logstash]\n{lines}\n')
    assert len(found) == len(expected)
    for (_, key, message), (expected_key, expected_message) in zip(found, expected, strict=True):
        assert key == f"sinks.logstash.{expected_key}"
        assert expected_message in message


TEN = """\
[station]
id = "Porto Alegre"        # capitals and a space
latitude = -95.0           # beyond the pole
longitude = -51.23

[i2c]
bus = true                 # no number

[[sensors]]
name = "barometer"
driver = "bmp280"
adress = 0x76              # misspelt
calibration = { air_pressure = { offset = 0 } }

[[sensors]]
name = "barometer"         # a second time
driver = "htu21d"
sample_period_s = "1 s"    # no number

[[sensors]]
name = "roof"
driver = "rain"            # nobody knows it

[journal]
size_max = "256 XB"        # no unit
description = '''          # unknown
[journal]
size_max = 3
'''

[sinks.logstash]
urls = [
  "http://logstash:8080",
  "logstash",              # no URL
]
"""


def test_ten_mistakes_are_ten_with_their_lines(mistakes_of: MistakesOf) -> None:
    """All mistakes of a file are told at once, each on its line, and nothing else is."""
    found = mistakes_of(TEN)
    assert [(line, key) for line, key, _ in found] == [
        (2, "station.id"),
        (3, "station.latitude"),
        (7, "i2c.bus"),
        (12, "sensors[0].adress"),
        (16, "sensors[1].name"),
        (18, "sensors[1].sample_period_s"),
        (22, "sensors[2].driver"),
        (25, "journal.size_max"),
        (26, "journal.description"),
        (34, "sinks.logstash.urls[1]"),
    ]
    assert [line for line, _, _ in found] == [
        number for number, line in enumerate(TEN.splitlines(), start=1) if "  # " in line
    ]


def test_no_secret_is_ever_repeated(tmp_path: Path) -> None:
    """Wherever people put a password by mistake, the report does not show it."""
    (tmp_path / "two-lines").write_text("hunter2\nhunter2\n")
    with pytest.raises(ConfigError) as caught:
        parse(
            """
[station]
id = "s"
password = "hunter2"
[[sensors]]
name = "b"
driver = "bmp280"
[sinks.logstash]
urls = ["https://weatherd:hunter2@logstash", "weatherd:hunter2@logstash"]
username = "weatherd:hunter2"
password_file = "two-lines"
password = "hunter2"
compression = "https://weatherd:hunter2@logstash"
""",
            tmp_path,
        )
    assert len(caught.value.mistakes) == 6
    assert "hunter2" not in caught.value.report()
    assert "hunter2" not in repr(caught.value)
