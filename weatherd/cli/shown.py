"""A document as one line for people, as `weatherd demo` shows them."""

from collections.abc import Iterator, Mapping
from typing import Any

from weatherd.model import QUANTITIES, Quality

CUT = "  …"

_UNITS = {"1": "", "g/m3": "g/m³", "degC": "°C", "deg": "°", "W/m2": "W/m²"}


def line(event: Mapping[str, Any], width: int | None) -> str:
    """
    Write a document as a line: time, sensor, what is missing, what was measured, and then what is derived.

    Args:
        event: A document as Logstash has it.
        width: Characters that the line may have: what does not fit is left out, but for the first value, and ``…``
            says so. None for all of it.
    """
    when = str(event.get("@timestamp", ""))[11:19]
    if "message" in event:
        return f"{when}  event       {event['message']}"
    text = f"{when}  {event.get('sensor', {}).get('name', '?'):<10}"
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
    unit = QUANTITIES[quantity].unit
    return f"{value:g} {_UNITS.get(unit, unit)}".rstrip()
