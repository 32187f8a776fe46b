"""The Debian package in a Debian that has booted; the tests follow each other, as things do on a real machine."""

import pytest

from tests.installed.booted import Machine, wait_for
from tests.installed.configured import CONFIG, configure
from tests.installed.far_end import FarEnd

UNPACKED = "/srv/unpacked"
MAKE_INSTALLS = "/usr/local/lib/systemd/system/weatherd.service"
PASSED_OVER = (
    "/var/lib/dpkg",
    "/var/lib/systemd",
    "/var/log",
    "/var/cache",
    "/srv",
    "/tmp",
    "/var/tmp",
    "/proc",
    "/run/systemd",
)
FILES = (
    f"find / -xdev \\( {' -o '.join(f'-path {path}' for path in PASSED_OVER)} \\) -prune -o -print;"
    " find /run /tmp /var/tmp /var/lib/dpkg /var/lib/systemd -name '*weatherd*'"
)


@pytest.fixture(scope="module")
def package(machine: Machine) -> str:
    """Make the package, in a folder as people have them; not compressed, as that takes most of the time."""
    machine.run("cp -r /srv/weatherd '/srv/my station'")
    made = machine.run("cd '/srv/my station' && DPKG_DEB_COMPRESSOR_TYPE=none make --no-print-directory deb")
    machine.run(f"mkdir /srv/weatherd/build && mv '/srv/my station/{made.stdout.strip()}' /srv/weatherd/build")
    return f"/srv/weatherd/{made.stdout.strip()}"


@pytest.fixture(scope="module")
def before(machine: Machine, package: str) -> set[str]:
    """List every file that there is before the installation."""
    return set(machine.run(FILES).stdout.splitlines())


@pytest.fixture(scope="module")
def installed(machine: Machine, package: str, before: object) -> Machine:
    machine.run(f"dpkg --install {package}")
    return machine


@pytest.fixture(scope="module")
def running(installed: Machine, outside: FarEnd) -> Machine:
    configure(installed, outside)
    installed.run("systemctl start weatherd")
    wait_for(lambda: len(outside.seqs()) >= 3, "three documents have arrived")
    return installed


def test_the_package_does_not_mix_with_another_installation(machine: Machine, package: str, before: object) -> None:
    """Over `make install` it refuses, says what to type, and leaves nothing of it."""
    machine.file(MAKE_INSTALLS).parent.mkdir(parents=True)
    machine.file(MAKE_INSTALLS).touch()
    refused = machine.run(f"dpkg --install {package}", check=False)
    machine.run("rm -r /usr/local/lib/systemd")
    assert refused.returncode != 0
    assert "hint:  take that away with `sudo make uninstall`; configuration and journal stay" in refused.stderr
    assert not machine.file("/opt/weatherd").exists()


def test_the_package_needs_the_python_that_it_was_made_with(machine: Machine, package: str) -> None:
    """Its environment works with that version alone, and Debian is told so."""
    python = machine.run("basename $(readlink -f /usr/bin/python3)").stdout.strip()
    assert machine.run(f"dpkg-deb --field {package} Depends").stdout.startswith(f"{python}, ")


def test_the_installed_station_waits_to_be_started(installed: Machine) -> None:
    """Its program works, its configuration is right, and it starts at the next boot and not before."""
    assert "is right: station my-station" in installed.run("weatherd check").stdout
    assert installed.property_of("UnitFileState") == "enabled"
    assert installed.property_of("ActiveState") == "inactive"
    verified = installed.run("systemd-analyze verify weatherd.service")
    assert (verified.stdout, verified.stderr) == ("", "")


def test_nothing_in_the_package_names_the_place_where_it_was_made(installed: Machine) -> None:
    """Neither a program nor compiled Python would find it on another machine."""
    assert installed.run("grep -rlF '/srv/my station' /opt/weatherd || true").stdout == ""
    assert installed.run("dpkg --verify weatherd").stdout == ""


def test_make_install_leaves_the_package_alone(installed: Machine) -> None:
    """Beside the package it refuses, and says how to upgrade it."""
    refused = installed.run("cd /srv/weatherd && make install", check=False)
    assert "error: the Debian package weatherd is installed" in refused.stderr
    assert not installed.file("/usr/local/bin/weatherd").exists()


def test_nothing_is_upgraded_with_a_mistake_in_the_configuration(running: Machine) -> None:
    """With it the old version would not start again, either: dpkg names the mistake, and the station runs on."""
    pid = running.property_of("MainPID")
    config = running.file(CONFIG)
    right = config.read_text()
    config.write_text(right.replace("linger_s", "lingers_s"))
    failed = running.run(f"dpkg --install {newer(running)}", check=False)
    config.write_text(right)
    assert failed.returncode != 0
    assert "sinks.logstash.lingers_s" in failed.stderr
    assert (running.property_of("ActiveState"), running.property_of("MainPID")) == ("active", pid)
    assert running.run("weatherd --version").stdout == "weatherd 0.1.0\n"
    assert running.run("dpkg --audit").stdout == ""


def test_an_upgrade_keeps_the_configuration_the_journal_and_its_documents(running: Machine, outside: FarEnd) -> None:
    """The station that ran is restarted on the new version, counts on, and still has what it observed before."""
    config = running.file(CONFIG).read_text()
    pid = running.property_of("MainPID")
    documents = running.run("weatherd journal export").stdout.splitlines()
    assert len(documents) >= 3
    running.run(f"dpkg --install {newer(running)}")
    assert running.property_of("MainPID") != pid
    assert running.status()["station"]["version"] == "0.2.0"
    assert running.file(CONFIG).read_text() == config
    assert running.run("weatherd journal export").stdout.splitlines()[: len(documents)] == documents
    last = max(outside.seqs())
    wait_for(lambda: max(outside.seqs()) > last, "new documents have arrived")
    assert outside.seqs() == set(range(1, max(outside.seqs()) + 1))
    assert outside.conflicts_count() == 0


def test_removing_keeps_configuration_and_journal(running: Machine) -> None:
    """The station stops and its program is gone; what the owner wrote and observed is not."""
    running.run("dpkg --remove weatherd")
    assert running.property_of("ActiveState") == "inactive"
    assert not running.file("/opt/weatherd").exists()
    assert running.file(CONFIG).exists()
    assert running.file("/var/lib/private/weatherd/journal.db").exists()


def test_purging_leaves_nothing(running: Machine, before: set[str]) -> None:
    """No file is there that was not there before the installation."""
    running.run("dpkg --purge weatherd")
    left = set(running.run(FILES).stdout.splitlines()) - before
    assert left == set()


def test_make_install_after_a_removal_has_the_configuration_for_itself(
    running: Machine, package: str, outside: FarEnd
) -> None:
    """A purge of what was removed before, which dpkg would begin with the configuration, has nothing left to take."""
    running.run(f"dpkg --install {package}")
    configure(running, outside)
    config = running.file(CONFIG).read_text()
    running.run("dpkg --remove weatherd && cd /srv/weatherd && make install && systemctl start weatherd")
    running.run("dpkg --purge weatherd")
    assert running.file(CONFIG).read_text() == config
    assert running.property_of("ActiveState") == "active"
    assert running.file("/var/lib/private/weatherd/journal.db").exists()


def newer(machine: Machine) -> str:
    """Make a package of a later version out of the one that is there."""
    made = "/srv/newer.deb"
    machine.run(
        f"""
        rm -rf {UNPACKED}
        dpkg-deb --raw-extract /srv/weatherd/build/weatherd_*.deb {UNPACKED}
        sed -i 's/^Version: .*/Version: 0.2.0-1/' {UNPACKED}/DEBIAN/control
        sed -i 's/0\\.1\\.0/0.2.0/' {UNPACKED}/opt/weatherd/lib/python3*/site-packages/weatherd/__init__.py
        dpkg-deb -Znone --build {UNPACKED} {made}
        """
    )
    return made
