"""
`weatherd tail`: what the running daemon observes, a line each, as it comes.

It asks again and again over the Unix socket for what is behind the last seq, and the daemon answers when there is
something. So nobody who does not read keeps the daemon from anything.
"""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from weatherd.cli.shown import NAME_LENGTH_MIN, line
from weatherd.control import NAME, ask, ask_for, runtime_folders
from weatherd.errors import UnavailableError

SEQ_MAX = 2**63 - 1


class _Followed(msgspec.Struct):
    last_seq: int
    is_stopping: bool = False


class _Run(msgspec.Struct):
    first_seq: int = 0
    last_seq: int = 0
    documents: Sequence[Mapping[str, Any] | None] = ()


def tail(sensor: str | None) -> int:
    """
    Print what is observed until the daemon stops; then return 0.

    Args:
        sensor: Only this one; None for all, and what happens to the station.

    Raises:
        UnavailableError: If no daemon runs, it ends without a word, or it has no such sensor.
    """
    names = ask("status")["station"]["sensors"]
    if sensor is not None and sensor not in names:
        raise UnavailableError(f"the daemon has no sensor {sensor}", f"it has {', '.join(names)}")
    try:
        _follow(sensor, max(NAME_LENGTH_MIN, *map(len, [sensor] if sensor else [*names, "event"])))
    except UnavailableError:
        if any((folder / NAME).exists() for folder in runtime_folders()):
            raise
        # A daemon that stops in good order takes its socket with it, be it while we ask.
    return os.EX_OK


def _follow(sensor: str | None, name_length: int) -> None:
    """Print what is observed until the daemon says that it stops."""
    seq = ask_for(_Followed, "journal.follow", behind=SEQ_MAX).last_seq
    while True:
        followed = ask_for(_Followed, "journal.follow", behind=seq)
        if followed.last_seq > seq:
            seq = _print(seq, followed.last_seq, sensor, name_length)
        elif followed.is_stopping:
            return
        else:
            seq = followed.last_seq  # the same, or another journal is in its place


def _print(behind_seq: int, last_seq: int, sensor: str | None, name_length: int) -> int:
    """Print the documents between two seqs; return the last one."""
    seq = behind_seq
    while seq < last_seq:
        run = ask_for(_Run, "journal.run", seq=seq + 1)
        if not run.documents:
            return last_seq
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        for document in run.documents:
            if document is not None and (sensor is None or _is_of(document, sensor)):
                print(line(document, width, name_length), flush=True)
        seq = run.last_seq
    return seq


def _is_of(document: Mapping[str, Any], sensor: str) -> bool:
    return "message" not in document and document.get("sensor", {}).get("name") == sensor
