"""The installed station inside the machine, as an administrator has it: by systemctl, its files, and its commands."""

import contextlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.installed.far_end import PASSWORD, USERNAME, FarEnd
from weatherd.control import ask

CONFIG = Path("/etc/weatherd/weatherd.toml")

_COMMAND_S_MAX = 90.0

CONFIGURATION = """
[station]
id = "vm"

[i2c]
bus = 1

[gpio]
chip = "{chip}"

[[sensors]]
name = "bmp280"
driver = "bmp280"
address = 0x76
report_period_s = 1.0

[[sensors]]
name = "bmp180"
driver = "bmp180"
report_period_s = 1.0

[[sensors]]
name = "htu21d"
driver = "htu21d"
report_period_s = 1.0

[[sensors]]
name = "bh1750"
driver = "bh1750"
report_period_s = 1.0

[[sensors]]
name = "rain"
driver = "rain_gauge"
line = 17
mm_per_tip = 0.25
debounce_ms = 250
report_period_s = 1.0

[[sensors]]
name = "fast"
driver = "rain_gauge"
line = 22
mm_per_tip = 0.01
debounce_ms = 0.1
report_period_s = 1.0

[[sensors]]
name = "taken"
driver = "rain_gauge"
line = 5
report_period_s = 1.0

[[sensors]]
name = "wind"
driver = "anemometer"
line = 27
m_per_s_per_hz = 0.01
debounce_ms = 0.2
report_period_s = 1.0

[sinks.logstash]
urls = ["{url}"]
linger_s = 0.1
timeout_s = 5.0
delay_s_max = 1.0
username = "{user}"
password_file = "logstash-password"

[clock]
hold_max_s = 0
"""


class Station:
    """
    The unit weatherd.service, its configuration, and what it has delivered.

    Args:
        outside: Where it delivers to.
        chip: The GPIO chip that its contacts are on.
    """

    def __init__(self, outside: FarEnd, chip: str) -> None:
        self.outside = outside
        self.configuration = CONFIGURATION.format(chip=chip, url=outside.url, user=USERNAME)

    def start(self) -> None:
        """Configure it and start it; it is ready behind this."""
        CONFIG.write_text(self.configuration)
        secret = CONFIG.parent / "credentials/logstash-password"
        secret.write_text(PASSWORD)
        secret.chmod(0o600)
        run("systemctl", "restart", "weatherd")

    @contextlib.contextmanager
    def also(self, tables: str) -> Iterator[None]:
        """Let it have more in its configuration, by a reload, until the end of the block."""
        CONFIG.write_text(self.configuration + tables)
        run("systemctl", "reload", "weatherd")
        try:
            yield
        finally:
            CONFIG.write_text(self.configuration)
            run("systemctl", "reload", "weatherd")

    def documents(self, sensor: str, *, since: int = 0) -> list[dict[str, Any]]:
        """Return what the far end has of a sensor with a higher seq, in the order of the seqs."""
        found = [document for document in self.outside.documents() if document.get("sensor", {}).get("name") == sensor]
        found = [document for document in found if document["event"]["sequence"] > since]
        return sorted(found, key=lambda document: document["event"]["sequence"])

    def observations(self, sensor: str, *, since: int = 0) -> list[dict[str, Any]]:
        """Return those documents of a sensor that are observations."""
        found = self.documents(sensor, since=since)
        return [document for document in found if document["event"]["dataset"] == "weatherd.observation"]

    def let_pass(self, sensor: str, count: int) -> None:
        """Wait until so many more observations of a sensor have come."""
        there = len(self.observations(sensor))
        wait_for(lambda: len(self.observations(sensor)) >= there + count, f"{sensor} is observed {count} times more")

    def events(self, action: str, *, since: int = 0) -> list[dict[str, Any]]:
        """Return the events of one kind that the far end has, with a higher seq."""
        return [
            document
            for document in self.outside.documents()
            if document["event"].get("action") == action and document["event"]["sequence"] > since
        ]

    def last_seq(self) -> int:
        """Return the highest seq that the far end has."""
        return max(self.outside.seqs(), default=0)

    def status(self) -> dict[str, Any]:
        """Return what the running daemon tells."""
        return ask("status")

    def status_of(self, sensor: str) -> dict[str, Any]:
        """Return what the running daemon tells of a sensor."""
        found: dict[str, Any] = next(one for one in self.status()["sensors"] if one["name"] == sensor)
        return found

    def pid(self) -> int:
        """Return the daemon's process."""
        return int(self.property_of("MainPID"))

    def property_of(self, name: str) -> str:
        """Return a property of the unit, as `systemctl show` gives it."""
        return run("systemctl", "show", "--value", f"--property={name}", "weatherd").strip()

    def log(self) -> list[dict[str, Any]]:
        """Return what the daemon has logged."""
        read = run("journalctl", "--unit=weatherd", "--output=cat", "_SYSTEMD_UNIT=weatherd.service")
        return [json.loads(line) for line in read.splitlines() if line.startswith("{")]


def run(*command: str) -> str:
    """Run a command that has to succeed, and return its output."""
    result = tried(*command)
    assert result.returncode == 0, f"{command}: {result.returncode}\n{result.stdout}{result.stderr}"
    return result.stdout


def tried(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, whatever that is."""
    return subprocess.run(command, capture_output=True, text=True, timeout=_COMMAND_S_MAX, check=False)


def as_user(name: str, *command: str, groups: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Let an ordinary user run a command, who is in these groups; he is made where there is none."""
    if tried("id", name).returncode:
        run("useradd", "--groups", ",".join(groups), name)
    return tried("runuser", "-u", name, "--", *command)


def wait_for(condition: Callable[[], object], what: str, timeout_s: float = 30.0) -> None:
    """Wait until something is true; the machine is slow, so for long."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s: {what}"
        time.sleep(0.1)
