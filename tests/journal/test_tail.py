import errno
import itertools
import os
import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weatherd.journal import tail as tail_module
from weatherd.journal.tail import _HEADER, PAGE_SIZE, Tail

SIZE = 16 * PAGE_SIZE
HEADER_SIZE = _HEADER.size
UNLOCKED: nullcontext[None] = nullcontext()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tail"


@pytest.fixture
def tail(path: Path) -> Iterator[Tail]:
    tail = Tail(path, SIZE, in_memory=False)
    assert tail.open() == []
    yield tail
    tail.close()


def read(path: Path) -> list[bytes]:
    """Return what the next process finds, and leave the file as it is."""
    tail = Tail(path, SIZE, in_memory=True)
    try:
        return tail.open()
    finally:
        tail.close()


def test_what_was_written_is_read_in_its_order(tail: Tail, path: Path) -> None:
    """Records of any size come back as they were written, synced or not."""
    payloads = [b"one", b"", b"x" * 10_000, bytes(100), b"last"]
    for payload in payloads:
        tail.write(payload)
        if payload == bytes(100):
            tail.sync(UNLOCKED)
    assert read(path) == payloads


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_record_that_is_torn_at_any_byte_is_passed_over(tail: Tail, path: Path, damage: str) -> None:
    """Wherever the last record ends too early or has a wrong bit, those before it come back, and it does not."""
    for payload in (b"first", b"second"):
        tail.write(payload)
    start = 2 * HEADER_SIZE + len(b"firstsecond")
    tail.write(b"the third and last")
    content = path.read_bytes()
    end = start + HEADER_SIZE + len(b"the third and last")
    for position in range(start, end):
        damaged = bytearray(content)
        if damage == "cut":
            damaged[position:end] = bytes(end - position)
        else:
            damaged[position] ^= 0x10
        path.write_bytes(damaged)
        assert read(path) == [b"first", b"second"]


def test_what_was_emptied_is_forgotten_with_the_next_record(tail: Tail, path: Path) -> None:
    """Emptying writes nothing; the next record takes all before it out of the world, also those behind it."""
    for number in range(4):
        tail.write(b"old %d" % number)
        tail.sync(UNLOCKED)
    tail.empty()
    assert read(path) == [b"old 0", b"old 1", b"old 2", b"old 3"]
    tail.write(b"new")
    assert read(path) == [b"new"]


def test_a_tail_begins_anew_when_it_is_opened_again(tail: Tail, path: Path) -> None:
    """What was found at the opening is the caller's, and gives way to the first record that is written."""
    tail.write(b"one")
    tail.write(b"two")
    tail.close()
    assert tail.open() == [b"one", b"two"]
    assert read(path) == [b"one", b"two"]
    tail.write(b"three")
    assert read(path) == [b"three"]


@pytest.mark.parametrize("wrong", range(0, SIZE, PAGE_SIZE))
def test_a_damaged_page_loses_only_its_records(tail: Tail, path: Path, wrong: int) -> None:
    """Every synced record that has nothing on the damaged page comes back, whatever is before it."""
    places = {}
    for number in range(8):
        payload = b"%d" % number * (PAGE_SIZE * (1 + number % 2) - HEADER_SIZE)
        places[payload] = range(tail._offset, tail._offset + HEADER_SIZE + len(payload))
        tail.write(payload)
        tail.sync(UNLOCKED)
    with path.open("r+b") as file:
        file.seek(wrong)
        file.write(b"\xa5" * PAGE_SIZE)
    damaged = range(wrong, wrong + PAGE_SIZE)
    assert read(path) == [p for p, place in places.items() if not set(place) & set(damaged)]


def test_a_page_that_the_card_cannot_read_loses_only_its_records(
    tail: Tail, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of the card in one place is no reason to give up all the others."""
    for number in range(4):
        tail.write(b"%d" % number)
        tail.sync(UNLOCKED)
    pread = os.pread

    def failing(file: int, size: int, offset: int) -> bytes:
        if offset <= PAGE_SIZE < offset + size:
            raise OSError(errno.EIO, "Input/output error")
        return pread(file, size, offset)

    monkeypatch.setattr(os, "pread", failing)
    assert read(path) == [b"0", b"2", b"3"]


class Recorder:
    """Writes and syncs as the system sees them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.written: list[tuple[int, int]] = []
        self.syncs_count = 0
        pwrite = os.pwrite

        def record(file: int, data: bytes, offset: int) -> int:
            self.written.append((offset, len(data)))
            return pwrite(file, data, offset)

        def sync(file: int) -> None:
            self.syncs_count += 1

        monkeypatch.setattr(os, "pwrite", record)
        monkeypatch.setattr(os, "fdatasync", sync)


@given(actions=st.lists(st.one_of(st.integers(0, 9000), st.sampled_from(["sync", "empty", "reopen"])), max_size=40))
@settings(max_examples=150)
def test_a_synced_page_is_not_written_again_before_the_tail_is_emptied(actions: list[int | str]) -> None:
    """In whatever order is written, synced and emptied: no write touches a page that was synced, nor its rest."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder, pytest.MonkeyPatch.context() as monkeypatch:
        tail = Tail(Path(folder) / "tail", SIZE, in_memory=False)
        tail.open()
        recorder = Recorder(monkeypatch)
        synced: set[int] = set()
        payloads: list[bytes] = []
        for action in actions:
            match action:
                case "sync":
                    tail.sync(UNLOCKED)
                    for offset, size in recorder.written:
                        synced |= set(range(offset // PAGE_SIZE, (offset + size - 1) // PAGE_SIZE + 1))
                    recorder.written.clear()
                case "empty":
                    tail.empty()
                    synced.clear()
                    recorder.written.clear()
                    payloads.clear()
                case "reopen":
                    tail.close()
                    assert tail.open()[: len(payloads)] == payloads
                    synced.clear()
                    recorder.written.clear()
                    payloads.clear()
                case int(size):
                    payload = bytes([size % 251]) * size
                    if tail.has_room_for(payload):
                        tail.write(payload)
                        payloads.append(payload)
                        offset, written = recorder.written[-1]
                        assert not synced & set(range(offset // PAGE_SIZE, (offset + written - 1) // PAGE_SIZE + 1))
        tail.close()
        if payloads:
            assert read(tail.path) == payloads


def test_there_is_room_to_the_last_byte(tail: Tail, path: Path) -> None:
    """A tail takes what fits, and says so before."""
    most = b"x" * (SIZE - 2 * HEADER_SIZE - 1)
    tail.write(b"1")
    assert not tail.has_room_for(most + b"x")
    assert tail.has_room_for(most)
    rest = most[:-HEADER_SIZE]
    tail.write(rest)
    assert tail.has_room_for(b"")
    tail.write(b"")
    assert not tail.has_room_for(b"")
    with pytest.raises(AssertionError):
        tail.write(b"")
    assert path.stat().st_size == SIZE
    assert read(path) == [b"1", rest, b""]
    tail.empty()
    assert tail.has_room_for(rest)


def test_on_a_card_the_file_has_its_length_from_the_start(tail: Tail, path: Path) -> None:
    """Every block is there before the first record, so that no write makes the file grow; group and owner read it."""
    assert path.stat().st_size == SIZE
    assert path.stat().st_blocks * 512 >= SIZE
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_file_that_was_cut_off_gets_its_length_again(tail: Tail, path: Path) -> None:
    """What is left of it is read, and the rest is filled."""
    tail.write(b"one")
    tail.write(b"x" * PAGE_SIZE)
    tail.close()
    os.truncate(path, PAGE_SIZE // 2)
    assert tail.open() == [b"one"]
    assert path.stat().st_size == SIZE


def test_in_memory_the_file_grows_with_what_is_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory that is not used is not taken, and there is nothing to sync."""
    monkeypatch.setattr(os, "fsync", lambda _: pytest.fail("synced in memory"))
    tail = Tail(path, SIZE, in_memory=True)
    tail.open()
    assert path.stat().st_size == 0
    tail.write(b"one")
    assert path.stat().st_size == HEADER_SIZE + 3
    tail.close()
    assert tail.open() == [b"one"]
    tail.close()


@given(
    content=st.binary(max_size=3 * PAGE_SIZE) | st.builds(bytes.__mul__, st.binary(max_size=40), st.integers(0, 400))
)
@settings(max_examples=200)
def test_garbage_is_no_record(content: bytes) -> None:
    """Whatever a file holds, reading it raises nothing, and finds nothing that was not written."""
    assert list(tail_module._records(content)) == []


@given(data=st.data())
@settings(max_examples=200)
def test_damage_takes_records_and_changes_none(data: st.DataObject) -> None:
    """After random damage a tail gives some of what was written, each as it was, in its order."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        tail = Tail(Path(folder) / "tail", SIZE, in_memory=True)
        tail.open()
        payloads = data.draw(st.lists(st.binary(max_size=3000), min_size=1, max_size=8, unique=True))
        for payload in payloads:
            tail.write(payload)
            if data.draw(st.booleans()):
                tail.sync(UNLOCKED)
        tail.close()
        content = bytearray(tail.path.read_bytes())
        for _ in range(data.draw(st.integers(1, 5))):
            at = data.draw(st.integers(0, len(content) - 1))
            wrong = data.draw(st.binary(min_size=1, max_size=100))
            content[at : at + len(wrong)] = wrong
        tail.path.write_bytes(content)
        left = iter(payloads)
        assert all(any(one == payload for payload in left) for one in read(tail.path))


def test_a_write_that_fails_takes_no_place(tail: Tail, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record of which only a part was written is told, and the next one is written over it."""
    tail.write(b"one")
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, offset: pwrite(file, data[:30], offset))
    with pytest.raises(OSError, match="only 30 of"):
        tail.write(b"x" * 100)
    monkeypatch.undo()
    assert read(path) == [b"one"]
    tail.write(b"two")
    assert read(path) == [b"one", b"two"]


def test_a_sync_that_fails_is_tried_again_and_its_pages_are_left_alone(
    tail: Tail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failure nothing counts as synced, and what comes next begins at a page of its own."""
    recorder = Recorder(monkeypatch)
    sync = os.fdatasync
    tail.write(b"one")

    def failing(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", failing)
    with pytest.raises(OSError, match="Input/output error"):
        tail.sync(UNLOCKED)
    monkeypatch.setattr(os, "fdatasync", sync)
    tail.sync(UNLOCKED)
    assert recorder.syncs_count == 1
    tail.write(b"two")
    assert recorder.written[-1][0] == PAGE_SIZE


def test_a_sync_of_nothing_new_asks_nothing_of_the_card(tail: Tail, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what was written since the last sync needs another."""
    recorder = Recorder(monkeypatch)
    for syncs_count in (0, 1, 2):
        tail.sync(UNLOCKED)
        tail.sync(UNLOCKED)
        assert recorder.syncs_count == syncs_count
        tail.write(b"more")


def test_what_is_written_during_a_sync_is_not_taken_for_synced(
    tail: Tail, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread may write while the card is waited for: behind the synced page, and synced the next time."""
    recorder = Recorder(monkeypatch)
    names = itertools.count(1)
    sync = os.fdatasync

    def slow(file: int) -> None:
        tail.write(b"meanwhile %d" % next(names))
        sync(file)

    tail.write(b"before")
    monkeypatch.setattr(os, "fdatasync", slow)
    tail.sync(UNLOCKED)
    assert [offset for offset, _ in recorder.written] == [0, PAGE_SIZE]
    monkeypatch.setattr(os, "fdatasync", sync)
    tail.sync(UNLOCKED)
    assert recorder.syncs_count == 2
    assert read(path) == [b"before", b"meanwhile 1"]


def test_a_record_torn_over_an_older_one_is_passed_over(tail: Tail, path: Path) -> None:
    """Where the rest of a torn record is what was there before, neither it nor anything older is taken for new."""
    for _ in range(20):
        tail.write(b"old" * 10)
    old = path.read_bytes()
    tail.empty()
    for payload in (b"new" * 10, b"two" * 10, b"xyz" * 10):
        tail.write(payload)
    new = path.read_bytes()
    length = HEADER_SIZE + 30
    for end in range(2 * length, 3 * length):
        path.write_bytes(new[:end] + old[end:])
        assert read(path) == [b"new" * 10, b"two" * 10]


def test_a_first_record_torn_after_emptying_brings_back_only_whole_old_ones(tail: Tail, path: Path) -> None:
    """What was emptied may come back after a kill, as it was; a torn record may not."""
    for _ in range(3):
        tail.write(b"old" * 10)
    old = path.read_bytes()
    tail.empty()
    tail.write(b"new" * 2000)
    new = path.read_bytes()
    for end in (*range(150), *range(150, HEADER_SIZE + 6000, 97)):
        path.write_bytes(new[:end] + old[end:])
        assert set(read(path)) <= {b"old" * 10}


def test_a_tail_whose_size_was_lowered_gives_all_that_it_held(tail: Tail, path: Path) -> None:
    """What was kept before a kill is found at the start, also where the configuration has changed in between."""
    payloads = [b"%d" % number * 1000 for number in range(10)]
    for payload in payloads:
        tail.write(payload)
    tail.close()
    smaller = Tail(path, PAGE_SIZE, in_memory=False)
    assert smaller.open() == payloads
    assert not smaller.has_room_for(bytes(PAGE_SIZE))
    smaller.write(b"new")
    smaller.close()
    assert read(path) == [b"new"]


@pytest.mark.parametrize("content", [b"", b"\xa5" * 5000])
def test_a_tail_that_gets_no_room_takes_none(path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """Where the disk does not give it its length, the file keeps the one that it had, and what it holds."""
    path.write_bytes(content)
    pwrite = os.pwrite

    def fill_half(file: int, data: bytes, offset: int) -> int:
        if offset > len(content):
            raise OSError(errno.ENOSPC, "No space left on device")
        return pwrite(file, data[: len(data) // 2], offset)

    monkeypatch.setattr(os, "pwrite", fill_half)
    tail = Tail(path, SIZE, in_memory=False)
    with pytest.raises(OSError, match="No space left"):
        tail.open()
    assert not tail.is_open
    assert path.read_bytes() == content
