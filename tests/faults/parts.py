"""
Parts of the machine that can be made to fail: calls to the kernel, a disk, a network, the name service, the clock.

Where the machine lacks such a part, the test is skipped; in CI that is a failure.
"""

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import pytest

from tests.faults.trials import FarEnd

DISK_SIZE_MB = 16
_ATTACH_S_MAX = 10.0
_SNAPSHOTS_MAX = 500
_CLONE_NEWNET = 0x40000000
_FAKETIME = "*/faketime/libfaketime.so.1"

_libc = ctypes.CDLL(None, use_errno=True)


def need(*programs: str) -> None:
    """Skip the test where a program is missing, or where it may not do what it must."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount disks, make networks and trace other processes")
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


@contextlib.asynccontextmanager
async def injecting(
    pid: int, calls: str, fault: str, *, paths: Sequence[Path] = (), record: Path | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """
    Let calls of a running process to the kernel fail, until the end of the block.

    Args:
        pid: Of the process; all its threads are meant.
        calls: Their names, with commas between.
        fault: As strace takes it behind ``inject=``: ``error=EIO``, ``signal=KILL:when=3``.
        paths: Only calls about these files, by their path or a descriptor; all by default.
        record: Where the calls are written to, with times; nowhere by default.
    """
    need("strace")
    only = [argument for path in paths for argument in ("-P", str(path))]
    strace = await asyncio.create_subprocess_exec(
        *("strace", "-f", "-ttt", "-o", str(record or "/dev/null"), "-p", str(pid)),
        *("-e", f"trace={calls}", "-e", f"inject={calls}:{fault}", *only),
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert strace.stderr is not None
        async with asyncio.timeout(_ATTACH_S_MAX):
            while b"attached" not in (line := await strace.stderr.readline()):
                if not line:
                    pytest.skip("strace may not trace another process here")
        yield strace
    finally:
        with contextlib.suppress(ProcessLookupError):
            strace.send_signal(signal.SIGINT)
        await strace.communicate()


class Disk:
    """
    A small ext4 on a loop device of its own.

    Args:
        folder: Where the image and the mount point are; in memory, so that copies are quick.
        image: A disk that there is already; a fresh one by default.
    """

    def __init__(self, folder: Path, image: Path | None = None) -> None:
        need("mkfs.ext4", "mount")
        self.image = image or folder / "disk.img"
        self.folder = folder / f"{self.image.stem}-mounted"
        self.folder.mkdir()
        if image is None:
            self.image.touch()
            os.truncate(self.image, DISK_SIZE_MB * 2**20)
            _run("mkfs.ext4", "-q", "-J", "size=4", self.image)

    def __enter__(self) -> Self:
        mounted = subprocess.run(["mount", "-o", "loop", self.image, self.folder], capture_output=True, check=False)
        if mounted.returncode:
            pytest.skip(f"no loop device: {mounted.stderr.decode().strip()}")
        self._device = _run("findmnt", "--noheadings", "--output", "SOURCE", self.folder).strip().rpartition("/")[2]
        return self

    def __exit__(self, *exc_info: object) -> None:
        _run("umount", self.folder)

    def fill(self) -> None:
        """Leave no room at all."""
        with contextlib.suppress(OSError), (self.folder / "filler").open("ab", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    def free(self) -> None:
        """Leave room again."""
        (self.folder / "filler").unlink()

    def turn_read_only(self) -> None:
        """Let ext4 find a fault in itself; until it is mounted anew, nothing can be written then."""
        _run("mount", "-o", "remount,errors=remount-ro", self.folder)
        Path(f"/sys/fs/ext4/{self._device}/trigger_fs_error").write_text("1")

    def cut(self, copy: Path) -> None:
        """Copy what has reached the device, as a power cut at one moment would leave it."""
        for _ in range(_SNAPSHOTS_MAX):
            before = self._writes()
            shutil.copyfile(self.image, copy)
            if self._writes() == before:
                return
        raise AssertionError("the disk never came to rest")

    def _writes(self) -> tuple[str, str]:
        """
        Return how many writes there were, and how many are under way.

        Source:
            Linux, Documentation/block/stat.rst: the fifth and the ninth number.
        """
        numbers = Path(f"/sys/block/{self._device}/stat").read_text().split()
        return numbers[4], numbers[8]


class Network:
    """A network of its own, with nothing but loopback in it: packets can be dropped there."""

    def __init__(self) -> None:
        need("ip", "nft")
        self.name = f"weatherd-{os.getpid()}-{time.monotonic_ns()}"

    def __enter__(self) -> Self:
        made = subprocess.run(["ip", "netns", "add", self.name], capture_output=True, check=False)
        if made.returncode:
            pytest.skip(f"no network namespaces: {made.stderr.decode().strip()}")
        _run("ip", "-n", self.name, "link", "set", "lo", "up")
        return self

    def __exit__(self, *exc_info: object) -> None:
        _run("ip", "netns", "delete", self.name)

    @property
    def prefix(self) -> Sequence[str]:
        """The command that runs others in it."""
        return ("ip", "netns", "exec", self.name)

    def drop(self, percent: int) -> None:
        """Drop so many packets of a hundred, by chance; none to be well again."""
        which = "" if percent == 100 else f"numgen random mod 100 < {percent} "
        rules = "flush ruleset\n"
        if percent:
            rules += f"table inet faults {{\nchain input {{\ntype filter hook input priority 0\n{which}drop\n}}\n}}\n"
        _run(*self.prefix, "nft", "-f", "-", given=rules)

    def listen(self, host: str, port: int) -> socket.socket:
        """Return a socket that listens in it."""
        made: list[socket.socket] = []

        def make() -> None:
            namespace = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
            assert _libc.setns(namespace, _CLONE_NEWNET) == 0
            os.close(namespace)
            made.append(socket.create_server((host, port)))

        thread = threading.Thread(target=make)  # only this thread goes there, and ends
        thread.start()
        thread.join()
        return made[0]


class FarEndIn(FarEnd):
    """A far end in a network of its own."""

    def __init__(self, network: Network, **options: Any) -> None:
        super().__init__(**options)
        self._network = network

    async def start(self) -> None:
        channel = self._network.listen(self.host, self.port)
        self._server = await asyncio.start_server(self._serve, sock=channel, ssl=self._ssl_context, limit=2**18)
        self.port = channel.getsockname()[1]


class Names:
    """
    The names of hosts that a process knows.

    Args:
        folder: For the file that the process sees as /etc/hosts.
    """

    def __init__(self, folder: Path) -> None:
        need("unshare", "mount")
        self._file = folder / "hosts"
        self._file.write_text("")

    @property
    def prefix(self) -> Sequence[str]:
        """The command that runs others with these names."""
        return ("unshare", "--mount", "sh", "-c", f'mount --bind {self._file} /etc/hosts && exec "$@"', "sh")

    def know(self, name: str, address: str) -> None:
        """Let a name be known."""
        self._file.write_text(f"{address} {name}\n")

    def forget(self) -> None:
        """Let no name be known."""
        self._file.write_text("")


class WallClock:
    """
    The wall clock of a process.

    Args:
        folder: For the file that tells how wrong it is.
        offset_s: How much it is ahead of the true time.
    """

    def __init__(self, folder: Path, offset_s: float = 0.0) -> None:
        need("faketime")
        libraries = [*Path("/usr/lib").glob(_FAKETIME), *Path("/usr/lib").glob(f"*/{_FAKETIME}")]
        if not libraries:
            pytest.skip("libfaketime is not installed")
        self._library = libraries[0]
        self._file = folder / "faketime"
        self.step_to(offset_s)

    def step_to(self, offset_s: float) -> None:
        """Let it be so much ahead of the true time from now on."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{offset_s:+.3f}\n")
        fresh.rename(self._file)  # never seen half written

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a process that has this clock."""
        return {
            "LD_PRELOAD": str(self._library),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
        }


@contextlib.contextmanager
def small_memory(folder: Path, size: str) -> Iterator[Path]:
    """Mount a folder in memory that has only so much room."""
    need("mount")
    folder.mkdir()
    _run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder)
    try:
        yield folder
    finally:
        _run("umount", folder)


def _run(*command: str | Path, given: str | None = None) -> str:
    return subprocess.run(command, input=given, capture_output=True, text=True, check=True).stdout
