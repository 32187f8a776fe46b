"""
Commands: what may be asked, how often, and what is answered. Pure.

    report                                       every sensor's observation now, though its report period is not over
    {"command": "report", "sensor": "garden"}    the same of one sensor
    requeue                                      what is in quarantine is tried again
    {"command": "infrared", "name": "tv_power"}  a command of the configuration is sent by infrared

Off by default. Whoever may publish on the command topic may do these three things, and nothing else.
"""

from typing import Literal

import msgspec

from weatherd.sinks.mqtt.topics import Topics

SIZE_MAX = 4096
"""Bytes of a command."""

BURST_MAX = 5
"""Commands that may come at once."""

PERIOD_S = 1.0
"""Behind a burst, one more in each of these."""

SHOWN_LENGTH_MAX = 60

RESPONSE_LENGTH_MAX = 64
"""Characters below our response topic: brokers end the connection of who publishes on one of too many levels."""


class Command(msgspec.Struct, forbid_unknown_fields=True):
    """What is wanted; `sensor` goes only with a report, and `name` with infrared."""

    command: Literal["report", "requeue", "infrared"]
    sensor: str | None = None
    name: str | None = None


class BadCommand(ValueError):
    """Tell whoever asked what is wrong with it."""


def parse(payload: bytes) -> Command:
    """
    Read a command.

    Raises:
        BadCommand: If it is none.
    """
    if len(payload) > SIZE_MAX:
        raise BadCommand(f"{len(payload):,} bytes are more than {SIZE_MAX:,}")
    if payload in {b"report", b"requeue"}:
        return Command("report" if payload == b"report" else "requeue")
    try:
        command = msgspec.json.decode(payload, type=Command)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadCommand(f"neither report nor requeue, nor JSON with a command: {error}") from None
    if command.sensor is not None and command.command != "report":
        raise BadCommand("sensor goes only together with report")
    if (command.name is not None) is not (command.command == "infrared"):
        raise BadCommand("name goes with infrared, and infrared with a name")
    return command


def shown(payload: bytes) -> str:
    """Return the beginning of a command for the log, without what could be mistaken for another line of it."""
    return repr(payload[:SHOWN_LENGTH_MAX])[2:-1] + ("…" if len(payload) > SHOWN_LENGTH_MAX else "")


def response_topic(topics: Topics, wanted: str | None) -> str:
    """
    Return where to answer: as asked if that is our response topic or below it, else on our response topic.

    Anywhere else we could be made to publish what the one who asks may not publish himself.
    """
    below = (wanted or "").removeprefix(f"{topics.response}/")
    is_ours = below != (wanted or "") and len(below) <= RESPONSE_LENGTH_MAX and below.isprintable()
    return f"{topics.response}/{below}" if is_ours and below and not set(below) & set("+#") else topics.response


def answer(command: str, *, count: int | None = None, error: str = "") -> bytes:
    """Return the body of an answer."""
    body: dict[str, object] = {"command": command, "ok": not error}
    return msgspec.json.encode(body | ({"error": error} if error else {"count": count}))
