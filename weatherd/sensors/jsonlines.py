"""
The `jsonlines` driver: any program that prints JSON lines, or writes them to a socket of ours.

    command ─ its stdout ─┐
    TCP or Unix socket ───┴─> lines, bounded ─> LineReader ─> arrivals, a chunk at a time

A program is started without a shell, in a process group of its own; what it says on stderr goes to our log at a bounded
rate. Nothing more is read while the last chunk has found no place in the queue, so the pipe or the socket fills up and
the writer waits.
"""

import asyncio
import contextlib
import os
import signal
import socket
import stat
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import structlog

from weatherd.errors import SourceEnded, UnavailableError
from weatherd.model import Arrival
from weatherd.ports import Clock
from weatherd.sensors.lines import BadLine, LineReader
from weatherd.throttling import ThrottledLog

LINE_SIZE_MAX = 65_536
"""Bytes of one line; a longer one is skipped and counted."""

CLIENTS_MAX = 64
"""Clients of one socket; one more is turned away."""

_CHUNK_SIZE = 32_768  # read at once: what the loop parses without a break, a few milliseconds on a Pi 3
_STDERR_LINES_MAX = 30  # logged a minute
_TERMINATION_S_MAX = 2.0  # from SIGTERM to SIGKILL

Deliver = Callable[[Sequence[Arrival]], Awaitable[None]]


class JsonLines(ABC):
    """
    What both ways have in common: a stream of bytes becomes arrivals.

    Args:
        name: The sensor's name in the configuration.
        reader: Understands its lines.
        clock: Gives the time of arrival.
        log: Where people read about bad lines.
    """

    model = "jsonlines"

    def __init__(self, name: str, reader: LineReader, clock: Clock, log: structlog.typing.FilteringBoundLogger) -> None:
        self.name = name
        self.reader = reader
        self._clock = clock
        self._log = log
        self._throttled = ThrottledLog(log, clock)

    @property
    def counts(self) -> Mapping[str, int]:
        """Lines by what became of them."""
        return self.reader.counts

    @abstractmethod
    async def open(self) -> None:
        """Make ready to listen."""

    @abstractmethod
    async def run(self, deliver: Deliver) -> None:
        """Hand over what arrives."""

    @abstractmethod
    async def close(self) -> None:
        """Give everything back."""

    async def _read(self, stream: asyncio.StreamReader, deliver: Deliver) -> None:
        """Hand over what a stream brings until it ends."""
        rest = b""
        skipping = False
        while chunk := await stream.read(_CHUNK_SIZE):
            *lines, rest = (rest + chunk).split(b"\n")
            if skipping and lines:
                del lines[0]
                skipping = False
            if len(rest) > LINE_SIZE_MAX or skipping:
                if not skipping:
                    self._bad("too_long", f"longer than {LINE_SIZE_MAX} bytes")
                skipping = True
                rest = b""
            await self._hand_over(lines, deliver)
        await self._hand_over([rest], deliver)

    async def _hand_over(self, lines: Sequence[bytes], deliver: Deliver) -> None:
        now_ms = self._clock.now_ms()
        arrivals = []
        for line in lines:
            if not line.strip():
                continue
            if len(line) > LINE_SIZE_MAX:
                self._bad("too_long", f"longer than {LINE_SIZE_MAX} bytes")
                continue
            try:
                arrival = self.reader.read(line, now_ms)
            except BadLine as error:
                self._tell(error.kind, str(error))
                continue
            if arrival is not None:
                arrivals.append(arrival)
        if arrivals:
            await deliver(arrivals)

    def _bad(self, kind: str, sentence: str) -> None:
        self.reader.counts["lines"] += 1
        self.reader.counts[kind] += 1
        self._tell(kind, sentence)

    def _tell(self, kind: str, sentence: str) -> None:
        self._throttled.warning(f"jsonlines.{kind}", f"sensor {self.name}: a line was {sentence}", sensor=self.name)


class JsonLinesCommand(JsonLines):
    """
    Run a program and read what it prints.

    Args:
        name: The sensor's name in the configuration.
        reader: Understands its lines.
        clock: Gives the time of arrival.
        log: Where people read about bad lines, and what the program says on stderr.
        command: The program and its arguments. They are not logged: they may hold a password.
    """

    def __init__(
        self,
        name: str,
        reader: LineReader,
        clock: Clock,
        log: structlog.typing.FilteringBoundLogger,
        *,
        command: Sequence[str],
    ) -> None:
        super().__init__(name, reader, clock, log)
        self._command = command
        self._stderr = ThrottledLog(log, clock, burst=_STDERR_LINES_MAX)

    async def open(self) -> None:
        """Do nothing: the program is started by `run`."""

    async def run(self, deliver: Deliver) -> None:
        """
        Run the program until it ends.

        Raises:
            SourceEnded: When it has, or if it cannot be started.
        """
        program = self._command[0]
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                process_group=0,
            )
        except OSError as error:
            raise SourceEnded(
                f"{program} cannot be started: {error.strerror}",
                "install it, or write its whole path in `command`",
            ) from error
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._log_stderr(program, process.stderr))
                group.create_task(self._read(process.stdout, deliver))
            with contextlib.suppress(TimeoutError):  # it may have closed its output and live on, of no use to us
                await asyncio.wait_for(process.wait(), _TERMINATION_S_MAX)
        finally:
            await _terminate(process)
        raise SourceEnded(_ending(program, process.returncode), f"run {program} by hand and see what it says")

    async def close(self) -> None:
        """Do nothing: the program ends with `run`."""

    async def _log_stderr(self, program: str, stderr: asyncio.StreamReader) -> None:
        while chunk := await stderr.read(_CHUNK_SIZE):
            for line in chunk.decode(errors="replace").splitlines():
                self._stderr.warning("jsonlines.stderr", f"{program}: {line[:500]}", sensor=self.name)


class JsonLinesListener(JsonLines):
    """
    Listen on a loopback port or a Unix socket, and read what clients write.

    Args:
        name: The sensor's name in the configuration.
        reader: Understands its lines.
        clock: Gives the time of arrival.
        log: Where people read about bad lines.
        listen: ``host:port``, ``[host]:port``, or the absolute path of a socket.
    """

    def __init__(
        self,
        name: str,
        reader: LineReader,
        clock: Clock,
        log: structlog.typing.FilteringBoundLogger,
        *,
        listen: str,
    ) -> None:
        super().__init__(name, reader, clock, log)
        self._listen = listen
        self._socket: socket.socket | None = None
        self._clients_count = 0

    @property
    def address(self) -> str | tuple[str, int]:
        """Where it listens: the path, or host and port; after `open`."""
        assert self._socket is not None
        name = self._socket.getsockname()
        return name if isinstance(name, str) else (name[0], name[1])

    async def open(self) -> None:
        """
        Take the port or the path; clients are served by `run`.

        Raises:
            UnavailableError: If it is taken, or the folder is missing or not ours.
        """
        try:
            self._socket = _listen_unix(self._listen) if self._listen.startswith("/") else _listen_tcp(self._listen)
        except OSError as error:
            raise UnavailableError(
                f"sensor {self.name} cannot listen on {self._listen}: {error.strerror}",
                "another program has it, or its folder is missing or not writable; change `listen` or stop the other",
            ) from error
        self._socket.setblocking(False)

    async def run(self, deliver: Deliver) -> None:
        """Serve clients until cancelled."""
        assert self._socket is not None
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            while True:
                try:
                    client, _ = await loop.sock_accept(self._socket)
                except OSError as error:  # out of file descriptors, or the client has gone again
                    self._throttled.warning("jsonlines.accept_failed", f"sensor {self.name}: {error.strerror}")
                    await self._clock.sleep(1.0)
                    continue
                if self._clients_count < CLIENTS_MAX:
                    group.create_task(self._serve(client, deliver))
                else:
                    client.close()
                    self._throttled.warning(
                        "jsonlines.turned_away", f"sensor {self.name} has {CLIENTS_MAX} clients already"
                    )

    async def close(self) -> None:
        """Stop listening, and remove a socket's path."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            _remove(self._listen)

    async def _serve(self, client: socket.socket, deliver: Deliver) -> None:
        self._clients_count += 1
        stream, writer = await asyncio.open_connection(sock=client, limit=_CHUNK_SIZE)
        try:
            await self._read(stream, deliver)
        except ConnectionError as error:
            self._throttled.warning("jsonlines.client_lost", f"sensor {self.name}: a client broke off: {error}")
        finally:
            writer.close()
            self._clients_count -= 1


def _listen_tcp(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, int(port)), family=family, backlog=CLIENTS_MAX)


def _listen_unix(path: str) -> socket.socket:
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(Path(path).stat().st_mode) and not _answers(path):
            _remove(path)  # left behind by a process that was killed
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(path)
        Path(path).chmod(0o660)
        listener.listen(CLIENTS_MAX)
    except OSError:
        listener.close()
        raise
    return listener


def _remove(address: str) -> None:
    if address.startswith("/"):
        Path(address).unlink(missing_ok=True)


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(path) == 0


async def _terminate(process: asyncio.subprocess.Process) -> None:
    """End a program and all that it started: first politely, then not."""
    for signum in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signum)
        try:
            await asyncio.wait_for(process.wait(), _TERMINATION_S_MAX)
        except TimeoutError:
            continue
        return


def _ending(program: str, returncode: int | None) -> str:
    if returncode is not None and returncode < 0:
        return f"{program} was ended by {signal.Signals(-returncode).name}"
    return f"{program} ended with exit code {returncode}"
