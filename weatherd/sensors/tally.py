"""
A tally: what a counter has counted, in a small file that outlives the process.

It lies in the runtime folder, in memory: a page that was written there with pwrite survives kill -9 at once, and wears
no card. A file that is torn, of another boot of the machine, or no tally at all is as good as none.

On disk
-------

    magic "wtly", boot id 8 bytes, total u64, given u64, day u32, amount of the day f64, CRC-32 of all before u32
    little-endian
"""

import os
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

_BODY = struct.Struct("<4s8sQQId")
_CHECKSUM = struct.Struct("<I")
_MAGIC = b"wtly"


class Tally(NamedTuple):
    """
    What was counted.

    Attributes:
        total: How many there were ever.
        given: As of how many it is certain that they stand in an observation.
        day: The day of the amount, as a number (date.toordinal).
        day_amount: What came together on that day, in the unit of the quantity.
    """

    total: int = 0
    given: int = 0
    day: int = 0
    day_amount: float = 0.0


class TallyFile:
    """
    The file of one counter.

    Args:
        path: In the runtime folder.
        boot_id: Names this boot of the machine; if it is empty, what is in the file is never taken.
    """

    def __init__(self, path: Path, boot_id: str) -> None:
        self.path = path
        self._boot_id = boot_id.encode("ascii")

    def read(self) -> Tally | None:
        """Return what was written last in this boot; None if there is nothing, or nothing to rely on."""
        try:
            content = self.path.read_bytes()
        except OSError:
            return None
        if not self._boot_id or len(content) != _BODY.size + _CHECKSUM.size:
            return None
        body, (checksum,) = content[: _BODY.size], _CHECKSUM.unpack_from(content, _BODY.size)
        magic, boot_id, *fields = _BODY.unpack(body)
        if magic != _MAGIC or boot_id.rstrip(b"\0") != self._boot_id or zlib.crc32(body) != checksum:
            return None
        return Tally(*fields)

    def write(self, tally: Tally) -> None:
        """Keep what was counted from now on. Raises OSError if that is impossible; what was written before may stay."""
        body = _BODY.pack(_MAGIC, self._boot_id, *tally)
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            os.pwrite(file, body + _CHECKSUM.pack(zlib.crc32(body)), 0)
        finally:
            os.close(file)
