"""Who else is there: nobody, our daemon, another one, or one that cannot be asked."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from weatherd import config
from weatherd.control.server import ControlServer
from weatherd.doctor import State
from weatherd.doctor.daemon import find

STATUS = {"daemon": {"pid": 4711}, "station": {"id": "other"}, "journal": {"path": "/x/journal.db"}, "sensors": []}


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUNTIME_DIRECTORY", os.fspath(tmp_path))
    return tmp_path


@pytest.fixture
async def server(runtime: Path) -> ControlServer:
    async def answer(_: object) -> dict[str, object]:
        return STATUS

    return ControlServer(runtime, {"status": answer})


def settings(path: str) -> config.Config:
    return config.Config(config.Station("test"), journal=config.Journal(path=Path(path)))


async def test_nobody_runs(runtime: Path) -> None:
    """Then all is tried."""
    there, found = await find(settings("/x/journal.db"))
    assert (there.status, there.is_silent, found.state) == (None, False, State.OK)


async def test_our_own_daemon_is_asked(server: ControlServer) -> None:
    """It is ours if it has our journal; where there is no configuration, any is."""
    await server.open()
    for ours in (settings("/x/journal.db"), None):
        there, found = await find(ours)
        assert (there.status, found.state) == (STATUS, State.OK)
        assert "process 4711" in found.message
    await server.close()


async def test_the_daemon_of_another_station_is_told(server: ControlServer) -> None:
    """What it holds is not known to be ours, so all is tried, with a warning."""
    await server.open()
    there, found = await find(settings("/y/journal.db"))
    await server.close()
    assert (there.status, there.is_silent) == (None, False)
    assert (found.state, found.code) == (State.WARN, "daemon.of_another_station")


@pytest.fixture
def mute(runtime: Path) -> Iterator[None]:
    """Let somebody listen who hangs up on each caller."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fspath(runtime / "control.sock"))
        server.listen()

        def hang_up() -> None:
            caller, _ = server.accept()
            caller.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        yield
        thread.join()


@pytest.mark.usefixtures("mute")
async def test_a_daemon_that_does_not_answer_is_a_failure() -> None:
    """Somebody is there, and nobody knows what he holds."""
    there, found = await find(settings("/x/journal.db"))
    assert there.is_silent
    assert (found.state, found.code) == (State.FAIL, "daemon.unavailable")
