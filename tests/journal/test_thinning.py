"""J5 with `thin`: the oldest become one-minute means where they lie, and only then does anything have to go."""

import json
import random
from typing import Any

from tests.journal.conftest import Desk, everything, flush
from weatherd.journal import SqliteJournal
from weatherd.model import Event, Observation, Quality, Station, Statistics
from weatherd.processing.documents import (
    DATASET_OBSERVATION,
    DATASET_REDUCED,
    DocumentEncoder,
    corrected,
    is_estimated,
)

ENCODE = DocumentEncoder(Station("test"), "3f9c2a71").encode
NOON_MS = 1_795_435_200_000
SIZE_MAX = 400_000
MINUTE = 60


def observations(first: int, count: int, *, offset_ms: int | None = None) -> list[Observation]:
    """Observe once a second from a second on, with a reason that hardly compresses."""
    return [
        Observation(
            sensor="mast",
            model="BMP280",
            observed_at_ms=NOON_MS + second * 1000,
            recorded_at_ms=NOON_MS + second * 1000,
            values={"air_pressure": 1000.0 + second % 10, "rainfall_amount": 0.1},
            statistics={"air_pressure": Statistics(1, 1000.0, 1010.0), "rainfall_amount": Statistics(1)},
            quality={"air_pressure": Quality.DOUBTFUL, "rainfall_amount": Quality.GOOD},
            quality_reasons={"air_pressure": random.Random(second).randbytes(150).hex()},
            clock_synchronized=offset_ms is None,
            clock_offset_ms=offset_ms,
        )
        for second in range(first, first + count)
    ]


def noise(seed: int) -> Event:
    """Make an event of about 4 KB, which cannot be thinned."""
    return Event("tested", random.Random(seed).randbytes(4000).hex(), NOON_MS, clock_synchronized=True)


async def opened(desk: Desk, **options: Any) -> SqliteJournal:
    return await desk.open(**{"encode": ENCODE, "size_max": SIZE_MAX, "when_full": "thin"} | options)


async def fill(journal: SqliteJournal, minutes: int, **options: Any) -> None:
    """Append minutes of observations, each of which becomes a row or more."""
    for _ in range(minutes):
        await journal.append(observations(journal.last_seq + 1, MINUTE, **options))
        await flush(journal)


def dataset(document: bytes) -> str:
    return json.loads(document)["event"]["dataset"]


async def test_the_oldest_are_thinned_where_they_lie(desk: Desk) -> None:
    """They keep a seq among those they were; what is newer stays as it is; all that was measured still counts."""
    journal = await opened(desk)
    minutes = 80
    await fill(journal, minutes)
    assert journal.last_seq == minutes * MINUTE
    assert journal.size <= SIZE_MAX
    assert journal.dropped_count == 0
    documents = await everything(journal)
    kinds = [dataset(document) for document in documents.values()]
    reduced_count = kinds.count(DATASET_REDUCED)
    assert 0 < reduced_count < minutes
    assert kinds == [DATASET_REDUCED] * reduced_count + [DATASET_OBSERVATION] * (len(kinds) - reduced_count)
    assert sum(json.loads(one)["statistics"]["air_pressure"]["count"] for one in documents.values()) == journal.last_seq
    rain_mm = sum(json.loads(one)["weather"]["rainfall_amount"] for one in documents.values())
    assert round(rain_mm, 6) == round(journal.last_seq / 10, 6)
    for seq, document in documents.items():
        fields = json.loads(document)
        assert fields["event"]["sequence"] == seq
        assert fields["event"]["id"].endswith(f"-{seq:012d}")
    raw = {seq: one for seq, one in documents.items() if dataset(one) == DATASET_OBSERVATION}
    assert raw == {seq: ENCODE(one, seq) for seq in raw for one in observations(seq, 1)}


async def test_what_was_thinned_is_counted(desk: Desk) -> None:
    """How many observations were reduced, and to how many; over a restart, too."""
    journal = await opened(desk)
    await fill(journal, 80)
    documents = await everything(journal)
    reduced_count = sum(dataset(one) == DATASET_REDUCED for one in documents.values())
    counts = journal.contents.counts
    assert counts["reduced"] == reduced_count
    assert counts["thinned"] == journal.last_seq - len(documents) + reduced_count
    await journal.close()
    journal = await opened(desk)
    assert (journal.contents.count("thinned"), journal.contents.count("reduced")) == (
        counts["thinned"],
        counts["reduced"],
    )


async def test_what_is_thinned_is_delivered_in_order(desk: Desk) -> None:
    """The seqs that are gone are settled with the spans they lie in, and nothing is left behind."""
    journal = await opened(desk)
    await fill(journal, 80)
    documents = await everything(journal)
    found: dict[int, bytes] = {}
    while gap := next(journal.delivered("logstash").gaps(1, journal.last_seq), None):
        batch = await journal.read("logstash", *gap, 100)
        assert batch is not None
        found |= dict(zip(batch.seqs, batch.documents, strict=True))
        journal.acknowledge("logstash", batch.first_seq, batch.last_seq)
    assert found == documents
    assert list(found) == sorted(found)
    assert journal.lag("logstash") == 0


async def test_what_was_tried_stays(desk: Desk) -> None:
    """A sink may have it under its id: J3; what lies around it is thinned all the same."""
    journal = await opened(desk)
    await fill(journal, 5)
    batch = await journal.read("logstash", 31, 150, 500)
    assert batch is not None
    await fill(journal, 75)
    documents = await everything(journal)
    tried = dict(zip(batch.seqs, batch.documents, strict=True))
    assert {seq: documents[seq] for seq in range(31, 151)} == tried
    others = {seq: one for seq, one in documents.items() if seq <= 300 and seq not in tried}
    assert {dataset(one) for one in others.values()} == {DATASET_REDUCED}
    counts = {seq: json.loads(one)["statistics"]["air_pressure"]["count"] for seq, one in others.items()}
    assert sum(counts.values()) == 300 - len(tried)
    assert journal.dropped_count == 0


async def test_what_was_tried_stays_over_a_crash(desk: Desk) -> None:
    """The next process knows it from the tail."""
    journal = await opened(desk)
    await fill(journal, 5)
    batch = await journal.read("logstash", 31, 150, 500)
    assert batch is not None
    recovered = await desk.after_kill(journal, encode=ENCODE, size_max=SIZE_MAX, when_full="thin")
    await fill(recovered, 75)
    documents = await everything(recovered)
    assert [documents[seq] for seq in range(31, 151)] == list(batch.documents)
    assert recovered.contents.count("thinned") > 0


async def test_thinned_documents_do_not_change_again(desk: Desk) -> None:
    """Once read, a reduced document has its bytes for ever, however full it gets."""
    journal = await opened(desk)
    await fill(journal, 80)
    batch = await journal.read("logstash", 1, journal.last_seq, 5)
    assert batch is not None
    assert {dataset(one) for one in batch.documents} == {DATASET_REDUCED}
    await fill(journal, 40)
    documents = await everything(journal)
    assert [documents[seq] for seq in batch.seqs] == list(batch.documents)


async def test_delivered_ones_go_before_any_is_thinned(desk: Desk) -> None:
    """What every sink has is not needed any more."""
    journal = await opened(desk)
    for _ in range(120):
        await fill(journal, 1)
        if journal.last_seq > 20 * MINUTE:
            last_seq = journal.last_seq - 20 * MINUTE
            journal.acknowledge("logstash", 1, last_seq)
    assert journal.first_seq > 1
    assert journal.contents.count("thinned") == 0
    assert journal.dropped_count == 0


async def test_nothing_is_dropped_while_there_is_something_to_thin(desk: Desk) -> None:
    """Events cannot be thinned: they go, oldest first, when all observations are thin, and not before."""
    journal = await opened(desk)
    await fill(journal, 30)
    last_observed = journal.last_seq
    seed = 0
    while journal.dropped_count == 0:
        before = await everything(journal)
        await journal.append([noise(seed)])
        await flush(journal)
        seed += 1
        assert seed < 200
        assert journal.size <= SIZE_MAX
    after = await everything(journal)
    assert journal.contents.count("reduced") == 30
    assert journal.contents.count("thinned") == last_observed
    remaining = [dataset(one) for seq, one in after.items() if seq <= last_observed]
    assert set(remaining) <= {DATASET_REDUCED}
    gone = before.keys() - after.keys()
    dropped = {seq for seq in gone if seq > last_observed or dataset(before[seq]) == DATASET_REDUCED}
    assert journal.dropped_count == len(dropped) > 0
    assert max(dropped) < min(after)


async def test_thinned_estimates_are_still_held_and_corrected(desk: Desk) -> None:
    """What they become is an estimate as well, of the same boot."""
    journal = await opened(desk, held=True)
    await fill(journal, 80, offset_ms=0)
    assert journal.contents.count("reduced") > 0
    assert await journal.read("logstash", 1, journal.last_seq, 500) is None
    before = await everything(journal)
    assert all(map(is_estimated, before.values()))
    await journal.correct(3_600_000)
    after = await everything(journal)
    assert {seq: after[seq] for seq in after} == {seq: corrected(one, 3_600_000) for seq, one in before.items()}
