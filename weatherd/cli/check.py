"""`weatherd check`: every mistake in a configuration at once."""

import os
from pathlib import Path

from weatherd import config


def check(path: Path) -> int:
    """Tell that a configuration has no mistake; those that it has are raised, all in one error."""
    settings = config.load(path)
    count = len(settings.sensors)
    sensors = f"{count} sensor{'s' if count > 1 else ''}"
    sinks = "one sink" if settings.sinks.logstash else "no sink: observations stay in the journal"
    print(f"{path} is right: station {settings.station.id}, {sensors}, {sinks}")
    return os.EX_OK
