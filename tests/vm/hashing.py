"""What a made thing is made from, as a name for it."""

import hashlib
from collections.abc import Iterable
from pathlib import Path


def digest(*inputs: str | Path) -> str:
    """Return twelve hex digits for texts, and for files by their name and bytes."""
    found = hashlib.sha256()
    for each in inputs:
        found.update(f"{each.name}\0".encode() + each.read_bytes() if isinstance(each, Path) else each.encode())
        found.update(b"\0")
    return found.hexdigest()[:12]


def files(folders: Iterable[Path]) -> list[Path]:
    """Return the files in folders, and files named, in order; not what Python has compiled."""
    found = [path for folder in folders for path in (folder.rglob("*") if folder.is_dir() else (folder,))]
    return sorted(path for path in found if path.is_file() and "__pycache__" not in path.parts)
