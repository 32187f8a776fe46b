"""A Debian that systemd has really booted, in a container of systemd-nspawn, with the network of this machine."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.installed import parts

_BOOT_S_MAX = 30.0
_HALT_S_MAX = 30.0
_COMMAND_S_MAX = 120.0
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Machine:
    """
    One boot.

    Args:
        leader: Its first process, as seen from outside.
    """

    def __init__(self, leader: int) -> None:
        self._leader = leader

    def run(self, command: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Let a shell inside run a command as root, and return what it said."""
        result = subprocess.run(
            self._inside(command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_COMMAND_S_MAX,
            check=False,
        )
        assert not check or result.returncode == 0, f"{command}: {result.returncode}\n{result.stdout}{result.stderr}"
        return result

    def start(self, command: str) -> "subprocess.Popen[bytes]":
        """Let a shell inside begin a command as root, in a session of its own, as at a terminal."""
        nowhere = subprocess.DEVNULL
        return subprocess.Popen(
            self._inside(command), stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True
        )

    def _inside(self, command: str) -> tuple[str, ...]:
        shell = ("env", "-i", f"PATH={_PATH}", "PIP_NO_INDEX=1", "PIP_FIND_LINKS=/srv/wheels", "sh", "-ec", command)
        return ("nsenter", "--target", str(self._leader), "--all", *shell)

    def file(self, path: str) -> Path:
        """Return where a file of it is, seen from outside."""
        return Path(f"/proc/{self._leader}/root{path}")

    def status(self) -> dict[str, Any]:
        """Return what the running daemon tells."""
        status: dict[str, Any] = json.loads(self.run("weatherd status --json", check=False).stdout)
        return status

    def property_of(self, name: str) -> str:
        """Return a property of the unit, as `systemctl show` gives it."""
        return self.run(f"systemctl show --value --property={name} weatherd").stdout.strip()

    def log(self) -> list[dict[str, Any]]:
        """Return what the daemon has logged, decoded; a line that is no JSON is an error."""
        read = self.run("journalctl --unit=weatherd --output=json _SYSTEMD_UNIT=weatherd.service _TRANSPORT=stdout")
        return [json.loads(json.loads(line)["MESSAGE"]) for line in read.stdout.splitlines()]


@contextlib.contextmanager
def booted() -> Iterator[Machine]:
    """
    Boot a Debian with the sources in /srv/weatherd and the wheels in /srv/wheels; nothing of it is left afterwards.

    Skips the test where that cannot be done.
    """
    if os.geteuid() != 0:
        pytest.skip("only root can boot a Debian")
    for program in ("mmdebstrap", "systemd-nspawn", "nsenter"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    with tempfile.TemporaryDirectory(prefix="weatherd-debian-") as folder:
        root = Path(folder, "root")
        root.mkdir()
        subprocess.run(["tar", "-xf", parts.debian(), "-C", root], check=True)
        shutil.copytree(parts.wheelhouse(), root / "srv" / "wheels")
        copy_sources(root / "srv" / "weatherd")
        nspawn = subprocess.Popen(
            (
                *(
                    "systemd-nspawn",
                    "--quiet",
                    f"--directory={root}",
                    f"--machine=weatherd-{uuid4().hex[:12]}",
                    "--boot",
                ),
                *("--register=no", "--keep-unit", "--console=pipe", "--resolv-conf=off", "--timezone=off"),
                # What nspawn forbids to all inside, as many containers do, and a Raspberry Pi does not.
                "--system-call-filter=adjtimex clock_adjtime",
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            # At first its child is a helper that makes the namespaces and ends; so it is looked for anew each time.
            wait_for(lambda: _is_up(Machine(_leader(nspawn))), "the Debian has booted", _BOOT_S_MAX)
            yield Machine(_leader(nspawn))
        finally:
            nspawn.send_signal(signal.SIGTERM)
            nspawn.send_signal(signal.SIGTERM)  # now, and not when everything has stopped
            try:
                nspawn.wait(_HALT_S_MAX)
            finally:
                nspawn.kill()
                nspawn.wait()


def copy_sources(target: Path) -> None:
    """Copy what an installation is made from."""
    target.mkdir(parents=True)
    for name in ("weatherd", "systemd", "config"):
        shutil.copytree(parts.ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Makefile", "setup.cfg", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"):
        shutil.copy(parts.ROOT / name, target)
    with contextlib.suppress(FileNotFoundError):
        shutil.copy(parts.ROOT / "requirements.lock", target)


def wait_for(condition: Callable[[], object], what: str, timeout_s: float = 20.0) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s: {what}"
        time.sleep(0.05)


def _leader(nspawn: subprocess.Popen[bytes]) -> int:
    children = Path(f"/proc/{nspawn.pid}/task/{nspawn.pid}/children")
    wait_for(lambda: nspawn.poll() is not None or children.read_text(), "systemd-nspawn has started an init")
    assert nspawn.poll() is None, f"systemd-nspawn ended with {nspawn.returncode}"
    return int(children.read_text().split()[0])


def _is_up(machine: Machine) -> bool:
    state = machine.run("systemctl is-system-running", check=False).stdout.strip()
    return state in {"running", "degraded"}
