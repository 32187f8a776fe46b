import asyncio
import contextlib
import json
import re
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from tests.end_to_end.stations import CHIPS, eventually, free_port, station
from weatherd.testing.logstash import LogstashStandIn

EXAMPLES = Path(__file__).parents[2] / "config" / "prometheus"
TOKEN = "a-token-of-more-than-16-characters"


async def text(url: str, token: str | None = None) -> str | None:
    """Return what is at an address; None while nobody answers there."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession() as session:
        try:
            async with session.get(url, headers=headers) as answer:
                return await answer.text() if answer.status == 200 else None
        except aiohttp.ClientConnectionError:
            return None


def mistakes(promtool: str, found: str) -> str:
    """Return what promtool has against what was read."""
    run = subprocess.run(
        [promtool, "check", "metrics"], input=found, capture_output=True, text=True, timeout=30, check=False
    )
    return run.stdout + run.stderr + (f"exit code {run.returncode}" if run.returncode else "")


async def test_the_real_daemon_is_found_correct(tmp_path: Path, promtool: str) -> None:
    """Promtool has nothing against names, units and types; the loop's lag is counted as well."""
    port = free_port()
    panel = f'listen = "127.0.0.1:{port}"'
    async with LogstashStandIn() as logstash, station(tmp_path, logstash.url, CHIPS, panel=panel) as running:
        await running.wait_for("READY=1")
        read: list[str | None] = []

        async def is_delivered() -> bool:
            read.append(await text(f"http://127.0.0.1:{port}/metrics"))
            return bool(re.search(r"^weatherd_sink_delivered_total\S* [1-9]", read[-1] or "", re.MULTILINE))

        await eventually(is_delivered)
        assert await running.stop() == 0
    found = read[-1] or ""
    assert await asyncio.to_thread(mistakes, promtool, found) == ""
    lag = re.search(r'^weatherd_loop_lag_seconds_bucket\{le="\+Inf"\} (\S+)$', found, re.MULTILINE)
    assert lag is not None
    assert float(lag[1]) > 0
    names = set(re.findall(r"\b(weatherd_\w+)", (EXAMPLES / "weatherd.rules.yml").read_text()))
    assert {
        name
        for name in names
        if not re.search(rf"^# TYPE {name.removesuffix('_count').removesuffix('_bucket')} ", found, re.MULTILINE)
    } == set()


@contextlib.asynccontextmanager
async def scraping(folder: Path, prometheus: str, target: str) -> AsyncIterator[str]:
    """Run Prometheus with our examples, only faster; yield its address."""
    configuration = (EXAMPLES / "prometheus.yml").read_text()
    for theirs, ours in (
        ("127.0.0.1:8600", target),
        ("scrape_interval: 30s", "scrape_interval: 1s"),
        (
            "    # authorization:\n    #   credentials_file: /etc/prometheus/weatherd-token",
            f"    authorization:\n      credentials_file: {folder}/token",
        ),
    ):
        assert theirs in configuration
        configuration = configuration.replace(theirs, ours)
    (folder / "prometheus.yml").write_text("global: {evaluation_interval: 1s}\n" + configuration)
    (folder / "weatherd.rules.yml").write_text((EXAMPLES / "weatherd.rules.yml").read_text())
    port = free_port()
    with (folder / "prometheus.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            prometheus,
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
            stdout=log,
            stderr=log,
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def test_prometheus_itself_reads_a_station_behind_its_token(tmp_path: Path, prometheus: str) -> None:
    """With our example and the token, the target is up, and every rule is evaluated without an error."""
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o600)
    port = free_port()
    panel = f'listen = "127.0.0.1:{port}"\ntoken_file = "{tmp_path}/token"'
    async with LogstashStandIn() as logstash, station(tmp_path, logstash.url, CHIPS, panel=panel) as running:
        await running.wait_for("READY=1")
        assert await text(f"http://127.0.0.1:{port}/metrics") is None
        async with scraping(tmp_path, prometheus, f"127.0.0.1:{port}") as url:
            found: list[Any] = []

            async def is_read() -> bool:
                told = await text(f"{url}/api/v1/query?query=sum by (sensor, station) (weatherd_observations_total)")
                found[:] = [] if told is None else json.loads(told)["data"]["result"]
                return len(found) == 2 and all(float(one["value"][1]) > 0 for one in found)

            async def are_evaluated() -> bool:
                told = await text(f"{url}/api/v1/rules")
                rules = [] if told is None else json.loads(told)["data"]["groups"][0]["rules"]
                return bool(rules) and all(rule["health"] == "ok" for rule in rules)

            await eventually(is_read, 60)
            await eventually(are_evaluated, 60)
    assert {(one["metric"]["sensor"], one["metric"]["station"]) for one in found} == {
        ("barometer", "porto-alegre-01"),
        ("hygrometer", "porto-alegre-01"),
    }
