"""
How the cost of a station grows with its sensors, and with its observations; shown to be a straight line, or not.

    sensors   each a transmitter that sends each five seconds, and is reported each ten: all heard by one receiver,
              on one stream, or each on a socket of its own
    rate      lines a second of one sensor, each an observation

The sink answers. For each number, the daemon starts anew; its start and the first seconds are left out. CPU time is
that of all its threads; memory is what no file is behind (RssAnon). A line is fitted by least squares, and the greatest
distance of a figure from it printed, as a share of the highest figure.
"""

import argparse
import contextlib
import json
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bench_tools import Daemon, Row, StandIn, garden, lines, machine, print_table, running
from fitting import Point, deviation, fit
from idle import CPU_PERIOD_S
from peers.page import DOCS, conditions, write_part
from plotting import Panel, Series, svg

SENSORS = (1, 10, 50, 100, 200)
RATES = (1, 10, 50, 100, 200, 500, 1000)
SEND_PERIOD_S = 5.0
SETTLE_S = 10.0
RATE_SETTLE_S = 4.0
STARTS_S = 4.0
PICTURE = DOCS / "performance-growth.svg"


class Cost(NamedTuple):
    """CPU seconds per 600 s, and private memory in MB."""

    cpu_s: float
    memory_mb: float


Costs = dict[int, Cost]


def main() -> None:
    """Measure, fit, and print."""
    parser = argparse.ArgumentParser(description="Measure how the cost of a station grows.")
    parser.add_argument("--seconds", type=float, default=20.0, help="for each number of sensors (%(default)g)")
    parser.add_argument("--rate-seconds", type=float, default=15.0, help="for each rate (%(default)g)")
    parser.add_argument("--settle", type=float, default=SETTLE_S, help="seconds before that (%(default)g)")
    parser.add_argument("--sensors", type=int, nargs="+", default=SENSORS, metavar="N")
    parser.add_argument("--rates", type=int, nargs="+", default=RATES, metavar="N")
    parser.add_argument("--write", action="store_true", help="into docs/performance.md, and the plot beside it")
    arguments = parser.parse_args()
    rate_settle_s = min(arguments.settle, RATE_SETTLE_S)
    expected_s = 2 * len(arguments.sensors) * (arguments.settle + arguments.seconds + STARTS_S)
    expected_s += len(arguments.rates) * (rate_settle_s + arguments.rate_seconds + STARTS_S)
    print(f"{machine()}; about {expected_s / 60:.0f} minutes", flush=True)
    where = conditions()
    duration_s = arguments.seconds
    grown = {
        "sensors on one stream": of_sensors(arguments.sensors, arguments.settle, duration_s, one_stream=True),
        "sensors on sockets": of_sensors(arguments.sensors, arguments.settle, duration_s, one_stream=False),
        "observations a second": of_rates(arguments.rates, rate_settle_s, arguments.rate_seconds),
    }
    rows = [row for name, costs in grown.items() for row in _rows(name, costs)]
    print_table(rows)
    if arguments.write:
        PICTURE.write_text(svg(list(_panels(grown))))
        write_part("growth", f"Measured {where}.\n\n{_markdown(grown)}")


def of_sensors(counts: Sequence[int], settle_s: float, duration_s: float, *, one_stream: bool) -> Costs:
    """Measure for each number of sensors."""
    costs = {}
    for count in counts:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            sockets = [Path(folder, f"{0 if one_stream else number}.in") for number in range(count)]
            sensors = "".join(_sensor(number, path) for number, path in enumerate(sockets))
            with at_work(Path(folder), sensors, sockets) as (daemon, writing):
                costs[count] = _cost(daemon, writing, count / SEND_PERIOD_S, settle_s, duration_s)
        _say(f"{count} sensors on {'one stream' if one_stream else 'sockets of their own'}", costs[count])
    return costs


def of_rates(rates: Sequence[int], settle_s: float, duration_s: float) -> Costs:
    """Measure for each rate."""
    costs = {}
    for rate in rates:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            path = Path(folder, "lines.sock")
            with at_work(Path(folder), garden(path), [path]) as (daemon, writing):
                costs[rate] = _cost(daemon, writing, rate, settle_s, duration_s)
        _say(f"{rate} observations a second", costs[rate])
    return costs


def _say(what: str, cost: Cost) -> None:
    print(f"{what}: {cost.cpu_s:.2f} CPU s per 600 s, {cost.memory_mb:.1f} MB", flush=True)


def _sensor(number: int, path: Path) -> str:
    return f"""
[[sensors]]
name = "transmitter-{number}"
driver = "jsonlines"
listen = "{path}"
match = {{ id = {number} }}
report_period_s = 10
quantities = {{ air_temperature = "temperature_C", relative_humidity = "humidity" }}
"""


@contextlib.contextmanager
def at_work(folder: Path, sensors: str, sockets: Sequence[Path]) -> Iterator[tuple[Daemon, Iterator[None]]]:
    """
    Start a station with these sensors; yield it, and what writes a line each time that it is asked to go on.

    Args:
        folder: For all that it needs.
        sensors: Their tables in the configuration.
        sockets: One for each transmitter, or for several the same.
    """
    with contextlib.ExitStack() as stack:
        stand_in = StandIn()
        stack.enter_context(running(stand_in))
        daemon = Daemon(folder, stand_in.port, sensors=sensors)
        stack.enter_context(running(daemon))
        daemon.wait_until_ready()
        channels = {path: stack.enter_context(_connected(path)) for path in dict.fromkeys(sockets)}
        yield daemon, _write([channels[path] for path in sockets])


def _cost(daemon: Daemon, writing: Iterator[None], rate: float, settle_s: float, duration_s: float) -> Cost:
    spend(writing, settle_s, rate)
    cpu_s, began_s = daemon.cpu_s(), time.monotonic()
    spend(writing, duration_s, rate)
    used_s = (daemon.cpu_s() - cpu_s) / (time.monotonic() - began_s) * CPU_PERIOD_S
    return Cost(used_s, daemon.memory_mb("RssAnon"))


@contextlib.contextmanager
def _connected(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
        channel.connect(str(path))
        yield channel


def _write(channels: Sequence[socket.socket]) -> Iterator[None]:
    """Write a line each time that it is asked to go on: one of each sensor in turn."""
    told = [json.loads(line) for line in lines(1000)]
    number = 0
    while True:
        sensor = number % len(channels)
        channels[sensor].sendall(json.dumps(told[number % len(told)] | {"id": sensor}).encode() + b"\n")
        number += 1
        yield


def spend(writing: Iterator[None], duration_s: float, rate: float) -> None:
    """Let lines be written at a rate for a while."""
    started_s = time.monotonic()
    count = round(duration_s * rate)
    for number in range(1, count + 1):
        next(writing)
        time.sleep(max(0.0, started_s + number / rate - time.monotonic()))
    time.sleep(max(0.0, started_s + duration_s - time.monotonic()))


def _points(costs: Costs, index: int) -> Sequence[Point]:
    return [(number, cost[index]) for number, cost in costs.items()]


def _rows(name: str, costs: Costs) -> Iterator[Row]:
    for index, (title, unit) in enumerate((("CPU s per 600 s", "s"), ("private memory", "MB"))):
        points = _points(costs, index)
        line = fit(points)
        yield f"{name}: {title}", f"{line.intercept:.2f} + {line.slope:.4f} {unit} each", ""
        yield "  the greatest deviation", f"{deviation(points, line):.1%}", ""


def _markdown(grown: dict[str, Costs]) -> str:
    rows = [row for name, costs in grown.items() for row in _rows(name, costs)]
    fitted = ["| | figure |", "| --- | --: |", *(f"| {what.strip()} | {figure} |" for what, figure, _ in rows)]
    measured = ["| | number | CPU s per 600 s | private memory, MB |", "| --- | --: | --: | --: |"]
    for name, costs in grown.items():
        measured += [
            f"| {name} | {number:,} | {cost.cpu_s:.2f} | {cost.memory_mb:.1f} |" for number, cost in costs.items()
        ]
    return "\n".join(["![how the cost grows](performance-growth.svg)", "", *fitted, "", *measured])


def _panels(grown: dict[str, Costs]) -> Iterator[Panel]:
    for index, title in enumerate(("CPU s per 600 s", "private memory, MB")):
        series = {name: _series(name, _points(costs, index)) for name, costs in grown.items()}
        rate = series.pop("observations a second")
        yield Panel(f"{title.partition(',')[0]} and sensors", "sensors", title, list(series.values()))
        yield Panel(f"{title.partition(',')[0]} and observations", rate.name, title, [rate])


def _series(name: str, points: Sequence[Point]) -> Series:
    return Series(name, points, fit(points))


if __name__ == "__main__":
    main()
