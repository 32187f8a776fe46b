import contextlib
import sqlite3
import time
from pathlib import Path

import aiohttp
import pytest

from tests.end_to_end.stations import CHIPS, eventually, free_port, station
from tests.end_to_end.test_reload import reload
from tests.panel.stations import Shown, shown, write_lines
from weatherd.daemon.status import status


async def test_the_station_tells_itself(tmp_path: Path) -> None:
    """Its name, its sensors, and the unit of every quantity."""
    async with shown(tmp_path) as one:
        station = await one.told("/api/v1/station")
        assert (station["id"], station["name"], station["language"]) == ("s", "Porto Alegre", "auto")
        assert station["sensors"] == ["barometer", "garden"]
        units = {quantity["name"]: quantity["unit"] for quantity in station["quantities"]}
        assert (units["air_pressure"], units["air_temperature"]) == ("hPa", "degC")


async def test_the_command_and_the_api_tell_the_same(tmp_path: Path) -> None:
    """`weatherd status --json` is what the API tells, under the names of its paths."""
    async with shown(tmp_path) as one:
        told = status(one.daemon.parts)
        for path in ("station", "sensors", "sinks", "journal", "clock"):
            answer = await one.told(f"/api/v1/{path}")
            assert type(answer) is type(told[path])
            for ours, theirs in zip(_listed(answer), _listed(told[path]), strict=True):
                assert ours.keys() == theirs.keys() - {"path"}  # nobody outside needs to know where files are


def _listed(value: object) -> list[dict[str, object]]:
    return value if isinstance(value, list) else [value]  # type: ignore[list-item]


async def _current(one: Shown, sensor: str) -> dict[str, dict[str, object]]:
    values = (await one.told("/api/v1/current"))["values"]
    return {value["quantity"]: value for value in values if value["sensor"] == sensor}


async def test_current_tells_the_newest_value_and_its_age(tmp_path: Path) -> None:
    """What was said later but observed earlier is not newer; what is old says so."""
    now_s = time.time()
    async with shown(tmp_path) as one:
        await write_lines(
            tmp_path,
            {"time": now_s - 600, "t": 21.0, "channel": 2},
            {"time": now_s - 900, "t": 19.0, "channel": 1},
        )

        async def is_there() -> bool:
            return "air_temperature" in await _current(one, "garden") and bool(await _current(one, "barometer"))

        await eventually(is_there)
        garden = (await _current(one, "garden"))["air_temperature"]
        assert (garden["value"], garden["unit"], garden["labels"], garden["stale"]) == (
            21.0,
            "degC",
            {"channel": "2"},
            True,
        )
        assert garden["age_s"] == pytest.approx(600, abs=20)
        barometer = (await _current(one, "barometer"))["air_pressure"]
        assert (barometer["stale"], barometer["unit"]) == (False, "hPa")


async def test_current_is_not_held_up_by_a_stamp_of_the_future(tmp_path: Path) -> None:
    """What is stamped ahead of the clock, by a source or before a step, hides nothing, and is not fresh."""
    now_s = time.time()
    async with shown(tmp_path) as one:
        garden = one.daemon.parts.samplers[1]
        await write_lines(tmp_path, {"time": now_s + 3600, "t": 30.0})
        await eventually(lambda: garden.condition.observations_count == 1)
        ahead = (await _current(one, "garden"))["air_temperature"]
        assert (ahead["value"], ahead["stale"]) == (30.0, True)
        await write_lines(tmp_path, {"time": now_s - 5, "t": 21.0})
        await eventually(lambda: garden.condition.observations_count == 2)
        now = (await _current(one, "garden"))["air_temperature"]
        assert (now["value"], now["stale"]) == (21.0, False)


async def test_current_needs_no_history(tmp_path: Path) -> None:
    """A history whose pages are damaged costs the change of an hour, and no value."""
    now_s = time.time()
    async with shown(tmp_path) as one:
        await write_lines(tmp_path, {"time": now_s - 3600, "t": 18.5}, {"time": now_s - 5, "t": 21.0})
        await eventually(lambda: one.daemon.parts.samplers[1].condition.observations_count == 2)
        await one.told("/api/v1/current")
    with contextlib.closing(sqlite3.connect(tmp_path / "journal-history.db")) as connection:
        connection.execute("UPDATE pages SET body = x'00'")
        connection.commit()
    async with shown(tmp_path) as one:
        value = (await _current(one, "garden"))["air_temperature"]
        assert (value["value"], value["change_1h"]) == (21.0, None)


async def test_current_tells_the_change_of_an_hour(tmp_path: Path) -> None:
    """The value less that of an hour ago; of rain, which cannot be subtracted, nothing."""
    now_s = time.time()
    async with shown(tmp_path) as one:
        await write_lines(
            tmp_path,
            {"time": now_s - 3600, "t": 18.5, "rain": 1.0},
            {"time": now_s - 5, "t": 21.0, "rain": 1.0},
        )

        garden = one.daemon.parts.samplers[1]
        await eventually(lambda: garden.condition.observations_count == 2)
        seq = one.daemon.parts.journal.last_seq
        await eventually(lambda: one.daemon.parts.journal.last_seq > seq)  # the barometer's next one is behind them
        assert (await _current(one, "garden"))["air_temperature"]["change_1h"] == 2.5
        assert (await _current(one, "garden"))["rainfall_amount"]["change_1h"] is None


async def test_current_outlives_a_restart(tmp_path: Path) -> None:
    """What was observed before is shown with its age until something new comes."""
    async with shown(tmp_path) as one:
        await write_lines(tmp_path, {"time": time.time() - 100, "t": 21.0})
        await eventually(lambda: one.daemon.parts.journal.last_seq > 1)

        async def is_there() -> bool:
            return "air_temperature" in await _current(one, "garden")

        await eventually(is_there)
    async with shown(tmp_path) as one:
        assert (await _current(one, "garden"))["air_temperature"]["value"] == 21.0


async def test_history_is_in_steps_that_fit(tmp_path: Path) -> None:
    """The shortest step that fits into 2,000 is taken; one that does not fit is a problem."""
    start_s = 1_790_000_040
    async with shown(tmp_path) as one:
        await write_lines(tmp_path, *({"time": start_s + n, "t": 20.0 + n / 60} for n in range(60, 661, 60)))

        async def is_there() -> bool:
            day = await one.told(f"/api/v1/history?quantity=air_temperature&from={_iso(start_s)}&sensor=garden")
            return bool(day["series"])

        await eventually(is_there)
        path = f"/api/v1/history?quantity=air_temperature&sensor=garden&from={_iso(start_s)}&to={_iso(start_s + 3600)}"
        hour = await one.told(path)
        (series,) = hour["series"]
        assert (hour["step_s"], hour["reduction"], hour["unit"]) == (60, "mean", "degC")
        assert series["time"] == list(range(start_s, start_s + 660, 60))
        assert series["value"] == pytest.approx([21 + n for n in range(11)])
        coarse = await one.told(f"{path}&step=600")
        assert coarse["step_s"] == 600
        assert sum(coarse["series"][0]["count"]) == 11
        year = await one.told(
            f"/api/v1/history?quantity=air_temperature&from={_iso(start_s - 365 * 86_400)}&to={_iso(start_s)}"
        )
        assert year["step_s"] == 21_600
        status, problem = await one.get(
            f"/api/v1/history?quantity=air_temperature&step=60&from={_iso(start_s - 365 * 86_400)}"
        )
        assert (status, problem["type"], problem["status"]) == (400, "history.step_too_short", 400)


def _iso(time_s: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time_s))


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/api/v1/history", 400, "request.invalid"),
        ("/api/v1/history?quantity=no_such_thing", 404, "history.unknown_quantity"),
        ("/api/v1/history?quantity=air_temperature&from=yesterday", 400, "request.invalid"),
        ("/api/v1/history?quantity=air_temperature&to=0001-01-01T00:00:00Z", 400, "request.invalid"),
        (
            "/api/v1/history?quantity=air_temperature&from=2026-11-02T00:00:00Z&to=2026-11-01T00:00:00Z",
            400,
            "request.invalid",
        ),
        ("/api/v1/history?quantity=air_temperature&step=61", 400, "request.invalid"),
        ("/api/v1/history?quantity=air_temperature&quantity=air_pressure", 400, "request.invalid"),
        (f"/api/v1/history?quantity=air_temperature&sensor={'a' * 65}", 400, "request.invalid"),
        ("/api/v1/events?limit=501", 400, "request.invalid"),
        ("/api/v1/events?before=0", 400, "request.invalid"),
        ("/api/v1/current?foo=1", 400, "request.unknown_parameter"),
        ("/api/v1/nothing", 404, "request.path"),
        ("/api/v1/station/", 404, "request.path"),
    ],
)
async def test_what_is_wrong_with_a_request_is_told(tmp_path: Path, path: str, status: int, kind: str) -> None:
    """As problem+json, with a name for programs and a sentence for people."""
    async with shown(tmp_path) as one:
        found, problem = await one.get(path)
        assert (found, problem["status"], problem["type"]) == (status, status, kind)
        assert problem["detail"]
        assert (await one.headers(path))[1]["Content-Type"] == "application/problem+json"


async def test_events_are_paged_from_the_newest(tmp_path: Path) -> None:
    """What happened to the station, without what it observed."""
    async with shown(tmp_path):
        pass
    async with shown(tmp_path) as one:
        events = await one.told("/api/v1/events")
        assert [event["action"] for event in events] == ["station_started", "station_started"]
        assert events[0]["seq"] > events[1]["seq"]
        (older,) = await one.told(f"/api/v1/events?before={events[0]['seq']}&limit=1")
        assert older == events[1]


async def test_health_is_told_to_machines(tmp_path: Path) -> None:
    """/healthz while the process lives, /readyz while sampling goes on and the journal takes what is observed."""
    async with shown(tmp_path) as one:
        assert await one.get("/healthz") == (200, {"ok": True, "problems": []})
        assert await one.get("/readyz") == (200, {"ok": True, "problems": []})


async def test_a_changed_panel_begins_anew(tmp_path: Path) -> None:
    """A reload with other keys of the panel takes effect at once, at the same port."""
    port = free_port()
    panel = f'listen = "127.0.0.1:{port}"\nlanguage = "auto"'
    async with station(tmp_path, "http://127.0.0.1:9", CHIPS, panel=panel) as running:
        await running.wait_for("READY=1")
        await reload(running, 'language = "auto"', 'language = "pt-BR"')

        async def speaks_portuguese() -> bool:
            url = f"http://127.0.0.1:{port}/api/v1/station"
            try:
                async with aiohttp.ClientSession() as session, session.get(url) as answer:
                    return (await answer.json())["language"] == "pt-BR"
            except aiohttp.ClientError:
                return False

        await eventually(speaks_portuguese)
        assert await running.stop() == 0
