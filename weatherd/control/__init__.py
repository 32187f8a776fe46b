"""
The daemon's Unix socket in the runtime folder: how to ask there; `weatherd.control.server` is the other end.

A client connects, sends one line with a request, and gets one JSON object back; then the connection ends. The line is
a name, or a name, a space and a JSON object of arguments:

    journal.run {"seq":123}

What is refused is answered by an object with an ``error``, and with ``code`` and ``hint`` if it is one of weatherd's
own. An answer that takes long is preceded by spaces, which mean nothing in JSON: the client sees that somebody works
on it. Only the owner and the group may connect.

This end does without asyncio: a third of the time that the check of a container's health takes is the import of it.
"""

import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from weatherd.errors import UnavailableError, WeatherdError

NAME = "control.sock"
_ANSWER_SIZE_MAX = 16_000_000
TIMEOUT_S = 5.0

_Kind = TypeVar("_Kind")


class NoDaemon(UnavailableError):
    """Tell that nobody listens: no daemon runs with one of our runtime folders."""


class _Refusal(msgspec.Struct):
    error: str | None = None
    code: str = ""
    hint: str = ""


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
    tried = [folder / NAME for folder in runtime_folders()]
    for path in tried:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
            channel.settimeout(TIMEOUT_S)
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
    except TimeoutError as error:
        raise _silent(path) from error
    except (OSError, msgspec.DecodeError) as error:
        message = f"the daemon at {path} does not answer, and closes the connection"
        hint = "it stops, or has too many callers: try again, and see its log: `journalctl -u weatherd`"
        raise UnavailableError(message, hint) from error
    if refusal.error is not None:
        raise _raised(refusal.error, refusal, path)
    try:
        return msgspec.json.decode(answer, type=kind)
    except msgspec.ValidationError as error:
        raise _misunderstood(path, str(error)) from error


def _silent(path: Path) -> UnavailableError:
    return UnavailableError(
        f"the daemon at {path} does not answer within {TIMEOUT_S:g} s", "see its log: `journalctl -u weatherd`"
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
