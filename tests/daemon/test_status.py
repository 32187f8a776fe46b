import asyncio
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import recording_log
from weatherd import config
from weatherd.cli.status import show
from weatherd.clock import SystemClock
from weatherd.control.server import ControlServer
from weatherd.daemon import Daemon
from weatherd.daemon.answers import answers
from weatherd.daemon.status import sampling_goes_on
from weatherd.errors import JournalFull

STATION = """
[station]
id = "s"
[i2c]
bus = "simulated"
[[sensors]]
name = "barometer"
driver = "bmp280"
[[sensors]]
name = "garden"
driver = "jsonlines"
listen = "{folder}/in.sock"
quantities = {{ air_temperature = "t" }}
[journal]
path = "{folder}/journal.db"
"""


class Bench:
    """A station that is built, and does nothing unless it is run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.leap_s = 0.0
        clock = SystemClock(boottime_ns=lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME) + round(self.leap_s * 1e9))
        log, _ = recording_log()
        settings = config.parse(STATION.format(folder=folder), folder)
        self.daemon = Daemon(settings, log, clock=clock, runtime_folder=folder)

    @property
    def trouble(self) -> Mapping[str, str] | None:
        trouble: Mapping[str, str] | None = self.daemon.status()["trouble"]
        return trouble


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("RUNTIME_DIRECTORY", os.fspath(tmp_path))
    return Bench(tmp_path)


async def test_a_sampler_that_does_not_come_round_is_trouble(bench: Bench) -> None:
    """What starves the watchdog is told with the sensor's name; one that is told by others cannot be late."""
    assert (bench.trouble, sampling_goes_on(bench.daemon.parts)) == (None, True)
    bench.leap_s = 200.0
    assert bench.trouble is not None
    assert bench.trouble["code"] == "daemon.sampling_stuck"
    assert "barometer" in bench.trouble["message"]
    assert "garden" not in bench.trouble["message"]
    assert not sampling_goes_on(bench.daemon.parts)


async def test_a_journal_that_takes_nothing_is_trouble(bench: Bench) -> None:
    """Its own words are told."""
    bench.daemon.parts.recorder.pause(JournalFull("the journal is full", "make room"))
    assert bench.trouble == {"code": "journal.full", "message": "the journal is full", "hint": "make room"}


async def shown(bench: Bench, capsys: pytest.CaptureFixture[str], *, as_json: bool) -> tuple[int, Any]:
    """Ask at the socket, as another process would."""
    control = ControlServer(
        bench.folder, answers(bench.daemon.parts.journal, bench.daemon.status, bench.daemon._reread, asyncio.Event())
    )
    await control.open()
    try:
        code = await asyncio.to_thread(show, as_json=as_json)
    finally:
        await control.close()
    return code, capsys.readouterr()


@pytest.mark.parametrize("as_json", [False, True])
async def test_the_exit_code_tells_whether_the_station_does_its_work(
    bench: Bench, capsys: pytest.CaptureFixture[str], *, as_json: bool
) -> None:
    """0 while it does; else 69, with an error and a hint behind the status itself."""
    code, told = await shown(bench, capsys, as_json=as_json)
    assert (code, told.err) == (0, "")
    assert "barometer" in told.out
    bench.leap_s = 200.0
    code, told = await shown(bench, capsys, as_json=as_json)
    assert code == 69
    error, hint = told.err.splitlines()
    assert error.startswith("error: daemon.sampling_stuck: sampling is stuck: barometer ")
    assert hint.startswith("hint:  restart the daemon")
    assert "barometer" in told.out
