import asyncio
import json
import os
import re
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.end_to_end.stations import environment, weatherd


async def test_the_demo_shows_a_station_a_fault_and_its_recovery(tmp_path: Path) -> None:
    """It says where to look, shows a whole document and short ones, rain, a lost sensor and its return, and lost 0."""
    code, out, errors = await weatherd("demo", "--for", "27", folder=tmp_path)
    assert (code, errors) == (0, "")
    assert re.search(r"panel +http://127\.0\.0\.1:\d+ in a browser", out)
    assert re.search(r"Logstash +a stand-in at http://127\.0\.0\.1:\d+", out)
    assert re.search(r"journal +/.*/journal\.db", out)
    document = json.loads(out[out.index("{") : out.index("\n}\n") + 2])
    assert document["event"]["dataset"] == "weatherd.observation"
    assert document["station"]["id"] == "demo"
    for shown in ("air pressure ", "relative humidity ", "wind speed ", "illuminance ", "wind from direction "):
        assert shown in out
    assert "rainfall amount of day 1.118 mm" in out  # four tips, and not one more for all their bouncing
    assert "missing (no_answer)" in out
    lost, found = out.index("hygrometer is lost: "), out.index("hygrometer is back")
    assert lost < found
    summary = re.search(r"observations and events (\d+), delivered (\d+), lost 0$", out.strip())
    assert summary is not None
    assert int(summary[1]) == int(summary[2]) > 30


async def test_ctrl_c_ends_the_demo_with_a_summary(tmp_path: Path) -> None:
    """The demo shows its panel, stops cleanly, tells that nothing was lost, and leaves no files behind."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "weatherd",
        "demo",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(tmp_path, TMPDIR=str(tmp_path)),
    )
    assert process.stdout is not None
    seen = b""
    url = ""
    while not url:
        line = (await asyncio.wait_for(process.stdout.readline(), 20.0)).decode()
        url = line.split()[1] if line.strip().startswith("panel ") else ""
    while b"air pressure" not in seen:
        seen += await asyncio.wait_for(process.stdout.readline(), 20.0)
    async with aiohttp.ClientSession() as session, session.get(f"{url}/api/v1/station") as answer:
        assert (await answer.json())["name"] == "Alamosa, Colorado"
    process.send_signal(signal.SIGINT)
    rest, errors = await asyncio.wait_for(process.communicate(), 20.0)
    assert (process.returncode, errors) == (0, b"")
    assert rest.strip().endswith(b"lost 0")
    assert await asyncio.to_thread(os.listdir, tmp_path) == []


async def test_a_taken_port_is_told(tmp_path: Path) -> None:
    """The demo cannot take a port that somebody has: a sentence, a hint and 69."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        code, _, errors = await weatherd("demo", "--port", str(port), "--for", "1", folder=tmp_path)
    assert code == 69
    assert errors.startswith("error: daemon.unavailable: ")
    assert "\nhint:  " in errors


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a network namespace")
async def test_a_machine_without_any_network_loses_nothing(tmp_path: Path) -> None:
    """Not even the stand-in can be reached there: everything is kept, and the demo says so and why."""
    process = await asyncio.create_subprocess_exec(
        *("unshare", "--net", sys.executable, "-m", "weatherd", "demo", "--for", "4"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(tmp_path),
    )
    out, errors = await asyncio.wait_for(process.communicate(), 60.0)
    assert (process.returncode, errors) == (0, b"")
    summary = re.search(r"observations and events (\d+), delivered 0, kept for later (\d+), lost 0\n", out.decode())
    assert summary is not None
    assert int(summary[1]) == int(summary[2]) > 3
    assert "error: sink.unreachable: " in out.decode()
