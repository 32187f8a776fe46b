"""Whether a daemon runs that holds what the doctor would try, and what it says about it."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from weatherd import config
from weatherd.control import NoDaemon, ask
from weatherd.doctor.findings import Finding, failed, ok, warn
from weatherd.errors import UnavailableError

NOT_TRIED = "not tried: a daemon runs that may have it, and cannot be asked"
SEE_DAEMON = "see the line of the daemon"


class Daemon(NamedTuple):
    """
    The daemon of the station, if there is one.

    Attributes:
        status: What it says; None if none runs, or it is another station's.
        is_silent: Whether one is there that cannot be asked, so that nobody knows what it holds.
    """

    status: Mapping[str, Any] | None = None
    is_silent: bool = False

    def sensor(self, name: str) -> Mapping[str, Any] | None:
        """Return what it says about a sensor; None if it has no such sensor."""
        sensors = () if self.status is None else self.status["sensors"]
        return next((sensor for sensor in sensors if sensor["name"] == name), None)


async def find(settings: config.Config | None) -> tuple[Daemon, Finding]:
    """
    Ask who is there.

    Args:
        settings: The station's; None if they are not known, and then any daemon is its.
    """
    try:
        status = await asyncio.to_thread(ask, "status")
    except NoDaemon:
        return Daemon(), ok("daemon", "daemon", "none runs: everything is tried here")
    except UnavailableError as error:
        if isinstance(error.__cause__, PermissionError):
            return Daemon(is_silent=True), warn("daemon", "daemon", error.code, error.sentence, error.hint)
        return Daemon(is_silent=True), failed("daemon", "daemon", error)
    process = f"process {status['daemon']['pid']}"
    if settings is not None and Path(status["journal"]["path"]) != settings.journal.path:
        return Daemon(), warn(
            "daemon",
            "daemon",
            "daemon.of_another_station",
            f"{process} is that of another station, {status['station']['id']}: what both have fails in one of them",
            "stop it, or give each station chips, ports and a RUNTIME_DIRECTORY of its own",
        )
    return Daemon(status), ok("daemon", "daemon", f"runs as {process}: what it holds is asked of it, and not tried")
