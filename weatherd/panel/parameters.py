"""Parameters of a request: read as `openapi.yaml` describes them, or a problem that says what is wrong."""

import re
from collections.abc import Collection, Mapping
from http import HTTPStatus

from aiohttp import web

from weatherd.panel.problems import Problem, bad
from weatherd.panel.view import Wanted
from weatherd.processing.documents import time_ms_of

DAY_MS = 86_400_000
TIME_MS_MAX = 4_102_444_800_000
"""2100-01-01T00:00:00Z."""

SEQ_MAX = 2**63 - 1
STEP_S_MAX = 31_622_400
EVENTS_MAX = 500
EVENTS_USUAL = 50
SENSOR_LENGTH_MAX = 64
TIME_LENGTH_MAX = 40
LAST_EVENT_ID_LENGTH_MAX = 20


def parameters_of(request: web.BaseRequest, known: Collection[str]) -> Mapping[str, str]:
    """Return the parameters of the query, each once at most. Raises Problem."""
    query = request.query
    for name in query:
        if name not in known:
            raise bad(f"there is no parameter {name[:40]!r} here", "request.unknown_parameter")
        if len(query.getall(name)) > 1:
            raise bad(f"{name} is given more than once")
    return dict(query)


def wanted_of(request: web.BaseRequest, now_ms: int) -> Wanted:
    """Return what of the history a request asks for. Raises Problem."""
    given = parameters_of(request, ("quantity", "sensor", "from", "to", "step"))
    quantity, sensor = given.get("quantity"), given.get("sensor")
    if quantity is None or not re.fullmatch(r"[A-Za-z0-9_]{1,64}", quantity):
        raise bad("quantity is the name of a quantity, such as air_temperature")
    if sensor is not None and not 1 <= len(sensor) <= SENSOR_LENGTH_MAX:
        raise bad(f"sensor is the name of a sensor, of 1 to {SENSOR_LENGTH_MAX} characters")
    to_ms = _time(given, "to", now_ms)
    from_ms = _time(given, "from", max(to_ms - DAY_MS, 0))
    if from_ms >= to_ms:
        raise bad("from is not before to")
    step_s = whole_number(given, "step", 60, STEP_S_MAX)
    if step_s is not None and step_s % 60:
        raise bad("step is a whole multiple of 60 seconds")
    return Wanted(quantity, sensor, from_ms, to_ms, step_s)


def page_of_events(request: web.BaseRequest) -> tuple[int, int]:
    """Return before which seq events are wanted, and how many. Raises Problem."""
    given = parameters_of(request, ("before", "limit"))
    return (
        whole_number(given, "before", 1, SEQ_MAX) or SEQ_MAX,
        whole_number(given, "limit", 1, EVENTS_MAX) or EVENTS_USUAL,
    )


def last_event_id(request: web.BaseRequest) -> int | None:
    """Return behind which seq a client wants to go on; None if it begins. Raises Problem."""
    text = request.headers.get("Last-Event-ID", "").strip()
    if len(text) > LAST_EVENT_ID_LENGTH_MAX:
        raise bad(f"Last-Event-ID has more than {LAST_EVENT_ID_LENGTH_MAX} characters")
    return int(text) if re.fullmatch(r"[0-9]{1,19}", text) else None


def whole_number(given: Mapping[str, str], name: str, least: int, most: int) -> int | None:
    """Return a whole number; None if it is not given. Raises Problem."""
    text = given.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,19}", text) or not least <= int(text) <= most:
        raise bad(f"{name} is a whole number from {least} to {most}")
    return int(text)


def _time(given: Mapping[str, str], name: str, usual_ms: int) -> int:
    text = given.get(name)
    if text is None:
        return usual_ms
    try:
        time_ms = -1 if len(text) > TIME_LENGTH_MAX else time_ms_of(text)
    except (ValueError, OverflowError):
        time_ms = -1
    if not 0 <= time_ms <= TIME_MS_MAX:
        raise bad(f"{name} is a time such as 2026-11-23T15:14:10Z, of the years 1970 to 2099")
    return time_ms


def check_method(request: web.BaseRequest, allowed: Collection[str]) -> None:
    """Refuse a method. Raises Problem."""
    if request.method not in allowed:
        raise Problem(
            HTTPStatus.METHOD_NOT_ALLOWED,
            "request.method",
            f"only {' and '.join(allowed)} can be done here: the panel shows, and changes nothing",
            {"Allow": ", ".join(allowed)},
        )
