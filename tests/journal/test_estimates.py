"""J15: estimates of this boot are given to no sink while they are held back, and corrected only before any attempt."""

import asyncio
import json
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from tests.journal.conftest import BOOT, Desk, flush
from weatherd.errors import JournalDamaged
from weatherd.journal import SqliteJournal
from weatherd.model import Event, Observation, Quality, Station
from weatherd.processing.documents import DocumentEncoder, corrected, is_estimated
from weatherd.ranges import Ranges

ENCODE = DocumentEncoder(Station("porto-alegre-01"), "3f9c2a71").encode

GUESS_MS = 1_700_000_000_000
"""By how much the wall clock was taken to be ahead of the boot clock."""

TRUTH_MS = GUESS_MS + 86_400_000

FLUSHES = ("young", "in the database")


def estimate(uptime_ms: int = 60_000, *, offset_ms: int = GUESS_MS) -> Observation:
    """Observe at a time since the boot, whose time of day is a guess."""
    return Observation(
        sensor="mast",
        model="BMP280",
        observed_at_ms=offset_ms + uptime_ms,
        recorded_at_ms=offset_ms + uptime_ms + 412,
        values={"air_pressure": 1012.3},
        quality={"air_pressure": Quality.GOOD},
        clock_synchronized=False,
        clock_offset_ms=offset_ms,
    )


def timed_by_source() -> Observation:
    """Observe what came with the time of its source, which is final."""
    return Observation("meter", "WH1080", GUESS_MS + 7, GUESS_MS + 9, {"rainfall_amount": 0.3}, {}, False)


def estimated_event() -> Event:
    return Event("sensor_lost", "the mast is gone", GUESS_MS + 61_000, False, clock_offset_ms=GUESS_MS)


async def opened(desk: Desk, **options: Any) -> SqliteJournal:
    return await desk.open(**{"encode": ENCODE, "held": True} | options)


async def given(journal: SqliteJournal, count_max: int = 500, sink: str = "logstash") -> dict[int, bytes]:
    """Read all that the journal gives, as the forwarder does."""
    documents: dict[int, bytes] = {}
    seq = 1
    while seq <= journal.last_seq:
        batch = await journal.read(sink, seq, journal.last_seq, count_max)
        if batch is None:
            break
        documents |= dict(zip(batch.seqs, batch.documents, strict=True))
        seq = batch.last_seq + 1
    return documents


def stamps(documents: Iterable[bytes]) -> list[tuple[str, str, dict[str, bool]]]:
    decoded = map(json.loads, documents)
    return [(one["@timestamp"], one["event"]["created"], one["clock"]) for one in decoded]


def encoded(entries: Sequence[Observation | Event], first_seq: int = 1) -> dict[int, bytes]:
    return {seq: ENCODE(entry, seq) for seq, entry in enumerate(entries, first_seq)}


@pytest.mark.parametrize("where", FLUSHES)
async def test_estimates_are_given_to_no_sink_while_they_are_held(desk: Desk, where: str) -> None:
    """All that is left is held back: there is no batch, and nothing counts as tried."""
    journal = await opened(desk)
    await journal.append([estimate(), estimated_event()])
    if where != "young":
        await flush(journal)
    assert journal.is_holding
    assert await journal.read("logstash", 1, 2, 500) is None
    assert await journal.read("logstash", 2, 2, 500) is None
    assert journal._front.standing.tried == Ranges()
    assert journal.lag("logstash") == 2


@pytest.mark.parametrize("where", FLUSHES)
async def test_what_its_source_has_timed_passes(desk: Desk, where: str) -> None:
    """The batch begins behind those that are held and ends before them; the next one goes on behind."""
    journal = await opened(desk)
    entries = [estimate(), estimate(), timed_by_source(), timed_by_source(), estimate(), timed_by_source(), estimate()]
    await journal.append(entries)
    if where != "young":
        await flush(journal)
    first = await journal.read("logstash", 1, 7, 500)
    assert first is not None
    assert (first.first_seq, first.last_seq, list(first.seqs)) == (3, 4, [3, 4])
    second = await journal.read("logstash", 5, 7, 500)
    assert second is not None
    assert (second.first_seq, second.last_seq, list(second.seqs)) == (6, 6, [6])
    assert await journal.read("logstash", 7, 7, 500) is None
    documents = encoded(entries)
    assert [*first.documents, *second.documents] == [documents[seq] for seq in (3, 4, 6)]


@pytest.mark.parametrize("where", FLUSHES)
async def test_released_estimates_go_out_as_they_are(desk: Desk, where: str) -> None:
    """Those who wait are woken; the documents tell that their time is an estimate."""
    journal = await opened(desk)
    entries = [estimate(), timed_by_source(), estimated_event()]
    await journal.append(entries)
    if where != "young":
        await flush(journal)
    waiting = asyncio.create_task(journal.wait_for_return())
    await asyncio.sleep(0)
    assert not waiting.done()
    journal.release()
    await asyncio.wait_for(waiting, 5.0)
    assert not journal.is_holding
    assert await given(journal) == encoded(entries)


@pytest.mark.parametrize("where", FLUSHES)
async def test_estimates_are_corrected(desk: Desk, where: str) -> None:
    """Stamps and clock are right, all the rest of the bytes is as it was, and those who wait are woken."""
    journal = await opened(desk)
    entries = [estimate(60_000), timed_by_source(), estimated_event()]
    await journal.append(entries)
    if where != "young":
        await flush(journal)
    waiting = asyncio.create_task(journal.wait_for_return())
    await asyncio.sleep(0)
    await journal.correct(TRUTH_MS)
    await asyncio.wait_for(waiting, 5.0)
    assert not journal.is_holding
    found = await given(journal)
    step_ms = TRUTH_MS - GUESS_MS
    assert found == {seq: corrected(document, step_ms) for seq, document in encoded(entries).items()}
    assert stamps(found.values()) == [
        ("2023-11-15T22:14:20.000Z", "2023-11-15T22:14:20.412Z", {"synchronized": True}),
        ("2023-11-14T22:13:20.007Z", "2023-11-14T22:13:20.009Z", {"synchronized": False}),
        ("2023-11-15T22:14:21.000Z", "2023-11-15T22:14:21.000Z", {"synchronized": True}),
    ]


async def test_rows_and_young_ones_are_corrected_by_their_own_clock(desk: Desk) -> None:
    """The wall clock was set by hand in between, so that there are two guesses in one boot."""
    journal = await opened(desk)
    await journal.append([estimate(1_000)])
    await flush(journal)
    await journal.append([estimate(2_000), estimate(3_000, offset_ms=GUESS_MS + 5_000)])
    await journal.append([estimate(4_000, offset_ms=GUESS_MS - 5_000)])
    await journal.correct(TRUTH_MS)
    assert [stamp for stamp, _, _ in stamps((await given(journal)).values())] == [
        "2023-11-15T22:13:21.000Z",
        "2023-11-15T22:13:22.000Z",
        "2023-11-15T22:13:23.000Z",
        "2023-11-15T22:13:24.000Z",
    ]


@pytest.mark.parametrize("where", FLUSHES)
async def test_what_was_tried_is_not_corrected(desk: Desk, where: str) -> None:
    """A sink may have it: its bytes are frozen, for each of the sinks, and over a crash."""
    journal = await opened(desk, held=False, sinks=("logstash", "mqtt"))
    entries = [estimate(1_000 * number) for number in range(1, 6)]
    await journal.append(entries)
    if where != "young":
        await flush(journal)
    batch = await journal.read("mqtt", 2, 3, 500)
    assert batch is not None
    before = encoded(entries)
    step_ms = TRUTH_MS - GUESS_MS
    expected = {seq: before[seq] if seq in (2, 3) else corrected(before[seq], step_ms) for seq in before}
    recovered = await desk.after_kill(journal, encode=ENCODE, held=True, sinks=("logstash", "mqtt"))
    await journal.correct(TRUTH_MS)
    assert await given(journal) == expected
    assert await given(journal, sink="mqtt") == expected
    await recovered.correct(TRUTH_MS)
    assert await given(recovered) == expected


async def test_many_rows_are_corrected_without_a_gap(desk: Desk) -> None:
    """More rows than one step corrects; those of another boot lie between them."""
    other = await opened(desk, boot_id="0ld0ld00")
    for number in range(30):
        await other.append([estimate(number)])
        await flush(other)
    await other.close()
    journal = await opened(desk)
    for number in range(120):
        await journal.append([estimate(number), timed_by_source()])
        await flush(journal)
    await journal.correct(TRUTH_MS)
    found = await given(journal)
    assert list(found) == list(range(1, 271))
    assert [seq for seq, document in found.items() if is_estimated(document)] == list(range(1, 31))


@pytest.mark.parametrize("crash", [False, True])
async def test_estimates_of_another_boot_are_neither_held_nor_corrected(desk: Desk, *, crash: bool) -> None:
    """Nobody will ever know how that boot's clock went: they go out as they are, at once."""
    journal = await opened(desk, boot_id="0ld0ld00")
    entries = [estimate(), estimate()]
    await journal.append(entries)
    if crash:
        journal = await desk.after_kill(journal, encode=ENCODE, held=True, boot_id=BOOT)
    else:
        await journal.close()
        journal = await opened(desk, boot_id=BOOT)
    await journal.append([estimate()])
    assert await given(journal) == encoded(entries)
    await journal.correct(TRUTH_MS)
    found = await given(journal)
    assert {seq: found[seq] for seq in (1, 2)} == encoded(entries)
    assert not is_estimated(found[3])


async def test_untried_estimates_of_another_boot_are_not_corrected_either(desk: Desk) -> None:
    """Whichever name that boot has, before or behind ours."""
    entries = [estimate(), estimate()]
    for boot_id in ("00000000", "ffffffff"):
        journal = await opened(desk, boot_id=boot_id)
        await journal.append(entries[:1])
        await journal.close()
    journal = await opened(desk, boot_id=BOOT)
    await journal.append([estimate()])
    await journal.correct(TRUTH_MS)
    found = await given(journal)
    assert {seq: found[seq] for seq in (1, 2)} == encoded(entries)
    assert not is_estimated(found[3])


async def test_a_damaged_row_of_estimates_holds_up_no_other(desk: Desk) -> None:
    """It is passed over: the rest is corrected, and goes out; the damage is told by the read that meets it."""
    journal = await opened(desk)
    for _ in range(3):
        await journal.append([estimate()])
        await flush(journal)
    await journal.close()
    desk.sql("UPDATE entries SET body = x'00112233' WHERE first_seq = 2")
    journal = await opened(desk)
    await journal.correct(TRUTH_MS)
    assert not journal.is_holding
    for seq in (1, 3):
        batch = await journal.read("logstash", seq, seq, 10)
        assert batch is not None
        assert not is_estimated(batch.documents[0])
    with pytest.raises(JournalDamaged):
        await journal.read("logstash", 2, 3, 10)


async def test_late_ones_are_corrected_when_they_are_appended(desk: Desk) -> None:
    """They were formed before the time was known, and come afterwards; also while the rest is being corrected."""
    journal = await opened(desk)
    await journal.append([estimate(1_000)])
    correcting = asyncio.create_task(journal.correct(TRUTH_MS))
    await asyncio.sleep(0)
    await journal.append([estimate(2_000), timed_by_source()])
    await correcting
    await journal.append([estimate(3_000), estimated_event()])
    found = await given(journal)
    assert not any(map(is_estimated, found.values()))
    assert [stamp for stamp, _, _ in stamps(found.values())] == [
        "2023-11-15T22:13:21.000Z",
        "2023-11-15T22:13:22.000Z",
        "2023-11-14T22:13:20.007Z",
        "2023-11-15T22:13:23.000Z",
        "2023-11-15T22:14:21.000Z",
    ]
    step_ms = TRUTH_MS - GUESS_MS
    assert found[4] == corrected(ENCODE(estimate(3_000), 4), step_ms)
    assert found[5] == corrected(ENCODE(estimated_event(), 5), step_ms)


async def test_an_append_that_is_under_way_is_corrected_too(desk: Desk) -> None:
    """It was handed in before the time was known, and gets its place while the rest is being corrected."""
    journal = await opened(desk)
    appending = [asyncio.create_task(journal.append([estimate(number)])) for number in range(20)]
    await asyncio.sleep(0)
    await journal.correct(TRUTH_MS)
    await asyncio.gather(*appending)
    found = await given(journal)
    assert len(found) == 20
    assert not any(map(is_estimated, found.values()))


async def test_what_was_corrected_is_not_corrected_again(desk: Desk) -> None:
    """After a restart in the same boot the offset is told again, a little different; the bytes stay."""
    journal = await opened(desk)
    await journal.append([estimate(1_000), estimate(2_000)])
    await journal.correct(TRUTH_MS)
    before = await given(journal)
    await journal.close()
    journal = await opened(desk)
    await journal.correct(TRUTH_MS + 40)
    assert await given(journal) == before


@pytest.mark.parametrize("crash", [False, True])
async def test_a_restart_in_the_same_boot_still_holds_and_corrects(desk: Desk, *, crash: bool) -> None:
    """A killed daemon left estimates behind; its boot goes on, and the time becomes known to the next one."""
    journal = await opened(desk)
    await journal.append([estimate(1_000)])
    await flush(journal)
    await journal.append([estimate(2_000)])
    if crash:
        journal = await desk.after_kill(journal, encode=ENCODE, held=True)
    else:
        await journal.close()
        journal = await opened(desk)
    assert await given(journal) == {}
    await journal.append([estimate(3_000)])
    await journal.correct(TRUTH_MS)
    assert [stamp for stamp, _, _ in stamps((await given(journal)).values())] == [
        "2023-11-15T22:13:21.000Z",
        "2023-11-15T22:13:22.000Z",
        "2023-11-15T22:13:23.000Z",
    ]


async def test_a_correction_is_on_the_card(desk: Desk) -> None:
    """After a power cut the sinks are given the same bytes as before it."""
    journal = await opened(desk)
    await journal.append([estimate(1_000), estimate(2_000)])
    await journal.correct(TRUTH_MS)
    before = await given(journal)
    recovered = await desk.after_power_cut(journal, encode=ENCODE, held=True, boot_id="next0000")
    assert await given(recovered) == before


async def test_secured_estimates_know_their_boot_after_a_power_cut(desk: Desk) -> None:
    """The tail on the card tells it: they go out as they are in the next boot, and are held while it is the same."""
    journal = await opened(desk)
    await journal.append([estimate(1_000), timed_by_source()])
    await journal.secure()
    next_boot = await desk.after_power_cut(journal, encode=ENCODE, held=True, boot_id="next0000")
    assert await given(next_boot) == encoded([estimate(1_000), timed_by_source()])
    same_boot = await desk.after_power_cut(journal, encode=ENCODE, held=True)
    assert list(await given(same_boot)) == [2]
