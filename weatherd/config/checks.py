"""
What one key alone cannot tell: pairs that go together, and things that must differ.

A check is a function whose parameters are fields of one table; it runs when those were read without a mistake.
The parameter `given` holds the keys that are spelled out in the table, right or wrong. A table inside that has
mistakes of its own comes with only those of its fields that are right, so a check asks with `getattr`.
"""

import itertools
from collections.abc import Callable, Collection, Iterator, KeysView, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import fields

from weatherd.config import schema, sensors
from weatherd.config.locate import KeyPath
from weatherd.config.secrets import PASSWORD_SIZE_MAX, read_password, read_token
from weatherd.config.words import choice, nearest, quoted
from weatherd.errors import ConfigError
from weatherd.model import QUANTITIES, Reduction
from weatherd.processing.infrared import scancode_mistake, timings_mistakes
from weatherd.processing.limits import LIMITS, Limits, wider
from weatherd.processing.units import convertible

Found = Iterator[tuple[KeyPath, str]]
"""Mistakes: where, counted from the table that is checked, and what."""


def together(*keys: str) -> Callable[..., Found]:
    """Return a check that of these keys either all are given or none."""

    def check(given: KeysView[str]) -> Found:
        there = [key for key in keys if key in given]
        missing = [key for key in keys if key not in given]
        if there and missing:
            yield (there[0],), f"goes only together with {choice(missing, 'and')}"

    return check


def one_source(given: KeysView[str]) -> Found:
    """Refuse a sensor that has neither a command nor an address, or both."""
    if given >= {"command", "listen"}:
        yield ("listen",), "does not go together with command; keep one of the two"
    elif not given & {"command", "listen"}:
        yield (), "needs a command to start or an address to listen at"


def whole_multiple(sample_period_s: float, report_period_s: float) -> Found:
    """Refuse periods that would leave a sample half in one report and half in the next."""
    samples = report_period_s / sample_period_s
    if round(samples) < 1 or abs(samples - round(samples)) > 1e-6:  # noqa: PLR2004  -- 0.3 / 0.1 is not 3 either
        yield (
            ("report_period_s",),
            f"found {report_period_s}; allowed is a whole multiple of sample_period_s = {sample_period_s}",
        )


def none_or_a_second(report_period_s: float) -> Found:
    """Refuse what is less than a second without being nothing."""
    if 0 < report_period_s < 1:
        yield ("report_period_s",), f"found {report_period_s}; allowed is 0 or from 1 to 86400"


def units_convert(quantities: Mapping[str, Any]) -> Found:
    """Refuse a unit that cannot become the quantity's own."""
    for quantity, mapped in quantities.items():
        unit = getattr(mapped, "unit", None)
        if unit is not None and unit not in (units := convertible(QUANTITIES[quantity].unit)):
            words = choice([quoted(name) for name in units])
            yield ("quantities", quantity, "unit"), f"found {quoted(unit)}; allowed is {words}"


def counters_are_sums(quantities: Mapping[str, Any]) -> Found:
    """Refuse a running total of what does not add up."""
    sums = [name for name, quantity in QUANTITIES.items() if quantity.reduction is Reduction.SUM]
    for quantity, mapped in quantities.items():
        if getattr(mapped, "counter", False) and quantity not in sums:
            yield ("quantities", quantity, "counter"), f"found true; allowed is true only for {choice(sums)}"


def wraps_a_counter(counter: bool, counter_max: float | None) -> Found:  # noqa: FBT001  -- called by name
    """Refuse a wrap of what is no counter."""
    if counter_max is not None and not counter:
        yield ("counter_max",), "goes only together with counter = true"


def concerns_what_it_yields(
    quantities: Mapping[str, Any], calibration: Mapping[str, Any], limits: Mapping[str, Any]
) -> Found:
    """Refuse a calibration, or limits, of what the sensor does not send."""
    if not quantities or not quantities.keys() <= QUANTITIES.keys():
        return  # a mistake that is told already, and perhaps the cause of others
    for key, table in (("calibration", calibration), ("limits", limits)):
        for quantity in table:
            if quantity in QUANTITIES and quantity not in quantities:
                words = choice(list(quantities), "and")
                yield (key, quantity), f"not among the quantities of this sensor: {words}"


def limits_are_narrower(limits: Mapping[str, Any]) -> Found:
    """Refuse limits wider than those of the standard, and those of a test that the quantity does not have."""
    for quantity, given in limits.items():
        if quantity in QUANTITIES and quantity not in LIMITS:
            yield ("limits", quantity), "there is no test of this quantity"
        elif quantity in LIMITS:
            for key, message in wider(LIMITS[quantity], {key: getattr(given, key, None) for key in Limits._fields}):
                yield ("limits", quantity, key), message


def points_or_a_line(given: KeysView[str]) -> Found:
    """Refuse a calibration that is a table and a line at once."""
    for key in ("offset", "slope"):
        if "points" in given and key in given:
            yield ("points",), f"does not go together with {key}; keep one of the two"


def points_increase(given: KeysView[str], points: Sequence[Any]) -> Found:
    """Refuse a table of which no single curve can be made."""
    if "points" not in given or not all(isinstance(point, tuple) and len(point) == 2 for point in points):  # noqa: PLR2004  -- a pair
        return  # of points that are none it is told already
    if not all(isinstance(number, float) for point in points for number in point):
        return
    if len(points) < 2:  # noqa: PLR2004  -- one point is no line
        yield ("points",), f"found {len(points)} of them; allowed is a list of 2 to 100 points"
    for index, (before, behind) in enumerate(itertools.pairwise(points), 1):
        for what, one, other in zip(("measured", "true"), before, behind, strict=True):
            if one >= other:
                yield (
                    ("points", index),
                    f"found {other} as its {what} value; allowed is more than {one}, as points increase",
                )


def speakers_are_there(sensors: Sequence[Any], derive: Any) -> Found:
    """Refuse to derive from a sensor that is not there, or does not yield what is wanted of it."""
    known = {name: sensor for sensor in sensors if (name := getattr(sensor, "name", None)) is not None}
    for key, quantity in _DERIVED_FROM.items():
        wanted = getattr(derive, key, None)
        if wanted is None:
            continue
        if wanted not in known:
            yield (
                ("derive", key),
                f"there is no sensor {quoted(wanted)}; {nearest(wanted, known) if known else 'add it'}",
            )
        elif (yields := _yields(known[wanted])) and quantity not in yields:
            yield ("derive", key), f"{quoted(wanted)} does not yield {quantity}, but {choice(sorted(yields), 'and')}"


def wind_chills_a_temperature(given: KeysView[str]) -> Found:
    """Refuse a wind for which nobody tells whose temperature it chills."""
    if "wind" in given and "temperature" not in given:
        yield ("wind",), "goes only together with temperature"


_DERIVED_FROM = {
    "temperature": "air_temperature",
    "humidity": "relative_humidity",
    "pressure": "air_pressure",
    "wind": "wind_speed",
    "wind_direction": "wind_from_direction",
}


def _yields(sensor: Any) -> Collection[str]:
    """Return the quantities of a sensor: those that it maps, or that have calibration or limits; none if unknown."""
    if isinstance(quantities := getattr(sensor, "quantities", None), Mapping):
        return list(quantities)
    if not isinstance(sensor, Struct) or isinstance(sensor, sensors.Installed):
        return ()
    hints = {field.name: field.type for field in fields(sensor)}
    keys, *_ = get_args(hints.get("calibration") or hints.get("limits")) or ((),)
    return get_args(keys)


def heat_has_a_temperature(quantities: Mapping[str, Any], cpu_heat: float) -> Found:
    """Refuse to take the processor's heat out of a sensor without a temperature."""
    if cpu_heat and "air_temperature" not in quantities:
        yield ("cpu_heat",), "goes only together with air_temperature among the quantities"


def address_is_given_once(arguments: Mapping[str, Any], address: int | None) -> Found:
    """Refuse a second address among the arguments."""
    if address is not None and "address" in arguments:
        yield ("arguments", "address"), "is given already: address"


def labels_differ(labels: Sequence[Any]) -> Found:
    """Refuse a label that is named twice."""
    yield from _twice("labels", labels, str)


def urls_differ(urls: Sequence[Any]) -> Found:
    """Refuse a server that is named twice, even if written in two ways."""
    yield from _twice("urls", urls, _normal)


def _twice(key: str, items: Sequence[Any], normal: Callable[[str], object]) -> Found:
    first: dict[object, int] = {}
    for index, item in enumerate(items):
        if isinstance(item, str) and first.setdefault(normal(item), index) != index:
            yield (key, index), f"the same as {key}[{first[normal(item)]}]"


def _normal(url: str) -> object:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return parts.scheme, parts.hostname, port, parts.path or "/", parts.query


def any_https(urls: Sequence[str]) -> bool:
    """Tell whether any of some URLs speaks TLS."""
    return any(urlsplit(url).scheme == "https" for url in urls)


def tls_needs_https(urls: Sequence[Any], tls: object) -> Found:
    """Refuse certificates that no connection would use."""
    readable = all(isinstance(url, str) for url in urls)
    if tls is not None and readable and not any_https(urls):
        yield ("tls",), "goes only together with an https URL"


def tls_needs_mqtts(url: str, tls: object) -> Found:
    """Refuse certificates that no connection would use."""
    if tls is not None and urlsplit(url).scheme not in {"mqtts", "wss"}:
        yield ("tls",), "goes only together with an mqtts or wss URL"


def topic_is_not_home_assistants(topic: str, discovery_prefix: str) -> Found:
    """Refuse to tell our status on the topic where Home Assistant tells its birth."""
    if topic == discovery_prefix:
        yield ("topic",), "has to differ from discovery_prefix, which is Home Assistant's own"


def what_version_5_has(protocol: str, given: KeysView[str]) -> Found:
    """Refuse what MQTT 3.1.1 cannot do."""
    for key in ("session_expiry_s", "message_expiry_s"):
        if protocol != "5" and key in given:
            yield (key,), 'goes only together with protocol = "5"'


def credentials_fit(username: str | None, password_file: Path | None) -> Found:
    """Refuse a password file that holds no password, before the first attempt does."""
    if username is None or password_file is None:
        return
    try:
        password = read_password(password_file)
    except ConfigError as error:
        yield ("password_file",), error.sentence
        return
    if len(f"{username}{password}".encode()) > PASSWORD_SIZE_MAX:
        yield ("username",), f"has with its password more than {PASSWORD_SIZE_MAX} bytes"


def certificates_fit(ca_file: Path | None, cert_file: Path | None, key_file: Path | None) -> Found:
    """Refuse files that hold no certificate, or a key that does not belong to it, before the first attempt does."""
    if (cert_file is None) is (key_file is None):
        from weatherd.tls import tls_mistakes

        for key, message in tls_mistakes(ca_file, cert_file, key_file):
            yield (key,), message


def token_fits(token_file: Path | None) -> Found:
    """Refuse a token file that holds no token."""
    if token_file is None:
        return
    try:
        read_token(token_file)
    except ConfigError as error:
        yield ("token_file",), f"{error.sentence}; {error.hint}"


def hosts_differ(hosts: Sequence[Any]) -> Found:
    """Refuse a name that stands there twice."""
    yield from _twice("hosts", hosts, str)


def panels_certificate_fits(cert_file: Path, key_file: Path) -> Found:
    """Refuse files that hold no certificate, or a key that does not belong to it, before the start does."""
    from weatherd.tls import tls_mistakes

    for key, message in tls_mistakes(None, cert_file, key_file):
        yield (key,), message


def some_sensors(sensors: Sequence[Any]) -> Found:
    """Refuse a station without a sensor."""
    if not sensors:
        yield ("sensors",), "no sensors; add a table [[sensors]]"


def names_differ(sensors: Sequence[Any]) -> Found:
    """Refuse two sensors with one name."""
    first: dict[str, int] = {}
    for index, sensor in enumerate(sensors):
        name = getattr(sensor, "name", None)
        if name is not None and first.setdefault(name, index) != index:
            yield ("sensors", index, "name"), f"{quoted(name)} is already the name of sensors[{first[name]}]"


def addresses_differ(sensors: Sequence[Any]) -> Found:
    """Refuse two chips at one address of the bus."""
    first: dict[int, int] = {}
    for index, sensor in enumerate(sensors):
        address = getattr(sensor, "address", None)
        if isinstance(address, int) and first.setdefault(address, index) != index:
            message = f"{address:#x} is already the address of sensors[{first[address]}], and each chip needs its own"
            yield ("sensors", index, "address"), message


def lines_differ(sensors: Sequence[Any]) -> Found:
    """Refuse two sensors on one GPIO line."""
    first: dict[int, int] = {}
    for index, sensor in enumerate(sensors):
        line = getattr(sensor, "line", None)
        if line is not None and first.setdefault(line, index) != index:
            message = f"{line} is already the line of sensors[{first[line]}], and each contact needs its own"
            yield ("sensors", index, "line"), message


def positions_differ(position_ohms: Sequence[Any]) -> Found:
    """Refuse two positions of a vane that nobody could tell apart."""
    first: dict[Any, int] = {}
    for index, ohm in enumerate(position_ohms):
        if isinstance(ohm, float) and first.setdefault(ohm, index) != index:
            yield ("position_ohms", index), f"the same as position_ohms[{first[ohm]}]"


def one_way_to_say_it(given: KeysView[str]) -> Found:
    """Refuse a command that is neither a scancode nor timings, or both."""
    if given >= {"scancode", "timings_us"}:
        yield ("timings_us",), "does not go together with scancode; keep one of the two"
    elif not given & {"scancode", "timings_us", "protocol"}:
        yield (), "needs a scancode with its protocol, or timings_us"
    if "carrier_hz" in given and "timings_us" not in given:
        yield ("carrier_hz",), "goes only together with timings_us; with a scancode the kernel knows it"


def scancode_fits(protocol: str | None, scancode: int | None) -> Found:
    """Refuse a scancode that the kernel would not send with this protocol."""
    if protocol is not None and scancode is not None and (message := scancode_mistake(protocol, scancode)):
        yield ("scancode",), message


def timings_fit(timings_us: Sequence[Any] | None) -> Found:
    """Refuse a message that the kernel would not send."""
    if timings_us and all(type(one) is int for one in timings_us):
        for message in timings_mistakes(timings_us):
            yield ("timings_us",), message


def something_to_send(given: KeysView[str], home_assistant: bool) -> Found:  # noqa: FBT001  -- called by name
    """Refuse a table that lets nothing be sent."""
    if "commands" not in given and not home_assistant:
        yield (), "needs commands, or home_assistant = true"


def infrared_at_home_assistant(sensors: Sequence[Any], infrared: Any, sinks: Any) -> Found:
    """Refuse an emitter or a receiver that nobody would be told of."""
    wanted: dict[KeyPath, Any] = {
        ("sensors", index, "home_assistant"): sensor for index, sensor in enumerate(sensors) if _is_receiver(sensor)
    }
    wanted["infrared", "home_assistant"] = infrared
    is_told = getattr(getattr(sinks, "mqtt", None), "home_assistant", False)
    for path, table in wanted.items():
        if getattr(table, "home_assistant", False) and not is_told:
            yield path, "goes only together with [sinks.mqtt] and its home_assistant = true"


def timings_for_home_assistant(raw: bool, home_assistant: bool) -> Found:  # noqa: FBT001  -- called by name
    """Refuse a receiver at Home Assistant that tells it nothing."""
    if home_assistant and not raw:
        yield ("home_assistant",), "goes only together with raw = true"


def receivers_differ(sensors: Sequence[Any]) -> Found:
    """Refuse two sensors that would hear the same."""
    first: dict[str, int] = {}
    for index, sensor in enumerate(sensors):
        device = getattr(sensor, "device", None) if _is_receiver(sensor) else None
        if device is not None and first.setdefault(device, index) != index:
            yield ("sensors", index, "device"), f"{quoted(device)} is already the device of sensors[{first[device]}]"
    if "auto" in first and first.keys() - {"auto", "simulated"}:
        message = 'found "auto" beside another receiver, whose device it may find; name the path of each'
        yield ("sensors", first["auto"], "device"), message


def simulated_as_a_whole(sensors: Sequence[Any], infrared: Any) -> Found:
    """Refuse infrared that is simulated on one side alone."""
    devices: dict[KeyPath, str] = {
        ("sensors", index, "device"): getattr(sensor, "device", "")
        for index, sensor in enumerate(sensors)
        if _is_receiver(sensor)
    }
    if infrared is not None:
        devices["infrared", "device"] = getattr(infrared, "device", "")
    if len({device == "simulated" for device in devices.values()}) > 1:
        where = next(path for path, device in devices.items() if device != "simulated")
        yield where, 'found another one beside "simulated"; simulated are all infrared devices or none'


def _is_receiver(sensor: Any) -> bool:
    return isinstance(sensor, sensors.InfraredReceiver)


CHECKS: Mapping[type, Sequence[Callable[..., Found]]] = {
    sensors.Calibration: (points_or_a_line, points_increase),
    schema.Derive: (wind_chills_a_temperature,),
    schema.Station: (together("latitude", "longitude"),),
    sensors.Bmp280: (whole_multiple, limits_are_narrower),
    sensors.Htu21d: (whole_multiple, limits_are_narrower),
    sensors.Bmp180: (whole_multiple, limits_are_narrower),
    sensors.Bh1750: (whole_multiple, limits_are_narrower),
    sensors.CircuitPython: (
        whole_multiple,
        units_convert,
        concerns_what_it_yields,
        limits_are_narrower,
        address_is_given_once,
        heat_has_a_temperature,
    ),
    sensors.Installed: (whole_multiple, limits_are_narrower),
    sensors.RainGauge: (limits_are_narrower,),
    sensors.Anemometer: (limits_are_narrower,),
    sensors.WindVane: (whole_multiple, positions_differ),
    sensors.Mapped: (wraps_a_counter,),
    sensors.JsonLines: (
        one_source,
        none_or_a_second,
        units_convert,
        counters_are_sums,
        concerns_what_it_yields,
        limits_are_narrower,
        labels_differ,
    ),
    schema.Tls: (together("cert_file", "key_file"), certificates_fit),
    schema.Logstash: (urls_differ, tls_needs_https, together("username", "password_file"), credentials_fit),
    schema.Mqtt: (
        tls_needs_mqtts,
        topic_is_not_home_assistants,
        what_version_5_has,
        together("username", "password_file"),
        credentials_fit,
    ),
    sensors.InfraredReceiver: (timings_for_home_assistant,),
    schema.InfraredCommand: (
        one_way_to_say_it,
        together("protocol", "scancode"),
        scancode_fits,
        timings_fit,
    ),
    schema.Infrared: (something_to_send,),
    schema.PanelTls: (panels_certificate_fits,),
    schema.Panel: (hosts_differ, token_fits),
    schema.Config: (
        some_sensors,
        names_differ,
        addresses_differ,
        lines_differ,
        receivers_differ,
        simulated_as_a_whole,
        infrared_at_home_assistant,
        speakers_are_there,
    ),
}
"""The checks of each table."""
