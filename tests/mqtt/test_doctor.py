"""What `weatherd doctor` says of a real broker, and that it leaves nothing there."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.fakes import FakeClock
from tests.mqtt.brokers import PLAIN, broker, listening, needs_mosquitto
from weatherd import config
from weatherd.doctor import State, sinks
from weatherd.doctor.findings import Finding

pytestmark = needs_mosquitto


async def examine(url: str, **settings: Any) -> Sequence[Finding]:
    mqtt = config.Mqtt(url=url, **settings)
    station = config.Config(config.Station("s"), sinks=config.Sinks(mqtt=mqtt))
    found = await sinks.examine(station, FakeClock())  # type: ignore[arg-type]  # protocols check names of arguments
    for one in found:
        assert bool(one.hint) == bool(one.code) == (one.state is not State.OK)
    return found


async def test_a_broker_that_lets_us_in_is_right_and_nothing_is_left_there(tmp_path: Path) -> None:
    """The connection is real, and nobody hears of it."""
    async with broker(tmp_path) as one:
        async with listening(one.port) as listener:
            (found,) = await examine(one.url)
            await listener.say("end", b"")
            await listener.until("end")
        assert [topic for topic, _, _ in listener.heard] == ["end"]
    assert (found.check, found.subject, found.state) == ("sink", "mqtt", State.OK)
    assert found.message == f"{one.url} lets us in"


async def test_a_broker_that_is_not_there_is_told_with_what_to_do() -> None:
    """Nobody listens at the port."""
    (found,) = await examine("mqtt://127.0.0.1:1")
    assert (found.state, found.code) == (State.FAIL, "sink.unreachable")
    assert found.message == "mqtt://127.0.0.1:1 refused the connection: nobody listens there"


async def test_a_name_that_nobody_knows_is_told() -> None:
    """The name stands there, and where it was written."""
    (found,) = await examine("mqtt://broker.invalid")
    assert "has a name that is not known" in found.message


async def test_a_broker_that_wants_a_password_is_told(tmp_path: Path) -> None:
    """Nobody is let in without one here."""
    async with broker(tmp_path, PLAIN.replace("true", "false")) as one:
        (found,) = await examine(one.url)
    assert (found.state, found.code) == (State.FAIL, "sink.unwelcome")
    assert "password_file" in found.hint
