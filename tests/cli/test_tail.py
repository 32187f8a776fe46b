import asyncio
import signal
import sys
from pathlib import Path

from tests.end_to_end.stations import CHIPS, environment, station, weatherd

NOBODY = "http://127.0.0.1:9"


async def _tail(folder: Path, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "weatherd", "tail", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(folder),
    )


async def _line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), 20.0)).decode()


async def test_it_follows_until_the_daemon_stops(tmp_path: Path) -> None:
    """Each observation is a line as soon as it is there; the end of the daemon is a good end, with 0."""
    async with station(tmp_path, NOBODY, CHIPS) as running:
        await running.wait_for("READY=1")
        process = await _tail(tmp_path)
        lines = [await _line(process) for _ in range(6)]
        assert any("barometer   air pressure " in line for line in lines)
        assert any("hygrometer  relative humidity " in line for line in lines)
        assert await running.stop() == 0
        _, errors = await asyncio.wait_for(process.communicate(), 20.0)
        assert (process.returncode, errors) == (0, b"")


async def test_one_sensor_can_be_followed_until_ctrl_c(tmp_path: Path) -> None:
    """The others and events are left out; Ctrl-C ends it without a word, and the daemon does not care."""
    async with station(tmp_path, NOBODY, CHIPS) as running:
        await running.wait_for("READY=1")
        process = await _tail(tmp_path, "--sensor", "barometer")
        for _ in range(3):
            assert "  barometer   " in await _line(process)
        process.send_signal(signal.SIGINT)
        _, errors = await asyncio.wait_for(process.communicate(), 20.0)
        assert (process.returncode, errors) == (130, b"")
        code, _, errors_of_unknown = await weatherd("tail", "--sensor", "thermometer", folder=tmp_path)
        assert code == 69
        assert "\nhint:  it has barometer, hygrometer\n" in errors_of_unknown
        await running.kill()
    code, _, errors_of_none = await weatherd("tail", folder=tmp_path)
    assert code == 69
    assert errors_of_none.startswith("error: daemon.unavailable: no weatherd answers")


async def test_a_daemon_that_is_killed_is_told(tmp_path: Path) -> None:
    """That is no good end: 69, and what to look at."""
    async with station(tmp_path, NOBODY, CHIPS) as running:
        await running.wait_for("READY=1")
        process = await _tail(tmp_path)
        await _line(process)
        await running.kill()
        _, errors = await asyncio.wait_for(process.communicate(), 20.0)
        assert process.returncode == 69
        assert errors.startswith(b"error: daemon.unavailable: ")
