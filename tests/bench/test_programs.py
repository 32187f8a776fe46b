import asyncio
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.mark.parametrize(
    ("program", "arguments", "words"),
    [
        (
            "compare.py",
            (
                "--peers weatherd --settle 0.5 --seconds 1 --dead-seconds 1 --flood-seconds 0.5 --documents 2000 "
                "--starts 1 --kills 1 --kill-seconds 0.5"
            ),
            [
                "wake-ups a second",
                "attempts",
                "documents/s delivered",
                "documents/s out",
                "first delivery",
                "sent twice",
            ],
        ),
        (
            "growth.py",
            "--sensors 1 2 --rates 1 20 --seconds 0.5 --rate-seconds 0.5 --settle 0.5",
            ["sensors on one stream", "observations a second", "the greatest deviation"],
        ),
        ("soak.py", "--seconds 2 --look 0.5", ["MB an hour", "standard error"]),
    ],
)
async def test_a_benchmark_prints_its_figures(program: str, arguments: str, words: list[str]) -> None:
    """Each program runs to its end and prints a table; what the figures are, is not asserted."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, BENCH / program, *arguments.split()),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await asyncio.wait_for(process.communicate(), 120.0)
    assert (process.returncode, errors) == (0, b"")
    for word in words:
        assert word in out.decode()


async def test_the_hot_path_is_walked_to_its_end() -> None:
    """Every line becomes a document; counting its instructions takes too long for a test."""
    process = await asyncio.create_subprocess_exec(sys.executable, BENCH / "hot_path.py", "200")
    assert await asyncio.wait_for(process.wait(), 60.0) == 0
