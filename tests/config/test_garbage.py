"""Whatever is in the file, the answer is a configuration or a `ConfigError`, never a traceback."""

import datetime as dt
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from weatherd import config
from weatherd.config import parse
from weatherd.errors import ConfigError

SHIPPED = (Path(__file__).parents[2] / "config" / "weatherd.toml").read_text()
NOWHERE = Path("/nowhere")


def check(text: str) -> Sequence[ConfigError.Mistake]:
    """Return the mistakes of a text, each of which must be whole."""
    error = None
    try:
        parse(text, NOWHERE)
    except ConfigError as raised:
        error = raised
    if error is None:
        return []
    assert error.mistakes
    assert error.hint
    for mistake in error.mistakes:
        assert 1 <= mistake.line <= text.count("\n") + 1
        assert mistake.message
        assert "\n" not in str(mistake)
    return error.mistakes


@given(st.text())
def test_any_text_is_answered(text: str) -> None:
    """Text that is hardly ever TOML is refused in words."""
    check(text)


@given(st.text(alphabet="ab.=\"'[]{},#\\ \n\r\t1-_:Tx+"))
def test_any_mixture_of_signs_is_answered(text: str) -> None:
    """Text out of the signs of TOML is refused in words, or is TOML."""
    check(text)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(cut=st.integers(0, len(SHIPPED)), length=st.integers(0, 40), inserted=st.text(max_size=10), on=st.booleans())
def test_a_damaged_file_is_answered(cut: int, length: int, inserted: str, on: bool) -> None:  # noqa: FBT001
    """A good file with a hole and a splinter in it is refused in words, or is still good."""
    text = SHIPPED.replace("\n#", "\n") if on else SHIPPED
    check(text[:cut] + inserted + text[cut + length :])


def quoted(text: str) -> str:
    """Return a TOML string: JSON's, but for DEL, which stands in JSON as it is and not in TOML."""
    return json.dumps(text).replace("\x7f", "\\u007f")


def toml(value: Any) -> str:
    match value:
        case dict():
            return f"{{{', '.join(f'{quoted(key)} = {toml(item)}' for key, item in value.items())}}}"
        case list():
            return f"[{', '.join(map(toml, value))}]"
        case dt.date() | dt.time():
            return value.isoformat()
        case str():
            return quoted(value)
        case bool():
            return json.dumps(value)
        case _:
            return repr(value)


TEXTS = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]))
WORDS = st.sampled_from(
    [
        "bmp280",
        "htu21d",
        "bmp180",
        "bh1750",
        "circuitpython",
        "adafruit_sht4x.SHT4x",
        "jsonlines",
        "s",
        "256 MB",
        "30 d",
        "http://a",
        "mqtt://a",
        "weatherd/{station}",
        "localhost:1",
        "/s",
        "degF",
        "UTC",
        "rtl_433",
    ]
)
VALUES = st.recursive(
    st.booleans() | st.integers() | st.floats() | TEXTS | WORDS | st.dates() | st.times(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["name", "field", "unit", "offset", "air_pressure", "air_temperature", "ca_file"]) | TEXTS,
            inner,
            max_size=4,
        )
    ),
    max_leaves=6,
)


def keys_of(*structs: type[msgspec.Struct]) -> st.SearchStrategy[str]:
    return st.sampled_from([field.encode_name for struct in structs for field in msgspec.structs.fields(struct)])


SENSORS = st.dictionaries(keys_of(config.Bmp280, config.JsonLines) | st.just("driver"), VALUES | WORDS, max_size=8)
TABLES = {
    "station": st.dictionaries(keys_of(config.Station), VALUES) | VALUES,
    "i2c": st.dictionaries(keys_of(config.I2c), VALUES) | VALUES,
    "sensors": st.lists(SENSORS, max_size=4) | VALUES,
    "queue": st.dictionaries(keys_of(config.Queue), VALUES) | VALUES,
    "journal": st.dictionaries(keys_of(config.Journal), VALUES | WORDS) | VALUES,
    "sinks": st.fixed_dictionaries(
        {"logstash": st.dictionaries(keys_of(config.Logstash), VALUES | WORDS)},
        optional={"mqtt": st.dictionaries(keys_of(config.Mqtt), VALUES | WORDS)},
    )
    | VALUES,
    "log": VALUES,
}


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@example({"log": "\x7f", "sinks": {"\x7f": {"\x7f": "\x7f"}}})
@given(st.fixed_dictionaries({}, optional=TABLES))
def test_any_value_at_any_key_is_answered(document: dict[str, Any]) -> None:
    """Known keys with values of any type, in tables and lists of any shape, are refused in words."""
    mistakes = check("\n".join(f"{key} = {toml(value)}" for key, value in document.items()))
    assert all(mistake.key for mistake in mistakes), "this test writes TOML"
