"""The panel's server: it listens, and answers through `routes`."""

import asyncio
import contextlib
import errno
import os
import socket
import ssl
from collections.abc import Iterable

import structlog
from aiohttp import web

from weatherd.errors import UnavailableError
from weatherd.panel.access import Hosts, Token
from weatherd.panel.connections import REQUEST_S_MAX, Places
from weatherd.panel.routes import Routes
from weatherd.panel.stream import Stream
from weatherd.panel.view import View
from weatherd.ports import Clock

BACKLOG = 128
"""Connections that wait for our loop to accept them."""

STOP_S_MAX = 1.0
"""For answers under way when the station stops."""


class PanelServer:
    """
    Show the station to whoever asks.

    Args:
        view: What there is to see.
        clock: The station's clock.
        log: Where mistakes of ours are told.
        host: An IP address of this machine, or that of all.
        port: 0 for any that is free.
        hosts: Names by which browsers may call, beside this machine's own.
        token: What callers must know; None for nothing.
        ssl_context: For TLS; None for none.
    """

    def __init__(
        self,
        view: View,
        clock: Clock,
        log: structlog.typing.FilteringBoundLogger,
        *,
        host: str,
        port: int,
        hosts: Iterable[str] = (),
        token: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._ssl_context = ssl_context
        self._places = Places(clock, log)
        self.stream = Stream(view, clock)
        checked = None if token is None else Token(token, clock, secure=ssl_context is not None)
        self._routes = Routes(view, self.stream, clock, Hosts(hosts), checked)
        self._http: web.Server | None = None
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where a browser on this machine finds the panel."""
        scheme = "http" if self._ssl_context is None else "https"
        here = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - a comparison
        host = here.get(self._host) or (f"[{self._host}]" if ":" in self._host else self._host)
        return f"{scheme}://{host}:{self._port}"

    @property
    def connections_count(self) -> int:
        """Connections that are open."""
        return self._places.count

    async def open(self) -> None:
        """
        Listen.

        Raises:
            UnavailableError: If the port is taken, or the address is none of this machine. Trying again can help.
        """
        self._http = web.Server(self._routes.answer, handler_cancellation=True)
        taken: socket.socket | None = None
        try:
            taken = _listening(self._host, self._port)
            self._server = await asyncio.get_running_loop().create_server(
                self._places.factory(self._http),
                sock=taken,
                ssl=self._ssl_context,
                ssl_handshake_timeout=None if self._ssl_context is None else REQUEST_S_MAX,
                backlog=BACKLOG,
            )
        except OSError as error:
            if taken is not None:
                taken.close()
            raise _told(error, self._host, self._port) from error
        self._port = taken.getsockname()[1]

    async def run(self) -> None:
        """Look after connections and viewers until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._places.look())
            group.create_task(self.stream.run())

    async def close(self) -> None:
        """Stop listening, end the streams, and let go of everybody."""
        if self._server is None or self._http is None:
            return
        self._server.close()
        self._server = None
        self.stream.close()
        self._http.pre_shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2 * STOP_S_MAX):
                await self._http.shutdown(STOP_S_MAX)
        self._places.cut_off_all()


def _listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens; that of ``::`` answers IPv4 as well."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server = socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=host == "::")
    server.setblocking(False)
    return server


def _told(error: OSError, host: str, port: int) -> UnavailableError:
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    why = os.strerror(error.errno) if error.errno else str(error)
    hint = "choose another one in panel.listen"
    if error.errno == errno.EADDRINUSE:
        why, hint = "somebody else listens there", f"see who with `ss -ltnp 'sport = :{port}'`, or {hint}"
    return UnavailableError(f"the panel cannot listen at {place}: {why}", hint)
