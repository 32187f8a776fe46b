"""`make install` on a Debian that has booted; the tests follow each other, as things do on a real machine."""

import os
import re
import signal
import subprocess
import time
import zipfile
from pathlib import Path

import pytest

from tests.installed.booted import Machine, wait_for
from tests.installed.configured import CONFIG, SECRET, configure
from tests.installed.far_end import PASSWORD, FarEnd
from tests.installed.parts import ROOT

UNIT = "/usr/local/lib/systemd/system/weatherd.service"


@pytest.fixture(scope="module")
def installed(machine: Machine) -> subprocess.CompletedProcess[str]:
    """Install for the first time; this is what it said."""
    return machine.run("cd /srv/weatherd && make install")


@pytest.fixture(scope="module")
def running(machine: Machine, outside: FarEnd, installed: object) -> Machine:
    """Start the station for the first time, with a watchdog that a test can wait for."""
    configure(machine, outside)
    drop_in = machine.file("/etc/systemd/system/weatherd.service.d/test.conf")
    drop_in.parent.mkdir()
    drop_in.write_text("[Service]\nWatchdogSec=2\nRestartSec=0.1\n")
    machine.run("systemctl daemon-reload && systemctl start weatherd")
    return machine


def test_only_root_may_install(machine: Machine) -> None:
    """Anybody else is told so in two lines, and nothing is begun."""
    refused = machine.run(
        "cd /srv/weatherd && setpriv --reuid=65534 --clear-groups systemd/install install", check=False
    )
    assert refused.returncode == 77
    assert refused.stderr == "error: only root can install a service\nhint:  sudo make install\n"


def test_a_python_without_venv_is_told_and_changes_nothing(machine: Machine) -> None:
    """The hint is what to type on Debian; there is no half of an installation."""
    machine.file("/srv/python").write_text('#!/bin/sh\ncase $2 in *venv*) exit 1 ;; esac\nexec python3 "$@"\n')
    machine.file("/srv/python").chmod(0o755)
    refused = machine.run("cd /srv/weatherd && PYTHON=/srv/python systemd/install install", check=False)
    assert refused.returncode == 69
    assert refused.stderr.splitlines()[-1] == "hint:  on Debian and Raspberry Pi OS: sudo apt install python3-venv"
    assert not list(machine.file("/opt").iterdir())


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGHUP])
def test_an_installation_that_is_interrupted_leaves_nothing(machine: Machine, sent: signal.Signals) -> None:
    """Ctrl-C, or a connection that is cut, ends it amid pip's work: nothing of it stays, also not in /tmp."""
    temporary = set(machine.file("/tmp").iterdir())
    installing = machine.start("cd /srv/weatherd && exec make install")
    wait_for(machine.file("/opt/weatherd.new/bin/pip").exists, "the new environment is begun")
    os.killpg(installing.pid, sent)
    assert installing.wait(20) != 0
    wait_for(lambda: not list(machine.file("/opt").iterdir()), "the new environment is gone")
    wait_for(lambda: set(machine.file("/tmp").iterdir()) == temporary, "what it was made from is gone")
    assert not machine.file("/usr/local/bin/weatherd").is_symlink()


def test_the_first_installation_leaves_a_configuration_that_is_right(
    machine: Machine, installed: subprocess.CompletedProcess[str]
) -> None:
    """Without a bus it is an example that says why and what to do; anybody may check it."""
    written = machine.file(CONFIG).read_text()
    assert "/dev/i2c-1 cannot be opened" in written
    assert "run `weatherd scan`" in written
    checked = machine.run("setpriv --reuid=65534 --clear-groups weatherd check")
    assert "is right: station" in checked.stdout
    assert "sudo systemctl start weatherd" in installed.stdout


def test_the_first_installation_waits_to_be_started(machine: Machine, installed: object) -> None:
    """It starts at the next boot, and not before somebody has seen the configuration."""
    assert machine.property_of("UnitFileState") == "enabled"
    assert machine.property_of("ActiveState") == "inactive"


def test_systemd_reads_the_installed_unit_without_a_word(machine: Machine, installed: object) -> None:
    """With the real program in its place, and at an exposure of 1.7 or lower by the version that Debian 12 has."""
    verified = machine.run(f"systemd-analyze verify {UNIT}")
    assert (verified.stdout, verified.stderr) == ("", "")
    machine.run(f"systemd-analyze security --offline=true --threshold=17 {UNIT}")


def test_the_sandbox_leaves_what_is_needed_and_nothing_else(machine: Machine, installed: object) -> None:
    """Under the unit one may use its groups, its folders and the clock's state, but set or write nothing more."""
    machine.file("/srv/probe.py").write_text(PROBE)
    machine.run("for group in i2c gpio video root; do install -g $group -m 060 /dev/null /srv/of-$group; done")
    unit = machine.file(UNIT).read_text()
    unit = "\n".join(
        line for line in unit.splitlines() if not line.startswith(("Exec", "Type=", "Restart=", "WatchdogSec"))
    )
    probe = unit.replace("[Service]", "[Service]\nType=oneshot\nExecStart=/opt/weatherd/bin/python /srv/probe.py")
    machine.file("/run/systemd/system/probe.service").write_text(probe)
    machine.run("systemctl daemon-reload; systemctl start probe || true")
    told = machine.run("journalctl --unit=probe --output=cat _TRANSPORT=stdout").stdout
    machine.file("/run/systemd/system/probe.service").unlink()
    assert told.splitlines() == [
        "adjtimex may",
        "state may",
        "runtime may",
        "clock_settime EPERM",
        "etc EROFS",
        "opt EROFS",
        "packet EAFNOSUPPORT",
        "mount EPERM",
        "secrets EACCES",
        "i2c may",
        "gpio may",
        "video may",
        "root EACCES",
    ]


def test_the_station_is_active_once_the_journal_is_open_and_every_sensor_was_tried(running: Machine) -> None:
    """When `systemctl start` returns, the journal is there, and a chip that is missing has been missed already."""
    started = [line for line in running.log() if line["event.action"] == "daemon.started"]
    assert len(started) == 1
    assert running.property_of("ActiveState") == "active"
    assert running.file("/var/lib/private/weatherd/journal.db").stat().st_size > 0
    states = {sensor["name"]: sensor["state"] for sensor in running.status()["sensors"]}
    assert states["nowhere"] == "lost"
    lost = [index for index, line in enumerate(running.log()) if line["event.action"].endswith("sensor_lost")]
    assert lost
    assert lost[0] < running.log().index(started[0])


def test_documents_reach_the_far_end_with_the_password_of_the_credentials(running: Machine, outside: FarEnd) -> None:
    """What the station observes is outside within seconds; without the password it would be refused."""
    wait_for(lambda: len(outside.seqs()) >= 3, "three documents have arrived")


def test_credentials_are_readable_by_the_daemon_alone(running: Machine) -> None:
    """Neither another user, nor the environment, the command line, the log or the status has the password."""
    pid = running.property_of("MainPID")
    assert running.run("stat --format=%U:%a /etc/weatherd/credentials").stdout == "root:700\n"
    (loaded,) = running.file("/run/credentials/weatherd.service").iterdir()
    assert running.run(f"stat --format=%u:%a /run/credentials/weatherd.service/{loaded.name}").stdout.split(":") == [
        running.run(f"stat --format=%u /proc/{pid}").stdout.strip(),
        "400\n",
    ]
    for path in (SECRET, f"/run/credentials/weatherd.service/{loaded.name}"):
        assert running.run(f"cat {path}").stdout == PASSWORD
        refused = running.run(f"setpriv --reuid=65534 --clear-groups cat {path}", check=False)
        assert "Permission denied" in refused.stderr
    seen = running.run(
        f"cat /proc/{pid}/cmdline /proc/{pid}/environ; weatherd status || true; journalctl; systemctl show weatherd"
    )
    assert "weatherd" in seen.stdout
    assert PASSWORD not in seen.stdout


def test_the_system_journal_holds_our_json(running: Machine) -> None:
    """Each line of the daemon's log is a JSON object with ECS names."""
    lines = running.log()
    assert {"daemon.started"} <= {line["event.action"] for line in lines}
    for line in lines:
        assert {"@timestamp", "log.level", "message", "ecs.version"} <= set(line)


def test_a_right_configuration_is_taken_over_by_the_reload(running: Machine, outside: FarEnd) -> None:
    """`systemctl reload` succeeds, and the same process goes on with what has changed."""
    pid = running.property_of("MainPID")
    config = running.file(CONFIG)
    config.write_text(config.read_text().replace('name = "nowhere"', 'name = "elsewhere"'))
    running.run("systemctl reload weatherd")
    wait_for(lambda: {one["name"] for one in running.status()["sensors"]} == {"barometer", "elsewhere"}, "it is there")
    assert running.property_of("MainPID") == pid


def test_a_wrong_configuration_makes_the_reload_fail(running: Machine) -> None:
    """`systemctl reload` says so, the log names key and line, and the station goes on as before."""
    pid = running.property_of("MainPID")
    config = running.file(CONFIG)
    right = config.read_text()
    config.write_text(right.replace("linger_s", "lingers_s"))
    failed = running.run("systemctl reload weatherd", check=False)
    config.write_text(right)
    assert failed.returncode == 1
    assert "failed" in failed.stderr
    assert "sinks.logstash.lingers_s" in running.run("journalctl --unit=weatherd --output=cat").stdout
    assert (running.property_of("ActiveState"), running.property_of("MainPID")) == ("active", pid)
    running.run("systemctl reload weatherd")


def test_a_station_without_tls_begins_anew_for_it_under_the_same_process_id(running: Machine, outside: FarEnd) -> None:
    """The unit lets it: systemd sees neither an end nor a restart, and what was observed before arrives once."""
    config = running.file(CONFIG)
    right = config.read_text()
    config.write_text(f'{right}\n[panel]\nlisten = ""\n')
    running.run("systemctl restart weatherd")
    pid, restarts = running.property_of("MainPID"), running.property_of("NRestarts")
    has_tls = f"grep -q libssl /proc/{pid}/maps"
    assert running.run(has_tls, check=False).returncode == 1
    kept = running.status()["journal"]["last_seq"]
    config.write_text(right)
    running.run("systemctl reload weatherd")
    wait_for(lambda: running.run(has_tls, check=False).returncode == 0, "the panel has brought it")
    wait_for(lambda: max(outside.seqs()) > kept and set(range(1, kept + 1)) <= outside.seqs(), "all has arrived")
    wait_for(lambda: running.property_of("ActiveState") == "active", "the reload is over: each sensor was tried")
    assert (running.property_of("MainPID"), running.property_of("NRestarts")) == (pid, restarts)
    assert outside.conflicts_count() == 0


def test_a_stuck_daemon_is_ended_by_the_watchdog_and_nothing_is_lost(running: Machine, outside: FarEnd) -> None:
    """What nobody had been sent when the process stopped is sent by the next one."""
    outside.refuse()
    seq = running.status()["journal"]["last_seq"]
    wait_for(lambda: running.status()["journal"]["last_seq"] >= seq + 3, "three observations wait")
    kept = running.status()["journal"]["last_seq"]
    restarts = int(running.property_of("NRestarts"))
    assert kept not in outside.seqs()
    running.run(f"kill -STOP {running.property_of('MainPID')}")
    wait_for(lambda: int(running.property_of("NRestarts")) == restarts + 1, "the watchdog has ended it")
    assert "watchdog" in running.run("journalctl --unit=weatherd --output=cat").stdout.lower()
    outside.accept()
    wait_for(lambda: set(range(1, kept + 1)) <= outside.seqs(), "all has arrived")
    assert outside.conflicts_count() == 0


def test_it_stops_in_time_and_goes_on_where_it_was(running: Machine, outside: FarEnd) -> None:
    """`systemctl stop` takes less than ten seconds, ends well, and the next start counts on."""
    began = time.monotonic()
    running.run("systemctl stop weatherd")
    assert time.monotonic() - began < 10
    assert running.property_of("Result") == "success"
    assert list(
        running.file("/run/private/weatherd").glob("*.tail")
    )  # in memory: what a full card would not have taken
    last = max(outside.seqs())
    running.run("systemctl start weatherd")
    assert running.status()["journal"]["last_seq"] >= last
    wait_for(lambda: max(outside.seqs()) > last, "new documents have arrived")
    assert outside.seqs() == set(range(1, max(outside.seqs()) + 1))


def test_a_journal_is_backed_up_and_brought_back_by_the_commands_of_the_page(running: Machine, outside: FarEnd) -> None:
    """What was not sent when the copy was taken is sent from it, though all that was there has been removed."""
    outside.refuse()
    seq = running.status()["journal"]["last_seq"]
    wait_for(lambda: running.status()["journal"]["last_seq"] >= seq + 3, "three observations wait")
    kept = running.status()["journal"]["last_seq"]
    back_up, bring_back = commands_to_back_up()
    running.run(f"cd /srv && {back_up}")
    assert kept not in outside.seqs()
    running.run(f"cd /srv && {bring_back}")
    outside.accept()
    wait_for(lambda: set(range(1, kept + 1)) <= outside.seqs(), "all has arrived")
    last = max(outside.seqs())
    wait_for(lambda: max(outside.seqs()) > last, "new documents have arrived")
    assert outside.seqs() == set(range(1, max(outside.seqs()) + 1))
    assert outside.conflicts_count() == 0


def test_a_version_that_does_not_start_gives_way_to_the_old_one(running: Machine, outside: FarEnd) -> None:
    """The upgrade fails and says why, and the station runs as before."""
    version = running.file("/srv/weatherd/weatherd/__init__.py")
    right = version.read_text()
    version.write_text(right.replace("0.1.0", "0.1.1"))
    daemon = running.file("/srv/weatherd/weatherd/cli/run.py")
    works = daemon.read_text()
    daemon.write_text(f"{works}\nraise SystemExit(70)\n")
    failed = running.run("cd /srv/weatherd && make install", check=False)
    version.write_text(right)
    daemon.write_text(works)
    assert failed.returncode != 0
    assert "error: the new version does not start; the old one is back" in failed.stderr
    assert running.run("weatherd --version").stdout == "weatherd 0.1.0\n"
    last = max(outside.seqs())
    wait_for(lambda: max(outside.seqs()) > last, "new documents have arrived")
    assert [path.name for path in running.file("/opt").iterdir()] == ["weatherd"]


def test_an_upgrade_on_a_full_card_leaves_all_as_it_was(running: Machine) -> None:
    """It fails with the new program in its place, and before systemd has all of its files: the old one is back."""
    pid = running.property_of("MainPID")
    version = running.file("/srv/weatherd/weatherd/__init__.py")
    right = version.read_text()
    version.write_text(right.replace("0.1.0", "0.1.1"))
    full = "/usr/local/lib/udev"
    running.run(f"mount -t tmpfs -o size=4k full {full} && echo > {full}/file")
    failed = running.run("cd /srv/weatherd && make install", check=False)
    running.run(f"umount {full}")
    version.write_text(right)
    assert failed.returncode != 0
    assert "No space left on device" in failed.stderr
    assert running.run("weatherd --version").stdout == "weatherd 0.1.0\n"
    assert running.property_of("MainPID") == pid
    assert [path.name for path in running.file("/opt").iterdir()] == ["weatherd"]


def test_nothing_is_upgraded_with_a_mistake_in_the_configuration(running: Machine) -> None:
    """With it the old version would not start again, either: the upgrade names the mistake, and the station runs on."""
    pid = running.property_of("MainPID")
    config = running.file(CONFIG)
    right = config.read_text()
    config.write_text(right.replace("linger_s", "lingers_s"))
    failed = running.run("cd /srv/weatherd && make install", check=False)
    config.write_text(right)
    assert failed.returncode != 0
    assert "sinks.logstash.lingers_s" in failed.stderr
    assert "error: nothing is upgraded with a mistake in the configuration" in failed.stderr
    assert (running.property_of("ActiveState"), running.property_of("MainPID")) == ("active", pid)
    assert [path.name for path in running.file("/opt").iterdir()] == ["weatherd"]


def test_a_second_installation_upgrades_and_keeps_what_is_not_its_own(running: Machine, outside: FarEnd) -> None:
    """Configuration, journal and a driver that somebody has added are there as before, and the station runs anew."""
    add_driver(running.file("/srv/wheels"))
    running.run("/opt/weatherd/bin/python -m pip --quiet install shed-sensors")
    config = running.file(CONFIG).read_text()
    pid = running.property_of("MainPID")
    version = running.file("/srv/weatherd/weatherd/__init__.py")
    version.write_text(version.read_text().replace("0.1.0", "0.2.0"))
    told = running.run("cd /srv/weatherd && make install")
    assert told.stdout.startswith("weatherd 0.2.0 runs")
    assert running.property_of("MainPID") != pid
    assert running.status()["station"]["version"] == "0.2.0"
    assert running.file(CONFIG).read_text() == config
    running.run("/opt/weatherd/bin/python -c 'import shed_sensors'")
    last = max(outside.seqs())
    wait_for(lambda: max(outside.seqs()) > last, "new documents have arrived")
    assert outside.seqs() == set(range(1, max(outside.seqs()) + 1))
    assert [path.name for path in running.file("/opt").iterdir()] == ["weatherd"]


def test_a_wrong_configuration_is_not_tried_again_and_again(running: Machine) -> None:
    """The start fails at once, and stays so: a mistake does not go away by itself."""
    config = running.file(CONFIG)
    right = config.read_text()
    config.write_text(f"{right}[stations]\n")
    failed = running.run("systemctl restart weatherd", check=False)
    config.write_text(right)
    assert failed.returncode != 0
    assert (running.property_of("ActiveState"), running.property_of("ExecMainStatus")) == ("failed", "78")
    running.run("systemctl start weatherd")


def test_uninstalling_keeps_configuration_and_journal(running: Machine) -> None:
    """The program, its unit and its rules are gone; what the owner wrote and observed is not, and that is said."""
    told = running.run("cd /srv/weatherd && make uninstall")
    assert "Kept: the configuration in /etc/weatherd, and the journal in /var/lib/weatherd" in told.stdout
    assert running.file(CONFIG).exists()
    assert running.file("/var/lib/private/weatherd/journal.db").exists()
    left = running.run(
        "find /opt /usr /run/systemd /etc/systemd -name '*weatherd*' ! -path '*/weatherd.service.d*'"
    ).stdout
    assert left == ""
    assert running.property_of("LoadState") == "not-found"


def commands_to_back_up() -> list[str]:
    """Return what docs/operations.md has people type: to take a copy, and to bring it back; as root here."""
    page = (ROOT / "docs" / "operations.md").read_text()
    section = page.partition("## Back up and move the journal")[2].partition("\n## ")[0]
    blocks = re.findall(r"^\n((?:    .*\n)+)", section, re.MULTILINE)
    return [block.replace("sudo ", "") for block in blocks if "weatherd-journal.tar.gz" in block]


def add_driver(wheels: Path) -> None:
    """Put a wheel of one empty module beside the others."""
    about = "shed_sensors-1.0.dist-info"
    with zipfile.ZipFile(wheels / "shed_sensors-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("shed_sensors.py", "")
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: shed-sensors\nVersion: 1.0\n")
        wheel.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{about}/RECORD", "shed_sensors.py,,\n")


PROBE = """
import ctypes, errno, os, socket, time
from pathlib import Path

libc = ctypes.CDLL(None, use_errno=True)


def call(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "")


def probe(name, what):
    try:
        what()
        print(name, "may")
    except OSError as error:
        print(name, errno.errorcode[error.errno])


probe("adjtimex", lambda: call(libc.adjtimex(ctypes.create_string_buffer(512))))
probe("state", lambda: Path(os.environ["STATE_DIRECTORY"], "probe").touch())
probe("runtime", lambda: Path(os.environ["RUNTIME_DIRECTORY"], "probe").touch())
probe("clock_settime", lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()))
probe("etc", lambda: Path("/etc/weatherd/probe").touch())
probe("opt", lambda: Path("/opt/weatherd/probe").touch())
probe("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
probe("mount", lambda: call(libc.mount(b"tmpfs", b"/mnt", b"tmpfs", 0, None)))
probe("secrets", lambda: os.listdir("/etc/weatherd/credentials"))
for group in ("i2c", "gpio", "video", "root"):
    probe(group, lambda: open(f"/srv/of-{group}"))
"""
