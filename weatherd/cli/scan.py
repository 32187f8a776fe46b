"""
`weatherd scan`: which chips answer on the I2C bus, and the configuration to paste.

What it prints is TOML from the first to the last line: what is for people stands in comments. So all of it can be
pasted, or appended to a configuration.
"""

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Literal

from weatherd.clock import SystemClock
from weatherd.control import NoDaemon, ask
from weatherd.daemon.assembly import make_bus
from weatherd.errors import NoAnswer, UnavailableError
from weatherd.sensors.kernel import kernel_driver
from weatherd.sensors.parts import PARTS, snippet
from weatherd.sensors.scanning import Found
from weatherd.sensors.scanning import scan as scan_bus

BusName = int | Literal["simulated"]

_DEFAULT_BUS = 1


def scan(number: BusName) -> int:
    """
    Print what answers on a bus.

    Args:
        number: Of ``/dev/i2c-<number>``, or emulated chips.

    Raises:
        BusUnavailable: If the bus is not there, or may not be used.
        NoAnswer: If there is no chip on it.
    """
    _warn_of_a_daemon()
    bus = make_bus(number, SystemClock())
    found = asyncio.run(scan_bus(bus, partial(kernel_driver, number)))
    if not found:
        raise NoAnswer(
            f"no chip answers on {bus.name}",
            "check power (3.3 V), ground, SDA and SCL of each chip; another bus is named with --bus",
        )
    print("\n".join(lines(found, bus.name, number)))
    return os.EX_OK


def lines(found: Sequence[Found], bus: str, number: BusName) -> Iterator[str]:
    """
    Write what was found as TOML.

    Args:
        found: At least one, in the order of their addresses.
        bus: What people call it.
        number: As in the configuration.
    """
    yield f"# {len(found)} {'chip answers' if len(found) == 1 else 'chips answer'} on {bus}"
    for one in found:
        yield f"#   {one.address:#04x}  {_what(one)}"
    known = [one for one in found if one.model]
    if not known:
        return
    yield "#"
    yield "# For weatherd.toml; `weatherd check` looks at the whole, `weatherd doctor` tries it."
    if number != _DEFAULT_BUS:
        yield "# Where there is a table [i2c] already, put the bus there."
        yield f"\n[i2c]\nbus = {json.dumps(number)}"
    names: Counter[str] = Counter()
    for one in known:
        part = PARTS[one.model]
        names[part.sensor] += 1
        count = names[part.sensor]
        yield ""
        yield snippet(part, one.address, part.sensor if count == 1 else f"{part.sensor}-{count}").rstrip()


def _what(found: Found) -> str:
    if found.kernel_driver:
        return (
            f"not asked: the kernel's own driver {found.kernel_driver} has it; "
            "to use it here, take its dtoverlay out of /boot/firmware/config.txt"
        )
    if not found.model:
        return 'unknown; driver = "circuitpython" can read it, if there is a CircuitPython driver for it'
    return PARTS[found.model].about or found.model


def _warn_of_a_daemon() -> None:
    try:
        ask("status")
    except NoDaemon:
        return
    except UnavailableError:
        pass  # somebody is there, and that is all that matters
    message = "a daemon runs; a measurement of it may fail just now, and a chip that measures just now may be missed"
    print(f"warning: scan.daemon_running: {message}", file=sys.stderr)
