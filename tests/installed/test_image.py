"""The image, built without a network, and run as docs/container.md says."""

import asyncio
import functools
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.stations import free_port, until_documents
from tests.installed.engine import Engine, engine, missing, served, wait_until
from tests.installed.parts import ROOT
from weatherd.testing.logstash import LogstashStandIn

BASE = "python:3.11-slim-bookworm"
LAYERS_SIZE_MAX = 45_000_000

LOCKED_UP = (
    *("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--memory=96m", "--network=host"),
    "--tmpfs=/run/weatherd:uid=8600,gid=8600,mode=750,size=1m",
)
"""As the documentation has it; with the host's network, as the tests' engine has none of its own."""

CHIPS = """
[station]
id = "boxed"
[i2c]
bus = "simulated"
[[sensors]]
name = "barometer"
driver = "bmp280"
report_period_s = 1.0
[[sensors]]
name = "hygrometer"
driver = "htu21d"
report_period_s = 1.0
[clock]
hold_max_s = 0
"""

SCRIPT = """
[[sensors]]
name = "script"
driver = "jsonlines"
command = ["sh", "-c", "while :; do (sleep 0.1 &); echo '{\\"t\\":20}'; sleep 1; done"]
quantities = { air_temperature = "t" }
"""
"""A program that leaves a child behind each second."""

LINES = """
[station]
id = "boxed"
[[sensors]]
name = "lines"
driver = "jsonlines"
listen = "127.0.0.1:{port}"
report_period_s = 0
labels = ["number"]
quantities = {{ air_temperature = "t" }}
[clock]
hold_max_s = 0
[sinks.logstash]
urls = ["{url}"]
linger_s = 0.1
delay_s_max = 1.0
"""

STUCK = """
import asyncio
from weatherd.cli import main
from weatherd.sampling import asked

async def hang(self):
    await asyncio.sleep(3600)

asked.ROUND_S_MAX = 1.0
asked.AskedSampler._sample = hang
raise SystemExit(main(["run"]))
"""
"""The daemon, with sensors that are opened and then never come back from a measurement."""


class Container:
    """
    A container of the image.

    Args:
        engine: Which runs it.
        name: Its id.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        self.name = name
        self._engine = engine

    @property
    def state(self) -> Any:
        """What the engine knows of its process."""
        return self._engine.inspect(self.name)["State"]

    @property
    def health(self) -> str:
        """What the last checks make of it."""
        status: str = self.state["Health"]["Status"]
        return status

    @property
    def status(self) -> Any:
        """What the daemon in it says of itself."""
        return json.loads(self.execute("weatherd", "status", "--json"))

    @property
    def log(self) -> list[dict[str, Any]]:
        """Every line on its standard output, each JSON."""
        return [json.loads(line) for line in self._engine.run("logs", self.name).stdout.splitlines()]

    def has_logged(self, action: str) -> bool:
        """Tell whether a line of that name is in its log."""
        return any(line["event.action"] == action for line in self.log)

    def execute(self, *command: str) -> str:
        """Run a command within it, and return what that printed."""
        return self._engine.run("exec", self.name, *command).stdout

    def kill(self, number: signal.Signals) -> None:
        """Send a signal to its first process."""
        self._engine.run("kill", "--signal", number.name, self.name)

    def wait(self) -> int:
        """Wait for its end, and return the exit code."""
        return int(self._engine.run("wait", self.name, timeout_s=30).stdout)

    def is_started(self) -> bool:
        """Tell whether the station runs; fails if it has ended instead."""
        assert self.state["Running"], self._engine.run("logs", self.name).stderr
        return self.has_logged("daemon.started")


@pytest.fixture(scope="module")
def docker() -> Iterator[Engine]:
    """Run an engine for all tests here."""
    if os.geteuid() or missing():
        pytest.skip(f"needs root and {', '.join(missing()) or 'nothing else'}, to run a Docker engine")
    with engine() as running:
        yield running


@pytest.fixture(scope="module")
def image(docker: Engine, debian: Path, wheelhouse: Path) -> str:
    """Build the image on a Debian that stands in for its base; .dockerignore lets in what belongs there."""
    docker.run("import", debian, BASE)
    with served(wheelhouse) as url:
        settings = ["--build-arg", "PIP_NO_INDEX=1", "--build-arg", f"PIP_FIND_LINKS={url}"]
        docker.run("build", "--network=host", "--tag=weatherd", *settings, ROOT)
    return "weatherd"


Start = Callable[..., Container]


@pytest.fixture(scope="module")
def start(docker: Engine, image: str, tmp_path_factory: pytest.TempPathFactory) -> Start:
    """Start a container on a configuration, with an option more, and a command instead of `run`."""

    def start(configuration: str, *options: str, command: Sequence[str] = ()) -> Container:
        folder = tmp_path_factory.mktemp("etc") / "weatherd"
        folder.mkdir(mode=0o755)
        (folder / "weatherd.toml").write_text(configuration)
        mounted = f"--volume={folder}:/etc/weatherd:ro"
        return Container(
            docker, docker.run("run", "--detach", *LOCKED_UP, mounted, *options, image, *command).stdout.strip()
        )

    return start


@pytest.fixture(scope="module")
def boxed(start: Start) -> Container:
    """Run a station for the tests that only look at it."""
    return start(CHIPS + SCRIPT, "--health-interval=1s", "--health-retries=1", "--health-timeout=3s")


def test_it_is_run_as_the_documentation_says() -> None:
    """Every option of these tests stands in the command that people copy, but for the network."""
    command = (ROOT / "docs" / "container.md").read_text().replace("=", " ")
    wanted = [option.replace("=", " ") for option in LOCKED_UP if not option.startswith("--network")]
    assert len(wanted) == 5
    assert [option for option in wanted if f" {option} " not in command] == []


def test_the_image_says_what_it_is_and_who_runs_in_it(docker: Engine, image: str) -> None:
    """A user by number, a volume for the journal, a check of its health, and the signal that ends it in good order."""
    found = docker.inspect(image)["Config"]
    assert found["User"] == "8600:8600"
    assert found["Volumes"] == {"/var/lib/weatherd": {}}
    assert found["StopSignal"] == "SIGTERM"
    assert found["Healthcheck"]["Test"] == ["CMD", "weatherd", "status"]
    assert found["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_our_layers_are_small(docker: Engine, image: str) -> None:
    """What comes on top of the base is less than 45 MB."""
    of_all, of_base = (docker.inspect(one)["Size"] for one in (image, BASE))
    assert 10_000_000 < of_all - of_base < LAYERS_SIZE_MAX


def test_nothing_is_left_of_the_build(docker: Engine, image: str) -> None:
    """No compiler, no headers, no cache of pip, no pip or setuptools beside the packages, and not our sources."""
    find = (
        "command -v cc gcc make-wheel; ls -d /root/.cache /src /usr/include/python3* /opt/weatherd/bin/pip* 2>/dev/null"
    )
    modules = "ls /opt/weatherd/lib/python3*/site-packages; ls -A /tmp /var/lib/weatherd /run/weatherd"
    run = ["run", "--rm", "--network=host", "--user=0", "--entrypoint=sh", image, "-c"]
    assert docker.run(*run, find, check=False).stdout == ""
    listed = docker.run(*run, modules).stdout.split()
    assert "weatherd" in listed
    assert not {"pip", "setuptools", "wheel", "journal.db", "control.sock"} & set(listed)


def test_nothing_has_to_be_compiled_at_a_start(docker: Engine, image: str) -> None:
    """Each module of ours comes with its compiled form, which counts whatever happens to the times of files."""
    program = (
        "import importlib.util as u, pathlib, weatherd; "
        "f = [pathlib.Path(u.cache_from_source(p)) for p in pathlib.Path(weatherd.__file__).parent.rglob('*.py')]; "
        "print(len(f), all(p.read_bytes()[4] == 1 for p in f))"
    )
    count, unchecked = docker.run(
        "run", "--rm", "--network=host", "--entrypoint=python3", image, "-c", program
    ).stdout.split()
    assert int(count) > 100
    assert unchecked == "True"


def test_other_commands_are_a_word_away(start: Start) -> None:
    """`docker run IMAGE check` is `weatherd check`."""
    assert start(CHIPS, command=["check"]).wait() == 0


def test_a_wrong_configuration_ends_it_with_78(start: Start, docker: Engine) -> None:
    """With the two lines that every error has, and no traceback."""
    wrong = start(CHIPS.replace("report_period_s", "report_periods"))
    assert wrong.wait() == 78
    lines = docker.run("logs", wrong.name).stderr.splitlines()
    assert lines[0].startswith("error: config.invalid: ")
    assert lines[-1].startswith("hint:  ")


def test_it_is_healthy_within_ten_seconds(boxed: Container) -> None:
    """Read-only, without capabilities, as nobody, and with 96 MB."""
    wait_until(lambda: boxed.health == "healthy", 10, lambda: boxed.state)
    sensors = ["working", "working", "working"]
    wait_until(lambda: [one["state"] for one in boxed.status["sensors"]] == sensors, 10, lambda: boxed.status)


def test_its_doctor_has_nothing_to_say_against_the_container(boxed: Container, docker: Engine) -> None:
    """Young observations are beside the journal, which is meant so: neither the doctor nor the log warns of it."""
    wait_until(boxed.is_started, 10)
    found = json.loads(docker.run("exec", boxed.name, "weatherd", "doctor", "--json", check=False).stdout)
    states = {one["subject"]: one["state"] for one in found}
    assert (states["runtime"], states["journal"], states["daemon"]) == ("ok", "ok", "ok")
    assert not boxed.has_logged("daemon.runtime_folder_on_card")
    assert boxed.status["journal"]["in_memory"] is False


def test_it_may_ask_whether_the_clock_is_right(boxed: Container) -> None:
    """Docker's own filter of system calls lets the state of the clock be read: an answer, and not -1."""
    program = "from weatherd.clock import _adjtimex; print(_adjtimex()())"
    assert 0 <= int(boxed.execute("python3", "-c", program)) <= 5


def test_a_stopped_process_makes_it_unhealthy(boxed: Container) -> None:
    """The check does not wait for ever; and when the process goes on, it is healthy again."""
    wait_until(lambda: boxed.health == "healthy", 10, lambda: boxed.state)
    boxed.kill(signal.SIGSTOP)
    try:
        wait_until(lambda: boxed.health == "unhealthy", 15, lambda: boxed.state)
    finally:
        boxed.kill(signal.SIGCONT)
    wait_until(lambda: boxed.health == "healthy", 15, lambda: boxed.state)


def test_stuck_sampling_makes_it_unhealthy(start: Start) -> None:
    """The daemon answers and delivers, but no sensor is asked any more: the check says which."""
    stuck = start(
        CHIPS.replace("report_period_s", "sample_period_s = 1.0\nreport_period_s"),
        *("--health-interval=1s", "--health-retries=1", "--entrypoint=python3"),
        command=["-c", STUCK],
    )
    wait_until(lambda: stuck.health == "unhealthy", 20, lambda: stuck.state)
    last = stuck.state["Health"]["Log"][-1]
    assert last["ExitCode"] == 69
    assert "daemon.sampling_stuck" in last["Output"]
    assert "barometer, hygrometer" in last["Output"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_process_heeds_signals(start: Start, number: signal.Signals) -> None:
    """SIGHUP reads the configuration again; SIGTERM and SIGINT end it with 0, and everything is kept."""
    station = start(CHIPS)
    wait_until(station.is_started, 10)
    station.kill(signal.SIGHUP)
    wait_until(lambda: station.has_logged("daemon.reloaded"), 10)
    station.kill(number)
    assert station.wait() == 0
    assert station.log[-1]["event.action"] == "daemon.stopped"


@asynccontextmanager
async def lines_to(port: int) -> AsyncIterator[asyncio.StreamWriter]:
    """Connect to a station that listens, as soon as it does."""
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                break
            except ConnectionError:
                await asyncio.sleep(0.05)
    yield writer
    writer.close()


async def observe(port: int, numbers: range) -> None:
    """Let the station observe a line for each number, and wait for longer than a kill may cost."""
    async with lines_to(port) as writer:
        for number in numbers:
            writer.write(json.dumps({"t": 20.0, "number": str(number)}).encode() + b"\n")
            await writer.drain()
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)


async def test_the_next_container_takes_over_what_a_killed_one_had(start: Start, docker: Engine) -> None:
    """Also where an init program is the first process; each observation is delivered once, in its own words."""
    port = free_port()
    async with LogstashStandIn() as logstash:
        configuration = LINES.format(port=port, url=logstash.url)
        run = functools.partial(asyncio.to_thread, start, configuration, "--volume=journal:/var/lib/weatherd")
        first = await run()
        await observe(port, range(20))
        await logstash.stop()
        await observe(port, range(20, 50))
        await asyncio.to_thread(docker.run, "rm", "--force", first.name)
        second = await run("--init")
        await observe(port, range(50, 80))
        await asyncio.to_thread(docker.run, "rm", "--force", second.name)
        await logstash.start()
        await run()
        await observe(port, range(80, 90))
        await until_documents(logstash, 90, "weatherd.observation")
    assert sorted(delivered(logstash)) == list(range(90))


def delivered(logstash: LogstashStandIn) -> list[int]:
    """Return the numbers in the documents that Elasticsearch would have."""
    return [
        int(document["labels"]["number"])
        for document in logstash.documents.values()
        if document.get("sensor", {}).get("name") == "lines"
    ]


def test_orphans_do_not_stay_as_zombies(boxed: Container) -> None:
    """The first process of a container inherits what a script leaves behind, and asks for its exit code."""

    def zombies() -> set[str]:
        found = boxed.execute("sh", "-c", "grep -s '^State:.Z' /proc/[0-9]*/status; true")
        return {line.split("/")[2] for line in found.splitlines()}

    seen: set[str] = set()
    wait_until(lambda: seen.update(zombies()) or seen, 10, lambda: "no orphan was seen")
    wait_until(lambda: not seen & zombies(), 10, zombies)


def test_its_memory_and_that_of_its_checks_stay_below_the_limit(boxed: Container) -> None:
    """After all this, with a check each second and commands beside it, the limit was never reached."""
    v2, v1 = "/sys/fs/cgroup/memory.peak", "/sys/fs/cgroup/memory/memory.max_usage_in_bytes"
    peak = int(boxed.execute("sh", "-c", f"cat {v2} 2>/dev/null || cat {v1}"))
    refused = boxed.execute(
        "sh", "-c", "cat /sys/fs/cgroup/memory/memory.failcnt 2>/dev/null || grep '^max ' /sys/fs/cgroup/memory.events"
    )
    assert int(refused.split()[-1]) == 0
    assert peak < 96 * 2**20
    assert not boxed.state["OOMKilled"]
