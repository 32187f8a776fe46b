"""The access list of docs/fleet.md, in a real Mosquitto."""

import asyncio
import re
from pathlib import Path

import aiomqtt

from tests.end_to_end.stations import eventually
from tests.mqtt.brokers import broker, listening, needs_mosquitto, publishing
from tests.mqtt.test_publishing import CONFIG, STATES

pytestmark = needs_mosquitto

PAGE = Path(__file__).parents[2] / "docs" / "fleet.md"
LOCKED = "listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {folder}/users\nacl_file {folder}/acl\n"


def access_list() -> str:
    """Return the list as people copy it from the page."""
    found = re.search(r"<!-- tests/mqtt loads this -->\n\n((?:    .*\n|\n)+)", PAGE.read_text())
    assert found is not None
    return "".join(line.removeprefix("    ") for line in found[1].splitlines(keepends=True))


async def write_users(folder: Path, *names: str) -> None:
    (folder / "users").touch()
    for name in names:
        program = await asyncio.create_subprocess_exec(
            "mosquitto_passwd", "-b", folder / "users", name, "secret", stderr=asyncio.subprocess.DEVNULL
        )
        assert await program.wait() == 0


def as_user(name: str) -> dict[str, str]:
    return {"username": name, "password": "secret"}


async def test_the_access_list_of_the_page_lets_each_do_his_own(tmp_path: Path) -> None:
    """A station all of its own and nothing of another's; commands from the operator, and from nobody else."""
    (tmp_path / "acl").write_text(access_list())
    (tmp_path / "password").write_text("secret\n")
    await write_users(tmp_path, "s", "other", "homeassistant", "operator")
    more = f'username = "s"\npassword_file = "{tmp_path}/password"\ncommands = true'
    async with (
        broker(tmp_path, LOCKED) as one,
        listening(one.port, "weatherd/#", **as_user("operator")) as operator,
        listening(one.port, **as_user("homeassistant")) as home,
        publishing(tmp_path / "a", one.url, more) as running,
    ):
        await home.until(STATES[0])
        await home.until(CONFIG)
        assert running.sink["error"] is None
        assert running.logged("mqtt.not_heard") == []
        other = aiomqtt.Client("127.0.0.1", one.port, **as_user("other"))  # type: ignore[arg-type]
        async with other:
            for topic in ("weatherd/s/command", STATES[0], "weatherd/s/availability", CONFIG):
                await other.publish(topic, b"forged", qos=1)
        await home.say("weatherd/s/command", b"requeue")
        await operator.say("weatherd/s/command", b"report")
        await operator.until("weatherd/s/response")
        told = len(home.payloads(CONFIG))
        await home.say("homeassistant/status", b"online")
        await eventually(lambda: len(home.payloads(CONFIG)) > told)
    assert len(operator.payloads("weatherd/s/response")) == 1
    assert b"forged" not in {payload for _, payload, _ in home.heard}
