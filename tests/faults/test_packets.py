"""A network that loses packets: half of them, then all of them."""

import asyncio
from collections.abc import Callable

import pytest

from tests.end_to_end.stations import eventually
from tests.faults.parts import FarEndIn, Network
from tests.faults.trials import Trial

MakeTrial = Callable[..., Trial]

SINK = "timeout_s = 2"
HALF = 50
ALL = 100


async def _lose_packets(trial: Trial, network: Network, lossy_s: float) -> None:
    async with trial:
        async with trial.station() as running:
            await eventually(lambda: bool(trial.far_end.arrived()))
            network.drop(HALF)
            await asyncio.sleep(lossy_s)
            network.drop(ALL)
            await asyncio.sleep(lossy_s / 2)
            network.drop(0)
            await trial.until_delivered(timeout_s=60.0)
            network.drop(HALF)
            await asyncio.sleep(lossy_s / 2)
            await trial.kill(running)
            network.drop(0)
        await trial.settle(timeout_s=60.0)


@pytest.mark.parametrize("lossy_s", [4.0, pytest.param(120.0, marks=pytest.mark.soak)])
async def test_lost_packets_lose_no_observation(make_trial: MakeTrial, lossy_s: float) -> None:
    """With half of the packets dropped, then all of them, then half and a kill -9, everything arrives under one id."""
    with Network() as network:
        trial = make_trial(
            f"half of the packets dropped for {lossy_s:.0f} s, then all, kill -9",
            "hardly there",
            rate=500.0,
            far_end=FarEndIn(network),
            prefix=network.prefix,
        )
        trial.settings["sink"] = SINK
        await _lose_packets(trial, network, lossy_s)
