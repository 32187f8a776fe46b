import asyncio
import os
import socket
import stat
from pathlib import Path

import pytest

from weatherd import control
from weatherd.control import ControlServer, ask, runtime_folders
from weatherd.errors import UnavailableError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUNTIME_DIRECTORY", os.fspath(tmp_path))
    return tmp_path


async def test_a_question_is_answered(folder: Path) -> None:
    """What the daemon says arrives as it was said."""
    server = ControlServer(folder, {"status": lambda: {"sensors": [1, 2]}})
    await server.open()
    assert await asyncio.to_thread(ask, "status") == {"sensors": [1, 2]}
    await server.close()
    assert not server.path.exists()


async def test_an_unknown_question_is_told(folder: Path) -> None:
    """A client of another version learns that it is not understood."""
    server = ControlServer(folder, {})
    await server.open()
    with pytest.raises(UnavailableError, match="unknown request"):
        await asyncio.to_thread(ask, "dance")
    await server.close()


def test_a_daemon_that_does_not_answer_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that hangs, or sends rubbish, is a sentence and a hint, and no traceback."""
    monkeypatch.setattr(control, "_TIMEOUT_S", 0.1)
    with socket.socket(socket.AF_UNIX) as hung:
        hung.bind(os.fspath(folder / "control.sock"))
        hung.listen()
        with pytest.raises(UnavailableError, match="does not answer") as caught:
            ask("status")
    assert caught.value.hint


async def test_more_clients_than_places_are_turned_away(folder: Path) -> None:
    """Idle clients cost the daemon a few places and for a few seconds, and no file descriptors beyond."""
    server = ControlServer(folder, {"status": lambda: {"ok": True}})
    await server.open()
    idle = [await asyncio.open_unix_connection(server.path) for _ in range(8)]
    reader, writer = await asyncio.open_unix_connection(server.path)
    assert await asyncio.wait_for(reader.read(), 10.0) == b""
    for _, each in [*idle, (reader, writer)]:
        each.close()
    await asyncio.sleep(0)
    await server.close()


async def test_only_owner_and_group_may_ask(folder: Path) -> None:
    """The socket is closed to everybody else."""
    server = ControlServer(folder, {})
    await server.open()
    assert stat.S_IMODE(server.path.stat().st_mode) == 0o660
    await server.close()


async def test_rude_clients_are_survived(folder: Path) -> None:
    """Neither a flood, nor binary rubbish, nor a client that goes away without a word stops the next one."""
    server = ControlServer(folder, {"status": lambda: {"ok": True}})
    await server.open()
    for words in (b"x" * 100_000, b"\xff\x00\n", b"", b"status"):
        reader, writer = await asyncio.open_unix_connection(server.path)
        writer.write(words)
        writer.close()
        await asyncio.wait_for(reader.read(), 10.0)
    assert await asyncio.to_thread(ask, "status") == {"ok": True}
    await server.close()


async def test_a_socket_left_behind_is_replaced(folder: Path) -> None:
    """After a kill -9 the next daemon listens at the same place."""
    killed = ControlServer(folder, {})
    await killed.open()
    assert killed._server is not None
    killed._server.close()
    server = ControlServer(folder, {"status": lambda: {"ok": True}})
    await server.open()
    assert await asyncio.to_thread(ask, "status") == {"ok": True}
    await server.close()


async def test_a_socket_in_use_is_not_stolen(folder: Path) -> None:
    """A second daemon is refused, and the first one goes on answering."""
    first = ControlServer(folder, {"status": lambda: {"first": True}})
    await first.open()
    with pytest.raises(UnavailableError, match="another weatherd answers"):
        await ControlServer(folder, {}).open()
    assert await asyncio.to_thread(ask, "status") == {"first": True}
    await first.close()


async def test_a_folder_that_cannot_be_written_is_told(folder: Path) -> None:
    """The path is named, with what to do."""
    (folder / "file").write_text("")
    with pytest.raises(UnavailableError, match="cannot listen") as caught:
        await ControlServer(folder / "file", {}).open()
    assert "RUNTIME_DIRECTORY" in caught.value.hint


@pytest.mark.usefixtures("folder")
def test_nobody_there_is_told() -> None:
    """Without a daemon the client says so, and how to start one."""
    with pytest.raises(UnavailableError, match="no weatherd answers") as caught:
        ask("status")
    assert "systemctl start weatherd" in caught.value.hint


@pytest.mark.parametrize(
    ("environment", "folders"),
    [
        ({"RUNTIME_DIRECTORY": "/run/mine", "XDG_RUNTIME_DIR": "/run/user/1000"}, ["/run/mine"]),
        ({"XDG_RUNTIME_DIR": "/run/user/1000"}, ["/run/weatherd", "/run/user/1000/weatherd"]),
        ({}, ["/run/weatherd"]),
    ],
    ids=str,
)
def test_where_the_socket_is_looked_for(environment: dict[str, str], folders: list[str]) -> None:
    """What the manager says, or the usual place, then the user's own."""
    assert runtime_folders(environment) == [Path(folder) for folder in folders]
