"""schemathesis asks the running daemon everything that its description allows, and much that it does not."""

import asyncio
import sys
from pathlib import Path

from tests.end_to_end.stations import CHIPS, eventually, free_port, station

EXAMPLES_MAX = 40
"""Of each operation and kind: some seconds."""

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
)


async def test_the_api_is_what_its_description_says(tmp_path: Path) -> None:
    """No request makes a server error, every answer has its shape, and what is not allowed is refused."""
    port = free_port()
    async with station(tmp_path, "http://127.0.0.1:9", CHIPS, panel=f'listen = "127.0.0.1:{port}"') as running:
        await running.wait_for("READY=1")

        async def has_observed() -> bool:
            return (await running.ask())["journal"]["last_seq"] > 5

        await eventually(has_observed)
        process = await asyncio.create_subprocess_exec(
            *(Path(sys.executable).parent / "schemathesis", "run", f"http://127.0.0.1:{port}/openapi.json"),
            *("--exclude-path", "/api/v1/stream"),  # it does not end; test_stream.py asks it
            *("--checks", ",".join(CHECKS)),
            *("--phases", "examples,coverage,fuzzing"),
            *("--max-examples", str(EXAMPLES_MAX), "--seed", "8600", "--generation-database", "none"),
            *("--request-timeout", "10", "--no-color"),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await asyncio.wait_for(process.communicate(), 120)
        assert process.returncode == 0, out.decode()
        assert await running.stop() == 0
    assert not [line for line in running.log if line["event.action"] == "panel.failed"]
