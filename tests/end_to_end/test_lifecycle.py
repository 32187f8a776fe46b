import asyncio
import os
import random
import signal
import sys
from pathlib import Path

import pytest

from tests.end_to_end.stations import (
    CHIPS,
    DAY_SENSOR,
    day_lines,
    documents,
    environment,
    eventually,
    station,
    until_documents,
    weatherd,
    write_lines,
)
from weatherd.testing.logstash import Accept, Answer, Hang, LogstashStandIn


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_the_station_in_good_order(tmp_path: Path, signum: signal.Signals) -> None:
    """READY, STATUS, WATCHDOG and STOPPING are told, nothing is left behind, the exit code is 0."""
    async with LogstashStandIn() as logstash, station(tmp_path, logstash.url, CHIPS) as running:
        await running.wait_for("READY=1")
        await running.wait_for("WATCHDOG=1")
        await running.wait_for("STATUS=2 of 2 sensors work; logstash answers")
        await until_documents(logstash, 4, "weatherd.observation")
        assert await running.stop(signum) == 0
        await running.wait_for("STOPPING=1")
        last = running.log[-1]
    found = documents(logstash)
    assert {document["sensor"]["model"] for document in found} == {"BMP280", "HTU21D"}
    assert (tmp_path / "errors").read_text() == ""
    assert last["event.action"] == "daemon.stopped"
    assert not (tmp_path / "control.sock").exists()


async def test_the_stop_delivers_what_was_observed_last(tmp_path: Path) -> None:
    """What is in the queue at SIGTERM is in Logstash after the exit, without a wait for linger or commit periods."""
    async with LogstashStandIn() as logstash:
        async with station(
            tmp_path, logstash.url, DAY_SENSOR, journal="commit_period_s = 60.0", linger_s=30.0
        ) as running:
            await running.wait_for("READY=1")
            await write_lines(tmp_path, day_lines()[:100])

            async def all_observed() -> bool:
                return bool((await running.ask())["sensors"][0]["observations_count"] == 100)

            await eventually(all_observed)
            assert len(documents(logstash)) < 100
            assert await running.stop() == 0
        assert len(documents(logstash)) == 100


async def test_the_stop_does_not_wait_for_a_sink_that_hangs(tmp_path: Path) -> None:
    """A far end that never answers costs the stop five seconds, and no observation."""
    async with LogstashStandIn() as logstash:
        logstash.behave(Hang())
        async with station(tmp_path, logstash.url, DAY_SENSOR) as running:
            await running.wait_for("READY=1")
            await write_lines(tmp_path, day_lines()[:10])
            await asyncio.sleep(0.3)
            assert await running.stop(timeout_s=15.0) == 0
        logstash.behave(Accept())
        async with station(tmp_path, logstash.url, DAY_SENSOR):
            await until_documents(logstash, 10, "weatherd.observation")


async def test_a_full_journal_is_emptied_into_the_sink_at_the_stop(tmp_path: Path) -> None:
    """With `block`, what still waits for room in the journal at SIGTERM gets it while the sink is served."""
    labels = 'labels = ["noise"]\n'
    sensor = DAY_SENSOR.replace("[sensors.quantities]", labels + "[sensors.quantities]")
    lines = [
        line[:-1] + b', "noise": "%s"}' % random.Random(n).randbytes(120).hex().encode()
        for n, line in enumerate(day_lines())
    ]
    journal = 'size_max = "1 MB"\nwhen_full = "block"'
    async with LogstashStandIn() as logstash:
        logstash.behave(Answer(503))
        async with station(tmp_path, logstash.url, sensor, journal=journal) as running:
            await running.wait_for("READY=1")
            writing = asyncio.create_task(write_lines(tmp_path, lines * 8))

            async def full() -> bool:
                error = (await running.ask())["journal"]["error"]
                return error is not None and error["code"] == "journal.full"

            await eventually(full)
            before = await running.ask()
            logstash.behave(Accept())
            assert await running.stop() == 0
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
        taken = before["sensors"][0]["lines"]["taken"]
        assert [line for line in running.log if line["event.action"] == "recording.lost"] == []
        async with station(tmp_path, logstash.url, sensor, journal=journal) as running:
            await running.wait_for("READY=1")
            await until_documents(logstash, taken, "weatherd.observation")
            assert await running.stop() == 0


async def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    """Who is in a hurry signals twice, and does not wait for a sink that hangs."""
    async with LogstashStandIn() as logstash:
        logstash.behave(Hang())
        async with station(tmp_path, logstash.url, DAY_SENSOR) as running:
            await running.wait_for("READY=1")
            await write_lines(tmp_path, day_lines()[:10])
            await asyncio.sleep(0.3)
            running.process.send_signal(signal.SIGTERM)
            await running.wait_for("STOPPING=1")
            assert await running.stop(signal.SIGINT, timeout_s=4.0) == 128 + signal.SIGINT


async def test_a_sensor_missing_at_the_start_does_not_stop_the_station(tmp_path: Path) -> None:
    """A bus that is not there is told with a hint; the station is ready, and its other sensor delivers."""
    missing = '[i2c]\nbus = 250\n[[sensors]]\nname = "barometer"\ndriver = "bmp280"\n'
    async with LogstashStandIn() as logstash, station(tmp_path, logstash.url, missing + DAY_SENSOR) as running:
        await running.wait_for("READY=1")
        await write_lines(tmp_path, day_lines()[:1])
        await until_documents(logstash, 1, "weatherd.observation")
        (barometer, _) = (await running.ask())["sensors"]
        assert barometer["state"] == "lost"
        assert barometer["error"]["code"] == "sensor.bus_unavailable"
        assert barometer["error"]["hint"]
        assert await running.stop() == 0
        (event,) = [
            document
            for document in documents(logstash, "weatherd.event")
            if document["event"]["action"] == "sensor_lost"
        ]
    assert event["sensor"]["name"] == "barometer"
    assert event["event"]["reason"] == "bus_unavailable"


async def test_status_is_for_people_and_for_programs(tmp_path: Path) -> None:
    """The same facts as sentences and as JSON; without a daemon an error with a hint, and exit code 69."""
    async with LogstashStandIn() as logstash, station(tmp_path, logstash.url, CHIPS) as running:
        await running.wait_for("READY=1")
        await until_documents(logstash, 2, "weatherd.observation")
        status = await running.ask()
        code, text, _ = await weatherd("status", folder=tmp_path)
        assert code == 0
        assert await running.stop() == 0
    assert status["station"]["id"] == "test"
    assert [sensor["state"] for sensor in status["sensors"]] == ["working", "working"]
    assert status["sinks"][0]["attempts"]["200"] >= 1
    assert "barometer" in text
    assert "logstash" in text
    code, _, errors = await weatherd("status", folder=tmp_path)
    assert code == 69
    assert errors.startswith("error: daemon.unavailable: no weatherd answers")
    assert "\nhint:  " in errors


async def test_the_log_is_json_with_ecs_names(tmp_path: Path) -> None:
    """Each line is an object with time, level, a sentence and the name of the event."""
    async with LogstashStandIn() as logstash, station(tmp_path, logstash.url, CHIPS) as running:
        await running.wait_for("READY=1")
        assert await running.stop() == 0
        log = running.log
    # What this machine lacks (a folder in memory, the right time) is told first.
    told = [line["event.action"] for line in log if line["log.level"] == "info"]
    assert told == ["daemon.started", "daemon.stopping", "daemon.stopped"]
    for line in log:
        assert {"@timestamp", "log.level", "message", "ecs.version", "service.name"} <= set(line)


async def test_a_sigterm_in_the_middle_of_a_start_is_heeded(tmp_path: Path) -> None:
    """It ends with 0 at once, also as process 1 of a container, where a signal without a handler does nothing."""
    configuration = tmp_path / "weatherd.toml"
    os.mkfifo(configuration)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "weatherd", "run", "--config", configuration, env=environment(tmp_path)
    )
    writing = await asyncio.to_thread(os.open, configuration, os.O_WRONLY)  # it is about to read its configuration
    try:
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0
    finally:
        os.close(writing)
