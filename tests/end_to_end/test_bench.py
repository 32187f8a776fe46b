import asyncio
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.mark.parametrize(
    ("program", "arguments", "words"),
    [
        ("throughput.py", ["--documents", "5000", "--starts", "1"], ["out of the backlog", "peak memory"]),
        ("idle.py", ["--seconds", "1"], ["CPU s per 600 s", "resident"]),
        ("backlog.py", ["--documents", "3000"], ["built in rows", "first fresh observation"]),
        ("card.py", ["--ticks", "40"], ["a day, sink up", "a day, sink down"]),
        ("panel.py", ["--seconds", "1", "--loads", "1", "--days", "1"], ["viewers", "more with the panel", "history"]),
        ("lateness.py", ["--seconds", "1", "--only", "mid-read"], ["sensor.no_answer", "loop lag"]),
    ],
)
async def test_a_benchmark_prints_its_figures(program: str, arguments: list[str], words: list[str]) -> None:
    """Each program runs to its end and prints a table; what the figures are, is not asserted."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, BENCH / program, *arguments), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, errors = await asyncio.wait_for(process.communicate(), 120.0)
    assert (process.returncode, errors) == (0, b"")
    for word in words:
        assert word in out.decode()
