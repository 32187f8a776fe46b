import pytest

from tests.journal.conftest import Desk
from weatherd.journal import quarantine
from weatherd.model import Batch


async def test_what_is_quarantined_outlives_the_daemon(desk: Desk) -> None:
    """Documents, reason and counts are there after a crash."""
    journal = await desk.open()
    await journal.append(desk.entries(5))
    await journal.quarantine("logstash", Batch(1, desk.documents(1, 3)), "mapper_parsing_exception")
    survivor = await desk.open(desk.crashed())
    assert survivor.quarantined == {"logstash": 3}


async def test_a_quarantined_document_stays_when_its_entry_goes(desk: Desk) -> None:
    """Quarantine is a place of its own: pruning does not reach it."""
    journal = await desk.open(retention_s=0.0)
    await journal.append(desk.entries(5))
    await journal.append(desk.entries(5))
    await journal.quarantine("logstash", Batch(1, desk.documents(1, 1)), "-")
    await journal.acknowledge("logstash", 10)
    desk.clock.ms += 1000
    assert await journal.prune() == 5
    assert journal.quarantined == {"logstash": 1}


async def test_j11_the_oldest_make_room_by_number(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """One document too many, and the first that came goes, counted for good."""
    monkeypatch.setattr(quarantine, "QUARANTINE_MAX", 5)
    journal = await desk.open(sinks=("logstash", "mqtt"))
    await journal.append(desk.entries(20))
    await journal.quarantine("mqtt", Batch(9, desk.documents(9, 10)), "-")
    await journal.quarantine("logstash", Batch(1, desk.documents(1, 3)), "-")
    assert journal.quarantine_dropped_count == 0
    await journal.quarantine("logstash", Batch(4, desk.documents(4, 4)), "-")
    assert journal.quarantined == {"mqtt": 1, "logstash": 4}
    await journal.quarantine("logstash", Batch(5, desk.documents(5, 12)), "-")
    await journal.close()
    await journal.open()
    assert journal.quarantined.get("mqtt", 0) == 0
    assert journal.quarantined["logstash"] == 5
    assert journal.quarantine_dropped_count == 9
    await journal.close()
    assert desk.sql("SELECT seq FROM quarantine") == [(seq,) for seq in range(8, 13)]


async def test_j11_the_oldest_make_room_by_size(desk: Desk) -> None:
    """The quarantine's bytes are bounded, so that entries always find room beside it."""
    journal = await desk.open(size_max=400_000)
    await journal.append(desk.entries(200))
    for seq in range(1, 201):
        await journal.quarantine("logstash", Batch(seq, (b"x" * 5000,)), "r" * 5000)
    assert journal.quarantined == {"logstash": 8}
    assert journal.quarantine_dropped_count == 192
    for seed in range(300):
        await journal.append(desk.noise(seed, 3000))
    assert journal.size <= 400_000
    await journal.close()
    assert desk.path.stat().st_size <= 400_000 * 9 // 8
    assert desk.sql("SELECT DISTINCT length(reason) FROM quarantine") == [(quarantine.REASON_LENGTH_MAX,)]
