"""
A machine without systemd, for power cuts: the daemon, a program that counts, and perhaps a far end.

    counting.py count FIRST    a far end that is not there; the program counts until the plug is pulled
    counting.py collect FIRST  the wall clock is wrong until some observations were held; then all goes to a far end

Each line that the program writes is one observation; its number and its time by the boot clock come along as labels.
What the daemon has read is told to the outside at once.
"""

import array
import fcntl
import json
import os
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.installed.far_end import PASSWORD, USERNAME, FarEnd, far_end
from tests.vm.guest.kernel_clock import say_synchronised
from tests.vm.guest.stations import wait_for
from weatherd.control import ask

TICK_S = 0.05
HELD = 100

_SOCKET = Path("/run/weatherd/in.sock")
_CONFIGURATION = """
[station]
id = "vm"

[[sensors]]
name = "counter"
driver = "jsonlines"
listen = "{socket}"
report_period_s = 0
labels = ["n", "at_ms"]
quantities = {{ air_pressure = "p" }}

[journal]
path = "/var/lib/weatherd/journal.db"
commit_period_s = 1.0

[sinks.logstash]
urls = ["{url}"]
linger_s = 0.1
delay_s_max = 1.0
username = "{user}"
password_file = "{folder}/password"

[panel]
listen = ""
"""


def count(first: int) -> None:
    """Count until the power goes."""
    _start("http://127.0.0.1:9")
    for number in _numbers(first):
        tell({"read": number})


def collect(first: int) -> None:
    """Count in 1970, then set the clock, and tell what has arrived when all has."""
    with far_end() as outside:
        daemon = _start(outside.url)
        for number in _numbers(first):
            tell({"read": number})
            if number == first + HELD:
                break
        wait_for(lambda: ask("status")["journal"]["last_seq"] > 0, "the journal has something")
        tell({"early": _of(outside, first), "held": ask("status")["journal"]["holding"], "clock": time.time()})
        time.clock_settime(time.CLOCK_REALTIME, float(os.environ["TRUE_TIME"]))
        say_synchronised()
        wait_for(lambda: ask("status")["sinks"][0]["lag"] == 0 and _of(outside, first), "all has arrived", 60.0)
        tell({"conflicts": outside.conflicts_count(), "offset": time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)})
        for document in outside.documents():
            tell({"arrived": _short(document)})
        daemon.terminate()
        tell({"exit": daemon.wait(30.0)})


def tell(what: object) -> None:
    """Send a line to the outside."""
    os.write(_outside, json.dumps(what).encode() + b"\n")


def _start(url: str) -> "subprocess.Popen[bytes]":
    folder = Path("/run/vm")
    (folder / "password").write_text(PASSWORD)
    (folder / "weatherd.toml").write_text(_CONFIGURATION.format(socket=_SOCKET, url=url, user=USERNAME, folder=folder))
    Path("/var/lib/weatherd").mkdir(exist_ok=True)
    daemon = subprocess.Popen(
        ["/opt/weatherd/bin/weatherd", "run", "--config", folder / "weatherd.toml", "--log-format", "json"],
        env={**os.environ, "RUNTIME_DIRECTORY": "/run/weatherd"},
    )
    wait_for(lambda: daemon.poll() is not None or _listens(), "the daemon listens", 60.0)
    return daemon


def _listens() -> bool:
    with socket.socket(socket.AF_UNIX) as channel:
        return channel.connect_ex(os.fspath(_SOCKET)) == 0


def _numbers(first: int) -> Iterator[int]:
    """Write a number each tick, and give those that the daemon has read."""
    unread = array.array("i", [0])
    with socket.socket(socket.AF_UNIX) as channel:
        channel.connect(os.fspath(_SOCKET))
        number = first
        while True:
            at_ms = round(time.clock_gettime(time.CLOCK_BOOTTIME) * 1000)
            channel.sendall(json.dumps({"n": number, "p": 1000.0, "at_ms": at_ms}).encode() + b"\n")
            time.sleep(TICK_S)
            fcntl.ioctl(channel, termios.TIOCOUTQ, unread)
            if unread[0] == 0:
                yield number
            number += 1


def _of(outside: FarEnd, first: int) -> int:
    """Return how many observations of this boot have arrived."""
    numbers = (int(document.get("labels", {}).get("n", -1)) for document in outside.documents())
    return sum(number >= first for number in numbers)


def _short(document: dict[str, Any]) -> dict[str, object]:
    """Return what is asked of a document outside."""
    return {
        "id": document["event"]["id"],
        "n": int(document.get("labels", {}).get("n", -1)),
        "at_s": int(document.get("labels", {}).get("at_ms", 0)) / 1000,
        "time": document["@timestamp"],
        "clock": document["clock"],
        "action": document["event"].get("action", ""),
    }


if __name__ == "__main__":
    _outside = os.open("/dev/vport0p1", os.O_WRONLY)
    {"count": count, "collect": collect}[sys.argv[1]](int(sys.argv[2]))
