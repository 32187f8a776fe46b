import asyncio
import os
import socket
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from weatherd.control import NoDaemon, ask, ask_for, runtime_folders
from weatherd.control.server import Answer, ControlServer
from weatherd.errors import JournalFull, JournalUnavailable, NoAnswer, UnavailableError, WeatherdError


def saying(**words: object) -> Answer:
    async def answer(_: Mapping[str, Any]) -> Mapping[str, object]:
        return words

    return answer


def raising(error: Exception) -> Answer:
    async def answer(_: Mapping[str, Any]) -> Mapping[str, object]:
        raise error

    return answer


async def repeat(arguments: Mapping[str, Any]) -> Mapping[str, object]:
    return {"arguments": arguments}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUNTIME_DIRECTORY", os.fspath(tmp_path))
    return tmp_path


async def test_a_question_is_answered(folder: Path) -> None:
    """What the daemon says arrives as it was said."""
    server = ControlServer(folder, {"status": saying(sensors=[1, 2])})
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


async def test_arguments_arrive_as_they_were_given(folder: Path) -> None:
    """Numbers, lists and texts with line breaks and spaces go through, up to 64 KiB of them."""
    server = ControlServer(folder, {"repeat": repeat})
    await server.open()
    arguments: dict[str, Any] = {"seqs": list(range(10_000)), "request": "a line\nbreak and an ö", "none": None}
    assert await asyncio.to_thread(lambda: ask("repeat", **arguments)) == {"arguments": arguments}
    with pytest.raises(UnavailableError, match="does not answer"):
        await asyncio.to_thread(lambda: ask("repeat", text="x" * 65_536))
    await server.close()


@pytest.mark.parametrize(
    "arguments",
    [b"1", b"{", b"\xff", b"[]", b'{"a":' * 9000],
    ids=["a number", "half an object", "no text", "a list", "nested too deeply"],
)
async def test_arguments_that_are_none_are_told(folder: Path, arguments: bytes) -> None:
    """What is no JSON object is answered by an error, and the next client is served."""
    server = ControlServer(folder, {"repeat": repeat})
    await server.open()
    reader, writer = await asyncio.open_unix_connection(server.path)
    writer.write(b"repeat " + arguments + b"\n")
    assert "wrong arguments" in msgspec.json.decode(await reader.read())["error"]
    writer.close()
    assert await asyncio.to_thread(ask, "repeat") == {"arguments": {}}
    await server.close()


@pytest.mark.parametrize("error", [TypeError("no"), ValueError("no"), msgspec.ValidationError("no")], ids=repr)
async def test_wrong_arguments_are_told(folder: Path, error: Exception) -> None:
    """The client learns what is wrong instead of losing its connection."""
    server = ControlServer(folder, {"status": raising(error)})
    await server.open()
    with pytest.raises(UnavailableError, match="wrong arguments: no"):
        await asyncio.to_thread(ask, "status")
    await server.close()


@pytest.mark.parametrize(
    "error",
    [JournalUnavailable("the disk is full", "make room"), JournalFull("it is full"), NoAnswer("nobody", "plug it in")],
    ids=repr,
)
async def test_an_error_of_the_daemon_is_the_clients(folder: Path, error: WeatherdError) -> None:
    """The same kind with the same sentence and hint is raised at the other end, so the exit code fits as well."""
    server = ControlServer(folder, {"status": raising(error)})
    await server.open()
    with pytest.raises(WeatherdError) as caught:
        await asyncio.to_thread(ask, "status")
    assert type(caught.value) is type(error)
    assert (caught.value.sentence, caught.value.hint) == (error.sentence, error.hint)
    await server.close()


async def test_a_daemon_that_is_not_available_is_a_daemon(folder: Path) -> None:
    """What the daemon itself does not find is never mistaken for a daemon that does not run."""
    server = ControlServer(folder, {"status": raising(UnavailableError("a port is taken"))})
    await server.open()
    with pytest.raises(UnavailableError, match="a port is taken") as caught:
        await asyncio.to_thread(ask, "status")
    assert not isinstance(caught.value, NoDaemon)
    await server.close()


async def test_an_error_that_we_do_not_know_is_told(folder: Path) -> None:
    """A newer daemon's sentence and hint arrive, though its code means nothing here."""
    server = ControlServer(folder, {"status": saying(error="too hot", code="panel.melted", hint="cool it")})
    await server.open()
    with pytest.raises(WeatherdError, match="too hot") as caught:
        await asyncio.to_thread(ask, "status")
    assert caught.value.hint == "cool it"
    await server.close()


async def test_an_answer_of_another_type_is_told(folder: Path) -> None:
    """A daemon of another version that answers something else is a sentence and a hint."""
    server = ControlServer(folder, {"status": saying(sensors="many")})
    await server.open()
    with pytest.raises(UnavailableError, match="says: Expected") as caught:
        await asyncio.to_thread(ask_for, dict[str, int], "status")
    assert "version" in caught.value.hint
    await server.close()


async def test_work_that_takes_long_shows_signs_of_life(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client sees that its answer is worked on, and the signs change nothing of it."""
    monkeypatch.setattr("weatherd.control.server._SIGN_PERIOD_S", 0.01)
    found = asyncio.Event()

    async def search(_: Mapping[str, Any]) -> Mapping[str, object]:
        await found.wait()
        return {"found": True}

    server = ControlServer(folder, {"search": search})
    await server.open()
    asking = asyncio.create_task(asyncio.to_thread(ask, "search"))
    reader, writer = await asyncio.open_unix_connection(server.path)
    writer.write(b"search\n")
    assert await reader.readexactly(2) == b"  "
    found.set()
    assert msgspec.json.decode(await reader.read()) == await asking == {"found": True}
    writer.close()
    await server.close()


async def test_closing_waits_for_no_answer(folder: Path) -> None:
    """Who still waits when the daemon stops is cut off, so that no answer is looked for in what is closed already."""
    asked, ended = asyncio.Event(), asyncio.Event()

    async def search(_: Mapping[str, Any]) -> Mapping[str, object]:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return {}

    server = ControlServer(folder, {"search": search})
    await server.open()
    reader, writer = await asyncio.open_unix_connection(server.path)
    writer.write(b"search\n")
    await asked.wait()
    await server.close()
    assert await reader.read() == b""
    await ended.wait()
    writer.close()


def test_a_daemon_that_does_not_answer_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that hangs, or sends rubbish, is a sentence and a hint, and no traceback."""
    monkeypatch.setattr("weatherd.control.TIMEOUT_S", 0.1)
    with socket.socket(socket.AF_UNIX) as hung:
        hung.bind(os.fspath(folder / "control.sock"))
        hung.listen()
        with pytest.raises(UnavailableError, match="does not answer") as caught:
            ask("status")
    assert caught.value.hint
    assert not isinstance(caught.value, NoDaemon)


def test_a_daemon_with_too_many_callers_is_told(folder: Path) -> None:
    """A socket whose queue is full is that of a daemon that runs."""
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as caller:
        busy.bind(os.fspath(folder / "control.sock"))
        busy.listen(0)
        caller.connect(os.fspath(folder / "control.sock"))
        with pytest.raises(UnavailableError, match="does not answer") as caught:
            ask("status")
    assert not isinstance(caught.value, NoDaemon)


async def test_more_clients_than_places_are_turned_away(folder: Path) -> None:
    """Idle clients cost the daemon a few places and for a few seconds, and no file descriptors beyond."""
    server = ControlServer(folder, {"status": saying(ok=True)})
    await server.open()
    idle = [await asyncio.open_unix_connection(server.path) for _ in range(8)]
    reader, writer = await asyncio.open_unix_connection(server.path)
    assert await asyncio.wait_for(reader.read(), 10.0) == b""
    with pytest.raises(UnavailableError, match="does not answer, and closes the connection"):
        await asyncio.to_thread(ask, "status")
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
    server = ControlServer(folder, {"status": saying(ok=True)})
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
    server = ControlServer(folder, {"status": saying(ok=True)})
    await server.open()
    assert await asyncio.to_thread(ask, "status") == {"ok": True}
    await server.close()


async def test_a_socket_in_use_is_not_stolen(folder: Path) -> None:
    """A second daemon is refused, and the first one goes on answering."""
    first = ControlServer(folder, {"status": saying(first=True)})
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


def test_a_socket_that_nobody_serves_is_no_daemon(folder: Path) -> None:
    """What a killed daemon left behind, or another file in the socket's place, is nobody."""
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(os.fspath(folder / "control.sock"))
    with pytest.raises(NoDaemon):
        ask("status")
    (folder / "control.sock").unlink()
    (folder / "control.sock").write_text("")
    with pytest.raises(NoDaemon):
        ask("status")


@pytest.mark.usefixtures("folder")
def test_nobody_there_is_told() -> None:
    """Without a daemon the client says so, and how to start one."""
    with pytest.raises(NoDaemon, match="no weatherd answers") as caught:
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
