"""
What the columns of the journal's tables may hold.

SQLite checks the type of a value when it is written, and never again: where a card has lost half a page, it hands on
NULL for what may not be NULL, text for a number, or a row in the place of another. Nothing of ours has written that.
So every row is looked at as it is read, whatever statement asked for it.
"""

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from weatherd.journal.rows import ROW_COUNT_MAX

SEQ_MAX = 2**62
TIME_MS_MAX = 2**48


class Impossible(sqlite3.DatabaseError):
    """Tell that the file holds what was never written: the same as the damage that SQLite finds itself."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    sqlite_errorname = "SQLITE_CORRUPT"


def guard(connection: sqlite3.Connection) -> None:
    """Let a connection raise `Impossible` instead of returning a row that is."""
    connection.row_factory = _believed
    connection.text_factory = bytes.decode  # UnicodeDecodeError is damage to `told`, a plain OperationalError not


def is_possible(values: Mapping[str, Any]) -> bool:
    """Tell whether columns, by their names, can have these values; one of another name has any, but has one."""
    if not all(_ALLOWED.get(name, _is_there)(value) for name, value in values.items()):
        return False
    if "last_seq" in values and values["last_seq"] < values.get("first_seq", 1):
        return False
    if "body" in values:
        is_estimate = values["boot_id"] is not None
        count = values["last_seq"] - values["first_seq"] + 1
        return count <= ROW_COUNT_MAX and is_estimate == (values["offset_ms"] is not None)
    return True


def _believed(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> tuple[Any, ...]:
    names = [name for name, *_ in cursor.description]
    if not is_possible(dict(zip(names, row, strict=True))):
        raise Impossible(f"a row of {', '.join(names)} holds what was never written")
    return row


def _is_there(value: object) -> bool:
    return value is not None


def _is_number(value: object) -> bool:
    return isinstance(value, int)


def _is_seq(value: object) -> bool:
    return isinstance(value, int) and 1 <= value < SEQ_MAX


def _is_count(value: object) -> bool:
    return isinstance(value, int) and 0 <= value < SEQ_MAX


def _is_time(value: object) -> bool:
    return isinstance(value, int) and 0 <= value < TIME_MS_MAX


def _is_offset(value: object) -> bool:
    return value is None or (isinstance(value, int) and abs(value) < TIME_MS_MAX)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_boot(value: object) -> bool:
    return value is None or isinstance(value, str)


def _is_body(value: object) -> bool:
    return isinstance(value, bytes)


def _is_document(value: object) -> bool:
    return isinstance(value, bytes) and b"\0" not in value


_ALLOWED: Mapping[str, Callable[[object], bool]] = {
    "first_seq": _is_seq,
    "last_seq": _is_seq,
    "recorded_at_ms": _is_time,
    "boot_id": _is_boot,
    "offset_ms": _is_offset,
    "body": _is_body,
    "sink": _is_text,
    "id": _is_number,
    "seq": _is_seq,
    "reason": _is_text,
    "quarantined_at_ms": _is_time,
    "document": _is_document,
    "sealed": _is_body,
    "name": _is_text,
    "value": _is_count,
    "size": _is_count,
}
