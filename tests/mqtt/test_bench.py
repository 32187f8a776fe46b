import asyncio
import sys
from pathlib import Path

from tests.mqtt.brokers import needs_mosquitto

pytestmark = needs_mosquitto

BENCH = Path(__file__).parents[2] / "bench" / "mqtt.py"


async def test_the_benchmark_prints_its_figures() -> None:
    """It runs to its end and prints a table; what the figures are, is not asserted."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, BENCH, "--seconds", "0.5", "--settle", "0.5", "--documents", "50"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await asyncio.wait_for(process.communicate(), 60.0)
    assert (process.returncode, errors) == (0, b"")
    for word in ("own memory, more", "CPU s per 600 s, MQTT on", "documents/s to the broker"):
        assert word in out.decode()
