"""The script that a beginner would write, `beginner.py`, in an environment of its own."""

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from bench_tools import Child

from peers.peer import NotThere, Peer

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
    marker = '"number": '
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
        pipe = child.process.stdin.buffer.raw  # type: ignore[attr-defined]

        def write(data: bytes) -> None:
            while data:
                data = data[pipe.write(data) :]

        yield write
