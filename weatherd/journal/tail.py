"""
A tail: records in a small file that is written in place, to be emptied again and again.

A record that has been written outlives the end of the process, whatever ends it; one that has been synced outlives
a power cut, too. On a card the file is made in its full length, since growth costs three times the data (FACTS: the
file system's own journal); in memory it grows as it is used.

On disk
-------

    record   magic "wthr", generation u32, length u32, CRC-32 of generation, length and payload u32, payload
             little-endian, one behind the other; the first after a sync begins at a page of its own

A synced page is never written again before the tail is emptied, so a power cut in the middle of a write cannot
take what was synced before. Emptying writes nothing: the next record begins at the start with the next generation,
and when the tail is read, only the highest generation that is found counts. A record that was torn, or that the
card has lost, is passed over.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path

PAGE_SIZE = 4096

_HEADER = struct.Struct("<4sIII")
_MAGIC = b"wthr"
_GENERATION_MAX = 2**32 - 1


class Tail:
    """
    Records of one file. Used from one thread at a time, apart from `sync`.

    Args:
        path: Of the file, in a folder that exists.
        size: Bytes at most, a multiple of 4096.
        in_memory: Whether the folder is in memory: nothing is filled or synced there.

    Raises:
        OSError: From every method, if the disk does not do it. What was written before stays.
    """

    def __init__(self, path: Path, size: int, *, in_memory: bool) -> None:
        assert size % PAGE_SIZE == 0
        self.path = path
        self.size = size
        self._in_memory = in_memory
        self._file = -1
        self._generation = 0
        self._offset = 0
        self._synced_offset = 0

    @property
    def is_open(self) -> bool:
        """Whether it can be written."""
        return self._file >= 0

    def has_room_for(self, payload: bytes) -> bool:
        """Tell whether a record of this payload still fits."""
        return self._offset + _HEADER.size + len(payload) <= self.size

    def open(self) -> list[bytes]:
        """Open the file, or make it; return the payloads of the last generation, in the order of writing."""
        assert not self.is_open
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            content = self._read()
            records = list(_records(content))
            self._generation = max((generation for generation, _ in records), default=0)
            if not self._in_memory and len(content) < self.size:
                self._fill(len(content))
        except OSError:
            self.close()
            raise
        payloads = [payload for generation, payload in records if generation == self._generation]
        self.empty()
        return payloads

    def close(self) -> None:
        """Give the file back."""
        if self.is_open:
            file, self._file = self._file, -1
            with suppress(OSError):  # what had to reach the disk was synced
                os.close(file)

    def write(self, payload: bytes) -> None:
        """Write one record, for which there must be room. One that fails to be written takes none."""
        assert self.has_room_for(payload)
        size = struct.pack("<II", self._generation, len(payload))
        record = _HEADER.pack(_MAGIC, self._generation, len(payload), zlib.crc32(payload, zlib.crc32(size))) + payload
        written = os.pwrite(self._file, record, self._offset)
        if written != len(record):
            raise OSError(0, f"only {written} of {len(record)} bytes were written", str(self.path))
        self._offset += len(record)

    def sync(self, lock: AbstractContextManager[object]) -> None:
        """
        Let what was written reach the card. After a failure, it must be written again: the system may drop it.

        Args:
            lock: Held by whoever writes. Here it is not held while the card is waited for, so that more can be written.
        """
        with lock:
            if self._offset == self._synced_offset:
                return
            # Behind the page in any case: one whose sync failed may be lost, or torn.
            self._offset = end = -(-self._offset // PAGE_SIZE) * PAGE_SIZE
        os.fdatasync(self._file)
        self._synced_offset = end

    def empty(self) -> None:
        """Forget every record, from the next one on."""
        self._generation = self._generation + 1 if self._generation < _GENERATION_MAX else 1
        self._offset = self._synced_offset = 0

    def _read(self) -> bytes:
        size = os.fstat(self._file).st_size  # which is more than ours after the configured size was lowered
        return b"".join(self._page(offset) for offset in range(0, size, PAGE_SIZE))[:size]

    def _page(self, offset: int) -> bytes:
        """Return one page; nothing but zeros if the card cannot read it any more."""
        try:
            return os.pread(self._file, PAGE_SIZE, offset).ljust(PAGE_SIZE, b"\0")
        except OSError:
            return bytes(PAGE_SIZE)

    def _fill(self, size: int) -> None:
        """Give a new file, or one that was cut off, its full length in blocks of its own; or leave it as it is."""
        filled = size
        try:
            # First of all it is known whether there is room, without a write to a disk that is full.
            os.posix_fallocate(self._file, size, self.size - size)
            while filled < self.size:
                filled += os.pwrite(self._file, bytes(min(self.size - filled, 2**20)), filled)
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, size)  # the room that is left is for the database
            raise


def _records(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield generation and payload of every whole record, in the order of their places."""
    offset = 0
    while offset + _HEADER.size <= len(content):
        magic, generation, length, checksum = _HEADER.unpack_from(content, offset)
        end = offset + _HEADER.size + length
        payload = content[offset + _HEADER.size : end]
        size = content[offset + 4 : offset + 12]
        if magic == _MAGIC and end <= len(content) and zlib.crc32(payload, zlib.crc32(size)) == checksum:
            yield generation, payload
            offset = end
        else:
            offset = (offset // PAGE_SIZE + 1) * PAGE_SIZE
