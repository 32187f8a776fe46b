"""
What Logstash's HTTP input makes of a body: events, some of them not the ones that were meant.

Pure: bytes in, events out. Much of what goes wrong here goes wrong behind a 200, which is why it is worth
standing in for: one bad element hides those after it, and NDJSON loses all lines but the first.

Source:
    Measured on logstash-core 8.8 with logstash-input-http 4.1.13. Not measured, and taken the strict way: an
    element that is no object, and null in a field that ECS owns.
"""

import datetime as dt
import json
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import msgspec

from weatherd.testing.logstash_http import BodyTooLarge, Request

JSON_FAILURE = "_jsonparsefailure"
TIMESTAMP_FAILURE = "_timestampparsefailure"

# Logstash writes into these fields of every event; an element that has something else there collides.
OWNED_FIELDS = ("event", "host", "http", "url", "user_agent")

_WINDOW_BITS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


class BadEncoding(Exception):
    """Tell that a body is not what its Content-Encoding says. Logstash answers 400."""


class Event(msgspec.Struct, frozen=True):
    """
    One event, without the fields that Logstash adds.

    Args:
        raw: The event as JSON; for a good element the very bytes that were sent.
        document_id: Its ``event.id``, None if it has none.
        failed: Whether it carries what could not be parsed.
    """

    raw: bytes | msgspec.Raw
    document_id: str | None = None
    failed: bool = False


class _Object(msgspec.Struct):
    """Any JSON object, looked at no further."""


class _EventField(msgspec.Struct):
    id: Any = None


class _Glance(msgspec.Struct):
    """What Logstash looks at in a good element; anything else in these fields is a ValidationError."""

    timestamp: dt.datetime | msgspec.UnsetType = msgspec.field(name="@timestamp", default=msgspec.UNSET)
    event: _EventField = msgspec.field(default_factory=_EventField)
    host: _Object = msgspec.field(default_factory=_Object)
    http: _Object = msgspec.field(default_factory=_Object)
    url: _Object = msgspec.field(default_factory=_Object)
    user_agent: _Object = msgspec.field(default_factory=_Object)


_glance = msgspec.json.Decoder(_Glance)


def inflate(body: bytes, content_encoding: str, size_max: int) -> bytes:
    """
    Undo gzip and deflate. Any other encoding is ignored, as Logstash does, and the body is garbage then.

    Args:
        body: As it was received. Cut short, it gives what could be inflated.
        content_encoding: Value of the header, "" if there is none.
        size_max: Bytes that the inflated body may have.

    Raises:
        BadEncoding: If the body is not what the header says.
        BodyTooLarge: If there is more than `size_max`.
    """
    window_bits = _WINDOW_BITS.get(content_encoding.lower())
    if window_bits is not None:
        try:
            body = zlib.decompressobj(window_bits).decompress(body, size_max + 1)
        except zlib.error as error:
            raise BadEncoding(str(error)) from None
    if len(body) > size_max:
        raise BodyTooLarge
    return body


def decode(body: bytes, content_type: str, arrived_at: str) -> Iterator[Event]:
    """
    Yield the events that Logstash makes of one inflated body.

    Args:
        body: An empty one makes one empty event.
        content_type: Value of the header; json only when it is ``application/json``, case-sensitive, whatever
            parameters follow.
        arrived_at: Time of arrival in ISO 8601, for an element whose ``@timestamp`` is none.
    """
    if not body:
        yield Event(b"{}")
        return
    if content_type.partition(";")[0] != "application/json":
        yield Event(msgspec.json.encode({"message": _text(body)}))
        return
    try:
        events = [_look_at(element, arrived_at) for element in _split(body)]
    except ValueError:
        yield _failure(body)
        return
    for event in events:
        if event is None:
            yield _failure(body)
            return
        yield event


def with_added_fields(
    event: Event, request: Request, peer: str, arrived_at: str, original: bytes | None
) -> dict[str, Any]:
    """
    Return an event with the fields that Logstash adds.

    Args:
        event: Without them.
        request: The one that it came in.
        peer: Address of the client.
        arrived_at: Time of arrival in ISO 8601.
        original: The inflated body if it makes this one event only, for ``event.original``; else None.
    """
    content: dict[str, Any] = msgspec.json.decode(event.raw)
    content.setdefault("@timestamp", arrived_at)
    added: dict[str, dict[str, Any]] = {
        "host": {"ip": peer},
        "http": {"method": request.method, "request": {"mime_type": request.headers.get("content-type", "")}},
        "url": {"path": request.target},
        "user_agent": {"original": request.headers.get("user-agent", "")},
        "event": {} if original is None else {"original": _text(original)},
    }
    for name, fields in added.items():
        if fields:
            content[name] = {**content.get(name, {}), **fields}
    return content


def _split(body: bytes) -> Sequence[msgspec.Raw]:
    """Return the elements of an array, or the one value; raise ValueError where Jackson would."""
    is_array = body.lstrip()[:1] == b"["
    try:
        return (
            msgspec.json.decode(body, type=list[msgspec.Raw])
            if is_array
            else [msgspec.json.decode(body, type=msgspec.Raw)]
        )
    except msgspec.DecodeError:
        # Jackson reads the first value, and does not care what is behind it.
        first, _ = json.JSONDecoder(parse_constant=_refuse).raw_decode(body.decode().lstrip())
        return [msgspec.Raw(msgspec.json.encode(element)) for element in (first if is_array else [first])]


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _look_at(element: msgspec.Raw, arrived_at: str) -> Event | None:
    """Return the event that an element becomes; None if it collides; raise ValueError if it is no object."""
    try:
        return Event(element, _document_id(_glance.decode(element).event.id))
    except msgspec.ValidationError:
        content = msgspec.json.decode(element)
    if not isinstance(content, dict):
        raise msgspec.ValidationError("only objects become events")
    if any(not isinstance(content.get(field, {}), dict) for field in OWNED_FIELDS):
        return None
    if not _is_iso8601(content["@timestamp"]):
        content["@timestamp"] = arrived_at
        content["tags"] = [*content.get("tags", []), TIMESTAMP_FAILURE]
        element = msgspec.Raw(msgspec.json.encode(content))
    return Event(element, _document_id(content.get("event", {}).get("id")))


def _is_iso8601(timestamp: object) -> bool:
    try:
        dt.datetime.fromisoformat(str(timestamp))
    except ValueError:
        return False
    return isinstance(timestamp, str)


def _document_id(event_id: object) -> str | None:
    return None if event_id is None else str(event_id)


def _failure(body: bytes) -> Event:
    return Event(msgspec.json.encode({"message": _text(body), "tags": [JSON_FAILURE]}), failed=True)


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")
