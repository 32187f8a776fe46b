"""
`weatherd demo`: the whole station on emulated chips, with nothing but this machine.

The chips stand in the weather of one recorded day, at the present time of day. The real drivers read them, the real
daemon keeps and posts what they say, and a stand-in takes it as Logstash would. After a while somebody pours water
through the rain gauge, and a chip is unplugged, and plugged in again.
"""

import asyncio
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from weatherd import config
from weatherd.cli.run import heed_signals, run_loop
from weatherd.cli.shown import line
from weatherd.clock import SystemClock
from weatherd.daemon import Daemon
from weatherd.errors import UnavailableError
from weatherd.logs import make_log
from weatherd.testing.gpio import SimulatedGpio
from weatherd.testing.logstash import LogstashStandIn
from weatherd.testing.weather import HTU21D_ADDRESS, RecordedDay, simulated_bus

POURED_AFTER_S = 3.0
TIPS = 4
TIP_S = 1.5

FAULT_AFTER_S = 10.0
FAULT_S = 4.0

PANEL_PORT = 8600

SHOWN_WHOLE = "barometer"
RAIN_LINE = 17
"""All three as in demo.toml."""

_ADDED_BY_LOGSTASH = {"host", "http", "url", "user_agent"}


def demo(port: int | None, duration_s: float | None) -> int:
    """
    Run the demo until a signal, or for so many seconds; return 0 if nothing was lost.

    Args:
        port: Of the panel; None for the usual one, or a free one where somebody has that.
        duration_s: None for as long as the user likes.

    Raises:
        UnavailableError: If somebody has the port.
    """
    port = _usual_port() if port is None else _port_that_is_free(port)
    with tempfile.TemporaryDirectory(prefix="weatherd-demo-") as folder:
        lost_count = run_loop(_Demo(Path(folder), port, duration_s).run())
    return os.EX_SOFTWARE if lost_count else os.EX_OK


class _Demo:
    def __init__(self, folder: Path, port: int, duration_s: float | None) -> None:
        self._folder = folder
        self._duration_s = duration_s
        self._clock = SystemClock()
        self._day = RecordedDay.load()
        self._chips = simulated_bus(self._clock.now_ms, day=self._day)
        self._logstash = LogstashStandIn(port=0, on_event=self._show)
        self._panel_port = port
        self._wind_port = _free_port()
        self._shown = False

    async def run(self) -> int:
        """Run the station; return how many observations were lost."""
        async with self._logstash:
            settings = config.load(self._write_configuration())
            with (self._folder / "weatherd.log").open("w") as stream:
                daemon = Daemon(
                    settings,
                    make_log(settings.log.level, "json", stream),
                    clock=self._clock,
                    simulated=self._chips,
                    runtime_folder=self._folder,
                )
                heed_signals(daemon)
                if self._duration_s is not None:
                    asyncio.get_running_loop().call_later(self._duration_s, daemon.stop)
                self._introduce()
                await self._run_beside(daemon)
            return self._sum_up(daemon)

    async def _run_beside(self, daemon: Daemon) -> None:
        others = [
            asyncio.create_task(self._write_wind(daemon)),
            asyncio.create_task(self._pour_once(daemon)),
            asyncio.create_task(self._unplug_once()),
        ]
        try:
            await daemon.run()
        finally:
            for task in others:
                task.cancel()
            for outcome in await asyncio.gather(*others, return_exceptions=True):
                if isinstance(outcome, Exception):
                    self._say(f"what happens beside the station could not go on: {outcome}")

    def _write_configuration(self) -> Path:
        text = resources.files("weatherd.cli").joinpath("demo.toml").read_text()
        for theirs, ours in (
            ("http://127.0.0.1:8080", self._logstash.url),
            ("127.0.0.1:7433", f"127.0.0.1:{self._wind_port}"),
            ("127.0.0.1:8600", f"127.0.0.1:{self._panel_port}"),
        ):
            assert theirs in text
            text = text.replace(theirs, ours)
        path = self._folder / "weatherd.toml"
        path.write_text(text)
        return path

    def _introduce(self) -> None:
        end = "Ctrl-C stops it" if self._duration_s is None else f"it stops after {self._duration_s:g} s"
        print(f"A weather station on emulated chips; {end}.")
        print("  weather        1 January 2016 at Alamosa, Colorado (NOAA SURFRAD), at the present time of day, UTC")
        print(f"  panel          http://127.0.0.1:{self._panel_port} in a browser")
        print(f"  Logstash       a stand-in at {self._logstash.url}")
        print(f"  journal        {self._folder}/journal.db")
        print(f"  configuration  {self._folder}/weatherd.toml")
        print(f"  log            {self._folder}/weatherd.log")
        print(f"  ask it         RUNTIME_DIRECTORY={self._folder} {sys.argv[0]} status")
        print("All of it is removed at the end.\n", flush=True)

    async def _write_wind(self, daemon: Daemon) -> None:
        """Be the program on the mast: a line of JSON each second."""
        await daemon.ready.wait()
        _, writer = await asyncio.open_connection("127.0.0.1", self._wind_port)
        while True:
            weather = self._day.at(self._clock.now_ms())
            record = {
                "wind_m_s": weather["wind_speed"],
                "ghi_w_m2": weather["surface_downwelling_shortwave_flux_in_air"],
            }
            writer.write(msgspec.json.encode(record) + b"\n")
            await writer.drain()
            await asyncio.sleep(1.0)

    async def _pour_once(self, daemon: Daemon) -> None:
        """Tip the bucket of the rain gauge; its contact bounces as no good one does."""
        gpio = daemon.parts.gpio
        assert isinstance(gpio, SimulatedGpio)
        await daemon.ready.wait()
        await self._until(POURED_AFTER_S, 9)
        self._say(f"now water is poured through the rain gauge: {TIPS} tips, and its contact bounces 50 times at each")
        for _ in range(TIPS):
            gpio.pulse(RAIN_LINE, width_s=0.1, bounces=50, bounce_s=0.02)
            await asyncio.sleep(TIP_S)

    async def _until(self, after_s: float, share: int) -> None:
        """Wait for the moment of something; where the demo is short, for a share of its time."""
        await asyncio.sleep(after_s if self._duration_s is None else min(after_s, self._duration_s / share))

    async def _unplug_once(self) -> None:
        chip = self._chips.chips[HTU21D_ADDRESS]
        await self._until(FAULT_AFTER_S, 3)
        self._say("now the hygrometer is unplugged, in the middle of a measurement")
        chip.unplug_after(2)
        await asyncio.sleep(FAULT_S)
        chip.fault = None
        self._say("now it is plugged in again; the station will notice by itself")

    def _show(self, event: Mapping[str, Any]) -> None:
        if not self._shown and event.get("sensor", {}).get("name") == SHOWN_WHOLE:
            self._shown = True
            self._show_whole(event)
        print(line(event, shutil.get_terminal_size().columns if sys.stdout.isatty() else None), flush=True)

    def _show_whole(self, event: Mapping[str, Any]) -> None:
        """Show one document without what Logstash adds to it, and `weatherd`'s pipeline takes away again."""
        document = {name: value for name, value in event.items() if name not in _ADDED_BY_LOGSTASH}
        document["event"] = {name: value for name, value in event["event"].items() if name != "original"}
        print("\nAn observation, as Elasticsearch would keep it; the others in short, each as it is accepted:")
        print(msgspec.json.format(msgspec.json.encode(document)).decode(), end="\n\n", flush=True)

    def _say(self, sentence: str) -> None:
        print(f"          --- {sentence} ---", flush=True)

    def _sum_up(self, daemon: Daemon) -> int:
        """Count what was observed against what arrived."""
        dropped_count = daemon.parts.queue.dropped_count + daemon.parts.recorder.lost_count
        observed_count = daemon.parts.journal.last_seq + dropped_count
        delivered_count = self._logstash.documents_count
        kept_count = sum(forwarder.lag for forwarder in daemon.parts.forwarders)
        lost_count = observed_count - delivered_count - kept_count
        kept = f", kept for later {kept_count}" if kept_count else ""
        print(
            f"\nobservations and events {observed_count}, delivered {delivered_count}{kept}, lost {lost_count}",
            flush=True,
        )
        for forwarder in daemon.parts.forwarders:
            if forwarder.error is not None:
                print(forwarder.error.report())
        return lost_count


def _usual_port() -> int:
    try:
        return _port_that_is_free(PANEL_PORT)
    except UnavailableError:
        return _free_port()


def _port_that_is_free(port: int) -> int:
    """Return a port if nobody has it; for 0 one that is free. Raises UnavailableError."""
    try:
        with socket.create_server(("127.0.0.1", port)) as server:
            found: int = server.getsockname()[1]
            return found
    except OSError as error:
        raise UnavailableError(
            f"cannot listen at 127.0.0.1:{port}: {error.strerror or error}", "choose another one with --port"
        ) from error


def _free_port() -> int:
    return _port_that_is_free(0)
