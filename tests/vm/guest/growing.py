"""Programs of sensors that take too much when they are told to: growing.py greedy|many, told by a file of that name."""

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


def multiply(file: Path) -> None:
    """Make children until that is refused; all of them end with the file."""
    while file.exists():
        try:
            is_child = os.fork() == 0
        except OSError:
            break
        if is_child:
            break
    wait_until(file, is_there=False)


if __name__ == "__main__":
    told = FOLDER / sys.argv[1]
    wait_until(told, is_there=True)
    if told.name == "greedy":
        grow()
    else:
        multiply(told)
