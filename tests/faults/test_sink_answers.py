"""A far end that says no, says nothing, or says yes too late: everything is there in the end, under one id."""

import asyncio
from collections.abc import Callable

import pytest

from tests.end_to_end.stations import RunningStation, eventually, weatherd
from tests.faults.trials import Trial
from weatherd.testing.logstash import Accept, Answer, Behaviour, Close, Hang, Reset

MakeTrial = Callable[..., Trial]

BAD_S = 1.5
TIMEOUT_S = 1.0
"""Of an attempt: the least that is allowed."""

LATER: dict[str, Behaviour] = {
    "answers 429": Answer(429),
    "answers 500": Answer(500),
    "answers 503, Retry-After 1": Answer(503, retry_after_s=1),
    "answers 401": Answer(401),
}
SILENT: dict[str, Behaviour] = {
    "hangs": Hang(),
    "resets in mid-body": Reset(),
    "closes without an answer": Close(),
    "accepts late": Accept(delay_s=TIMEOUT_S + 0.3),
}
REFUSING: dict[str, Behaviour] = {"answers 400": Answer(400), "answers 413": Answer(413)}


async def _be_bad(trial: Trial, bad: Behaviour) -> None:
    """Be bad for a while, twice: the second time the station is killed meanwhile."""
    async with trial:
        async with trial.station() as running:
            await eventually(lambda: bool(trial.far_end.arrived()))
            trial.far_end.behave(bad)
            await asyncio.sleep(BAD_S)
            trial.far_end.behave(Accept())
            await trial.until_delivered()
            trial.far_end.behave(bad)
            await asyncio.sleep(BAD_S)
            await trial.kill(running)
        await asyncio.sleep(TIMEOUT_S)  # what is accepted late is there before the next start sends it again
        await trial.settle()


@pytest.mark.parametrize("answers", [LATER, SILENT], ids=["later", "silent"])
async def test_an_outage_of_any_kind_loses_nothing(make_trial: MakeTrial, answers: dict[str, Behaviour]) -> None:
    """An answer that means "later", or none, is tried again with the same ids and bytes, also after a kill -9."""
    sink = f"timeout_s = {TIMEOUT_S}"
    trials = {name: make_trial("outage of 1.5 s, and kill -9", name) for name in answers}
    for trial in trials.values():
        trial.settings["sink"] = sink
    await asyncio.gather(*(_be_bad(trial, answers[name]) for name, trial in trials.items()))
    if "accepts late" in trials:
        assert trials["accepts late"].figures().sent_twice > 0


async def _refuse(trial: Trial, bad: Behaviour) -> None:
    """Refuse documents for good, kill the station meanwhile, and let the quarantine be tried again."""
    async with trial:
        async with trial.station() as running:
            await eventually(lambda: bool(trial.far_end.arrived()))
            trial.far_end.behave(bad)
            await _until_quarantined(running, 20)
            await trial.kill(running)
        trial.far_end.behave(Accept())
        async with trial.station() as running:
            quarantined_count = (await running.ask())["journal"]["quarantined_count"]
            assert quarantined_count >= 20
            code, _, errors = await weatherd(
                "journal", "requeue", "--config", trial.folder / "weatherd.toml", folder=trial.runtime
            )
            assert code == 0, errors
            await trial.until_delivered()
            await trial.stop(running)
        trial.remark = f"{quarantined_count} in quarantine, requeued"
        await trial.settle()


async def _until_quarantined(running: RunningStation, count: int) -> None:
    async def holds() -> bool:
        return bool((await running.ask())["journal"]["quarantined_count"] >= count)

    await eventually(holds)


async def test_what_is_refused_is_kept_until_it_is_wanted(make_trial: MakeTrial) -> None:
    """Documents that are answered 400 or 413 one by one outlive kill -9 in quarantine, and a requeue delivers them."""
    trials = {name: make_trial("refused for good, kill -9, requeue", name) for name in REFUSING}
    await asyncio.gather(*(_refuse(trial, REFUSING[name]) for name, trial in trials.items()))
