"""
Connections: how many there may be, how much each may send, and how long it may take.

aiohttp's server waits for ever for a request that does not come to its end, and for a client that does not read. Here
each connection has a moment by which it must have done its next step; one that is late is cut off. Where all places are
taken, whoever has been idle longest makes room for who comes: hoarding connections keeps nobody out.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from aiohttp import web

from weatherd.panel.answers import problem_answer
from weatherd.panel.problems import Problem
from weatherd.ports import Clock

CONNECTIONS_MAX = 200

REQUEST_S_MAX = 10.0
"""For a request to arrive, the handshake of TLS included."""

ANSWER_S_MAX = 30.0
"""For an answer to be made and read."""

IDLE_S_MAX = 60.0
"""Between an answer and the next request of a connection."""

RECEIVED_SIZE_MAX = 32 * 1024
"""Bytes of one request, and of what comes while it is answered."""

LINE_SIZE_MAX = 4096
"""Bytes in the request line, and in one header."""

LOOK_PERIOD_S = 1.0


class Connection(web.RequestHandler):
    """
    One connection of a client.

    Attributes:
        due_s: By when, on the boot clock, it must have done its next step; None while a stream goes on.
        is_idle: Whether no request is being answered.
    """

    def __init__(self, places: "Places", server: web.Server, **limits: Any) -> None:
        super().__init__(server, **limits)
        self._places = places
        self._received_size = 0
        self.is_idle = True
        self.due_s: float | None = places.clock.boottime_s() + REQUEST_S_MAX

    @property
    def is_open(self) -> bool:
        """Whether it can be cut off: before the handshake is done, it cannot."""
        return self.transport is not None

    def begin(self) -> None:
        """Note that a request has arrived, with its headers."""
        self.is_idle = False
        self._received_size = 0
        self.due_s = self._places.clock.boottime_s() + ANSWER_S_MAX

    def stream(self) -> None:
        """Note that the answer goes on for ever, and that who makes it looks after its pace."""
        self.due_s = None

    def cut_off(self) -> None:
        """End it at once, whatever is under way."""
        if self.transport is not None:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take in what the client sends, up to a limit."""
        self._received_size += len(data)
        if self._received_size > RECEIVED_SIZE_MAX:
            self.cut_off()
        else:
            super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give the place back."""
        self._places.leave(self)
        super().connection_lost(exc)

    async def finish_response(self, *args: Any, **kwargs: Any) -> Any:
        """Send the answer; then the next request is due."""
        finished = await super().finish_response(*args, **kwargs)
        self.is_idle = True
        self.due_s = self._places.clock.boottime_s() + IDLE_S_MAX
        return finished

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's own words
    ) -> web.StreamResponse:
        """Tell that a request is no HTTP, or that it was answered with a mistake of ours."""
        if request.writer.output_size > 0:
            raise ConnectionError("a part of the answer is sent already")
        if status >= 500:  # noqa: PLR2004 - of HTTP
            self._places.log.error(
                "panel.failed", message=f"{request.path[:100]} was not answered: {exc!r}", exc_info=exc
            )
            problem = Problem(500, "panel.failed", "a mistake of ours; the log has more")
        else:
            problem = Problem(400, "request.invalid", "this is no HTTP request that is understood here")
        answer = problem_answer(problem)
        answer.force_close()
        return answer


class Places:
    """
    All connections.

    Args:
        clock: The station's clock.
        log: Where mistakes of ours are told.
    """

    def __init__(self, clock: Clock, log: structlog.typing.FilteringBoundLogger) -> None:
        self.clock = clock
        self.log = log
        self._taken: dict[Connection, None] = {}

    @property
    def count(self) -> int:
        """How many are taken."""
        return len(self._taken)

    def factory(self, server: web.Server) -> Callable[[], asyncio.Protocol]:
        """Return what makes the protocol of each new connection."""

        def make() -> asyncio.Protocol:
            if self.count >= CONNECTIONS_MAX and not self._make_room():
                return _Refused()
            connection = Connection(
                self,
                server,
                loop=asyncio.get_running_loop(),
                keepalive_timeout=2 * IDLE_S_MAX,  # `due_s` comes first
                access_log=None,
                lingering_time=0.0,
                max_line_size=LINE_SIZE_MAX,
                max_field_size=LINE_SIZE_MAX,
                auto_decompress=False,
            )
            self._taken[connection] = None
            return connection

        return make

    def leave(self, connection: Connection) -> None:
        """Give a place back."""
        self._taken.pop(connection, None)

    async def look(self) -> None:
        """Cut off who is late, again and again until cancelled."""
        while True:
            now_s = self.clock.boottime_s()
            for connection in [one for one in self._taken if one.due_s is not None and one.due_s < now_s]:
                connection.cut_off()
                self.leave(connection)
            await self.clock.sleep(LOOK_PERIOD_S)

    def cut_off_all(self) -> None:
        """End every connection."""
        for connection in list(self._taken):
            connection.cut_off()

    def _make_room(self) -> bool:
        """Cut off who has been idle longest; tell whether there was anybody."""
        idle = [one for one in self._taken if one.is_idle and one.is_open]
        if not idle:
            return False
        longest = min(idle, key=lambda one: one.due_s or 0.0)
        longest.cut_off()
        self.leave(longest)
        return True


class _Refused(asyncio.Protocol):
    """A connection for which there is no place."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()
