"""
What the benchmarks share: the daemon and the stand-in as processes of their own, what the kernel says of a process,
lines to write, and a table to print.
"""

import contextlib
import ctypes
import json
import os
import platform
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from weatherd import control
from weatherd.errors import UnavailableError

DISK_SIZE = 512_000_000
SECTOR_SIZE = 512
START_S_MAX = 20.0
STOP_S_MAX = 30.0
POLL_PERIOD_S = 0.02

LINES_FOLDED = 500
"""Lines that are written to the socket at once."""

_MAIN = "import sys; sys.modules['rich'] = None; from weatherd.cli import main; sys.exit(main())"
"""`python -m weatherd` as on a station: structlog imports rich, 4 MB, wherever development tools have installed it."""

_libc = ctypes.CDLL(None, use_errno=True)

Row = tuple[str, str, str]
"""What was measured, the figure, the goal."""


class Child:
    """
    A process of ours, looked at from outside.

    Args:
        arguments: Of the interpreter.
        stdout: Where it prints to.
        environment: Added to our own.
        program: Another program than the interpreter.
        stdin: Where it reads from; ours by default.
        own_group: Whether it is put into a process group of its own.
        stderr: Where it prints what went wrong; where we do by default.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        stdout: Any,
        environment: dict[str, str] | None = None,
        *,
        program: str = sys.executable,
        stdin: Any = None,
        own_group: bool = False,
        stderr: Any = None,
    ) -> None:
        self.process = subprocess.Popen(
            [program, *arguments],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            text=True,
            env={**os.environ, **(environment or {})},
            process_group=0 if own_group else None,
        )
        self._folder = Path("/proc", str(self.process.pid))

    def stop(self) -> None:
        """End it politely, and then not."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def cpu_s(self) -> float:
        """
        Return the processor time of all its threads, in seconds.

        Source:
            clock_getcpuclockid(3): the clock of a process has this id (Linux, include/linux/posix-timers.h); it
            counts nanoseconds where /proc counts hundredths of a second.
        """
        return time.clock_gettime(~self.process.pid << 3 | 2)

    def memory_mb(self, name: str) -> float:
        """Return a line of /proc/PID/status such as VmRSS (resident) or VmHWM (its highest), or Pss, in MB."""
        file = "smaps_rollup" if name == "Pss" else "status"
        return _number((self._folder / file).read_text(), name) * 1024 / 1e6

    def wakeups_count(self) -> int:
        """Return how often its threads have gone to sleep."""
        tasks = (self._folder / "task").iterdir()
        return sum(_number((task / "status").read_text(), "voluntary_ctxt_switches") for task in tasks)

    def written_size(self) -> int:
        """Return the bytes that it made the kernel write to a disk."""
        return _number((self._folder / "io").read_text(), "write_bytes")


class Daemon(Child):
    """
    `weatherd run` with a socket that takes JSON lines.

    Args:
        folder: For its configuration, sockets and log.
        port: Of Logstash's HTTP input on this machine, answered or not.
        journal: The file; in `folder` by default.
        panel_port: Of the panel on this machine; None turns it off.
        more: More of the configuration.
        sensors: Their tables in the configuration; `garden` by default.
        runtime: The runtime folder of an earlier one, to go on with; None makes one, and removes it at the end.
    """

    def __init__(
        self,
        folder: Path,
        port: int,
        journal: Path | None = None,
        panel_port: int | None = None,
        more: str = "",
        *,
        sensors: str | None = None,
        runtime: Path | None = None,
    ) -> None:
        self.socket = folder / "lines.sock"
        self._log = folder / "daemon.log"
        configuration = folder / "weatherd.toml"
        panel = "" if panel_port is None else f"127.0.0.1:{panel_port}"
        sensors = garden(self.socket) if sensors is None else sensors
        configuration.write_text(_configuration(sensors, port, journal or folder / "journal.db", panel) + more)
        self._resources = contextlib.ExitStack()
        # Our own, too, because that is where `control.ask` looks.
        os.environ["RUNTIME_DIRECTORY"] = str(runtime or self._resources.enter_context(runtime_folder()))
        with self._log.open("w") as log:
            super().__init__(["-c", _MAIN, "run", "--config", str(configuration), "--log-format", "json"], log)

    def stop(self) -> None:
        """End it, and remove its runtime folder."""
        super().stop()
        self._resources.close()

    def wait_until_ready(self) -> None:
        """Wait until it answers and its socket takes lines."""
        give_up_at_s = time.monotonic() + START_S_MAX
        while True:
            with contextlib.suppress(UnavailableError):
                if self.counts().kept:
                    return
            if self.process.poll() is not None or time.monotonic() > give_up_at_s:
                sys.exit(f"the daemon does not start:\n{self._log.read_text()}")
            time.sleep(POLL_PERIOD_S)

    def counts(self) -> "Counts":
        """Ask it how far it is."""
        status = control.ask("status")
        return Counts(time.monotonic(), status["journal"]["last_seq"], status["sinks"][0]["delivered_count"])

    def wait_until(self, done: "Callable[[Counts], bool]", period_s: float = POLL_PERIOD_S) -> "Counts":
        """Ask it until something is so."""
        while not done(counts := self.counts()):
            if self.process.poll() is not None:
                sys.exit(f"the daemon has ended:\n{self._log.read_text()}")
            time.sleep(period_s)
        return counts


class Counts(NamedTuple):
    """At a time of the monotonic clock: documents in the journal, and documents delivered by this process."""

    time_s: float
    kept: int
    delivered: int


class StandIn(Child):
    """
    The stand-in for Logstash, only counting.

    Args:
        port: Where it listens; 0 takes a free one.
    """

    def __init__(self, port: int = 0) -> None:
        super().__init__(["-m", "weatherd.testing.logstash", "--port", str(port)], subprocess.PIPE)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline().rpartition(":")[2])

    def stop_and_count(self) -> dict[str, int]:
        """Stop it, and return its last counts."""
        self.process.send_signal(signal.SIGTERM)
        printed, _ = self.process.communicate(timeout=STOP_S_MAX)
        counts: dict[str, int] = json.loads(printed.splitlines()[-1])
        return counts


class FastSink(Child):
    """
    `fast_sink` as a process of its own.

    Args:
        backlog_until_seq: The last seq that is backlog, for the times that it tells.
    """

    def __init__(self, backlog_until_seq: int) -> None:
        script = Path(__file__).with_name("fast_sink.py")
        super().__init__([str(script), "--backlog-until", str(backlog_until_seq)], subprocess.PIPE)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def stop_and_tell(self, count: int) -> dict[str, float]:
        """End it, and return what it had: at least so many documents, or the benchmark ends."""
        self.process.terminate()
        out, _ = self.process.communicate()
        told: dict[str, float] = json.loads(out)
        if told["different"] < count:
            sys.exit(f"the sink had {told['different']:,} documents of {count:,}")
        return told


@contextlib.contextmanager
def running(child: Child) -> Iterator[None]:
    """Stop a process at the end, if it has not ended by itself."""
    try:
        yield
    finally:
        if child.process.poll() is None:
            child.stop()


def free_port() -> int:
    """Return a port of this machine at which nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def lines(count: int) -> Iterator[bytes]:
    """
    Make lines such as rtl_433 prints, of about 300 bytes; no two in a row are alike.

    The weather walks at random, always the same way, so that documents compress about as real ones do. It stays within
    the steps that quality control believes in a minute, however many lines there are in one.
    """
    chance = random.Random(1)
    temperature_degc, humidity = 20.0, 60.0
    for number in range(count):
        temperature_degc = min(max(temperature_degc + chance.uniform(-0.1, 0.1), 19.0), 21.0)
        humidity = min(max(humidity + chance.uniform(-0.5, 0.5), 56.0), 64.0)
        fields = {
            "time": f"2026-11-23 {number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}",
            "model": "Acurite-5n1",
            "message_type": 56,
            "id": 1234,
            "channel": "A",
            "sequence_num": number % 3,
            "battery_ok": 1,
            "wind_avg_km_h": round(chance.uniform(0.0, 30.0), 3),
            "temperature_C": round(temperature_degc, 2),
            "humidity": round(humidity, 1),
            "mic": "CHECKSUM",
            "mod": "ASK",
            "freq": round(433.9 + chance.uniform(-0.02, 0.02), 3),
            "rssi": round(chance.uniform(-12.0, -0.1), 3),
            "snr": round(chance.uniform(5.0, 30.0), 3),
            "noise": round(chance.uniform(-35.0, -20.0), 3),
        }
        yield json.dumps(fields).encode() + b"\n"


def write_all(path: Path, chunks: Iterable[bytes]) -> None:
    """Write to a Unix socket as fast as it takes."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
        channel.connect(str(path))
        for chunk in chunks:
            channel.sendall(chunk)


def machine() -> str:
    """Say where the figures come from, and how busy it is with other things."""
    load = os.getloadavg()[0]
    return f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores, load {load:.1f}"


def print_table(rows: Iterable[Row]) -> None:
    """Print figures beside their goals."""
    rows = [("", "figure", "goal"), *rows]
    first, second, third = (max(len(row[column]) for row in rows) for column in range(3))
    for what, figure, goal in rows:
        print(f"{what:<{first}}  {figure:>{second}}  {goal:>{third}}".rstrip(), flush=True)


class Disk:
    """
    A file system of its own for the journal, or just a folder.

    Args:
        folder: Where it is mounted.
        is_mounted: Whether it is one.
    """

    def __init__(self, folder: Path, *, is_mounted: bool) -> None:
        self.folder = folder
        self.is_mounted = is_mounted

    def written_size(self) -> int:
        """
        Return the bytes that have reached the device, those included that had waited for it.

        Source:
            Linux, Documentation/block/stat.rst: the seventh number is sectors written, of 512 bytes.
        """
        if not self.is_mounted:
            return 0
        self.settle()
        return self._stat(6) * SECTOR_SIZE

    def settle(self) -> None:
        """Let what waits in memory reach the device, as time would."""
        file = os.open(self.folder, os.O_RDONLY)
        try:
            if _libc.syncfs(file) != 0:
                raise OSError(ctypes.get_errno(), "syncfs")
        finally:
            os.close(file)

    def flushes_count(self) -> int:
        """Return how often the device was told to bring what it has to a safe place (number 16 of the same)."""
        return self._stat(15)

    def _stat(self, index: int) -> int:
        device = self.folder.stat().st_dev
        return int(Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat").read_text().split()[index])


@contextlib.contextmanager
def own_disk(folder: Path) -> Iterator[Disk]:
    """Mount a fresh ext4 on a loop device, if we may."""
    place, image = folder / "disk", folder / "disk.img"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(DISK_SIZE)
    # Blocks as a card of its usual size has them, and without the work that mkfs leaves for later, which would be
    # counted as the journal's.
    make = ["mkfs.ext4", "-q", "-F", "-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(image)]
    try:
        subprocess.run(make, check=True, capture_output=True)
        subprocess.run(["mount", "-o", "loop", image, place], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        yield Disk(place, is_mounted=False)
        return
    try:
        yield Disk(place, is_mounted=True)
    finally:
        subprocess.run(["umount", place], check=True)


@contextlib.contextmanager
def runtime_folder() -> Iterator[Path]:
    """Make a runtime folder in memory, as the systemd unit does, where that can be."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="bench-", dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


def garden(lines_socket: Path, labels: Sequence[str] = ("channel", "battery_ok")) -> str:
    """Return the table of a sensor that makes each line of a socket an observation."""
    return f"""
[[sensors]]
name = "garden"
driver = "jsonlines"
listen = "{lines_socket}"
report_period_s = 0
quantities = {{ air_temperature = "temperature_C", relative_humidity = "humidity" }}
labels = {json.dumps(labels)}
"""


def _configuration(sensors: str, port: int, journal: Path, panel: str) -> str:
    return f"""
[station]
id = "bench"
name = "Bench"
latitude = -30.03
longitude = -51.23
elevation_m = 10.0
{sensors}
[journal]
path = "{journal}"

[clock]
hold_max_s = 0

[panel]
listen = "{panel}"

[sinks.logstash]
urls = ["http://127.0.0.1:{port}"]
"""


def _number(text: str, name: str) -> int:
    """Return the number behind ``name:`` at the beginning of a line."""
    line = next(line for line in text.splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1])
