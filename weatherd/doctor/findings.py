"""What was found out about one thing, and the deadline within which it is found out."""

import asyncio
import enum
import traceback
from collections.abc import Awaitable, Sequence

import msgspec

from weatherd.errors import ConfigError, WeatherdError


class State(enum.StrEnum):
    """How a thing is: as it should be, worth a look, or such that the station cannot do its work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(msgspec.Struct, frozen=True):
    """
    One thing that was tried.

    Attributes:
        check: What kind of thing: configuration, daemon, clock, bus, sensor, infrared, disk or sink.
        subject: Which one: the name of a sensor, ``journal``, ``logstash``.
        state: How it is.
        code: For programs; empty if all is well.
        message: A sentence for people.
        hint: What they can do about it; empty if all is well.
    """

    check: str
    subject: str
    state: State
    code: str
    message: str
    hint: str


def ok(check: str, subject: str, message: str) -> Finding:
    """Find that a thing is as it should be."""
    return Finding(check, subject, State.OK, "", message, "")


def warn(check: str, subject: str, code: str, message: str, hint: str) -> Finding:
    """Find what is worth a look."""
    return Finding(check, subject, State.WARN, code, message, hint)


def fail(check: str, subject: str, code: str, message: str, hint: str) -> Finding:
    """Find what stops the station from doing its work."""
    return Finding(check, subject, State.FAIL, code, message, hint)


def failed(check: str, subject: str, error: WeatherdError, hint: str = "") -> Finding:
    """
    Find what an error says.

    Args:
        check: As that of a finding.
        subject: As that of a finding.
        error: What was raised.
        hint: Where the error itself has none.
    """
    return fail(check, subject, error.code, error.sentence, error.hint or hint)


def mistakes(error: ConfigError) -> Sequence[Finding]:
    """Return a finding for each mistake of a configuration, and one for what cannot be tried because of them."""
    hint = "mend it in the file; config/weatherd.toml explains every key"
    return [
        *(fail("configuration", "configuration", error.code, str(mistake), hint) for mistake in error.mistakes),
        warn(
            "configuration",
            "configuration",
            "doctor.not_tried",
            "bus, sensors, disk and sinks are not tried",
            "mend the mistakes first",
        ),
    ]


async def bounded(check: str, subject: str, work: Awaitable[Sequence[Finding]], limit_s: float) -> Sequence[Finding]:
    """
    Return what some work finds, or why it found nothing. Raises nothing.

    Args:
        check: As that of a finding.
        subject: As that of a finding.
        work: Tries the thing.
        limit_s: Seconds that it may take.
    """
    try:
        async with asyncio.timeout(limit_s):
            return await work
    except TimeoutError:
        sentence = f"does not come to an end: given up after {limit_s:g} s"
        return [fail(check, subject, "doctor.deadline_exceeded", sentence, "try again, and look at `dmesg`")]
    except WeatherdError as error:
        return [failed(check, subject, error)]
    except OSError as error:
        sentence = f"cannot be looked at: {error.strerror or error}"
        return [fail(check, subject, "doctor.not_possible", sentence, "try with sudo, and look at `dmesg`")]
    except Exception as error:  # noqa: BLE001 - as in a supervisor: a mistake of ours must not hide all other findings
        place = traceback.extract_tb(error.__traceback__)[-1]  # and no more: its words might hold a secret
        sentence = f"could not be tried: {type(error).__name__} in {place.name}, line {place.lineno}"
        return [fail(check, subject, "doctor.failed", sentence, "this is a mistake of weatherd's: please report it")]
