"""What brokers, other clients and people do to a station, and what it says of it."""

import asyncio
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import trustme
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.end_to_end.stations import eventually
from tests.mqtt.brokers import PLAIN, Station, broker, decoded, listening, needs_mosquitto, publishing, settings_of
from tests.mqtt.proxies import proxy
from tests.mqtt.test_publishing import CONFIG, STATES, now_line
from weatherd import config

pytestmark = needs_mosquitto


def events(running: Station, action: str) -> list[str]:
    """Return the sentences of the warnings that are events as well."""
    return running.logged(f"mqtt.{action}")


async def write_password(folder: Path, password: str) -> str:
    """Write a password file for Mosquitto and one for us; return the lines of our table."""
    program = await asyncio.create_subprocess_exec(
        "mosquitto_passwd", "-b", "-c", folder / "users", "weatherd", "right horse", stderr=asyncio.subprocess.DEVNULL
    )
    assert await program.wait() == 0
    (folder / "password").write_text(password)
    return f'username = "weatherd"\npassword_file = "{folder}/password"'


LOCKED = "listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {folder}/users\n"


async def test_a_wrong_password_is_told_loudly_and_tried_again_slowly(tmp_path: Path) -> None:
    """An event, a status with a hint, no password in either; and everything else goes on."""
    more = await write_password(tmp_path, "wrong horse")
    async with broker(tmp_path, LOCKED) as one, publishing(tmp_path / "a", one.url, more) as running:
        await eventually(lambda: running.sink["state"] == "lost")
        await eventually(lambda: running.sink["attempts"].get("unwelcome", 0) >= 2)
        error = running.sink["error"]
        assert error["code"] == "sink.unwelcome"
        assert "password_file" in error["hint"]
        assert len(events(running, "unwelcome")) == 1
        assert "wrong horse" not in repr((running.log, running.daemon.status()))
        before = running.daemon.parts.journal.last_seq
        await running.daemon.parts.journal.wait_beyond(before)


async def test_the_right_password_is_let_in(tmp_path: Path) -> None:
    """It is read from its file."""
    more = await write_password(tmp_path, "right horse")
    async with broker(tmp_path, LOCKED) as one, publishing(tmp_path / "a", one.url, more) as running:
        await running.connected()


async def test_a_topic_that_the_access_list_forbids_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    """The status names the topic, an event tells it once, and nothing of the rest is held up."""
    (tmp_path / "acl").write_text(
        "topic read #\ntopic write weatherd/s/barometer/air_pressure\ntopic write weatherd/s/availability\n"
    )
    settings = PLAIN + "acl_file {folder}/acl\n"
    async with (
        broker(tmp_path, settings) as one,
        listening(one.port) as listener,
        publishing(tmp_path / "a", one.url) as running,
    ):
        await eventually(lambda: len(listener.payloads(STATES[0])) >= 2)
        await eventually(lambda: running.sink["state"] == "lost")
        assert running.sink["error"]["code"] == "sink.unwelcome"
        assert "does not let us publish on weatherd/s/" in running.sink["error"]["message"]
        told = events(running, "not_taken")
        assert len(told) == len(set(told))
        assert any(STATES[1] in one for one in told)
    assert listener.payloads(STATES[1]) == []


async def test_a_backlog_that_is_forbidden_stays_in_the_journal(tmp_path: Path) -> None:
    """It is not counted as delivered, and goes out when the access list is mended."""
    (tmp_path / "acl").write_text("topic read #\ntopic write weatherd/s/availability\n")
    settings = PLAIN + "acl_file {folder}/acl\n"
    async with broker(tmp_path, settings) as one, publishing(tmp_path / "a", one.url, "backlog = true") as running:
        await eventually(lambda: running.sink["lag"] >= 3)
        assert running.sink["state"] == "lost"
        await one.kill()
        (tmp_path / "acl").write_text("topic readwrite #\n")
        await one.start()
        await eventually(lambda: running.sink["lag"] <= 1 and running.sink["state"] == "answers")


async def test_a_full_broker_is_told_and_the_backlog_waits(tmp_path: Path) -> None:
    """Quota exceeded is nothing that a person must mend here: it is tried again until there is room."""
    async with (
        broker(tmp_path) as one,
        proxy(one.port) as between,
        publishing(tmp_path / "a", between.url, "backlog = true") as running,
    ):
        await running.connected()
        await eventually(lambda: running.sink["lag"] == 0 and running.sink["delivered_count"] > 0)
        between.puback_code = 0x97
        await eventually(lambda: running.sink["lag"] >= 2)
        assert running.sink["error"]["code"] == "sink.unreachable"
        assert "quota exceeded" in running.sink["error"]["message"]
        between.puback_code = None
        await eventually(lambda: running.sink["lag"] <= 1 and running.sink["state"] == "answers")


async def test_a_broker_that_drops_us_again_and_again_is_survived(tmp_path: Path) -> None:
    """Each time the station is back, and shows what is fresh; the waits grow, for such a connection is not healthy."""
    async with (
        broker(tmp_path) as one,
        proxy(one.port) as between,
        listening(one.port) as listener,
        publishing(tmp_path / "a", between.url) as running,
    ):
        for count in range(1, 4):
            await running.connected()
            await eventually(lambda count=count: between.connections_count >= count)
            await listener.until(STATES[0])
            listener.heard.clear()
            between.drop()
            await eventually(lambda: running.sink["state"] == "lost")
        await running.connected()
        await listener.until(STATES[0])
        assert "closed the connection" in running.logged("mqtt.lost")[0]


async def test_a_broker_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    """A connection that takes everything and answers nothing ends by its deadline, at its start or later."""
    async with broker(tmp_path) as one, proxy(one.port) as between:
        between.is_mute = True
        async with publishing(tmp_path / "a", between.url, change=quick) as running:
            await eventually(lambda: running.sink["state"] == "lost")
            assert "did not answer within 1 s" in running.sink["error"]["message"]
            between.is_mute = False
            await running.connected()
            between.is_mute = True
            await eventually(lambda: running.sink["state"] == "lost")
            assert "did not answer within 1 s" in running.sink["error"]["message"]


def quick(text: str) -> str:
    return text.replace("timeout_s = 3.0", "timeout_s = 1.0")


async def test_a_last_will_that_comes_late_is_taken_back(tmp_path: Path) -> None:
    """Whoever says offline while we are there is contradicted at once."""
    async with (
        broker(tmp_path) as one,
        listening(one.port) as listener,
        publishing(tmp_path / "a", one.url) as running,
    ):
        await listener.until(STATES[0])
        await listener.say("weatherd/s/availability", b"offline", retain=True)
        await eventually(lambda: listener.payloads("weatherd/s/availability")[-2:] == [b"offline", b"online"])
        await eventually(lambda: len(running.logged("mqtt.corrected")) == 1)


async def test_two_stations_with_one_id_are_told_apart(tmp_path: Path) -> None:
    """Neither pushes the other out; both say it as an event and in their status, and go on."""
    async with broker(tmp_path) as one, publishing(tmp_path / "a", one.url) as first:
        await first.connected()
        async with publishing(tmp_path / "b", one.url) as second:
            for running, other in ((first, second), (second, first)):
                await eventually(lambda running=running: running.sink["state"] == "lost", 20)
                error = running.sink["error"]
                assert other.daemon.parts.run_id in error["message"]
                assert "station.id" in error["hint"]
                assert len(events(running, "twin")) == 1
                assert running.sink["attempts"] == {"connected": 1}


async def test_what_is_left_of_a_sensor_that_is_gone_is_removed(tmp_path: Path) -> None:
    """Its entities and its availability, over a restart, by what the broker has retained and nothing else."""

    def without_barometer(text: str) -> str:
        start = text.index('[[sensors]]\nname = "barometer"')
        return text[:start] + text[text.index('[[sensors]]\nname = "garden"') :]

    async with broker(tmp_path) as one:
        async with listening(one.port) as listener, publishing(tmp_path / "a", one.url) as running:
            await listener.until(STATES[0])
            await now_line(running, 10.0)
            await eventually(lambda: b"garden.air_temperature" in (listener.last(CONFIG) or b""))
            await eventually(lambda: b"barometer.air_pressure" in (listener.last(CONFIG) or b""))
        async with (
            listening(one.port) as listener,
            publishing(tmp_path / "a", one.url, change=without_barometer) as running,
        ):
            await eventually(lambda: len(listener.payloads(CONFIG)) >= 4)
            await listener.until("weatherd/s/barometer/availability", b"")
        async with listening(one.port) as late:
            await late.until(CONFIG)
    removing = [decoded(payload)["components"] for payload in listener.payloads(CONFIG)]
    assert {"platform": "sensor"} in [one.get("barometer.air_pressure") for one in removing]
    left = decoded(late.last(CONFIG))["components"]
    assert "garden.air_temperature" in left, "it is configured, though it was not seen since the start"
    assert not any(key.startswith("barometer.") for key in left)
    assert "weatherd/s/barometer/availability" not in {topic for topic, _, _ in late.heard}


async def test_home_assistants_birth_is_answered(tmp_path: Path) -> None:
    """Discovery comes again, then the current values: it has forgotten them."""
    async with (
        broker(tmp_path) as one,
        listening(one.port) as listener,
        publishing(tmp_path / "a", one.url) as running,
    ):
        await listener.until(STATES[0])
        await eventually(lambda: b"barometer.air_pressure" in (listener.last(CONFIG) or b""))
        told = len(listener.payloads(CONFIG))
        await listener.say("homeassistant/status", b"online")
        await eventually(lambda: len(listener.payloads(CONFIG)) > told)
        told = len(listener.payloads("weatherd/s/status"))
        await eventually(lambda: len(listener.payloads("weatherd/s/status")) > told)
        assert running.sink["state"] == "answers"


async def test_reloading_changes_the_broker_alone(tmp_path: Path) -> None:
    """Another topic is taken at once, and the sensors go on."""
    settings: list[config.Config] = []
    async with (
        broker(tmp_path) as one,
        listening(one.port) as listener,
        publishing(tmp_path / "a", one.url, reread=lambda: settings[0]) as running,
    ):
        await listener.until(STATES[0])
        sampler = running.daemon.parts.samplers[0]
        settings.append(settings_of(tmp_path / "a", one.url, 'topic = "elsewhere/{station}"'))
        running.daemon.reload()
        await listener.until("elsewhere/s/barometer/air_pressure")
        await eventually(lambda: listener.last("weatherd/s/availability") == b"offline")
        assert running.daemon.parts.samplers[0] is sampler


async def test_reloading_can_take_the_broker_away(tmp_path: Path) -> None:
    """Without the table there is no sink, and the station says goodbye."""
    settings: list[config.Config] = []
    async with (
        broker(tmp_path) as one,
        listening(one.port) as listener,
        publishing(tmp_path / "a", one.url, reread=lambda: settings[0]) as running,
    ):
        await listener.until(STATES[0])
        text = settings_of(tmp_path / "a", one.url)
        settings.append(msgspec.structs.replace(text, sinks=config.Sinks()))
        running.daemon.reload()
        await eventually(lambda: running.daemon.status()["sinks"] == [])
        await eventually(lambda: listener.last("weatherd/s/availability") == b"offline")


def tls_files(folder: Path) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    for name, issuer, identity in (
        ("broker", authority, "127.0.0.1"),
        ("station", authority, "station-s"),
        ("stranger", stranger, "station-s"),
    ):
        certificate = issuer.issue_cert(identity, common_name=identity)
        certificate.private_key_pem.write_to_path(folder / f"{name}.key")
        certificate.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")


TLS = (
    "listener {port} 127.0.0.1\nallow_anonymous true\ncafile {folder}/ca.pem\ncertfile {folder}/broker.pem\n"
    "keyfile {folder}/broker.key\nrequire_certificate true\nuse_identity_as_username true\nacl_file {folder}/acl\n"
)


def tls_table(folder: Path, name: str) -> str:
    return (
        f'tls = {{ ca_file = "{folder}/ca.pem", cert_file = "{folder}/{name}.pem", key_file = "{folder}/{name}.key" }}'
    )


async def test_a_client_certificate_is_who_we_are(tmp_path: Path) -> None:
    """With it the broker lets us in and knows our name, which its access list goes by."""
    tls_files(tmp_path)
    (tmp_path / "acl").write_text("user station-s\ntopic readwrite #\n")
    async with broker(tmp_path, TLS) as one:
        context = ssl.create_default_context(cafile=tmp_path / "ca.pem")
        context.load_cert_chain(tmp_path / "station.pem", tmp_path / "station.key")
        url = one.url.replace("mqtt:", "mqtts:")
        async with (
            publishing(tmp_path / "a", url, tls_table(tmp_path, "station")),
            listening(one.port, tls_context=context) as listener,
        ):
            await listener.until(STATES[0])


async def test_without_the_right_certificate_nobody_gets_in(tmp_path: Path) -> None:
    """A stranger's certificate, and an authority that we do not trust, are both told in words."""
    tls_files(tmp_path)
    (tmp_path / "acl").write_text("topic readwrite #\n")
    async with broker(tmp_path, TLS) as one:
        url = one.url.replace("mqtt:", "mqtts:")
        async with publishing(tmp_path / "a", url, tls_table(tmp_path, "stranger")) as running:
            await eventually(lambda: running.sink["state"] == "lost")
            assert running.sink["error"]["code"] == "sink.unreachable"
        async with publishing(tmp_path / "b", url) as running:
            await eventually(lambda: running.sink["state"] == "lost")
            assert "certificate that is not trusted" in running.sink["error"]["message"]
            assert "tls.ca_file" in running.sink["error"]["hint"]


COMMANDS = "weatherd/s/command"
RESPONSE = "weatherd/s/response"


def asking(correlation: bytes, topic: str) -> Properties:
    properties = Properties(PacketTypes.PUBLISH)
    properties.CorrelationData = correlation
    properties.ResponseTopic = topic
    return properties


async def answers(listener: Any, count: int, topic: str = RESPONSE) -> Sequence[Any]:
    await eventually(lambda: len(listener.payloads(topic)) >= count)
    return [decoded(payload) for payload in listener.payloads(topic)]


async def test_an_observation_is_made_when_it_is_asked_for(tmp_path: Path) -> None:
    """Long before its period is over; the answer has the correlation data of the request, and goes where it said."""

    def slow(text: str) -> str:
        return text.replace("report_period_s = 1.0", "report_period_s = 3600.0")

    async with (
        broker(tmp_path) as one,
        listening(one.port) as listener,
        publishing(tmp_path / "a", one.url, "commands = true", change=slow) as running,
    ):
        await eventually(lambda: listener.last("weatherd/s/barometer/availability") == b"online")
        request = b'{"command": "report", "sensor": "barometer"}'
        await listener.say(COMMANDS, request, properties=asking(b"\x00\x01", f"{RESPONSE}/me"))
        (answer,) = await answers(listener, 1, f"{RESPONSE}/me")
        await listener.until(STATES[0])
        message = next(one for one in listener.messages if one.topic.value == f"{RESPONSE}/me")
        assert len(running.logged("mqtt.commanded")) == 1
    assert answer == {"command": "report", "ok": True, "count": 1}
    assert message.properties is not None
    assert message.properties.CorrelationData == b"\x00\x01"


async def test_requeue_answers_how_many_there_were(tmp_path: Path) -> None:
    """None are in quarantine here; an answer for elsewhere than our response topic stays on it."""
    async with (
        broker(tmp_path) as one,
        listening(one.port) as listener,
        publishing(tmp_path / "a", one.url, "commands = true") as running,
    ):
        await listener.until("weatherd/s/availability", b"online")
        await running.connected()
        await listener.say(COMMANDS, b"requeue", properties=asking(b"x", "homeassistant/status"))
        assert await answers(listener, 1) == [{"command": "requeue", "ok": True, "count": 0}]
    assert listener.payloads("homeassistant/status") == []


async def test_what_is_no_command_is_answered_by_why(tmp_path: Path) -> None:
    """Whatever it is: it does no harm, and the next one is followed."""
    bad = [b"", b"\xff\xfe", b"[" * 4000, b'{"command": "halt"}', b'{"command": "report", "sensor": "roof"}']
    async with (
        broker(tmp_path) as one,
        listening(one.port) as listener,
        publishing(tmp_path / "a", one.url, "commands = true") as running,
    ):
        await listener.until("weatherd/s/availability", b"online")
        for payload in bad:
            await listener.say(COMMANDS, payload)
        refused = await answers(listener, len(bad))
        assert all(not answer["ok"] and answer["error"] for answer in refused)
        # The burst is used up by now; one more is let through each second.
        await eventually(lambda: _asked(listener))
        assert len(running.logged("mqtt.command_refused")) >= len(bad)


async def _asked(listener: Any) -> bool:
    await listener.say(COMMANDS, b"report")
    return any(decoded(payload)["ok"] for payload in listener.payloads(RESPONSE))


async def test_a_command_of_a_megabyte_does_no_harm(tmp_path: Path) -> None:
    """With MQTT 5 it does not reach us; with 3.1.1 it is refused by its size."""
    async with broker(tmp_path) as one, listening(one.port) as listener:
        for protocol in ("5", "3.1.1"):
            more = f'commands = true\nprotocol = "{protocol}"'
            async with publishing(tmp_path / protocol, one.url, more) as running:
                await listener.until("weatherd/s/availability", b"online")
                await running.connected()
                listener.heard.clear()
                await listener.say(COMMANDS, b"x" * 1_000_000)
                await listener.say(COMMANDS, b"report")
                found = await answers(listener, 1 if protocol == "5" else 2)
                assert [answer["ok"] for answer in found][-1]
                if protocol == "3.1.1":
                    assert "1,000,000 bytes are more than 4,096" in found[0]["error"]
                assert running.sink["attempts"] == {"connected": 1}


async def test_commands_are_off_by_default(tmp_path: Path) -> None:
    """Nobody listens there then."""
    async with (
        broker(tmp_path) as one,
        listening(one.port) as listener,
        publishing(tmp_path / "a", one.url) as running,
    ):
        await listener.until(STATES[0])
        await listener.say(COMMANDS, b"report")
        await listener.say("weatherd/s/availability", b"offline", retain=True)
        await eventually(lambda: len(running.logged("mqtt.corrected")) == 1)
    assert listener.payloads(RESPONSE) == []


async def test_a_flood_of_commands_is_let_through_in_drops(tmp_path: Path) -> None:
    """A few at once, then one a second; the values go on meanwhile."""
    async with (
        broker(tmp_path) as one,
        listening(one.port) as listener,
        publishing(tmp_path / "a", one.url, "commands = true") as running,
    ):
        await listener.until(STATES[0])
        for _ in range(100):
            await listener.say(COMMANDS, b"report")
        shown = len(listener.payloads(STATES[0]))
        await eventually(lambda: len(listener.payloads(STATES[0])) > shown)
        assert len(listener.payloads(RESPONSE)) < 10
        assert any("too many" in line for line in running.logged("mqtt.command_refused"))
