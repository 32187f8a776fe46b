"""
What systemd wants to hear: readiness, status, signs of life.

Source:
    sd_notify(3): datagrams of ``KEY=VALUE`` lines to the socket named in $NOTIFY_SOCKET; sd_watchdog_enabled(3).
"""

import os
import socket
import time


class Notifier:
    """
    Talk to the service manager, if there is one.

    Args:
        environment: Of the process; tests pass their own.
    """

    def __init__(self, environment: os._Environ[str] | dict[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        watchdog_us = environment.get("WATCHDOG_USEC", "") if _for_us(environment.get("WATCHDOG_PID", "")) else ""
        self.watchdog_period_s: float | None = int(watchdog_us) / 1_000_000 if watchdog_us.isdecimal() else None

    def ready(self) -> None:
        """Say that the station works."""
        self._send("READY=1")

    def reloading(self) -> None:
        """Say that the configuration is read again, until it is `ready` (sd_notify(3): with the time of asking)."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def status(self, sentence: str) -> None:
        """Show a line in `systemctl status`."""
        self._send(f"STATUS={sentence}")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that the stop has begun."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        # An address that begins with @ is in the abstract namespace, which is written with a zero byte.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as channel:
            try:
                channel.sendto(message.encode(), address)
            except OSError:
                return  # a manager that does not listen must not stop the station; its watchdog will tell


def _for_us(pid: str) -> bool:
    return pid in ("", str(os.getpid()))
