from pathlib import Path

import msgspec
import pytest

from tests.config.conftest import write_certificates
from weatherd.config import Address, Bmp280, Config, JsonLines, Mapped, load, parse
from weatherd.config.load import FILE_SIZE_MAX
from weatherd.errors import ConfigError
from weatherd.model import Station

SMALLEST = """
[station]
id = "s"
[[sensors]]
name = "b"
driver = "bmp280"
"""

GARDEN = """
[station]
id = "s"
[[sensors]]
name = "garden"
driver = "jsonlines"
quantities = { air_temperature = { field = "temperature_F", unit = "degF" }, illuminance = "lux" }
"""


def load_text(text: str | bytes, folder: Path) -> Config:
    path = folder / "weatherd.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(path)


def test_an_id_and_a_sensor_are_enough(tmp_path: Path) -> None:
    """Everything else has a default, and without a table for it there is no sink."""
    config = load_text(SMALLEST, tmp_path)
    assert isinstance(config.station, Station)
    assert config.station.id == "s"
    assert config.sensors == (Bmp280(name="b"),)
    assert config.sinks.logstash is None
    assert config == Config(station=config.station, sensors=(Bmp280(name="b"),))


def test_every_struct_is_frozen(tmp_path: Path) -> None:
    """Nobody changes the configuration of a running daemon."""
    config = load_text(SMALLEST, tmp_path)
    for struct in (config, config.station, config.i2c, config.sensors[0], config.journal, config.sinks, config.log):
        with pytest.raises(AttributeError):
            setattr(struct, msgspec.structs.fields(struct)[0].name, None)


def test_whole_numbers_are_fine_where_fractions_are_allowed(tmp_path: Path) -> None:
    """A period of 5 is 5.0, and a float all the same."""
    sensor = load_text(f"{SMALLEST}report_period_s = 5\n", tmp_path).sensors[0]
    assert sensor.report_period_s == 5.0
    assert isinstance(sensor.report_period_s, float)


def test_sizes_and_durations_have_their_unit(tmp_path: Path) -> None:
    """A size comes out in bytes, a duration in seconds."""
    journal = load_text(f'{SMALLEST}[journal]\nsize_max = "2 GiB"\nretention = "12 h"\n', tmp_path).journal
    assert (journal.size_max, journal.retention_s) == (2 * 2**30, 43_200.0)


def test_a_relative_journal_lies_beside_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the daemon was started does not matter, even if the configuration was named relatively."""
    monkeypatch.chdir(tmp_path)
    Path("weatherd.toml").write_text(f'{SMALLEST}[journal]\npath = "here.db"\n')
    assert load(Path("weatherd.toml")).journal.path == tmp_path / "here.db"


def test_the_simulated_bus_is_a_word(tmp_path: Path) -> None:
    """The bus is a number, or emulated."""
    assert load_text(f'{SMALLEST}[i2c]\nbus = "simulated"\n', tmp_path).i2c.bus == "simulated"


def test_a_field_may_be_named_short(tmp_path: Path) -> None:
    """A text instead of a table is the field alone."""
    (garden,) = load_text(f'{GARDEN}listen = "[::1]:7433"\n', tmp_path).sensors
    assert isinstance(garden, JsonLines)
    assert garden.quantities == {
        "air_temperature": Mapped(field="temperature_F", unit="degF"),
        "illuminance": Mapped(field="lux"),
    }
    assert garden.listen == Address("::1", 7433)


def test_a_mapped_quantity_knows_its_conversion(tmp_path: Path) -> None:
    """What the program sends becomes the quantity's unit; without a unit it stays."""
    (garden,) = load_text(f'{GARDEN}listen = "[::1]:7433"\n', tmp_path).sensors
    assert isinstance(garden, JsonLines)
    fahrenheit = garden.conversion("air_temperature")
    assert 212 * fahrenheit.slope + fahrenheit.offset == pytest.approx(100)
    assert garden.conversion("illuminance").slope == 1


@pytest.mark.parametrize(
    ("lines", "window_s"),
    [
        ('listen = "localhost:1"', 0.0),
        ('listen = "localhost:1"\nmatch = { id = 7, ok = true, model = "A", x = 1.5 }', 3.0),
        ('command = ["rtl_433"]', 3.0),
        ('command = ["rtl_433"]\nrepeat_window_s = 0', 0.0),
        ('listen = "localhost:1"\nrepeat_window_s = 7', 7.0),
    ],
)
def test_radio_repeats_are_expected_where_a_radio_is(lines: str, window_s: float, tmp_path: Path) -> None:
    """A command or a match suggests a receiver, and what is spelled out wins."""
    (garden,) = load_text(f"{GARDEN}{lines}\n", tmp_path).sensors
    assert isinstance(garden, JsonLines)
    assert garden.effective_repeat_window_s == window_s


def test_scalars_to_match_keep_their_type(tmp_path: Path) -> None:
    """A 1 is not true, and no text either."""
    lines = 'listen = "localhost:1"\nmatch = { a = 1, b = true, c = "1", d = 1.0 }'
    (garden,) = load_text(f"{GARDEN}{lines}\n", tmp_path).sensors
    assert isinstance(garden, JsonLines)
    assert [type(value) for value in garden.match.values()] == [int, bool, str, float]


def test_a_time_zone_comes_as_one(tmp_path: Path) -> None:
    """UTC needs no database; other zones come from it."""
    text = f'{GARDEN}listen = "localhost:1"\n'
    utc, local = (load_text(text + zone, tmp_path).sensors[0] for zone in ("", 'time_zone = "America/Sao_Paulo"\n'))
    assert isinstance(utc, JsonLines)
    assert isinstance(local, JsonLines)
    assert (str(utc.zone), str(local.zone)) == ("UTC", "America/Sao_Paulo")


def test_files_of_a_sink_are_resolved_and_never_kept(tmp_path: Path) -> None:
    """The configuration holds where the password is, and not what it is."""
    write_certificates(tmp_path / "ca.pem", tmp_path / "cert.pem", tmp_path / "key.pem")
    (tmp_path / "password").write_text("se:cret\n")
    config = load_text(
        SMALLEST
        + """
[sinks.logstash]
urls = ["https://logstash:8080"]
username = "weatherd"
password_file = "password"
tls = { ca_file = "ca.pem", cert_file = "cert.pem", key_file = "key.pem" }
""",
        tmp_path,
    )
    logstash = config.sinks.logstash
    assert logstash is not None
    assert logstash.tls is not None
    assert logstash.password_file == tmp_path / "password"
    assert logstash.tls.key_file == tmp_path / "key.pem"
    assert "se:cret" not in repr(config)


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    """Editors on Windows write one."""
    assert load_text(b"\xef\xbb\xbf" + SMALLEST.encode(), tmp_path).station.id == "s"


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """Without a configuration the reader learns where to get one."""
    with pytest.raises(ConfigError, match="there is no file") as caught:
        load(tmp_path / "weatherd.toml")
    assert "--config" in caught.value.hint


def test_a_folder_is_told(tmp_path: Path) -> None:
    """A folder is told as what it is, with the file that was perhaps meant."""
    with pytest.raises(ConfigError, match="is a folder") as caught:
        load(tmp_path)
    assert str(tmp_path / "weatherd.toml") in caught.value.hint


def test_a_file_that_may_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who runs `weatherd check` is often not who may read the file."""

    def refuse(*arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ConfigError, match="may not be read") as caught:
        load(tmp_path / "weatherd.toml")
    assert caught.value.hint


@pytest.mark.parametrize("name", ["a" * 5000, "a\0b", "weatherd.toml/weatherd.toml"])
def test_a_path_that_cannot_be_is_told(name: str, tmp_path: Path) -> None:
    """Whatever the system has against a path is told in two lines."""
    (tmp_path / "weatherd.toml").touch()
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / name)


def test_other_bytes_than_text_are_told_with_their_line(tmp_path: Path) -> None:
    """A file in Latin-1 names the line to look at."""
    with pytest.raises(ConfigError, match="not UTF-8") as caught:
        load_text(b"[station]\nid = 's'\nname = 'S\xe3o Paulo'\n", tmp_path)
    assert [mistake.line for mistake in caught.value.mistakes] == [3]


def test_a_file_without_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    """What is larger than any configuration is none."""
    with pytest.raises(ConfigError, match="more than 1048576 bytes"):
        load_text(b"#" * (FILE_SIZE_MAX + 1), tmp_path)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a = 1\nb = \n", 2, "not TOML: there is no value after the = (column "),
        ("a = 1\nb = # 2\n", 2, "not TOML: there is no value after the ="),
        ("a = 1\na = 2\n", 2, "not TOML: this key is there already in the same table"),
        ("[a.b]\n[c]\n[a.b]\n", 3, "not TOML: there is a table [a.b] already; it can be there only once"),
        ("[station]\nid = my-station\n", 2, 'not TOML: this is no number; texts stand in quotes, "so" (column 6)'),
        ("[station]\r\nid = “a”\r\n", 2, 'not TOML: typographic quotes; texts stand in straight ones, "so"'),
        ('a = "b\nc = 1\n', 1, "not TOML: the quote that ends this text is missing"),
        ("a: 1\n", 1, 'not TOML: a key is followed by "=" and its value'),
        ("a = True\n", 1, "not TOML: true and false are written small"),
        ("a = -30,03\n", 1, "not TOML: numbers have a point, not a comma, before their decimals"),
        ("a = {\n b = 1\n}\n", 1, "not TOML: a table in braces stands on one line"),
        ("a = 1 2\n", 1, "not TOML: Expected newline"),
        ('a = 1\n\nb = """x\n\n', 5, "not TOML: "),
        ("a = 1\nb = [1,\n2", 3, "not TOML: "),
        ("a = " + "[" * 100_000, 1, "nested too deeply"),
        ("a = " + "9" * 5000, 1, "thousands of digits"),
    ],
    ids=str,
)
def test_what_is_no_toml_is_one_mistake(text: str, line: int, message: str, tmp_path: Path) -> None:
    """The first place where TOML ends is told with its line, and nothing is guessed after it."""
    with pytest.raises(ConfigError) as caught:
        parse(text, tmp_path)
    (mistake,) = caught.value.mistakes
    assert mistake.line == line
    assert not mistake.key
    assert mistake.message.startswith(message) or message in mistake.message


def test_a_report_has_its_mistakes_between_the_error_and_the_hint(tmp_path: Path) -> None:
    """One line tells the code and the file, one each mistake, and the last what to do."""
    with pytest.raises(ConfigError) as caught:
        load_text('[station]\nid = "S"\n[queue]\nsize = 10\n[[sensors]]\nname = "b"\ndriver = "bmp280"\n', tmp_path)
    assert caught.value.report().splitlines() == [
        f"error: config.invalid: 2 mistakes in {tmp_path / 'weatherd.toml'}",
        '  line 2: station.id: found "S"; allowed is 1 to 64 characters out of a-z, 0-9 and "-"',
        '  line 4: queue.size: unknown key; did you mean "size_max"?',
        "hint:  mend these lines and look again with `weatherd check`; config/weatherd.toml explains every key",
    ]


def test_a_single_mistake_is_counted_as_one(tmp_path: Path) -> None:
    """One mistake is no mistakes."""
    with pytest.raises(ConfigError, match=r"^1 mistake in the configuration\n  line 1: "):
        parse("a = ", tmp_path)
