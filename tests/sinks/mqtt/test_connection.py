import asyncio
import contextlib
import gc
import ssl
from pathlib import Path

import pytest
import trustme

from weatherd.errors import Unreachable
from weatherd.sinks.mqtt.address import Address
from weatherd.sinks.mqtt.connection import Connection


async def test_an_attempt_that_fails_at_tls_leaves_no_socket_open() -> None:
    """Not even until the next collection, which on a station that has little to do is hours away."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with server:
        address = Address(f"mqtts://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        await _fail(address)
        before = _open_sockets_count()
        gc.disable()
        try:
            for _ in range(5):
                await _fail(address)
        finally:
            gc.enable()
        assert _open_sockets_count() <= before


async def test_a_greeting_that_never_ends_is_not_waited_for_for_ever() -> None:
    """A byte now and then keeps paho waiting; and no socket stays open."""
    writers: list[asyncio.StreamWriter] = []
    over = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        with contextlib.suppress(OSError):
            while not reader.at_eof():
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.05)
        writer.close()
        over.set()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    async with server:
        address = Address(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", timeout_s=0.2)
        async with asyncio.timeout(20):
            with pytest.raises(Unreachable, match="closed the connection"):
                await Connection(address, "weatherd-s-1", None).open()
            await over.wait()
    assert len(writers) == 1


async def test_a_broker_that_lets_us_in_and_ends_it_at_once_is_understood() -> None:
    """Both come in one piece; its reason is told, and there is no connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"\x20\x03\x00\x00\x00" + b"\xe0\x01\x8b")
        with contextlib.suppress(OSError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        connection = Connection(Address(f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"), "weatherd-s-1", None)
        with pytest.raises(Unreachable, match="server shutting down"):
            await connection.open()


async def _fail(address: Address) -> None:
    with pytest.raises(Unreachable, match="certificate that is not trusted"):
        await Connection(address, "weatherd-s-1", None).open()


def _open_sockets_count() -> int:
    return sum(path.is_socket() for path in Path("/proc/self/fd").iterdir())
