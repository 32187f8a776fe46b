"""
How many documents a second weatherd takes in and gives out, and what one costs.

The daemon runs as it would at a station, with the default settings: JSON lines of about 300 bytes from a Unix socket,
a journal on disk, batches of 500 to a stand-in for Logstash, which is a process of its own. Four measurements:

    in, sink up      all lines are written as fast as the socket takes them, while the stand-in answers
    in, sink dead    the same while nobody answers; this leaves the backlog
    backlog          a new daemon delivers it, from the first batch to the last, to a sink that only keeps bodies
    stand-in alone   bodies such as the daemon's, posted over two connections by a client that does nothing else

Documents a second count up to the last thousand, which may wait a second for company. Processor time is that of the
daemon, with its start left out. Peak memory is the highest resident memory (VmHWM). The time to the first document is
counted from the start of the interpreter until its body has arrived. Writer, daemon and stand-in share the processor:
the ratios within one run say more than the figures.
"""

import argparse
import contextlib
import http.server
import itertools
import socket
import statistics
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bench_tools import (
    LINES_FOLDED,
    START_S_MAX,
    Counts,
    Daemon,
    FastSink,
    Row,
    StandIn,
    free_port,
    lines,
    machine,
    print_table,
    running,
    write_all,
)

from weatherd.model import Observation, Quality, Station
from weatherd.processing.documents import DocumentEncoder

BATCH_SIZE = 500
CONNECTIONS = 2
TAIL_COUNT = 1000


class Intake(NamedTuple):
    """What became of the lines: documents a second, CPU microseconds a document, peak memory in MB."""

    kept_per_s: float
    delivered_per_s: float | None
    cpu_us: float
    peak_mb: float


class Drain(NamedTuple):
    """What became of a backlog, in the same units."""

    delivered_per_s: float
    cpu_us: float | None
    peak_mb: float


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description="Measure documents a second, and what one costs.")
    parser.add_argument("--documents", type=int, default=200_000, metavar="N", help="more than 2000 (%(default)s)")
    parser.add_argument(
        "--starts", type=int, default=5, metavar="N", help="for the median of their times (%(default)s)"
    )
    parser.add_argument("--folder", type=Path, help="on the disk to measure; the usual temporary one by default")
    arguments = parser.parse_args()
    count: int = arguments.documents
    every_line = list(lines(count))
    chunks = [b"".join(every_line[first : first + LINES_FOLDED]) for first in range(0, count, LINES_FOLDED)]
    line_size = sum(map(len, chunks)) / count
    del every_line
    print(f"{machine()}; {count:,} documents, lines of {line_size:.0f} bytes", flush=True)

    with tempfile.TemporaryDirectory(prefix="bench-", dir=arguments.folder) as folder:
        up = measure_intake(_new(folder, "up"), chunks, count, sink_up=True)
        backlog = _new(folder, "backlog")
        dead = measure_intake(backlog, chunks, count, sink_up=False)
        drain = measure_drain(backlog, count)
        starts_s = [measure_start(_new(folder, f"start-{number}")) for number in range(arguments.starts)]
    alone_per_s = measure_stand_in(count)
    print_table(_rows(up, dead, drain, starts_s, alone_per_s))


def measure_intake(folder: Path, chunks: Sequence[bytes], count: int, *, sink_up: bool) -> Intake:
    """Write all lines, and wait until they are in the journal, and at the stand-in if there is one."""
    with contextlib.ExitStack() as stack:
        stand_in = StandIn() if sink_up else None
        if stand_in:
            stack.enter_context(running(stand_in))
        daemon = Daemon(folder, stand_in.port if stand_in else free_port())
        stack.enter_context(running(daemon))
        daemon.wait_until_ready()
        if stand_in:
            daemon.wait_until(lambda now: now.delivered == now.kept)
        before, cpu_s = daemon.counts(), daemon.cpu_s()
        writer = threading.Thread(target=write_all, args=(daemon.socket, chunks))
        writer.start()
        most = count - TAIL_COUNT
        kept = daemon.wait_until(lambda now: now.kept >= before.kept + most)
        delivered = daemon.wait_until(lambda now: now.delivered >= before.delivered + most) if stand_in else None
        writer.join()
        daemon.wait_until(lambda now: (now.delivered if stand_in else now.kept) >= before.kept + count)
        intake = Intake(
            kept_per_s=(kept.kept - before.kept) / (kept.time_s - before.time_s),
            delivered_per_s=delivered and (delivered.delivered - before.delivered) / (delivered.time_s - before.time_s),
            cpu_us=(daemon.cpu_s() - cpu_s) / count * 1e6,
            peak_mb=daemon.memory_mb("VmHWM"),
        )
        if stand_in:
            _check(stand_in, before.kept + count)
    return intake


def measure_drain(folder: Path, count: int) -> Drain:
    """Start a daemon on a journal that holds a backlog, with a sink that takes what it can."""
    with contextlib.ExitStack() as stack:
        sink = FastSink(count + 1)
        stack.enter_context(running(sink))
        daemon = Daemon(folder, sink.port)
        stack.enter_context(running(daemon))
        first = _first_delivery(daemon)
        cpu_s = daemon.cpu_s()
        last = daemon.wait_until(lambda now: now.delivered >= count)
        cpu_s = daemon.cpu_s() - cpu_s
        kept = daemon.wait_until(lambda now: now.delivered == now.kept).kept
        told = sink.stop_and_tell(kept)
        seen = last.delivered - first.delivered
        return Drain(
            delivered_per_s=count / (told["backlog_s"] - told["first_s"]),
            cpu_us=cpu_s / seen * 1e6 if seen else None,
            peak_mb=daemon.memory_mb("VmHWM"),
        )


def _first_delivery(daemon: Daemon) -> Counts:
    daemon.wait_until_ready()
    return daemon.wait_until(lambda now: now.delivered > 0)


def measure_start(folder: Path) -> float:
    """Return the seconds from the start of the process until its first document has arrived."""
    arrived_s = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            arrived_s.append(time.monotonic())
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.timeout = START_S_MAX
        started_s = time.monotonic()
        daemon = Daemon(folder, server.server_port)
        with running(daemon):
            server.handle_request()
    return arrived_s[0] - started_s


def measure_stand_in(count: int) -> float:
    """Return the documents a second that the stand-in takes from a client that has nothing else to do."""
    requests = [list(share) for share in _shares(_requests(count))]
    stand_in = StandIn()
    with running(stand_in):
        started_s = time.monotonic()
        clients = [threading.Thread(target=_post_all, args=(stand_in.port, share)) for share in requests]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        duration_s = time.monotonic() - started_s
        _check(stand_in, count)
    return count / duration_s


def _shares(requests: Iterator[bytes]) -> list[list[bytes]]:
    every_request = list(requests)
    return [every_request[first::CONNECTIONS] for first in range(CONNECTIONS)]


def _requests(count: int) -> Iterator[bytes]:
    """Make the requests that the daemon would, of documents like its own."""
    station = Station("bench", "Bench", -30.03, -51.23, 10.0)
    encoder = DocumentEncoder(station, "00000000")
    numbers = iter(range(1, count + 1))
    while batch := [encoder.encode(_observation(seq), seq) for seq in itertools.islice(numbers, BATCH_SIZE)]:
        body = zlib.compress(b"[" + b",".join(batch) + b"]", 1, 16 + zlib.MAX_WBITS)
        yield (
            b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )


def _observation(seq: int) -> Observation:
    values = {"air_temperature": seq % 4001 / 100, "relative_humidity": seq % 997 / 10, "dew_point_temperature": 9.25}
    return Observation(
        sensor="garden",
        model="jsonlines",
        observed_at_ms=1_795_446_850_000 + seq,
        recorded_at_ms=1_795_446_850_000 + seq,
        values=values,
        quality=dict.fromkeys(values, Quality.UNCHECKED),
        labels={"channel": "A", "battery_ok": "1"},
        clock_synchronized=True,
    )


def _post_all(port: int, requests: Sequence[bytes]) -> None:
    with socket.create_connection(("127.0.0.1", port)) as channel:
        for request in requests:
            channel.sendall(request)
            answer = b""
            while not answer.endswith(b"ok"):
                answer += channel.recv(4096)


def _check(stand_in: StandIn, count: int) -> None:
    """Stop unless the stand-in has had each document, and nothing else."""
    counts = stand_in.stop_and_count()
    if counts["documents"] != count or counts["failures"] or counts["conflicts"]:
        raise SystemExit(f"the stand-in has not had {count:,} documents: {counts}")


def _new(folder: str, name: str) -> Path:
    path = Path(folder, name)
    path.mkdir()
    return path


def _rows(up: Intake, dead: Intake, drain: Drain, starts_s: Sequence[float], alone_per_s: float) -> Iterator[Row]:
    assert up.delivered_per_s is not None
    yield "documents/s in, sink up: into the journal", f"{up.kept_per_s:,.0f}", "> 50,000"
    yield "documents/s in, sink up: delivered", f"{up.delivered_per_s:,.0f}", "> 50,000"
    yield "documents/s in, sink dead: into the journal", f"{dead.kept_per_s:,.0f}", "> 50,000"
    yield "documents/s out of the backlog", f"{drain.delivered_per_s:,.0f}", ">= 300,000"
    yield "documents/s that the stand-in takes by itself", f"{alone_per_s:,.0f}", ""
    yield "  of which those in, sink up, are", f"{up.delivered_per_s / alone_per_s:.0%}", ""
    yield "CPU us a document, in and delivered", f"{up.cpu_us:.1f}", ""
    yield "CPU us a document, in, sink dead", f"{dead.cpu_us:.1f}", ""
    out_us = "out before a look" if drain.cpu_us is None else f"{drain.cpu_us:.1f}"
    yield "CPU us a document, out of the backlog", out_us, ""
    yield "peak memory, in and delivered", f"{up.peak_mb:.1f} MB", ""
    yield "peak memory, in, sink dead", f"{dead.peak_mb:.1f} MB", ""
    yield "peak memory, out of the backlog", f"{drain.peak_mb:.1f} MB", ""
    if starts_s:
        yield (
            f"start to first document, median of {len(starts_s)}",
            f"{statistics.median(starts_s):.2f} s",
            "< 1 s",
        )
        yield f"start to first document, slowest of {len(starts_s)}", f"{max(starts_s):.2f} s", ""


if __name__ == "__main__":
    main()
