"""A power cut takes what was not synced, which no copy of a file shows: here the card is a file system of its own."""

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journal.conftest import Desk, at_rest, everything, flush, in_both_modes
from weatherd.errors import JournalUnavailable
from weatherd.journal import SqliteJournal
from weatherd.journal import sqlite as sqlite_module
from weatherd.ranges import Ranges


class Card:
    """
    A card of 32 MB.

    Attributes:
        folder: Where it is mounted.
    """

    def __init__(self, place: Path) -> None:
        self._place = place
        self._image = place / "card.img"
        self._mounted: list[Path] = []
        with self._image.open("wb") as image:
            image.truncate(32 * 2**20)
        run("mkfs.ext4", "-q", "-F", "-b", "4096", str(self._image))
        # Whatever reaches the card was synced: the kernel would write the rest only after this many seconds.
        self.folder = self._mount(self._image, "loop,commit=600")

    def cut_off(self) -> Path:
        """Return the folder of a card that has what this one had when its power went."""
        image = self._place / f"cut{len(self._mounted)}.img"
        run("cp", "--sparse=always", str(self._image), str(image))
        return self._mount(image, "loop")

    def remove(self) -> None:
        for folder in self._mounted:
            run("umount", "--lazy", str(folder))

    def _mount(self, image: Path, options: str) -> Path:
        folder = image.with_suffix("")
        folder.mkdir()
        run("mount", "-o", options, str(image), str(folder))
        self._mounted.append(folder)
        return folder


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def card(tmp_path: Path) -> Iterator[Card]:
    place = tmp_path / "cards"
    place.mkdir()
    try:
        card = Card(place)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system can be made and mounted here: {error}")
    yield card
    card.remove()


@pytest.fixture(autouse=True)
def _small_tails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the tails be full now and then."""
    monkeypatch.setattr(sqlite_module, "RESERVE_SIZE", 16 * 4096)


async def survivor_of(desk: Desk, card: Card, journal: SqliteJournal) -> SqliteJournal:
    await at_rest(journal)
    return await desk.open(card.cut_off() / journal.path.name)


@in_both_modes
async def test_j1_what_is_secured_is_on_the_card_whenever_its_power_goes(desk: Desk, card: Card) -> None:
    """After any number of appends, deliveries, syncs and flushes: what is secured and not delivered is there."""
    draw = random.Random(5)
    journal = await desk.open(card.folder / "journal.db", desk.memory)
    delivered = Ranges()
    for _ in range(7):
        secured_seq = 0
        for _ in range(draw.randrange(3, 12)):
            await journal.append([event for _ in range(3) for event in desk.noise(draw.randrange(100), 700)])
            match draw.randrange(5):
                case 0:
                    seq = draw.randrange(1, journal.last_seq + 1)
                    journal.acknowledge("logstash", seq, min(seq + 1, journal.last_seq))
                    delivered = delivered.add(seq, min(seq + 1, journal.last_seq))
                case 1 | 2 | 3:
                    await journal.secure()
                    secured_seq = journal.last_seq
                case 4:
                    await journal.write_history()
        documents = await everything(journal)
        survivor = await survivor_of(desk, card, journal)
        found = await everything(survivor)
        needed = {seq for seq in documents if seq <= secured_seq and seq not in delivered}
        assert needed <= found.keys()
        assert all(documents[seq] == document for seq, document in found.items())
        known = survivor.delivered("logstash")
        assert known & delivered == known
        assert survivor._front.next_seq > max(secured_seq, known.last)
        await survivor.close()


@in_both_modes
async def test_j1_entries_are_secured_also_after_a_flush_that_failed(desk: Desk, card: Card) -> None:
    """What waits in the tail that the database was to take in is synced like what has come since."""
    journal = await desk.open(card.folder / "journal.db", desk.memory)
    await journal.append(desk.entries(2))
    connection = journal._store.database.connection
    await journal._run(lambda: connection.execute("PRAGMA query_only = ON"))
    with pytest.raises(JournalUnavailable):
        await flush(journal)
    await journal.append(desk.entries(2))
    await journal.secure()
    assert list(await everything(await survivor_of(desk, card, journal))) == [1, 2, 3, 4]
    await journal._run(lambda: connection.execute("PRAGMA query_only = OFF"))


async def test_what_is_young_and_delivered_in_time_never_reaches_the_card(desk: Desk, card: Card) -> None:
    """A power cut takes it, since the far end has it; the card has written nothing for it."""
    journal = await desk.open(card.folder / "journal.db", desk.memory)
    await journal.append(desk.entries(5))
    await journal.secure()
    for seq in range(6, 30):
        await journal.append(desk.entries())
        journal.acknowledge("logstash", seq, seq)
        await journal.secure()
    survivor = await survivor_of(desk, card, journal)
    assert list(await everything(survivor)) == [1, 2, 3, 4, 5]
    assert survivor.delivered("logstash") == Ranges()
