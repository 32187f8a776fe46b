"""The stand-in against what was measured on the original, row by row."""

import asyncio
import base64
import gzip
import os
import signal
import ssl
import sys
import time
import zlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import pytest
import trustme

from weatherd.errors import UnavailableError
from weatherd.testing.logstash import Accept, Answer, Block, Close, Hang, LogstashStandIn, Reset

JSON = "application/json"


def document(number: int, **fields: Any) -> dict[str, Any]:
    return {"@timestamp": "2026-11-23T15:14:10.000Z", "event": {"id": f"attic-1-{number}"}, **fields}


@pytest.fixture
async def logstash() -> AsyncIterator[LogstashStandIn]:
    async with LogstashStandIn() as stand_in:
        yield stand_in


async def post(
    stand_in: LogstashStandIn, body: bytes, content_type: str = JSON, **headers: str
) -> tuple[int, bytes, Any]:
    """Post on a connection of its own; return status, body and headers of the response."""
    named = {"Content-Type": content_type} | {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        aiohttp.ClientSession() as session,
        session.post(stand_in.url, data=body, headers=named) as response,
    ):
        return response.status, await response.read(), response.headers


async def raw(stand_in: LogstashStandIn, request: bytes) -> bytes:
    """Send bytes and return all that comes back until the far end closes."""
    reader, writer = await asyncio.open_connection(stand_in.host, stand_in.port)
    writer.write(request)
    try:
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def without_added(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name not in {"host", "http", "url", "user_agent"}}


async def test_an_array_is_one_event_an_element(logstash: LogstashStandIn) -> None:
    """Each element becomes an event, in order, and a document under its id."""
    documents = [document(1), document(2)]

    status, body, _ = await post(logstash, msgspec.json.encode(documents))

    assert (status, body) == (200, b"ok")
    assert [without_added(event) for event in logstash.events] == documents
    assert logstash.documents == {"attic-1-1": documents[0], "attic-1-2": documents[1]}


async def test_an_empty_array_is_no_event(logstash: LogstashStandIn) -> None:
    """`[]` gets 200 and makes no event."""
    assert (await post(logstash, b"[]"))[0] == 200
    assert logstash.events_count == 0


async def test_method_and_path_are_not_checked(logstash: LogstashStandIn) -> None:
    """A GET of any path gets 200, and makes an empty event."""
    async with aiohttp.ClientSession() as session, session.get(f"{logstash.url}/any/where") as response:
        assert response.status == 200

    assert logstash.events_count == 1
    assert "message" not in logstash.events[0]
    assert logstash.events[0]["url"] == {"path": "/any/where"}


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "application/json;charset=utf-8"])
async def test_parameters_of_the_content_type_do_not_matter(logstash: LogstashStandIn, content_type: str) -> None:
    """A charset behind ``application/json`` is parsed as JSON too."""
    await post(logstash, b'[{"a": 1}, {"a": 2}]', content_type)

    assert [event["a"] for event in logstash.events] == [1, 2]


@pytest.mark.parametrize("content_type", ["Application/JSON", "text/plain", "application/x-ndjson"])
async def test_any_other_content_type_is_plain_text(logstash: LogstashStandIn, content_type: str) -> None:
    """The match is exact and case-sensitive; anything else makes one event of the whole body."""
    await post(logstash, b'[{"a": 1}, {"a": 2}]', content_type)

    assert [event["message"] for event in logstash.events] == ['[{"a": 1}, {"a": 2}]']
    assert logstash.failures_count == 0


async def test_ndjson_loses_all_but_the_first(logstash: LogstashStandIn) -> None:
    """NDJSON sent as JSON gets 200, and only its first document is kept."""
    lines = b"\n".join(msgspec.json.encode(document(number)) for number in (1, 2, 3))

    assert (await post(logstash, lines))[0] == 200
    assert list(logstash.documents) == ["attic-1-1"]
    assert logstash.events_count == 1


@pytest.mark.parametrize(
    "body", [b'[{"a": 1}, {"a"', b'[{"a": NaN}]', b"42", b'"text"', b'[{"a": 1}, 2]', b"\xff\xfe", b" "]
)
async def test_what_cannot_be_parsed_is_lost_behind_a_200(logstash: LogstashStandIn, body: bytes) -> None:
    """Malformed JSON, NaN and scalars get 200, and make one event with a tag."""
    assert (await post(logstash, body))[0] == 200

    assert [event["tags"] for event in logstash.events] == [["_jsonparsefailure"]]
    assert logstash.failures_count == 1
    assert logstash.documents == {}


@pytest.mark.parametrize(
    "collision", [{"host": "pi"}, {"url": "http://pi"}, {"event": "rain"}, {"http": 1}, {"user_agent": "pi"}]
)
async def test_a_collision_traps_what_comes_after_it(logstash: LogstashStandIn, collision: dict[str, Any]) -> None:
    """Elements before one that collides with ECS are kept; it and those after it are one failure event."""
    body = msgspec.json.encode([document(1), document(2) | collision, document(3)])

    assert (await post(logstash, body))[0] == 200
    assert list(logstash.documents) == ["attic-1-1"]
    assert [event.get("tags") for event in logstash.events] == [None, ["_jsonparsefailure"]]


@pytest.mark.parametrize("timestamp", ["23/11/2026 15:14", 1795446850, "yesterday"])
async def test_a_bad_timestamp_is_replaced(logstash: LogstashStandIn, timestamp: object) -> None:
    """A ``@timestamp`` that is not ISO 8601 gives way to the time of arrival, with a tag."""
    bad = document(1) | {"@timestamp": timestamp, "tags": ["mine"]}

    assert (await post(logstash, msgspec.json.encode([bad, document(2)])))[0] == 200
    assert logstash.events[0]["@timestamp"] != timestamp
    assert logstash.events[0]["tags"] == ["mine", "_timestampparsefailure"]
    assert list(logstash.documents) == ["attic-1-1", "attic-1-2"]


@pytest.mark.parametrize("timestamp", ["2026-11-23T15:14:10Z", "2026-11-23T15:14:10.123+01:00", "2026-11-23"])
async def test_iso_8601_is_kept(logstash: LogstashStandIn, timestamp: str) -> None:
    """Every form of ISO 8601 passes."""
    await post(logstash, msgspec.json.encode([document(1) | {"@timestamp": timestamp}]))

    assert logstash.events[0]["@timestamp"] == timestamp
    assert "tags" not in logstash.events[0]


@pytest.mark.parametrize(
    ("encoding", "compress"), [("gzip", gzip.compress), ("GZIP", gzip.compress), ("deflate", zlib.compress)]
)
async def test_gzip_and_deflate_are_inflated(logstash: LogstashStandIn, encoding: str, compress: Any) -> None:
    """Both encodings that Logstash knows give the events that were meant."""
    body = compress(msgspec.json.encode([document(1)]))

    assert (await post(logstash, body, Content_Encoding=encoding))[0] == 200
    assert list(logstash.documents) == ["attic-1-1"]


async def test_bad_gzip_is_a_400(logstash: LogstashStandIn) -> None:
    """A body that only claims to be gzip gets 400, and makes no event."""
    assert (await post(logstash, b"[]", Content_Encoding="gzip"))[0] == 400
    assert logstash.events_count == 0


async def test_truncated_gzip_is_lost_behind_a_200(logstash: LogstashStandIn) -> None:
    """A gzip body that was cut short gets 200, and makes a failure event of what was there."""
    body = gzip.compress(msgspec.json.encode([document(number) for number in range(500)]))

    assert (await post(logstash, body[: len(body) // 2], Content_Encoding="gzip"))[0] == 200
    assert (logstash.events_count, logstash.failures_count) == (1, 1)
    assert "attic-1-0" in logstash.events[0]["message"]


@pytest.mark.parametrize("encoding", ["zstd", "br"])
async def test_other_encodings_are_garbage(logstash: LogstashStandIn, encoding: str) -> None:
    """A Content-Encoding that Logstash does not know is ignored, and the body cannot be parsed."""
    assert (await post(logstash, b"\x28\xb5\x2f\xfd\x04\x00\x41", Content_Encoding=encoding))[0] == 200
    assert logstash.failures_count == 1


async def test_the_size_counts_after_inflating() -> None:
    """A body that is too large after inflating gets 413 with an empty body."""
    async with LogstashStandIn(body_size_max=1000) as logstash:
        status, body, _ = await post(logstash, gzip.compress(b" " * 1001), Content_Encoding="gzip")
        fits, _, _ = await post(logstash, gzip.compress(b"[" + b" " * 998 + b"]"), Content_Encoding="gzip")

        assert (status, body) == (413, b"")
        assert fits == 200
        assert (await post(logstash, b" " * 1001))[0] == 413
        assert logstash.events_count == 0


async def test_long_headers_lose_the_body_behind_a_200(logstash: LogstashStandIn) -> None:
    """Request headers of over 8 KiB in all get 200, and make an empty event."""
    headers = {f"X_Long_{number}": "x" * 1000 for number in range(9)}

    assert (await post(logstash, msgspec.json.encode([document(1)]), **headers))[0] == 200
    assert logstash.events_count == 1
    assert logstash.documents == {}


async def test_authentication() -> None:
    """The right password gets 200; none gets 401 with WWW-Authenticate, a wrong one 401 without."""
    async with LogstashStandIn(username="weatherd", password="right") as logstash:
        right = basic("weatherd", "right")
        wrong = basic("weatherd", "wrong")

        assert (await post(logstash, b"[{}]", Authorization=right))[0] == 200
        status, _, headers = await post(logstash, b"[{}]")
        assert (status, "WWW-Authenticate" in headers) == (401, True)
        status, _, headers = await post(logstash, b"[{}]", Authorization=wrong)
        assert (status, "WWW-Authenticate" in headers) == (401, False)
        assert logstash.events_count == 1


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_the_success_status_can_be_set(status: int) -> None:
    """Success has the status that was set; 204 has neither body nor Content-Length."""
    async with LogstashStandIn(success_status=status) as logstash:
        answered, body, headers = await post(logstash, b"[{}]")

        assert answered == status
        assert (body, "Content-Length" in headers) == ((b"", False) if status == 204 else (b"ok", True))


async def test_connection_close_is_not_honoured(logstash: LogstashStandIn) -> None:
    """The connection stays open, whatever the client asks for."""
    request = b"POST / HTTP/1.1\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]"
    reader, writer = await asyncio.open_connection(logstash.host, logstash.port)

    for _ in range(2):
        writer.write(request)
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200 OK\r\n")

    writer.close()
    await writer.wait_closed()
    assert (logstash.connections_count, logstash.requests_count) == (1, 2)


async def test_expect_is_answered_unless_blocked(logstash: LogstashStandIn) -> None:
    """``Expect: 100-continue`` gets its 100, and none while the pipeline is blocked."""
    head = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    reader, writer = await asyncio.open_connection(logstash.host, logstash.port)
    writer.write(head)
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.close()
    await writer.wait_closed()

    logstash.behave(Block(delay_s=0.0))
    assert (await raw(logstash, head)).startswith(b"HTTP/1.1 429 ")


async def test_a_chunked_body_is_read(logstash: LogstashStandIn) -> None:
    """A body without a length, as a streaming client sends it, is put together."""

    async def chunks() -> AsyncIterator[bytes]:
        yield b'[{"a": 1},'
        yield b'{"a": 2}]'

    async with (
        aiohttp.ClientSession() as session,
        session.post(logstash.url, data=chunks(), headers={"Content-Type": JSON}) as response,
    ):
        assert response.status == 200
    assert logstash.requests[0].body == b'[{"a": 1},{"a": 2}]'
    assert logstash.events_count == 2


async def test_added_fields(logstash: LogstashStandIn) -> None:
    """Logstash's own fields are added; ``event.original`` only to the event of a body that makes one."""
    await post(logstash, b'[{"a": 1}]', User_Agent="weatherd/1")
    await post(logstash, b'[{"a": 1}, {"a": 2}]')

    one, *two = logstash.events
    assert one["host"] == {"ip": "127.0.0.1"}
    assert one["http"]["method"] == "POST"
    assert one["user_agent"] == {"original": "weatherd/1"}
    assert one["event"] == {"original": '[{"a": 1}]'}
    assert all("event" not in event for event in two)


async def test_the_first_document_of_an_id_wins(logstash: LogstashStandIn) -> None:
    """A second document with an id is a duplicate, and a conflict if its bytes differ."""
    await post(logstash, msgspec.json.encode([document(1, a=1), document(1, a=1)]))
    await post(logstash, msgspec.json.encode([document(1, a=2)]))

    assert logstash.documents["attic-1-1"]["a"] == 1
    counts = logstash.counts()
    assert (counts["events"], counts["documents"], counts["duplicates"], counts["conflicts"]) == (3, 1, 2, 1)


async def test_what_is_kept_is_bounded_and_counts_are_exact() -> None:
    """The oldest events, documents and requests are forgotten; nothing is forgotten in the counts."""
    async with LogstashStandIn(keep_events_max=2, keep_documents_max=2, keep_requests_max=1) as logstash:
        for number in range(5):
            await post(logstash, msgspec.json.encode([document(number)]))

        assert [event["event"]["id"] for event in logstash.events] == ["attic-1-3", "attic-1-4"]
        assert list(logstash.documents) == ["attic-1-3", "attic-1-4"]
        assert len(logstash.requests) == 1
        counts = logstash.counts()
        assert (counts["requests"], counts["events"], counts["documents"]) == (5, 5, 5)


async def test_a_hook_sees_every_event() -> None:
    """`on_event` is called with each event, also when none is kept."""
    seen: list[dict[str, Any]] = []
    async with LogstashStandIn(keep_events_max=0, on_event=seen.append) as logstash:
        await post(logstash, b'[{"a": 1}, {"a": 2}]')

        assert [event["a"] for event in seen] == [1, 2]
        assert not logstash.events


async def test_a_full_queue_answers_at_once_and_keeps_the_connection(logstash: LogstashStandIn) -> None:
    """`Answer(429)` keeps the connection, and the next request on it is served."""
    logstash.behave_next(Answer(429))
    async with aiohttp.ClientSession() as session:
        for status in (429, 200):
            async with session.post(logstash.url, data=b"[]", headers={"Content-Type": JSON}) as response:
                assert response.status == status
                assert response.headers["Content-Length"] in {"0", "2"}

    assert logstash.connections_count == 1


async def test_a_blocked_pipeline_answers_without_a_length_and_closes(logstash: LogstashStandIn) -> None:
    """After the delay there is a 429 without Content-Length, and then the end."""
    logstash.behave(Block(delay_s=0.1))
    started_s = time.monotonic()

    answer = await raw(logstash, b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n[]")

    assert answer == b"HTTP/1.1 429 Too Many Requests\r\n\r\n"
    assert time.monotonic() - started_s >= 0.1
    assert logstash.events_count == 0


async def test_a_large_upload_to_a_blocked_pipeline_breaks(logstash: LogstashStandIn) -> None:
    """A client that writes on gets a broken pipe or a reset."""
    logstash.behave(Block(delay_s=0.0))
    reader, writer = await asyncio.open_connection(logstash.host, logstash.port)
    writer.write(b"POST / HTTP/1.1\r\nContent-Length: 50000000\r\n\r\n")

    async def upload() -> None:
        for _ in range(50):
            writer.write(b" " * 1_000_000)
            await writer.drain()

    with pytest.raises(ConnectionError):
        await upload()

    with pytest.raises(ConnectionError):
        await writer.wait_closed()
    assert reader.exception() is not None


async def test_a_pipeline_that_was_blocked_accepts_though_the_client_is_gone(
    logstash: LogstashStandIn,
) -> None:
    """What a client gave up waiting for is taken all the same."""
    accepted = asyncio.Event()
    logstash.on_event = lambda event: accepted.set()
    logstash.behave(Accept(delay_s=0.6))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await post(logstash, msgspec.json.encode([document(1)]))
    assert logstash.documents == {}

    async with asyncio.timeout(5):
        await accepted.wait()
    assert list(logstash.documents) == ["attic-1-1"]


async def test_hang_never_answers(logstash: LogstashStandIn) -> None:
    """The body is read, and that is all that happens."""
    logstash.behave(Hang())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await post(logstash, b"[{}]")

    assert (logstash.requests_count, logstash.events_count) == (1, 0)
    assert logstash.requests[0].body == b"[{}]"


async def test_reset_comes_in_mid_body(logstash: LogstashStandIn) -> None:
    """The connection is reset before the client has written everything."""
    logstash.behave(Reset())
    reader, writer = await asyncio.open_connection(logstash.host, logstash.port)
    writer.write(b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n" + b" " * 50)

    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()
    assert logstash.events_count == 0


async def test_close_answers_nothing(logstash: LogstashStandIn) -> None:
    """The connection ends without a byte."""
    logstash.behave(Close())

    assert await raw(logstash, b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n[]") == b""


async def test_what_is_no_http_is_hung_up_on(logstash: LogstashStandIn) -> None:
    """A client that speaks something else is not answered, and does not count."""
    assert await raw(logstash, b"EHLO pi\r\n\r\n") == b""
    assert await raw(logstash, b"POST / HTTP/1.1\r\nContent-Length: some\r\n\r\n") == b""
    assert logstash.events_count == 0


async def test_answers_as_told(logstash: LogstashStandIn) -> None:
    """`behave_next` is for one request each, in turn; `behave` lasts; headers are sent as given."""
    logstash.behave(Answer(404))
    logstash.behave_next(Answer(503, retry_after_s=2), Answer(302, headers={"Location": "/login"}))
    answers = []
    async with aiohttp.ClientSession() as session:
        for _ in range(4):
            async with session.post(logstash.url, data=b"[]", allow_redirects=False) as response:
                answers.append((response.status, response.headers.get("Retry-After")))
    assert answers == [(503, "2"), (302, None), (404, None), (404, None)]

    logstash.behave_next(Hang())
    logstash.behave(Accept())
    assert (await post(logstash, b"[]"))[0] == 200


async def test_it_goes_away_and_comes_back_on_its_port() -> None:
    """Stopped, it refuses connections and drops those it had; started again, it has what it had."""
    logstash = LogstashStandIn()
    await logstash.start()
    url = logstash.url
    await post(logstash, msgspec.json.encode([document(1)]))
    reader, writer = await asyncio.open_connection(logstash.host, logstash.port)
    logstash.behave_next(Hang())
    writer.write(b"GET / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")

    await logstash.stop()
    assert await reader.read() == b""
    writer.close()
    with pytest.raises(aiohttp.ClientConnectorError):
        await post(logstash, b"[]")

    await logstash.start()
    assert logstash.url == url
    await post(logstash, msgspec.json.encode([document(1), document(2)]))
    assert list(logstash.documents) == ["attic-1-1", "attic-1-2"]
    assert logstash.duplicates_count == 1
    await logstash.stop()
    await logstash.stop()


async def test_a_taken_port_is_told(logstash: LogstashStandIn) -> None:
    """A port in use is an error with a sentence and a hint."""
    with pytest.raises(UnavailableError, match=f"cannot listen on 127.0.0.1:{logstash.port}"):
        await LogstashStandIn(port=logstash.port).start()


async def test_tls() -> None:
    """With a context it speaks https."""
    authority = trustme.CA()
    server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    async with (
        LogstashStandIn(ssl_context=server) as logstash,
        aiohttp.ClientSession() as session,
        session.post(logstash.url, data=b"[{}]", headers={"Content-Type": JSON}, ssl=client) as response,
    ):
        assert logstash.url.startswith("https://")
        assert response.status == 200
        assert logstash.events_count == 1


async def test_as_a_program_it_prints_its_url_and_its_counts() -> None:
    """The first line is the url; counts follow on SIGUSR1 and at the end; SIGTERM ends it well."""
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "weatherd.testing.logstash", "--port", "0"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert program.stdout is not None
    async with asyncio.timeout(10), aiohttp.ClientSession() as session:
        url = (await program.stdout.readline()).decode().strip()
        async with session.post(
            url, data=msgspec.json.encode([document(1)]), headers={"Content-Type": JSON}
        ) as response:
            assert response.status == 200
        os.kill(program.pid, signal.SIGUSR1)
        counts = msgspec.json.decode(await program.stdout.readline())
        program.terminate()
        rest, _ = await program.communicate()
    assert (counts["requests"], counts["events"], counts["documents"]) == (1, 1, 1)
    assert msgspec.json.decode(rest.splitlines()[-1])["events"] == 1
    assert program.returncode == 0
