"""
A wall clock that is wrong, or steps: no observation is lost for it, none has a second id, and the order stays.

Nothing is killed here: libfaketime holds the station up for longer than the tenth of a second in which it must have
what it has read (three seconds with four hundred clock readings cost it two seconds of CPU).
"""

import asyncio
import time
from collections.abc import Callable

import pytest

from tests.end_to_end.stations import documents
from tests.faults.parts import WallClock
from tests.faults.trials import Trial

MakeTrial = Callable[..., Trial]

HOUR_S = 3600.0
STEPS = {"clock +1 h, then -1 h": HOUR_S, "clock -1 h, then +1 h": -HOUR_S, "clock 1970, then right": 0.0}
RATE = 20.0


async def _step(trial: Trial, clock: WallClock, to_s: float) -> None:
    """Step the clock while the station runs, and step it back while the next one runs."""
    async with trial:
        async with trial.station(variables=clock.variables) as running:
            await asyncio.sleep(0.5)
            clock.step_to(to_s)
            await asyncio.sleep(1.5)
            await trial.stop(running)
        await trial.mend_far_end()
        async with trial.station(variables=clock.variables) as running:
            await asyncio.sleep(0.5)
            clock.step_to(0.0)
            await asyncio.sleep(1.5)
            await trial.until_delivered()
            await trial.stop(running)
        trial.conclude()


@pytest.mark.parametrize(
    "fault", [pytest.param(fault, marks=[pytest.mark.soak] if "-1 h, then" in fault else []) for fault in STEPS]
)
async def test_a_step_of_the_clock_loses_nothing(make_trial: MakeTrial, fault: str) -> None:
    """Steps of a running station, and 1970 at its start: all is delivered once, in the order of the ids, and told."""
    started_s = -time.time() if "1970" in fault else 0.0
    trials = [make_trial(fault, sink, rate=RATE) for sink in ("up", "down")]
    clocks = [WallClock(trial.folder, started_s) for trial in trials]
    await asyncio.gather(*(_step(trial, clock, STEPS[fault]) for trial, clock in zip(trials, clocks, strict=True)))
    for trial in trials:
        numbers = [int(document["labels"]["n"]) for document in documents(trial.far_end)]
        assert numbers == sorted(numbers)
        assert not any(
            document["clock"]["synchronized"]
            for document in documents(trial.far_end)
            if document["@timestamp"] < "2026"
        )
        assert "clock_stepped" in {event["event"]["action"] for event in documents(trial.far_end, "weatherd.event")}
