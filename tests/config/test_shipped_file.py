"""``config/weatherd.toml`` is what people read: it must load, be whole and be true."""

import re
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.config.conftest import write_certificates
from weatherd import config
from weatherd.config import Config, JsonLines, load, parse
from weatherd.model import QUANTITIES
from weatherd.processing.limits import LIMITS, narrowed
from weatherd.processing.units import convertible

SHIPPED = Path(__file__).parents[2] / "config" / "weatherd.toml"

# Values that every station chooses for itself; the file shows examples.
EXAMPLES = {
    "Config": {"station", "sensors", "sinks", "derive", "panel", "infrared"},
    "Station": {"id", "latitude", "longitude", "elevation_m"},
    "Bmp280": {"name", "calibration", "limits", "address"},  # makes room for the BMP180, which has only one address
    "Htu21d": {"name", "calibration", "limits"},
    "Bmp180": {"name", "calibration", "limits"},
    "Bh1750": {"name", "calibration", "limits"},
    "CircuitPython": {"name", "class", "quantities", "arguments", "address", "calibration", "limits"},
    "Attribute": {"attribute", "unit"},
    "Installed": {"name", "driver", "options", "calibration", "limits"},
    "RainGauge": {"name", "line", "limits"},
    "Anemometer": {"name", "line", "limits"},
    "WindVane": {"name"},
    "InfraredReceiver": {"name"},
    "Infrared": {"commands"},
    "InfraredCommand": {"protocol", "scancode", "timings_us"},
    "JsonLines": {
        "name",
        "command",
        "listen",
        "quantities",
        "match",
        "observed_at",
        "labels",
        "calibration",
        "limits",
        "repeat_window_s",  # its default depends on others: a test of its own
    },
    "Calibration": {"points", "date", "note"},
    "Derive": {"temperature", "humidity", "pressure", "wind", "wind_direction"},
    "Limits": {"min", "max", "step", "step_doubtful", "least_change"},  # None: those of the standard
    "Mapped": {"field", "unit", "counter_max"},
    "Sinks": {"logstash", "mqtt"},
    "Mqtt": {"url", "username", "password_file", "tls"},
    "Logstash": {"urls", "username", "password_file", "tls"},
    "Tls": {"ca_file", "cert_file", "key_file"},
    "Panel": {"token_file", "tls"},
    "PanelTls": {"cert_file", "key_file"},
}

STRUCTS = [value for value in vars(config).values() if isinstance(value, type) and issubclass(value, msgspec.Struct)]


def everything_turned_on() -> str:
    return re.sub(r"(?m)^#(?=[^ \n])", "", SHIPPED.read_text())


@pytest.fixture
def whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """The shipped file with every key turned on, its files and packages in place and the URL as TLS needs it."""
    package = tmp_path / "acme-1.dist-info"
    package.mkdir()
    (package / "entry_points.txt").write_text("[weatherd.sensors]\nacme = acme:make\n")
    monkeypatch.syspath_prepend(tmp_path)
    write_certificates(tmp_path / "logstash-ca.pem", tmp_path / "station.pem", tmp_path / "station.key")
    write_certificates(tmp_path / "panel-ca.pem", tmp_path / "panel.pem", tmp_path / "panel.key")
    (tmp_path / "logstash-password").write_text("secret\n")
    (tmp_path / "mqtt-password").write_text("secret\n")
    shutil.copy(tmp_path / "logstash-ca.pem", tmp_path / "broker-ca.pem")
    (tmp_path / "panel-token").write_text("0123456789abcdef\n")
    text = everything_turned_on().replace("address = 0x77", "address = 0x76", 1)
    return parse(text.replace('["http://', '["https://').replace('"mqtt://', '"mqtts://'), tmp_path)


def pairs(value: Any, written: Any) -> Iterator[tuple[msgspec.Struct, Mapping[str, Any]]]:
    """Yield every struct with the TOML table that it was read from."""
    if isinstance(value, msgspec.Struct) and isinstance(written, dict):
        yield value, written
        for field in msgspec.structs.fields(value):
            if field.encode_name in written:
                yield from pairs(getattr(value, field.name), written[field.encode_name])
    elif isinstance(value, tuple) and isinstance(written, list):
        for item, table in zip(value, written, strict=True):
            yield from pairs(item, table)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from pairs(item, written[key])


def test_the_file_loads_as_it_is() -> None:
    """Who copies it without a change has a working station without any file beside it."""
    shipped = load(SHIPPED)
    assert [type(sensor).__name__ for sensor in shipped.sensors] == ["Bmp280", "Htu21d"]
    assert shipped.sensors[0] == config.Bmp280(name="barometer")
    assert shipped.i2c.bus == 1
    assert shipped.sinks.logstash is not None
    assert shipped.sinks.logstash.urls == ("http://logstash.local:8080",)


def test_every_key_is_spelled_out(whole: Config) -> None:
    """No key of the schema is missing from the file, turned on or off."""
    written: dict[str, set[str]] = {}
    for struct, table in pairs(whole, tomllib.loads(everything_turned_on())):
        written.setdefault(type(struct).__name__, set()).update(table)
    expected = {
        struct.__name__: {
            *(field.encode_name for field in msgspec.structs.fields(struct)),
            *filter(None, [struct.__struct_config__.tag_field]),
        }
        for struct in STRUCTS
    }
    assert written == expected


def test_every_value_is_the_default(whole: Config) -> None:
    """What the file says of a key is what happens without it."""
    document = tomllib.loads(everything_turned_on())
    assert document["sensors"].pop()["name"] == "roof"  # a worked example, different on purpose
    reference = msgspec.structs.replace(whole, sensors=whole.sensors[:-1])
    compared = [
        (type(struct).__name__, field, getattr(struct, field.name))
        for struct, table in pairs(reference, document)
        for field in msgspec.structs.fields(struct)
        if field.encode_name in table and field.encode_name not in EXAMPLES.get(type(struct).__name__, ())
    ]
    assert len(compared) >= 30
    for name, field, value in compared:
        assert value == field.default, (name, field.encode_name)


def test_an_example_is_no_default_in_disguise() -> None:
    """Each key that the tests treat as an example exists, so that none is left here by mistake."""
    by_name = {struct.__name__: struct for struct in STRUCTS}
    for name, keys in EXAMPLES.items():
        assert keys <= {field.encode_name for field in msgspec.structs.fields(by_name[name])}


def test_the_repeat_window_is_the_one_of_a_command(whole: Config) -> None:
    """The default that depends on others is true for the sensor it stands at."""
    (garden,) = (sensor for sensor in whole.sensors if sensor.name == "garden")
    assert isinstance(garden, JsonLines)
    assert garden.repeat_window_s == 3.0
    assert msgspec.structs.replace(garden, repeat_window_s=None).effective_repeat_window_s == 3.0


def test_every_quantity_and_unit_is_listed() -> None:
    """The table of quantities in the comments has every quantity, its unit and what converts into it."""
    rows = [re.split("  +", line) for line in SHIPPED.read_text().splitlines() if line.startswith("#     ")]
    listed = {row[1]: [row[2], *", ".join(row[3:]).split(", ")] for row in rows if row[1] in QUANTITIES}
    assert listed == {
        name: [*convertible(quantity.unit), *([] if convertible(quantity.unit)[1:] else [""])]
        for name, quantity in QUANTITIES.items()
    }


def test_no_line_is_wider_than_a_terminal_on_a_laptop() -> None:
    """People read this over ssh."""
    assert max(map(len, SHIPPED.read_text().splitlines())) <= 125


def test_the_limits_are_those_of_the_standard(whole: Config) -> None:
    """What the file shows of quality control is what happens without it."""
    shown = [(quantity, limits) for sensor in whole.sensors for quantity, limits in sensor.limits.items()]
    without = config.WindVane | config.InfraredReceiver
    assert len(shown) == sum(1 for sensor in whole.sensors if not isinstance(sensor, without)) - 1  # the roof
    for quantity, limits in shown:
        standard = LIMITS[quantity]
        assert narrowed(standard, msgspec.structs.asdict(limits)) == standard
