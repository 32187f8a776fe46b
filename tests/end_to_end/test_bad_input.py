import asyncio
import contextlib
import os
import signal
import socket
import sqlite3
import ssl
import sys
from pathlib import Path

import pytest
import trustme

from tests.end_to_end.stations import (
    CHIPS,
    DAY_SENSOR,
    day_lines,
    environment,
    eventually,
    station,
    weatherd,
    write_lines,
)
from weatherd.testing.logstash import LogstashStandIn

STATION = '[station]\nid = "test"\n'
BAROMETER = '[[sensors]]\nname = "barometer"\ndriver = "bmp280"\n'
SIMULATED = '[i2c]\nbus = "simulated"\n'
JOURNAL = '[journal]\npath = "journal.db"\n'


def sink(url: str = "http://127.0.0.1:1", more: str = "") -> str:
    return f'[sinks.logstash]\nurls = ["{url}"]\n{more}\n'


@pytest.mark.parametrize(
    ("configuration", "words"),
    [
        (STATION + '[[sensors]]\nname = "a"\ndriver = "bmp28"\n', ["bmp28", "bmp280"]),
        (STATION + BAROMETER + BAROMETER.replace("0x77", "0x76"), ["barometer", "name"]),
        (STATION + BAROMETER + sink("logstash.local"), ["logstash.local", "urls"]),
        (STATION + BAROMETER + sink(more='username = "w"\npassword_file = "missing"'), ["password_file", "missing"]),
        (STATION + BAROMETER + sink("https://h:1", 'tls = { ca_file = "none.pem" }'), ["ca_file", "none.pem"]),
        (STATION + BAROMETER.replace("name", "nmae"), ["nmae", "name"]),
        (STATION + BAROMETER + "[queue\n", ["line 6"]),
        ("", ["station"]),
    ],
    ids=["driver", "two names", "url", "password file", "ca file", "unknown key", "syntax", "empty"],
)
async def test_a_mistake_in_the_configuration_is_told_in_words(
    tmp_path: Path, configuration: str, words: list[str]
) -> None:
    """`check` and `run` both say what, where and how to mend it, exit with 78, and show no traceback."""
    path = tmp_path / "weatherd.toml"
    path.write_text(configuration)
    for command in ("check", "run"):
        code, out, errors = await weatherd(command, "--config", path, folder=tmp_path)
        assert (code, out) == (78, "")
        assert errors.startswith("error: config.invalid: ")
        assert "\nhint:  " in errors
        assert "Traceback" not in errors
        for word in words:
            assert word in errors


async def test_a_missing_configuration_is_told(tmp_path: Path) -> None:
    """The path is named, and what to do."""
    code, _, errors = await weatherd("run", "--config", tmp_path / "none.toml", folder=tmp_path)
    assert code == 78
    assert str(tmp_path / "none.toml") in errors
    assert "\nhint:  " in errors


async def test_a_right_configuration_is_told_too(tmp_path: Path) -> None:
    """`check` exits with 0 and says what it has seen."""
    path = tmp_path / "weatherd.toml"
    path.write_text(STATION + BAROMETER + sink())
    code, out, errors = await weatherd("check", "--config", path, folder=tmp_path)
    assert (code, errors) == (0, "")
    assert "station test" in out
    assert "1 sensor" in out


async def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    """The sensor, the address and the reason are named; the exit code is 69."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        path = tmp_path / "weatherd.toml"
        path.write_text(
            STATION
            + JOURNAL
            + f'[[sensors]]\nname = "garden"\ndriver = "jsonlines"\nlisten = "127.0.0.1:{port}"\n'
            + 'quantities = { air_temperature = "t" }\n'
        )
        code, _, errors = await weatherd("run", "--config", path, folder=tmp_path)
    assert code == 69
    assert errors.startswith(f"error: daemon.unavailable: sensor garden cannot listen on 127.0.0.1:{port}: ")
    assert "\nhint:  " in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("place", ["missing/journal.db", "folder", "others.db"])
async def test_a_journal_that_cannot_be_opened_is_told(tmp_path: Path, place: str) -> None:
    """A missing folder, a folder in its place, and a file that is none: a sentence, a hint and 74."""
    (tmp_path / "folder").mkdir()
    with contextlib.closing(sqlite3.connect(tmp_path / "others.db")) as others:
        others.execute("CREATE TABLE photos (name TEXT)")
    path = tmp_path / "weatherd.toml"
    path.write_text(STATION + SIMULATED + BAROMETER + f'[journal]\npath = "{place}"\n')
    code, _, errors = await weatherd("run", "--config", path, folder=tmp_path)
    assert code == 74
    assert errors.startswith("error: journal.")
    assert place.partition("/")[0] in errors
    assert "\nhint:  " in errors
    assert "Traceback" not in errors


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a read-only file system")
async def test_a_read_only_journal_is_told(tmp_path: Path, read_only_folder: Path) -> None:
    """A card that has turned read-only stops no station: it starts, and log and status name what is wrong."""
    async with station(tmp_path, "http://127.0.0.1:9", CHIPS, disk=read_only_folder) as running:
        await running.wait_for("READY=1")
        error = (await running.ask())["journal"]["error"]
        assert await running.stop() == 0
    (paused,) = [line for line in running.log if line["event.action"] == "recording.paused"]
    assert paused["error.code"] == error["code"] == "journal.unavailable"
    assert "read-only" in error["hint"].lower()
    assert (tmp_path / "errors").read_text() == ""


async def test_a_reader_of_the_log_that_goes_away_stops_nothing(tmp_path: Path) -> None:
    """Whoever pipes the log into `head` still has a station."""
    async with LogstashStandIn() as logstash, station(tmp_path, logstash.url, CHIPS) as running:
        await running.wait_for("READY=1")
        assert await running.stop() == 0
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "weatherd", "run", "--config", tmp_path / "weatherd.toml", "--log-format", "json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(tmp_path),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    await process.stdout.readline()
    process.stdout._transport.close()  # type: ignore[attr-defined]  # asyncio closes a pipe in no other way
    await asyncio.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    assert (await process.stderr.read(), await process.wait()) == (b"", 0)


async def test_two_daemons_do_not_share_a_journal(tmp_path: Path) -> None:
    """The second one is told that the journal is in use, and stops with 74; the first one goes on."""
    async with LogstashStandIn() as logstash, station(tmp_path, logstash.url, CHIPS) as running:
        await running.wait_for("READY=1")
        code, _, errors = await weatherd("run", "--config", tmp_path / "weatherd.toml", folder=tmp_path)
        assert code == 74
        assert "in use" in errors
        assert (await running.ask())["sensors"]
        assert await running.stop() == 0


async def test_an_address_nobody_answers_is_told_and_waited_for(tmp_path: Path) -> None:
    """The station runs, and status and log say which address, with a hint."""
    sensors = SIMULATED + BAROMETER + "address = 0x76\n"
    async with LogstashStandIn() as logstash, station(tmp_path, logstash.url, sensors) as running:
        await running.wait_for("READY=1")
        (barometer,) = (await running.ask())["sensors"]
        assert await running.stop() == 0
        told = [line for line in running.log if line["event.action"] == "sampling.sensor_lost"]
    assert barometer["state"] == "lost"
    assert barometer["error"]["code"] == "sensor.no_answer"
    assert "0x76" in barometer["error"]["message"]
    assert [line["error.code"] for line in told] == ["sensor.no_answer"]
    assert told[0]["weatherd"]["hint"]


async def test_a_certificate_that_is_none_is_told(tmp_path: Path) -> None:
    """A file that is there but holds no certificate is a mistake in the configuration."""
    (tmp_path / "ca.pem").write_text("no certificate")
    path = tmp_path / "weatherd.toml"
    path.write_text(
        STATION + SIMULATED + BAROMETER + JOURNAL + sink("https://localhost:1", 'tls = { ca_file = "ca.pem" }')
    )
    for command in ("check", "run"):
        code, _, errors = await weatherd(command, "--config", path, folder=tmp_path)
        assert code == 78
        assert "ca.pem" in errors
        assert "Traceback" not in errors


async def test_a_server_with_a_wrong_certificate_is_told_and_waited_for(tmp_path: Path) -> None:
    """The station runs on, keeps everything, and says what is wrong with the certificate."""
    ours, theirs = trustme.CA(), trustme.CA()
    ours.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = server_context(theirs)
    async with LogstashStandIn(ssl_context=context) as logstash:
        more = f'tls = {{ ca_file = "{tmp_path}/ca.pem" }}'
        async with station(tmp_path, logstash.url, DAY_SENSOR, sink=more) as running:
            await running.wait_for("READY=1")
            await write_lines(tmp_path, day_lines()[:3])

            async def told() -> bool:
                return (await running.ask())["sinks"][0]["error"] is not None

            await eventually(told)
            (state,) = (await running.ask())["sinks"]
            assert state["lag"] > 0
            assert "certificate" in state["error"]["message"]
            assert await running.stop() == 0
    assert logstash.documents_count == 0


def server_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


@pytest.mark.parametrize(
    "arguments", [["demo", "--port", "70000"], ["demo", "--for", "-1"], ["demo", "--for", "x"], ["rn"], []], ids=str
)
async def test_a_wrong_command_line_is_told(tmp_path: Path, arguments: list[str]) -> None:
    """A usage line and a reason, exit code 64, no traceback."""
    code, _, errors = await weatherd(*arguments, folder=tmp_path)
    assert code == 64
    assert errors.startswith("usage: weatherd")
    assert "\nerror: cli.usage: " in errors
    assert "\nhint:  " in errors
    assert "Traceback" not in errors
