"""Rows whose documents a sink can send as they lie: what a read makes of them, and what it does not."""

import gzip
from collections.abc import Sequence

import pytest

from tests.journal import test_thinning
from tests.journal.conftest import Desk, flush
from weatherd.errors import JournalDamaged
from weatherd.journal import SqliteJournal, rows
from weatherd.journal.opening import USER_VERSION, USER_VERSION_READ
from weatherd.model import Batch, Event, Station
from weatherd.packed import FRAGMENT_COUNT_MAX, Packed
from weatherd.processing.documents import DATASET_REDUCED, DocumentEncoder, is_estimated


async def read(journal: SqliteJournal, first_seq: int, last_seq: int, count_max: int) -> Batch:
    batch = await journal.read("logstash", first_seq, last_seq, count_max)
    assert batch is not None
    return batch


async def drained(desk: Desk, journal: SqliteJournal, count_max: int, first_seq: int = 1) -> list[Batch]:
    """Read and acknowledge all there is from a seq on, as a forwarder does."""
    batches = []
    while first_seq <= journal.last_seq:
        batches.append(await read(journal, first_seq, journal.last_seq, count_max))
        assert batches[-1].first_seq == first_seq
        assert list(batches[-1].documents) == [desk.documents(seq, seq)[0] for seq in batches[-1].seqs]
        journal.acknowledge("logstash", first_seq, batches[-1].last_seq)
        first_seq = batches[-1].last_seq + 1
    return batches


def is_as_it_lies(batch: Batch) -> bool:
    return isinstance(batch.documents, Packed) and batch.documents.is_whole


def counts(batches: Sequence[Batch]) -> list[int]:
    return [len(batch.documents) for batch in batches]


async def test_a_backlog_is_read_as_it_lies(desk: Desk) -> None:
    """Batches end where fragments do, over the borders of rows, and hold all documents in their order."""
    journal = await desk.open()
    await desk.keep_rows(journal, 1000, 700, 40, 60)
    batches = await drained(desk, journal, 500)
    assert all(map(is_as_it_lies, batches))
    assert counts(batches) == [500, 500, 468, 332]
    assert gzip.decompress(batches[3].documents.gzipped()) == b"[" + b",\n".join(desk.documents(1469, 1800)) + b"]"


async def test_small_rows_between_large_ones_are_compressed_for_it(desk: Desk) -> None:
    """What is not in fragments, and less than half of a batch, does not make the rest be inflated."""
    journal = await desk.open()
    await desk.keep_rows(journal, 1000, 28, 1000, 28, 5)
    batches = await drained(desk, journal, 500)
    assert all(map(is_as_it_lies, batches))
    assert counts(batches) == [500, 500, 278, 500, 283]


async def test_behind_a_small_batch_the_next_begin_with_fragments(desk: Desk) -> None:
    """A backlog that begins with little, or in the middle of a fragment, soon goes out as it lies."""
    journal = await desk.open()
    await desk.keep_rows(journal, 1000, 1000)
    small = [await read(journal, 1, 2000, 31), await read(journal, 32, 2000, 156)]
    assert counts(small) == [31, 156]
    batches = await drained(desk, journal, 500, 188)
    assert all(map(is_as_it_lies, batches))


@pytest.mark.parametrize("count_max", [1, 7, 249, 251, 260, 499, 501, 1500])
async def test_any_number_wanted_is_given_or_half_of_it(desk: Desk, count_max: int) -> None:
    """Whatever fits least: no batch is much smaller than it might be, and each document comes once."""
    journal = await desk.open()
    await desk.keep_rows(journal, 900, 1, 33, 250)
    batches = await drained(desk, journal, count_max, 1 if count_max > 1 else 1100)
    assert all(-(-count_max // 2) <= count <= count_max for count in counts(batches[:-1]))
    assert batches[-1].last_seq == journal.last_seq


async def test_a_span_is_settled_up_to_its_end(desk: Desk) -> None:
    """What a sink has is not sent again: a span that ends within a fragment is read up to there."""
    journal = await desk.open()
    await desk.keep_rows(journal, 1000)
    journal.acknowledge("logstash", 301, 600)
    gaps = list(journal.delivered("logstash").gaps(1, 1000))
    assert gaps == [(1, 300), (601, 1000)]
    first = await read(journal, *gaps[0], 500)
    assert (first.first_seq, first.last_seq, list(first.documents)) == (1, 300, desk.documents(1, 300))
    second = await read(journal, *gaps[1], 500)
    assert (second.first_seq, second.last_seq, list(second.documents)) == (601, 1000, desk.documents(601, 1000))


async def test_rows_of_before_are_read_beside_new_ones(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal of file version 2 goes on where it is; from then on an older weatherd would refuse it."""
    monkeypatch.setattr(rows, "FRAGMENTS_COUNT_MIN", 10**9)
    journal = await desk.open()
    await desk.keep_rows(journal, 700)
    await journal.close()
    desk.sql(f"PRAGMA user_version = {USER_VERSION_READ}")
    monkeypatch.undo()
    journal = await desk.open()
    await desk.keep_rows(journal, 700)
    assert [is_as_it_lies(batch) for batch in await drained(desk, journal, 500)] == [False, True, True]
    await journal.close()
    assert desk.sql("PRAGMA user_version") == [(USER_VERSION,)]


async def test_a_damaged_fragment_is_not_sent(desk: Desk) -> None:
    """Its row is told, and the rest goes out; what lies before it is not held up."""
    journal = await desk.open()
    await desk.keep_rows(journal, 300, 300, 300)
    await journal.close()
    (body,) = desk.sql("SELECT body FROM entries WHERE first_seq = 301")[0]
    middle = len(body) // 2
    damaged = body[:middle] + bytes([body[middle] ^ 4]) + body[middle + 1 :]
    desk.sql("UPDATE entries SET body = ? WHERE first_seq = 301", damaged)
    await journal.open()
    assert list((await read(journal, 1, 900, 500)).documents) == desk.documents(1, 300)
    with pytest.raises(JournalDamaged, match="entries 301 to 600") as caught:
        await read(journal, 301, 900, 500)
    assert caught.value.last_seq == 600
    assert list((await read(journal, 601, 900, 500)).documents) == desk.documents(601, 900)


async def test_what_is_thinned_afterwards_is_not_sent_as_it_lay(desk: Desk) -> None:
    """A journal that becomes full empties lines of the oldest rows; the newest go out as they lie."""
    journal = await test_thinning.opened(desk)
    await test_thinning.fill(journal, 80)
    oldest = await read(journal, 1, 200, 200)
    assert not is_as_it_lies(oldest)
    assert len(oldest.documents) < 200
    assert {test_thinning.dataset(document) for document in oldest.documents} == {DATASET_REDUCED}
    newest = await read(journal, journal.last_seq - 119, journal.last_seq, 200)
    assert is_as_it_lies(newest)
    assert len(newest.documents) == 120


async def test_what_was_in_quarantine_goes_out_from_its_row(desk: Desk) -> None:
    """One document of a batch is refused, kept, and later read again; the others of its fragment are not."""
    journal = await desk.open()
    await desk.keep_rows(journal, 500)
    batch = await read(journal, 1, 500, 500)
    half = batch.halves()[0].halves()[1]
    one = Batch(half.first_seq, half.first_seq, half.seqs[:1], half.documents[:1])
    await journal.quarantine("logstash", one, "400")
    journal.acknowledge("logstash", 1, 500)
    assert [bytes(kept.document) for kept in await journal.quarantined_behind(0)] == desk.documents(126, 126)
    assert await journal.requeue("logstash", [126]) == 1
    assert list(journal.delivered("logstash").gaps(1, 500)) == [(126, 126)]
    assert list((await read(journal, 126, 126, 500)).documents) == desk.documents(126, 126)


async def test_estimates_that_nobody_corrects_are_sent_as_they_lie(desk: Desk) -> None:
    """A container may not ask the kernel, and some stations have no network time: theirs are many, and stay so."""
    journal = await desk.open(held=True)
    await journal.append(desk.estimates(FRAGMENT_COUNT_MAX))
    await flush(journal)
    assert await journal.read("logstash", 1, FRAGMENT_COUNT_MAX, 500) is None
    journal.release()
    assert is_as_it_lies(await read(journal, 1, FRAGMENT_COUNT_MAX, 500))


async def test_estimates_that_were_corrected_are_sent_as_they_lie(desk: Desk) -> None:
    """The correction writes their row anew."""
    guess_ms = 1_700_000_000_000
    guessed = Event("tested", "-", guess_ms + 60_000, clock_synchronized=False, clock_offset_ms=guess_ms)
    journal = await desk.open(held=True, encode=DocumentEncoder(Station("here"), "3f9c2a71").encode)
    await journal.append([guessed] * FRAGMENT_COUNT_MAX)
    await flush(journal)
    await journal.correct(guess_ms + 1_000)
    batch = await read(journal, 1, FRAGMENT_COUNT_MAX, 500)
    assert is_as_it_lies(batch)
    assert not any(map(is_estimated, batch.documents))
