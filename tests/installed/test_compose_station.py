"""The station that `docker compose up` starts, as a process of its own and without containers."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.end_to_end.stations import documents, environment, eventually, weatherd
from tests.installed.composition import ROOT
from weatherd.testing.logstash import LogstashStandIn

SHIPPED = ROOT / "config" / "compose" / "weatherd.toml"
PASSWORDS = ROOT / "config" / "compose" / "passwords.py"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can hand out the passwords")


def put_in_place(folder: Path, url: str) -> Path:
    """Write the station's configuration with the places that the containers give it, and shorter periods."""
    subprocess.run([sys.executable, PASSWORDS, folder], check=True, capture_output=True, timeout=60)
    text = SHIPPED.read_text()
    for theirs, ours in (
        ("http://logstash:8080", url),
        ("/run/passwords/", f"{folder}/weatherd/"),
        ("/var/lib/weatherd/", f"{folder}/"),
        ("report_period_s = 10.0", "report_period_s = 2.0"),
    ):
        assert theirs in text
        text = text.replace(theirs, ours)
    path = folder / "weatherd.toml"
    path.write_text(text)
    return path


@contextlib.asynccontextmanager
async def running(path: Path) -> AsyncIterator[None]:
    """Run the daemon on a configuration until the block ends."""
    command = (sys.executable, "-m", "weatherd", "run", "--config", path)
    with (path.parent / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, stdout=log, env=environment(path.parent))
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            assert await asyncio.wait_for(process.wait(), 30.0) == 0


async def test_its_configuration_is_right(tmp_path: Path) -> None:
    """`weatherd check` finds no mistake in it."""
    path = put_in_place(tmp_path, "http://logstash:8080")
    code, out, errors = await weatherd("check", "--config", path, folder=tmp_path)
    assert (code, errors) == (0, ""), out


async def test_its_documents_reach_a_logstash_that_asks_for_the_password(tmp_path: Path) -> None:
    """Every sensor's first document comes with the user and the password that both were given; no other gets in."""
    async with LogstashStandIn(username="weatherd", password="another") as stranger:
        path = put_in_place(tmp_path, stranger.url)
        async with running(path):
            await eventually(lambda: stranger.requests_count > 0)
        assert stranger.documents_count == 0
    password = (tmp_path / "logstash" / "station").read_text()
    async with LogstashStandIn(port=stranger.port, username="weatherd", password=password) as logstash, running(path):
        await eventually(lambda: len({document["sensor"]["name"] for document in documents(logstash)}) == 5)
        found = documents(logstash)
    assert {document["station"]["id"] for document in found} == {"alamosa"}
    assert {"air_pressure_at_mean_sea_level", "dew_point_temperature"} <= {
        key for one in found for key in one["weather"]
    }
