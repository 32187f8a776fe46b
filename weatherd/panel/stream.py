"""
The stream: what the journal takes, and how the station is, to every viewer at once.

One loop reads the journal behind its own seq, encodes each message once, and hands the same bytes to all viewers. It
works only while there is a viewer, and nothing that observes ever waits for it. Each viewer has a queue that is
bounded; whoever does not keep up finds a `gap` in it, and is cut off when nothing can be sent for a while.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from weatherd.errors import JournalError
from weatherd.panel.problems import Problem
from weatherd.panel.view import Message, View
from weatherd.ports import Clock
from weatherd.waiting import first_of

VIEWERS_MAX = 100

RESUMED_MAX = 1000
"""Entries that somebody who comes back is told; of more, the newest."""

QUEUE_MAX = 256
"""Messages that wait for one viewer."""

STATE_PERIOD_S = 1.0
"""Between two states at least, where something has changed."""

SIGN_PERIOD_S = 15.0
"""Between two signs of life; with them comes the state, if only its counters have changed."""

SIGN = b": the station is here\n\n"
BEGIN = b"retry: 3000\n\n"

_encoder = msgspec.json.Encoder()

_COUNTERS = {
    "sensors": ("observed_at", "observations_count", "lines"),
    "sinks": ("delivered_count", "attempts"),
    "journal": ("queue_depth", "last_seq", "size"),
}
"""What changes with every observation."""


class Viewer:
    """One client of the stream, with what waits for it."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[int | None, bytes]] = deque()
        self._woken = asyncio.Event()
        self._left_out: tuple[int, int] | None = None
        self._is_closed = False

    def push(self, seq: int | None, data: bytes) -> None:
        """Add a message, with its seq if it has one; where there is no room, all that waits gives way to a `gap`."""
        if len(self._waiting) >= QUEUE_MAX:
            seqs = [one for one, _ in self._waiting if one is not None]
            if seqs:
                first_seq = seqs[0] if self._left_out is None else self._left_out[0]
                self._left_out = (first_seq, seqs[-1])
            self._waiting.clear()
        self._waiting.append((seq, data))
        self._woken.set()

    def close(self) -> None:
        """Let it come to an end behind what waits."""
        self._is_closed = True
        self._woken.set()

    async def take(self) -> bytes:
        """Return what waits, as soon as there is something; nothing at the end."""
        while not self._waiting and not self._is_closed:
            self._woken.clear()
            await self._woken.wait()
        told = b"" if self._left_out is None else gap(*self._left_out)
        self._left_out = None
        told += b"".join(data for _, data in self._waiting)
        self._waiting.clear()
        return told


class Stream:
    """
    All viewers.

    Args:
        view: What there is to see.
        clock: The station's clock.
    """

    def __init__(self, view: View, clock: Clock) -> None:
        self._view = view
        self._clock = clock
        self._viewers: set[Viewer] = set()
        self._wanted = asyncio.Event()
        self._seq = 0
        self._told: bytes | None = None
        self._told_s = 0.0
        self._young: tuple[float, bytes] | None = None
        self._signed_s = 0.0

    @property
    def viewers_count(self) -> int:
        """How many there are."""
        return len(self._viewers)

    def join(self) -> tuple[Viewer, int]:
        """
        Begin to watch.

        Returns:
            The viewer, and the seq behind which it is told everything.

        Raises:
            Problem: 503, if there are too many.
        """
        if len(self._viewers) >= VIEWERS_MAX:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "stream.full",
                f"{VIEWERS_MAX} viewers are here already",
                {"Retry-After": "60"},
            )
        if not self._viewers:
            self._seq = self._view.last_seq
        viewer = Viewer()
        viewer.push(None, BEGIN + self._young_state())
        self._viewers.add(viewer)
        self._wanted.set()
        return viewer, self._seq

    def leave(self, viewer: Viewer) -> None:
        """End to watch."""
        self._viewers.discard(viewer)
        if not self._viewers:
            self._wanted.clear()

    async def missed(self, behind_seq: int, until_seq: int) -> AsyncIterator[bytes]:
        """Yield what somebody who comes back has missed, in parts. Raises JournalError if it cannot be read."""
        seq = max(behind_seq, until_seq - RESUMED_MAX) + 1
        if seq > behind_seq + 1:
            yield gap(behind_seq + 1, seq - 1)
        while seq <= until_seq:
            read = await self._view.read(seq)
            yield b"".join(encoded(one) for one in read.messages if one.seq <= until_seq)
            seq = read.last_seq + 1

    async def run(self) -> None:
        """Tell the viewers until cancelled."""
        while True:
            await self._wanted.wait()
            await first_of(self._view.wait_beyond(self._seq), self._clock.sleep(STATE_PERIOD_S))
            try:
                await self._tell_entries()
            except JournalError:  # `state` tells it
                await self._clock.sleep(STATE_PERIOD_S)
            self._tell_state()

    def close(self) -> None:
        """Let every viewer come to an end."""
        for viewer in self._viewers:
            viewer.close()

    async def _tell_entries(self) -> None:
        last_seq = self._view.last_seq
        self._seq = min(self._seq, last_seq)  # another journal is in its place
        if last_seq - self._seq > RESUMED_MAX:
            self._push(None, gap(self._seq + 1, last_seq - RESUMED_MAX))
            self._seq = last_seq - RESUMED_MAX
        while self._seq < last_seq:
            read = await self._view.read(self._seq + 1)
            for message in read.messages:
                self._push(message.seq, encoded(message))
            self._seq = read.last_seq

    def _tell_state(self) -> None:
        now_s = self._clock.boottime_s()
        if now_s - self._told_s < STATE_PERIOD_S:
            return
        self._told_s = now_s
        essence, state = self._state()
        self._young = (now_s, state)
        is_sign_due = now_s - self._signed_s >= SIGN_PERIOD_S
        if is_sign_due:
            self._signed_s = now_s
            self._push(None, SIGN)
        if essence != self._told or is_sign_due:
            self._told = essence
            self._push(None, state)

    def _young_state(self) -> bytes:
        """Return a state that is not older than any other viewer's: a hundred who come at once cost one."""
        now_s = self._clock.boottime_s()
        if self._young is None or now_s - self._young[0] >= STATE_PERIOD_S:
            self._young = (now_s, self._state()[1])
        return self._young[1]

    def _state(self) -> tuple[bytes, bytes]:
        """Return what of the state matters, and all of it as a message."""
        view = self._view
        state: dict[str, Any] = {
            "sensors": view.sensors(),
            "sinks": view.sinks(),
            "journal": view.journal(),
            "clock": view.clock(),
        }
        return _encoder.encode(_essence(state)), event("state", state)

    def _push(self, seq: int | None, data: bytes) -> None:
        for viewer in self._viewers:
            viewer.push(seq, data)


def encoded(message: Message) -> bytes:
    """Return a message as it goes over the wire."""
    return b"id: %d\n" % message.seq + event(message.name, message.body)


def gap(first_seq: int, last_seq: int) -> bytes:
    """Return the message that tells of entries that are left out."""
    return event("gap", {"first_seq": first_seq, "last_seq": last_seq})


def event(name: str, body: Any) -> bytes:
    """Return one event of a stream; JSON has no line break in it (WHATWG HTML, section 9.2)."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), _encoder.encode(body))


def _essence(state: Mapping[str, Any]) -> Any:
    """Return a state without ages, and without what changes with every observation."""
    return [
        [_without(one, _COUNTERS["sensors"]) for one in state["sensors"]],
        [_sink_essence(one) for one in state["sinks"]],
        _without(state["journal"], _COUNTERS["journal"]),
        state["clock"]["synchronized"],
    ]


def _sink_essence(sink: Mapping[str, Any]) -> Any:
    passing = ("lag", "backlog") if sink["state"] == "answers" and sink["backlog"] == 0 else ()
    return _without(sink, (*_COUNTERS["sinks"], "attempt_next_in_s", *passing))


def _without(table: Mapping[str, Any], keys: tuple[str, ...]) -> Mapping[str, Any]:
    return {key: value for key, value in table.items() if key not in keys}
