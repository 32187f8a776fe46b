import asyncio
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


async def _fail(address: Address) -> None:
    with pytest.raises(Unreachable, match="certificate that is not trusted"):
        await Connection(address, "weatherd-s-1", None).open()


def _open_sockets_count() -> int:
    return sum(path.is_socket() for path in Path("/proc/self/fd").iterdir())
