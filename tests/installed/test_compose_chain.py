"""
``docker compose up`` on a real engine: the shipped files as they are, with stand-ins for the images of Elastic.

What this shows is the start: its order, rights, passwords and checks. What Elastic's own images make of their settings
it cannot show; docs/verify.md says so.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.installed.composition import ROOT, compose
from tests.installed.engine import Engine, engine, missing, wait_until

ELASTIC = ("elasticsearch", "logstash", "kibana")
ONCE = ("passwords", "setup-elasticsearch", "setup-kibana")

QUICK = """
services:
  elasticsearch: { healthcheck: { interval: 1s } }
  logstash: { healthcheck: { interval: 1s } }
  kibana: { healthcheck: { interval: 1s } }
  weatherd: { healthcheck: { interval: 1s } }
"""
"""Checks each second: the first look decides how long the next service waits."""


class Chain:
    """Everything that `docker compose up` has started."""

    def __init__(self, docker: Engine, quick: Path) -> None:
        self._docker = docker
        self._files = ("-f", "compose.yaml", "-f", str(quick))

    def compose(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run `docker compose` on it."""
        return compose(*self._files, *arguments, DOCKER_HOST=self._docker.host)

    def up(self) -> "subprocess.CompletedProcess[str]":
        """Start what is not there."""
        return self.compose("up", "--detach", "--no-build", "--pull=never")

    def inspect(self, service: str) -> Any:
        """Return what the engine knows of a service's container."""
        return self._docker.inspect(f"weatherd-{service}-1")

    def health(self, service: str) -> str:
        """Return what its health check says."""
        return str(self.inspect(service)["State"]["Health"]["Status"])

    def lines(self, service: str) -> list[str]:
        """Return its log."""
        return self.compose("logs", "--no-log-prefix", service).stdout.splitlines()


@pytest.fixture(scope="module")
def docker(debian: Path, wheelhouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Run an engine that has our image, and the stand-ins under the names of Elastic's."""
    lacks = [*missing(), *(["iptables"] if shutil.which("iptables") is None else [])]
    if os.geteuid() or lacks:
        pytest.skip(f"needs root and {', '.join(lacks) or 'nothing else'}, to run a Docker engine with networks")
    stand_ins = tmp_path_factory.mktemp("elastic")
    shutil.copytree(ROOT / "tests" / "installed" / "elastic", stand_ins, dirs_exist_ok=True)
    shutil.copy(ROOT / "tests" / "elk" / "elastic_api.py", stand_ins)
    with engine(with_networks=True) as running:
        running.run("import", debian, "python:3.11-slim-bookworm")
        with served_inside(running, wheelhouse) as url:
            settings = ["--build-arg", "PIP_NO_INDEX=1", "--build-arg", f"PIP_FIND_LINKS={url}"]
            running.run("build", "--network=host", "--tag=weatherd", *settings, ROOT)
        tags = [f"--tag=docker.elastic.co/{name}/{name}:8.19.12" for name in ELASTIC]
        running.run("build", "--network=host", *tags, stand_ins)
        yield running


@contextlib.contextmanager
def served_inside(docker: Engine, folder: Path) -> Iterator[str]:
    """Serve a folder where the engine's builds can reach it; give its address."""
    serve = (sys.executable, "-u", "-m", "http.server", "--bind=127.0.0.1", f"--directory={folder}", "8000")
    with subprocess.Popen(
        [*docker.inside, *serve], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        assert "Serving" in server.stdout.readline()
        yield "http://127.0.0.1:8000/"
        server.terminate()


@pytest.fixture(scope="module")
def chain(docker: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """Start everything once, and leave nothing of it."""
    quick = tmp_path_factory.mktemp("quick") / "quick.yaml"
    quick.write_text(QUICK)
    started = Chain(docker, quick)
    try:
        done = started.up()
        assert done.returncode == 0, done.stderr + started.compose("logs").stdout
        wait_until(lambda: started.inspect("setup-kibana")["State"]["Status"] == "exited", 30)
        yield started
    finally:
        done = started.compose("down", "--volumes", "--timeout=0")
        assert done.returncode == 0, done.stderr


def test_all_become_healthy_and_what_ends_ends_well(chain: Chain) -> None:
    """Four run, pass their checks and were started once; three have ended with 0, after they said what they did."""
    for service in (*ELASTIC, "weatherd"):
        wait_until(lambda service=service: chain.health(service) == "healthy", 30, lambda: chain.compose("logs").stdout)
        assert chain.inspect(service)["RestartCount"] == 0, service
    assert {service: chain.inspect(service)["State"]["ExitCode"] for service in ONCE} == dict.fromkeys(ONCE, 0)
    assert chain.lines("passwords") == ["passwords: 6 made, 6 handed out"]
    assert "ok  password of kibana_system" in chain.lines("setup-elasticsearch")


def test_each_starts_after_those_it_needs(chain: Chain) -> None:
    """Passwords, Elasticsearch, its setup, Logstash and Kibana, Kibana's setup; weatherd long before."""
    states = {service: chain.inspect(service)["State"] for service in (*ELASTIC, *ONCE, "weatherd")}
    begun = {service: state["StartedAt"] for service, state in states.items()}
    ended = {service: states[service]["FinishedAt"] for service in ONCE}
    assert ended["passwords"] <= min(begun["elasticsearch"], begun["weatherd"])
    assert begun["elasticsearch"] < begun["setup-elasticsearch"]
    assert ended["setup-elasticsearch"] <= min(begun["logstash"], begun["kibana"])
    assert begun["kibana"] < begun["setup-kibana"]
    assert begun["weatherd"] < begun["setup-elasticsearch"]


def test_the_setups_are_taken(chain: Chain) -> None:
    """Every request of both is answered 200: by Elasticsearch to the superuser, by Kibana for both languages."""
    told = [json.loads(line) for service in ("elasticsearch", "kibana") for line in chain.lines(service)]
    assert {one["status"] for one in told} == {200}
    paths = [one["path"] for one in told]
    assert {"/_ilm/policy/weatherd", "/_index_template/weatherd", "/_security/user/weatherd_logstash"} <= set(paths)
    assert paths.count("/api/saved_objects/_import?overwrite=true") == 2


def test_documents_reach_logstash(chain: Chain) -> None:
    """The station, which began before there was a Logstash, delivers with its password, and nothing is malformed."""

    def counts() -> Mapping[str, int]:
        last: Mapping[str, int] = json.loads(chain.lines("logstash")[-1])
        return last

    wait_until(lambda: counts()["documents"] > 0, 30, lambda: chain.lines("weatherd"))
    assert counts()["failures"] == counts()["conflicts"] == 0


def test_only_kibana_can_be_reached(chain: Chain, docker: Engine) -> None:
    """It answers on loopback; no other port of any service is open outside of its container."""
    published = {name: chain.inspect(name)["NetworkSettings"]["Ports"] for name in (*ELASTIC, *ONCE, "weatherd")}
    assert published.pop("kibana")["5601/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": "5601"}]
    assert not any(places for ports in published.values() for places in ports.values())
    look = ("curl", "--silent", "--fail", "--max-time", "10", "http://127.0.0.1:5601/api/status")
    done = subprocess.run([*docker.inside, *look], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout)["status"]["overall"]["level"] == "available"


def test_people_get_the_password_by_one_command(chain: Chain) -> None:
    """What is shown is what Elasticsearch was told, and nothing else is printed; a second start makes no other."""
    shown = chain.compose("run", "--rm", "passwords", "show", "reader")
    assert (shown.returncode, len(shown.stdout)) == (0, 33), shown.stderr
    again = chain.up()
    assert again.returncode == 0, again.stderr
    assert chain.lines("passwords")[-1] == "passwords: 0 made, 6 handed out"
    assert chain.compose("run", "--rm", "passwords", "show", "reader").stdout == shown.stdout


def test_no_password_can_be_seen_from_outside(chain: Chain, docker: Engine) -> None:
    """None is in what `docker inspect` and the list of processes show, nor in any log."""
    volume = Path(docker.run("volume", "inspect", "--format={{.Mountpoint}}", "weatherd_passwords").stdout.strip())
    passwords = {path.read_text() for path in volume.iterdir()}
    assert len(passwords) == 6
    seen = chain.compose("logs").stdout
    for service in (*ELASTIC, *ONCE, "weatherd"):
        seen += json.dumps(chain.inspect(service))
        if service not in ONCE:
            seen += docker.run("top", f"weatherd-{service}-1", "-ww", "-eo", "pid,args").stdout
    assert "kibana-docker" in seen
    assert {password for password in passwords if password in seen} == set()
