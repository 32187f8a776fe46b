"""
The kinds of value that TOML itself does not have: an address to listen at, a URL, a file, a size.

A kind stands in the schema as an annotation. It turns a text into a value or raises ValueError: with a message
of its own, or empty, and then the reader is told what was found and what is allowed.
"""

import ipaddress
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import urlsplit

from msgspec import Meta

from weatherd.config.amounts import parse_duration, parse_size, write_duration, write_size
from weatherd.config.words import quoted
from weatherd.model import QUANTITIES
from weatherd.processing.infrared import SENDABLE

SENSORS_GROUP = "weatherd.sensors"
"""The entry point group in which other packages name their sensors."""


_CIRCUITPYTHON = 'is read by "circuitpython", with class = "{}"'
_HTU21D = 'is read as an "htu21d"'
_CHIPS: Mapping[str, str] = {
    "bme280": _CIRCUITPYTHON.format("adafruit_bme280.basic.Adafruit_BME280_I2C"),
    "bme680": _CIRCUITPYTHON.format("adafruit_bme680.Adafruit_BME680_I2C"),
    "bmp388": _CIRCUITPYTHON.format("adafruit_bmp3xx.BMP3XX_I2C"),
    "bmp390": _CIRCUITPYTHON.format("adafruit_bmp3xx.BMP3XX_I2C"),
    "sht30": _CIRCUITPYTHON.format("adafruit_sht31d.SHT31D"),
    "sht31": _CIRCUITPYTHON.format("adafruit_sht31d.SHT31D"),
    "sht40": _CIRCUITPYTHON.format("adafruit_sht4x.SHT4x"),
    "sht41": _CIRCUITPYTHON.format("adafruit_sht4x.SHT4x"),
    "sht45": _CIRCUITPYTHON.format("adafruit_sht4x.SHT4x"),
    "sht21": _HTU21D,
    "si7021": _HTU21D,
}
"""Chips that people name as a driver, and how they are read."""


def how_it_is_read(chip: str) -> str:
    """Tell how a chip is read that has no driver of its name; nothing if nobody knows."""
    known = _CHIPS.get(chip.lower())
    return f"{quoted(chip)} {known}" if known else ""


def installed_drivers() -> Sequence[str]:
    """Return the names of the drivers that other packages bring along."""
    from importlib.metadata import entry_points  # 0.8 MB, for the few who have such a driver

    return sorted({entry_point.name for entry_point in entry_points(group=SENSORS_GROUP)})


class Text(NamedTuple):
    """A value that is written as a text: how to read it, and what is allowed, in words."""

    parse: Callable[[str], Any]
    allowed: str


class Place(NamedTuple):
    """As `Text`, for what is looked up from the folder of the configuration file."""

    parse: Callable[[str, Path], Path]
    allowed: str


class OneOf(NamedTuple):
    """A text out of a list that is too long, or too alive, for a Literal."""

    words: Sequence[str]


class Shown(NamedTuple):
    """How people write a number of this kind."""

    write: Callable[[Any], str]


class Address(NamedTuple):
    """Where to listen with TCP: a host of this very machine and a port."""

    host: str
    port: int


PORT_MAX = 65_535
HOST_NAME_MAX = 253
"""Characters in a host's name (RFC 1035, section 2.3.4)."""

MQTT_SCHEMES = ("mqtt", "mqtts", "ws", "wss")

TOPIC_SIZE_MAX = 200
"""Bytes of the topic that all of a station's begin with."""

UNIX_PATH_MAX = 107
"""Bytes in the path of a Unix socket (unix(7): 108 with the closing zero)."""


def parse_listen(text: str) -> Address | Path:
    """Read ``host:port`` on loopback, or the absolute path of a Unix socket."""
    if text.startswith("/") and text.isprintable():
        if len(text.encode()) > UNIX_PATH_MAX:
            raise ValueError(f"the path of a Unix socket has at most {UNIX_PATH_MAX} bytes")
        return Path(text)
    found = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^:\[\]/\s]+)):([0-9]{1,5})", text)
    if not found or not 1 <= int(found[3]) <= PORT_MAX:
        raise ValueError
    host = found[1] or found[2]
    if not _is_loopback(host):
        raise ValueError(
            f"{quoted(host)} is not this machine; allowed are only loopback hosts: 127.0.0.1, [::1] and localhost"
        )
    return Address("127.0.0.1" if host == "localhost" else host, int(found[3]))


def parse_panel_listen(text: str) -> Address | None:
    """Read ``host:port`` with an IP address or ``localhost``; None for the empty text, which turns the panel off."""
    if not text:
        return None
    found = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^:\[\]/\s]+)):([0-9]{1,5})", text)
    if not found or not 1 <= int(found[3]) <= PORT_MAX:
        raise ValueError
    host = "127.0.0.1" if found[2] == "localhost" else found[1] or found[2]
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise ValueError(
            f"{quoted(host)} is no address of this machine; 0.0.0.0 or [::] stands for all that it has"
        ) from None
    return Address(host, int(found[3]))


def parse_host_name(text: str) -> str:
    """Check a name by which browsers call; it is compared without regard to upper and lower case."""
    name = text.lower().removesuffix(".")
    if len(name) > HOST_NAME_MAX or not re.fullmatch(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", name):
        raise ValueError
    return name


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def parse_gpio_chip(text: str) -> str:
    """Check the path of a GPIO chip, or ``simulated``, with the path of a socket behind a colon or without."""
    path = text.removeprefix("simulated:") if text.startswith("simulated:") else text
    if text != "simulated" and not (path.startswith("/") and path.isprintable()):
        raise ValueError
    if path is not text and len(path.encode()) > UNIX_PATH_MAX:
        raise ValueError(f"the path of a Unix socket has at most {UNIX_PATH_MAX} bytes")
    return text


def parse_infrared(text: str) -> str:
    """Check the path of an infrared device, or ``auto``, or ``simulated``."""
    if text not in {"auto", "simulated"} and not (text.startswith("/") and text.isprintable()):
        raise ValueError
    return text


def parse_url(text: str) -> str:
    """Check an http or https URL; it stays as it is written."""
    if "@" in text:
        raise ValueError('a URL may not carry a user or a password ("@"); use username and password_file')
    try:
        url = urlsplit(text)
        _check_host(url.hostname or "")
        complete = url.scheme in {"http", "https"} and url.port != 0 and not url.netloc.endswith(":")
    except ValueError:
        complete = False
    if not complete or not text.isprintable() or re.search(r'[\s<>"{}|\\^`]', text):
        raise ValueError
    return text


def parse_mqtt_url(text: str) -> str:
    """Check the URL of a broker; a path goes only with a websocket."""
    if "@" in text:
        raise ValueError('a URL may not carry a user or a password ("@"); use username and password_file')
    try:
        url = urlsplit(text)
        _check_host(url.hostname or "")
        complete = url.scheme in MQTT_SCHEMES and url.port != 0 and not url.netloc.endswith(":")
    except ValueError:
        complete = False
    if not complete or not text.isprintable() or re.search(r'[\s<>"{}|\\^`]', text):
        raise ValueError
    if url.scheme in {"mqtt", "mqtts"} and (url.path not in {"", "/"} or url.query or url.fragment):
        raise ValueError("an mqtt or mqtts URL has no path; topics stand in topic")
    return text


def parse_topic(text: str) -> str:
    """Check a topic to publish on; ``{station}`` is the only thing in braces (MQTT 5, section 4.7)."""
    plain = text.replace("{station}", "station")
    levels = plain.split("/")
    if len(text.encode()) > TOPIC_SIZE_MAX or not plain.isprintable() or re.search(r"[+#{}\s]", plain):
        raise ValueError
    if not all(levels) or plain.startswith("$"):
        raise ValueError
    return text


def parse_prefix(text: str) -> str:
    """Check the topic below which Home Assistant looks: as `parse_topic`, but nothing stands for anything."""
    if "{" in text:
        raise ValueError
    return parse_topic(text)


def _check_host(host: str) -> None:
    if ":" in host:
        ipaddress.IPv6Address(host)
    elif not re.fullmatch(r"[\w-]+(\.[\w-]+)*\.?", host):
        raise ValueError


def parse_time_zone(text: str) -> str:
    """Check the name of a time zone; UTC is known even where no zones are installed."""
    if text != "UTC":
        from zoneinfo import ZoneInfo  # with what it needs half a MB, that most stations do not

        try:
            ZoneInfo(text)
        except (KeyError, OSError, ValueError):
            raise ValueError from None
    return text


def parse_username(text: str) -> str:
    """Check a name for HTTP Basic (RFC 7617). It is never repeated: people put "user:password" here."""
    if not text or ":" in text or not text.isprintable():
        raise ValueError('is empty, or has a ":" or a line break in it; the password belongs into password_file')
    return text


def place(text: str, folder: Path) -> Path:
    """Return a path, a relative one counted from the folder."""
    if not text or not text.isprintable():
        raise ValueError
    return folder / text


CREDENTIALS_ID = "weatherd"
"""Under this id the unit loads a whole folder; systemd puts it, and ``_``, before the name of each file."""


def existing_file(text: str, folder: Path) -> Path:
    """
    Find a file that can be read: a relative one in systemd's credentials folder, else in ours.

    Without systemd, so for somebody at a terminal, what the unit would load is found in ``credentials`` in ours.

    Source:
        systemd.exec(5), ``LoadCredential=`` with a folder.
    """
    path = place(text, folder)
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    try:
        path = next((other for other in _elsewhere(text, folder, credentials) if other.is_file()), path)
        if path.exists() and not path.is_file():
            raise ValueError(f"{path} is no file")
        path.open("rb").close()
    except FileNotFoundError:
        raise ValueError(f"there is no file {path}{_not_elsewhere(text, folder, credentials)}") from None
    except OSError as error:
        raise ValueError(f"{error.filename} cannot be read: {error.strerror}") from error
    return path


def _elsewhere(text: str, folder: Path, credentials: str | None) -> Iterator[Path]:
    if credentials:
        yield Path(credentials, text)
        yield Path(credentials, f"{CREDENTIALS_ID}_{text.replace('/', '_')}")
    elif not (folder / text).exists():
        yield folder / "credentials" / text


def _not_elsewhere(text: str, folder: Path, credentials: str | None) -> str:
    if Path(text).is_absolute():
        return ""
    if credentials:
        return f", nor one in {credentials}, where relative names are looked up first"
    return f", nor one in {folder / 'credentials'}, where the unit's secrets belong (CREDENTIALS_DIRECTORY is not set)"


ByteSize = Annotated[
    int,
    Text(parse_size, 'a number, a space and a unit, such as "256 MB" (kB, MB, GB, KiB, MiB, GiB)'),
    Shown(write_size),
]
Duration = Annotated[
    float, Text(parse_duration, 'a number, a space and a unit, such as "30 d" (s, min, h, d)'), Shown(write_duration)
]
Url = Annotated[str, Text(parse_url, "an http or https URL with a host")]
MqttUrl = Annotated[
    str, Text(parse_mqtt_url, 'an mqtt, mqtts, ws or wss URL with a host, such as "mqtts://broker.local"')
]
Topic = Annotated[
    str,
    Text(
        parse_topic,
        'a topic such as "weatherd/{station}", without wildcards, spaces or empty levels, of at most 200 bytes',
    ),
]
Prefix = Annotated[
    str,
    Text(
        parse_prefix,
        'a topic such as "homeassistant", without wildcards, spaces, braces or empty levels, of at most 200 bytes',
    ),
]
Listen = Annotated[
    Address | Path, Text(parse_listen, '"127.0.0.1:7433", "[::1]:7433", "localhost:7433" or an absolute path')
]
PanelListen = Annotated[
    Address | None,
    Text(parse_panel_listen, '"127.0.0.1:8600", "0.0.0.0:8600", "[::]:8600" or "" to turn the panel off'),
]
HostName = Annotated[str, Text(parse_host_name, 'a host name such as "weather.example.org", without a port')]
GpioChip = Annotated[
    str,
    Text(parse_gpio_chip, '"/dev/gpiochip0" or another absolute path, "simulated" or "simulated:/path/of/a/socket"'),
]
InfraredDevice = Annotated[str, Text(parse_infrared, '"auto", "/dev/lirc0" or another absolute path, or "simulated"')]
TimeZone = Annotated[str, Text(parse_time_zone, 'an IANA time zone such as "UTC" or "America/Sao_Paulo"')]
Username = Annotated[str, Text(parse_username, "a text")]
FilePlace = Annotated[Path, Place(place, "a path")]
ExistingFile = Annotated[Path, Place(existing_file, "a path")]
Off = Annotated[Literal[False], Shown(lambda _: "false")]
"""Turns off what is otherwise a number."""
QuantityName = Annotated[str, OneOf(tuple(QUANTITIES))]
InfraredProtocol = Annotated[str, OneOf(SENDABLE)]
Name = Annotated[str, Meta(pattern=r"[a-z0-9_-]{1,64}", description='1 to 64 characters out of a-z, 0-9, "_" and "-"')]
FieldName = Annotated[str, Meta(pattern=r"[^\0]{1,256}", description="the name of a field")]
"""Elasticsearch refuses a document with a label whose name is longer than 32 kB, or has a zero character."""
AttributeName = Annotated[str, Meta(pattern=r"[^\W\d]\w{0,99}", description="the name of an attribute")]
ClassName = Annotated[
    str,
    Meta(
        pattern=r"[^\W\d]\w{0,99}(\.[^\W\d]\w{0,99}){1,9}",
        description='a module and a class in it, such as "adafruit_sht4x.SHT4x"',
    ),
]
Argument = Annotated[str, Meta(pattern=r"[^\0]*", description="a text without a zero character")]
