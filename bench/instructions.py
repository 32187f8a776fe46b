"""
How many instructions the hot path takes, compared with what it took when that was last stored.

Seconds depend on what else a machine does; instructions hardly do. `hot_path` walks a fixed number of lines all the way
from bytes to request bodies under valgrind's callgrind, in one process without a network, and callgrind says what each
stage took. The figures are stored in `instructions.toml`, by Python's version and the architecture, for they mean
nothing beside those of another.

If a stage takes more than it did by a wide margin, the program says so, and its exit code is 1. `--store` stores what
it counts: with the change that explains it, in one commit.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench_tools import print_table
from hot_path import STAGES

STORED = Path(__file__).with_suffix(".toml")
LINES = 1000
MARGIN = 0.10
MARKS = 2 * (len(STAGES) + 1)
SMALL_SHARE = 0.01
"""A stage below that share of the whole is shown, and never too much by itself."""


def main() -> None:
    """Count, compare, and perhaps store."""
    parser = argparse.ArgumentParser(description="Count the instructions of the hot path.")
    parser.add_argument("--lines", type=int, default=LINES, help="to compare, as many as were stored (%(default)s)")
    parser.add_argument("--margin", type=float, default=MARGIN, help="of a stage or the whole (%(default)s)")
    parser.add_argument("--store", action="store_true", help="what is counted, to compare with in future")
    arguments = parser.parse_args()
    if shutil.which("valgrind") is None:
        sys.exit("error: there is no valgrind\nhint:  apt install valgrind")
    kind = f"{platform.python_implementation()}-{platform.python_version()}-{platform.machine()}".lower()
    print(f"{kind}; {arguments.lines:,} lines; instructions a line", flush=True)
    counted = count(arguments.lines)
    stored = read(STORED).get(kind, {})
    print_table(
        (stage, f"{number:,}", _beside(number, stored.get(stage)))
        for stage, number in {**counted, "all": sum(counted.values())}.items()
    )
    if arguments.store:
        write(STORED, {**read(STORED), kind: {**counted, "all": sum(counted.values())}})
    elif not stored:
        print("nothing is stored for this Python and this architecture: --store")
    else:
        more = list(exceeding(counted, stored, arguments.margin))
        if more:
            sys.exit(f"the hot path takes more than {arguments.margin:.0%} more than it did: {'; '.join(more)}")


def count(lines: int) -> Mapping[str, int]:
    """
    Walk the hot path, and return the instructions a line by stage.

    Source:
        Callgrind manual, --dump-before: the costs until a function is entered go into a file of their own, numbered
        from 1; "totals:" is their sum.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        out = Path(folder, "out")
        command = [
            "valgrind",
            "--tool=callgrind",
            "--dump-before=getppid",
            f"--callgrind-out-file={out}",
            sys.executable,
            str(Path(__file__).with_name("hot_path.py")),
            str(lines),
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONHASHSEED": "0"}
        )
        if done.returncode:
            sys.exit(f"the hot path cannot be counted:\n{done.stderr}")
        # Before the second walk come the start, all stages of the first, and what lies between the two.
        first = MARKS // 2 + 2
        return {stage: _total(Path(f"{out}.{first + number}")) // lines for number, stage in enumerate(STAGES)}


def _total(path: Path) -> int:
    line = next(line for line in path.read_text().splitlines() if line.startswith("totals:"))
    return int(line.split()[1])


def exceeding(counted: Mapping[str, int], stored: Mapping[str, int], margin: float) -> Iterator[str]:
    """Say of each stage that matters, and of all together, if it takes more by more than a margin."""
    whole = sum(counted.values())
    for stage, number in {**counted, "all": whole}.items():
        before = stored.get(stage)
        if before and number > before * (1 + margin) and number > whole * SMALL_SHARE:
            yield f"{stage} {number:,} instead of {before:,} instructions a line"


def _beside(number: int, stored: int | None) -> str:
    return f"{stored:,} stored ({number / stored - 1:+.1%})" if stored else ""


def read(path: Path) -> dict[str, Mapping[str, int]]:
    """Return what is stored, by kind of Python and stage."""
    return tomllib.loads(path.read_text()) if path.exists() else {}


def write(path: Path, stored: Mapping[str, Mapping[str, int]]) -> None:
    """Store it."""
    tables = (
        "\n".join([f'["{kind}"]', *(f"{stage} = {number}" for stage, number in numbers.items())])
        for kind, numbers in sorted(stored.items())
    )
    path.write_text(
        "# Instructions a line, by `python bench/instructions.py --store`.\n\n" + "\n\n".join(tables) + "\n"
    )


if __name__ == "__main__":
    main()
