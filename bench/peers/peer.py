"""What is asked of a peer: where it is, how it is configured, and how lines get into it."""

import abc
import contextlib
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from bench_tools import Child

from peers.numbered import json_lines
from peers.tally import FIRST, PATTERN

UNPACKED = Path(__file__).parents[2] / "build" / "peers"
"""Where `make peers` unpacks Debian's packages, without installing them."""

OPEN_S_MAX = 30.0
OPEN_POLL_S = 0.002
WRITE_S_MAX = 60.0
"""How long a peer may take nothing: then it hangs."""


class NotThere(Exception):
    """A peer that is not on this machine."""


class Peer(abc.ABC):
    """
    A program that takes lines and posts documents.

    Attributes:
        name: As it stands in the table.
        settings: What was chosen for it, in a sentence for people.
        pattern: Finds the number of each document in what it posts.
        first: The lowest number.
        answer: What the far end has to say for it to be content.
        make_lines: The lines that it understands; None if it makes documents by itself.
        keeps: Whether it is made to keep documents on disk, over a kill and over an outage.
    """

    name: str
    settings: str
    pattern: str = PATTERN
    first: int = FIRST
    answer: str = "ok"
    make_lines: Callable[[], list[str]] | None = staticmethod(json_lines)
    keeps: bool = True

    @abc.abstractmethod
    def version(self) -> str:
        """
        Return its version.

        Raises:
            NotThere: If it is not on this machine.
        """

    @abc.abstractmethod
    def start(self, folder: Path, disk: Path, port: int) -> Child:
        """
        Configure and start it; again in the same folder after it has ended.

        Args:
            folder: For its configuration, its socket and what it prints.
            disk: For what it keeps.
            port: Of the far end on this machine.
        """

    @contextlib.contextmanager
    def feeding(self, child: Child, folder: Path) -> Iterator[Callable[[bytes], None]]:
        """
        Yield what writes lines into it, as soon as it takes them; the write waits while it is made to wait.

        A write raises an OSError when the peer is gone, or takes nothing for `WRITE_S_MAX`.
        """
        with connected(child, folder / "lines.sock") as channel:
            yield channel.sendall


@contextlib.contextmanager
def connected(child: Child, path: Path) -> Iterator[socket.socket]:
    """Connect to a Unix socket as soon as somebody listens there."""
    give_up_at_s = time.monotonic() + OPEN_S_MAX
    while True:
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            channel.connect(str(path))
            break
        except (FileNotFoundError, ConnectionRefusedError):
            channel.close()
            if child.process.poll() is not None or time.monotonic() > give_up_at_s:
                raise NotThere(f"does not listen at its socket (exit code {child.process.poll()})") from None
            time.sleep(OPEN_POLL_S)
    with channel:
        channel.settimeout(WRITE_S_MAX)
        yield channel


@contextlib.contextmanager
def answers_unread(channel: socket.socket) -> Iterator[None]:
    """Throw away what a peer answers, so that it can go on."""

    def drain() -> None:
        with contextlib.suppress(OSError):
            while channel.recv(1 << 16):
                pass

    reader = threading.Thread(target=drain)
    reader.start()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            channel.shutdown(socket.SHUT_RDWR)
        reader.join()


class Debian:
    """
    A program of a Debian package: installed, or unpacked into a folder by `make peers`.

    Args:
        folder: Below `UNPACKED`.
        program: The name of its file.
        libraries: Folders of shared libraries below it that the loader does not know.
    """

    def __init__(self, folder: str, program: str, libraries: Sequence[str] = ()) -> None:
        self.root = UNPACKED / folder
        self._program = program
        unpacked = self.root / "usr" / "sbin" / program
        self._is_unpacked = unpacked.exists()
        if not self._is_unpacked:
            self.root = Path("/")
        folders = [self.root / place for place in ("usr/lib", "lib", *libraries)]
        self._libraries = [path for folder in folders for path in (folder, *folder.glob("*-linux-gnu*"))]

    @property
    def program(self) -> str:
        """
        Return the path of its file.

        Raises:
            NotThere: If there is none.
        """
        if self._is_unpacked:
            return str(self.root / "usr" / "sbin" / self._program)
        found = shutil.which(self._program, path=f"{os.environ['PATH']}:/usr/sbin")
        if found is None:
            raise NotThere("is not installed")
        return found

    @property
    def environment(self) -> Mapping[str, str]:
        """What it needs so that the loader finds its libraries."""
        return {"LD_LIBRARY_PATH": ":".join(map(str, self._libraries))} if self._is_unpacked else {}

    def find(self, pattern: str) -> Path:
        """
        Return the folder of a file that came with it.

        Raises:
            NotThere: If there is no such file.
        """
        for found in sorted((self.root / "usr" / "lib").glob(pattern)):
            return found.parent
        raise NotThere(f"has no {pattern.rpartition('/')[2]} beside it")

    def ask(self, *arguments: str) -> str:
        """Return what it prints when it is called so, on both outputs."""
        done = subprocess.run(
            [self.program, *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **self.environment},
        )
        return done.stdout + done.stderr

    def start(self, arguments: Sequence[str], log: Path) -> Child:
        """Start it."""
        with log.open("a") as file:
            return Child(
                arguments, file, dict(self.environment), program=self.program, stdin=subprocess.DEVNULL, stderr=file
            )
