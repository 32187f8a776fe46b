"""The script that a beginner would write, `beginner.py`, in an environment of its own."""

import contextlib
import os
import select
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from bench_tools import Child

from peers.peer import WRITE_S_MAX, NotThere, Peer

PYTHON = Path(__file__).parents[2] / "build" / "peers" / "python" / "bin" / "python"
"""Where `make peers` installs what is of PyPI."""


def package_version(name: str) -> str:
    """
    Return the version of a package in that environment.

    Raises:
        NotThere: If there is none.
    """
    if not PYTHON.exists():
        raise NotThere("is not installed")
    program = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"
    done = subprocess.run([PYTHON, "-c", program, name], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotThere("is not installed")
    return done.stdout.strip()


class Script(Peer):
    """`requests` in a loop."""

    name = "script"
    settings = "reads lines from a pipe, requests.post() for each, prints what fails and goes on"
    keeps = False

    def version(self) -> str:
        """Return the version of requests."""
        return f"requests {package_version('requests')}"

    def start(self, folder: Path, disk: Path, port: int) -> Child:  # noqa: ARG002  -- it keeps nothing
        """Start it."""
        program = Path(__file__).with_name("inside") / "beginner.py"
        with (folder / "log").open("a") as log:
            return Child(
                [str(program), f"http://127.0.0.1:{port}/"], log, program=str(PYTHON), stdin=subprocess.PIPE, stderr=log
            )

    @contextlib.contextmanager
    def feeding(self, child: Child, folder: Path) -> Iterator[Callable[[bytes], None]]:  # noqa: ARG002
        """Yield what writes into its pipe."""
        assert child.process.stdin is not None
        pipe = child.process.stdin.fileno()
        os.set_blocking(pipe, False)

        def write(data: bytes) -> None:
            while data:
                _, ready, _ = select.select([], [pipe], [], WRITE_S_MAX)
                if not ready:
                    raise TimeoutError("takes nothing any more")
                data = data[os.write(pipe, data) :]

        yield write
