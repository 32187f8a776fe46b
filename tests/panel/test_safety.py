import asyncio
import contextlib
import os
import re
import ssl
from pathlib import Path

import aiohttp
import pytest
import trustme

from tests.end_to_end.stations import eventually
from tests.panel.stations import Shown, shown
from weatherd.panel import access, connections

TOKEN = "0123456789abcdef0123456789abcdef"

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
ATTACKS = {
    "a length and chunks": GET + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": GET + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
    "a negative length": GET + b"Content-Length: -1\r\n\r\n",
    "a space before the colon": b"GET /healthz HTTP/1.1\r\nHost : localhost\r\n\r\n",
    "a folded header": GET + b"\tevil\r\n\r\n",
    "a header without a name": GET + b": x\r\n\r\n",
    "a zero in a header": GET + b"X: a\x00b\r\n\r\n",
    "no version": b"GET /healthz\r\n\r\n",
    "another version": b"GET /healthz HTTP/9.9\r\nHost: localhost\r\n\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a handshake of TLS": bytes.fromhex("16030100a5010000a10303") + os.urandom(160),
    "a method that is none": b"G\x01T /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a long line": b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a long header": GET + b"X: " + b"a" * 9000 + b"\r\n\r\n",
    "many headers": GET + b"X: a\r\n" * 4000 + b"\r\n",
    "large headers": GET + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 3000) for n in range(20)) + b"\r\n",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two hosts": GET + b"Host: localhost\r\n\r\n",
    "a host that is none": b"GET /healthz HTTP/1.1\r\nHost: local host/..\r\n\r\n",
    "another host": b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "a host that begins as ours": b"GET /healthz HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n",
    "another host in the target": b"GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a tunnel": b"CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a body": GET + b"Content-Length: 4\r\n\r\nabcd",
    "a body that is a request": GET + b"Content-Length: 42\r\n\r\n" + GET + b"\r\n",
    "a body that does not come": GET + b"Content-Length: 9999999999\r\n\r\n",
    "chunks that do not end": GET + b"Transfer-Encoding: chunked\r\n\r\nffffff\r\n",
    "a path out of the folder": b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "one that is written in another way": b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "one with slashes that are": b"GET /..%2f..%2fetc%2fpasswd HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "one with a zero": b"GET /index.html%00.png HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "one of bytes that are no text": b"GET /%ff%fe HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a file beside the page": b"GET /server.py HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


ENDED = {"large headers"}
"""So much that it is not even answered."""


async def raw(one: Shown, request: bytes, timeout_s: float = 5.0) -> bytes:
    """Send bytes, wait for an answer or the end, and return all that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", one.port)
    told = b""
    try:
        async with asyncio.timeout(timeout_s):
            with contextlib.suppress(ConnectionError):
                writer.write(request)
                await writer.drain()
                told = await _answer(reader)
                writer.write_eof()
                told += await reader.read()
    finally:
        writer.close()
    return told


async def _answer(reader: asyncio.StreamReader) -> bytes:
    """Return one whole answer, or what there is of it."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        size = re.search(rb"Content-Length: (\d+)", head)
        return head + (await reader.readexactly(int(size[1])) if size else b"")
    except asyncio.IncompleteReadError as error:
        return error.partial


async def alive(one: Shown) -> bool:
    return (await one.get("/healthz"))[0] == 200


async def test_hostile_requests_are_refused(tmp_path: Path) -> None:
    """Whatever is sent, there is one problem as an answer, or the end where it is too long; the others are answered."""
    async with shown(tmp_path) as one:
        for name, attack in ATTACKS.items():
            told = await raw(one, attack)
            assert re.match(rb"HTTP/\d\.\d 4\d\d ", told) or (name in ENDED and not told), (name, told)
            assert len(re.findall(rb"HTTP/\d\.\d ", told)) <= 1, (name, told)
            assert b"root:" not in told
            assert await alive(one), name


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
async def test_nothing_can_be_changed(tmp_path: Path, method: str) -> None:
    """The panel shows; every method that could do more is refused, and told what can be done."""
    async with shown(tmp_path) as one:
        for path in ("/", "/api/v1/station", "/api/v1/stream"):
            status, headers = await one.headers(path, method)
            assert (status, headers["Allow"]) == (405, "GET, HEAD")
            assert "Access-Control-Allow-Origin" not in headers


async def test_every_answer_carries_the_policy(tmp_path: Path) -> None:
    """Also those that refuse: nothing from elsewhere runs, nothing is guessed, framed or told to others."""
    async with shown(tmp_path) as one:
        for path in ("/", "/docs", "/plain.css", "/api/v1/current", "/api/v1/stream", "/nothing", "/openapi.json"):
            _, headers = await one.headers(path, "HEAD")
            policy = headers["Content-Security-Policy"]
            assert "default-src 'self'" in policy
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Referrer-Policy"] == "no-referrer"
            assert headers["Server"] == "weatherd"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8600", 200),
        ("127.0.0.1:8600", 200),
        ("192.168.1.7", 200),
        ("[::1]:8600", 200),
        ("station.example.org", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("", 400),
        ("a b", 400),
        ("localhost@evil.example", 400),
    ],
)
async def test_only_our_own_names_are_answered(tmp_path: Path, host: str, status: int) -> None:
    """A name of somebody else that points to our address is none of ours: DNS rebinding. An address is no such name."""
    async with shown(tmp_path, 'hosts = ["station.example.org"]') as one:
        assert (await one.headers("/api/v1/clock", Host=host))[0] == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}, 200),
    ],
)
async def test_pages_of_others_are_refused(tmp_path: Path, headers: dict[str, str], status: int) -> None:
    """A page of another site reads nothing; a link there may lead here."""
    async with shown(tmp_path) as one:
        assert (await one.headers("/api/v1/clock", Host="localhost", **headers))[0] == status


async def test_a_websocket_is_not_spoken(tmp_path: Path) -> None:
    """Who asks for another protocol gets HTTP, and what he sends in the other one is no second request."""
    async with shown(tmp_path) as one:
        told = await raw(
            one,
            b"GET /api/v1/clock HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n\x81\x05hello",
        )
        assert b" 101 " not in told
        assert await alive(one)


async def test_a_request_that_drips_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then keeps no place: the whole request has its time, not each part of it."""
    monkeypatch.setattr(connections, "REQUEST_S_MAX", 0.5)
    async with shown(tmp_path) as one:
        reader, writer = await asyncio.open_connection("127.0.0.1", one.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        ended = asyncio.create_task(reader.read())

        async def is_over() -> bool:
            with contextlib.suppress(ConnectionError):
                writer.write(b"X: 1\r\n")
                await writer.drain()
            return ended.done()

        await eventually(is_over, 10.0)
        assert ended.exception() is not None or ended.result() == b""
        writer.close()


async def test_an_answer_that_is_not_read_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests without end whose answers nobody takes come to an end, and so does what waits for them."""
    monkeypatch.setattr(connections, "ANSWER_S_MAX", 0.5)
    async with shown(tmp_path) as one:
        _, writer = await asyncio.open_connection("127.0.0.1", one.port)

        async def is_over() -> bool:
            try:
                writer.write(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
                await asyncio.wait_for(writer.drain(), 0.1)
            except TimeoutError:
                return False
            except ConnectionError:
                return True
            return False

        await eventually(is_over, 15.0)
        writer.close()
        assert await alive(one)


async def test_hoarded_connections_keep_nobody_out(tmp_path: Path) -> None:
    """Of more connections than there are places, the idle ones make room, and the count stays bounded."""
    async with shown(tmp_path) as one:
        hoard = [await asyncio.open_connection("127.0.0.1", one.port) for _ in range(connections.CONNECTIONS_MAX + 50)]
        assert await alive(one)
        assert one.daemon.parts.showing is not None
        assert one.daemon.parts.showing.server.connections_count <= connections.CONNECTIONS_MAX
        for _, writer in hoard:
            writer.close()


@pytest.fixture
def token_file(tmp_path: Path) -> str:
    (tmp_path / "token").write_text(TOKEN + "\n")
    return 'token_file = "token"'


async def test_the_token_is_wanted_where_there_is_one(tmp_path: Path, token_file: str) -> None:
    """By the API and the page, not by what pages are made of, nor by those who ask whether the process lives."""
    async with shown(tmp_path, token_file) as one:
        for path in ("/api/v1/current", "/api/v1/stream", "/openapi.json"):
            status, headers = await one.headers(path)
            assert (status, headers["WWW-Authenticate"]) == (401, 'Bearer realm="weatherd"')
        for path in ("/", "/docs"):
            status, headers = await one.headers(path)
            assert (status, headers["Location"]) == (303, "/login")
        for path in ("/healthz", "/readyz", "/login", "/plain.css"):
            assert (await one.headers(path))[0] == 200
        assert (await one.headers("/api/v1/current", Authorization=f"Bearer {TOKEN}"))[0] == 200
        assert (await one.headers("/api/v1/current", Authorization=f"Basic {TOKEN}"))[0] == 401
        assert (await one.headers(f"/api/v1/current?token={TOKEN}"))[0] == 401


async def test_a_browser_logs_in_with_a_form(tmp_path: Path, token_file: str) -> None:
    """The right token becomes a cookie that no script sees and no other site sends; it holds no token."""
    async with shown(tmp_path, token_file) as one:
        async with one.session.post("/login", data={"token": "wrong"}, allow_redirects=False) as answer:
            assert answer.status == 401
            assert "Set-Cookie" not in answer.headers
            assert 'role="alert"' in await answer.text()
        async with one.session.post("/login", data={"token": TOKEN}, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/")
            cookie, *flags = answer.headers["Set-Cookie"].split("; ")
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(flags)
        assert TOKEN not in cookie
        assert (await one.headers("/", Cookie=cookie))[0] == 200
        assert (await one.headers("/api/v1/current", Cookie=cookie))[0] == 200
        assert (await one.headers("/api/v1/current", Cookie=cookie[:-1] + "x"))[0] == 401
        async with one.session.post(
            "/login", data={"token": TOKEN}, headers={"Origin": "http://evil.example"}
        ) as answer:
            assert answer.status == 403
        async with one.session.post("/login", data={"token": "x" * 5000}) as answer:
            assert answer.status == 413


async def test_tokens_cannot_be_tried_for_long(tmp_path: Path, token_file: str) -> None:
    """After ten wrong ones not even the right one is looked at; who is in stays in."""
    async with shown(tmp_path, token_file) as one:
        async with one.session.post("/login", data={"token": TOKEN}, allow_redirects=False) as answer:
            cookie = answer.headers["Set-Cookie"].partition(";")[0]
        one.session.cookie_jar.clear()
        for _ in range(access.ATTEMPTS_MAX):
            assert (await one.headers("/api/v1/clock", Authorization="Bearer wrong"))[0] == 401
        status, headers = await one.headers("/api/v1/clock", Authorization=f"Bearer {TOKEN}")
        assert (status, headers["Retry-After"]) == (429, "60")
        assert (await one.headers("/api/v1/clock", Cookie=cookie))[0] == 200


async def test_tls_is_spoken_where_there_is_a_certificate(tmp_path: Path) -> None:
    """With its own certificate, TLS 1.2 or later, and not to who speaks plainly."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "panel.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "panel.key")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    async with shown(tmp_path, 'tls = { cert_file = "panel.pem", key_file = "panel.key" }') as one:
        assert one.daemon.parts.showing is not None
        assert one.daemon.parts.showing.url == f"https://127.0.0.1:{one.port}"
        url = f"https://localhost:{one.port}/healthz"
        async with aiohttp.ClientSession() as session, session.get(url, ssl=context) as answer:
            assert answer.status == 200
        assert await raw(one, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n") == b""
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(ssl.SSLError):
            await asyncio.open_connection("127.0.0.1", one.port, ssl=old)


async def test_a_taken_port_keeps_no_station_from_running(tmp_path: Path) -> None:
    """The station runs, says so, and opens its panel as soon as the port is free."""
    async with shown(tmp_path) as first:
        second_folder = tmp_path / "second"
        second_folder.mkdir()
        first_showing = first.daemon.parts.showing
        assert first_showing is not None
        async with shown(second_folder, port=first.port) as second:
            error = second.daemon.status()["panel"]["error"]
            assert error["code"] == "daemon.unavailable"
            assert str(first.port) in error["message"]
            assert second.daemon.status()["trouble"] is None
            await first_showing.server.close()
            await eventually(lambda: second.daemon.status()["panel"]["error"] is None)
            assert (await second.told("/api/v1/station"))["id"] == "s"
