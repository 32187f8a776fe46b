"""
The daemon's Unix socket in the runtime folder, both ends of it.

A client connects, sends one line with a request, and gets one JSON object back; then the connection ends. The line is
a name, or a name, a space and a JSON object of arguments:

    journal.run {"seq":123}

What is refused is answered by an object with an ``error``, and with ``code`` and ``hint`` if it is one of weatherd's
own. An answer that takes long is preceded by spaces, which mean nothing in JSON: the client sees that somebody works
on it. Only the owner and the group may connect.
"""

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from weatherd.errors import UnavailableError, WeatherdError

_NAME = "control.sock"
_REQUEST_SIZE_MAX = 64 * 1024
_ANSWER_SIZE_MAX = 16_000_000
_TIMEOUT_S = 5.0
_WORK_S_MAX = 60.0
_SIGN_PERIOD_S = 1.0
_CLIENTS_MAX = 8

Answer = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, object]]]
"""
Makes an answer out of the arguments, of at most a few MB. A `WeatherdError` is sent as it is; a TypeError, a
ValueError or a msgspec.ValidationError says that the arguments are wrong.
"""

_Kind = TypeVar("_Kind")


class NoDaemon(UnavailableError):
    """Tell that nobody listens: no daemon runs with one of our runtime folders."""


class _Refusal(msgspec.Struct):
    error: str | None = None
    code: str = ""
    hint: str = ""


class ControlServer:
    """
    Answer `weatherd status` and `weatherd journal`.

    Args:
        folder: The runtime folder.
        answers: By request, what to answer.
    """

    def __init__(self, folder: Path, answers: Mapping[str, Answer]) -> None:
        self.path = folder / _NAME
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
            async with asyncio.timeout(_TIMEOUT_S):
                line = await reader.readline()
            body = await self._work(line, writer)
            async with asyncio.timeout(_TIMEOUT_S):
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


def ask(request: str, /, **arguments: object) -> dict[str, Any]:
    """
    Ask the running daemon.

    Raises:
        NoDaemon: If nobody listens.
        UnavailableError: If you may not ask, or if who listens does not answer, or does not understand.
        WeatherdError: What the daemon raised.
    """
    return ask_for(dict[str, Any], request, **arguments)


def ask_for(kind: type[_Kind], request: str, /, **arguments: object) -> _Kind:
    """Ask the running daemon, as `ask` does, for an answer of a certain type."""
    tried = [folder / _NAME for folder in runtime_folders()]
    for path in tried:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
            channel.settimeout(_TIMEOUT_S)
            try:
                channel.connect(os.fspath(path))
            except PermissionError as error:
                raise UnavailableError(f"you may not ask the daemon at {path}", "use sudo") from error
            except (BlockingIOError, TimeoutError) as error:
                raise _silent(path) from error  # somebody listens, and has more callers than he can take
            except OSError:
                continue
            return _exchange(channel, kind, request, arguments, path)
    places = ", ".join(map(str, tried))
    raise NoDaemon(f"no weatherd answers at {places}", "start it with `weatherd run` or `systemctl start weatherd`")


def _exchange(
    channel: socket.socket, kind: type[_Kind], request: str, arguments: Mapping[str, object], path: Path
) -> _Kind:
    line = request.encode()
    if arguments:
        line += b" " + msgspec.json.encode(arguments)
    try:
        channel.sendall(line + b"\n")
        with channel.makefile("rb") as stream:
            answer = stream.read(_ANSWER_SIZE_MAX)
        refusal = msgspec.json.decode(answer, type=_Refusal)
    except (OSError, msgspec.DecodeError) as error:
        raise _silent(path) from error
    if refusal.error is not None:
        raise _raised(refusal.error, refusal, path)
    try:
        return msgspec.json.decode(answer, type=kind)
    except msgspec.ValidationError as error:
        raise _misunderstood(path, str(error)) from error


def _silent(path: Path) -> UnavailableError:
    return UnavailableError(
        f"the daemon at {path} does not answer within {_TIMEOUT_S:g} s", "see its log: `journalctl -u weatherd`"
    )


def _misunderstood(path: Path, what: str) -> UnavailableError:
    return UnavailableError(f"the daemon at {path} says: {what}", "it may be of another version: restart it")


def _raised(sentence: str, refusal: _Refusal, path: Path) -> WeatherdError:
    """Return the error that the daemon raised, with the exit code that belongs to it."""
    if not refusal.code:
        return _misunderstood(path, sentence)
    kinds: list[type[WeatherdError]] = [WeatherdError]
    for kind in kinds:
        if kind.code == refusal.code:
            return kind(sentence, refusal.hint)
        kinds += kind.__subclasses__()
    return UnavailableError(sentence, refusal.hint)


def runtime_folders(environment: Mapping[str, str] = os.environ) -> list[Path]:
    """Return where the socket may be, the most likely first: systemd's folder, its usual place, the user's own."""
    return list(_runtime_folders(environment))


def _runtime_folders(environment: Mapping[str, str]) -> Iterator[Path]:
    if given := environment.get("RUNTIME_DIRECTORY"):
        yield Path(given)
        return
    yield Path("/run/weatherd")
    if users := environment.get("XDG_RUNTIME_DIR"):
        yield Path(users) / "weatherd"


def _answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, contextlib.suppress(OSError):
        probe.setblocking(False)  # a listener whose backlog is full would hold up the loop, and is in use, too
        return probe.connect_ex(os.fspath(path)) in {0, errno.EAGAIN}
    return False
