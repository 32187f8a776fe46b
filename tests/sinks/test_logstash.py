"""The Logstash sink against the stand-in: what each answer means, and what is on the wire."""

import asyncio
import contextlib
import datetime as dt
import email.utils
import gzip
import socket
import ssl
import threading
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trustme

from weatherd import __version__
from weatherd.errors import ConfigError, Refused, SinkError, TooLarge, Unreachable, Unwelcome
from weatherd.packed import Packed, compress
from weatherd.sinks.logstash import ACKNOWLEDGEMENT_S_MAX, LogstashSink
from weatherd.testing.logstash import Accept, Answer, Behaviour, Block, Close, Hang, LogstashStandIn, Reset
from weatherd.tls import tls_context

SECRET = "correct-horse"


class FakeClock:
    """Stands still until told; nothing of the sink's sleeps."""

    def __init__(self) -> None:
        self.boottime = 1000.0

    def boottime_s(self) -> float:
        return self.boottime

    def now_ms(self) -> int:
        return int(dt.datetime(2026, 11, 23, 15, 14, 10, tzinfo=dt.UTC).timestamp() * 1000)

    def synchronized(self) -> bool:
        return True

    async def sleep(self, delay_s: float) -> None:
        self.boottime += delay_s


def documents(*numbers: int) -> list[bytes]:
    return [
        msgspec.json.encode({"@timestamp": "2026-11-23T15:14:10.000Z", "event": {"id": f"attic-1-{number}"}})
        for number in numbers
    ]


def ids(logstash: LogstashStandIn) -> list[str]:
    return list(logstash.documents)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def logstash() -> AsyncIterator[LogstashStandIn]:
    async with LogstashStandIn() as stand_in:
        yield stand_in


@contextlib.asynccontextmanager
async def sink_to(*urls: str, **settings: Any) -> AsyncIterator[LogstashSink]:
    sink = LogstashSink(urls=urls, **{"clock": FakeClock(), "timeout_s": 5.0, **settings})
    try:
        yield sink
    finally:
        await sink.close()


async def failure_of(sink: LogstashSink, kind: type[SinkError] = Unreachable) -> Any:
    """Deliver one document, and return the error."""
    with pytest.raises(kind) as caught:
        await sink.deliver(documents(1))
    assert type(caught.value) is kind
    return caught.value


@contextlib.asynccontextmanager
async def serving(serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]) -> AsyncIterator[int]:
    """Serve something that the stand-in does not do; yield the port."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def unused_url() -> str:
    """Return a url at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


# What is on the wire


async def test_documents_arrive_as_they_are(logstash: LogstashStandIn) -> None:
    """A batch is one JSON array, gzipped, of exactly the bytes that were handed over."""
    batch = documents(1, 2, 3)
    async with sink_to(logstash.url) as sink:
        await sink.deliver(batch)

    request = logstash.requests[0]
    assert gzip.decompress(request.body) == b"[" + b",".join(batch) + b"]"
    assert ids(logstash) == ["attic-1-1", "attic-1-2", "attic-1-3"]
    assert logstash.failures_count == 0


async def test_what_is_packed_arrives_as_it_lies(logstash: LogstashStandIn) -> None:
    """Documents that the journal has compressed are sent so; a part of them is compressed anew."""
    batch = documents(*range(300))
    packed = Packed(compress(batch))
    async with sink_to(logstash.url) as sink:
        await sink.deliver(packed)
        await sink.deliver(packed[7:])

    assert logstash.requests[0].body == packed.gzipped()
    assert gzip.decompress(logstash.requests[1].body) == b"[" + b",".join(batch[7:]) + b"]"
    assert ids(logstash) == [f"attic-1-{number}" for number in range(300)]
    assert logstash.failures_count == 0


async def test_400_to_what_is_packed_is_tried_once_more_uncompressed(logstash: LogstashStandIn) -> None:
    """It is inflated for that; and so it is where nothing is to be compressed."""
    batch = documents(*range(300))
    logstash.behave_next(Answer(400))
    async with sink_to(logstash.url) as sink:
        await sink.deliver(Packed(compress(batch)))
    async with sink_to(logstash.url, compression="none") as sink:
        await sink.deliver(Packed(compress(batch)))

    plain = b"[" + b",".join(batch) + b"]"
    assert [request.body for request in list(logstash.requests)[1:]] == [plain, plain]
    assert "content-encoding" not in logstash.requests[1].headers


async def test_headers(logstash: LogstashStandIn) -> None:
    """The Content-Type is exact, there is a length, and neither Expect, cookies nor credentials."""
    logstash.behave_next(Answer(200, headers={"Set-Cookie": "a=b"}))
    # A name, since addresses get no cookies anyway.
    async with sink_to(logstash.url.replace("127.0.0.1", "localhost")) as sink:
        await sink.deliver(documents(1))
        await sink.deliver(documents(2))

    request = logstash.requests[-1]
    assert request.method == "POST"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["content-encoding"] == "gzip"
    assert request.headers["content-length"] == str(len(request.body))
    assert request.headers["user-agent"] == f"weatherd/{__version__}"
    assert not {"expect", "cookie", "authorization", "transfer-encoding"} & set(request.headers)
    assert request.headers_size < 500


async def test_proxies_of_the_environment_are_left_alone(
    logstash: LogstashStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy that somebody set for other programs is not used."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, unused_url())
    monkeypatch.delenv("no_proxy", raising=False)
    async with sink_to(logstash.url) as sink:
        await sink.deliver(documents(1))

    assert ids(logstash) == ["attic-1-1"]


async def test_without_compression_the_body_is_plain(logstash: LogstashStandIn) -> None:
    """`none` sends the array itself."""
    async with sink_to(logstash.url, compression="none") as sink:
        await sink.deliver(documents(1))

    assert logstash.requests[0].body == b"[" + documents(1)[0] + b"]"
    assert "content-encoding" not in logstash.requests[0].headers


@pytest.mark.parametrize("compression", ["gzip", "none"])
async def test_a_large_batch_arrives(logstash: LogstashStandIn, compression: str) -> None:
    """Several megabytes pass, compressed in a thread or written in chunks."""
    batch = [document[:-1] + b',"a":"' + b"x" * 2000 + b'"}' for document in documents(*range(2000))]
    async with sink_to(logstash.url, compression=compression) as sink:
        await sink.deliver(batch)

    assert logstash.documents_count == 2000


async def test_nothing_is_a_probe(logstash: LogstashStandIn) -> None:
    """An empty batch asks Logstash for an answer, and makes no event."""
    async with sink_to(logstash.url) as sink:
        await sink.deliver([])

    assert (logstash.requests_count, logstash.events_count) == (1, 0)


async def test_the_connection_is_kept(logstash: LogstashStandIn) -> None:
    """One delivery after another uses one connection."""
    async with sink_to(logstash.url) as sink:
        for number in range(5):
            await sink.deliver(documents(number))

    assert (logstash.connections_count, logstash.requests_count) == (1, 5)


async def test_connections_are_bounded(logstash: LogstashStandIn) -> None:
    """However many deliveries there are at once, no more than `in_flight_max` connections are opened."""
    logstash.behave(Accept(delay_s=0.02))
    async with sink_to(logstash.url, in_flight_max=2) as sink:
        await asyncio.gather(*(sink.deliver(documents(number)) for number in range(6)))

    assert (logstash.connections_count, logstash.documents_count) == (2, 6)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_any_2xx_acknowledges_and_keeps_the_connection(status: int) -> None:
    """Whatever success Logstash is set to, it is one."""
    async with LogstashStandIn(success_status=status) as logstash, sink_to(logstash.url) as sink:
        await sink.deliver(documents(1))
        await sink.deliver(documents(2))

        assert sink.attempts == {str(status): 2}
        assert logstash.connections_count == 1


async def test_a_closed_sink_can_be_closed_again(logstash: LogstashStandIn) -> None:
    """`close` raises nothing, before the first delivery and after the last."""
    sink = LogstashSink(urls=[logstash.url], clock=FakeClock())
    await sink.close()
    await sink.deliver(documents(1))
    await sink.close()
    await sink.close()


# What an answer means


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 599])
async def test_later_is_unreachable(logstash: LogstashStandIn, status: int) -> None:
    """What says "later" is transient, after one attempt."""
    logstash.behave(Answer(status))
    async with sink_to(logstash.url) as sink:
        error = await failure_of(sink)

        assert error.sentence == f"logstash at {logstash.url} answered {status}"
        assert error.retry_after_s is None
        assert (sink.attempts, sink.last_answer) == ({str(status): 1}, str(status))


@pytest.mark.parametrize("status", [301, 302, 307, 401, 403, 404, 405, 407, 410, 415, 418, 422])
async def test_what_is_about_settings_is_unwelcome(logstash: LogstashStandIn, status: int) -> None:
    """A wrong password, path or proxy never refuses a document; nor is a redirect followed."""
    logstash.behave(Answer(status, headers={"Location": logstash.url}))
    async with sink_to(logstash.url) as sink:
        error = await failure_of(sink, Unwelcome)

    assert f"answered {status}" in error.sentence
    assert "[sinks.logstash]" in error.hint
    assert logstash.requests_count == 1


async def test_413_is_too_large() -> None:
    """A batch over the limit is too large, and a smaller one is delivered."""
    async with LogstashStandIn(body_size_max=1000) as logstash, sink_to(logstash.url) as sink:
        with pytest.raises(TooLarge):
            await sink.deliver(documents(*range(100)))
        await sink.deliver(documents(1))

        assert sink.attempts == {"413": 1, "200": 1}


async def test_400_is_tried_once_more_uncompressed(logstash: LogstashStandIn) -> None:
    """When it was the compression, the same delivery gets through without it."""
    logstash.behave_next(Answer(400))
    async with sink_to(logstash.url) as sink:
        await sink.deliver(documents(1))

        assert sink.attempts == {"400": 1, "200": 1}
    compressed, plain = logstash.requests
    assert gzip.decompress(compressed.body) == plain.body
    assert "content-encoding" not in plain.headers


@pytest.mark.parametrize(("compression", "requests"), [("gzip", 2), ("none", 1)])
async def test_400_to_uncompressed_documents_refuses_them(
    logstash: LogstashStandIn, compression: str, requests: int
) -> None:
    """Only a 400 that has nothing to do with compression is about the documents."""
    logstash.behave(Answer(400))
    async with sink_to(logstash.url, compression=compression) as sink:
        await failure_of(sink, Refused)

    assert logstash.requests_count == requests


async def test_the_second_answer_counts_after_a_400(logstash: LogstashStandIn) -> None:
    """A 503 to the uncompressed body is no refusal."""
    logstash.behave_next(Answer(400), Answer(503))
    async with sink_to(logstash.url) as sink:
        await failure_of(sink)


@pytest.mark.parametrize(
    ("headers", "retry_after_s"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "999999"}, 3600.0),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "Mon, 23 Nov 2026 15:14:30 GMT"}, 20.0),
        ({"Retry-After": "Mon, 23 Nov 2026 15:14:30 -0000"}, 20.0),
        ({"Retry-After": "Mon, 23 Nov 2026 15:00:00 GMT"}, 0.0),
        ({"Retry-After": "Mon, 23 Nov 2076 15:00:00 GMT"}, 3600.0),
        (
            {"Retry-After": "Thu, 01 Jan 2026 00:01:00 GMT", "Date": "Thu, 01 Jan 2026 00:00:00 GMT"},
            60.0,
        ),
    ],
)
async def test_retry_after(logstash: LogstashStandIn, headers: dict[str, str], retry_after_s: float | None) -> None:
    """Seconds and dates are understood, a date by the far end's own clock, and an hour is the most."""
    logstash.behave(Answer(429, headers=headers))
    async with sink_to(logstash.url) as sink:
        assert (await failure_of(sink)).retry_after_s == retry_after_s


def test_the_fake_clock_agrees_with_the_dates_above(clock: FakeClock) -> None:
    """20 seconds before half past is what the dates were written for."""
    assert email.utils.formatdate(clock.now_ms() / 1000, usegmt=True) == "Mon, 23 Nov 2026 15:14:10 GMT"


# No answer


@pytest.mark.parametrize(
    ("behaviour", "word", "sentence"),
    [
        (Hang(), "timeout", "did not answer within 0.3 s"),
        (Close(), "disconnected", "closed the connection without an answer"),
        (Reset(), "reset", "reset the connection"),
    ],
)
@pytest.mark.parametrize("count", [1, 20_000])
async def test_no_answer_is_unreachable(
    logstash: LogstashStandIn, behaviour: Behaviour, word: str, sentence: str, count: int
) -> None:
    """Silence, a hang-up and a reset in mid-body are transient, for a small body and for a large one."""
    logstash.behave_next(behaviour)
    batch = documents(*range(count))
    timeout_s = 0.3 if word == "timeout" else 5.0
    async with sink_to(logstash.url, timeout_s=timeout_s, compression="none") as sink:
        with pytest.raises(Unreachable) as caught:
            await sink.deliver(batch)
        assert caught.value.sentence == f"logstash at {logstash.url} {sentence}"
        assert sink.last_answer == word
        assert logstash.documents == {}

    async with sink_to(logstash.url, compression="none") as sink:
        await sink.deliver(batch)
        assert logstash.documents_count == count


async def test_a_retry_sends_the_same_bytes(logstash: LogstashStandIn) -> None:
    """Two attempts with the same documents are the same on the wire, compressed or not."""
    logstash.behave_next(Answer(503))
    async with sink_to(logstash.url) as sink:
        await failure_of(sink)
        await sink.deliver(documents(1))

    first, second = logstash.requests
    assert first.body == second.body


@pytest.mark.parametrize("count", [1, 100_000])
async def test_429_without_a_length_does_not_hang(logstash: LogstashStandIn, count: int) -> None:
    """The end of a body that is not announced is not waited for; a large upload may see a reset instead."""
    logstash.behave(Block(delay_s=0.0, close_delay_s=5.0))
    async with asyncio.timeout(2), sink_to(logstash.url, compression="none") as sink:
        with pytest.raises(Unreachable):
            await sink.deliver(documents(*range(count)))

        assert sink.last_answer == "429"


async def test_429_behind_a_broken_pipe_is_unreachable(logstash: LogstashStandIn) -> None:
    """A large upload that is closed upon is transient, whether the 429 was seen or not."""
    logstash.behave(Block(delay_s=0.0))
    async with sink_to(logstash.url, compression="none") as sink:
        with pytest.raises(Unreachable):
            await sink.deliver(documents(*range(100_000)))

        assert sink.last_answer in {"429", "reset"}


async def test_the_body_of_a_no_is_not_waited_for() -> None:
    """Where more of an answer is announced than there is, the connection is closed at once."""
    closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"]")
        writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 1000\r\n\r\n")
        assert await reader.read() == b""
        writer.close()
        closed.set()

    async with serving(serve) as port, sink_to(f"http://127.0.0.1:{port}", compression="none") as sink:
        async with asyncio.timeout(ACKNOWLEDGEMENT_S_MAX / 2):
            await failure_of(sink)
            await closed.wait()


async def test_a_whole_answer_keeps_its_connection(logstash: LogstashStandIn) -> None:
    """A full queue that answers at once is not made to shake hands anew at each attempt."""
    logstash.behave_next(Answer(429), Answer(429))
    async with sink_to(logstash.url) as sink:
        await failure_of(sink)
        await failure_of(sink)
        await sink.deliver(documents(1))

    assert logstash.connections_count == 1


async def test_late_acceptance_makes_a_duplicate_and_one_document(logstash: LogstashStandIn) -> None:
    """What timed out here and was accepted there is sent again, with the same id and the same bytes."""
    both = asyncio.Semaphore(0)
    logstash.on_event = lambda event: both.release()
    logstash.behave_next(Accept(delay_s=0.7))
    async with sink_to(logstash.url, timeout_s=0.3) as sink:
        await failure_of(sink)
    async with sink_to(logstash.url) as sink:
        await sink.deliver(documents(1))
    async with asyncio.timeout(5):
        await both.acquire()
        await both.acquire()

    assert ids(logstash) == ["attic-1-1"]
    assert (logstash.duplicates_count, logstash.conflicts_count) == (1, 0)


async def test_nobody_listens() -> None:
    """A refused connection is told as what it is."""
    url = unused_url()
    async with sink_to(url) as sink:
        error = await failure_of(sink)

        assert error.sentence == f"logstash at {url} refused the connection: nobody listens there"
        assert sink.attempts == {"refused_connection": 1}


async def test_a_name_that_is_not_known() -> None:
    """A name that the DNS does not have is transient: it may be the network."""
    async with sink_to("http://logstash.invalid:8080") as sink:
        error = await failure_of(sink)

        assert error.sentence.startswith("logstash at http://logstash.invalid:8080 has a name that is not known")
        assert "[sinks.logstash]" in error.hint
        assert sink.last_answer == "unknown_name"


@pytest.mark.parametrize("greeting", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\x00\x01\x02\x03\r\n\r\n"])
async def test_what_speaks_no_http_is_told(greeting: bytes) -> None:
    """Another service at the port is transient too, with a hint about the url."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"]")
        writer.write(greeting)
        writer.close()

    async with serving(serve) as port, sink_to(f"http://127.0.0.1:{port}", compression="none") as sink:
        error = await failure_of(sink)
        assert sink.last_answer == "no_http"
        assert "urls" in error.hint


async def test_an_acknowledgement_counts_even_if_its_body_never_comes() -> None:
    """A 200 whose body does not arrive is a 200."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"]")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        await writer.drain()
        writer.transport.abort()

    async with serving(serve) as port, sink_to(f"http://127.0.0.1:{port}", compression="none") as sink:
        await sink.deliver(documents(1))
        assert sink.attempts == {"200": 1}


async def test_an_acknowledgement_in_two_packets_keeps_the_connection() -> None:
    """The body of a 2xx is read, however late it comes, so that the next batch can use the connection."""
    connections: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        for _ in range(2):
            await reader.readuntil(b"]")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
            await asyncio.sleep(0.05)
            writer.write(b"ok")
        await reader.read()
        writer.close()

    async with serving(serve) as port, sink_to(f"http://127.0.0.1:{port}", compression="none") as sink:
        await sink.deliver(documents(1))
        await sink.deliver(documents(2))
    assert len(connections) == 1


async def test_a_connection_that_is_not_taken_is_given_up_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that does not take the connection is found out long before the whole timeout."""
    monkeypatch.setattr("weatherd.sinks.logstash.CONNECT_S_MAX", 0.2)
    monkeypatch.setattr("weatherd.sinks.logstash_answers.CONNECT_S_MAX", 0.2)
    # Whoever speaks TLS to it waits for an answer to the first message.
    async with LogstashStandIn() as logstash, sink_to(logstash.url.replace("http", "https")) as sink:
        error = await failure_of(sink)

        assert "did not take the connection within 0.2 s" in error.sentence
        assert sink.last_answer == "timeout"


async def test_cancellation_passes_through(logstash: LogstashStandIn) -> None:
    """A delivery that is cancelled is no error of the sink's."""
    logstash.behave(Hang())
    async with sink_to(logstash.url) as sink:
        delivery = asyncio.create_task(sink.deliver(documents(1)))
        await asyncio.sleep(0.05)
        delivery.cancel()
        with pytest.raises(asyncio.CancelledError):
            await delivery
        assert sink.attempts == {}


# Several urls


async def test_deliveries_are_spread() -> None:
    """With two that answer, each gets half."""
    async with LogstashStandIn() as one, LogstashStandIn() as two, sink_to(one.url, two.url) as sink:
        for number in range(10):
            await sink.deliver(documents(number))

        assert (one.documents_count, two.documents_count) == (5, 5)


async def test_a_dead_one_costs_no_delivery(logstash: LogstashStandIn) -> None:
    """All is delivered through the other, and the dead one is left alone while it is in its penalty."""
    async with sink_to(unused_url(), logstash.url, delay_s_max=1e9) as sink:
        for number in range(10):
            await sink.deliver(documents(number))

        assert logstash.documents_count == 10
        assert sink.attempts["refused_connection"] == 1


async def test_an_unwelcoming_one_costs_no_delivery(logstash: LogstashStandIn) -> None:
    """A wrong path on one url is worked around like a dead one."""
    async with LogstashStandIn() as other, sink_to(other.url, logstash.url) as sink:
        other.behave(Answer(404))
        for number in range(4):
            await sink.deliver(documents(number))

        assert logstash.documents_count == 4


async def test_both_dead_are_one_error() -> None:
    """Every url is tried once and told about in one sentence."""
    urls = unused_url(), unused_url()
    async with sink_to(*urls) as sink:
        error = await failure_of(sink)

        assert sink.attempts == {"refused_connection": 2}
        assert all(url in error.sentence for url in urls)


async def test_with_all_in_a_penalty_one_is_tried(clock: FakeClock) -> None:
    """The one whose penalty ends first is tried, and no other."""
    async with LogstashStandIn() as one, LogstashStandIn() as two:
        one.behave(Answer(503, retry_after_s=60))
        two.behave(Answer(503, retry_after_s=30))
        async with sink_to(one.url, two.url, clock=clock) as sink:
            await failure_of(sink)
            await failure_of(sink)

        assert (one.requests_count, two.requests_count) == (1, 2)


async def test_a_penalty_ends_with_time(clock: FakeClock, logstash: LogstashStandIn) -> None:
    """One that comes back gets its share again once its penalty is over."""
    async with LogstashStandIn() as other, sink_to(logstash.url, other.url, clock=clock) as sink:
        other.behave(Answer(503, retry_after_s=60))
        for number in range(4):
            await sink.deliver(documents(number))
        assert other.requests_count == 1
        other.behave(Accept())

        clock.boottime += 59.9
        await sink.deliver(documents(5))
        await sink.deliver(documents(6))
        assert other.documents_count == 0

        clock.boottime += 0.2
        for number in range(10, 14):
            await sink.deliver(documents(number))
        assert other.documents_count == 2


async def test_penalties_grow_and_a_success_ends_that(clock: FakeClock, logstash: LogstashStandIn) -> None:
    """A url that failed for long has long penalties; after a success its next one is a second at most."""
    async with (
        LogstashStandIn() as other,
        sink_to(logstash.url, other.url, clock=clock, delay_s_max=1e9) as sink,
    ):

        async def requests_after_s(delay_s: float) -> int:
            """Return how many requests the other one gets when each has its turn after that long."""
            before = other.requests_count
            clock.boottime += delay_s
            for number in range(2):
                await sink.deliver(documents(number))
            return other.requests_count - before

        other.behave(Close())
        assert [await requests_after_s(1e9) for _ in range(40)] == [1] * 40
        assert await requests_after_s(1.0) == 0
        other.behave(Accept())
        assert await requests_after_s(1e9) == 1
        other.behave(Close())
        assert await requests_after_s(1.0) == 1
        assert await requests_after_s(1.0) == 1


async def test_the_shortest_retry_after_of_all_is_told() -> None:
    """A url that asked for a minute does not make the other wait that long."""
    async with LogstashStandIn() as one, LogstashStandIn() as two, sink_to(one.url, two.url) as sink:
        one.behave(Answer(503, retry_after_s=60))
        two.behave(Answer(503, retry_after_s=30))
        assert (await failure_of(sink)).retry_after_s == pytest.approx(30)

    async with LogstashStandIn() as one, sink_to(one.url, unused_url()) as sink:
        one.behave(Answer(503, retry_after_s=60))
        assert (await failure_of(sink)).retry_after_s is None


async def test_unreachable_wins_over_unwelcome() -> None:
    """Trying again soon can help if one is only away; if all are unwelcoming it cannot."""
    async with LogstashStandIn() as one, LogstashStandIn() as two:
        one.behave(Answer(401))
        two.behave(Answer(503))
        async with sink_to(one.url, two.url) as sink:
            error = await failure_of(sink)
            assert "401" in error.sentence
            assert "503" in error.sentence
            assert "password" in error.hint
        two.behave(Answer(404))
        async with sink_to(one.url, two.url) as sink:
            await failure_of(sink, Unwelcome)


async def test_what_is_the_documents_fault_is_tried_at_one_url_only() -> None:
    """Refused and too large would be so everywhere."""
    async with LogstashStandIn() as one, LogstashStandIn() as two, sink_to(one.url, two.url) as sink:
        for stand_in in (one, two):
            stand_in.behave(Answer(413))
        await failure_of(sink, TooLarge)

        assert one.requests_count + two.requests_count == 1


async def test_a_single_url_is_one_attempt_a_call(logstash: LogstashStandIn) -> None:
    """A penalty does not keep the only url from being tried when the caller says so."""
    logstash.behave(Answer(503, retry_after_s=60))
    async with sink_to(logstash.url) as sink:
        for _ in range(3):
            await failure_of(sink)

    assert logstash.requests_count == 3


async def test_it_comes_back_on_its_port(logstash: LogstashStandIn) -> None:
    """A restart of Logstash costs attempts, and no document."""
    async with sink_to(logstash.url) as sink:
        await sink.deliver(documents(1))
        await logstash.stop()
        await failure_of(sink)
        await logstash.start()
        await sink.deliver(documents(2))

    assert ids(logstash) == ["attic-1-1", "attic-1-2"]


def test_no_url_is_a_mistake_of_the_programmer(clock: FakeClock) -> None:
    """The configuration has seen to it that there is one."""
    with pytest.raises(ValueError, match="no url"):
        LogstashSink(urls=[], clock=clock)


# Secrets


async def test_basic_authentication() -> None:
    """The right password delivers; a wrong one and none are unwelcome, with a hint."""
    async with LogstashStandIn(username="weatherd", password=SECRET) as logstash:
        async with sink_to(logstash.url, username="weatherd", password=SECRET) as sink:
            await sink.deliver(documents(1))
        for settings in ({"username": "weatherd", "password": "wrong"}, {}):
            async with sink_to(logstash.url, **settings) as sink:
                error = await failure_of(sink, Unwelcome)
                assert "password_file" in error.hint

        assert ids(logstash) == ["attic-1-1"]


@pytest.mark.parametrize("behaviour", [Answer(401), Answer(400), Answer(503), Hang(), Close(), Reset()])
async def test_no_error_holds_a_secret(logstash: LogstashStandIn, behaviour: Behaviour) -> None:
    """Neither password nor a user in the url is in the error, its causes or the sink's own description."""
    logstash.behave(behaviour)
    url = logstash.url.replace("://", f"://weatherd:{SECRET}@") + f"/?token={SECRET}"
    for settings in ({"username": "weatherd", "password": SECRET}, {}):
        target = logstash.url if settings else url
        async with sink_to(target, timeout_s=0.1, **settings) as sink:
            with pytest.raises(SinkError) as caught:
                await sink.deliver(documents(1))
            error = caught.value
            told = "".join(traceback.TracebackException.from_exception(error).format())
            everything = [told, repr(error), error.report(), repr(sink), repr(sink.attempts)]
            assert not any(SECRET in text for text in everything)
            assert error.__context__ is None


async def test_credentials_that_would_lose_bodies_are_refused(clock: FakeClock) -> None:
    """Headers over 8 KiB lose documents behind a 200, so long credentials are a mistake."""
    with pytest.raises(ConfigError, match=r"5,009 bytes together") as caught:
        LogstashSink(urls=["http://localhost"], clock=clock, username="weatherd", password="x" * 5000)
    assert "xxx" not in caught.value.report()


# TLS


class Tls:
    """An authority, and contexts for the stand-in."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.ca_file = str(folder / "ca.pem")
        self.own_file = str(folder / "own.pem")
        self.authority.cert_pem.write_to_path(self.ca_file)
        self.authority.issue_cert("station").private_key_and_cert_chain_pem.write_to_path(self.own_file)

    def server(
        self, name: str = "127.0.0.1", *, mutual: bool = False, not_after: dt.datetime | None = None
    ) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.authority.issue_cert(name, not_after=not_after).configure_cert(context)
        if mutual:
            context.verify_mode = ssl.CERT_REQUIRED
            self.authority.configure_trust(context)
        return context


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    return Tls(tmp_path)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_tls_with_an_own_authority(tls: Tls, version: ssl.TLSVersion) -> None:
    """With the authority's certificate all is well, on one connection, with TLS 1.2 and with 1.3."""
    server = tls.server()
    server.minimum_version = server.maximum_version = version
    async with (
        LogstashStandIn(ssl_context=server) as logstash,
        sink_to(logstash.url, ssl_context=tls_context(tls.ca_file)) as sink,
    ):
        await sink.deliver(documents(1))
        await sink.deliver(documents(2))

        assert (logstash.documents_count, logstash.connections_count) == (2, 1)


async def test_an_unknown_authority_is_not_trusted(tls: Tls) -> None:
    """Without the authority's certificate nothing is sent, and the hint names the setting."""
    async with LogstashStandIn(ssl_context=tls.server()) as logstash, sink_to(logstash.url) as sink:
        error = await failure_of(sink)

        assert "shows a certificate that is not trusted: unable to get local issuer" in error.sentence
        assert "tls.ca_file" in error.hint
        assert sink.last_answer == "untrusted_certificate"
        assert logstash.requests_count == 0


async def test_an_expired_certificate_is_told(tls: Tls) -> None:
    """The hint tells of the certificate and of the clock, which on a Pi may be the one that is wrong."""
    yesterday = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    async with (
        LogstashStandIn(ssl_context=tls.server(not_after=yesterday)) as logstash,
        sink_to(logstash.url, ssl_context=tls_context(tls.ca_file)) as sink,
    ):
        error = await failure_of(sink)

        assert "not trusted: certificate has expired" in error.sentence
        assert "clock" in error.hint


async def test_a_certificate_for_another_name_is_told(tls: Tls) -> None:
    """The hint is about the name in the url."""
    async with (
        LogstashStandIn(ssl_context=tls.server("logstash.example")) as logstash,
        sink_to(logstash.url, ssl_context=tls_context(tls.ca_file)) as sink,
    ):
        assert "use a name" in (await failure_of(sink)).hint


async def test_mutual_tls(tls: Tls) -> None:
    """With a client certificate documents are delivered, without one they are not."""
    async with LogstashStandIn(ssl_context=tls.server(mutual=True)) as logstash:
        async with sink_to(logstash.url, ssl_context=tls_context(tls.ca_file, tls.own_file)) as sink:
            await sink.deliver(documents(1))
        async with sink_to(logstash.url, ssl_context=tls_context(tls.ca_file)) as sink:
            error = await failure_of(sink)
            assert "client certificate" in error.hint

        assert ids(logstash) == ["attic-1-1"]


@pytest.fixture
def alerting_url(tls: Tls) -> Iterator[str]:
    """
    Yield the url of a server that ends a handshake without a client certificate in an alert.

    Logstash does so; asyncio's servers only hang up.
    """
    context = tls.server(mutual=True)

    def serve() -> None:
        connection, _ = server.accept()
        with connection, contextlib.suppress(OSError):
            context.wrap_socket(connection, server_side=True).close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"https://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_the_alert_without_a_client_certificate_is_told(
    tls: Tls, alerting_url: str, version: ssl.TLSVersion
) -> None:
    """The hint names the settings of the client certificate."""
    context = tls_context(tls.ca_file)
    context.maximum_version = version
    async with sink_to(alerting_url, ssl_context=context) as sink:
        error = await failure_of(sink)

    assert "client certificate" in error.hint


async def test_http_to_an_https_port_is_unreachable(tls: Tls) -> None:
    """The far end hangs up, and that is what is told."""
    async with (
        LogstashStandIn(ssl_context=tls.server()) as logstash,
        sink_to(logstash.url.replace("https", "http")) as sink,
    ):
        await failure_of(sink)
        assert sink.last_answer in {"disconnected", "reset"}


async def test_https_to_an_http_port_is_told() -> None:
    """What answers the handshake in plain HTTP does not agree on TLS."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()
        writer.close()

    async with serving(serve) as port, sink_to(f"https://127.0.0.1:{port}") as sink:
        error = await failure_of(sink)
        assert sink.last_answer == "tls_failed"
        assert "https" in error.hint
