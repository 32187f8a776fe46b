"""A driver from another package: the documented example, really installed, checked, and run by the daemon."""

import asyncio
import importlib
import io
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.end_to_end.stations import documents, until_documents
from weatherd.config import Installed, parse
from weatherd.daemon import Daemon
from weatherd.daemon.drivers import make_sensor
from weatherd.errors import ConfigError, DeadlineExceeded, DriverFailed, NoAnswer, SensorError
from weatherd.logs import make_log
from weatherd.sensors import installed
from weatherd.sensors.i2c import Bus
from weatherd.sensors.installed import InstalledSensor
from weatherd.testing.chips import SimulatedBus
from weatherd.testing.logstash import LogstashStandIn

EXAMPLE = Path("docs/examples/weatherd-acme")

STATION = """
[station]
id = "test"
[i2c]
bus = "simulated"
[[sensors]]
name = "shed"
driver = "acme"
options = { address = 0x48 }
sample_period_s = 0.2
report_period_s = 0.4
calibration = { air_temperature = { offset = 1.0 } }
[journal]
path = "journal.db"
"""


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the example into a folder of its own."""
    source = tmp_path_factory.mktemp("source") / "weatherd-acme"
    shutil.copytree(EXAMPLE, source)
    folder = tmp_path_factory.mktemp("target")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*pip, "--target", folder, source], check=True, capture_output=True)
    return folder


def check(folder: Path, target: Path | None) -> subprocess.CompletedProcess[str]:
    (folder / "weatherd.toml").write_text(STATION)
    return subprocess.run(
        [sys.executable, "-m", "weatherd", "check", "--config", folder / "weatherd.toml"],
        env={**os.environ, **({"PYTHONPATH": os.fspath(target)} if target else {})},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_example_passes_its_own_test(target: Path) -> None:
    """As those who copy it run it."""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", EXAMPLE, EXAMPLE],
        env={**os.environ, "PYTHONPATH": os.fspath(target)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "8 passed" in run.stdout


def test_an_installed_driver_is_known_to_check(target: Path, tmp_path: Path) -> None:
    """And without its package, the known ones are listed."""
    assert check(tmp_path, target).returncode == 0
    run = check(tmp_path, None)
    assert run.returncode == os.EX_CONFIG
    assert 'line 8: sensors[0].driver: found "acme"; allowed is' in run.stderr
    assert '"bmp280"' in run.stderr


def test_an_unknown_driver_is_told_with_those_that_are_installed(
    target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slip of the pen is answered with the known and the installed drivers."""
    monkeypatch.syspath_prepend(target)
    with pytest.raises(ConfigError, match='"acme"') as caught:
        parse(STATION.replace('"acme"', '"acne"'), tmp_path)
    assert '"jsonlines"' in caught.value.sentence


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("options = { a = [1] }", ("options.a", "found a list of 1; allowed is a text, a whole number, a number or")),
        ("sample_period_s = 3", ("report_period_s", "found 10.0; allowed is a whole multiple of sample_period_s = 3")),
        ("addres = 0x48", ("addres", "unknown key; known are name")),
    ],
)
def test_a_mistake_of_an_installed_driver_is_told(
    target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, mistake: tuple[str, str]
) -> None:
    """Its table is checked as every other; what its options mean, only the driver knows."""
    monkeypatch.syspath_prepend(target)
    text = f'[station]\nid = "s"\n[[sensors]]\nname = "shed"\ndriver = "acme"\n{line}\n'
    with pytest.raises(ConfigError) as caught:
        parse(text, tmp_path)
    ((_, key, message),) = caught.value.mistakes
    assert key == f"sensors[0].{mistake[0]}"
    assert message.startswith(mistake[1])


def test_its_address_is_its_own(target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address among the options takes part in the check of conflicts."""
    monkeypatch.syspath_prepend(target)
    text = STATION + '[[sensors]]\nname = "b"\ndriver = "htu21d"\n'
    assert parse(text, tmp_path)
    with pytest.raises(ConfigError, match=r"0x40 is already the address of sensors\[0\]"):
        parse(text.replace("0x48", "0x40"), tmp_path)


async def test_the_daemon_runs_it(target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the emulated chip to the document in Logstash, with calibration."""
    monkeypatch.syspath_prepend(target)
    monkeypatch.syspath_prepend(EXAMPLE)
    chip = importlib.import_module("test_weatherd_acme").Lm75Chip(lambda: {"air_temperature": -12.5})
    async with LogstashStandIn() as logstash:
        text = f'{STATION}[sinks.logstash]\nurls = ["{logstash.url}"]\nlinger_s = 0\n[clock]\nhold_max_s = 0\n'
        log = make_log("info", "json", io.StringIO())
        bus = SimulatedBus({0x48: chip})
        daemon = Daemon(parse(text, tmp_path), log, simulated=bus, runtime_folder=tmp_path)
        running = asyncio.ensure_future(daemon.run())
        await until_documents(logstash, 2, "weatherd.observation")
        daemon.stop()
        await running
        for document in documents(logstash):
            assert (document["sensor"]["name"], document["sensor"]["model"]) == ("shed", "acme")
            assert document["weather"] == {"air_temperature": -11.5}


BODIES = {
    "fails_in_import": ("raise ZeroDivisionError('in the import')", DriverFailed, "ZeroDivisionError: in the import"),
    "exits_in_import": ("import sys; sys.exit(3)", DriverFailed, "SystemExit: 3"),
    "interrupts_in_import": ("raise KeyboardInterrupt", DriverFailed, "KeyboardInterrupt: no words"),
    "has_no_factory": ("", DriverFailed, "has no attribute 'make'"),
    "fails_to_make": ("def make(bus, name, options):\n    raise OwnError", DriverFailed, "NameError"),
    "measures_nonsense": ("quantities = ['air_temprature']", DriverFailed, "air_temprature"),
    "measures_nothing": ("quantities = []", DriverFailed, "nothing"),
    "measures_something_else": ("value = {'illuminance': 1.0}", DriverFailed, "illuminance"),
    "gives_a_text": ("value = {'air_temperature': 'warm'}", DriverFailed, "could not convert string"),
    "exits": ("def value(): sys.exit(1)", DriverFailed, "SystemExit: 1"),
    "has_a_name_for_it": ("def value(): raise NoAnswer('nobody')", NoAnswer, "nobody"),
    "waits_for_ever": ("value = None", DeadlineExceeded, "takes more than 0.3 s"),
}

SENSOR = """
import asyncio, sys
from weatherd.errors import NoAnswer
quantities = ["air_temperature"]
value = {"air_temperature": 1}
BODY
def make(bus, name, options):
    return Sensor()
class Sensor:
    name, model = "x", "x"
    quantities = quantities
    async def open(self): pass
    async def measure(self):
        if value is None:
            await asyncio.sleep(60)
        return value() if callable(value) else value
    async def close(self): raise OSError("a close that fails")
"""


def package(folder: Path, name: str, body: str) -> None:
    """Write a package as pip leaves it behind."""
    is_whole = name in {"fails_in_import", "exits_in_import", "interrupts_in_import", "has_no_factory", "fails_to_make"}
    (folder / f"{name}.py").write_text(body if is_whole else SENSOR.replace("BODY", body))
    info = folder / f"{name}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[weatherd.sensors]\n{name} = {name}:make\n")


@pytest.mark.parametrize("name", BODIES)
async def test_what_is_wrong_with_a_package_is_its_sensors_failure(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the import, the making or the measuring: a named error, never the end of anything else."""
    body, error, said = BODIES[name]
    package(tmp_path, name, body)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(installed, "MEASURE_DEADLINE_S", 0.3)
    sensor = InstalledSensor(Bus(lambda: SimulatedBus({}), "the simulated bus"), "odd", name, {})

    async def once() -> None:
        await sensor.open()
        await sensor.measure()

    with pytest.raises(SensorError, match=said) as caught:
        await once()
    assert type(caught.value) is error
    await sensor.close()


async def test_a_package_that_was_removed_is_told() -> None:
    """While the daemon runs, a package can go."""
    sensor = InstalledSensor(Bus(lambda: SimulatedBus({}), "the simulated bus"), "odd", "gone", {})
    with pytest.raises(DriverFailed, match="no package brings a driver gone"):
        await sensor.open()
    await sensor.close()


async def test_a_slow_import_does_not_hold_up_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It happens on a thread, and its sensor alone waits."""
    package(tmp_path, "slow_one", "import time; time.sleep(0.6)")
    monkeypatch.syspath_prepend(tmp_path)
    sensor = InstalledSensor(Bus(lambda: SimulatedBus({}), "the simulated bus"), "slow", "slow_one", {})
    opening = asyncio.ensure_future(sensor.open())
    latest_s = 0.0
    while not opening.done():
        begun_s = time.monotonic()
        await asyncio.sleep(0.005)
        latest_s = max(latest_s, time.monotonic() - begun_s)
    await opening
    assert await sensor.measure() == {"air_temperature": 1.0}
    assert latest_s < 0.5
    assert list(sensor.quantities) == ["air_temperature"]


def test_the_configuration_makes_the_wrapper() -> None:
    """Nothing is imported before the sensor is opened."""
    settings = Installed(name="shed", driver="not-even-there", options={"a": 1})
    sensor = make_sensor(settings, Bus(lambda: SimulatedBus({}), "the simulated bus"))
    assert (sensor.name, sensor.model, list(sensor.quantities)) == ("shed", "not-even-there", [])
