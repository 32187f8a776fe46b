"""Fakes that keep the promises of the ports, for tests that must not sleep."""

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Mapping, Sequence

import structlog

from weatherd.clock import Step
from weatherd.errors import JournalDamaged, JournalError, JournalFull, SensorError, SinkError
from weatherd.model import Batch, Event, Measurement, Observation
from weatherd.ranges import Ranges
from weatherd.waiting import first_of

NOON_MS = 1_795_435_200_000
"""2026-11-23T12:00:00Z: a whole multiple of every period in the tests."""


class FakeClock:
    """
    A clock that moves only when told to, and wakes sleepers in order.

    Attributes:
        is_synchronized: What the kernel says.
    """

    def __init__(self, now_ms: int = NOON_MS, *, synchronized: bool = True) -> None:
        self._boottime_s = 1000.0
        self._wall_offset_ms = now_ms - 1_000_000.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._steps: list[Step] = []
        self.is_synchronized = synchronized

    def boottime_s(self) -> float:
        return self._boottime_s

    def now_ms(self) -> int:
        return round(self._boottime_s * 1000 + self._wall_offset_ms)

    def synchronized(self) -> bool:
        return self.is_synchronized

    def offset_ms(self) -> int | None:
        return None if self.is_synchronized else self.known_offset_ms()

    def known_offset_ms(self) -> int:
        return round(self._wall_offset_ms)

    def not_before(self, time_ms: int) -> None:
        if not self.is_synchronized and self.now_ms() < time_ms:
            self.step_wall((time_ms + 1000 - self.now_ms()) / 1000)

    def steps(self) -> Sequence[Step]:
        steps, self._steps = self._steps, []
        return steps

    def boot_id(self) -> str:
        return "b0070001"

    async def sleep(self, delay_s: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._boottime_s + max(delay_s, 0.0), next(self._order), woken))
        await woken

    async def sleep_unless(self, event: asyncio.Event, delay_s: float) -> None:
        await first_of(self.sleep(delay_s), event.wait())
        event.set()

    def step_wall(self, step_s: float) -> None:
        """Let the wall clock jump by more than half a second, as a time daemon does."""
        self._wall_offset_ms += step_s * 1000
        self._steps.append(Step(round(step_s * 1000), True, self.is_synchronized, self.now_ms()))

    def synchronize(self, step_s: float) -> None:
        """Let a time daemon step the wall clock, and the kernel say from now on that it is right."""
        self.is_synchronized = True
        self.step_wall(step_s)

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
        documents: One an entry; None for one that is gone.
        held: Seqs of entries that are held back: see `hold` and `release`.
        reads: The spans that were asked for, each with its count.
        error: What `append` and `quarantine` raise, while it is set.
        mistake: What `append` raises that it should not.
        room: Entries that an append may have.
        damaged: What `read` raises: for entries up to its `last_seq`, or for all.
    """

    def __init__(self, sinks: Sequence[str] = ("fake",)) -> None:
        self.entries: list[Observation | Event] = []
        self.appends: list[int] = []
        self.documents: list[bytes | None] = []
        self.held = Ranges()
        self.reads: list[tuple[int, int, int]] = []
        self.quarantined: dict[int, str] = {}
        self.error: JournalError | None = None
        self.mistake: Exception | None = None
        self.room = 1_000_000
        self.damaged: JournalDamaged | None = None
        self.dropped_count = 0
        self._delivered = dict.fromkeys(sinks, Ranges())
        self._grown = asyncio.Event()
        self._returned = asyncio.Event()

    @property
    def last_seq(self) -> int:
        return len(self.documents)

    def delivered(self, sink: str) -> Ranges:
        return self._delivered[sink]

    def lag(self, sink: str) -> int:
        return self.last_seq - self._delivered[sink].count

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

    def write(self, count: int, *, held: bool = False) -> None:
        """Add documents that say no more than their seq."""
        first = self.last_seq + 1
        self.documents.extend(b'{"sequence":%d}' % seq for seq in range(first, first + count))
        if held:
            self.held = self.held.add(first, self.last_seq)
        self._grown = _renewed(self._grown)

    def lose(self, first_seq: int, last_seq: int) -> None:
        """Let nothing be left of a span; nobody has noted it as delivered yet."""
        self.documents[first_seq - 1 : last_seq] = [None] * (last_seq - first_seq + 1)

    def hold(self, first_seq: int, last_seq: int) -> None:
        """Hold entries back."""
        self.held = self.held.add(first_seq, last_seq)

    def release(self) -> None:
        """Hold nothing back any more."""
        self.held = Ranges()
        self._returned = _renewed(self._returned)

    def requeue(self, first_seq: int, last_seq: int) -> None:
        """Let no sink have a span."""
        self._delivered = {sink: delivered.remove(first_seq, last_seq) for sink, delivered in self._delivered.items()}
        self._returned = _renewed(self._returned)

    async def wait_beyond(self, seq: int) -> None:
        while self.last_seq <= seq:
            await self._grown.wait()

    async def wait_for_return(self) -> None:
        await self._returned.wait()

    async def read(self, sink: str, first_seq: int, last_seq: int, count_max: int) -> Batch | None:
        assert 1 <= first_seq <= last_seq <= self.last_seq, "there is no such span"
        assert count_max > 0
        self.reads.append((first_seq, last_seq, count_max))
        await asyncio.sleep(0)
        if self.damaged is not None and (self.damaged.last_seq is None or self.damaged.last_seq >= first_seq):
            raise self.damaged
        first = next((seq for seq in range(first_seq, last_seq + 1) if not self._is_held(seq)), None)
        if first is None:
            return None
        seqs: list[int] = []
        last = last_seq
        for seq in range(first, last_seq + 1):
            if self._is_held(seq):
                last = seq - 1
                break
            if self.documents[seq - 1] is None:
                continue
            if len(seqs) == count_max:
                last = seqs[-1]
                break
            seqs.append(seq)
        return Batch(first, last, seqs, [document for seq in seqs if (document := self.documents[seq - 1]) is not None])

    def acknowledge(self, sink: str, first_seq: int, last_seq: int) -> None:
        assert 1 <= first_seq <= last_seq <= self.last_seq, "there is no such span"
        self._delivered[sink] = self._delivered[sink].add(first_seq, last_seq)

    async def quarantine(self, sink: str, batch: Batch, reason: str) -> None:
        if self.error is not None:
            raise self.error
        self.quarantined.update(dict.fromkeys(batch.seqs, reason))

    def _is_held(self, seq: int) -> bool:
        return seq in self.held and self.documents[seq - 1] is not None


def _renewed(event: asyncio.Event) -> asyncio.Event:
    """Wake those who wait, and return a new event for those who will."""
    event.set()
    return asyncio.Event()


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
