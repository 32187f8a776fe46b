"""The daemon's end of its Unix socket."""

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from weatherd.control import NAME, TIMEOUT_S
from weatherd.errors import UnavailableError, WeatherdError

_REQUEST_SIZE_MAX = 64 * 1024
_WORK_S_MAX = 60.0
_SIGN_PERIOD_S = 1.0
_CLIENTS_MAX = 8

Answer = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, object]]]
"""
Makes an answer out of the arguments, of at most a few MB. A `WeatherdError` is sent as it is; a TypeError, a
ValueError or a msgspec.ValidationError says that the arguments are wrong.
"""


class ControlServer:
    """
    Answer `weatherd status` and `weatherd journal`.

    Args:
        folder: The runtime folder.
        answers: By request, what to answer.
    """

    def __init__(self, folder: Path, answers: Mapping[str, Answer]) -> None:
        self.path = folder / NAME
        self._answers = answers
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """
        Listen.

        Raises:
            UnavailableError: If the folder is missing or not writable, or another daemon listens there.
        """
        if _answered(self.path):
            raise UnavailableError(
                f"another weatherd answers at {self.path}", "stop it first, or give this one its own RUNTIME_DIRECTORY"
            )
        try:
            self.path.parent.mkdir(mode=0o755, exist_ok=True)
            self.path.unlink(missing_ok=True)
            self._server = await asyncio.start_unix_server(self._serve, self.path, limit=_REQUEST_SIZE_MAX)
            self.path.chmod(0o660)
        except OSError as error:
            raise UnavailableError(
                f"cannot listen at {self.path}: {error.strerror or error}",
                "set RUNTIME_DIRECTORY to a folder that this user may write to",
            ) from error

    async def close(self) -> None:
        """Stop listening, remove the path, and let nobody be answered any more."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self.path.unlink(missing_ok=True)
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._clients) >= _CLIENTS_MAX:
            writer.close()
            return
        self._clients.add(task)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                line = await reader.readline()
            body = await self._work(line, writer)
            async with asyncio.timeout(TIMEOUT_S):
                writer.write(msgspec.json.encode(body) + b"\n")
                await writer.drain()
        except (TimeoutError, ValueError, ConnectionError):
            return  # too slow, too long or gone: nothing of ours depends on this client
        except asyncio.CancelledError:
            # Only `close` cancels, and asyncio of Python 3.11 would log a connection that ends cancelled.
            writer.transport.abort()
        finally:
            self._clients.discard(task)
            writer.close()

    async def _work(self, line: bytes, writer: asyncio.StreamWriter) -> Mapping[str, object]:
        """Find the answer, and show the client meanwhile that somebody works on it."""
        working = asyncio.ensure_future(self._answer(line))
        try:
            async with asyncio.timeout(_WORK_S_MAX):
                while not (await asyncio.wait([working], timeout=_SIGN_PERIOD_S))[0]:
                    writer.write(b" ")
                    await writer.drain()
                return working.result()
        finally:
            working.cancel()

    async def _answer(self, line: bytes) -> Mapping[str, object]:
        request, _, arguments = line.decode(errors="replace").strip().partition(" ")
        answer = self._answers.get(request)
        if answer is None:
            return {"error": f"unknown request {request[:40]!r}"}
        try:
            return await answer(msgspec.json.decode(arguments or "{}", type=dict[str, Any]))
        except WeatherdError as error:
            return {"error": error.sentence, "code": error.code, "hint": error.hint}
        except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
            return {"error": f"{request} was asked with wrong arguments: {error}"}


def _answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, contextlib.suppress(OSError):
        probe.setblocking(False)  # a listener whose backlog is full would hold up the loop, and is in use, too
        return probe.connect_ex(os.fspath(path)) in {0, errno.EAGAIN}
    return False
