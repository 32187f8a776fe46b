"""
`weatherd demo`: the whole station on emulated chips, with nothing but this machine.

The chips stand in the weather of one recorded day, at the present time of day. The real drivers read them, the real
daemon keeps and posts what they say, and a stand-in takes it as Logstash would. After a while a chip is unplugged, and
plugged in again.
"""

import asyncio
import os
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
from weatherd.clock import SystemClock
from weatherd.daemon import Daemon
from weatherd.logs import make_log
from weatherd.model import QUANTITIES
from weatherd.testing.logstash import LogstashStandIn
from weatherd.testing.weather import HTU21D_ADDRESS, RecordedDay, simulated_bus

FAULT_AFTER_S = 10.0
FAULT_S = 4.0

_ADDED_BY_LOGSTASH = {"host", "http", "url", "user_agent"}

_UNITS = {"1": "", "g/m3": "g/m³", "degC": "°C", "deg": "°", "W/m2": "W/m²"}


def demo(port: int, duration_s: float | None) -> int:
    """
    Run the demo until a signal, or for so many seconds; return 0 if nothing was lost.

    Args:
        port: Of the stand-in; 0 takes a free one.
        duration_s: None for as long as the user likes.
    """
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
        self._logstash = LogstashStandIn(port=port, on_event=self._show)
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
        others = [asyncio.create_task(self._write_wind(daemon)), asyncio.create_task(self._unplug_once())]
        try:
            await daemon.run()
        finally:
            for task in others:
                task.cancel()
            for outcome in await asyncio.gather(*others, return_exceptions=True):
                if isinstance(outcome, Exception):
                    self._say(f"the program on the mast could not go on: {outcome}")

    def _write_configuration(self) -> Path:
        text = resources.files("weatherd.cli").joinpath("demo.toml").read_text()
        for theirs, ours in (
            ("http://127.0.0.1:8080", self._logstash.url),
            ("127.0.0.1:7433", f"127.0.0.1:{self._wind_port}"),
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
                "wind_deg": weather["wind_from_direction"],
                "ghi_w_m2": weather["surface_downwelling_shortwave_flux_in_air"],
            }
            writer.write(msgspec.json.encode(record) + b"\n")
            await writer.drain()
            await asyncio.sleep(1.0)

    async def _unplug_once(self) -> None:
        chip = self._chips.chips[HTU21D_ADDRESS]
        await asyncio.sleep(FAULT_AFTER_S if self._duration_s is None else min(FAULT_AFTER_S, self._duration_s / 3))
        self._say("now the hygrometer is unplugged, in the middle of a measurement")
        chip.unplug_after(2)
        await asyncio.sleep(FAULT_S)
        chip.fault = None
        self._say("now it is plugged in again; the station will notice by itself")

    def _show(self, event: Mapping[str, Any]) -> None:
        when = str(event.get("@timestamp", ""))[11:19]
        if "message" in event:
            print(f"{when}  event       {event['message']}", flush=True)
            return
        if not self._shown:
            self._shown = True
            self._show_whole(event)
        sensor = event.get("sensor", {}).get("name", "?")
        values = [_value(name, value) for name, value in event.get("weather", {}).items()]
        missing = [
            f"{name} missing ({event['quality_reasons'].get(name)})"
            for name, flag in event.get("quality", {}).items()
            if flag == "missing"
        ]
        print(f"{when}  {sensor:<10}  {'  '.join(values + missing)}", flush=True)

    def _show_whole(self, event: Mapping[str, Any]) -> None:
        """Show one document without what Logstash adds to it, and `weatherd`'s pipeline takes away again."""
        document = {name: value for name, value in event.items() if name not in _ADDED_BY_LOGSTASH}
        document["event"] = {name: value for name, value in event["event"].items() if name != "original"}
        print("\nThe first observation, as Elasticsearch would keep it; later ones in short, each as it is accepted:")
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


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _value(quantity: str, value: float) -> str:
    unit = QUANTITIES[quantity].unit
    return f"{quantity.replace('_', ' ')} {value:g} {_UNITS.get(unit, unit)}"
