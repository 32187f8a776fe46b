"""
Power cuts: what is not delivered is on the card within the commit period.

The image under a mounted ext4 is copied while the station writes: only what has reached the device is in it. From each
copy a station is started, with a far end that has what the first one had at that moment; the runtime folder in memory
is gone.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.faults.parts import Disk
from tests.faults.reporting import Figures
from tests.faults.trials import Trial, moments

MakeTrial = Callable[..., Trial]

pytestmark = pytest.mark.alone

COMMIT_PERIOD_S = 1.0

_AT_ONCE = 3


class _Cut:
    """What there was at one power cut."""

    def __init__(self, trial: Trial, disk: Disk, image: Path) -> None:
        cut_s = time.monotonic()
        self.far_end = trial.far_end.copy()
        self.image = image
        self.account = trial.account.copy(cut_s, cut_s - COMMIT_PERIOD_S)
        disk.cut(image)


async def _cut_again_and_again(trial: Trial, disk: Disk, count: int) -> Sequence[_Cut]:
    cuts: list[_Cut] = []
    async with trial, trial.station():
        for number, moment_s in enumerate(moments(count, 0.1, 0.5, seed=count)):
            await asyncio.sleep(moment_s)
            cuts.append(_Cut(trial, disk, disk.image.with_name(f"{trial.sink}-{number}.img")))
    return cuts


async def _start_again(trial: Trial, cut: _Cut, turn: asyncio.Semaphore) -> Figures:
    """Let a station go on where the power was cut; return the figures."""
    trial.account = cut.account
    async with turn:
        with Disk(cut.image.parent, cut.image) as disk:
            async with trial:
                await trial.mend_far_end()
                async with trial.station(disk=disk.folder) as running:
                    await asyncio.sleep(0.1)
                    await trial.until_delivered()
                    await trial.stop(running)
        cut.image.unlink()
    return trial.figures()


async def _lose_power(
    make_trial: MakeTrial, folder: Path, report: list[Figures], sink: str, *, rate: float, count: int
) -> None:
    fault = f"power cut, {count} times, {rate:,.0f}/s"
    with Disk(folder) as disk:
        trial = make_trial(fault, sink, rate=rate, disk=disk.folder, journal=f"commit_period_s = {COMMIT_PERIOD_S}")
        cuts = await _cut_again_and_again(trial, disk, count)
    starts = [make_trial(fault, sink, rate=rate, far_end=cut.far_end) for cut in cuts]
    turn = asyncio.Semaphore(_AT_ONCE)
    figures = await asyncio.gather(*(_start_again(*each, turn) for each in zip(starts, cuts, strict=True)))
    sums = [sum(numbers) for numbers in zip(*(one[2:7] for one in figures), strict=True)]
    young = [trial.account.young_count for trial in starts]
    report.append(Figures(fault, sink, *sums, f"{sum(young):,} too young, at most {max(young):,} at once"))
    for trial in starts:
        trial.check()


@pytest.mark.parametrize(("rate", "count"), [(20.0, 20), (2000.0, 5)])
async def test_a_power_cut_takes_at_most_the_commit_period(
    make_trial: MakeTrial, memory: Path, report: list[Figures], rate: float, count: int
) -> None:
    """At each of some random moments, all that is older than the commit period comes through the cut, once."""
    for sink in ("up", "down"):
        (memory / sink).mkdir()
    await asyncio.gather(
        *(_lose_power(make_trial, memory / sink, report, sink, rate=rate, count=count) for sink in ("up", "down"))
    )
