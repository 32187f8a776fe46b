"""
A simulated GPIO chip, for benches, the demo and tests: contacts that close for a while, and bounce as contacts do.

    chip = SimulatedGpio()
    chip.pulse(17, width_s=0.1, bounces=50, bounce_s=0.02)     a tip of the bucket, over by now

Its lines obey what the kernel does (Linux, drivers/gpio/gpiolib-cdev.c): edges are stamped when they are, wait in a
buffer of limited size, of which the oldest give way, and carry numbers that tell. A real file descriptor becomes
readable. A line has one owner; a chip can be unplugged.

With a path it can be pulsed from outside: it listens there on a Unix socket for datagrams, a JSON object each with the
arguments of `pulse`, ``{"line": 17, "width_s": 0.1}``, and answers ``ok`` once the edges wait to be read. It
listens as long as any line is requested.
"""

import asyncio
import contextlib
import errno
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from weatherd.model import Edge

LINES = 54
"""As many as the chip of a Pi 4 has (BCM2711 ARM peripherals, section 5.2)."""

EVENTS_MAX = 1024
"""Edges that the kernel keeps for a line at most, when it is asked for as many."""

READ_MAX = 128
"""Edges that one read takes."""

_PULSE_SIZE_MAX = 1024


class Pulse(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    One closure of a contact.

    Attributes:
        line: From 0.
        width_s: From its first closing to the beginning of its opening.
        bounces: Edges each time that it closes or opens, instead of a single one; one more if the number is even.
        bounce_s: How long each bouncing lasts.
    """

    line: int
    width_s: float = 0.1
    bounces: int = 1
    bounce_s: float = 0.0

    @property
    def duration_s(self) -> float:
        """From the first edge to the last."""
        return self.width_s + self.bounce_s

    def edges(self) -> Sequence[tuple[float, bool]]:
        """Return seconds from the beginning, and whether the contact is open after, of each edge."""
        count = 2 * (self.bounces // 2) + 1  # an odd number, or it would end as it began
        pause_s = self.bounce_s / max(count - 1, 1)
        closing = [(number * pause_s, number % 2 == 1) for number in range(count)]
        return closing + [(self.width_s + after_s, not is_open) for after_s, is_open in closing]


class SimulatedGpio:
    """
    A chip whose contacts can be closed.

    Args:
        path: Of the socket to listen at; None for none.
        monotonic_ns: Nanoseconds that never go back.
        events_max: Edges that wait at most for one who reads: the kernel's default is 16.

    Attributes:
        taken: Lines that others have, with their names.
        unplugged: Whether the chip has gone.
    """

    name = "the simulated chip"

    def __init__(
        self,
        path: Path | None = None,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        events_max: int = EVENTS_MAX,
    ) -> None:
        self.taken: dict[int, str] = {}
        self.unplugged = False
        self._path = path
        self._monotonic_ns = monotonic_ns
        self._events_max = events_max
        self._requests: dict[int, SimulatedRequest] = {}
        self._is_open = dict.fromkeys(range(LINES), True)
        self._socket: socket.socket | None = None

    def request(self, line: int, consumer: str) -> "SimulatedRequest":
        """Make a line the caller's. Raises OSError as the kernel does."""
        if self.unplugged:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        if line not in self._is_open:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        if line in self.taken:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        if self._path is not None and self._socket is None:
            self._socket = self._listen(self._path)
        self.taken[line] = consumer
        self._requests[line] = SimulatedRequest(self, line, self._events_max)
        return self._requests[line]

    def consumer(self, line: int) -> str:
        """Return who has a line; nothing if nobody has."""
        return self.taken.get(line, "")

    def is_open(self, line: int) -> bool:
        """Tell whether a contact is open."""
        return self._is_open[line]

    def pulse(self, line: int, *, width_s: float = 0.1, bounces: int = 1, bounce_s: float = 0.0) -> None:
        """
        Close a contact for a while that is over now: its last edge is at this moment.

        Args:
            line: From 0.
            width_s: How long.
            bounces: Edges each time that it closes or opens, instead of a single one; one more if the number is even.
            bounce_s: How long each bouncing lasts.
        """
        pulse = Pulse(line, width_s, bounces, bounce_s)
        began_ns = self._monotonic_ns() - round(pulse.duration_s * 1e9)
        for after_s, is_open in pulse.edges():
            self.edge(line, is_open=is_open, at_ns=began_ns + round(after_s * 1e9))

    def edge(self, line: int, *, is_open: bool, at_ns: int | None = None) -> None:
        """Let a contact open or close, now or at a time. Raises ValueError if there is no such line."""
        if line not in self._is_open:
            raise ValueError(f"there is no line {line}")
        self._is_open[line] = is_open
        if line in self._requests:
            self._requests[line].add(self._monotonic_ns() if at_ns is None else at_ns, is_open=is_open)

    def unplug(self) -> None:
        """Let the chip go: whoever waits for its edges is told, and no line can be requested until it is back."""
        self.unplugged = True
        for request in self._requests.values():
            request.wake()

    def plug_in(self) -> None:
        """Let the chip be back."""
        self.unplugged = False

    def forget(self, line: int) -> None:
        """Take a line back from the one who had it."""
        del self._requests[line], self.taken[line]
        if not self._requests and self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def _listen(self, path: Path) -> socket.socket:
        """Listen for pulses. Raises OSError if the path cannot be had."""
        path.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            listening.bind(os.fspath(path))
        except OSError:
            listening.close()
            raise
        asyncio.get_running_loop().add_reader(listening, self._hear, listening)
        return listening

    def _hear(self, listening: socket.socket) -> None:
        message, sender = listening.recvfrom(_PULSE_SIZE_MAX)
        try:
            pulse = msgspec.json.decode(message, type=Pulse)
            self.pulse(pulse.line, width_s=pulse.width_s, bounces=pulse.bounces, bounce_s=pulse.bounce_s)
            answer = b"ok"
        except (msgspec.DecodeError, ValueError) as error:
            answer = f"no pulse: {error}".encode()
        if sender:
            with contextlib.suppress(OSError):  # who asked is gone, and does not want to know
                listening.sendto(answer, sender)


class SimulatedRequest:
    """A line of the simulated chip, with the edges that wait."""

    def __init__(self, chip: SimulatedGpio, line: int, events_max: int) -> None:
        self._chip = chip
        self._line = line
        self._edges: deque[Edge] = deque(maxlen=events_max)  # the oldest give way
        self._seqno = 0
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def is_open(self) -> bool:
        """Tell whether the contact is open now."""
        self._look()
        return self._chip.is_open(self._line)

    def read(self) -> Sequence[Edge]:
        """Return the oldest edges that wait, at most 128."""
        self._look()
        edges = [self._edges.popleft() for _ in range(min(len(self._edges), READ_MAX))]
        if not self._edges:
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self.fd)
        return edges

    def release(self) -> None:
        """Give the line back."""
        os.close(self.fd)
        self._chip.forget(self._line)

    def add(self, at_ns: int, *, is_open: bool) -> None:
        """Let an edge wait to be read."""
        self._seqno += 1
        self._edges.append(Edge(at_ns, is_open, self._seqno))
        self.wake()

    def wake(self) -> None:
        """Let the file descriptor be readable."""
        os.eventfd_write(self.fd, 1)

    def _look(self) -> None:
        if self._chip.unplugged:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
