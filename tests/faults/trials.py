"""
A trial: the real daemon as a process, a program that writes numbered lines to it, a far end, and the account of both.

Each line is one observation, and its number comes along as a label; so what is at the far end can be told from what is
not. The station owes what it has read from the socket and so observed; if it is killed, only what it had read a tenth
of a second before.
"""

import asyncio
import contextlib
import fcntl
import itertools
import math
import os
import random
import socket
import struct
import termios
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, Self

import msgspec

from tests.end_to_end.stations import RunningStation, eventually, station
from tests.faults.reporting import Figures
from weatherd.testing.logstash import Accept, LogstashStandIn

OWED_AFTER_S = 0.1
"""What was observed so long before a kill -9 must survive it."""

COUNTER = """
[[sensors]]
name = "counter"
driver = "jsonlines"
listen = "{folder}/in.sock"
report_period_s = 0
labels = ["n", "noise"]

[sensors.quantities]
air_pressure = "p"
"""

_TICK_S = 0.01
_LINES_MAX = 400
"""Lines that the program writes at once: after it had to wait, it catches up little by little."""


class _Event(msgspec.Struct):
    id: str
    action: str | None = None


class _Labels(msgspec.Struct):
    n: int | None = None


class _Document(msgspec.Struct):
    event: _Event
    labels: _Labels = msgspec.field(default_factory=_Labels)


_decoder = msgspec.json.Decoder(_Document, strict=False)


def number_of(document: bytes) -> int | None:
    """Return the number of the observation that a document is of."""
    return _decoder.decode(document).labels.n


class FarEnd(LogstashStandIn):
    """The stand-in, which knows the observations by their numbers."""

    def __init__(self, **options: Any) -> None:
        super().__init__(keep_events_max=0, keep_documents_max=10_000_000, keep_requests_max=1, **options)
        self._ids: dict[int, set[str]] = {}
        self._told: set[str] = set()
        self._seen_count = 0

    @property
    def is_up(self) -> bool:
        """Whether it listens."""
        return self._server is not None

    def arrived(self) -> Mapping[int, set[str]]:
        """Return the ids under which each observation has come."""
        for document in itertools.islice(self._documents.values(), self._seen_count, None):
            found = _decoder.decode(document)
            if found.labels.n is not None:
                self._ids.setdefault(found.labels.n, set()).add(found.event.id)
            elif found.event.action is not None:
                self._told.add(found.event.action)
        self._seen_count = len(self._documents)
        return self._ids

    def told(self) -> AbstractSet[str]:
        """Return the actions of the events that have come."""
        self.arrived()
        return self._told

    def copy(self) -> "FarEnd":
        """Return another far end, at another place, that has what this one has."""
        other = FarEnd()
        other._documents.update(self._documents)
        return other


class Account:
    """
    What the station owes.

    Attributes:
        owed: Numbers of observations that must arrive.
        young_count: Observations that were too young to be owed when the station was killed.
    """

    def __init__(self) -> None:
        self.owed: set[int] = set()
        self.young_count = 0
        self._next = 1
        self._first = 1
        self._read: list[tuple[float, int]] = []

    def numbers(self, count: int) -> range:
        """Return the next numbers."""
        numbers = range(self._next, self._next + count)
        self._next += count
        return numbers

    def note_read(self) -> None:
        """Note that the station has read everything that was written so far."""
        last = self._next - 1
        if not self._read or self._read[-1][1] != last:
            self._read.append((time.monotonic(), last))

    def read_until(self, until_s: float) -> range:
        """Return what the running station has read until a time."""
        lasts = [last for read_s, last in self._read if read_s <= until_s]
        return range(self._first, (lasts[-1] if lasts else self._first - 1) + 1)

    def end(self, until_s: float = math.inf) -> None:
        """Let what was read until then be owed; the next run begins with a new number."""
        read, owed = self.read_until(math.inf), self.read_until(until_s)
        self.owed.update(owed)
        self.young_count += len(read) - len(owed)
        self._first = self._next
        self._read.clear()

    def copy(self, now_s: float, until_s: float) -> "Account":
        """Return the account of a station that ended a moment ago; what was read until then is owed."""
        other = Account()
        other.owed = self.owed.union(self.read_until(until_s))
        other.young_count = self.young_count + len(self.read_until(now_s)) - len(self.read_until(until_s))
        other._next = other._first = self._next
        return other

    def missing(self, arrived: Iterable[int]) -> set[int]:
        """Return what is owed and has not arrived."""
        return self.owed.difference(arrived)


class Trial:
    """
    One station with one fault.

    Args:
        fault: What is done to it, for the table.
        sink: How the far end is at the beginning: "up", or "down" (nobody listens), or what happens to it.
        folder: For configuration, log and socket.
        runtime: The runtime folder.
        rate: Lines a second.
        report: Takes the figures.
        far_end: Not started yet; an ordinary one by default.
        noise_size: Bytes of each line that cannot be compressed much.
        settings: For every start, as `stations.station` takes them.
    """

    def __init__(
        self,
        fault: str,
        sink: str,
        *,
        folder: Path,
        runtime: Path,
        report: list[Figures],
        rate: float = 50.0,
        far_end: FarEnd | None = None,
        noise_size: int = 0,
        **settings: Any,
    ) -> None:
        self.fault = fault
        self.sink = sink
        self.folder = folder
        self.runtime = runtime
        self.rate = rate
        self.far_end = far_end or FarEnd()
        self.account = Account()
        self.settings = settings
        self.excused: set[int] = set()
        self.quarantined_count = 0
        self.remark = ""
        self._report = report
        self._noise = random.Random(0)
        self._noise_size = noise_size

    async def __aenter__(self) -> Self:
        await self.far_end.start()
        if self.sink == "down":
            await self.far_end.stop()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.far_end.stop()

    @contextlib.asynccontextmanager
    async def station(self, *, write: bool = True, **settings: Any) -> AsyncIterator[RunningStation]:
        """Start the station, and write to it until it ends; what is still running at the end is killed."""
        settings = {"sensors": COUNTER, "url": self.far_end.url, **self.settings, **settings}
        async with station(self.folder, runtime=self.runtime, **settings) as running:
            await self._until_ready(running)
            writing = asyncio.create_task(self._write()) if write else None
            try:
                yield running
                if running.process.returncode is None:
                    await self.kill(running)
            finally:
                if writing is not None:
                    writing.cancel()
                    await asyncio.gather(writing, return_exceptions=True)
        assert (self.folder / "errors").read_text() == ""

    async def _until_ready(self, running: RunningStation) -> None:
        waiting = [asyncio.ensure_future(running.wait_for("READY=1")), asyncio.ensure_future(running.process.wait())]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        ready = waiting[0].done() and waiting[0].exception() is None
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        if not ready:
            log, errors = (self.folder / "log").read_text(), (self.folder / "errors").read_text()
            raise AssertionError(f"the station does not start ({running.process.returncode}):\n{log[-3000:]}{errors}")

    async def kill(self, running: RunningStation) -> None:
        """Kill the station at this moment."""
        killed_s = time.monotonic()
        await running.kill()
        self.account.end(killed_s - OWED_AFTER_S)

    async def stop(self, running: RunningStation, timeout_s: float = 30.0) -> None:
        """Stop the station in good order."""
        assert await running.stop(timeout_s=timeout_s) == 0
        self.account.end()

    async def until_read(self, count: int, timeout_s: float = 60.0) -> None:
        """Wait until this run of the station has read so many observations; a busy machine takes its time."""
        await eventually(lambda: len(self.account.read_until(math.inf)) >= count, timeout_s)

    async def until_delivered(self, timeout_s: float = 20.0) -> None:
        """Wait until everything that is owed, and what was read until now, has arrived; the figures tell if not."""
        owed = self.account.owed.union(self.account.read_until(time.monotonic()))
        with contextlib.suppress(TimeoutError):
            await eventually(lambda: owed <= self.far_end.arrived().keys() | self.excused, timeout_s)

    async def settle(self, timeout_s: float = 20.0) -> None:
        """Let the far end be well, start the station once more, and settle the account."""
        await self.mend_far_end()
        async with self.station(write=False) as running:
            await self.until_delivered(timeout_s)
            await self.stop(running)
        self.conclude()

    async def mend_far_end(self) -> None:
        """Let the far end listen, and take what comes."""
        self.far_end.behave(Accept())
        if not self.far_end.is_up:
            await self.far_end.start()

    def conclude(self) -> None:
        """Report the figures, and check them."""
        self._report.append(self.figures())
        assert self.account.owed, "nothing was observed"
        self.check()

    def check(self) -> None:
        """Check that nothing is lost, and nothing is there twice."""
        figures = self.figures()
        missing = sorted(self.account.missing(self.far_end.arrived()) - self.excused)
        assert len(missing) <= self.quarantined_count, f"lost {len(missing)}: {spans(missing)}; {figures}"
        assert figures.duplicate_ids == 0, figures

    def figures(self) -> Figures:
        """Return how it stands."""
        arrived = self.far_end.arrived()
        missing = self.account.missing(arrived)
        remarks = [self.remark] if self.remark else []
        if self.account.young_count:
            remarks.append(f"{self.account.young_count:,} too young")
        if self.quarantined_count:
            remarks.append(f"{self.quarantined_count:,} in quarantine")
        return Figures(
            self.fault,
            self.sink,
            observed=len(self.account.owed.union(arrived)),
            delivered=len(arrived),
            lost=len(missing) - self.quarantined_count,
            duplicate_ids=self.far_end.conflicts_count + sum(len(ids) - 1 for ids in arrived.values()),
            sent_twice=self.far_end.duplicates_count - self.far_end.conflicts_count,
            remark="; ".join(remarks),
        )

    async def _write(self) -> None:
        """Be the program that writes lines, until the station ends."""
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX) as channel, contextlib.suppress(ConnectionError):
            channel.setblocking(False)
            await loop.sock_connect(channel, os.fspath(self.folder / "in.sock"))
            due_s = time.monotonic()
            while True:
                count = min(max(0, math.ceil((time.monotonic() - due_s) * self.rate)), _LINES_MAX)
                if count:
                    due_s += count / self.rate
                    await loop.sock_sendall(channel, b"".join(map(self._line, self.account.numbers(count))))
                await asyncio.sleep(_TICK_S)
                if _has_read_all(channel):
                    self.account.note_read()

    def _line(self, number: int) -> bytes:
        noise = self._noise.randbytes(self._noise_size // 2).hex().encode()
        return b'{"n": %d, "p": %d, "noise": "%s"}\n' % (number, 950 + number % 100, noise)


def _has_read_all(channel: socket.socket) -> bool:
    """
    Tell whether the other side has read everything, and is still there: when it goes, what it has not read goes, too.

    Source:
        unix(7), SIOCOUTQ: "the amount of unsent data", which for these is what the other side has not read.
    """
    (unread,) = struct.unpack("i", fcntl.ioctl(channel, termios.TIOCOUTQ, bytes(4)))
    if unread:
        return False
    try:
        channel.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    return False


def moments(count: int, least_s: float, most_s: float, seed: int) -> Sequence[float]:
    """Return random moments; the same for the same seed."""
    chance = random.Random(seed)
    return [chance.uniform(least_s, most_s) for _ in range(count)]


def spans(numbers: Sequence[int]) -> str:
    """Return numbers as text, neighbours together."""
    parts: list[str] = []
    for _, group in itertools.groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        members = [number for _, number in group]
        parts.append(f"{members[0]}-{members[-1]}" if len(members) > 1 else str(members[0]))
    return ", ".join(parts)
