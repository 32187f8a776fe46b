"""What is answered at which path."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from urllib.parse import parse_qs

from aiohttp import web

from weatherd.errors import JournalError, WeatherdError
from weatherd.panel.access import Hosts, Token
from weatherd.panel.answers import HEADERS, bytes_answer, empty_answer, json_answer, problem_answer
from weatherd.panel.connections import Connection
from weatherd.panel.files import CONTENT_TYPES, Files
from weatherd.panel.parameters import check_method, last_event_id, page_of_events, parameters_of, wanted_of
from weatherd.panel.problems import Problem
from weatherd.panel.stream import Stream, Viewer
from weatherd.panel.view import Shape, View
from weatherd.ports import Clock

LOGIN = "/login"
LOGIN_SIZE_MAX = 2048

SEND_S_MAX = 20.0
"""A viewer of the stream that takes nothing for so long is cut off."""

TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"
"""Of Prometheus (docs, "Exposition formats")."""

OPEN_PATHS = frozenset({"/healthz", "/readyz", LOGIN})
"""What machines and people see without the token."""

_WRONG_MARK = "<!-- wrong -->"
_WRONG = '<p role="alert">This is not the token. · Esta não é a chave.</p>'

_Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Routes:
    """
    Everything that is answered.

    Args:
        view: What there is to see.
        stream: Who is told what happens.
        clock: The station's clock.
        hosts: By which names we may be called.
        token: What callers must know; None for nothing.
    """

    def __init__(self, view: View, stream: Stream, clock: Clock, hosts: Hosts, token: Token | None) -> None:
        self._view = view
        self._stream = stream
        self._clock = clock
        self._hosts = hosts
        self._token = token
        self._files = Files()
        self._answers: Mapping[str, _Answer] = {
            "/api/v1/station": partial(self._plain, view.station),
            "/api/v1/sensors": partial(self._plain, view.sensors),
            "/api/v1/sinks": partial(self._plain, view.sinks),
            "/api/v1/journal": partial(self._plain, view.journal),
            "/api/v1/clock": partial(self._plain, view.clock),
            "/api/v1/current": self._current,
            "/api/v1/history": self._history,
            "/api/v1/events": self._events,
            "/api/v1/stream": self._watch,
            "/healthz": partial(self._plain, lambda: {"ok": True, "problems": []}),
            "/readyz": self._readiness,
            "/metrics": self._counters,
        }

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request, or tell what is wrong with it."""
        connection = request.protocol
        assert isinstance(connection, Connection)
        connection.begin()
        try:
            return await self._answer(request)
        except Problem as problem:
            return problem_answer(problem)
        except WeatherdError as error:
            return problem_answer(
                Problem(HTTPStatus.SERVICE_UNAVAILABLE, error.code, error.sentence, {"Retry-After": "10"})
            )

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if not request.raw_path.startswith("/"):
            raise Problem(HTTPStatus.BAD_REQUEST, "request.target", "a proxy is somewhere else")
        self._hosts.check(request)
        path = request.path
        if path == LOGIN:
            return await self._login(request)
        check_method(request, ("GET", "HEAD"))
        if request.can_read_body:
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "request.body", "a question here has no body")
        if path not in self._answers and path not in self._files:
            raise Problem(HTTPStatus.NOT_FOUND, "request.path", "there is nothing here")
        is_page = path in self._files and self._files.is_page(path)
        if self._token is not None and path not in OPEN_PATHS and (is_page or path in self._answers):
            try:
                self._token.check(request)
            except Problem:
                if not path.endswith(".json") and is_page:
                    return empty_answer(HTTPStatus.SEE_OTHER, {"Location": LOGIN})
                raise
        if path in self._answers:
            return await self._answers[path](request)
        return await self._files.answer(request, path)

    async def _plain(self, look: Callable[[], Shape | Sequence[Shape]], request: web.BaseRequest) -> web.Response:
        parameters_of(request, ())
        return await json_answer(request, look())

    async def _current(self, request: web.BaseRequest) -> web.Response:
        parameters_of(request, ())
        return await json_answer(request, await self._view.current())

    async def _history(self, request: web.BaseRequest) -> web.Response:
        wanted = wanted_of(request, self._clock.now_ms())
        return await json_answer(request, await self._view.history(wanted))

    async def _events(self, request: web.BaseRequest) -> web.Response:
        return await json_answer(request, await self._view.events(*page_of_events(request)))

    async def _readiness(self, request: web.BaseRequest) -> web.Response:
        parameters_of(request, ())
        problems = self._view.problems()
        status = HTTPStatus.SERVICE_UNAVAILABLE if problems else HTTPStatus.OK
        return await json_answer(request, {"ok": not problems, "problems": problems}, status)

    async def _counters(self, request: web.BaseRequest) -> web.Response:
        parameters_of(request, ())
        return await bytes_answer(request, await self._view.counters(), TEXT_FORMAT, {"Cache-Control": "no-store"})

    async def _watch(self, request: web.BaseRequest) -> web.StreamResponse:
        parameters_of(request, ())
        behind_seq = last_event_id(request)
        headers = {**HEADERS, "Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        if request.method == "HEAD":
            return web.Response(headers=headers)
        connection = request.protocol
        assert isinstance(connection, Connection)
        viewer, seq = self._stream.join()
        try:
            connection.stream()
            response = web.StreamResponse(headers=headers)
            await response.prepare(request)
            if behind_seq is not None and behind_seq < seq:
                async for part in self._stream.missed(behind_seq, seq):
                    await _send(response, part)
            await self._send_all(response, viewer)
        except (TimeoutError, JournalError):
            connection.cut_off()  # the answer has begun; whoever comes back goes on from the last id
        finally:
            self._stream.leave(viewer)
        response.force_close()
        return response

    async def _send_all(self, response: web.StreamResponse, viewer: Viewer) -> None:
        while data := await viewer.take():
            await _send(response, data)

    async def _login(self, request: web.BaseRequest) -> web.StreamResponse:
        """Show the form, or take what was typed into it."""
        check_method(request, ("GET", "HEAD", "POST"))
        if self._token is None:
            return empty_answer(HTTPStatus.SEE_OTHER, {"Location": "/"})
        if request.method != "POST":
            return await self._form(request, "")
        if await self._fits(request, self._token):
            return empty_answer(HTTPStatus.SEE_OTHER, {"Location": "/", "Set-Cookie": self._token.cookie()})
        answer = await self._form(request, _WRONG)
        answer.set_status(HTTPStatus.UNAUTHORIZED)
        return answer

    async def _form(self, request: web.BaseRequest, sentence: str) -> web.Response:
        text = (await self._files.text("/login.html")).replace(_WRONG_MARK, sentence)
        return await bytes_answer(request, text.encode(), CONTENT_TYPES[".html"], {"Cache-Control": "no-store"})

    async def _fits(self, request: web.BaseRequest, token: Token) -> bool:
        body = b""
        while part := await request.content.read(LOGIN_SIZE_MAX):
            body += part
            if len(body) > LOGIN_SIZE_MAX:
                raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "request.body", "this is no token")
        try:
            given = parse_qs(body.decode("ascii"), max_num_fields=4).get("token", [""])
        except ValueError:
            given = [""]
        return token.fits(given[0].strip(), request.remote or "")


async def _send(response: web.StreamResponse, data: bytes) -> None:
    async with asyncio.timeout(SEND_S_MAX):
        await response.write(data)
