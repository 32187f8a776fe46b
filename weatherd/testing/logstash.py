"""
A stand-in for Logstash's HTTP input, with its bad sides, for the demo, the tests and the benchmarks.

    async with LogstashStandIn() as logstash:
        logstash.behave_next(Answer(503, retry_after_s=2), Hang())
        ...                                             # post to logstash.url
        assert logstash.documents["porto-alegre-01-3f9c2a71-000000000001"]

What a body becomes is in `weatherd.testing.logstash_codec`; here is the server around it, and Elasticsearch as
far as it matters: documents by their id, `action => create`, the first one wins.

It speaks HTTP over plain streams, because no HTTP server library leaves out a Content-Length, ignores
``Connection: close`` or resets a connection in the middle of a body. One thing of the original it does not do:
answers to pipelined requests come back in order.

As a program, ``python -m weatherd.testing.logstash --port N`` prints its url, and then its counts as a line of
JSON each second, on SIGUSR1 and at the end.

Source:
    Measured on logstash-core 8.8 with logstash-input-http 4.1.13.
"""

import argparse
import asyncio
import base64
import contextlib
import dataclasses
import datetime as dt
import http
import signal
import ssl
import sys
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import msgspec

from weatherd.errors import UnavailableError
from weatherd.testing import logstash_codec, logstash_http

# Netty takes request headers of up to 8 KiB in all; larger ones make an empty event behind a 200.
HEADERS_SIZE_MAX = 8 * 1024

# Logstash's default for max_content_length.
BODY_SIZE_MAX = 100 * 1024 * 1024

# Headers larger than this are no test of anything: the connection is closed.
_HEAD_SIZE_MAX = 256 * 1024

_CHUNK_SIZE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Accept:
    """Take what comes; with a delay as a pipeline that is blocked and then accepts, client gone or not."""

    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """Read the body, answer this, and keep the connection: ``Answer(429)`` is a full queue."""

    status: int
    retry_after_s: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Block:
    """Read no body, and after a delay answer 429 without Content-Length, then close after another delay."""

    delay_s: float = 10.0
    close_delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Hang:
    """Read the body and never answer."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Read half of the body, then reset the connection."""


@dataclass(frozen=True, slots=True)
class Close:
    """Read the body, then close the connection without an answer."""


Behaviour = Accept | Answer | Block | Hang | Reset | Close


class LogstashStandIn:
    """
    Logstash's HTTP input on loopback, and the index behind it.

    Counts are exact for its whole life. What is kept in memory is bounded. `stop` and `start` again, and it is
    back on the same port with everything it had.

    Args:
        host: Address to listen on.
        port: 0 takes a free one.
        ssl_context: Makes it https; one that asks for certificates makes it mTLS.
        username: None lets everybody in.
        password: That of `username`.
        success_status: What Logstash answers when it took something: 200, 201, 202 or 204.
        body_size_max: Bytes of an inflated body, before 413.
        keep_events_max: How many of the newest events to keep in `events`. With 0 nothing but what is
            needed to count is decoded.
        keep_documents_max: How many of the newest documents to know; a duplicate of one that was forgotten
            counts as new.
        keep_requests_max: How many of the newest requests to keep in `requests`.
        on_event: Called with every event.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        ssl_context: ssl.SSLContext | None = None,
        username: str | None = None,
        password: str | None = None,
        success_status: int = 200,
        body_size_max: int = BODY_SIZE_MAX,
        keep_events_max: int = 10_000,
        keep_documents_max: int = 100_000,
        keep_requests_max: int = 10,
        on_event: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.events: deque[dict[str, Any]] = deque(maxlen=keep_events_max)
        self.requests: deque[logstash_http.Request] = deque(maxlen=keep_requests_max)
        self.on_event = on_event
        self.connections_count = 0
        self.requests_count = 0
        self.events_count = 0
        self.failures_count = 0
        self.documents_count = 0
        self.duplicates_count = 0
        self.conflicts_count = 0
        self._documents: dict[str, bytes] = {}
        self._keep_documents_max = keep_documents_max
        self._ssl_context = ssl_context
        self._authorization = None if username is None else _basic(username, password or "")
        self._success_status = success_status
        self._body_size_max = body_size_max
        self._behaviour: Behaviour = Accept()
        self._next: deque[Behaviour] = deque()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where to post to."""
        return f"http{'s' if self._ssl_context else ''}://{self.host}:{self.port}"

    @property
    def documents(self) -> dict[str, Any]:
        """What Elasticsearch would hold, by id, decoded anew at each call; without events that have no id."""
        return {id_: msgspec.json.decode(document) for id_, document in self._documents.items()}

    def counts(self) -> dict[str, int]:
        """
        Return every counter by its name.

        Events include failures, the events made of what could not be parsed. Duplicates are documents whose
        id was there already; conflicts are those among them whose bytes differ.
        """
        return {
            "connections": self.connections_count,
            "requests": self.requests_count,
            "events": self.events_count,
            "failures": self.failures_count,
            "documents": self.documents_count,
            "duplicates": self.duplicates_count,
            "conflicts": self.conflicts_count,
        }

    def behave(self, behaviour: Behaviour) -> None:
        """Behave like this until told otherwise, and forget what was planned for the next requests."""
        self._behaviour = behaviour
        self._next.clear()

    def behave_next(self, *behaviours: Behaviour) -> None:
        """Behave like these for the next requests, one each, after those planned already."""
        self._next.extend(behaviours)

    async def start(self) -> None:
        """
        Listen; after a `stop`, on the same port again.

        Raises:
            UnavailableError: If the port is taken.
        """
        try:
            self._server = await asyncio.start_server(
                self._serve, self.host, self.port, ssl=self._ssl_context, limit=_HEAD_SIZE_MAX
            )
        except OSError as error:
            raise UnavailableError(
                f"the stand-in for Logstash cannot listen on {self.host}:{self.port}: {error.strerror}",
                "choose another port, or 0 for a free one",
            ) from error
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Go away: refuse connections, and abort those that there are. May be called without a `start`."""
        if self._server is None:
            return
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until either side has had enough."""
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        self.connections_count += 1
        try:
            while await self._serve_request(reader, writer):
                await writer.drain()
        except (ConnectionError, ssl.SSLError, asyncio.IncompleteReadError, logstash_http.NotHttp):
            pass  # the client has gone away, or speaks something else
        except asyncio.CancelledError:
            # Only `stop` cancels, and asyncio of Python 3.11 would log a connection that ends cancelled.
            writer.transport.abort()
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve_request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serve one request; tell whether the connection stays."""
        request = await logstash_http.read_head(reader)
        self.requests_count += 1
        behaviour = self._next.popleft() if self._next else self._behaviour
        if isinstance(behaviour, Block):
            await asyncio.sleep(behaviour.delay_s)
            writer.write(logstash_http.response(429, body=None))
            await asyncio.sleep(behaviour.close_delay_s)
            return False
        if request.headers.get("expect") == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if isinstance(behaviour, Reset):
            await logstash_http.read_body(reader, request, self._body_size_max, part=0.5)
            logstash_http.reset(writer)
            return False
        try:
            body = await logstash_http.read_body(reader, request, self._body_size_max)
        except logstash_http.BodyTooLarge:
            writer.write(logstash_http.response(413))
            return False
        request = dataclasses.replace(request, body=body)
        self.requests.append(request)
        match behaviour:
            case Answer(status, retry_after_s, headers):
                wait = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
                writer.write(logstash_http.response(status, {**headers, **wait}))
            case Hang():
                while await reader.read(_CHUNK_SIZE):
                    pass
                return False
            case Close():
                return False
            case Accept(delay_s):
                await asyncio.sleep(delay_s)
                peer: tuple[str, int] = writer.get_extra_info("peername") or ("", 0)
                writer.write(self._accept(request, peer[0]))
        return True

    def _accept(self, request: logstash_http.Request, peer: str) -> bytes:
        """Do what Logstash does with a request when all is well, and return its response."""
        authorization = request.headers.get("authorization")
        if self._authorization is not None and authorization != self._authorization:
            challenge = {"WWW-Authenticate": 'Basic realm="logstash"'}
            return logstash_http.response(401, challenge if authorization is None else {})
        encoding = request.headers.get("content-encoding", "")
        try:
            body = logstash_codec.inflate(request.body, encoding, self._body_size_max)
        except logstash_codec.BadEncoding:
            return logstash_http.response(400)
        except logstash_http.BodyTooLarge:
            return logstash_http.response(413)
        if request.headers_size > HEADERS_SIZE_MAX:
            body = b""
        self._take(request, body, peer)
        return logstash_http.response(
            self._success_status, body=b"" if self._success_status == http.HTTPStatus.NO_CONTENT else b"ok"
        )

    def _take(self, request: logstash_http.Request, body: bytes, peer: str) -> None:
        """Count the events of a body, index those that have an id, and keep as many as wanted."""
        arrived_at = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
        events = list(logstash_codec.decode(body, request.headers.get("content-type", ""), arrived_at))
        self.events_count += len(events)
        wanted = self.on_event is not None or self.events.maxlen != 0
        for event in events:
            self.failures_count += event.failed
            if event.document_id is not None:
                self._index(event.document_id, bytes(event.raw))
            if wanted:
                original = body if len(events) == 1 else None
                content = logstash_codec.with_added_fields(event, request, peer, arrived_at, original)
                self.events.append(content)
                if self.on_event is not None:
                    self.on_event(content)

    def _index(self, document_id: str, document: bytes) -> None:
        if document_id in self._documents:
            self.duplicates_count += 1
            self.conflicts_count += self._documents[document_id] != document
            return
        self._documents[document_id] = document
        self.documents_count += 1
        if len(self._documents) > self._keep_documents_max:
            del self._documents[next(iter(self._documents))]


def _basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


async def _run(stand_in: LogstashStandIn) -> None:
    """Serve until SIGINT or SIGTERM, and print counts."""
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    loop.add_signal_handler(signal.SIGINT, stopping.set)
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    loop.add_signal_handler(signal.SIGUSR1, lambda: _print(msgspec.json.encode(stand_in.counts()).decode()))
    async with stand_in:
        _print(stand_in.url)
        while not stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), 1.0)
            _print(msgspec.json.encode(stand_in.counts()).decode())


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Run the stand-in as a program of its own; it counts, and keeps no events."""
    parser = argparse.ArgumentParser(prog="python -m weatherd.testing.logstash", description=_run.__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8080, help="0 takes a free one (default: %(default)s)")
    parser.add_argument(
        "--delay", type=float, default=0.0, metavar="SECONDS", help="before each answer (default: %(default)s)"
    )
    parser.add_argument(
        "--documents",
        type=int,
        default=1_000_000,
        metavar="N",
        help="how many of the newest ids to know duplicates by (default: %(default)s)",
    )
    arguments = parser.parse_args()
    stand_in = LogstashStandIn(
        arguments.host, arguments.port, keep_events_max=0, keep_documents_max=arguments.documents
    )
    stand_in.behave(Accept(arguments.delay))
    asyncio.run(_run(stand_in))


if __name__ == "__main__":
    main()
