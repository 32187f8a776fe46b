"""The journal against plain dicts and sets, under random actions: appends, deliveries, crashes, power cuts."""

import asyncio
import random
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.journal.conftest import Desk, everything
from weatherd.model import Batch, Event, Observation

T = TypeVar("T")

SINKS = ("logstash", "mqtt")
SIZE_MAX = 400_000
NOISE_SIZE = 20_000
SHARES = st.floats(0, 1) | st.just(1.0)


class Model:
    """
    What a journal holds.

    Attributes:
        documents: Every one that may still be read, by its seq.
        delivered: The seqs that were acknowledged, by sink.
        secured_seq: Up to here the card has what is not delivered.
        last_seq: The highest seq that was given.
    """

    def __init__(self) -> None:
        self.documents: dict[int, bytes] = {}
        self.delivered: dict[str, set[int]] = {sink: set() for sink in SINKS}
        self.quarantined: dict[str, dict[int, bytes]] = {sink: {} for sink in SINKS}
        self.secured_seq = 0
        self.last_seq = 0
        self.dropped_count = 0

    @property
    def needed(self) -> set[int]:
        """What is there, and some sink does not have."""
        return {seq for seq in self.documents if not all(seq in its for its in self.delivered.values())}


class JournalMachine(RuleBasedStateMachine):
    """Each rule does one thing to the journal and to the model, and then all that is there is compared."""

    @initialize(in_memory=st.booleans())
    def start(self, *, in_memory: bool) -> None:
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp())
        self.desk = Desk(self.folder, in_memory=in_memory)
        self.life = 0
        self.model = Model()
        self.options = {"sinks": SINKS, "size_max": SIZE_MAX, "retention_s": 10.0, "encode": self.encode}
        self.journal = self.run(self.desk.open(**self.options))

    def encode(self, entry: Observation | Event, seq: int) -> bytes:
        """Make a document with an id, in which each power cut begins anew, as each start of a daemon does."""
        assert isinstance(entry, Event)
        return f"{self.life}-{seq}:{entry.message}".encode()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    @rule(messages=st.lists(st.integers(0, 9), min_size=1, max_size=5))
    def append_a_few(self, messages: list[int]) -> None:
        self._append([str(message) for message in messages])

    @rule(seed=st.integers(0, 99), count=st.sampled_from([1, 8, 1100]), times=st.integers(1, 10))
    def append_many(self, seed: int, count: int, times: int) -> None:
        noise = random.Random(seed)
        for _ in range(times):
            self._append([noise.randbytes(NOISE_SIZE // count).hex() for _ in range(count)])

    def _append(self, messages: list[str]) -> None:
        model = self.model
        self.run(self.journal.append([Event("-", message, 0, clock_synchronized=True) for message in messages]))
        last_seq = self.journal.last_seq
        first_seq = last_seq - len(messages) + 1
        assert first_seq > model.last_seq, "a seq was given twice"
        model.last_seq = last_seq
        model.documents |= {
            seq: f"{self.life}-{seq}:{message}".encode() for seq, message in enumerate(messages, first_seq)
        }
        self.compare()

    @rule(sinks=st.sampled_from([SINKS, SINKS[:1], SINKS[1:]]), begin=SHARES, end=SHARES)
    def acknowledge(self, sinks: tuple[str, ...], begin: float, end: float) -> None:
        """Acknowledge any span, whatever was acknowledged before."""
        first, last = sorted(round(self.model.last_seq * share) for share in (begin, end))
        if last:
            for sink in sinks:
                self.journal.acknowledge(sink, max(first, 1), last)
                self.model.delivered[sink] |= set(range(max(first, 1), last + 1))
        self.compare()

    @rule(sink=st.sampled_from(SINKS), count_max=st.integers(1, 1500))
    def deliver(self, sink: str, count_max: int) -> None:
        """Do as the forwarder does: the oldest gap."""
        gap = next(self.journal.delivered(sink).gaps(1, self.journal.last_seq), None)
        if gap is not None:
            batch = self.read_span(sink, *gap, count_max)
            self.journal.acknowledge(sink, batch.first_seq, batch.last_seq)
            self.model.delivered[sink] |= set(range(batch.first_seq, batch.last_seq + 1))
        self.compare()

    @rule(sink=st.sampled_from(SINKS), begin=SHARES, end=SHARES, count_max=st.integers(1, 1500))
    def read(self, sink: str, begin: float, end: float, count_max: int) -> None:
        first, last = sorted(round(self.journal.last_seq * share) for share in (begin, end))
        if last:
            self.read_span(sink, max(first, 1), last, count_max)

    def read_span(self, sink: str, first_seq: int, last_seq: int, count_max: int) -> Batch:
        """Read one batch: what the model says, as many as are wanted or half of that."""
        batch = self.run(self.journal.read(sink, first_seq, last_seq, count_max))
        assert batch is not None
        there = sorted(seq for seq in self.model.documents if first_seq <= seq <= last_seq)
        seqs = there[: len(batch.documents)]
        assert min(-(-count_max // 2), len(there)) <= len(seqs) <= count_max
        assert list(batch.seqs) == seqs
        assert list(batch.documents) == [self.model.documents[seq] for seq in seqs]
        is_end = len(seqs) == len(there) < count_max
        assert (batch.first_seq, batch.last_seq) == (first_seq, last_seq if is_end else seqs[-1])
        return batch

    @rule(sink=st.sampled_from(SINKS), begin=SHARES, count=st.integers(1, 3))
    def quarantine(self, sink: str, begin: float, count: int) -> None:
        first_seq = max(round(self.journal.last_seq * begin), 1)
        if first_seq <= self.journal.last_seq:
            batch = self.read_span(sink, first_seq, self.journal.last_seq, count)
            if batch.documents and sum(map(len, batch.documents)) < 100:
                self.run(self.journal.quarantine(sink, batch, "refused"))
                self.journal.acknowledge(sink, batch.first_seq, batch.last_seq)
                self.model.delivered[sink] |= set(range(batch.first_seq, batch.last_seq + 1))
                kept = self.model.quarantined[sink]
                for seq, document in zip(batch.seqs, batch.documents, strict=True):
                    kept.setdefault(seq, document)
        self.compare()

    @rule(sink=st.sampled_from(SINKS))
    def requeue(self, sink: str) -> None:
        """Let all that a sink has refused be tried again, also what is gone from the journal by now."""
        model = self.model
        kept = model.quarantined[sink]
        database_seq = self.journal.contents.last_seq
        back = {
            seq: document
            for seq, document in kept.items()
            if (seq in model.delivered[sink] if seq in model.documents else seq <= database_seq)
        }
        assert self.run(self.journal.requeue(sink, list(kept))) == len(back)
        for seq in back:
            del kept[seq]
        model.delivered[sink] -= back.keys()
        for seq, document in back.items():
            model.documents.setdefault(seq, document)
        self.compare()

    @rule()
    def secure(self) -> None:
        self.run(self.journal.secure())
        self.model.secured_seq = self.model.last_seq
        self.compare()

    @rule(step_ms=st.sampled_from([0, 50_000]))
    def write_history(self, step_ms: int) -> None:
        self.desk.clock.ms += step_ms
        self.run(self.journal.write_history())
        self.compare()

    @rule(step_ms=st.sampled_from([-5000, 1, 5000]))
    def let_time_pass(self, step_ms: int) -> None:
        self.desk.clock.ms += step_ms

    @rule()
    def reopen(self) -> None:
        self.run(self.journal.close())
        self.model.secured_seq = self.model.last_seq
        self.run(self.journal.open())
        self.compare()

    @rule()
    def crash(self) -> None:
        """Nothing is lost, and what was acknowledged stays so."""
        former = self.journal
        self.journal = self.run(self.desk.after_kill(former, **self.options))
        self.run(former.close())
        self.model.secured_seq = self.model.last_seq
        self.compare()

    @rule()
    def cut_power(self) -> None:
        """Only what was delivered or not secured may be missing, and acknowledgements may be forgotten."""
        model, former = self.model, self.journal
        self.life += 1
        self.journal = self.run(self.desk.after_power_cut(former, **self.options))
        self.run(former.close())
        found = self.run(everything(self.journal))
        safe = {seq for seq in model.needed if seq <= model.secured_seq}
        assert len(safe - found.keys()) <= self.journal.dropped_count - model.dropped_count
        assert found.items() <= model.documents.items()
        for sink, seqs in model.delivered.items():
            # Not what is gone: that counts as delivered only as long as nothing older is put back.
            ranges = self.journal._front.delivered.of(sink)
            remembered = {seq for first, last in ranges for seq in range(first, last + 1)}
            assert {seq for seq in remembered if seq >= self.journal.first_seq} <= seqs
            model.delivered[sink] = remembered
        model.documents = found
        model.last_seq = model.secured_seq = self.journal.last_seq
        model.dropped_count = self.journal.dropped_count
        self.compare()

    def compare(self) -> None:
        """What is there is in the model; what is not was delivered, or is dropped: the oldest, and counted."""
        journal, model = self.journal, self.model
        found = self.run(everything(self.journal))
        assert found.items() <= model.documents.items()
        missing = model.documents.keys() - found.keys()
        dropped = missing & model.needed
        assert len(dropped) == journal.dropped_count - model.dropped_count
        if dropped:
            assert max(dropped) < min(found)
        model.documents = found
        model.dropped_count = journal.dropped_count
        assert journal.last_seq == model.last_seq
        assert journal.first_seq <= min(found, default=journal.first_seq)
        assert journal.size <= SIZE_MAX
        for sink, seqs in model.delivered.items():
            delivered = {seq for first, last in journal.delivered(sink) for seq in range(first, last + 1)}
            assert delivered == seqs | set(range(1, journal.first_seq))
            # After a power cut, what was refused may be remembered as settled, and its entry be gone.
            assert journal.lag(sink) == model.last_seq - len(delivered & set(range(model.last_seq + 1)))
            assert journal.quarantined.get(sink, 0) == len(model.quarantined[sink])

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self.run(self.journal.close())
            self.runner.close()
            shutil.rmtree(self.folder)


def test_random_actions_leave_the_journal_like_a_plain_dict() -> None:
    """Whatever is appended, read, delivered, refused, pruned, killed and cut off, the journal agrees with the model."""
    run_state_machine_as_test(
        JournalMachine,
        settings=settings(max_examples=40, stateful_step_count=40, suppress_health_check=list(HealthCheck)),
    )
