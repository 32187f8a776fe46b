"""
Read what can still be read of a damaged journal, without SQLite.

SQLite gives up a table where one page on the way to it is lost. But a leaf of a table tells its rows by itself, and
names the pages on which a long row goes on. So:

Rows of entries and of quarantine are taken from every page that looks like a leaf, whatever leads to it, but for
those that are free. A row is believed only if all of it fits: the types of its columns, their ranges, the length of
the record, for entries the checksum and the lines of the body, and for quarantine the checksum of the row. Where file
version 2 had none, the document has to be JSON.

Positions and counters are taken only from where their trees lead, from the root down. A position that is lost lets a
sink receive again what it had, under the same ids; one that is wrong would keep entries from it for ever. And wrong
ones lie about: on pages that are free, and in the index of quarantine, whose records (sink, seq, id) look like them.

Source:
    sqlite.org/fileformat2.html, sections 1.3 (header), 1.5 (freelist), 1.6 (b-tree pages), 2.1 (record format),
    2.6 (schema table).
"""

import struct
import zlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from weatherd.journal.columns import is_possible
from weatherd.journal.opening import PAGE_SIZE
from weatherd.journal.pages import Pages, opened
from weatherd.journal.quarantine import opened as opened_seal
from weatherd.journal.rows import count_in_fragments

PAYLOAD_SIZE_MAX = 16_000_000
"""Bytes of one record: far beyond what `rows.ROW_SIZE_MAX` and a single large document need."""
LINES_SIZE_MAX = 64_000_000
"""Bytes that a body may become when it is unpacked."""

ROOTS = {"positions": 4, "counters": 7}
"""Where these trees begin in a file as `opening` makes it, if page 1 cannot tell; a root stays as its tree grows."""

_TREE_PAGES_MAX = 1000
_UNPACKED_STEP = 65_536

_FILE_HEADER_SIZE = 100
_FREE_COUNT_MAX = PAGE_SIZE // 4 - 2

_INDEX_INTERIOR, _INDEX_LEAF, _TABLE_LEAF = 0x02, 0x0A, 0x0D
_HEADER_SIZES = {_INDEX_INTERIOR: 12, _INDEX_LEAF: 8, _TABLE_LEAF: 8}
_LOCAL_SIZE_MIN = (PAGE_SIZE - 12) * 32 // 255 - 23
_INDEX_LOCAL_SIZE_MAX, _TABLE_LOCAL_SIZE_MAX = (PAGE_SIZE - 12) * 64 // 255 - 23, PAGE_SIZE - 35

# Columns by their types: null, integer, text, blob. The first of a table is its rowid, and kept as null.
_ENTRIES, _QUARANTINE, _POSITION, _COUNT, _SCHEMA = {"niinnb", "niitib"}, {"ntitib"}, {"tii"}, {"ti"}, {"tttit"}
_RECORD_HEADER_SIZE_MAX = 64
_BLOB = 12  # the serial type of the shortest blob; that of a text is odd


class SavedEntries(NamedTuple):
    """A row of entries."""

    first_seq: int
    last_seq: int
    recorded_at_ms: int
    boot_id: str | None
    offset_ms: int | None
    body: bytes


class SavedQuarantined(NamedTuple):
    """A document in quarantine."""

    sink: str
    seq: int
    reason: str
    quarantined_at_ms: int
    document: bytes


class SavedPosition(NamedTuple):
    """A range that a sink has; without a sink's name, one that was tried."""

    sink: str
    first_seq: int
    last_seq: int


class SavedCount(NamedTuple):
    """A counter."""

    name: str
    value: int


Saved = SavedEntries | SavedQuarantined | SavedPosition | SavedCount


class _Column(NamedTuple):
    letter: str
    size: int
    constant: int = 0


_COLUMNS = {
    0: _Column("n", 0),
    **{serial_type: _Column("i", size) for serial_type, size in enumerate((1, 2, 3, 4, 6, 8), 1)},
    8: _Column("i", 0, 0),
    9: _Column("i", 0, 1),
}


class _Record(NamedTuple):
    rowid: int
    shape: str
    values: list[Any]


def salvage(path: Path) -> Iterator[Saved]:
    """
    Yield whatever can be read of a journal and of the WAL beside it, in no order, one at a time.

    Where page 1 is lost, so is the freelist, and a row may come twice, once of them as it was before. No connection
    may be open to it in this process.

    Raises:
        OSError: If the file cannot be opened. What the disk cannot read is passed over, as other damage is.
    """
    with opened(path) as pages:
        yield from filter(_is_plausible, _found(pages))


def _found(pages: Pages) -> Iterator[Saved]:
    free = _free_pages(pages)
    for number in pages.numbers():
        page = pages[number]
        if page[:1] == b"\x0d" and number not in free:
            for rowid, shape, values in _records(pages, page, _ENTRIES | _QUARANTINE):
                if shape in _ENTRIES:
                    yield SavedEntries(rowid, *values[1:])
                elif (document := _quarantined(*values[1:])) is not None:
                    yield SavedQuarantined._make((*values[1:-1], document))
    roots = _roots(pages)
    for record in _tree(pages, roots["positions"], _POSITION):
        yield SavedPosition(*record.values)
    for record in _tree(pages, roots["counters"], _COUNT):
        yield SavedCount(*record.values)


def _is_plausible(saved: Saved) -> bool:
    if not is_possible(saved._asdict()):
        return False
    return not isinstance(saved, SavedEntries) or _document_count(saved.body) == saved.last_seq - saved.first_seq + 1


def _quarantined(sink: str, seq: int, reason: str, quarantined_at_ms: int, sealed: bytes) -> bytes | None:
    document = opened_seal(sink, seq, reason, quarantined_at_ms, sealed)
    return sealed if document is None and _is_json(sealed) else document


def _is_json(document: bytes) -> bool:
    try:
        return isinstance(msgspec.json.decode(document), dict)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False


def _document_count(body: bytes) -> int:
    count = count_in_fragments(body)
    return _line_count(body) if count is None else count


def _line_count(body: bytes) -> int:
    """Count the lines of a whole body, a little of it at a time; 0 if it is not whole."""
    stream = zlib.decompressobj()
    count, size = 1, 0
    try:
        while not stream.eof and size <= LINES_SIZE_MAX:
            lines = stream.decompress(body, _UNPACKED_STEP)
            body = stream.unconsumed_tail
            if not (lines or body or stream.eof):
                return 0
            count += lines.count(b"\n")
            size += len(lines)
    except zlib.error:
        return 0
    return count if stream.eof and not stream.unused_data else 0


def _free_pages(pages: Pages) -> set[int]:
    """Return the pages that are in use no more; none unless all of the freelist can be read."""
    header = pages[1][:_FILE_HEADER_SIZE].ljust(_FILE_HEADER_SIZE, b"\0")
    trunk, count = struct.unpack_from(">2I", header, 32)
    trunks: set[int] = set()
    free: set[int] = set()
    while trunk and trunk not in trunks and len(free) < count:
        page = pages[trunk]
        if len(page) < PAGE_SIZE:
            return set()
        following, leaf_count = struct.unpack_from(">2I", page)
        if leaf_count > _FREE_COUNT_MAX:
            return set()
        trunks.add(trunk)
        free |= {trunk, *struct.unpack_from(f">{leaf_count}I", page, 8)}
        trunk = following
    return free if len(free) == count and not trunk else set()


def _roots(pages: Pages) -> dict[str, int]:
    """Return where trees begin, as far as page 1 tells."""
    roots = dict(ROOTS)
    for record in _records(pages, pages[1], _SCHEMA, at=_FILE_HEADER_SIZE):
        kind, name, _, root, _ = record.values
        if kind == "table" and name in roots:
            roots[name] = root
    return roots


def _tree(pages: Pages, root: int, shapes: set[str]) -> Iterator[_Record]:
    """Yield the records of a shape in an index b-tree, as far as it can be followed."""
    seen: set[int] = set()
    waiting = [root]
    while waiting and len(seen) < _TREE_PAGES_MAX:
        number = waiting.pop()
        page = pages[number]
        if number in seen or page[:1] not in (b"\x02", b"\x0a"):
            continue
        seen.add(number)
        if page[0] == _INDEX_INTERIOR:
            waiting += (int.from_bytes(page[at : at + 4]) for at in chain([8], _cells(page, 0)))
        yield from _records(pages, page, shapes)


def _records(pages: Pages, page: bytes, shapes: set[str], at: int = 0) -> Iterator[_Record]:
    """Yield the records of a b-tree page, whose header is at an offset, that are whole and have one of the shapes."""
    for offset in _cells(page, at):
        try:
            record = _record(pages, page, page[at], offset, shapes)
        except (LookupError, ValueError):
            continue
        if record is not None:
            yield record


def _cells(page: bytes, at: int) -> Iterator[int]:
    """Yield the offsets of the cells of a b-tree page."""
    if len(page) <= at or page[at] not in _HEADER_SIZES:
        return
    start = at + _HEADER_SIZES[page[at]]
    end = start + 2 * int.from_bytes(page[at + 3 : at + 5])
    for pointer_at in range(start, min(end, len(page)), 2):
        offset = int.from_bytes(page[pointer_at : pointer_at + 2])
        if end <= offset < len(page):
            yield offset


def _record(pages: Pages, page: bytes, kind: int, at: int, shapes: set[str]) -> _Record | None:
    """
    Return the record of a cell; None if it has another shape.

    Raises:
        ValueError: If it is not whole; or LookupError.
    """
    size, at = _varint(page, at + 4 if kind == _INDEX_INTERIOR else at)
    rowid, at = _varint(page, at) if kind == _TABLE_LEAF else (0, at)
    local_size = _local_size(size, is_table=kind == _TABLE_LEAF)
    payload = page[at : at + local_size]
    column_at, columns = _columns(payload)
    shape = "".join(column.letter for column in columns)
    if shape not in shapes or column_at + sum(column.size for column in columns) != size or size > PAYLOAD_SIZE_MAX:
        return None
    if local_size < size:
        at += local_size
        payload += pages.overflow(int.from_bytes(page[at : at + 4]), size - local_size)
    if len(payload) < size:
        raise ValueError("the page ends in the middle")
    values = []
    for column in columns:
        values.append(_value(column, payload[column_at : column_at + column.size]))
        column_at += column.size
    return _Record(rowid, shape, values)


def _local_size(size: int, *, is_table: bool) -> int:
    """Return how many bytes of a payload are in the b-tree page itself (section 1.6: P to U, X, M and K)."""
    size_max = _TABLE_LOCAL_SIZE_MAX if is_table else _INDEX_LOCAL_SIZE_MAX
    if size <= size_max:
        return size
    fitting = _LOCAL_SIZE_MIN + (size - _LOCAL_SIZE_MIN) % (PAGE_SIZE - 4)
    return fitting if fitting <= size_max else _LOCAL_SIZE_MIN


def _columns(payload: bytes) -> tuple[int, list[_Column]]:
    """Return the size of a record's header, and the columns that it tells (section 2.1)."""
    header_size, at = _varint(payload, 0)
    columns = []
    while at < header_size <= _RECORD_HEADER_SIZE_MAX:
        serial_type, at = _varint(payload, at)
        if serial_type >= _BLOB:
            columns.append(_Column("bt"[serial_type % 2], (serial_type - _BLOB) // 2))
        else:
            columns.append(_COLUMNS[serial_type])
    if at != header_size:
        raise ValueError("this is no header of a record")
    return header_size, columns


def _value(column: _Column, content: bytes) -> int | str | bytes | None:
    match column.letter:
        case "i":
            return int.from_bytes(content, signed=True) + column.constant
        case "t":
            return content.decode()
        case "b":
            return content
    return None


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """Return a number of one to nine bytes, and where it ends (section 1.6); none of ours is negative."""
    number = 0
    for at_byte in range(at, at + 8):
        byte = content[at_byte]
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            return number, at_byte + 1
    return number << 8 | content[at + 8], at + 9
