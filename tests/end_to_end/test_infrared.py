"""The real daemon with an emulated infrared device: what is sent is heard, and both reach the far end."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.end_to_end.stations import documents, eventually, station, weatherd
from tests.end_to_end.test_reload import logged, reload
from weatherd.testing.logstash import LogstashStandIn

REMOTE = """
[i2c]
bus = "simulated"

[[sensors]]
name = "remote"
driver = "infrared"
device = "simulated"
raw = true
"""

COMMANDS = """
[infrared]
device = "simulated"
sends_per_minute_max = 120

[infrared.commands]
tv_power = {{ protocol = "nec", scancode = 0x40bf, repeats = 1 }}
fan = {{ timings_us = [3000, 1500, 400, 400, 400, 1200, 400] }}
hifi = {{ protocol = "rc5", scancode = 0x1e01 }}
"""


def told(far_end: LogstashStandIn, action: str) -> Sequence[dict[str, Any]]:
    """Return what an event says of infrared, each in its turn."""
    return [one["infrared"] for one in events(far_end) if one["event"]["action"] == action]


def events(far_end: LogstashStandIn) -> Sequence[dict[str, Any]]:
    return documents(far_end, "weatherd.event")


async def test_a_command_that_is_sent_is_heard_and_both_are_events(tmp_path: Path) -> None:
    """A scancode by its protocol and its name, and pulses that no decoder knows as they are."""
    async with LogstashStandIn() as far_end, station(tmp_path, far_end.url, REMOTE + COMMANDS) as running:
        await running.wait_for("READY=1")
        assert await weatherd("ir", "send", "tv_power", folder=tmp_path) == (0, "sent tv_power\n", "")
        assert await weatherd("ir", "send", "fan", folder=tmp_path) == (0, "sent fan\n", "")
        await eventually(lambda: len(told(far_end, "infrared_received")) == 2)
        status = await running.ask()
        assert await running.stop() == 0
    key = {"protocol": "nec", "scancode": "0x40bf", "repeat": 1, "command": "tv_power"}
    pulses = {"protocol": "unknown", "timings_us": [3000, 1500, 400, 400, 400, 1200, 400]}
    assert told(far_end, "infrared_received") == [key, pulses]
    assert told(far_end, "infrared_sent") == [key, {"command": "fan", "carrier_hz": 38_000}]
    (remote,) = status["sensors"]
    assert (remote["state"], remote["heard"]["keys"], remote["heard"]["repeats"]) == ("working", 1, 1)
    assert documents(far_end) == [], "none of it is weather"


async def test_what_cannot_be_sent_is_told_in_two_lines(tmp_path: Path) -> None:
    """With an exit code that says whether to try again: a wrong name, no encoder, too often."""
    slow = COMMANDS.replace("= 120", "= 1")
    async with LogstashStandIn() as far_end, station(tmp_path, far_end.url, REMOTE + slow) as running:
        await running.wait_for("READY=1")
        wrong = await weatherd("ir", "send", "tv_powr", folder=tmp_path)
        hifi = await weatherd("ir", "send", "hifi", folder=tmp_path)
        often = await weatherd("ir", "send", "tv_power", folder=tmp_path)
        names = await weatherd("ir", "list", folder=tmp_path)
    assert (wrong[0], hifi[0], often[0]) == (os.EX_USAGE, os.EX_UNAVAILABLE, os.EX_TEMPFAIL)
    assert wrong[2] == (
        "error: infrared.no_such_command: there is no infrared command 'tv_powr'\n"
        "hint:  those in [infrared.commands] are: tv_power, fan, hifi\n"
    )
    assert hifi[2].startswith("error: infrared.not_sent: the simulated device refuses rc5 0x1e01")
    assert often[2].startswith("error: infrared.too_often: more than 1 infrared messages a minute")
    assert names == (0, "tv_power\nfan\nhifi\n", "")


async def test_a_stop_lets_a_message_go_out_and_tells_it(tmp_path: Path) -> None:
    """SIGTERM in the middle of it: whoever asked hears that it is sent, and the event is in the journal."""
    slow = COMMANDS + f"slow = {{{{ timings_us = {[30_000] * 13}, repeats = 4 }}}}\n"
    async with LogstashStandIn() as far_end, station(tmp_path, far_end.url, REMOTE + slow) as running:
        await running.wait_for("READY=1")
        asking = asyncio.create_task(weatherd("ir", "send", "slow", folder=tmp_path))
        await eventually(lambda: bool(told(far_end, "infrared_received")))  # the first of five
        assert await running.stop() == 0
        assert await asking == (0, "sent slow\n", "")
    assert told(far_end, "infrared_sent") == [{"command": "slow", "repeat": 4, "carrier_hz": 38_000}]


async def test_two_who_send_at_once_are_both_sent(tmp_path: Path) -> None:
    """One after the other, each whole."""
    async with LogstashStandIn() as far_end, station(tmp_path, far_end.url, REMOTE + COMMANDS) as running:
        await running.wait_for("READY=1")
        asked = [weatherd("ir", "send", name, folder=tmp_path) for name in ("tv_power", "fan", "fan")]
        assert [code for code, _, _ in await asyncio.gather(*asked)] == [0, 0, 0]
        await eventually(lambda: len(told(far_end, "infrared_sent")) == 3)
        await eventually(lambda: len(told(far_end, "infrared_received")) == 3)
    assert sorted(one["command"] for one in told(far_end, "infrared_sent")) == ["fan", "fan", "tv_power"]


async def test_where_no_daemon_runs_nothing_is_sent(tmp_path: Path) -> None:
    """The bounds are the daemon's, so nobody sends past it."""
    code, out, err = await weatherd("ir", "send", "tv_power", folder=tmp_path)
    assert (code, out) == (os.EX_UNAVAILABLE, "")
    assert len(err.splitlines()) == 2
    assert err.startswith("error: ")
    assert "hint:  " in err


async def test_without_the_table_nothing_is_sent(tmp_path: Path) -> None:
    """It is off until somebody wants it."""
    async with LogstashStandIn() as far_end, station(tmp_path, far_end.url, REMOTE) as running:
        await running.wait_for("READY=1")
        code, out, err = await weatherd("ir", "send", "tv_power", folder=tmp_path)
    assert (code, out) == (os.EX_UNAVAILABLE, "")
    assert err.startswith("error: infrared.not_sent: this station sends nothing by infrared\nhint:  add a table [infra")


async def test_a_receiver_that_is_not_there_stops_nothing_else(tmp_path: Path) -> None:
    """It is lost, once, with the lines to add; the weather goes on."""
    sensors = """
[i2c]
bus = "simulated"
[[sensors]]
name = "remote"
driver = "infrared"
device = "{folder}/lirc9"
[[sensors]]
name = "barometer"
driver = "bmp280"
report_period_s = 1.0
"""
    async with LogstashStandIn() as far_end, station(tmp_path, far_end.url, sensors) as running:
        await running.wait_for("READY=1")
        await eventually(lambda: any("weather" in one for one in documents(far_end)))
        await eventually(lambda: any(one["event"]["action"] == "sensor_lost" for one in events(far_end)))
        status = await running.ask()
    lost = [one for one in events(far_end) if one["event"]["action"] == "sensor_lost"]
    assert [(one["sensor"]["name"], one["event"]["reason"]) for one in lost] == [("remote", "no_infrared")]
    assert status["trouble"] is None
    error = status["sensors"][0]["error"]
    assert error["code"] == "sensor.no_infrared"
    assert "lirc9 cannot be used: No such file or directory" in error["message"]
    assert "dtoverlay=gpio-ir,gpio_pin=18" in error["hint"]


async def test_a_receiver_and_commands_come_and_go_with_a_reload(tmp_path: Path) -> None:
    """A receiver begins while all else goes on, and new commands begin the station anew."""
    barometer = '[i2c]\nbus = "simulated"\n[[sensors]]\nname = "barometer"\ndriver = "bmp280"\nreport_period_s = 1.0\n'
    async with LogstashStandIn() as far_end, station(tmp_path, far_end.url, barometer) as running:
        await running.wait_for("READY=1")
        remote = REMOTE.partition("\n\n")[2]
        await reload(running, barometer, barometer + remote)
        assert [one["name"] for one in (await running.ask())["sensors"]] == ["barometer", "remote"]
        commands = COMMANDS.replace("{{", "{").replace("}}", "}")
        await reload(running, barometer, barometer + commands)
        assert (await weatherd("ir", "send", "tv_power", folder=tmp_path))[0] == 0
        await eventually(lambda: len(told(far_end, "infrared_received")) == 1)
        assert await running.stop() == 0


async def test_a_command_that_changes_its_name_or_goes_does_so_with_a_reload(tmp_path: Path) -> None:
    """What is heard has the new name, what is gone is sent no more, and a mistake leaves all as it was."""
    commands = COMMANDS.replace("{{", "{").replace("}}", "}")
    renamed = commands.replace("tv_power", "tv_on").replace('hifi = { protocol = "rc5", scancode = 0x1e01 }\n', "")
    wrong = renamed.replace("0x40bf", "0x40bf0")
    async with LogstashStandIn() as far_end, station(tmp_path, far_end.url, REMOTE + COMMANDS) as running:
        await running.wait_for("READY=1")
        await reload(running, commands, renamed)
        assert await weatherd("ir", "list", folder=tmp_path) == (0, "tv_on\nfan\n", "")
        assert (await weatherd("ir", "send", "tv_power", folder=tmp_path))[0] == os.EX_USAGE
        assert (await weatherd("ir", "send", "tv_on", folder=tmp_path))[0] == 0
        await eventually(lambda: len(told(far_end, "infrared_received")) == 1)
        await reload(running, renamed, wrong)
        assert await weatherd("ir", "list", folder=tmp_path) == (0, "tv_on\nfan\n", "")
        await reload(running, wrong, "")
        assert (await weatherd("ir", "list", folder=tmp_path))[0] == os.EX_UNAVAILABLE
        assert await running.stop() == 0
        (refused,) = logged(running, "daemon.reload_refused")
    assert [one["command"] for one in told(far_end, "infrared_received")] == ["tv_on"]
    assert "infrared.commands.tv_on.scancode: found 0x40bf0" in refused
