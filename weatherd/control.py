"""
The daemon's Unix socket in the runtime folder, both ends of it.

A client connects, sends one line with a request, and gets one JSON object back; then the connection ends. Only the
owner and the group may connect.
"""

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from weatherd.errors import UnavailableError

_NAME = "control.sock"
_REQUEST_SIZE_MAX = 1024
_TIMEOUT_S = 5.0
_CLIENTS_MAX = 8

Answer = Callable[[], Mapping[str, object]]


class ControlServer:
    """
    Answer `weatherd status`.

    Args:
        folder: The runtime folder.
        answers: By request, what to answer.
    """

    def __init__(self, folder: Path, answers: Mapping[str, Answer]) -> None:
        self.path = folder / _NAME
        self._answers = answers
        self._server: asyncio.Server | None = None
        self._clients_count = 0

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
        """Stop listening, and remove the path."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self.path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients_count += 1
        try:
            if self._clients_count > _CLIENTS_MAX:
                return
            async with asyncio.timeout(_TIMEOUT_S):
                request = (await reader.readline()).decode(errors="replace").strip()
                answer = self._answers.get(request)
                body = answer() if answer else {"error": f"unknown request {request[:40]!r}"}
                writer.write(msgspec.json.encode(body) + b"\n")
                await writer.drain()
        except (TimeoutError, ValueError, ConnectionError):
            return  # too slow, too long or gone: nothing of ours depends on this client
        finally:
            self._clients_count -= 1
            writer.close()


def ask(request: str) -> dict[str, Any]:
    """
    Ask the running daemon.

    Raises:
        UnavailableError: If none answers.
    """
    tried = [folder / _NAME for folder in runtime_folders()]
    for path in tried:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
            channel.settimeout(_TIMEOUT_S)
            try:
                channel.connect(os.fspath(path))
            except PermissionError as error:
                raise UnavailableError(f"you may not ask the daemon at {path}", "use sudo") from error
            except OSError:
                continue
            return _exchange(channel, request, path)
    places = ", ".join(map(str, tried))
    raise UnavailableError(
        f"no weatherd answers at {places}", "start it with `weatherd run` or `systemctl start weatherd`"
    )


def _exchange(channel: socket.socket, request: str, path: Path) -> dict[str, Any]:
    try:
        channel.sendall(request.encode() + b"\n")
        with channel.makefile("rb") as stream:
            answer = msgspec.json.decode(stream.read(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError) as error:
        raise UnavailableError(
            f"the daemon at {path} does not answer within {_TIMEOUT_S:g} s", "see its log: `journalctl -u weatherd`"
        ) from error
    if "error" in answer:
        raise UnavailableError(
            f"the daemon at {path} says: {answer['error']}", "it may be of another version: restart it"
        )
    return answer


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
