"""A document as one line for people, as `weatherd demo` shows them."""

from collections.abc import Iterator, Mapping
from typing import Any

from weatherd.model import QUANTITIES, Quality

CUT = "  …"
NAME_LENGTH_MIN = 10

_UNITS = {"1": "", "g/m3": "g/m³", "degC": "°C", "deg": "°", "W/m2": "W/m²"}


def line(event: Mapping[str, Any], width: int | None, name_length: int = NAME_LENGTH_MIN) -> str:
    """
    Write a document as a line: time, sensor, what is missing, what was measured, and then what is derived.

    Args:
        event: A document as Logstash has it.
        width: Characters that the line may have: what does not fit is left out, but for the first value, and ``…``
            says so. None for all of it.
        name_length: Of the longest name of a sensor, so that what follows stands in a column.
    """
    when = str(event.get("@timestamp", ""))[11:19]
    if "message" in event:
        return f"{when}  {'event':<{name_length}}  {event['message']}"
    text = f"{when}  {event.get('sensor', {}).get('name', '?'):<{name_length}}"
    words = list(_words(event))
    for index, word in enumerate(words):
        rest = "" if index == len(words) - 1 else CUT
        if index and width is not None and len(f"{text}  {word}{rest}") > width:
            return text + CUT
        text += f"  {word}"
    return text


def _words(event: Mapping[str, Any]) -> Iterator[str]:
    """Return each value with its unit and, unless it is good, its flag; a document has measured values first."""
    weather, flags, reasons = (event.get(key, {}) for key in ("weather", "quality", "quality_reasons"))
    for quantity in [*(name for name in flags if name not in weather), *weather]:
        flag = flags.get(quantity, Quality.UNCHECKED)
        value = f" {_value(quantity, weather[quantity])}" if quantity in weather else ""
        doubt = "" if flag == Quality.GOOD else f", {flag}" if value else f" {flag}"
        reason = f" ({reasons[quantity]})" if doubt and quantity in reasons else ""
        yield f"{quantity.replace('_', ' ')}{value}{doubt}{reason}"


def _value(quantity: str, value: float) -> str:
    known = QUANTITIES.get(quantity)  # a document may be of another version
    unit = "" if known is None else known.unit
    return f"{value:.15g} {_UNITS.get(unit, unit)}".rstrip()
