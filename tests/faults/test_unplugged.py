"""Every sensor unplugged in the middle of a measurement, and plugged in again."""

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.end_to_end.stations import CHIPS, RunningStation, documents, eventually
from tests.faults.trials import COUNTER, OWED_AFTER_S, Trial

MakeTrial = Callable[..., Trial]

ROUNDS = 3
RATE = 200.0
UNPLUGGABLE = ("sh", "-c", f'exec "{sys.executable}" "{Path(__file__).with_name("unpluggable.py")}" "$@"', "sh")
CHIP_NAMES = ("barometer", "hygrometer")


async def _until_chips_are(running: RunningStation, state: str) -> None:
    async def all_are() -> bool:
        sensors = (await running.ask())["sensors"]
        return all(one["state"] == state for one in sensors if one["name"] in CHIP_NAMES)

    await eventually(all_are)


async def _unplug_all(trial: Trial) -> None:
    async with trial:
        async with trial.station() as running:
            for _ in range(ROUNDS):
                await _until_chips_are(running, "working")
                running.process.send_signal(signal.SIGUSR1)
                await _until_chips_are(running, "lost")
                await asyncio.sleep(1.0)
                running.process.send_signal(signal.SIGUSR2)
            await _until_chips_are(running, "working")
            await asyncio.sleep(2 * OWED_AFTER_S)  # the last "found" is owed only then
            await trial.kill(running)
        await trial.settle()


def _seqs_by_run(found: list[dict[str, Any]]) -> list[int]:
    return sorted(one["event"]["sequence"] for one in found)


async def test_sensors_unplugged_and_back_cost_nobody_anything(make_trial: MakeTrial) -> None:
    """Each is lost once and found once a time, missing values say why, no other sensor loses a line, no seq is lost."""
    trials = [
        make_trial(f"every chip unplugged and back, {ROUNDS} times, kill -9", sink, rate=RATE, sensors=CHIPS + COUNTER)
        for sink in ("up", "down")
    ]
    for trial in trials:
        trial.settings["prefix"] = UNPLUGGABLE
    await asyncio.gather(*map(_unplug_all, trials))
    for trial in trials:
        observations = documents(trial.far_end)
        events = documents(trial.far_end, "weatherd.event")
        assert _seqs_by_run([*observations, *events]) == list(range(1, len(observations) + len(events) + 1))
        told = Counter((one["event"]["action"], one["sensor"]["name"]) for one in events if "sensor" in one)
        assert told == {(action, name): ROUNDS for action in ("sensor_lost", "sensor_found") for name in CHIP_NAMES}
        of_chips = [one for one in observations if one["sensor"]["name"] in CHIP_NAMES]
        assert any("missing" in one["quality"].values() for one in of_chips)
        assert all(one["quality_reasons"] for one in of_chips if "missing" in one["quality"].values())
        assert not [
            one
            for one in of_chips
            if {name for name, flag in one["quality"].items() if flag == "missing"} & one["weather"].keys()
        ]
