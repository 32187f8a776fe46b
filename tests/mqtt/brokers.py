"""A real Mosquitto, somebody who listens at it, and a station in this process that publishes there."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import aiomqtt
import msgspec
import pytest
from paho.mqtt.subscribeoptions import SubscribeOptions

from tests.end_to_end.stations import eventually, free_port
from tests.fakes import recording_log
from weatherd import config
from weatherd.daemon import Daemon

PLAIN = "listener {port} 127.0.0.1\nallow_anonymous true\n"

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
quantities = {{ air_temperature = "t" }}
[journal]
path = "{folder}/journal.db"
[clock]
hold_max_s = 0
[panel]
listen = ""
[sinks.mqtt]
url = "{url}"
delay_s_max = 1.0
timeout_s = 3.0
{more}
"""

needs_mosquitto = pytest.mark.skipif(
    shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin") is None,
    reason="no broker: apt install mosquitto",
)


class Broker:
    """
    A Mosquitto of our own.

    Args:
        folder: For its configuration and log.
        settings: Its configuration; ``{port}`` and ``{folder}`` are filled in.
    """

    def __init__(self, folder: Path, settings: str = PLAIN) -> None:
        self.port = free_port()
        self.folder = folder
        # It would give up the rights of root, and then find no file of ours.
        text = settings.format(port=self.port, folder=folder) + "user root\n"
        (folder / "mosquitto.conf").write_text(text)
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    async def start(self) -> None:
        program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
        assert program is not None
        with (self.folder / "mosquitto.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                program, "-v", "-c", self.folder / "mosquitto.conf", stdout=log, stderr=log
            )
        answering = asyncio.ensure_future(eventually(self._answers))
        ending = asyncio.ensure_future(self._process.wait())
        try:
            await asyncio.wait([answering, ending], return_when=asyncio.FIRST_COMPLETED)
            log_text = (self.folder / "mosquitto.log").read_text()
            assert not ending.done(), f"the broker ended with {self._process.returncode}:\n{log_text[-2000:]}"
            await answering
        finally:
            answering.cancel()
            ending.cancel()
            await asyncio.gather(answering, ending, return_exceptions=True)

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True


class Listener:
    """
    Somebody who hears everything.

    Attributes:
        heard: All messages, in order: topic, payload, and whether it was retained.
    """

    def __init__(self, client: aiomqtt.Client) -> None:
        self.client = client
        self.heard: list[tuple[str, bytes, bool]] = []
        self.messages: list[aiomqtt.Message] = []

    async def run(self) -> None:
        async for message in self.client.messages:
            assert isinstance(message.payload, bytes)
            self.heard.append((message.topic.value, message.payload, bool(message.retain)))
            self.messages.append(message)

    def payloads(self, topic: str) -> list[bytes]:
        return [payload for one, payload, _ in self.heard if one == topic]

    def last(self, topic: str) -> bytes | None:
        found = self.payloads(topic)
        return found[-1] if found else None

    async def until(self, topic: str, payload: bytes | None = None, timeout_s: float = 10.0) -> bytes:
        """Wait for a message on a topic, or for one that says just this."""
        await eventually(lambda: any(payload in {None, one} for one in self.payloads(topic)), timeout_s)
        last = self.last(topic)
        assert last is not None
        return last

    async def say(self, topic: str, payload: bytes, **settings: Any) -> None:
        await self.client.publish(topic, payload, qos=1, **settings)


@contextlib.asynccontextmanager
async def broker(folder: Path, settings: str = PLAIN) -> AsyncIterator[Broker]:
    """Run a broker; it is gone behind the test."""
    one = Broker(folder, settings)
    await one.start()
    try:
        yield one
    finally:
        await one.kill()


@contextlib.asynccontextmanager
async def listening(port: int, topic: str = "#", **settings: Any) -> AsyncIterator[Listener]:
    """Listen to everything at a broker."""
    client = aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5, **settings)
    async with client:
        await client.subscribe(topic, options=SubscribeOptions(qos=1, retainAsPublished=True))
        listener = Listener(client)
        running = asyncio.create_task(listener.run())
        try:
            yield listener
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


class Station:
    """A running station, and what it logged."""

    def __init__(self, daemon: Daemon, folder: Path, log: list[dict[str, Any]]) -> None:
        self.daemon = daemon
        self.folder = folder
        self.log = log

    @property
    def sink(self) -> Mapping[str, Any]:
        """The sink MQTT in the status."""
        (found,) = [one for one in self.daemon.status()["sinks"] if one["name"] == "mqtt"]
        return found

    def logged(self, event: str) -> list[str]:
        return [line["message"] for line in self.log if line["event"] == event]

    async def connected(self) -> None:
        await eventually(lambda: self.sink["state"] == "answers")


def settings_of(folder: Path, url: str, more: str = "", change: Callable[[str], str] = str) -> config.Config:
    return config.parse(change(STATION.format(folder=folder, url=url, more=more)), folder)


@contextlib.asynccontextmanager
async def publishing(
    folder: Path,
    url: str,
    more: str = "",
    *,
    change: Callable[[str], str] = str,
    reread: Callable[[], config.Config] | None = None,
) -> AsyncIterator[Station]:
    """
    Run a station that publishes at a broker, and stop it in good order.

    Args:
        folder: For its files.
        url: The broker's.
        more: More of its table.
        change: Changes the configuration's text.
        reread: What it reads when it is told to reload.
    """
    folder.mkdir(exist_ok=True)  # noqa: ASYNC240  -- a moment, in a test
    log, lines = recording_log()
    daemon = Daemon(settings_of(folder, url, more, change), log, runtime_folder=folder, reread=reread)
    running = asyncio.create_task(daemon.run())
    try:
        await asyncio.wait_for(daemon.ready.wait(), 20)
        yield Station(daemon, folder, lines)
    finally:
        daemon.stop()
        async with asyncio.timeout(20):
            await running


def decoded(payload: bytes | None) -> Any:
    assert payload is not None
    return msgspec.json.decode(payload)
