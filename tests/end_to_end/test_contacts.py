"""The real daemon with contacts that are closed from outside: rain, wind and a vane, over stops and reloads."""

import asyncio
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from tests.end_to_end.stations import documents, eventually, station
from tests.end_to_end.test_reload import reload
from weatherd.clock import SystemClock
from weatherd.sensors.tally import Tally, TallyFile
from weatherd.testing.logstash import LogstashStandIn

CONTACTS = """
[i2c]
bus = "simulated"

[gpio]
chip = "simulated:{folder}/contacts"

[[sensors]]
name = "rain"
driver = "rain_gauge"
line = 17
mm_per_tip = 0.25
report_period_s = 1.0

[[sensors]]
name = "wind"
driver = "anemometer"
line = 27
m_per_s_per_hz = 1.0
report_period_s = 1.0

[[sensors]]
name = "vane"
driver = "wind_vane"
sample_period_s = 0.5
report_period_s = 1.0
"""


async def pulse(folder: Path, line: int, count: int, every_s: float) -> None:
    """Close a contact so many times, and wait until the station's chip has each."""
    mine = folder / f"pulses-{line}"
    mine.unlink(missing_ok=True)
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.setblocking(False)
        channel.bind(os.fspath(mine))
        channel.connect(os.fspath(folder / "contacts"))
        for _ in range(count):
            await asyncio.sleep(every_s)  # a pulse is over when it is sent: it must begin after the line was requested
            channel.send(msgspec.json.encode({"line": line, "width_s": every_s / 3}))
            assert await loop.sock_recv(channel, 100) == b"ok"


def of(far_end: LogstashStandIn, sensor: str) -> Sequence[dict[str, Any]]:
    return [document for document in documents(far_end) if document["sensor"]["name"] == sensor]


def amount(far_end: LogstashStandIn) -> float:
    return sum(document["weather"].get("rainfall_amount", 0.0) for document in of(far_end, "rain"))


async def test_rain_wind_and_direction_reach_the_far_end(tmp_path: Path) -> None:
    """Contacts that close come out as mm and m/s, and the vane as degrees."""
    async with LogstashStandIn() as far_end, station(tmp_path, far_end.url, CONTACTS) as running:
        await running.wait_for("READY=1")
        await asyncio.gather(pulse(tmp_path, 17, 5, 0.12), pulse(tmp_path, 27, 40, 0.05))
        await eventually(lambda: amount(far_end) == 5 * 0.25)
        assert await running.stop() == 0
        winds = [document["weather"] for document in of(far_end, "wind")]
        directions = [document["weather"] for document in of(far_end, "vane") if document["weather"]]
    assert 5.0 < max(wind["wind_speed"] for wind in winds) < 30.0
    assert all(wind["wind_speed_of_gust"] >= wind["wind_speed"] for wind in winds)
    assert directions
    assert all(direction["wind_from_direction"] % 22.5 == 0 for direction in directions)


async def test_a_reload_and_a_stop_cost_no_tip(tmp_path: Path) -> None:
    """The gauge is exchanged, the whole station begins anew, and it is stopped and started: each tip is told once."""
    async with LogstashStandIn() as far_end:
        async with station(tmp_path, far_end.url, CONTACTS) as running:
            await running.wait_for("READY=1")
            await pulse(tmp_path, 17, 3, 0.12)
            await reload(running, 'name = "rain"\ndriver', 'name = "rain"\ndebounce_ms = 15\ndriver')
            await pulse(tmp_path, 17, 3, 0.12)
            await reload(running, 'id = "test"', 'id = "test"\nname = "anew"')
            await pulse(tmp_path, 17, 3, 0.12)
            assert await running.stop() == 0
        async with station(tmp_path, far_end.url, CONTACTS) as running:
            await running.wait_for("READY=1")
            await eventually(lambda: amount(far_end) >= 9 * 0.25)
            seen = len(of(far_end, "rain"))
            await eventually(lambda: len(of(far_end, "rain")) > seen + 1)
            assert await running.stop() == 0
        assert amount(far_end) == 9 * 0.25
        assert of(far_end, "rain")[-1]["statistics"]["rainfall_amount"]["total"] == 9
    assert (tmp_path / "errors").read_text() == ""


async def test_a_killed_container_costs_no_tip(tmp_path: Path) -> None:
    """Its folder in memory ends with it; what the gauge has counted and not yet reported lies beside the journal."""
    contacts = CONTACTS.replace("report_period_s = 1.0", "report_period_s = 60.0", 1)
    boxed = {"container": "docker"}
    async with LogstashStandIn() as far_end:
        memory, disk = tmp_path / "memory", tmp_path / "disk"
        memory.mkdir()
        disk.mkdir()
        async with station(tmp_path, far_end.url, contacts, disk=disk, runtime=memory, variables=boxed) as running:
            await running.wait_for("READY=1")
            await pulse(tmp_path, 17, 3, 0.12)
            (file,) = disk.glob("rain-*.tally")
            tally = TallyFile(file, SystemClock().boot_id())
            await eventually(lambda: (tally.read() or Tally()).total == 3)
            await running.kill()
        assert [one.name for one in memory.iterdir()] == ["control.sock"]
        (memory / "control.sock").unlink()
        (tmp_path / "contacts").unlink()
        async with station(tmp_path, far_end.url, CONTACTS, disk=disk, runtime=memory, variables=boxed) as running:
            await running.wait_for("READY=1")
            await eventually(lambda: amount(far_end) == 3 * 0.25)
            assert await running.stop() == 0
