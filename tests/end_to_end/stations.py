"""A real daemon as a process of its own, with what a service manager would give it."""

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from weatherd.testing.logstash import LogstashStandIn

_chance = random.SystemRandom()
"""Hypothesis sets the other one to the same beginning in each process."""

DAY = Path("weatherd/testing/surfrad-alamosa-2016-01-01.ndjson")

DAY_SENSOR = """
[[sensors]]
name = "alamosa"
driver = "jsonlines"
listen = "{folder}/in.sock"
observed_at = "time"
report_period_s = 0

[sensors.quantities]
air_temperature = "temp_c"
relative_humidity = "rh_pct"
wind_speed = "wind_m_s"
wind_from_direction = "wind_deg"
air_pressure = "press_hpa"
surface_downwelling_shortwave_flux_in_air = "ghi_w_m2"
"""

CHIPS = """
[i2c]
bus = "simulated"

[[sensors]]
name = "barometer"
driver = "bmp280"
sample_period_s = 0.5
report_period_s = 1.0

[[sensors]]
name = "hygrometer"
driver = "htu21d"
sample_period_s = 0.5
report_period_s = 1.0
"""


class RunningStation:
    """
    One start of the daemon.

    Attributes:
        notifications: What it told the service manager, each state as it came.
    """

    def __init__(
        self, folder: Path, runtime: Path, process: asyncio.subprocess.Process, manager: socket.socket
    ) -> None:
        self.folder = folder
        self.runtime = runtime
        self.process = process
        self.notifications: list[str] = []
        self._manager = manager

    async def wait_for(self, state: str, timeout_s: float = 20.0) -> None:
        """Wait until the daemon has told the service manager so."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(timeout_s):
            while not any(state in told for told in self.notifications):
                self.notifications.append((await loop.sock_recv(self._manager, 4096)).decode())

    def forget_notifications(self) -> None:
        """Forget what it has told; the socket holds ten of them, and what comes when it is full is lost."""
        self.notifications.clear()
        with contextlib.suppress(BlockingIOError):
            while self._manager.recv(4096):
                pass

    async def ask(self) -> dict[str, Any]:
        """Ask for the status as `weatherd status --json` does; its exit code has to fit to what it says."""
        code, out, err = await weatherd("status", "--json", folder=self.runtime)
        assert out, err
        status: dict[str, Any] = json.loads(out)
        assert code == (0 if status["trouble"] is None else 69), err
        return status

    async def stop(self, signum: signal.Signals = signal.SIGTERM, timeout_s: float = 30.0) -> int:
        """Stop the daemon and return its exit code."""
        self.process.send_signal(signum)
        return await asyncio.wait_for(self.process.wait(), timeout_s)

    async def kill(self) -> None:
        """End it as a power cut of the process would."""
        self.process.kill()
        await self.process.wait()

    @property
    def log(self) -> list[dict[str, Any]]:
        """Every line of its log so far; each is JSON."""
        return [json.loads(line) for line in (self.folder / "log").read_text().splitlines()]


@contextlib.asynccontextmanager
async def station(
    folder: Path,
    url: str,
    sensors: str,
    *,
    id_: str = "test",
    journal: str = "",
    sink: str = "",
    linger_s: float = 0.1,
    clock: str = "hold_max_s = 0",
    panel: str = 'listen = ""',
    disk: Path | None = None,
    runtime: Path | None = None,
    prefix: Sequence[str | Path] = (),
    variables: Mapping[str, str] | None = None,
) -> AsyncIterator[RunningStation]:
    """
    Start the daemon on a configuration; whatever the test leaves running is killed.

    Args:
        folder: For configuration, log and socket.
        url: Of the far end.
        sensors: Tables of the configuration.
        id_: Of the station.
        journal: More of its table.
        sink: More of its table.
        linger_s: How long a document may wait for company.
        clock: All of its table.
        panel: All of its table; turned off by default.
        disk: Folder of the journal; `folder` by default.
        runtime: Runtime folder; `folder` by default.
        prefix: Command that executes the daemon.
        variables: More of the environment.
    """
    runtime = runtime or folder
    (folder / "weatherd.toml").write_text(
        f"""
[station]
id = "{id_}"
elevation_m = 2317.0
{sensors.format(folder=folder)}
[journal]
path = "{disk or folder}/journal.db"
{journal}
[clock]
{clock}
[panel]
{panel}
[sinks.logstash]
urls = ["{url}"]
linger_s = {linger_s}
delay_s_max = 1.0
{sink}
"""
    )
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
        (folder / "log").open("ab") as log,
        (folder / "errors").open("ab") as errors,
    ):
        address = folder / "notify.sock"
        address.unlink(missing_ok=True)
        manager.bind(os.fspath(address))
        manager.setblocking(False)
        process = await asyncio.create_subprocess_exec(
            *prefix,
            sys.executable,
            "-m",
            "weatherd",
            "run",
            "--config",
            folder / "weatherd.toml",
            "--log-format",
            "json",
            stdout=log,
            stderr=errors,
            env=environment(runtime, NOTIFY_SOCKET=os.fspath(address), WATCHDOG_USEC="1000000", **(variables or {})),
        )
        try:
            yield RunningStation(folder, runtime, process, manager)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def environment(folder: Path, **more: str) -> Mapping[str, str]:
    """Return an environment with a runtime folder of its own."""
    return {**os.environ, "RUNTIME_DIRECTORY": os.fspath(folder), **more}


async def weatherd(*arguments: str | Path, folder: Path, timeout_s: float = 60.0) -> tuple[int, str, str]:
    """Run a command to its end; return exit code, output and errors."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "weatherd",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(folder),
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), timeout_s)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def write_lines(folder: Path, lines: Sequence[bytes], name: str = "in.sock") -> None:
    """Write lines to the station's socket as a program would."""
    _, writer = await asyncio.open_unix_connection(folder / name)
    for line in lines:
        writer.write(line + b"\n")
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def until_documents(logstash: LogstashStandIn, count: int, dataset: str, timeout_s: float = 30.0) -> None:
    """Wait until the stand-in holds so many documents of a dataset."""
    await eventually(lambda: len(documents(logstash, dataset)) >= count, timeout_s)


def free_port() -> int:
    """
    Return a port of this machine that nobody has.

    It is below those that the kernel gives to connections (ip(7), ip_local_port_range): one of them, of a test beside
    this one, would else come before the server that is to have it.
    """
    while True:
        port = _chance.randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


async def eventually(holds: Callable[[], bool | Awaitable[bool]], timeout_s: float = 20.0) -> None:
    """Look at another process until something holds there."""
    async with asyncio.timeout(timeout_s):
        while True:
            held = holds()
            if held if isinstance(held, bool) else await held:
                return
            await asyncio.sleep(0.05)


def documents(logstash: LogstashStandIn, dataset: str = "weatherd.observation") -> list[dict[str, Any]]:
    """Return what Elasticsearch would hold of a dataset, in the order of the seq."""
    found = [document for document in logstash.documents.values() if document["event"]["dataset"] == dataset]
    return sorted(found, key=lambda document: document["event"]["sequence"])


def day_lines() -> list[bytes]:
    """Return the real day's 1,440 records as they are."""
    return DAY.read_bytes().splitlines()


def day_records() -> list[dict[str, Any]]:
    """Return the real day's records, decoded."""
    return [msgspec.json.decode(line) for line in day_lines()]
