import asyncio
import re
import signal
from pathlib import Path

from tests.end_to_end.stations import (
    DAY_SENSOR,
    RunningStation,
    day_lines,
    documents,
    eventually,
    station,
    until_documents,
    weatherd,
    write_lines,
)
from weatherd.testing.logstash import LogstashStandIn

SECOND = """
[[sensors]]
name = "field"
driver = "jsonlines"
listen = "{folder}/field.sock"
report_period_s = 0
quantities = {{ air_temperature = "t" }}
"""


async def reload(running: RunningStation, theirs: str, ours: str) -> None:
    """Change the configuration, send SIGHUP and wait until the daemon is ready again."""
    path = running.folder / "weatherd.toml"
    text = path.read_text()
    assert theirs in text
    path.write_text(text.replace(theirs, ours))
    running.forget_notifications()
    running.process.send_signal(signal.SIGHUP)
    await running.wait_for("RELOADING=1")
    await running.wait_for("READY=1")


def logged(running: RunningStation, name: str) -> list[str]:
    return [line["message"] for line in running.log if line["event.action"] == name]


async def test_a_wrong_configuration_changes_nothing_and_says_why(tmp_path: Path) -> None:
    """The station goes on as it was, and the log names key and line."""
    async with LogstashStandIn() as logstash, station(tmp_path, logstash.url, DAY_SENSOR) as running:
        await running.wait_for("READY=1")
        await reload(running, "delay_s_max = 1.0", "delay_s_maxx = 1.0")
        (message,) = logged(running, "daemon.reload_refused")
        assert re.search(r"line \d+: sinks.logstash.delay_s_maxx", message)
        await write_lines(tmp_path, day_lines()[:10])
        await until_documents(logstash, 10, "weatherd.observation")
        assert await running.stop() == 0


async def test_the_daemon_looks_for_mistakes_without_reading_anew(tmp_path: Path) -> None:
    """`weatherd check --running` tells what a reload would refuse, with code and line, and nothing is changed by it."""
    async with LogstashStandIn() as logstash, station(tmp_path, logstash.url, DAY_SENSOR) as running:
        await running.wait_for("READY=1")
        assert (await weatherd("check", "--running", folder=tmp_path))[:2] == (
            0,
            "the configuration is right: station test\n",
        )
        path = tmp_path / "weatherd.toml"
        path.write_text(path.read_text().replace("delay_s_max", "delay_s_maxx"))
        code, out, err = await weatherd("check", "--running", folder=tmp_path)
        assert (code, out) == (78, "")
        assert re.search(r"error: config.invalid: .*\n  line \d+: sinks.logstash.delay_s_maxx", err)
        assert logged(running, "daemon.reload_refused") == []
        assert await running.stop() == 0


async def test_other_limits_do_not_make_a_fault_good(tmp_path: Path) -> None:
    """A pressure that has jumped is still a step after the limits of its sensor were changed in the middle of it."""
    line = b'{"time": "2026-11-23T12:0%d:00Z", "press_hpa": %d}'
    async with LogstashStandIn() as logstash, station(tmp_path, logstash.url, DAY_SENSOR) as running:
        await running.wait_for("READY=1")
        await write_lines(tmp_path, [line % (0, 700), line % (1, 705)])
        await until_documents(logstash, 2, "weatherd.observation")
        await reload(running, "report_period_s = 0", "report_period_s = 0\nlimits.air_temperature.max = 40")
        await write_lines(tmp_path, [line % (2, 705), line % (3, 700)])
        await until_documents(logstash, 4, "weatherd.observation")
        assert await running.stop() == 0
    flags = [document["quality"]["air_pressure"] for document in documents(logstash)]
    assert flags == ["good", "erroneous", "erroneous", "good"]


async def test_another_sink_gets_what_comes_from_now_on(tmp_path: Path) -> None:
    """The url changes while lines arrive: each observation is at one of the two, and none is lost."""
    async with LogstashStandIn() as before, LogstashStandIn() as after:
        async with station(tmp_path, before.url, DAY_SENSOR) as running:
            await running.wait_for("READY=1")
            writing = asyncio.create_task(write_lines(tmp_path, day_lines()))
            await reload(running, before.url, after.url)
            await writing

            def all_there() -> bool:
                return len({document["event"]["id"] for at in (before, after) for document in documents(at)}) == 1440

            await eventually(all_there)
            assert documents(after)
            assert (await running.ask())["station"]["uptime_s"] >= 0
            assert await running.stop() == 0
        assert len(logged(running, "daemon.started")) == 1


async def test_a_new_sensor_begins_and_the_others_go_on(tmp_path: Path) -> None:
    """The stream beside the new one keeps its connection, and loses nothing."""
    async with LogstashStandIn() as logstash, station(tmp_path, logstash.url, DAY_SENSOR) as running:
        await running.wait_for("READY=1")
        _, writer = await asyncio.open_unix_connection(tmp_path / "in.sock")
        writer.writelines(line + b"\n" for line in day_lines()[:100])
        await writer.drain()
        await reload(running, "[journal]", SECOND.format(folder=tmp_path) + "[journal]")
        writer.writelines(line + b"\n" for line in day_lines()[100:200])
        await writer.drain()
        _, field = await asyncio.open_unix_connection(tmp_path / "field.sock")
        field.write(b'{"t": 21.5}\n')
        await until_documents(logstash, 201, "weatherd.observation")
        for each in (writer, field):
            each.close()
        assert [sensor["name"] for sensor in (await running.ask())["sensors"]] == ["alamosa", "field"]
        await reload(running, SECOND.format(folder=tmp_path), "")
        assert [sensor["name"] for sensor in (await running.ask())["sensors"]] == ["alamosa"]
        assert not (tmp_path / "field.sock").exists()
        assert await running.stop() == 0


async def test_what_all_share_begins_the_station_anew_in_the_same_process(tmp_path: Path) -> None:
    """A new station id is in every later document, the process is the same, and nothing is lost."""
    async with LogstashStandIn() as logstash, station(tmp_path, logstash.url, DAY_SENSOR) as running:
        await running.wait_for("READY=1")
        await write_lines(tmp_path, day_lines()[:50])
        await reload(running, 'id = "test"', 'id = "shed"')
        await write_lines(tmp_path, day_lines()[50:100])
        await until_documents(logstash, 100, "weatherd.observation")
        assert (await running.ask())["daemon"]["pid"] == running.process.pid
        assert await running.stop() == 0
    stations = [document["station"]["id"] for document in documents(logstash)]
    assert stations == ["test"] * 50 + ["shed"] * 50


async def test_a_stop_during_a_reload_stops(tmp_path: Path) -> None:
    """SIGTERM right behind SIGHUP ends the process, whatever the new configuration asks for."""
    async with LogstashStandIn() as logstash, station(tmp_path, logstash.url, DAY_SENSOR) as running:
        await running.wait_for("READY=1")
        path = tmp_path / "weatherd.toml"
        path.write_text(path.read_text().replace('id = "test"', 'id = "shed"'))
        running.process.send_signal(signal.SIGHUP)
        assert await running.stop() == 0
