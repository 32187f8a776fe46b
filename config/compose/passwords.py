"""
Make the passwords of `compose.yaml` at its first start, and hand each service those that are its business.

    passwords.py FOLDER              make what is missing, keep what is there
    passwords.py FOLDER show NAME    print one, for people

FOLDER/all holds each password once, for the setup, which runs as root and has no capabilities. Every other folder is
a volume that one service mounts, and what lies in it belongs to the user that the service runs as, mode 0400. So
Logstash, which listens to stations, cannot read the password of Elasticsearch's superuser. None is ever in the
environment that `docker inspect` shows, nor in a command line.
"""

import argparse
import contextlib
import os
import secrets
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

SIZE = 16
"""Random bytes in a password: 128 bits. As 32 hexadecimal digits nothing in it means something to YAML or a shell, and
Kibana wants at least 32 characters of its key."""


class Share(NamedTuple):
    """
    What one service is given.

    Args:
        uid: The user that the service runs as: 1000 in all of Elastic's images, 8600 in ours.
        names: Of its passwords.
    """

    uid: int
    names: tuple[str, ...]


NAMES = ("elastic", "kibana_system", "kibana_key", "writer", "reader", "station")
"""The superuser, Kibana's own user, what Kibana encrypts with, Logstash's user, that of people, that of weatherd."""

SHARES: Mapping[str, Share] = {
    "elasticsearch": Share(1000, ("elastic",)),
    "kibana": Share(1000, ("kibana_system", "kibana_key")),
    "logstash": Share(1000, ("writer", "station")),
    "weatherd": Share(8600, ("station",)),
}


def make(folder: Path) -> int:
    """
    Make what is missing, and hand out all of it again. Return how many are new.

    Raises:
        OSError: If the volumes cannot be written. Trying again does not help.
    """
    whole = folder / "all"
    made = [name for name in NAMES if not (whole / name).exists()]
    for name in made:
        _write(whole / name, secrets.token_hex(SIZE), os.geteuid())
    for service, share in SHARES.items():
        for name in share.names:
            _write(folder / service / name, (whole / name).read_text(), share.uid)
    return len(made)


def _write(path: Path, password: str, uid: int) -> None:
    """Put a password in its place whole, or not at all; nobody but `uid` can read it at any moment."""
    path.parent.mkdir(exist_ok=True)
    half = path.with_name(f".{path.name}")
    with contextlib.suppress(FileNotFoundError):
        half.unlink()
    with open(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w") as file:  # noqa: PTH123
        file.write(password)
        file.flush()
        os.fchown(file.fileno(), uid, -1)
        os.fsync(file.fileno())
    half.rename(path)


def main(arguments: Iterable[str] | None = None) -> int:
    """Run the program; return its exit code."""
    parser = argparse.ArgumentParser(description="Make and show the passwords of compose.yaml.")
    parser.add_argument("folder", type=Path, help="where the volumes are mounted")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("show", help="print one").add_argument("name", choices=NAMES)
    chosen = parser.parse_args(None if arguments is None else list(arguments))
    try:
        if chosen.command == "show":
            print((chosen.folder / "all" / chosen.name).read_text())
        else:
            print(f"passwords: {make(chosen.folder)} made, {len(NAMES)} handed out")
    except OSError as error:
        print(f"error: {error.filename or chosen.folder}: {error.strerror}", file=sys.stderr)
        print("hint:  run it through `docker compose`, which mounts the volumes and runs it as root", file=sys.stderr)
        return os.EX_IOERR
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main())
