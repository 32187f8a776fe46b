"""
The `jsonlines` driver: any program that prints JSON lines, or writes them to a socket of ours.

    command ─ its stdout ─┐                     ┌─> LineReader of one sensor ─────┐
    TCP or Unix socket ───┴─> lines, bounded ───┴─> LineReader of another sensor ─┴─> arrivals, a chunk at a time

One stream may tell about many sensors: a receiver on the roof hears all transmitters around, and there is only one.

A program is started without a shell, in a process group of its own; what it says on stderr goes to our log at a bounded
rate. When it ends, what it has started and left behind is ended too, and what they had printed is still read.

Nothing more is read while the last lines have found no place in the queue, so the pipe or the socket fills up and the
writer waits. Bytes are taken from the kernel only when there is room for what is in them, and not through asyncio's
streams: those read ahead, and when a client breaks off they throw away what it had sent before.
"""

import asyncio
import contextlib
import errno
import os
import signal
import socket
import stat
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

import structlog

from weatherd.errors import SourceEnded, UnavailableError
from weatherd.model import Arrival
from weatherd.ports import Clock
from weatherd.sensors.lines import BadLine, LineReader, LineSplitter, decoded
from weatherd.sensors.matching import Matching
from weatherd.throttling import ThrottledLog

LINE_SIZE_MAX = 65_536
"""Bytes of one line; a longer one is skipped and counted."""

CLIENTS_MAX = 64
"""Clients of one socket; one more is turned away."""

_CHUNK_SIZE = 32_768  # read at once
_LINES_MAX = 128  # parsed without a break for others: a few milliseconds on a Pi 3
_STDERR_LINES_MAX = 30  # logged a minute
_STDERR_LENGTH_MAX = 500  # of one line
_TERMINATION_S_MAX = 2.0  # from SIGTERM to SIGKILL
_NOBODYS = frozenset({"not_json", "too_long"})
_OOM_SCORE, _OOM_SCORE_MAX = 500, 1000  # a program counts half of all the memory more than we (proc(5), oom_score_adj)
_GROUP_PERIOD_S = 0.02  # how often is asked whether all that a program has started is gone

Deliver = Callable[[Mapping[str, Sequence[Arrival]]], Awaitable[None]]
Read = Callable[[int], Awaitable[bytes]]
"""Waits for bytes and returns at most so many, none at the end of the stream."""


class JsonLines(ABC):
    """
    What both ways have in common: a stream of bytes becomes arrivals.

    Args:
        readers: By the sensor's name in the configuration, who understands its lines; at least one.
        clock: Gives the time of arrival.
        log: Where people read about bad lines.
    """

    def __init__(
        self, readers: Mapping[str, LineReader], clock: Clock, log: structlog.typing.FilteringBoundLogger
    ) -> None:
        self.name = ", ".join(readers)
        self._readers = readers
        self._matching = Matching({sensor: reader.match for sensor, reader in readers.items()})
        self._lines_count = 0
        self._clock = clock
        self._log = log
        self._throttled = ThrottledLog(log, clock)
        self._unread: list[bytes] = []

    @property
    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """By sensor, its lines by what became of them."""
        return {sensor: self._counts(reader) for sensor, reader in self._readers.items()}

    @abstractmethod
    async def open(self) -> None:
        """Make ready to listen."""

    @abstractmethod
    async def run(self, deliver: Deliver) -> None:
        """Hand over what arrives."""

    @abstractmethod
    async def close(self) -> None:
        """Give everything back."""

    async def _read(self, read: Read, deliver: Deliver) -> None:
        """Hand over what a stream brings until it ends."""
        splitter = LineSplitter(LINE_SIZE_MAX, self._too_long)
        handled_count = 0
        while chunk := await read(_CHUNK_SIZE):
            lines = splitter.feed(chunk)
            await self._hand_over(lines, deliver)
            # Neither reading nor delivering lets others run while there is always more to read.
            handled_count += 1 + len(lines)
            if handled_count >= _LINES_MAX:
                handled_count = 0
                await asyncio.sleep(0)
        await self._hand_over(splitter.finish(), deliver)

    def rest(self) -> Mapping[str, Sequence[Arrival]]:
        """Return what had been read but not handed over when `run` was cancelled."""
        lines, self._unread = self._unread, []
        return self._understand(lines)

    async def _hand_over(self, lines: Sequence[bytes], deliver: Deliver) -> None:
        piece_size = max(1, _LINES_MAX // self._matching.count_max)
        done_count = 0
        try:
            while done_count < len(lines):
                if done_count:
                    await asyncio.sleep(0)
                arrivals = self._understand(lines[done_count : done_count + piece_size])
                done_count += piece_size
                if arrivals:
                    await deliver(arrivals)
        except asyncio.CancelledError:
            self._unread += lines[done_count:]
            raise

    def _understand(self, lines: Sequence[bytes]) -> Mapping[str, Sequence[Arrival]]:
        now_ms = self._clock.now_ms()
        arrivals: dict[str, list[Arrival]] = {}
        for record in self._decode(lines):
            for sensor in self._matching.sensors(record):
                tell = partial(self._tell, sensor)
                try:
                    arrival = self._readers[sensor].read(record, now_ms, tell)
                except BadLine as error:
                    tell(error.kind, str(error))
                    continue
                if arrival is not None:
                    arrivals.setdefault(sensor, []).append(arrival)
        return arrivals

    def _counts(self, reader: LineReader) -> Mapping[str, int]:
        """Return what a reader has counted, and the lines that were not even shown to it."""
        counts = reader.counts
        not_shown = self._lines_count - counts["lines"]
        return counts + Counter(lines=not_shown, not_matched=not_shown)

    def _decode(self, lines: Sequence[bytes]) -> Sequence[Mapping[str, Any]]:
        records = []
        for line in lines:
            if not line or line.isspace():
                continue
            try:
                records.append(decoded(line))
            except BadLine as error:
                self._refuse(error)
        self._lines_count += len(records)
        return records

    def _too_long(self) -> None:
        self._refuse(BadLine("too_long", f"longer than {LINE_SIZE_MAX} bytes"))

    def _refuse(self, error: BadLine) -> None:
        self._lines_count += 1
        for sensor, reader in self._readers.items():
            reader.refuse(error)
            self._tell(sensor, error.kind, str(error))

    def _tell(self, sensor: str, kind: str, sentence: str) -> None:
        # What nobody can read is the same line for every sensor; the rest is each one's own.
        whose = "" if kind in _NOBODYS else sensor
        self._throttled.warning(
            f"jsonlines.{kind}", f"sensor {sensor}: a line was {sentence}", whose=whose, sensor=sensor
        )


class JsonLinesCommand(JsonLines):
    """
    Run a program and read what it prints.

    Args:
        readers: By the sensor's name in the configuration, who understands its lines; at least one.
        clock: Gives the time of arrival.
        log: Where people read about bad lines, and what the program says on stderr.
        command: The program and its arguments. They are not logged: they may hold a password.
    """

    def __init__(
        self,
        readers: Mapping[str, LineReader],
        clock: Clock,
        log: structlog.typing.FilteringBoundLogger,
        *,
        command: Sequence[str],
    ) -> None:
        super().__init__(readers, clock, log)
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
        with contextlib.ExitStack() as stack:
            process, output, errors = await self._start(stack)
            try:
                await self._follow(process, output, errors, deliver)
            finally:
                await _terminate(process)
        program = self._command[0]
        raise SourceEnded(_ending(program, process.returncode), f"run {program} by hand and see what it says")

    async def close(self) -> None:
        """Do nothing: the program ends with `run`."""

    async def _start(self, stack: contextlib.ExitStack) -> "tuple[asyncio.subprocess.Process, _Pipe, _Pipe]":
        try:
            output, errors = stack.enter_context(_Pipe()), stack.enter_context(_Pipe())
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output.writing_end,
                stderr=errors.writing_end,
                process_group=0,
            )
        except OSError as error:
            raise SourceEnded(
                f"{self._command[0]} cannot be started: {error.strerror}",
                "install it, or write its whole path in `command`",
            ) from error
        _let_go_first(process.pid)
        output.close_writing_end()
        errors.close_writing_end()
        return process, output, errors

    async def _follow(
        self, process: asyncio.subprocess.Process, output: "_Pipe", errors: "_Pipe", deliver: Deliver
    ) -> None:
        """Read until the program has ended, or has closed its output and is of no use any more; then read the rest."""
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(self._read(output.read, deliver))
            logging = group.create_task(self._log_stderr(errors.read))
            exiting = group.create_task(process.wait())
            await asyncio.wait({reading, exiting}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({exiting}, timeout=_TERMINATION_S_MAX)
            await _terminate(process)
            output.finish()
            errors.finish()
            await asyncio.wait({logging}, timeout=_TERMINATION_S_MAX)
            logging.cancel()

    async def _log_stderr(self, read: Read) -> None:
        splitter = LineSplitter(LINE_SIZE_MAX, partial(self._log_lines, [b"(a line that is too long for the log)"]))
        while chunk := await read(_CHUNK_SIZE):
            lines = splitter.feed(chunk)
            for start in range(0, len(lines), _LINES_MAX):
                self._log_lines(lines[start : start + _LINES_MAX])
                await asyncio.sleep(0)
        self._log_lines(splitter.finish())

    def _log_lines(self, lines: Sequence[bytes]) -> None:
        for line in lines:
            text = line.decode(errors="replace").strip()[:_STDERR_LENGTH_MAX]
            if text:
                self._stderr.warning("jsonlines.stderr", f"{self._command[0]}: {text}", sensor=self.name)


class JsonLinesListener(JsonLines):
    """
    Listen on a loopback port or a Unix socket, and read what clients write.

    Args:
        readers: By the sensor's name in the configuration, who understands its lines; at least one.
        clock: Gives the time of arrival.
        log: Where people read about bad lines.
        listen: Host and port, or the path of a Unix socket; a port of 0 takes a free one.
    """

    def __init__(
        self,
        readers: Mapping[str, LineReader],
        clock: Clock,
        log: structlog.typing.FilteringBoundLogger,
        *,
        listen: Path | tuple[str, int],
    ) -> None:
        super().__init__(readers, clock, log)
        self._listen = listen
        self._socket: socket.socket | None = None
        self._file: tuple[int, int] | None = None
        self._clients: set[socket.socket] = set()

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
            self._socket = _listen_unix(self._listen) if isinstance(self._listen, Path) else _listen_tcp(*self._listen)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            if isinstance(self._listen, Path):
                where = str(self._listen)
                hint = "another program has it, or its folder is missing or not writable: change `listen`, or mend that"
            else:
                where = ":".join(map(str, self._listen))
                hint = "another program has this port: change `listen`, or stop the other"
            raise UnavailableError(f"sensor {self.name} cannot listen on {where}: {reason}", hint) from error
        self._socket.setblocking(False)
        self._file = _file(self._listen) if isinstance(self._listen, Path) else None

    async def run(self, deliver: Deliver) -> None:
        """Serve clients until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                client = await self._accept()
                if client is not None:
                    self._clients.add(client)
                    group.create_task(self._serve(client, deliver)).add_done_callback(partial(self._forget, client))
                await asyncio.sleep(0)

    async def close(self) -> None:
        """Stop listening, and remove a socket's path, unless it is somebody else's by now."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            if isinstance(self._listen, Path) and self._file == _file(self._listen):
                _remove(self._listen)

    async def _accept(self) -> socket.socket | None:
        """Wait for a client; None if it was turned away, or has gone again."""
        assert self._socket is not None
        try:
            client, _ = await asyncio.get_running_loop().sock_accept(self._socket)
        except OSError as error:  # out of file descriptors, or the client has gone again
            self._throttled.warning(
                "jsonlines.accept_failed", f"sensor {self.name} cannot take a client: {error.strerror}"
            )
            await self._clock.sleep(1.0)
            return None
        if len(self._clients) >= CLIENTS_MAX:
            client.close()
            self._throttled.warning("jsonlines.turned_away", f"sensor {self.name} has {CLIENTS_MAX} clients already")
            return None
        client.setblocking(False)
        return client

    async def _serve(self, client: socket.socket, deliver: Deliver) -> None:
        readiness = _Readiness(client.fileno())
        try:
            await self._read(partial(readiness.read, client.recv), deliver)
        except (ConnectionError, TimeoutError) as error:
            self._throttled.warning("jsonlines.client_lost", f"sensor {self.name}: a client broke off: {error}")
        finally:
            readiness.close()

    def _forget(self, client: socket.socket, _: asyncio.Task[None]) -> None:
        self._clients.discard(client)
        client.close()


class _Pipe:
    """A pipe that a program writes to; ours is the end that is read."""

    def __init__(self) -> None:
        self._reading_end, self.writing_end = os.pipe()
        os.set_blocking(self._reading_end, False)
        self._readiness = _Readiness(self._reading_end)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._readiness.close()
        os.close(self._reading_end)
        self.close_writing_end()

    def close_writing_end(self) -> None:
        """Leave the writing end to the program, so that the stream ends with it."""
        if self.writing_end >= 0:
            os.close(self.writing_end)
            self.writing_end = -1

    async def read(self, size: int) -> bytes:
        """Wait for bytes and return at most so many, none when every writer has gone."""
        return await self._readiness.read(partial(os.read, self._reading_end), size)

    def finish(self) -> None:
        """Let the stream end with what is in the pipe, also if a child that has escaped still holds it open."""
        self._readiness.finish()


class _Readiness:
    """
    Tells when a file may have something to read, and stays registered with the event loop from one time to the next.

    `loop.sock_recv` registers anew for each line, and takes bytes from the kernel a turn of the loop before it gives
    them out: a stop in between would lose them. While nobody waits, the file is let go, so that the kernel holds up the
    writer.

    Args:
        file: That does not block.
    """

    def __init__(self, file: int) -> None:
        self._file = file
        self._waiter: asyncio.Future[None] | None = None
        self._is_registered = False
        self._is_answered = False
        self._is_drained = False
        self._is_finished = False

    async def read(self, take: Callable[[int], bytes], size: int) -> bytes:
        """Wait for bytes and return at most so many; none at the end of the stream, or where it is finished."""
        while True:
            if self._is_drained and not self._is_finished:
                await self._wait()
            try:
                chunk = take(size)
            except BlockingIOError:
                if self._is_finished:
                    return b""
                self._is_drained = True
            else:
                self._is_drained = len(chunk) < size  # more has not come yet
                return chunk

    def finish(self) -> None:
        """Let the stream end with what is there."""
        self._is_finished = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self) -> None:
        """Let go of the file, which may be closed or waited for again then."""
        if self._is_registered:
            asyncio.get_running_loop().remove_reader(self._file)
            self._is_registered = self._is_answered = False

    async def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        if not self._is_registered:
            loop.add_reader(self._file, self._note)
            self._is_registered = True
        self._waiter = loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _note(self) -> None:
        """Wake the one who waits."""
        if self._is_answered:
            self._is_answered = False  # seen once more before the one who was woken had taken it
        elif self._waiter is None or self._waiter.done():
            self.close()
        else:
            self._waiter.set_result(None)
            self._is_answered = True


def _listen_tcp(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=CLIENTS_MAX)


def _listen_unix(path: Path) -> socket.socket:
    if _is_left_behind(path):
        _remove(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o660)
        listener.listen(CLIENTS_MAX)
    except OSError:
        listener.close()
        raise
    return listener


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _is_left_behind(path: Path) -> bool:
    """Tell whether a path is a socket that nobody listens at: its process was killed."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            return False
    except FileNotFoundError:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a listener whose backlog is full would make us wait
        return probe.connect_ex(str(path)) == errno.ECONNREFUSED


def _file(path: Path) -> tuple[int, int] | None:
    """Return what identifies a file; None if there is none."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _let_go_first(pid: int) -> None:
    """
    Let the kernel kill a program, and what it will start, before it kills the station when memory runs out.

    By itself it takes the largest process, which is the station where many small ones fill what the unit may have.
    """
    with contextlib.suppress(OSError, ValueError):  # it has ended, or nobody may say so here: then that goes by size
        ours = int(Path("/proc/self/oom_score_adj").read_text(encoding="ascii"))
        score = min(ours + _OOM_SCORE, _OOM_SCORE_MAX)
        Path(f"/proc/{pid}/oom_score_adj").write_text(f"{score}\n", encoding="ascii")


async def _terminate(process: asyncio.subprocess.Process) -> None:
    """End a program and all that it has started: first politely, then not; leave no zombie. May be called twice."""
    try:
        if _signal(process, signal.SIGTERM):
            async with asyncio.timeout(_TERMINATION_S_MAX):
                await process.wait()
                while _signal(process, 0):  # noqa: ASYNC110  -- nobody is told when a process group is gone
                    await asyncio.sleep(_GROUP_PERIOD_S)
    except TimeoutError:
        pass
    finally:
        _signal(process, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):  # one that sits in the kernel, or is not ours to kill
        await asyncio.wait_for(process.wait(), _TERMINATION_S_MAX)


def _signal(process: asyncio.subprocess.Process, number: int) -> bool:
    """Send a signal to a program and all that it has started; tell whether anybody was there."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # it runs as somebody else, as under sudo
        return True
    return True


def _ending(program: str, returncode: int | None) -> str:
    if returncode is None:
        return f"{program} cannot be ended"
    if returncode >= 0:
        return f"{program} ended with exit code {returncode}"
    try:
        return f"{program} was ended by {signal.Signals(-returncode).name}"
    except ValueError:  # a real-time signal has a number only
        return f"{program} was ended by signal {-returncode}"
