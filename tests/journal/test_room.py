import pytest

from tests.journal.conftest import Desk
from weatherd.errors import JournalFull
from weatherd.journal import store


async def test_age_takes_what_is_delivered_and_older_than_the_retention(desk: Desk) -> None:
    """A delivered row stays for its retention to the millisecond, and then goes."""
    journal = await desk.open(retention_s=60.0)
    for _ in range(3):
        await journal.append(desk.entries(10))
        desk.clock.ms += 10_000
    await journal.acknowledge("logstash", 30)
    desk.clock.ms += 30_000
    assert await journal.prune() == 0
    desk.clock.ms += 1
    assert await journal.prune() == 10
    desk.clock.ms += 10_000
    assert await journal.prune() == 10
    assert await desk.seqs(journal) == list(range(21, 31))


@pytest.mark.parametrize("jump_ms", [-10 * 365 * 86_400_000, 10 * 365 * 86_400_000])
async def test_a_clock_that_jumps_takes_nothing_undelivered(desk: Desk, jump_ms: int) -> None:
    """Ten years forward or back, and what a sink lacks is still there."""
    journal = await desk.open()
    for _ in range(3):
        await journal.append(desk.entries(10))
    await journal.acknowledge("logstash", 10)
    desk.clock.ms += jump_ms
    assert await journal.prune() == (10 if jump_ms > 0 else 0)
    await journal.append(desk.entries(10))
    assert (await desk.seqs(journal))[-30:] == list(range(11, 41))


async def test_a_prune_is_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """One call deletes a limited number of rows, the next ones go on."""
    monkeypatch.setattr(store, "PRUNE_ROWS_MAX", 4)
    journal = await desk.open(retention_s=0.0)
    for _ in range(10):
        await journal.append(desk.entries(2))
    await journal.acknowledge("logstash", 20)
    desk.clock.ms += 1
    assert [await journal.prune() for _ in range(4)] == [8, 8, 2, 0]


async def test_without_sinks_everything_counts_as_delivered(desk: Desk) -> None:
    """A station that only keeps a history keeps it within its retention and size, and drops nothing."""
    journal = await desk.open(sinks=(), size_max=200_000, when_full="block")
    await desk.fill(journal, 200)
    assert journal.first_seq > 100
    assert journal.dropped_count == 0


@pytest.mark.parametrize("when_full", ["drop_oldest", "block"])
async def test_what_is_delivered_goes_first(desk: Desk, when_full: str) -> None:
    """As long as delivered rows make room, nothing is dropped and nothing is refused."""
    journal = await desk.open(sinks=("logstash", "mqtt"), size_max=400_000, when_full=when_full)
    for seed in range(500):
        await journal.append(desk.noise(seed, 3000))
        await journal.acknowledge("logstash", journal.last_seq)
        await journal.acknowledge("mqtt", max(journal.last_seq - 50, 0))
    assert journal.dropped_count == 0
    assert 50 < len(await desk.seqs(journal)) < 150


async def test_delivered_rows_go_several_at_a_time(desk: Desk) -> None:
    """Not each append to a full journal has to delete."""
    journal = await desk.open(size_max=2_000_000)
    firsts = []
    for seed in range(1000):
        await journal.append(desk.noise(seed, 3000))
        await journal.acknowledge("logstash", journal.last_seq)
        firsts.append(journal.first_seq)
    assert 1 < len(set(firsts)) < 150


async def test_no_more_is_dropped_than_needed(desk: Desk) -> None:
    """What is not delivered goes only as far as the next append needs the room: a few pages."""
    journal = await desk.open(size_max=200_000)
    for _ in range(100):
        await desk.fill(journal, 1)
        assert journal.first_seq == 1 or journal.size > 200_000 - 5 * 4096
    assert journal.first_seq > 1


async def test_the_count_of_what_was_dropped_outlives_the_daemon(desk: Desk) -> None:
    """How much was lost is still known after a restart."""
    journal = await desk.open(size_max=100_000)
    await desk.fill(journal, 100)
    dropped_count = journal.dropped_count
    assert dropped_count == journal.first_seq - 1 > 50
    await journal.close()
    await journal.open()
    assert journal.dropped_count == dropped_count


@pytest.mark.parametrize("when_full", ["drop_oldest", "block"])
async def test_an_append_that_never_fits_takes_nothing_with_it(desk: Desk, when_full: str) -> None:
    """Entries larger than the whole journal are refused, and what is there stays."""
    journal = await desk.open(size_max=200_000, when_full=when_full)
    await desk.fill(journal, 10)
    with pytest.raises(JournalFull):
        await journal.append(desk.noise(0, 300_000))
    assert await desk.seqs(journal) == list(range(1, 11))
    assert journal.dropped_count == 0


async def test_a_lower_size_is_kept_from_the_next_append_on(desk: Desk) -> None:
    """A journal opened with a smaller size_max comes down to it, and its file grows no more."""
    journal = await desk.open(size_max=1_000_000)
    await desk.fill(journal, 200)
    await journal.close()
    length = desk.path.stat().st_size
    journal = await desk.open(size_max=300_000)
    for seed in range(50):
        await journal.append(desk.noise(seed, 3000))
        assert journal.size <= 300_000
    await journal.close()
    assert desk.path.stat().st_size == length


async def test_large_sizes_are_told_in_megabytes(desk: Desk) -> None:
    """The sentence of a full journal reads as the configuration does."""
    assert store._in_words(256_000_000) == "256 MB"
    assert store._in_words(1_024_000_000) == "1,024 MB"
    assert store._in_words(200_000) == "200 kB"
