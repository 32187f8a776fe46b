"""kill -9 of a station with a rain gauge: each tip more than a tenth of a second before is there afterwards, once."""

import asyncio
import contextlib
import itertools
import os
import random
import socket
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.stations import documents, eventually, station
from tests.faults.trials import OWED_AFTER_S, moments
from weatherd.testing.logstash import LogstashStandIn

MM_PER_TIP = 0.25

GAUGE = """
[gpio]
chip = "simulated:{folder}/contacts"

[[sensors]]
name = "rain"
driver = "rain_gauge"
line = 17
mm_per_tip = 0.25
report_period_s = 1.0
"""


class Bucket:
    """
    Who tips the bucket from outside.

    Attributes:
        tips: When each began, by the monotonic clock; those that the chip has confirmed.
        unsure_count: Tips of which nobody knows whether the chip had them when the process was killed.
    """

    def __init__(self, folder: Path) -> None:
        self.tips: list[float] = []
        self.unsure_count = 0
        self._folder = folder
        self._random = random.Random(0)
        self._names = itertools.count()

    @contextlib.asynccontextmanager
    async def tipping(self) -> AsyncIterator[None]:
        """Tip, some four times a second, until the end of the block."""
        task = asyncio.create_task(self._tip_for_ever())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _tip_for_ever(self) -> None:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.setblocking(False)
            channel.bind(os.fspath(self._folder / f"bucket-{next(self._names)}"))
            channel.connect(os.fspath(self._folder / "contacts"))
            while True:
                await asyncio.sleep(self._random.uniform(0.12, 0.4))
                self.unsure_count += 1
                try:
                    channel.send(b'{"line": 17, "width_s": 0.05, "bounces": 20, "bounce_s": 0.015}')
                except ConnectionError:
                    self.unsure_count -= 1
                    return
                assert await loop.sock_recv(channel, 100) == b"ok"
                self.unsure_count -= 1
                self.tips.append(time.monotonic())


def of_rain(far_end: LogstashStandIn) -> list[Mapping[str, Any]]:
    return [document for document in documents(far_end) if document["sensor"]["name"] == "rain"]


def told(far_end: LogstashStandIn) -> int:
    """Return how many tips the amounts of all documents make."""
    amounts = (document["weather"].get("rainfall_amount", 0.0) for document in of_rain(far_end))
    return round(sum(amounts) / MM_PER_TIP)


async def test_each_tip_is_told_once_over_twenty_kills(
    tmp_path: Path, memory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The amounts that were delivered make as many tips as there were, less those of a tenth of a second a kill."""
    bucket = Bucket(tmp_path)
    young_count = 0
    async with LogstashStandIn() as far_end:
        for moment_s in moments(20, 0.1, 2.5, seed=5):
            async with station(tmp_path, far_end.url, GAUGE, runtime=memory) as running:
                await running.wait_for("READY=1")
                async with bucket.tipping():
                    await asyncio.sleep(moment_s)
                    killed_s = time.monotonic()
                    await running.kill()
                young_count += sum(tip_s > killed_s - OWED_AFTER_S for tip_s in bucket.tips)
        async with station(tmp_path, far_end.url, GAUGE, runtime=memory) as running:
            await running.wait_for("READY=1")
            owed_count = len(bucket.tips) - young_count
            await eventually(lambda: told(far_end) >= owed_count, 10.0)
            started_count = len(of_rain(far_end))
            await eventually(lambda: len(of_rain(far_end)) > started_count + 1, 10.0)  # and nothing comes twice
            assert await running.stop() == 0
        told_count, last = told(far_end), of_rain(far_end)[-1]
    assert (tmp_path / "errors").read_text() == ""
    with capsys.disabled():
        print(f"\n{len(bucket.tips)} tips, {young_count} of them young at a kill, {told_count} told")  # noqa: T201
    assert len(bucket.tips) > 40
    assert owed_count <= told_count <= len(bucket.tips) + bucket.unsure_count
    assert last["statistics"]["rainfall_amount"]["total"] == told_count
