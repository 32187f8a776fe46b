"""Fakes that keep the promises of the ports, for tests that must not sleep."""

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Mapping, Sequence

import structlog

from weatherd.errors import JournalDamaged, JournalError, JournalFull, SensorError, SinkError
from weatherd.model import Batch, Event, Measurement, Observation

NOON_MS = 1_795_435_200_000
"""2026-11-23T12:00:00Z: a whole multiple of every period in the tests."""


class FakeClock:
    """A clock that moves only when told to, and wakes sleepers in order."""

    def __init__(self, now_ms: int = NOON_MS, *, synchronized: bool = True) -> None:
        self._boottime_s = 1000.0
        self._wall_offset_ms = now_ms - 1_000_000.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self.is_synchronized = synchronized

    def boottime_s(self) -> float:
        return self._boottime_s

    def now_ms(self) -> int:
        return round(self._boottime_s * 1000 + self._wall_offset_ms)

    def synchronized(self) -> bool:
        return self.is_synchronized

    async def sleep(self, delay_s: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._boottime_s + max(delay_s, 0.0), next(self._order), woken))
        await woken

    def step_wall(self, step_s: float) -> None:
        """Let the wall clock jump, as a time daemon does."""
        self._wall_offset_ms += step_s * 1000

    async def advance(self, duration_s: float) -> None:
        """Let time pass, and everybody who wakes meanwhile do what he does."""
        await settle()
        end_s = self._boottime_s + duration_s
        while self._sleepers and self._sleepers[0][0] <= end_s:
            due_s, _, woken = heapq.heappop(self._sleepers)
            self._boottime_s = max(self._boottime_s, due_s)
            if not woken.done():
                woken.set_result(None)
                await settle()
        self._boottime_s = end_s
        await settle()


async def settle() -> None:
    """Let every task run until it waits for the clock, or for something from outside."""
    ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]  # asyncio has no other way to tell
    for _ in range(10_000):
        await asyncio.sleep(0)
        if not ready:
            return
    raise AssertionError("a task never rests")


class FakeSensor:
    """
    A sensor that gives what it is told to.

    Attributes:
        outcomes: What the next measurements give: a measurement, an error, or an event to wait for.
        otherwise: What they give when there are no more outcomes.
        open_error: What `open` raises, while it is set.
    """

    model = "FAKE"

    def __init__(
        self,
        name: str = "barometer",
        quantities: Sequence[str] = ("air_pressure",),
        otherwise: Measurement | SensorError | None = None,
    ) -> None:
        self.name = name
        self.quantities = quantities
        self.outcomes: deque[Measurement | SensorError | asyncio.Event] = deque()
        self.otherwise: Measurement | SensorError = otherwise or {"air_pressure": 1000.0}
        self.open_error: SensorError | None = None
        self.opened_count = 0
        self.measured_count = 0
        self.closed = False

    async def open(self) -> None:
        self.opened_count += 1
        if self.open_error is not None:
            raise self.open_error

    async def measure(self) -> Measurement:
        self.measured_count += 1
        outcome = self.outcomes.popleft() if self.outcomes else self.otherwise
        if isinstance(outcome, asyncio.Event):
            await outcome.wait()
            outcome = self.otherwise
        if isinstance(outcome, SensorError):
            raise outcome
        return outcome

    async def close(self) -> None:
        self.closed = True


class FakeJournal:
    """
    A journal in memory.

    Attributes:
        error: What `append` and `quarantine` raise, while it is set.
        mistake: What `append` raises that it should not.
        room: Entries that an append may have.
        damaged: What `read` raises: for entries up to its `last_seq`, or for all.
    """

    def __init__(self, sinks: Sequence[str] = ("fake",)) -> None:
        self.entries: list[Observation | Event] = []
        self.appends: list[int] = []
        self.documents: list[bytes] = []
        self.positions = dict.fromkeys(sinks, 0)
        self.quarantined: dict[int, str] = {}
        self.error: JournalError | None = None
        self.mistake: Exception | None = None
        self.room = 1_000_000
        self.damaged: JournalDamaged | None = None
        self.dropped_count = 0
        self._grown = asyncio.Event()

    @property
    def last_seq(self) -> int:
        return len(self.documents)

    def position(self, sink: str) -> int:
        return self.positions[sink]

    async def append(self, entries: Sequence[Observation | Event]) -> None:
        await asyncio.sleep(0)
        if self.mistake is not None:
            raise self.mistake
        if self.error is not None:
            raise self.error
        if len(entries) > self.room:
            raise JournalFull(f"{len(entries)} entries do not fit")
        self.appends.append(len(entries))
        self.entries.extend(entries)
        self.write(len(entries))

    def write(self, count: int) -> None:
        """Add documents that say no more than their seq."""
        for _ in range(count):
            self.documents.append(b'{"sequence":%d}' % (len(self.documents) + 1))
        self._grown.set()
        self._grown = asyncio.Event()

    async def wait_beyond(self, seq: int) -> None:
        while self.last_seq <= seq:
            await self._grown.wait()

    async def read(self, after_seq: int, count_max: int) -> Batch | None:
        await asyncio.sleep(0)
        if self.damaged is not None and self.damaged.last_seq is None:
            raise self.damaged
        if self.damaged is not None and self.damaged.last_seq > after_seq:
            raise self.damaged
        documents = self.documents[after_seq : after_seq + count_max]
        return Batch(after_seq + 1, documents) if documents else None

    async def acknowledge(self, sink: str, seq: int) -> None:
        self.positions[sink] = max(self.positions[sink], seq)

    async def quarantine(self, sink: str, batch: Batch, reason: str) -> None:
        if self.error is not None:
            raise self.error
        self.quarantined.update(dict.fromkeys(range(batch.first_seq, batch.last_seq + 1), reason))


class FakeSink:
    """
    A sink that answers what it is told to.

    Attributes:
        answers: What the next attempts meet: nothing for an acknowledgement, or an error.
        otherwise: What they meet when there are no more answers.
        refused: Documents that are refused whenever a batch holds one of them.
        size_max: Larger batches are too large.
    """

    def __init__(self, name: str = "fake") -> None:
        self.name = name
        self.attempted: list[tuple[bytes, ...]] = []
        self.delivered: list[bytes] = []
        self.answers: deque[SinkError | asyncio.Event | None] = deque()
        self.otherwise: SinkError | None = None
        self.refused: dict[bytes, SinkError] = {}
        self.size_max = 1_000_000
        self.too_large: SinkError | None = None
        self.attempts: Mapping[str, int] = {}

    async def deliver(self, documents: Sequence[bytes]) -> None:
        self.attempted.append(tuple(documents))
        answer = self.answers.popleft() if self.answers else self.otherwise
        if isinstance(answer, asyncio.Event):
            await answer.wait()
            answer = None
        if answer is not None:
            raise answer
        if self.too_large is not None and len(documents) > self.size_max:
            raise self.too_large
        for document in documents:
            if document in self.refused:
                raise self.refused[document]
        self.delivered.extend(documents)

    async def close(self) -> None:
        pass


def quiet_log() -> structlog.typing.FilteringBoundLogger:
    """Return a logger that writes nothing, and fails where a mistake of ours would be logged."""

    def refuse_tracebacks(_: object, __: str, fields: dict[str, object]) -> dict[str, object]:
        assert "exc_info" not in fields, fields
        raise structlog.DropEvent

    return structlog.wrap_logger(
        structlog.PrintLogger(),
        processors=[refuse_tracebacks],
        wrapper_class=structlog.make_filtering_bound_logger("debug"),
    )


def recording_log() -> tuple[structlog.typing.FilteringBoundLogger, list[dict[str, object]]]:
    """Return a logger, and the list of what it was told, with its event under `event`."""
    lines: list[dict[str, object]] = []

    def keep(_: object, level: str, fields: dict[str, object]) -> dict[str, object]:
        lines.append({"level": level, **fields})
        raise structlog.DropEvent

    log = structlog.wrap_logger(
        structlog.PrintLogger(), processors=[keep], wrapper_class=structlog.make_filtering_bound_logger("debug")
    )
    return log, lines
