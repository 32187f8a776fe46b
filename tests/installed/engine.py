"""A Docker engine of the tests' own: another data root, another socket, no network, and gone afterwards."""

import contextlib
import functools
import http.server
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

CLIENT = "/usr/bin/docker"
"""Debian's: another one may come first in the path, and know options that Debian's engine does not."""

_APART = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
"""Executes a command, with the same pid, in a network namespace of its own."""

PROGRAMS = ("dockerd", "containerd", "runc")


class Engine:
    """
    A running engine.

    Args:
        socket: Where it answers.
        pid: Of the engine.
    """

    def __init__(self, socket: Path, pid: int) -> None:
        self.host = f"unix://{socket}"
        self.inside = ("nsenter", "--net", "--target", str(pid))
        """Prefix of a command that is to see the engine's network: the containers, and what they publish."""
        self._environment = {**os.environ, "DOCKER_HOST": self.host, "DOCKER_BUILDKIT": "1"}

    def run(
        self, *arguments: str | Path, check: bool = True, timeout_s: float = 120
    ) -> "subprocess.CompletedProcess[str]":
        """Run the client, and return what it printed."""
        done = subprocess.run(
            [CLIENT, *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(
                f"docker {' '.join(map(str, arguments))}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
            )
        return done

    def inspect(self, name: str) -> Any:
        """Return what the engine knows of a container or an image."""
        return json.loads(self.run("inspect", name).stdout)[0]

    def remove_all(self) -> None:
        """End and remove every container."""
        if names := self.run("ps", "--all", "--quiet").stdout.split():
            self.run("rm", "--force", "--volumes", *names)


def missing() -> list[str]:
    """Return which programs this machine lacks."""
    return [name for name in PROGRAMS if not shutil.which(name)]


@contextlib.contextmanager
def engine(*, with_networks: bool = False) -> Iterator[Engine]:
    """
    Run an engine; needs root. Everything of it, containers too, is gone afterwards.

    Args:
        with_networks: Its containers may have networks. The engine then lives in a network namespace, so that no bridge
            and no rule of a firewall outlives it; the host's loopback is not there.
    """
    with tempfile.TemporaryDirectory(prefix="weatherd-engine-") as name:
        folder = Path(name)
        places = ["--data-root", folder / "data", "--exec-root", folder / "exec", "--pidfile", folder / "pid"]
        socket = folder / "socket"
        no_network = ["--bridge=none", "--ip-forward=false", "--ip-masq=false"]
        apart = _APART if with_networks else ()
        no_network += [] if with_networks else ["--iptables=false"]
        limit = "--default-ulimit=nofile=1024:4096"
        with (folder / "log").open("wb") as log:
            daemon = subprocess.Popen(
                [*apart, "dockerd", *places, "--host", f"unix://{socket}", *no_network, limit], stdout=log, stderr=log
            )
            running = Engine(socket, daemon.pid)
            try:
                wait_until(
                    lambda: running.run("version", check=False).returncode == 0,
                    30,
                    lambda: (folder / "log").read_text()[-4000:],
                )
                yield running
                running.remove_all()
            finally:
                _end(daemon, folder)


def wait_until(is_so: Callable[[], object], timeout_s: float, what: Callable[[], object] = str) -> None:
    """Wait for a condition; after so long, raise AssertionError with what is told."""
    began_s = time.monotonic()
    while not is_so():
        if time.monotonic() - began_s > timeout_s:
            raise AssertionError(f"not within {timeout_s:g} s: {what()}")
        time.sleep(0.05)


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder over HTTP on loopback; give its address."""
    handler = functools.partial(_Quiet, directory=os.fspath(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _end(daemon: "subprocess.Popen[bytes]", folder: Path) -> None:
    """End the engine, which ends its containers and its containerd, and give back what it has mounted."""
    daemon.terminate()
    try:
        daemon.wait(20)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in reversed([one for one in mounts if one.startswith(f"{folder}/")]):
        subprocess.run(["umount", "--lazy", mount], check=False)
