"""What becomes of commands, by a fake clock; real brokers are in tests/mqtt."""

from typing import Any

import msgspec
import pytest

from tests.sinks.mqtt.far_ends import Rig

COMMAND, RESPONSE = "weatherd/s/command", "weatherd/s/response"


async def answer_to(rig: Rig, command: bytes) -> dict[str, Any]:
    """Let somebody give a command, and return the one answer."""
    rig.broker.taken.clear()
    rig.broker.say(COMMAND, command)
    await rig.clock.advance(1.0)
    (payload,) = rig.broker.payloads(RESPONSE)
    answer: dict[str, Any] = msgspec.json.decode(payload)
    return answer


@pytest.mark.parametrize(
    ("command", "count"),
    [(b"report", 1), (b'{"command": "report", "sensor": "barometer"}', 1), (b"requeue", 7)],
)
async def test_a_command_is_followed_answered_and_logged(command: bytes, count: int) -> None:
    """With how much it has brought about."""
    async with Rig(commands=True) as rig:
        answer = await answer_to(rig, command)
        assert (answer["ok"], answer["count"]) == (True, count)
        (line,) = rig.logged("mqtt.commanded")
        assert f"{count} done" in str(line["message"])


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (b'{"command": "report", "sensor": "gone"}', "no sensor 'gone'"),
        (b'{"command": "infrared", "name": "off"}', "no infrared command 'off'"),
        (b"halt", "neither report nor requeue"),
    ],
)
async def test_a_command_that_cannot_be_followed_is_answered_and_logged(command: bytes, why: str) -> None:
    """By why it cannot."""
    async with Rig(commands=True) as rig:
        answer = await answer_to(rig, command)
        assert not answer["ok"]
        assert why in answer["error"]
        (line,) = rig.logged("mqtt.command_refused")
        assert why in str(line["message"])


async def test_without_commands_nobody_listens_to_them() -> None:
    """They are off by default, and so is what Home Assistant may send by infrared."""
    async with Rig() as rig:
        rig.broker.say(COMMAND, b"report")
        await rig.clock.advance(1.0)
        assert rig.station.reports_count == 0
        assert not {COMMAND, "weatherd/s/infrared"} & set(rig.broker.subscribed)
