"""What the shipped unit allows, enforced by real control groups (cgroup v2)."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.vm.guest import growing
from tests.vm.guest.stations import CONFIG, Station, run, tried, wait_for

_GROUP = Path("/sys/fs/cgroup/system.slice/weatherd.service")
_MB = 2**20
_SENSOR = """
[[sensors]]
name = "{name}"
driver = "jsonlines"
command = ["/usr/bin/python3", "{program}", "{name}"]
quantities = {{ air_temperature = "t" }}
"""


def test_the_limits_of_the_unit_are_those_of_its_control_group(station: Station) -> None:
    """The kernel has what the unit file says: 256 MB and 64 tasks."""
    assert (_GROUP / "memory.max").read_text().strip() == str(256 * _MB)
    assert (_GROUP / "pids.max").read_text().strip() == "64"
    assert str(station.pid()) in (_GROUP / "cgroup.procs").read_text().split()


def test_a_program_of_a_sensor_that_grows_is_killed_alone(programs: Station) -> None:
    """It takes more than MemoryMax: the kernel kills it, the daemon lives, and observes."""
    before, pid = programs.last_seq(), programs.pid()
    with _begun("greedy"):
        wait_for(lambda: _counted("memory.events", "oom_kill") >= 1, "the kernel has killed it", timeout_s=90.0)
        wait_for(lambda: programs.observations("rain", since=before + 20), "observations go on")
    assert programs.pid() == pid
    assert programs.property_of("NRestarts") == "0"


def test_a_program_of_a_sensor_that_multiplies_stays_within_the_limit(programs: Station) -> None:
    """
    It makes no more than 64 tasks, the daemon's among them, and observations go on: as all of them together have too
    much memory, the kernel kills some of them and not the daemon, though that is the largest.
    """
    before, pid, killed = programs.last_seq(), programs.pid(), _counted("memory.events", "oom_kill")
    with _begun("many"):
        wait_for(lambda: _counted("pids.events", "max") >= 1, "the kernel has refused one", timeout_s=90.0)
        assert int((_GROUP / "pids.current").read_text()) <= 64
        wait_for(lambda: _counted("memory.events", "oom_kill") > killed, "the kernel has killed one", timeout_s=90.0)
        wait_for(lambda: programs.observations("rain", since=before + 20), "observations go on")
    wait_for(lambda: int((_GROUP / "pids.current").read_text()) < 32, "its children have ended")
    assert programs.pid() == pid


def test_a_station_without_a_free_task_takes_a_new_configuration(
    programs: Station, figure: Callable[[str], None]
) -> None:
    """
    While a sensor's program has all 64, `systemctl reload` has none for its own commands. The signal that it would send
    needs none: the daemon reads its configuration, and ends that program.
    """
    before, pid, refused = programs.last_seq(), programs.pid(), _counted("pids.events", "max")
    with _begun("crowd"):
        wait_for(lambda: _counted("pids.events", "max") > refused, "the kernel has refused one", timeout_s=90.0)
        wait_for(lambda: programs.observations("rain", since=before + 20), "observations go on")
        figure(f"systemctl reload: exit code {tried('systemctl', 'reload', 'weatherd').returncode}")
        CONFIG.write_text(programs.configuration)
        run("systemctl", "kill", "--kill-whom=main", "--signal=HUP", "weatherd")
        wait_for(lambda: int((_GROUP / "pids.current").read_text()) < 32, "the program is gone")
    assert "crowd" not in [sensor["name"] for sensor in programs.status()["sensors"]]
    assert programs.pid() == pid


@pytest.fixture(scope="module")
def programs(station: Station) -> Iterator[Station]:
    """Give the station programs that wait for a file, and then grow, or multiply."""
    names = ("greedy", "many", "crowd")
    with station.also("".join(_SENSOR.format(name=name, program=growing.__file__) for name in names)):
        yield station


@contextlib.contextmanager
def _begun(name: str) -> Iterator[None]:
    """Let a program do what it is for, until the end of the block."""
    (growing.FOLDER / name).touch(mode=0o644)
    try:
        yield
    finally:
        (growing.FOLDER / name).unlink()


def _counted(file: str, event: str) -> int:
    lines = (_GROUP / file).read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{event} "))
