"""Brokers with limits of their own, slow ones, and what others leave or say there: a station lives with them."""

import asyncio
import contextlib
from pathlib import Path

import msgspec
import pytest

from tests.end_to_end.stations import eventually
from tests.mqtt.brokers import PLAIN, broker, decoded, listening, needs_mosquitto, publishing, settings_of
from tests.mqtt.proxies import proxy
from tests.mqtt.test_commands import COMMANDS, RESPONSE, answers, asking
from tests.mqtt.test_faults import quick
from tests.mqtt.test_publishing import CONFIG, STATES
from weatherd.model import QUANTITIES
from weatherd.sinks.mqtt.address import Address
from weatherd.sinks.mqtt.answers import PACKET_TOO_LARGE
from weatherd.sinks.mqtt.client import PACKET_SIZE_MAX, Client
from weatherd.sinks.mqtt.messages import Message

pytestmark = needs_mosquitto


@pytest.mark.parametrize("limit", ["max_packet_size 1500", "message_size_limit 1500"])
async def test_a_broker_that_takes_no_large_message_has_all_but_the_discovery(tmp_path: Path, limit: str) -> None:
    """It says how large, or refuses: either is told, and the connection with all the values lasts."""
    async with (
        broker(tmp_path, f"{PLAIN}{limit}\n") as one,
        listening(one.port) as listener,
        publishing(tmp_path / "a", one.url) as running,
    ):
        await eventually(lambda: len(listener.payloads(STATES[0])) >= 3)
        await eventually(lambda: running.sink["state"] == "lost")
        assert running.sink["error"]["code"] == "sink.unwelcome"
        assert f"as large as the one on {CONFIG}" in running.sink["error"]["message"]
        assert "max_packet_size" in running.sink["error"]["hint"]
        assert running.sink["attempts"] == {"connected": 1}
        assert len(running.logged("mqtt.not_taken")) == 1
    assert listener.payloads(CONFIG) == []


async def test_a_broker_that_takes_one_message_at_a_time_gets_them_so(tmp_path: Path) -> None:
    """Else it would end the connection (MQTT 5, section 3.3.4)."""
    async with (
        broker(tmp_path, f"{PLAIN}max_inflight_messages 1\n") as one,
        proxy(one.port) as between,
        listening(one.port) as listener,
        publishing(tmp_path / "a", between.url) as running,
    ):
        await eventually(lambda: len(listener.payloads(STATES[0])) >= 3)
        assert running.sink["attempts"] == {"connected": 1}
    assert between.unanswered_max == 1


async def test_a_slow_broker_is_not_a_dead_one(tmp_path: Path) -> None:
    """While answers come, they are waited for, though all of them take longer than the time for one."""
    async with (
        broker(tmp_path) as one,
        proxy(one.port) as between,
        publishing(tmp_path / "a", between.url, change=quick) as running,
    ):
        between.puback_delay_s = 0.3  # of four messages an observation, with one second for each answer
        sent_count = running.sink["delivered_count"]
        await eventually(lambda: running.sink["delivered_count"] > sent_count, 30)
        assert running.sink["attempts"] == {"connected": 1}
        between.puback_delay_s = 0.0


async def test_much_that_is_retained_drowns_nothing(tmp_path: Path) -> None:
    """What is left of a hundred sensors is removed at one start, and so are the entities that are gone."""
    gone = [f"weatherd/s/gone-{number}/availability" for number in range(100)]
    left = {"components": {"gone-1.air_pressure": {"platform": "sensor"}}}
    async with broker(tmp_path) as one, listening(one.port) as listener:
        for topic in gone:
            await listener.say(topic, b"online", retain=True)
        await listener.say(CONFIG, msgspec.json.encode(left), retain=True)
        listener.heard.clear()
        async with publishing(tmp_path / "a", one.url):
            await eventually(lambda: all(listener.last(topic) == b"" for topic in gone))
            await eventually(lambda: any(b"gone-1" in payload for payload in listener.payloads(CONFIG)))


async def test_what_another_chip_under_the_same_name_never_tells_is_removed(tmp_path: Path) -> None:
    """The journal and the broker still know it from the first, and its entities would be unavailable for ever."""
    async with broker(tmp_path) as one, listening(one.port) as listener:
        async with publishing(tmp_path / "a", one.url):
            await eventually(lambda: b"barometer.air_pressure" in (listener.last(CONFIG) or b""))
        async with publishing(tmp_path / "a", one.url, change=lambda text: text.replace("bmp280", "htu21d")):
            await eventually(lambda: b"barometer.dew_point_temperature" in (listener.last(CONFIG) or b""))
            removed = {"platform": "sensor"}
            told = [decoded(payload)["components"] for payload in listener.payloads(CONFIG)]
            assert removed in [one.get("barometer.air_pressure") for one in told]
            assert removed not in [one.get("barometer.air_temperature") for one in told]
            assert "barometer.air_pressure" not in told[-1]


async def retained(port: int, topic: str) -> dict[str, bytes]:
    """Return what somebody finds who comes now."""
    async with listening(port, topic) as late:
        end = topic.replace("#", "end")
        await late.say(end, b"end")
        await late.until(end)
    return {topic: payload for topic, payload, is_retained in late.heard if is_retained}


async def test_what_was_retained_under_another_topic_is_removed_at_a_start(tmp_path: Path) -> None:
    """The discovery of before tells which it was; what others have retained there stays."""
    async with broker(tmp_path) as one, listening(one.port) as listener:
        async with publishing(tmp_path / "a", one.url):
            await eventually(lambda: b"barometer.air_pressure" in (listener.last(CONFIG) or b""))
        await listener.say("weatherd/s/other/availability", b"online", retain=True)
        async with publishing(tmp_path / "a", one.url, 'topic = "elsewhere/{station}"') as running:
            await eventually(lambda: listener.last("weatherd/s/barometer/availability") == b"")
            assert await retained(one.port, "weatherd/#") == {"weatherd/s/other/availability": b"online"}
            assert len(running.logged("mqtt.moved")) == 1
        there = {"elsewhere/s/availability", "elsewhere/s/barometer/availability", "elsewhere/s/garden/availability"}
        assert (await retained(one.port, "elsewhere/#")).keys() == there


async def test_what_somebody_uses_is_not_removed(tmp_path: Path) -> None:
    """Another daemon with our id under another topic is there: not a move, but two stations with one device."""
    async with (
        broker(tmp_path) as one,
        listening(one.port) as listener,
        publishing(tmp_path / "a", one.url),
    ):
        await eventually(lambda: b"barometer.air_pressure" in (listener.last(CONFIG) or b""))
        before = await retained(one.port, "weatherd/#")
        assert before["weatherd/s/availability"] == b"online"
        async with publishing(tmp_path / "b", one.url, 'topic = "elsewhere/{station}"'):
            await listener.until("elsewhere/s/barometer/air_pressure")
        assert await retained(one.port, "weatherd/#") == before


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_discovery_of_many_sensors_comes_back_to_us(tmp_path: Path, protocol: str) -> None:
    """As many as a station may have, with all quantities: what is gone of them is removed."""
    entity = {"platform": "sensor", "padding": "x" * 700}
    left = {"components": {f"gone-{number}.{quantity}": entity for number in range(200) for quantity in QUANTITIES}}
    async with broker(tmp_path) as one, listening(one.port) as listener:
        await listener.say(CONFIG, msgspec.json.encode(left), retain=True)
        listener.heard.clear()
        async with publishing(tmp_path / "a", one.url, f'protocol = "{protocol}"'):
            await eventually(lambda: any(b"gone-199.humidex" in payload for payload in listener.payloads(CONFIG)))
            await eventually(lambda: b"gone" not in listener.payloads(CONFIG)[-1])


@pytest.mark.parametrize("is_version_5", [True, False])
async def test_what_could_not_come_back_is_not_sent(tmp_path: Path, *, is_version_5: bool) -> None:
    """Its echo would end the connection, again and again."""
    async with broker(tmp_path) as one, Client(Address(one.url, is_version_5=is_version_5), "c", None) as client:
        refusals = await client.send([Message("t", b"x" * PACKET_SIZE_MAX), Message("t", b"x")], None)
    assert [(one.topic, one.code) for one in refusals] == [("t", PACKET_TOO_LARGE)]


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b'{"components": []}',
        b'{"components": {"a": 1, "b": {"platform": 1}}}',
        b'{"components":' * 1000,
        b"\xff" * 1_000_000,
        b'{"components": {%s}}' % b",".join(b'"k%d": {"platform": "sensor"}' % number for number in range(10_000)),
    ],
    ids=["empty", "null", "list", "kinds", "deep", "large", "many"],
)
async def test_a_foreign_discovery_under_our_id_is_survived(tmp_path: Path, payload: bytes, protocol: str) -> None:
    """Garbage is overwritten by ours; entities of somebody else's are removed."""
    async with broker(tmp_path) as one, listening(one.port) as listener:
        await listener.say(CONFIG, payload, retain=True)
        async with publishing(tmp_path / "a", one.url, f'protocol = "{protocol}"') as running:
            await listener.until(STATES[0])
            await eventually(lambda: b"barometer.air_pressure" in (listener.last(CONFIG) or b""))
            assert set(decoded(listener.last(CONFIG))["components"]) >= {"barometer.air_pressure", "lag"}
            assert running.sink["attempts"] == {"connected": 1}


@pytest.mark.parametrize(
    "topic",
    [
        f"{RESPONSE}{'/' * 300}",
        f"{RESPONSE}/{'x' * 60_000}",
        COMMANDS,
        "weatherd/s/availability",
        "weatherd/s/barometer/air_pressure",
        f"{RESPONSE}/\u00e9",
    ],
    ids=["levels", "long", "command", "availability", "state", "accent"],
)
async def test_an_answer_goes_where_it_does_no_harm(tmp_path: Path, topic: str) -> None:
    """Whatever was asked for: the connection lasts, no answer is a command or a value, and the data come back."""
    async with (
        broker(tmp_path) as one,
        listening(one.port) as listener,
        publishing(tmp_path / "a", one.url, "commands = true") as running,
    ):
        await running.connected()
        await listener.until("weatherd/s/availability", b"online")
        correlation = b"c" * 60_000
        await listener.say(COMMANDS, b"requeue", properties=asking(correlation, topic))
        there = topic if topic.endswith("\u00e9") else RESPONSE
        assert await answers(listener, 1, there) == [{"command": "requeue", "ok": True, "count": 0}]
        message = next(one for one in listener.messages if one.topic.value == there)
        assert message.properties is not None
        assert message.properties.CorrelationData == correlation
        assert running.sink["attempts"] == {"connected": 1}
        assert len(running.logged("mqtt.commanded")) == 1


async def test_a_packet_that_is_too_large_does_not_reach_us(tmp_path: Path) -> None:
    """A broker with MQTT 5 knows how much we take."""
    async with (
        broker(tmp_path) as one,
        listening(one.port) as listener,
        publishing(tmp_path / "a", one.url, "commands = true") as running,
    ):
        await running.connected()
        await listener.until("weatherd/s/availability", b"online")
        await listener.say(COMMANDS, b"x" * PACKET_SIZE_MAX)
        await listener.say(COMMANDS, b"report")
        (answer,) = await answers(listener, 1)
        assert answer["ok"]


async def test_a_broker_that_hangs_holds_up_no_stop(tmp_path: Path) -> None:
    """It takes the goodbye and answers nothing: the last will is all there is then."""
    async with broker(tmp_path) as one, proxy(one.port) as between:
        async with publishing(tmp_path / "a", between.url) as running:
            await running.connected()
            between.is_mute = True
            async with asyncio.timeout(15):
                running.daemon.stop()
                await eventually(lambda: running.sink["state"] is not None)
        assert "daemon.stopped" in [line["event"] for line in running.log]


async def test_a_reload_while_a_connection_is_made_leaves_none_behind(tmp_path: Path) -> None:
    """The connection that nobody wants any more is closed as soon as it is there."""
    connections: list[asyncio.StreamWriter] = []
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        with contextlib.suppress(OSError):
            while await reader.read(4096):
                pass  # and say nothing
        writer.close()
        over.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, broker(tmp_path) as one:
        port = server.sockets[0].getsockname()[1]
        async with publishing(
            tmp_path / "a", f"mqtt://127.0.0.1:{port}", reread=lambda: settings_of(tmp_path / "a", one.url)
        ) as running:
            await eventually(lambda: len(connections) == 1)
            running.daemon.reload()
            await running.connected()
            await asyncio.wait_for(over.wait(), 10)
            assert len(connections) == 1


async def test_a_packet_that_would_fill_the_memory_is_not_read(tmp_path: Path) -> None:
    """With MQTT 3.1.1 a broker does not know how much we take: the connection ends, and the status says why."""
    topic = "weatherd/s/gone/availability"
    async with broker(tmp_path) as one, listening(one.port) as listener:
        await listener.say(topic, b"x" * (PACKET_SIZE_MAX + 1), retain=True)
        async with publishing(tmp_path / "a", one.url, 'protocol = "3.1.1"') as running:
            await eventually(lambda: running.sink["state"] == "lost")
            assert "bytes in one packet" in running.sink["error"]["message"]
            await listener.say(topic, b"", retain=True)
            await running.connected()
            listener.heard.clear()
            await listener.until(STATES[0])
