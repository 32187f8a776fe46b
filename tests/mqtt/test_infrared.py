"""Remotes over a real broker: keys at once, commands by name, and the infrared platform of Home Assistant."""

from pathlib import Path

import msgspec

from tests.end_to_end.stations import eventually
from tests.mqtt.brokers import (
    STATION,
    Station,
    broker,
    decoded,
    listening,
    needs_mosquitto,
    publishing,
    settings_of,
)
from weatherd.sinks.mqtt.telling import BURST
from weatherd.testing import nec
from weatherd.testing.lirc import Device, SimulatedLirc

pytestmark = needs_mosquitto

COMMAND = "weatherd/s/command"
EMIT = "weatherd/s/infrared"
DISCOVERY = "homeassistant/device/weatherd-s/config"
POWER = 0x40BF

INFRARED = """
[[sensors]]
name = "remote"
driver = "infrared"
device = "simulated"
raw = true
home_assistant = {wanted}

[infrared]
device = "simulated"
home_assistant = {wanted}
sends_per_minute_max = 120

[infrared.commands]
tv_power = {{{{ protocol = "nec", scancode = 0x40bf }}}}

[journal]
"""


def with_infrared(text: str, *, wanted: bool = True) -> str:
    """Add a receiver and what may be sent, simulated, with entities in Home Assistant or without."""
    assert "[journal]" in STATION
    added = INFRARED.format(wanted=str(wanted).lower()).replace("{{", "{").replace("}}", "}")
    return text.replace("[journal]\n", added, 1)


def without_entities(text: str) -> str:
    return with_infrared(text, wanted=False)


def device_of(running: Station) -> Device:
    """Return the emulated device of a station."""
    lirc = running.daemon.parts.lirc
    assert isinstance(lirc, SimulatedLirc)
    (device,) = lirc.devices.values()
    return device


async def test_a_key_is_told_at_once_with_each_repeat_and_then_as_an_event(tmp_path: Path) -> None:
    """On a topic of the receiver's own, and its timings on another; what a lamp says is on the latter alone."""
    async with (
        broker(tmp_path) as one,
        listening(one.port) as listener,
        publishing(tmp_path / "a", one.url, change=without_entities) as running,
    ):
        await eventually(lambda: listener.last("weatherd/s/remote/availability") == b"online")
        for message in (nec.encode(POWER), nec.REPEAT_US, [3000, 1500, 400]):
            device_of(running).hear(message)
        await eventually(lambda: len(listener.payloads("weatherd/s/remote/timings")) == 3)
        keys = [decoded(payload) for payload in listener.payloads("weatherd/s/remote/key")]
        timings = [decoded(payload) for payload in listener.payloads("weatherd/s/remote/timings")]
        await eventually(
            lambda: (
                [decoded(one)["action"] for one in listener.payloads("weatherd/s/event")].count("infrared_received")
                == 2
            )
        )
        assert DISCOVERY in {one.topic.value for one in listener.messages}
        components = decoded(listener.last(DISCOVERY))["components"]
    assert [(key["protocol"], key["scancode"], key["repeat"], key["command"]) for key in keys] == [
        ("nec", "0x40bf", 0, "tv_power"),
        ("nec", "0x40bf", 1, "tv_power"),
    ]
    assert timings[2] == {"timings": [3000, -1500, 400], "modulation": 38_000}
    assert not any(component["platform"] == "infrared" for component in components.values())


async def test_a_command_is_sent_by_its_name_and_answered(tmp_path: Path) -> None:
    """One that there is not is answered by those that there are; the receiver hears the one that is sent."""
    async with (
        broker(tmp_path) as one,
        listening(one.port) as listener,
        publishing(tmp_path / "a", one.url, "commands = true", change=without_entities) as running,
    ):
        await eventually(lambda: listener.last("weatherd/s/remote/availability") == b"online")
        await running.connected()
        for name in ("tv_power", "tv_powr"):
            await listener.say(COMMAND, msgspec.json.encode({"command": "infrared", "name": name}))
        await eventually(lambda: len(listener.payloads("weatherd/s/response")) == 2)
        answers = [decoded(payload) for payload in listener.payloads("weatherd/s/response")]
        await eventually(lambda: bool(listener.payloads("weatherd/s/remote/key")))
    assert answers[0] == {"command": "infrared", "ok": True, "count": 1}
    assert answers[1]["ok"] is False
    assert "there is no infrared command 'tv_powr'" in answers[1]["error"]


async def test_home_assistant_hears_and_sends_what_it_likes(tmp_path: Path) -> None:
    """A receiver and an emitter are told it; what the emitter is given goes out, and comes back at the receiver."""
    async with (
        broker(tmp_path) as one,
        listening(one.port) as listener,
        publishing(tmp_path / "a", one.url, change=with_infrared) as running,
    ):
        await eventually(lambda: listener.last("weatherd/s/remote/availability") == b"online")
        await running.connected()
        components = decoded(listener.last(DISCOVERY))["components"]
        emitter, receiver = components["infrared"], components["remote.infrared"]
        signal = {"timings": [3000, -1500, 400, -400, 400, -40_000], "modulation": 40_000, "repeat_count": 0}
        await listener.say(emitter["command_topic"], msgspec.json.encode(signal))
        await eventually(lambda: bool(listener.payloads(receiver["state_topic"])))
        (heard,) = [decoded(payload) for payload in listener.payloads(receiver["state_topic"])]
        sent = list(device_of(running).sent)
    assert (emitter["schema"], receiver["schema"], emitter["command_topic"]) == ("emitter", "receiver", EMIT)
    assert sent == [((3000, 1500, 400, 400, 400), 40_000)]
    assert heard == {"timings": [3000, -1500, 400, -400, 400], "modulation": 38_000}


async def test_what_is_no_signal_is_logged_and_does_no_harm(tmp_path: Path) -> None:
    """Nor is a retained one: nobody knows when it was meant. The next that is right goes out."""
    bad = (
        b"",
        b"{}",
        b'{"timings": [-1], "modulation": 38000}',
        b'{"timings": [9000, -4500], "modulation": 1}',
        b'{"timings": [3000000], "modulation": 38000}',
        b'{"timings": "9000", "modulation": 38000}',
        b'{"timings": [9000, -4500, 560], "modulation": true}',
        b'{"timings": [9' + b"9" * 5000 + b'], "modulation": 38000}',
        b'{"timings": [560], "modulation": 3' + b"8" * 4000 + b"}",
        b'{"timings": [' + b"560, -560, " * 1400 + b'560], "modulation": 38000}',
        b'{"timings": [' + b"560, -560, " * 100_000 + b'560], "modulation": 38000}',
    )
    right = b'{"timings": [9000, -4500, 560], "modulation": 38000}'
    async with broker(tmp_path) as one, listening(one.port) as listener:
        await listener.say(EMIT, right, retain=True)
        async with publishing(tmp_path / "a", one.url, change=with_infrared) as running:
            await eventually(lambda: len(running.logged("mqtt.command_refused")) == 1)
            assert "it is retained" in running.logged("mqtt.command_refused")[0]
            for count, payload in enumerate(bad, 2):
                await listener.say(EMIT, payload)
                await eventually(lambda count=count: len(running.logged("mqtt.command_refused")) == min(count, BURST))
            assert max(map(len, running.logged("mqtt.command_refused"))) < 400
            await listener.say(EMIT, right)
            await eventually(lambda: len(device_of(running).sent) == 1)
            assert len(running.logged("mqtt.command_refused")) == BURST


async def test_nobody_sends_where_home_assistant_is_not_wanted(tmp_path: Path) -> None:
    """The topic is not even subscribed to; what has a name can still be sent by command."""
    async with (
        broker(tmp_path) as one,
        listening(one.port) as listener,
        publishing(tmp_path / "a", one.url, "commands = true", change=without_entities) as running,
    ):
        await eventually(lambda: listener.last("weatherd/s/remote/availability") == b"online")
        await running.connected()
        await listener.say(EMIT, b'{"timings": [9000, -4500, 560], "modulation": 38000}')
        await listener.say(COMMAND, b'{"command": "infrared", "name": "tv_power"}')
        await eventually(lambda: bool(device_of(running).sent))
        sent = list(device_of(running).sent)
    assert [len(timings) for timings, _ in sent] == [67]


async def test_a_receiver_comes_to_home_assistant_with_a_reload(tmp_path: Path) -> None:
    """Nothing but that has changed; the station does not begin anew."""

    def hearing(text: str, *, wanted: bool) -> str:
        return (
            with_infrared(text, wanted=wanted).partition("[infrared]")[0] + "[journal]" + text.partition("[journal]")[2]
        )

    def before(text: str) -> str:
        return hearing(text, wanted=False)

    async with broker(tmp_path) as one, listening(one.port) as listener:
        after = settings_of(tmp_path / "a", one.url, change=lambda text: hearing(text, wanted=True))
        async with publishing(tmp_path / "a", one.url, change=before, reread=lambda: after) as running:
            await listener.until("weatherd/s/barometer/air_pressure")
            await eventually(lambda: "barometer.air_pressure" in decoded(listener.last(DISCOVERY))["components"])
            assert "remote.infrared" not in decoded(listener.last(DISCOVERY))["components"]
            running.daemon.reload()
            await eventually(lambda: "remote.infrared" in decoded(listener.last(DISCOVERY))["components"])
            assert len(running.logged("daemon.started")) == 1
