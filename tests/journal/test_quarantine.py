import asyncio
from collections.abc import Sequence

import pytest

from tests.journal.conftest import Desk, at_rest, everything, flush, in_both_modes, seqs
from weatherd.errors import JournalUnavailable
from weatherd.journal import SqliteJournal, quarantine
from weatherd.journal.opening import PAGE_SIZE, USER_VERSION_READ
from weatherd.journal.quarantine import Quarantined
from weatherd.journal.rows import pack_row
from weatherd.model import Batch
from weatherd.ranges import Ranges


def batch_of(desk: Desk, first_seq: int, last_seq: int) -> Batch:
    return Batch(first_seq, last_seq, range(first_seq, last_seq + 1), desk.documents(first_seq, last_seq))


async def refuse(desk: Desk, journal: SqliteJournal, first_seq: int, last_seq: int, sink: str = "logstash") -> None:
    """Quarantine what a sink refused, and go on behind it."""
    await journal.quarantine(sink, batch_of(desk, first_seq, last_seq), "refused")
    journal.acknowledge(sink, first_seq, last_seq)


async def listed(journal: SqliteJournal) -> Sequence[Quarantined]:
    """Return all that is in quarantine, one call after the other."""
    found: list[Quarantined] = []
    while part := await journal.quarantined_behind(found[-1].id if found else 0):
        found += part
    return found


async def test_what_is_quarantined_outlives_the_daemon(desk: Desk) -> None:
    """Documents, reason and counts are there after a power cut."""
    journal = await desk.open()
    await journal.append(desk.entries(5))
    await journal.quarantine("logstash", batch_of(desk, 1, 3), "mapper_parsing_exception")
    survivor = await desk.after_power_cut(journal)
    assert survivor.quarantined == {"logstash": 3}
    assert await listed(survivor) == await listed(journal)
    assert {one.reason for one in await listed(survivor)} == {"mapper_parsing_exception"}


async def test_a_quarantined_document_stays_when_its_entry_goes(desk: Desk) -> None:
    """Quarantine is a place of its own: pruning does not reach it."""
    journal = await desk.open(retention_s=0.0)
    await desk.keep_rows(journal, 5, 5)
    await refuse(desk, journal, 1, 1)
    await prune_all(desk, journal)
    assert journal.first_seq == 6
    assert journal.quarantined == {"logstash": 1}


async def test_j11_the_oldest_make_room_by_number(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """One document too many, and the first that came goes, counted for good."""
    monkeypatch.setattr(quarantine, "QUARANTINE_MAX", 5)
    journal = await desk.open(sinks=("logstash", "mqtt"))
    await journal.append(desk.entries(20))
    await journal.quarantine("mqtt", batch_of(desk, 9, 10), "-")
    await journal.quarantine("logstash", batch_of(desk, 1, 3), "-")
    assert journal.contents.count("quarantine_dropped") == 0
    await journal.quarantine("logstash", batch_of(desk, 4, 4), "-")
    assert journal.quarantined == {"mqtt": 1, "logstash": 4}
    await journal.quarantine("logstash", batch_of(desk, 5, 12), "-")
    await journal.close()
    await journal.open()
    assert journal.quarantined.get("mqtt", 0) == 0
    assert journal.quarantined["logstash"] == 5
    assert journal.contents.count("quarantine_dropped") == 9
    await journal.close()
    assert desk.sql("SELECT seq FROM quarantine") == [(seq,) for seq in range(8, 13)]


async def test_j11_the_oldest_make_room_by_size(desk: Desk) -> None:
    """The quarantine's bytes are bounded, so that entries always find room beside it."""
    journal = await desk.open(size_max=400_000, when_full="drop_oldest")
    await desk.keep_rows(journal, 200)
    for seq in range(1, 201):
        await journal.quarantine("logstash", Batch(seq, seq, (seq,), (b"x" * 5000,)), "r" * 5000)
    assert journal.quarantined == {"logstash": 8}
    assert journal.contents.count("quarantine_dropped") == 192
    await desk.fill(journal, 300)
    assert journal.size <= 400_000
    await journal.close()
    assert desk.path.stat().st_size <= 400_000 * 9 // 8
    assert desk.sql("SELECT DISTINCT length(reason) FROM quarantine") == [(quarantine.REASON_LENGTH_MAX,)]


async def test_the_listing_tells_all_in_the_order_in_which_they_came(desk: Desk) -> None:
    """However many there are, each comes once, with its sink, its reason and its bytes as they were sent."""
    journal = await desk.open(sinks=("logstash", "mqtt"))
    await journal.append(desk.entries(300))
    assert await journal.quarantined_behind(0) == []
    await journal.quarantine("mqtt", batch_of(desk, 250, 252), "too large")
    desk.clock.ms += 1000
    await journal.quarantine("logstash", batch_of(desk, 1, 240), "refused")
    (first, *_) = part = await journal.quarantined_behind(0)
    assert first == Quarantined(first.id, "mqtt", 250, "too large", desk.clock.ms - 1000, desk.documents(250, 250)[0])
    assert len(part) == 100
    found = await listed(journal)
    assert [(one.sink, one.seq) for one in found] == [
        *(("mqtt", seq) for seq in (250, 251, 252)),
        *(("logstash", seq) for seq in range(1, 241)),
    ]
    assert [one.document for one in found[3:]] == desk.documents(1, 240)


@in_both_modes
@pytest.mark.parametrize("young", [True, False])
async def test_a_requeued_document_that_is_still_in_a_row_is_given_again(desk: Desk, *, young: bool) -> None:
    """It is no longer delivered, nor in quarantine; it is given once more, with the bytes that the row has."""
    journal = await desk.open(sinks=("logstash", "mqtt"))
    await journal.append(desk.entries(10))
    if not young:
        await flush(journal)
    for sink in ("logstash", "mqtt"):
        journal.acknowledge(sink, 1, 10)
        await refuse(desk, journal, 4, 5, sink)
    assert await journal.requeue("logstash", [4, 5, 6]) == 2
    assert await journal.requeue("logstash", [4, 5]) == 0
    assert {sink: count for sink, count in journal.quarantined.items() if count} == {"mqtt": 2}
    assert await journal.read("logstash", 4, 5, 10) == batch_of(desk, 4, 5)
    assert await seqs(journal) == list(range(1, 11))
    survivor = await desk.after_power_cut(journal, sinks=("logstash", "mqtt"))
    for one in (journal, survivor):
        assert one.delivered("logstash") == Ranges([(1, 3), (6, 10)])
        assert one.delivered("mqtt") == Ranges([(1, 10)])
        assert list(await everything(one)) == list(range(1, 11))


@in_both_modes
async def test_a_requeued_document_that_was_pruned_is_put_back(desk: Desk) -> None:
    """It has its seq and its bytes again, before the oldest row; what went with it stays gone and delivered."""
    journal = await desk.open(retention_s=0.0)
    await desk.keep_rows(journal, 10, 10)
    await refuse(desk, journal, 4, 4)
    await refuse(desk, journal, 7, 8)
    await prune_all(desk, journal)
    assert journal.first_seq == 11
    assert await journal.requeue("logstash", [8, 4]) == 2
    assert [(one.seq, one.document) for one in await listed(journal)] == [(7, desk.documents(7, 7)[0])]
    survivor = await desk.after_power_cut(journal, retention_s=0.0)
    for one in (journal, survivor):
        assert one.first_seq == 4
        assert one.lag("logstash") == 2
        assert one.delivered("logstash") == Ranges([(1, 3), (5, 7), (9, 20)])
        batch = await one.read("logstash", 4, 10, 10)
        assert batch is not None
        assert (batch.first_seq, batch.last_seq, list(batch.seqs)) == (4, 10, [4, 8])
        assert list(batch.documents) == [*desk.documents(4, 4), *desk.documents(8, 8)]
        one.acknowledge("logstash", 4, 10)
        assert one.lag("logstash") == 0


async def test_a_requeued_document_of_a_former_gap_in_a_row_is_put_back(desk: Desk) -> None:
    """Where a row has an empty line in its place, it is written there, and its neighbours stay."""
    journal = await desk.open()
    await desk.keep_rows(journal, 5)
    await refuse(desk, journal, 2, 3)
    run = await journal.run_at(1)
    assert run is not None
    documents = [b"" if seq in (2, 3) else one for seq, one in enumerate(run.documents, 1)]

    def empty() -> None:
        with journal._store.database.transaction():
            journal._store.database.replace(pack_row(run._replace(documents=documents)))
        journal._store._reader.forget()

    await journal._run(empty)
    assert list(await everything(journal)) == [1, 4, 5]
    assert await journal.requeue("logstash", [3]) == 1
    assert await everything(journal) == dict(
        zip((1, 3, 4, 5), (*desk.documents(1, 1), *desk.documents(3, 5)), strict=True)
    )


async def test_what_is_not_acknowledged_yet_stays_in_quarantine(desk: Desk) -> None:
    """A requeue between quarantine and acknowledgement would be undone by the latter, so it takes nothing out."""
    journal = await desk.open()
    await journal.append(desk.entries(5))
    await journal.quarantine("logstash", batch_of(desk, 2, 2), "-")
    assert await journal.requeue("logstash", [2]) == 0
    journal.acknowledge("logstash", 2, 2)
    assert await journal.requeue("logstash", [2]) == 1
    assert journal.lag("logstash") == 5


async def test_a_requeue_stays_over_a_kill(desk: Desk) -> None:
    """What the tail says of an earlier delivery does not take it back."""
    journal = await desk.open()
    await journal.append(desk.entries(5))
    await refuse(desk, journal, 1, 5)
    await at_rest(journal)
    assert await journal.requeue("logstash", [1, 2, 3, 4, 5]) == 5
    assert (await desk.after_kill(journal)).lag("logstash") == 5
    journal.acknowledge("logstash", 2, 2)
    survivor = await desk.after_kill(journal)
    assert survivor.delivered("logstash") == Ranges([(2, 2)])
    assert survivor.quarantined == {}


async def test_a_requeue_wakes_those_who_wait_for_returns(desk: Desk) -> None:
    """The forwarder learns that there is something to deliver again; a requeue of nothing does not wake it."""
    journal = await desk.open()
    await journal.append(desk.entries(5))
    await refuse(desk, journal, 1, 5)
    waiting = asyncio.create_task(journal.wait_for_return())
    assert await journal.requeue("mqtt", [1]) == 0
    await at_rest(journal)
    assert not waiting.done()
    await journal.requeue("logstash", [1])
    await asyncio.wait_for(waiting, 5.0)


async def test_j9_a_requeue_that_fails_has_changed_nothing(desk: Desk) -> None:
    """While the file may not be written, the document stays where it is, delivered as it was."""
    journal = await desk.open()
    await journal.append(desk.entries(5))
    await refuse(desk, journal, 1, 5)
    connection = journal._store.database.connection
    await journal._run(lambda: connection.execute("PRAGMA query_only = ON"))
    with pytest.raises(JournalUnavailable):
        await journal.requeue("logstash", [1])
    assert (journal.lag("logstash"), journal.quarantined) == (0, {"logstash": 5})
    await journal._run(lambda: connection.execute("PRAGMA query_only = OFF"))
    assert await journal.requeue("logstash", [1]) == 1
    assert (journal.lag("logstash"), journal.quarantined) == (1, {"logstash": 4})


@pytest.mark.parametrize(
    "change",
    [
        "document = CAST(replace(document, x'35', x'36') AS BLOB)",
        "document = x''",
        "seq = seq + 100",
        "sink = 'mqtt'",
        "reason = 'Refused'",
        "quarantined_at_ms = quarantined_at_ms + 1",
    ],
)
async def test_j14_what_a_card_made_of_a_quarantined_document_is_none(desk: Desk, change: str) -> None:
    """Whatever of its row has changed: it is told as damage, neither listed nor tried again; the others are there."""
    journal = await desk.open(retention_s=0.0)
    await desk.keep_rows(journal, 10, 10)
    await refuse(desk, journal, 5, 6)
    await prune_all(desk, journal)
    await journal.close()
    desk.sql(f"UPDATE quarantine SET {change} WHERE seq = 5")
    journal = await desk.open(retention_s=0.0)
    assert [(one.sink, one.seq, one.document) for one in await listed(journal)] == [
        ("logstash", 6, desk.documents(6, 6)[0])
    ]
    assert journal.quarantined == {"logstash": 1}
    assert [notice.action for notice in desk.notices] == ["journal_damaged"]
    assert await journal.requeue("logstash", [5, 6, 105]) == 1
    batch = await journal.read("logstash", 1, 10, 10)
    assert batch is not None
    assert (list(batch.seqs), list(batch.documents)) == ([6], desk.documents(6, 6))


async def test_j14_a_page_of_another_document_is_not_taken_for_its_own(desk: Desk) -> None:
    """Where a long document goes on, the card has what it should have written elsewhere: SQLite does not notice."""
    documents = {seq: bytes([96 + seq]) * 20_000 for seq in (1, 2)}
    journal = await desk.open()
    await journal.append(desk.entries(2))
    for seq, document in documents.items():
        await journal.quarantine("logstash", Batch(seq, seq, (seq,), (document,)), "too large")
    await journal.close()
    data = desk.path.read_bytes()
    pages = [data[at : at + PAGE_SIZE] for at in range(0, len(data), PAGE_SIZE)]
    first, second = (next(n for n, page in enumerate(pages) if page[4:] == bytes([c]) * 4092) for c in b"ab")
    pages[first] = pages[first][:4] + pages[second][4:]
    desk.path.write_bytes(b"".join(pages))
    assert desk.sql("PRAGMA integrity_check") == [("ok",)]
    journal = await desk.open()
    assert [(one.seq, one.document) for one in await listed(journal)] == [(2, documents[2])]


async def test_the_quarantine_of_file_version_2_is_sealed(desk: Desk) -> None:
    """It had no checksums: its documents are there as they were, and have some from then on."""
    journal = await desk.open()
    await journal.append(desk.entries(5))
    await refuse(desk, journal, 2, 3)
    before = await listed(journal)
    await journal.close()
    desk.sql("UPDATE quarantine SET document = CAST(substr(document, 1, length(document) - 4) AS BLOB)")
    desk.sql(f"PRAGMA user_version = {USER_VERSION_READ}")
    journal = await desk.open()
    assert await listed(journal) == before
    assert journal.contents.quarantined.size == sum(len(one.document) + 4 + len(one.reason) for one in before)
    assert not desk.notices
    await journal.close()
    journal = await desk.open()
    assert await listed(journal) == before


async def prune_all(desk: Desk, journal: SqliteJournal) -> None:
    """Deliver everything, and let all rows but the newest go by age."""
    journal.acknowledge("logstash", 1, journal.last_seq)
    desk.clock.ms += 1000

    def prune() -> None:
        database = journal._store.database
        with database.transaction():
            database.prune(desk.clock.ms, journal._store._settled_for_room())

    await journal._run(prune)
