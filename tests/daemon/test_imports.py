import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
sys.modules["rich"] = None  # structlog imports it wherever development tools have installed it
import pathlib
from weatherd import config
from weatherd.lean import import_asyncio_without_tls

folder = pathlib.Path(sys.argv[1])
settings = config.parse(
    '''
    [station]
    id = "lean"

    [[sensors]]
    name = "garden"
    driver = "jsonlines"
    command = ["true"]
    quantities = { air_temperature = "t" }

    [sinks.logstash]
    urls = ["http://127.0.0.1:9"]

    [panel]
    listen = ""
    ''',
    folder,
)
assert not config.may_speak_tls(settings)
import_asyncio_without_tls()
import structlog
from weatherd.cli import run
from weatherd.clock import SystemClock
from weatherd.daemon import Daemon

parts = Daemon(settings, structlog.get_logger(), clock=SystemClock(), runtime_folder=folder).parts
assert parts.sources and parts.sinks
unwanted = (
    "smbus2", "gpiod", "adafruit_", "importlib.metadata", "weatherd.doctor", "weatherd.testing", "weatherd.panel",
    "weatherd.history", "aiohttp.web", "prometheus_client", "aiomqtt", "paho", "weatherd.sinks.mqtt",
    "zoneinfo", "difflib", "frozenlist._frozenlist", "ssl", "_ssl", "_hashlib", "weatherd.tls",
)
ours = {"jsonlines", "lines", "matching"}
print(sorted(
    name for name in sys.modules
    if name.startswith(unwanted) or name.startswith("weatherd.sensors.") and name.split(".")[2] not in ours
))
"""


def test_a_station_imports_only_what_it_has(tmp_path: Path) -> None:
    """Drivers of chips and contacts, and the search for those of other packages, cost memory that a Pi has not."""
    run = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"
