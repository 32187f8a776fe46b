"""Programs of sensors that take too much when told to: growing.py greedy|many|crowd, told by a file of that name."""

import os
import sys
import time
from pathlib import Path

FOLDER = Path("/run/weatherd")


def wait_until(file: Path, *, is_there: bool) -> None:
    """Wait for a file to come, or to go."""
    while file.exists() is not is_there:
        time.sleep(1.0)


def grow() -> None:
    """Take more than MemoryMax."""
    bytearray(400 << 20)


def multiply(file: Path, size: int) -> None:
    """Make children until that is refused, each with so many bytes; all end with the file."""
    while file.exists():
        try:
            is_child = os.fork() == 0
        except OSError:
            break
        if is_child:
            break
    kept = bytearray(os.urandom(1)) * size
    wait_until(file, is_there=False)
    del kept


if __name__ == "__main__":
    told = FOLDER / sys.argv[1]
    wait_until(told, is_there=True)
    if told.name == "greedy":
        grow()
    else:
        multiply(told, {"many": 8 << 20, "crowd": 0}[told.name])  # fifty of the former are too much together
