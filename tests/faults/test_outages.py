"""A far end that is gone: partition, name service, certificate; and how often a dead one is tried."""

import asyncio
import datetime as dt
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from tests.end_to_end.stations import RunningStation, eventually
from tests.faults.parts import Names
from tests.faults.trials import FarEnd, Trial

MakeTrial = Callable[..., Trial]

DEAD_S = 150.0
ATTEMPTS_MAX = 15
STATIONS_COUNT = 4


async def _partition(trial: Trial, gone_s: float) -> None:
    """Let the far end go away while the station runs, and once more over a kill -9."""
    async with trial:
        async with trial.station() as running:
            await eventually(lambda: bool(trial.far_end.arrived()))
            await trial.far_end.stop()
            await asyncio.sleep(gone_s)
            await trial.mend_far_end()
            await trial.until_delivered()
            await trial.far_end.stop()
            await asyncio.sleep(1.0)
            await trial.kill(running)
        await trial.settle()


@pytest.mark.parametrize("gone_s", [3.0, pytest.param(120.0, marks=pytest.mark.soak)])
async def test_a_partition_loses_nothing(make_trial: MakeTrial, gone_s: float) -> None:
    """A far end that refuses connections for a while gets everything when it is back, at 4 and at 500 a second."""
    trials = [
        make_trial(f"partition of {gone_s:.0f} s, {rate:.0f}/s, and kill -9", "goes and comes", rate=rate)
        for rate in (4.0, 500.0)
    ]
    await asyncio.gather(*(_partition(trial, gone_s) for trial in trials))


async def _attempts(running: RunningStation) -> dict[str, int]:
    (sink,) = (await running.ask())["sinks"]
    attempts: dict[str, int] = sink["attempts"]
    return attempts


async def test_a_name_that_is_not_known_for_a_while_loses_nothing(make_trial: MakeTrial, tmp_path: Path) -> None:
    """Without name service everything waits, and goes out when the name is known."""
    names = Names(tmp_path)
    trial = make_trial("name service gone for 2 s, and kill -9", "unknown name")
    async with trial:
        url = f"http://logstash.invalid:{trial.far_end.port}"
        for _ in range(2):
            async with trial.station(url=url, prefix=names.prefix) as running:
                await asyncio.sleep(2.0)
                assert (await _attempts(running)).get("unknown_name", 0) >= 1
                names.know("logstash.invalid", "127.0.0.1")
                await trial.until_delivered()
                names.forget()
                await asyncio.sleep(0.5)
                await trial.kill(running)
        await trial.settle()


def _context(authority: trustme.CA, not_after: dt.datetime) -> ssl.SSLContext:
    """Return how a far end shows a certificate that is valid until then."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    begin = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    authority.issue_cert("127.0.0.1", not_before=begin, not_after=not_after).configure_cert(context)
    return context


async def test_a_certificate_that_expires_loses_nothing(make_trial: MakeTrial, tmp_path: Path) -> None:
    """With an expired certificate nothing is sent; with a renewed one everything is, and the station runs on."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    expired, valid = (_context(authority, dt.datetime(year, 1, 1, tzinfo=dt.UTC)) for year in (2021, 2100))
    far_end = FarEnd(ssl_context=valid)
    trial = make_trial(
        "certificate expires and is renewed, kill -9",
        "up",
        far_end=far_end,
    )
    trial.settings["sink"] = f'tls.ca_file = "{tmp_path / "ca.pem"}"'
    async with trial, trial.station() as running:
        await eventually(lambda: bool(far_end.arrived()))
        for context in (expired, valid, expired):
            await far_end.stop()
            far_end._ssl_context = context
            await far_end.start()
            if context is valid:
                await trial.until_delivered()
            else:
                before = len(far_end.arrived())
                await asyncio.sleep(2.0)
                assert len(far_end.arrived()) == before
        assert (await _attempts(running))["untrusted_certificate"] >= 2
        await trial.kill(running)
        far_end._ssl_context = valid
        await far_end.stop()
        await trial.settle()


async def _be_dead(trial: Trial, moments_s: list[float]) -> None:
    """Note when the station tries a far end that nobody is at."""
    configuration = trial.folder / "weatherd.toml"
    patience = ("sh", "-c", f"sed -i 's/^delay_s_max = .*/delay_s_max = 30.0/' {configuration} && exec \"$@\"", "sh")
    async with trial:
        async with trial.station(prefix=patience) as running:
            loop = asyncio.get_running_loop()
            until_s = loop.time() + DEAD_S
            while loop.time() < until_s:
                attempts = sum((await _attempts(running)).values())
                moments_s += [loop.time()] * (attempts - len(moments_s))
                await asyncio.sleep(1.0)
            await trial.stop(running)
        trial.remark = f"{len(moments_s)} attempts"
        await trial.settle()


@pytest.mark.soak
async def test_a_dead_far_end_is_tried_seldom(make_trial: MakeTrial) -> None:
    """150 s of a dead far end: at most 15 attempts of each station, no two with the same rhythm, and nothing lost."""
    trials = [make_trial(f"dead for {DEAD_S:.0f} s, 4/s", "down", rate=4.0) for _ in range(STATIONS_COUNT)]
    moments_s: list[list[float]] = [[] for _ in trials]
    await asyncio.gather(*(_be_dead(trial, moments) for trial, moments in zip(trials, moments_s, strict=True)))
    assert all(2 <= len(moments) <= ATTEMPTS_MAX for moments in moments_s)
    rhythms = {tuple(round(moment) for moment in moments) for moments in moments_s}
    assert len(rhythms) == STATIONS_COUNT
