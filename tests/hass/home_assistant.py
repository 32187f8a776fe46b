"""A real Home Assistant with a real broker, as its first user has set it up; and what it tells of a station."""

import asyncio
import contextlib
import re
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from tests.end_to_end.stations import eventually, free_port
from tests.hass.installed import PYTHON, Version, root

START_S_MAX = 120.0

_CONFIGURATION = """\
http:
  server_host: 127.0.0.1
  server_port: {port}
frontend:
config:
recorder:
  commit_interval: 1
"""

_ENTER = """\
set -e
mkdir -p "$1/cfg"
mount --rbind /proc "$1/proc"
mount --bind "$2" "$1/cfg"
exec chroot "$1" "$3" -m homeassistant --skip-pip --config /cfg
"""
"""The mounts are seen by nobody else, and gone with the process."""

_COMPLAINT = re.compile(r"^\S+ \S+ (?:WARNING|ERROR|CRITICAL) .*", re.MULTILINE)


class HomeAssistant:
    """
    One of them, with a configuration of its own.

    Args:
        version: Which.
        folder: For its configuration, database and log.
    """

    def __init__(self, version: Version, folder: Path) -> None:
        self.version = version
        self._root = root(version)
        self._folder = folder
        port = free_port()
        self._url = f"http://127.0.0.1:{port}"
        self._token = ""
        self._process: asyncio.subprocess.Process | None = None
        (folder / "configuration.yaml").write_text(_CONFIGURATION.format(port=port))

    @property
    def log(self) -> str:
        """All that it said so far, in all its starts."""
        return (self._folder / "log").read_text()

    def complaints(self, since: int = 0) -> Sequence[str]:
        """Return the lines of its log that tell a person of something wrong, from a length of the log on."""
        return _COMPLAINT.findall(self.log[since:])

    async def start(self) -> None:
        """Start it, and return when all of it is there."""
        with (self._folder / "log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *("unshare", "--mount", "sh", "-c", _ENTER, "sh", self._root, self._folder, PYTHON),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        await eventually(self._answers, START_S_MAX)
        if not self._token:
            await self._set_up()
        await eventually(self._runs, START_S_MAX)

    async def stop(self, signum: signal.Signals = signal.SIGTERM) -> None:
        """End it, in good order or not."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signum)
            await asyncio.wait_for(self._process.wait(), START_S_MAX)

    async def add_broker(self, port: int) -> None:
        """Add the integration MQTT, as a person does on the page."""
        flow = await self._post("/api/config/config_entries/flow", {"handler": "mqtt"})
        # The newer form has what is seldom needed in a fold, and asks for two fields of it.
        folds = [one["name"] for one in flow["data_schema"] if one.get("type") == "expandable"]
        more = {name: {"set_client_cert": False, "set_ca_cert": "off"} for name in folds}
        entry = {"broker": "127.0.0.1", "port": port, **more}
        made = await self._post(f"/api/config/config_entries/flow/{flow['flow_id']}", entry)
        assert made["type"] == "create_entry", made

    async def ask(self, command: str, **fields: object) -> Any:
        """Ask by websocket, as the page does, and return the result."""
        async with aiohttp.ClientSession() as session, session.ws_connect(f"{self._url}/api/websocket") as socket:
            await socket.receive_json()
            await socket.send_json({"type": "auth", "access_token": self._token})
            assert (await socket.receive_json())["type"] == "auth_ok"
            await socket.send_json({"id": 1, "type": command, **fields})
            answer = await socket.receive_json()
        assert answer["success"], f"{command}: {answer}"
        return answer["result"]

    async def entities(self, station_id: str) -> Mapping[str, Mapping[str, Any]]:
        """Return what the registry has of a station: by our unique id, without what is the same for all."""
        found = await self.ask("config/entity_registry/list")
        prefix = f"weatherd.{station_id}."
        ids = [one["entity_id"] for one in found if one["unique_id"].startswith(prefix)]
        whole = await self.ask("config/entity_registry/get_entries", entity_ids=ids)
        return {one["unique_id"]: one for one in whole.values()}

    async def states(self) -> Mapping[str, Mapping[str, Any]]:
        """Return all states, by entity."""
        return {one["entity_id"]: one for one in await self.ask("get_states")}

    async def state_of(self, entity_id: str) -> str:
        """Return one state; nothing if there is none."""
        return str((await self.states()).get(entity_id, {"state": ""})["state"])

    async def until(self, entity_id: str, state: str, timeout_s: float = 30.0) -> Mapping[str, Any]:
        """Wait until an entity is in a state, and return it with its attributes."""
        found: Mapping[str, Any] = {}

        async def is_so() -> bool:
            nonlocal found
            found = (await self.states()).get(entity_id, {})
            return found.get("state") == state

        try:
            await eventually(is_so, timeout_s)
        except TimeoutError:
            raise AssertionError(f"not within {timeout_s:g} s: {state}; but {found}") from None
        return found

    async def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.returncode is None, self.log[-3000:]
        with contextlib.suppress(aiohttp.ClientConnectionError):
            async with aiohttp.ClientSession() as session, session.get(f"{self._url}/api/onboarding") as answer:
                return self._token != "" or answer.status == 200
        return False

    async def _runs(self) -> bool:
        return bool((await self.ask("get_config"))["state"] == "RUNNING")

    async def _set_up(self) -> None:
        """Make the first user, and take the token of that."""
        user = {"name": "Owner", "username": "owner", "password": "a long one", "language": "en"}
        made = await self._post("/api/onboarding/users", {"client_id": self._url, **user})
        form = {"grant_type": "authorization_code", "code": made["auth_code"], "client_id": self._url}
        async with aiohttp.ClientSession() as session, session.post(f"{self._url}/auth/token", data=form) as answer:
            self._token = (await answer.json())["access_token"]

    async def _post(self, path: str, body: Mapping[str, object]) -> Mapping[str, Any]:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(f"{self._url}{path}", json=body) as answer,
        ):
            assert answer.ok, f"{path}: {answer.status} {await answer.text()}"
            told: Mapping[str, Any] = await answer.json()
            return told


@contextlib.asynccontextmanager
async def home_assistant(version: Version, folder: Path, broker_port: int) -> AsyncIterator[HomeAssistant]:
    """Run one that has found the broker; it is gone behind the tests."""
    one = HomeAssistant(version, folder)
    try:
        await one.start()
        await one.add_broker(broker_port)
        yield one
    finally:
        await one.stop(signal.SIGKILL)
