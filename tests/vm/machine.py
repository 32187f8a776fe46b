"""
The small machine: qemu with an emulated processor, the kernel and the disk of this folder, and a line for each result.

    second disk ─ a tar, bare: what this boot is for ─> /run/vm in the machine, /run/vm/run is begun
    virtio-serial ─ JSON lines from the machine ─> qemu's standard output ─> `Machine.lines`
    serial console ─> a file, which is what there is to read when a boot fails

There is no network. A machine that does not end by itself is killed.
"""

import contextlib
import io
import json
import os
import queue
import signal
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.vm.image import image
from tests.vm.kernel import kernel

MEMORY_MB = 768

_ARGUMENTS = (
    *("-machine", "q35", "-cpu", "max", "-m", str(MEMORY_MB)),
    *("-bios", "qboot.rom", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
)
_OUR_TIME = ("-accel", "tcg,thread=multi", "-smp", "2")
_OWN_TIME = ("-accel", "tcg,thread=single", "-icount", "shift=1,sleep=on")
"""Two nanoseconds for an instruction: about what one takes on a Pi."""

_KERNEL_LINE = (
    "console=ttyS0 nokaslr mitigations=off panic=-1 random.trust_cpu=on systemd.journald.forward_to_console=1"
)


class Line(NamedTuple):
    """What the machine said, and when it came here by `time.monotonic`."""

    at_s: float
    said: dict[str, Any]


class Machine:
    """
    One boot.

    Attributes:
        console: The file that the serial console goes to.
    """

    def __init__(self, process: subprocess.Popen[bytes], console: Path) -> None:
        self.console = console
        self._process = process
        self._lines: queue.Queue[Line | None] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def lines(self, within_s: float) -> Iterator[Line]:
        """
        Give what the machine says, until it is off.

        Raises:
            AssertionError: If it is not off within that time.
        """
        deadline_s = time.monotonic() + within_s
        while (line := self.line(deadline_s - time.monotonic())) is not None:
            yield line

    def line(self, within_s: float) -> Line | None:
        """Give the next thing that the machine says; None if it is off. Raises AssertionError if nothing comes."""
        try:
            return self._lines.get(timeout=max(within_s, 0.0))
        except queue.Empty:
            raise AssertionError(f"the machine said nothing in time; its console ended with\n{self.end()}") from None

    def pull_the_plug(self) -> float:
        """Let the machine lose its power, and return when, by `time.monotonic`."""
        self._process.send_signal(signal.SIGKILL)
        at_s = time.monotonic()
        self._process.wait()
        return at_s

    def put_away(self) -> None:
        """Leave nothing of it."""
        with self._process:  # closes its pipes
            self._process.kill()
            self._listener.join()

    def end(self) -> str:
        """Return the last lines of the console."""
        return "\n".join(self.console.read_text(errors="replace").splitlines()[-40:])

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            # A plug that is pulled cuts a line off, too.
            with contextlib.suppress(json.JSONDecodeError):
                self._lines.put(Line(time.monotonic(), json.loads(line)))
        self._lines.put(None)


@contextlib.contextmanager
def running(
    folder: Path,
    errand: Mapping[str, Path | str],
    *,
    disk: Path | None = None,
    init: str = "/sbin/init",
    clock: str = "utc",
    own_time: bool = False,
) -> Iterator[Machine]:
    """
    Boot a machine; it is off behind this.

    Args:
        folder: For its console and its second disk.
        errand: What comes to /run/vm, files and folders or texts by name; ``run`` is begun.
        disk: Its first disk, which is written; by default one of its own, which is forgotten.
        init: Its first process.
        clock: What its battery-backed clock shows at the boot, as qemu's ``-rtc base=`` takes it.
        own_time: Whether its time goes by what it computes, and by ours only while it has nothing to do: however busy
            we are, it never is too slow for anything. Its two processors become one.
    """
    booted = kernel()
    first = f"file={disk},cache=directsync" if disk else f"file={image()},snapshot=on,cache=unsafe"
    second = folder / "errand.tar"
    _pack(second, errand)
    console = folder / f"console-{time.monotonic_ns()}"
    with (folder / "qemu-errors").open("ab") as errors:
        process = subprocess.Popen(
            (
                *("qemu-system-x86_64", *_ARGUMENTS, *(_OWN_TIME if own_time else _OUR_TIME)),
                *("-rtc", f"base={clock},clock={'vm' if own_time else 'host'}"),
                *("-kernel", booted / "vmlinux", "-initrd", booted / "initramfs"),
                *("-append", f"{_KERNEL_LINE} VM_INIT={init}"),
                *("-drive", f"{first},format=raw,if=virtio"),
                *("-drive", f"file={second},format=raw,if=virtio,readonly=on"),
                *("-serial", f"file:{console}", "-chardev", "stdio,id=results"),
                *("-device", "virtio-serial-pci", "-device", "virtserialport,chardev=results"),
            ),
            stdin=subprocess.PIPE,  # open, or the machine takes it that nobody listens
            stdout=subprocess.PIPE,
            stderr=errors,
        )
    machine = Machine(process, console)
    try:
        yield machine
    finally:
        machine.put_away()


def _pack(target: Path, errand: Mapping[str, Path | str]) -> None:
    with tarfile.open(target, "w") as tar:
        for name, what in errand.items():
            if isinstance(what, Path):
                tar.add(what, name, filter=_as_sources)
            else:
                data = what.encode()
                info = tarfile.TarInfo(name)
                info.size, info.mode = len(data), 0o755
                tar.addfile(info, io.BytesIO(data))
    os.truncate(target, -(-target.stat().st_size // 2**20) * 2**20)


def _as_sources(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "tests/" in member.name and "__pycache__" in member.name else member
