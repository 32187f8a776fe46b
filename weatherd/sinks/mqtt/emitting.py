"""
Sending by infrared what Home Assistant asks for: pulses and spaces of its own, and not only commands that have a name.

    {"timings": [9000, -4500, 560, …], "modulation": 38000, "repeat_count": 0}

The timings hold every repetition already; `repeat_count` only tells how many there are, and whoever heeds it sends
them twice. Seen with 2026.11.0: a Marantz amplifier is turned on by a count of 5 and timings of six frames.

Source:
    Home Assistant 2026.11, ``homeassistant/components/mqtt/infrared.py``; infrared-protocols 10.5.0, whose
    ``Command.get_raw_timings`` makes the timings.
"""

import asyncio
from typing import Annotated

import msgspec
from msgspec import Meta

from weatherd.errors import WeatherdError
from weatherd.processing.infrared import CARRIER_HZ_MAX, CARRIER_HZ_MIN, unsigned
from weatherd.sinks.mqtt.commands import shown
from weatherd.sinks.mqtt.connection import Received
from weatherd.sinks.mqtt.port import StationNow
from weatherd.sinks.mqtt.telling import Teller

SIZE_MAX = 16_384
"""Bytes of a request: two seconds of pulses and spaces as text."""

WORK_S_MAX = 10.0
"""For one request."""


class Signal(msgspec.Struct):
    """What Home Assistant lets us send: pulses positive, spaces negative, in microseconds, and a carrier in hertz."""

    timings: list[int]
    modulation: Annotated[int, Meta(ge=CARRIER_HZ_MIN, le=CARRIER_HZ_MAX)]


class Emitter:
    """
    Send what is asked for, one after the other.

    Args:
        station: Who sends.
        teller: Where people read of it.
    """

    def __init__(self, station: StationNow, teller: Teller) -> None:
        self._station = station
        self._teller = teller

    def lets_in(self, request: Received, *, is_busy: bool) -> bool:
        """Tell whether it is to be sent; what is not is told in the log."""
        if request.is_retained:
            self._teller.refused(shown(request.payload), "it is retained: nobody knows when it was meant")
            return False
        if is_busy:
            self._teller.refused(shown(request.payload), "too many in too short a time")
            return False
        return True

    async def follow(self, request: Received) -> None:
        """Send what is asked for; what is not sent is told in the log. Raises nothing."""
        what = shown(request.payload)
        try:
            signal = parse(request.payload)
            async with asyncio.timeout(WORK_S_MAX):
                await self._station.send_timings(unsigned(signal.timings), signal.modulation)
        except (ValueError, WeatherdError, TimeoutError) as error:
            self._teller.refused(what, str(error) or f"not done within {WORK_S_MAX:g} s")


def parse(payload: bytes) -> Signal:
    """
    Read a request.

    Raises:
        ValueError: If it is none.
    """
    if len(payload) > SIZE_MAX:
        raise ValueError(f"{len(payload):,} bytes are more than {SIZE_MAX:,}")
    try:
        return msgspec.json.decode(payload, type=Signal)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"no infrared signal: {error}") from None
