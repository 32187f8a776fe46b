"""
What MQTT costs a station, and what goes through it. Needs Mosquitto.

The daemon runs with its default settings twice, without the table [sinks.mqtt] and with it, while a stand-in for
Logstash answers, and a program writes four JSON lines a second to its socket. The start is left out.

    memory           RssAnon at the end: what no file is behind; and VmRSS
    CPU              of all threads of the daemon; the broker's own is not counted
    documents/s      observations of two quantities and what is derived from them, from the first line until the broker
                     has all of them, with backlog = true: what is fresh as two messages a quantity, the rest as whole
                     documents
"""

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench_tools import Daemon, Row, StandIn, free_port, machine, print_table, running
from idle import CPU_PERIOD_S, LINES_PER_S, SETTLE_S, spend, write_slowly

from weatherd import control

GOAL_MB = 8.0
POLL_S = 0.05


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description="Measure what MQTT costs.")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each of the two (default: %(default)g)")
    parser.add_argument("--settle", type=float, default=SETTLE_S, help="seconds before that (default: %(default)g)")
    parser.add_argument("--documents", type=int, default=10_000, help="to send at once (default: %(default)s)")
    arguments = parser.parse_args()
    print(f"{machine()}; {LINES_PER_S} observations a second for {arguments.seconds:g} s", flush=True)
    with broker() as port:
        print_table([*costs(arguments.seconds, arguments.settle, port), *rate(arguments.documents, port)])


@contextlib.contextmanager
def broker() -> Iterator[int]:
    """Run a Mosquitto that lets everybody in; yield its port."""
    program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        sys.exit("error: there is no mosquitto\nhint:  apt install mosquitto")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        configuration = Path(folder, "mosquitto.conf")
        configuration.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
        process = subprocess.Popen([program, "-c", configuration], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield port
        finally:
            process.terminate()
            process.wait()


def table(port: int, more: str = "") -> str:
    """Return the table of the configuration."""
    return f'\n[sinks.mqtt]\nurl = "mqtt://127.0.0.1:{port}"\n{more}'


def costs(duration_s: float, settle_s: float, port: int) -> Iterator[Row]:
    """Measure both, and yield the difference."""
    off = idle(duration_s, settle_s, "")
    on = idle(duration_s, settle_s, table(port))
    yield "own memory, MQTT off", f"{off[0]:.1f} MB", ""
    yield "own memory, MQTT on", f"{on[0]:.1f} MB", ""
    yield "own memory, more", f"{on[0] - off[0]:.1f} MB", f"< {GOAL_MB:g} MB"
    yield "resident, more", f"{on[1] - off[1]:.1f} MB", f"< {GOAL_MB:g} MB"
    yield "CPU s per 600 s, MQTT off", f"{off[2]:.2f}", ""
    yield "CPU s per 600 s, MQTT on", f"{on[2]:.2f}", ""


def idle(duration_s: float, settle_s: float, more: str) -> tuple[float, float, float]:
    """Let a station run; return its own and its resident memory, in MB, and its CPU time, in seconds per 600 s."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, contextlib.ExitStack() as stack:
        stand_in = StandIn()
        stack.enter_context(running(stand_in))
        daemon = Daemon(Path(folder), stand_in.port, more=more)
        stack.enter_context(running(daemon))
        daemon.wait_until_ready()
        writing = write_slowly(daemon.socket)
        spend(writing, settle_s, LINES_PER_S)
        cpu_s, began_s = daemon.cpu_s(), time.monotonic()
        spend(writing, duration_s, LINES_PER_S)
        used_s = (daemon.cpu_s() - cpu_s) / (time.monotonic() - began_s) * CPU_PERIOD_S
        return daemon.memory_mb("RssAnon"), daemon.memory_mb("VmRSS"), used_s


def rate(count: int, port: int) -> Iterator[Row]:
    """Write documents at once, and yield how long the broker took."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, contextlib.ExitStack() as stack:
        stand_in = StandIn()
        stack.enter_context(running(stand_in))
        daemon = Daemon(Path(folder), stand_in.port, more=table(port, "backlog = true\n"))
        stack.enter_context(running(daemon))
        daemon.wait_until_ready()
        while broker_has() < 1:
            time.sleep(POLL_S)
        began_s, before = time.monotonic(), broker_has()
        writing = write_slowly(daemon.socket)
        for _ in range(count):
            next(writing)
        while broker_has() - before < count:
            time.sleep(POLL_S)
        took_s = time.monotonic() - began_s
    yield "documents/s to the broker, of a flood", f"{count / took_s:,.0f}", ""


def broker_has() -> int:
    """Ask the daemon what it has delivered there."""
    return next(int(sink["delivered_count"]) for sink in control.ask("status")["sinks"] if sink["name"] == "mqtt")


if __name__ == "__main__":
    main()
