"""
Whether memory stays flat: a hundred observations a second for an hour, and the memory of the daemon each ten seconds.

Memory is what no file is behind (RssAnon). A line is fitted to it by least squares, with the standard error of its
slope, once the first fifth of the time is over. The error takes the points as independent, which memory is not, so it
is rather too small.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench_tools import Row, garden, machine, print_table
from fitting import Point, fit
from growth import at_work, spend
from peers.page import conditions, write_part

SECONDS = 3600.0
RATE = 100
LOOK_PERIOD_S = 10.0
WARM_UP_SHARE = 0.2
"""What fills in the first ten minutes (what is young, the pasts, threads) is no leak."""
HOUR_S = 3600.0


def main() -> None:
    """Measure, fit, and print."""
    parser = argparse.ArgumentParser(description="See whether memory stays flat.")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="(%(default)g)")
    parser.add_argument("--rate", type=int, default=RATE, help="observations a second (%(default)s)")
    parser.add_argument("--look", type=float, default=LOOK_PERIOD_S, help="seconds between two looks (%(default)g)")
    parser.add_argument("--write", action="store_true", help="into docs/performance.md as well")
    arguments = parser.parse_args()
    print(f"{machine()}; {arguments.seconds / 60:.0f} minutes", flush=True)
    where = conditions()
    points = look(arguments.seconds, arguments.rate, arguments.look)
    rows = list(_rows(points))
    print_table(rows)
    if arguments.write:
        table = ["| | figure |", "| --- | --: |", *(f"| {what} | {figure} |" for what, figure, _ in rows)]
        soak = f"{arguments.rate} observations a second for {arguments.seconds:g} s, a look each {arguments.look:g} s"
        write_part("soak", f"Measured {where}; {soak}.\n\n" + "\n".join(table))


def look(duration_s: float, rate: int, period_s: float) -> Sequence[Point]:
    """Return the memory in MB at times in hours from the beginning."""
    points = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        path = Path(folder, "lines.sock")
        with at_work(Path(folder), garden(path), [path]) as (daemon, writing):
            started_s = time.monotonic()
            while (now_s := time.monotonic() - started_s) < duration_s:
                points.append((now_s / HOUR_S, daemon.memory_mb("RssAnon")))
                print(f"{now_s:6.0f} s  {points[-1][1]:.2f} MB", flush=True)
                spend(writing, period_s, rate)
    return points


def _rows(points: Sequence[Point]) -> Iterator[Row]:
    counted = points[round(len(points) * WARM_UP_SHARE) :]
    line = fit(counted)
    yield "private memory at the beginning", f"{points[0][1]:.2f} MB", ""
    yield "after the first fifth", f"{counted[0][1]:.2f} MB", ""
    yield "at the end", f"{counted[-1][1]:.2f} MB", ""
    yield "slope after the first fifth", f"{line.slope:+.3f} MB an hour", "0"
    yield "its standard error", f"{line.slope_error:.3f} MB an hour", ""


if __name__ == "__main__":
    main()
