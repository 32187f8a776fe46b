"""
The daemon's Unix socket in the runtime folder, both ends of it.

A client connects, sends one line with a request, and gets one JSON object back; then the connection ends. Only the
owner and the group may connect.
"""

import asyncio
import contextlib
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
        self._places = asyncio.Semaphore(_CLIENTS_MAX)

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
                f"cannot listen at {self.path}: {error.strerror}",
                "set RUNTIME_DIRECTORY to a folder that this user may write to",
            ) from error

    async def close(self) -> None:
        """Stop listening, and remove the path."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self.path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with self._places, asyncio.timeout(_TIMEOUT_S):
                request = (await reader.readline()).decode(errors="replace").strip()
                answer = self._answers.get(request)
                body = answer() if answer else {"error": f"unknown request {request[:40]!r}"}
                writer.write(msgspec.json.encode(body) + b"\n")
                await writer.drain()
        except (TimeoutError, ValueError, ConnectionError):
            return  # too slow, too long or gone: nothing of ours depends on this client
        finally:
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
                raise UnavailableError(
                    f"you may not ask the daemon at {path}", "use sudo, or join the group weatherd"
                ) from error
            except OSError:
                continue
            channel.sendall(request.encode() + b"\n")
            with channel.makefile("rb") as stream:
                answer = stream.read()
        if answer:
            decoded: dict[str, Any] = msgspec.json.decode(answer)
            return decoded
    places = ", ".join(map(str, tried))
    raise UnavailableError(
        f"no weatherd answers at {places}", "start it with `weatherd run` or `systemctl start weatherd`"
    )


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
        return probe.connect_ex(os.fspath(path)) == 0
    return False
