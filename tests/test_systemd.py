import os
import socket
from pathlib import Path

import pytest

from weatherd.systemd import Notifier


@pytest.mark.parametrize("abstract", [False, True])
def test_every_state_reaches_the_manager(tmp_path: Path, *, abstract: bool) -> None:
    """Ready, status, watchdog and stopping arrive as datagrams, on a path or in the abstract namespace."""
    address = f"@weatherd-test-{os.getpid()}" if abstract else os.fspath(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + address[1:] if abstract else address)
        notifier = Notifier({"NOTIFY_SOCKET": address})
        notifier.ready()
        notifier.status("2 of 2 sensors work")
        notifier.alive()
        notifier.stopping()
        told = [manager.recv(4096) for _ in range(4)]
    assert told == [b"READY=1", b"STATUS=2 of 2 sensors work", b"WATCHDOG=1", b"STOPPING=1"]


def test_without_a_manager_nothing_happens(tmp_path: Path) -> None:
    """Run by hand, or with a manager that has gone, the station does not care."""
    Notifier({}).ready()
    Notifier({"NOTIFY_SOCKET": os.fspath(tmp_path / "gone")}).ready()


@pytest.mark.parametrize(
    ("environment", "period_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "ours"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
    ids=str,
)
def test_the_watchdog_is_fed_only_if_it_is_ours(environment: dict[str, str], period_s: float | None) -> None:
    """The period comes from the manager, and only for the process it means."""
    pid = {"ours": str(os.getpid())}
    environment = {name: pid.get(value, value) for name, value in environment.items()}
    assert Notifier(environment).watchdog_period_s == period_s
