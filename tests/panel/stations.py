"""A station in this process with its panel, and ways to ask it."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from tests.end_to_end.stations import eventually, free_port
from tests.fakes import recording_log
from weatherd import config
from weatherd.daemon import Daemon
from weatherd.testing.logstash import LogstashStandIn

STATION = """
[station]
id = "s"
name = "Porto Alegre"
[i2c]
bus = "simulated"
[[sensors]]
name = "barometer"
driver = "bmp280"
sample_period_s = 0.5
report_period_s = 1.0
[[sensors]]
name = "garden"
driver = "jsonlines"
listen = "{folder}/in.sock"
observed_at = "time"
report_period_s = 0
labels = ["channel"]
quantities = {{ air_temperature = "t", rainfall_amount = "rain" }}
[journal]
path = "{folder}/journal.db"
[clock]
hold_max_s = 0
[panel]
listen = "127.0.0.1:{port}"
{panel}
{sink}
"""


class Shown:
    """A running station and where its panel is."""

    def __init__(self, daemon: Daemon, folder: Path, port: int) -> None:
        self.daemon = daemon
        self.folder = folder
        self.port = port
        self.session = aiohttp.ClientSession(f"http://127.0.0.1:{port}", auto_decompress=True)

    async def get(self, path: str, **headers: str) -> tuple[int, Any]:
        """Return status and JSON of an answer."""
        async with self.session.get(path, headers={**headers}) as answer:
            return answer.status, msgspec.json.decode(await answer.read())

    async def told(self, path: str) -> Any:
        """Return the JSON of an answer that is right."""
        status, body = await self.get(path)
        assert status == 200, body
        return body

    async def headers(self, path: str, method: str = "GET", **headers: str) -> tuple[int, Mapping[str, str]]:
        """Return status and headers of an answer."""
        async with self.session.request(method, path, headers=headers, allow_redirects=False) as answer:
            return answer.status, answer.headers


@contextlib.asynccontextmanager
async def shown(
    folder: Path, panel: str = "", logstash: LogstashStandIn | None = None, port: int | None = None
) -> AsyncIterator[Shown]:
    """
    Run a station with its panel, and stop it in good order.

    Args:
        folder: For its files.
        panel: More of that table.
        logstash: A sink; None for none.
        port: Of the panel; a free one by default.
    """
    port = port or free_port()
    sink = "" if logstash is None else f'[sinks.logstash]\nurls = ["{logstash.url}"]\nlinger_s = 0.1\ndelay_s_max = 1.0'
    text = STATION.format(folder=folder, port=port, panel=panel, sink=sink)
    log, _ = recording_log()
    daemon = Daemon(config.parse(text, folder), log, runtime_folder=folder)
    running = asyncio.create_task(daemon.run())
    one = Shown(daemon, folder, port)
    try:
        await asyncio.wait_for(daemon.ready.wait(), 20)
        await eventually(partial(_answers, port))
        yield one
    finally:
        await one.session.close()
        daemon.stop()
        async with asyncio.timeout(20):
            await running


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def write_lines(folder: Path, *records: Mapping[str, Any]) -> None:
    """Write lines to the garden's socket as a program would."""
    _, writer = await asyncio.open_unix_connection(os.fspath(folder / "in.sock"))
    for record in records:
        writer.write(msgspec.json.encode(record) + b"\n")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
