"""The journal against a plain list, under random actions: appends, reads, deliveries, crashes."""

import asyncio
import random
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from weatherd.journal import SqliteJournal
from weatherd.journal.rows import ROW_COUNT_MAX
from weatherd.model import Batch, Event

T = TypeVar("T")

SINKS = ("logstash", "mqtt")
SIZE_MAX = 100_000
RETENTION_MS = 10_000


class Clock:
    ms = 1_790_000_000_000

    def now_ms(self) -> int:
        return self.ms


def encode(entry: Event, seq: int) -> bytes:
    return f"{seq}:{entry.message}".encode()


class Model:
    """What a journal holds: every document there ever was, and how far deletion, deliveries and commits have come."""

    def __init__(self) -> None:
        self.documents = []
        self.rows = []  # (last seq, recorded_at_ms) of each row
        self.first_seq = 1
        self.positions = dict.fromkeys(SINKS, 0)
        self.written = dict(self.positions)
        self.dropped_count = 0
        self.quarantined = {sink: {} for sink in SINKS}

    @property
    def delivered_seq(self) -> int:
        return min(self.positions.values())

    def position(self, sink: str) -> int:
        return max(self.positions[sink], self.first_seq - 1)

    def read(self, after_seq: int, count_max: int) -> Batch | None:
        start = max(after_seq, self.first_seq - 1)
        documents = tuple(self.documents[start : start + count_max])
        return Batch(start + 1, documents) if documents else None


class JournalMachine(RuleBasedStateMachine):
    """Each rule does one thing to the journal and to the model; the invariants compare the two."""

    @initialize()
    def start(self) -> None:
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp())
        self.clock = Clock()
        self.model = Model()
        self.open(self.folder / "0.db")

    def open(self, path: Path) -> None:
        self.journal = SqliteJournal(
            path, encode=encode, clock=self.clock, sinks=SINKS, size_max=SIZE_MAX, retention_s=RETENTION_MS / 1000
        )
        self.run(self.journal.open())

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    @rule(messages=st.lists(st.integers(0, 9), min_size=1, max_size=5))
    def append_a_few(self, messages: list[int]) -> None:
        self._append([str(message) for message in messages])

    @rule(seed=st.integers(0, 99), count=st.sampled_from([1, 8, 1100]))
    def append_many(self, seed: int, count: int) -> None:
        noise = random.Random(seed)
        self._append([noise.randbytes(20_000 // count).hex() for _ in range(count)])

    def _append(self, messages: list[str]) -> None:
        model = self.model
        self.run(self.journal.append([Event("-", message, 0, clock_synchronized=True) for message in messages]))
        model.documents += [
            f"{seq}:{message}".encode() for seq, message in enumerate(messages, len(model.documents) + 1)
        ]
        last_seq = len(model.documents)
        ends = [*range(last_seq - len(messages) + ROW_COUNT_MAX, last_seq, ROW_COUNT_MAX), last_seq]
        model.rows += [(end, self.clock.ms) for end in ends]
        model.written = dict(model.positions)
        first_seq = self.journal.first_seq
        assert model.first_seq <= first_seq <= last_seq - len(messages) + 1
        assert first_seq == 1 or first_seq - 1 in {end for end, _ in model.rows}, "half a row is gone"
        model.dropped_count += max(first_seq - 1 - max(model.first_seq - 1, model.delivered_seq), 0)
        model.first_seq = first_seq

    @rule(sinks=st.sampled_from([SINKS, SINKS[:1], SINKS[1:]]), share=st.floats(0, 1) | st.just(1.0))
    def acknowledge(self, sinks: tuple[str, ...], share: float) -> None:
        seq = round(len(self.model.documents) * share)
        for sink in sinks:
            self.run(self.journal.acknowledge(sink, seq))
            self.model.positions[sink] = max(self.model.positions[sink], seq)

    @rule(sink=st.sampled_from(SINKS), count_max=st.integers(1, 1500))
    def deliver(self, sink: str, count_max: int) -> None:
        model = self.model
        batch = self.run(self.journal.read(self.journal.position(sink), count_max))
        assert batch == model.read(model.position(sink), count_max)
        if batch is not None:
            self.run(self.journal.acknowledge(sink, batch.last_seq))
            model.positions[sink] = batch.last_seq

    @rule(share=st.floats(0, 1), count_max=st.integers(1, 1500))
    def read(self, share: float, count_max: int) -> None:
        after_seq = round(len(self.model.documents) * share)
        assert self.run(self.journal.read(after_seq, count_max)) == self.model.read(after_seq, count_max)

    @rule(sink=st.sampled_from(SINKS), count=st.integers(1, 3))
    def quarantine(self, sink: str, count: int) -> None:
        model = self.model
        batch = model.read(model.position(sink), count)
        if batch is not None and sum(map(len, batch.documents)) < 100:
            self.run(self.journal.quarantine(sink, batch, "refused"))
            model.quarantined[sink] |= dict(enumerate(batch.documents, batch.first_seq))
            model.written = dict(model.positions)

    @rule(step_ms=st.sampled_from([0, 50_000]))
    def prune(self, step_ms: int) -> None:
        model = self.model
        self.clock.ms += step_ms
        while self.run(self.journal.prune()):
            pass
        for last_seq, recorded_at_ms in model.rows[:-1]:
            if last_seq >= model.first_seq:
                if last_seq > model.delivered_seq or self.clock.ms - recorded_at_ms <= RETENTION_MS:
                    break
                model.first_seq = last_seq + 1
        model.written = dict(model.positions)

    @rule(step_ms=st.sampled_from([-5000, 1, 5000]))
    def let_time_pass(self, step_ms: int) -> None:
        self.clock.ms += step_ms

    @rule()
    def reopen(self) -> None:
        self.run(self.journal.close())
        self.model.written = dict(self.model.positions)
        self.open(self.journal.path)

    @rule()
    def crash(self) -> None:
        path = self.journal.path
        copy = path.with_name(f"{int(path.stem) + 1}.db")
        for end in ("", "-wal"):
            shutil.copy(path.with_name(path.name + end), copy.with_name(copy.name + end))
        self.run(self.journal.close())
        self.model.positions = dict(self.model.written)
        self.open(copy)

    @invariant()
    def numbers_agree(self) -> None:
        journal, model = self.journal, self.model
        assert (journal.first_seq, journal.last_seq) == (model.first_seq, len(model.documents))
        assert journal.dropped_count == model.dropped_count
        assert journal.size <= SIZE_MAX
        assert {sink: journal.position(sink) for sink in SINKS} == {sink: model.position(sink) for sink in SINKS}
        assert {sink: journal.quarantined.get(sink, 0) for sink in SINKS} == {
            sink: len(documents) for sink, documents in model.quarantined.items()
        }

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            assert self.run(self.journal.read(0, 10_000)) == self.model.read(0, 10_000)
            self.run(self.journal.close())
            self.runner.close()
            shutil.rmtree(self.folder)


def test_random_actions_leave_the_journal_like_a_plain_list() -> None:
    """Whatever is appended, read, delivered, refused, pruned and crashed, the journal agrees with the model."""
    run_state_machine_as_test(
        JournalMachine,
        settings=settings(
            max_examples=80, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
