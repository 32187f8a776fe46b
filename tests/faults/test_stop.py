"""Stops in good order: in the middle of a post, and many in a row."""

import asyncio
from collections.abc import Callable

import pytest

from tests.faults.trials import Trial, moments
from weatherd.testing.logstash import Accept, Hang

MakeTrial = Callable[..., Trial]


@pytest.mark.parametrize(("sink", "rounds"), [("answers late", 5), ("hangs", 1)])
async def test_a_stop_in_the_middle_of_a_post_loses_nothing(make_trial: MakeTrial, sink: str, rounds: int) -> None:
    """What is under way at SIGTERM is waited for; if no answer comes, it is sent again by the next start."""
    trial = make_trial(f"SIGTERM in mid-post, {rounds} times, 500/s", sink, rate=500.0)
    async with trial:
        for moment_s in moments(rounds, 0.3, 0.8, seed=rounds):
            trial.far_end.behave(Accept(0.4) if sink == "answers late" else Hang())
            async with trial.station() as running:
                await asyncio.sleep(moment_s)
                await trial.stop(running)
        await trial.settle()


async def _restart_again_and_again(trial: Trial, count: int) -> None:
    async with trial:
        for moment_s in moments(count, 0.02, 0.15, seed=count):
            async with trial.station() as running:
                await asyncio.sleep(moment_s)
                await trial.stop(running)
        await trial.settle(timeout_s=60.0)


@pytest.mark.parametrize("count", [20, pytest.param(1000, marks=pytest.mark.soak)])
async def test_restarts_in_a_row_lose_nothing(make_trial: MakeTrial, count: int) -> None:
    """Stop and start, again and again, at 500 observations a second: nothing is lost, no id comes twice."""
    trials = [make_trial(f"{count:,} restarts in a row, 500/s", sink, rate=500.0) for sink in ("up", "down")]
    await asyncio.gather(*(_restart_again_and_again(trial, count) for trial in trials))
