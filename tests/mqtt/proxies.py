"""Faults between a station and a real broker: a connection that breaks, answers that are others, a websocket."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import aiohttp
from aiohttp import web

PUBLISH = 0x30
PUBACK = 0x40
SUBACK = 0x90


class Proxy:
    """
    Hand bytes on between clients and a broker.

    Attributes:
        port: Where clients connect.
        puback_code: The reason that every PUBACK gets (MQTT 5), while it is set.
        puback_delay_s: How long each PUBACK is held back, one after the other.
        change: Changes each packet of the broker's.
        is_mute: Whether what the broker says is kept back.
        unanswered_max: The most messages that the client ever had under way.
        connections_count: How many there were.
    """

    def __init__(self, broker_port: int) -> None:
        self.port = 0
        self.puback_code: int | None = None
        self.puback_delay_s = 0.0
        self.change: Callable[[bytes], bytes] = bytes
        self.is_mute = False
        self.unanswered_max = 0
        self._unanswered_count = 0
        self.connections_count = 0
        self._broker_port = broker_port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.drop()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def drop(self) -> None:
        """Break every connection: nobody says goodbye."""
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections_count += 1
        theirs, ours = await asyncio.open_connection("127.0.0.1", self._broker_port)
        self._writers |= {writer, ours}
        try:
            await asyncio.wait(
                [asyncio.ensure_future(self._up(reader, ours)), asyncio.ensure_future(self._down(theirs, writer))],
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            for one in (writer, ours):
                one.transport.abort()
            self._writers -= {writer, ours}

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                packet = await _packet(reader)
                if packet[0] & 0xF0 == PUBLISH:
                    self._unanswered_count += 1
                    self.unanswered_max = max(self.unanswered_max, self._unanswered_count)
                writer.write(packet)
                await writer.drain()

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                packet = await _packet(reader)
                if self.puback_code is not None and packet[0] == PUBACK:
                    packet = bytes([PUBACK, 3, *packet[2:4], self.puback_code])
                if packet[0] == PUBACK:
                    await asyncio.sleep(self.puback_delay_s)
                    self._unanswered_count -= 1
                if not self.is_mute:
                    writer.write(self.change(packet))
                    await writer.drain()


async def _packet(reader: asyncio.StreamReader) -> bytes:
    """Read one packet: a byte, its length in seven-bit groups, and so many bytes (MQTT 5, section 2.1)."""
    head = bytearray(await reader.readexactly(1))
    length = shift = 0
    while True:
        head += await reader.readexactly(1)
        length |= (head[-1] & 0x7F) << shift
        shift += 7
        if not head[-1] & 0x80:
            return bytes(head) + await reader.readexactly(length)


@contextlib.asynccontextmanager
async def proxy(broker_port: int) -> AsyncIterator[Proxy]:
    one = Proxy(broker_port)
    await one.open()
    try:
        yield one
    finally:
        await one.close()


@contextlib.asynccontextmanager
async def websocket(broker_port: int) -> AsyncIterator[str]:
    """Serve a broker over websockets, which Debian's Mosquitto is built without; yield the URL."""

    async def serve(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=["mqtt"])
        await socket.prepare(request)
        reader, writer = await asyncio.open_connection("127.0.0.1", broker_port)

        async def down() -> None:
            while data := await reader.read(65536):
                await socket.send_bytes(data)

        downwards = asyncio.create_task(down())
        async for message in socket:
            if message.type is aiohttp.WSMsgType.BINARY:
                writer.write(message.data)
        writer.close()
        downwards.cancel()
        return socket

    app = web.Application()
    app.router.add_get("/mqtt", serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"ws://{host}:{port}"
    finally:
        await runner.cleanup()
