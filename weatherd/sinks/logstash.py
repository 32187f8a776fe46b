"""
Deliver batches to Logstash's HTTP input: one attempt a call, and what the answer means.

    2xx                                             acknowledged: Logstash has the batch in its queue
    408 429 5xx, timeout, reset, TLS, DNS           Unreachable: try again after a delay
    401 403 404 405 3xx, any 4xx not named here     Unwelcome: a setting is wrong, here or there
    413                                             TooLarge: halve the batch
    400                                             sent once more uncompressed; then Refused

A wrong path, or a proxy in the way, never costs a document: only 400 says that the documents are at fault.

With several urls a batch goes to the next one that is in no penalty. A url that fails is in a penalty for a
while (its own backoff, or Retry-After if that is longer), and the batch goes to the next. When all are in a
penalty, only the one whose penalty ends first is tried; a single url is one attempt a call.

What an answer means is in `weatherd.sinks.logstash_answers`. Nothing is decided on its body: Logstash leaves
out the Content-Length of a 429 and closes when it likes, so the body of anything but a 2xx is not waited for,
and its connection is closed unless the whole answer is there already.

Source:
    Measured on logstash-core 8.8 with logstash-input-http 4.1.13.
"""

import asyncio
import base64
import datetime as dt
import email.utils
import io
import urllib.parse
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal

import aiohttp

from weatherd import __version__
from weatherd.backoff import full_jitter
from weatherd.errors import ConfigError, SinkError, Unreachable, Unwelcome
from weatherd.packed import Packed
from weatherd.ports import Clock
from weatherd.sinks.logstash_answers import CONNECT_S_MAX, Answer, explain, is_acknowledgement, judge

if TYPE_CHECKING:
    import ssl

# Logstash has no idle timeout; the usual proxies close after 60 or 75 s, and a POST on a connection that is
# being closed is a failed attempt.
KEEPALIVE_S = 55.0

# A far end that asks for more is out of its mind, or its clock is.
RETRY_AFTER_S_MAX = 3600.0

# Level 1 makes a seventeenth of 500 documents, level 6 a twenty-second in three times the time: a Pi has more
# network than processor.
COMPRESSION_LEVEL = 1

# From here on the body is compressed in a thread: at the 15 MB/s that a Pi Zero can be expected to do, more
# would block the loop for over 5 ms.
COMPRESS_IN_LOOP_SIZE_MAX = 64 * 1024

# zlib's usual tables are 268 KB, which it clears for each body: more work than a few documents are. With a window of
# 4 KB and this memory level they are a tenth (zconf.h: "(1 << (windowBits+2)) + (1 << (memLevel+9))").
SMALL_SIZE_MAX = 4096
_SMALL_WBITS = 12
_SMALL_MEMORY_LEVEL = 5

# aiohttp warns of bytes larger than this.
STREAMED_SIZE_MIN = 1024 * 1024

# The body of a 2xx is "ok"; it is read so that the connection can be kept.
ACKNOWLEDGEMENT_SIZE_MAX = 1024
ACKNOWLEDGEMENT_S_MAX = 1.0

# Request headers of over 8 KiB make Logstash answer 200 and drop the body. Half of that is for credentials.
CREDENTIALS_SIZE_MAX = 3 * 1024

# Bound of the first penalty.
_DELAY_S_FIRST = 1.0


@dataclass(slots=True)
class _Target:
    """A url, how it is called in front of people, and its penalty."""

    url: str
    shown: str
    delays: Iterator[float]
    penalty_until_s: float = 0.0
    retry_after_until_s: float = 0.0


class LogstashSink:
    """
    Logstash's HTTP input as a sink.

    Counters are for the status: `attempts` and `last_answer`.

    Args:
        name: As it is called in the journal and in the logs.
        urls: At least one, http or https.
        clock: For penalties, and for a Retry-After that is a date.
        timeout_s: For one attempt at one url, from the connection to the answer.
        compression: Of the bodies.
        in_flight_max: How many connections at most, 1 or more.
        delay_s_max: The longest penalty of a url, unless its Retry-After is longer.
        username: For basic authentication; None for none.
        password: That of `username`. It is in no error and no log.
        ssl_context: From `weatherd.tls`; None trusts what the system trusts.

    Raises:
        ConfigError: If the credentials are so long that Logstash would drop bodies because of them.
    """

    def __init__(
        self,
        *,
        name: str = "logstash",
        urls: Sequence[str],
        clock: Clock,
        timeout_s: float = 60.0,
        compression: Literal["gzip", "none"] = "gzip",
        in_flight_max: int = 2,
        delay_s_max: float = 30.0,
        username: str | None = None,
        password: str | None = None,
        ssl_context: "ssl.SSLContext | None" = None,
    ) -> None:
        if not urls:
            raise ValueError("no url")
        self.name = name
        self._clock = clock
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(timeout_s, CONNECT_S_MAX))
        self._timeout_s = timeout_s
        self._compression = compression
        self._in_flight_max = in_flight_max
        self._delay_s_max = delay_s_max
        self._ssl_context = ssl_context
        self._headers = {
            "Content-Type": "application/json",
            "User-Agent": f"weatherd/{__version__}",
            "Accept-Encoding": "identity",
        }
        if username is not None:
            self._headers["Authorization"] = _authorization(username, password or "")
        self._targets = [_Target(url, shown(url), self._new_delays()) for url in urls]
        self._turn = 0
        self._session: aiohttp.ClientSession | None = None
        self._attempts: Counter[str] = Counter()
        self._last_answer: str | None = None

    @property
    def attempts(self) -> Mapping[str, int]:
        """How many attempts had which answer: a status such as ``200``, or a word such as ``timeout``."""
        return dict(self._attempts)

    @property
    def last_answer(self) -> str | None:
        """The answer to the latest attempt; None before the first."""
        return self._last_answer

    async def deliver(self, documents: Sequence[bytes]) -> None:
        """
        Post documents as one JSON array, and return when Logstash has acknowledged them.

        Args:
            documents: JSON objects. With none of them it is a probe: Logstash answers, and makes no event.

        Raises:
            Unreachable: If no url took them now. Where one could be reached and another was unwelcome, this
                one, since trying again soon can help; sentence and hint tell of both. With `retry_after_s` only
                if every url asked for a delay: the shortest.
            Unwelcome: If all that were tried want other settings.
            TooLarge: If the batch must be halved.
            Refused: If these documents are refused, also uncompressed.
        """
        compressed = await _gzipped(documents) if self._compression == "gzip" else None
        failures: list[Unreachable | Unwelcome] = []
        for target in self._targets_to_try():
            try:
                await self._deliver_to(target, documents, compressed)
            except (Unreachable, Unwelcome) as failure:
                self._penalise(target, failure)
                failures.append(failure)
            else:
                self._forgive(target)
                return
        error = self._sum_up(failures)
        failures.clear()  # a failure knows this frame, and this frame the batch: a circle that would stay for a while
        raise error

    async def close(self) -> None:
        """Close every connection. A later `deliver` would open new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _targets_to_try(self) -> Sequence[_Target]:
        """Return those in no penalty, another one first at each call; or the one that is free next."""
        now_s = self._clock.boottime_s()
        self._turn = (self._turn + 1) % len(self._targets)
        in_turn = self._targets[self._turn :] + self._targets[: self._turn]
        free = [target for target in in_turn if target.penalty_until_s <= now_s]
        return free or [min(in_turn, key=lambda target: target.penalty_until_s)]

    async def _deliver_to(self, target: _Target, documents: Sequence[bytes], compressed: bytes | None) -> None:
        if compressed is None:
            answer = await self._post(target, await _plain(documents), is_compressed=False)
        else:
            answer = await self._post(target, compressed, is_compressed=True)
            if answer.status == HTTPStatus.BAD_REQUEST:
                # Perhaps it was the compression, or something on the way that took it off.
                answer = await self._post(target, await _plain(documents), is_compressed=False)
        judge(target.shown, answer)

    async def _post(self, target: _Target, body: bytes, *, is_compressed: bool) -> Answer:
        """
        Make one request.

        Raises:
            Unreachable: If there is no answer.
        """
        headers = {**self._headers, "Content-Encoding": "gzip"} if is_compressed else self._headers
        try:
            response = await self._open_session().post(
                target.url, data=_writable(body), headers=headers, allow_redirects=False
            )
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            silence = explain(error, self._timeout_s, is_tls=urllib.parse.urlsplit(target.url).scheme == "https")
        else:
            return await self._answer_of(response)
        # Out here, where the error has no context: aiohttp's hold the headers, and so the password.
        self._note(silence.word)
        raise Unreachable(f"{target.shown} {silence.sentence}", silence.hint)

    async def _answer_of(self, response: aiohttp.ClientResponse) -> Answer:
        self._note(str(response.status))
        if is_acknowledgement(response.status):
            await _read_acknowledgement(response)
        else:
            response.close()
        return Answer(response.status, self._retry_after_s(response.headers))

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._in_flight_max,
                    keepalive_timeout=KEEPALIVE_S,
                    ssl=self._ssl_context or True,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=self._timeout,
                trust_env=False,
            )
        return self._session

    def _note(self, answer: str) -> None:
        self._attempts[answer] += 1
        self._last_answer = answer

    def _retry_after_s(self, headers: Mapping[str, str]) -> float | None:
        """Return Retry-After in seconds, from nothing to an hour; None if there is none that makes sense."""
        value = headers.get("Retry-After", "").strip()
        if value.isascii() and value.isdigit():
            return min(float(value), RETRY_AFTER_S_MAX)
        until = _date(value)
        if until is None:
            return None
        # The far end's own clock, if it shows it: ours may not be set yet.
        now = _date(headers.get("Date", "")) or dt.datetime.fromtimestamp(self._clock.now_ms() / 1000, dt.UTC)
        return min(max((until - now).total_seconds(), 0.0), RETRY_AFTER_S_MAX)

    def _new_delays(self) -> Iterator[float]:
        return full_jitter(min(_DELAY_S_FIRST, self._delay_s_max), self._delay_s_max)

    def _penalise(self, target: _Target, failure: Unreachable | Unwelcome) -> None:
        now_s = self._clock.boottime_s()
        retry_after_s = (failure.retry_after_s or 0.0) if isinstance(failure, Unreachable) else 0.0
        target.retry_after_until_s = now_s + retry_after_s
        target.penalty_until_s = now_s + max(next(target.delays), retry_after_s)

    def _forgive(self, target: _Target) -> None:
        target.delays = self._new_delays()
        target.penalty_until_s = target.retry_after_until_s = 0.0

    def _sum_up(self, failures: Sequence[Unreachable | Unwelcome]) -> SinkError:
        """Return one error for what happened at every url that was tried."""
        if len(self._targets) == 1:
            return failures[0]
        sentence = "; ".join(failure.sentence for failure in failures)
        hint = "; ".join({failure.hint: None for failure in failures if failure.hint})
        if all(isinstance(failure, Unwelcome) for failure in failures):
            return Unwelcome(sentence, hint)
        soonest_s = min(target.retry_after_until_s for target in self._targets) - self._clock.boottime_s()
        return Unreachable(sentence, hint, retry_after_s=soonest_s if soonest_s > 0 else None)


def _writable(body: bytes) -> bytes | io.BytesIO:
    """Return what aiohttp writes without blocking the loop: a large body as a stream, chunk by chunk."""
    return body if len(body) < STREAMED_SIZE_MIN else io.BytesIO(body)


async def _plain(documents: Sequence[bytes]) -> bytes:
    return await asyncio.to_thread(_array, documents) if isinstance(documents, Packed) else _array(documents)


async def _gzipped(documents: Sequence[bytes]) -> bytes:
    if isinstance(documents, Packed) and documents.is_whole:
        return documents.gzipped()
    body = await _plain(documents)
    if len(body) <= COMPRESS_IN_LOOP_SIZE_MAX:
        return _gzip(body)
    return await asyncio.to_thread(_gzip, body)


def _array(documents: Iterable[bytes]) -> bytes:
    return b"[" + b",".join(documents) + b"]"


def _gzip(body: bytes) -> bytes:
    """Compress; the same body gives the same bytes, since the header holds no time."""
    wbits, memory_level = (_SMALL_WBITS, _SMALL_MEMORY_LEVEL) if len(body) <= SMALL_SIZE_MAX else (zlib.MAX_WBITS, 8)
    compressor = zlib.compressobj(COMPRESSION_LEVEL, zlib.DEFLATED, 16 + wbits, memory_level)
    return compressor.compress(body) + compressor.flush()


async def _read_acknowledgement(response: aiohttp.ClientResponse) -> None:
    """Read the short body of a 2xx, so that the connection can be used again. That it is a 2xx is enough."""
    if response.content.is_eof():
        return  # it came with the head, and the connection has gone back by itself
    try:
        async with asyncio.timeout(ACKNOWLEDGEMENT_S_MAX):
            await response.content.read(ACKNOWLEDGEMENT_SIZE_MAX)
    except (aiohttp.ClientError, OSError):
        pass
    finally:
        if not response.closed:
            response.close()


def _date(value: str) -> dt.datetime | None:
    try:
        date = email.utils.parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=dt.UTC)


def _authorization(username: str, password: str) -> str:
    credentials = f"{username}:{password}".encode()
    if len(credentials) > CREDENTIALS_SIZE_MAX:
        raise ConfigError(
            f"sinks.logstash: user name and password have {len(credentials):,} bytes together,"
            f" and {CREDENTIALS_SIZE_MAX:,} is the most",
            "Logstash drops what is posted with request headers over 8 KiB; use a shorter password",
        )
    return "Basic " + base64.b64encode(credentials).decode()


def shown(url: str) -> str:
    """Name a url in front of people, without what may be secret in it."""
    parts = urllib.parse.urlsplit(url)
    return f"logstash at {parts.scheme}://{parts.netloc.rpartition('@')[2]}"
