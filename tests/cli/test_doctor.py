"""`weatherd doctor` as a command: its lines, its exit codes, and what it leaves behind."""

import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.stations import CHIPS, free_port, station, until_documents, weatherd
from weatherd.cli.doctor import lines
from weatherd.doctor import Finding, State
from weatherd.testing.logstash import Answer, LogstashStandIn

LISTENER = """
[[sensors]]
name = "mast"
driver = "jsonlines"
listen = "{listen}"
quantities.wind_speed = "wind_m_s"
"""


def write(folder: Path, url: str, more: str = "") -> Path:
    path = folder / "weatherd.toml"
    path.write_text(
        f'[station]\nid = "test"\n{CHIPS}{more}\n[journal]\npath = "{folder}/journal.db"\n'
        f'[sinks.logstash]\nurls = ["{url}"]\ntimeout_s = 2.0\n'
    )
    return path


async def examined(path: Path, folder: Path) -> tuple[int, Mapping[str, Mapping[str, Any]]]:
    """Return the exit code, and the last finding about each subject."""
    code, out, err = await weatherd("doctor", "--json", "--config", path, folder=folder)
    assert err == ""
    return code, {finding["subject"]: finding for finding in json.loads(out)}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_a_station_that_works_is_told_line_by_line(tmp_path: Path) -> None:
    """Exit code 0, a line for each thing, and nothing is left behind on the disk or in Logstash."""
    async with LogstashStandIn() as logstash:
        path = write(tmp_path, logstash.url)
        code, out, err = await weatherd("doctor", "--config", path, folder=tmp_path)
    assert (code, err) == (0, "")
    assert out.startswith(f"ok      configuration  {path} is right\n")
    assert "\nok      barometer      BMP280 at 0x77: " in out
    assert "\nok      hygrometer     HTU21D at 0x40: " in out
    assert f"\nok      logstash       {logstash.url} has taken an empty batch\n" in out
    assert "FAIL" not in out
    assert names(tmp_path) == ["weatherd.toml"]
    assert logstash.events_count == 0


async def test_one_failure_is_exit_code_1_and_stops_nothing(tmp_path: Path) -> None:
    """A sink that refuses and a chip that is missing are told with hints; all else is tried and right."""
    more = '[[sensors]]\nname = "low"\ndriver = "bmp280"\naddress = 0x76\n'
    async with LogstashStandIn() as logstash:
        logstash.behave(Answer(401))
        code, found = await examined(write(tmp_path, logstash.url, more), tmp_path)
    assert code == 1
    assert [subject for subject, one in found.items() if one["state"] == "fail"] == ["low", "logstash"]
    assert found["low"]["code"] == "sensor.no_answer"
    assert found["logstash"]["code"] == "sink.unwelcome"
    assert all(one["hint"] for one in found.values() if one["state"] != "ok")
    assert list(found["low"]) == ["check", "subject", "state", "code", "message", "hint"]


async def test_a_bus_that_is_missing_is_told_once_with_the_way_to_turn_it_on(tmp_path: Path) -> None:
    """The chips on it only point there, and the sinks are tried all the same."""
    async with LogstashStandIn() as logstash:
        path = write(tmp_path, logstash.url)
        path.write_text(path.read_text().replace('"simulated"', "250"))
        code, out, _ = await weatherd("doctor", "--config", path, folder=tmp_path)
    assert code == 1
    assert "FAIL    bus            /dev/i2c-250 cannot be opened: No such file or directory\n" in out
    assert out.count("raspi-config") == 1
    assert out.count("hint: mend the bus first") == 1
    assert out.count("not tried: the bus cannot be used") == 2
    assert "has taken an empty batch" in out


async def test_every_mistake_of_the_configuration_is_told(tmp_path: Path) -> None:
    """As `weatherd check` does, with key and line; what needs no configuration is tried all the same."""
    path = write(tmp_path, "http://127.0.0.1:1", '[[sensors]]\nname = "low"\ndriver = "bmp"\naddress = 9\n')
    path.write_text(path.read_text().replace('id = "test"', 'id = "Not Allowed"'))
    code, out, _ = await weatherd("doctor", "--config", path, folder=tmp_path)
    assert code == 1
    assert out.count("FAIL    configuration  line ") == 2
    assert "station.id" in out
    assert "bus, sensors, disk and sinks are not tried" in out
    assert "  clock  " in out


async def test_a_configuration_that_cannot_be_read_is_exit_code_78(tmp_path: Path) -> None:
    """Two lines on standard error, as for every command."""
    code, out, err = await weatherd("doctor", "--config", tmp_path / "none.toml", folder=tmp_path)
    assert (code, out) == (78, "")
    assert err.startswith("error: config.invalid: there is no file")


async def test_a_running_daemon_is_asked_and_not_disturbed(tmp_path: Path) -> None:
    """Its chips, its port and its journal are its own; it goes on as if nobody had asked."""
    port = free_port()
    sensors = CHIPS + LISTENER.format(listen=f"127.0.0.1:{port}")
    async with LogstashStandIn() as logstash, station(tmp_path, logstash.url, sensors) as running:
        await running.wait_for("READY=1")
        await until_documents(logstash, 2, "weatherd.observation")
        code, found = await examined(tmp_path / "weatherd.toml", tmp_path)
        after = await running.ask()
        assert await running.stop() == 0
    assert code == 0
    assert f"process {running.process.pid}" in found["daemon"]["message"]
    for name in ("barometer", "hygrometer", "journal"):
        assert "says the daemon" in found[name]["message"], name
        assert found[name]["state"] == "ok"
    assert found["mast"]["code"] == "sensor.starting"
    assert found["logstash"]["state"] == "ok"
    assert [one["failures_count"] for one in after["sensors"]] == [0, 0, 0]
    assert [line for line in running.log if line["log.level"] == "error"] == []


async def test_what_another_program_holds_is_told(tmp_path: Path) -> None:
    """A port that is taken, with no daemon of ours that could have it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        more = LISTENER.format(listen=f"127.0.0.1:{port}")
        code, found = await examined(write(tmp_path, "http://127.0.0.1:1", more), tmp_path)
    assert code == 1
    assert found["mast"]["code"] == "sensor.port_taken"


def test_columns_are_aligned_and_a_hint_stands_below() -> None:
    """The state, the subject and the sentence are columns, and the hint is indented."""
    finding = Finding("sensor", "roof", State.FAIL, "sensor.no_answer", "nobody acknowledges", "check the plug")
    assert list(lines(finding, 9)) == [
        "FAIL    roof       nobody acknowledges",
        "        hint: check the plug",
    ]
    assert list(lines(finding, 9, with_hint=False)) == ["FAIL    roof       nobody acknowledges"]


@pytest.mark.parametrize("state", list(State))
def test_each_state_has_a_word_of_the_same_width(state: State) -> None:
    """What is wrong is found with the eye: in capitals."""
    (line,) = lines(Finding("sensor", "roof", state, "", "x", ""), 4)
    assert line == {"ok": "ok      roof  x", "warn": "warn    roof  x", "fail": "FAIL    roof  x"}[state]
