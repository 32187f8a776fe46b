"""
The pages of an SQLite file, each as of the last commit that can be made out, read without SQLite.

The newest pages may be in the WAL. Its frames count up to the last commit before the first one that is damaged.

Source:
    sqlite.org/fileformat2.html, sections 1.7 (overflow pages) and 4.1 to 4.4 (WAL).
"""

import contextlib
import errno
import os
import struct
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

from weatherd.journal.opening import PAGE_SIZE

_AHEAD_PAGES = 256

_WAL_HEADER = struct.Struct(">8I")
_FRAME_HEADER = struct.Struct(">6I")
_FRAME_SIZE = _FRAME_HEADER.size + PAGE_SIZE
_WAL_MAGIC = 0x377F0682  # and 1 more where the checksum takes words as big-endian


@contextlib.contextmanager
def opened(path: Path) -> Iterator["Pages"]:
    """
    Open a file, and the WAL beside it if there is one.

    No connection may be open in this process: to close the file here would give up its locks.

    Raises:
        OSError: If one of them cannot be opened.
    """
    wal_path = path.with_name(f"{path.name}-wal")
    with path.open("rb", 0) as file, (wal_path if wal_path.exists() else Path(os.devnull)).open("rb", 0) as wal:
        yield Pages(file, wal)


class Pages:
    """The pages by number, from 1, in their newest version; empty or short if they cannot be read."""

    def __init__(self, file: FileIO, wal: FileIO) -> None:
        self._file, self._wal = file.fileno(), wal.fileno()
        self._newer = _frames(self._wal)
        self._count = -(-os.fstat(self._file).st_size // PAGE_SIZE)
        self._ahead, self._ahead_at = b"", 0

    def __getitem__(self, number: int) -> bytes:
        if number in self._newer:
            return _read(self._wal, PAGE_SIZE, self._newer[number])
        if not 1 <= number <= self._count:
            return b""
        offset = (number - 1) * PAGE_SIZE
        at = offset - self._ahead_at
        if 0 <= at <= len(self._ahead) - PAGE_SIZE:
            return self._ahead[at : at + PAGE_SIZE]
        return _read(self._file, PAGE_SIZE, offset)

    def numbers(self) -> Iterator[int]:
        """Yield every number, ascending, and read the file ahead in large steps."""
        for number in range(1, self._count + 1):
            if number % _AHEAD_PAGES == 1:
                self._ahead_at = (number - 1) * PAGE_SIZE
                self._ahead = _read(self._file, _AHEAD_PAGES * PAGE_SIZE, self._ahead_at)
            yield number
        yield from sorted(number for number in self._newer if number > self._count)

    def overflow(self, number: int, size: int) -> bytes:
        """
        Return the bytes of a chain of pages, which begins at a number.

        Raises:
            ValueError: If the chain is not exactly as long as that.
        """
        parts = []
        while size > 0:
            page = self[number]
            part = page[4 : 4 + size]
            if len(part) < min(size, PAGE_SIZE - 4):
                raise ValueError("the chain ends too early")
            parts.append(part)
            size -= len(part)
            number = int.from_bytes(page[:4])
        if number:
            raise ValueError("the chain goes on")
        return b"".join(parts)


def _read(file: int, size: int, offset: int) -> bytes:
    try:
        return os.pread(file, size, offset)
    except OSError as error:
        # A sector that cannot be read is damage like any other.
        if error.errno != errno.EIO:
            raise
        return b""


def _frames(wal: int) -> dict[int, int]:
    """Return where the newest committed version of each page is in a WAL."""
    header = _read(wal, _WAL_HEADER.size, 0)
    if len(header) < _WAL_HEADER.size:
        return {}
    magic, _, page_size, _, *salts, first_sum, second_sum = _WAL_HEADER.unpack(header)
    order = ">" if magic & 1 else "<"
    sums = _checksum(header[:24], (0, 0), order)
    if magic | 1 != _WAL_MAGIC | 1 or page_size != PAGE_SIZE or sums != (first_sum, second_sum):
        return {}
    committed: dict[int, int] = {}
    uncommitted: dict[int, int] = {}
    at = _WAL_HEADER.size
    while len(frame := _read(wal, _FRAME_SIZE, at)) == _FRAME_SIZE:
        number, commit_size, *frame_salts, first_sum, second_sum = _FRAME_HEADER.unpack_from(frame)
        sums = _checksum(frame[_FRAME_HEADER.size :], _checksum(frame[:8], sums, order), order)
        if frame_salts != salts or sums != (first_sum, second_sum):
            break
        uncommitted[number] = at + _FRAME_HEADER.size
        if commit_size:
            committed |= uncommitted
            uncommitted.clear()
        at += _FRAME_SIZE
    return committed


def _checksum(content: bytes, sums: tuple[int, int], order: str) -> tuple[int, int]:
    """Go on with a checksum (section 4.2)."""
    first, second = sums
    for one, other in struct.iter_unpack(f"{order}2I", content):
        first = first + one + second & 0xFFFFFFFF
        second = second + other + first & 0xFFFFFFFF
    return first, second
