import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.daemon.test_following import Bench
from tests.fakes import NOON_MS
from tests.history.test_history import PRESSURE, observation
from weatherd.daemon import drawing
from weatherd.daemon.drawing import Curve, Drawings
from weatherd.history import MINUTE_MS, Series

FIRST = NOON_MS // MINUTE_MS
HOUR = Curve(PRESSURE, MINUTE_MS, FIRST, FIRST + 60)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    one = Bench(tmp_path)
    await one.journal.open()
    one.history.open()
    yield one
    await one.journal.close()


async def drawn(drawings: Drawings, curve: Curve = HOUR) -> Any:
    return msgspec.json.decode(await drawings.curve(curve))


async def test_a_curve_is_made_once_for_all_who_look(bench: Bench) -> None:
    """For a thirtieth of its step it is the same; then it has what came meanwhile."""
    drawings = Drawings(bench.follower, bench.clock)
    await bench.observe(1000.0)
    assert (await drawn(drawings))["value"] == [1000.0]
    await bench.observe(1001.0, second=60)
    assert (await drawn(drawings))["value"] == [1000.0]
    assert (await drawn(drawings, HOUR._replace(end=FIRST + 59)))["value"] == [1000.0, 1001.0]
    await bench.clock.advance(2.0)
    assert (await drawn(drawings))["value"] == [1000.0, 1001.0]


async def test_rain_shows_at_once_however_long_the_step_is(bench: Bench) -> None:
    """A shower changes the sum of a quarter of an hour, which would else stay as it was for half a minute."""
    drawings = Drawings(bench.follower, bench.clock)
    quarter = Curve(Series("rain", "rainfall_amount"), 15 * MINUTE_MS, FIRST // 15, FIRST // 15 + 4)
    for second, sums in ((10, [0.2]), (20, [0.4])):
        await bench.journal.append([observation(second, 0.2, sensor="rain", quantity="rainfall_amount")])
        await bench.clock.advance(0.5)
        assert (await drawn(drawings, quarter))["value"] == sums


async def test_who_leaves_takes_the_curve_from_nobody(bench: Bench) -> None:
    """Of two who wait for the same one, the first goes away."""
    drawings = Drawings(bench.follower, bench.clock)
    await bench.observe(1000.0)
    first, second = asyncio.create_task(drawn(drawings)), asyncio.create_task(drawn(drawings))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second)["count"] == [10]
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_curves_that_are_kept_are_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest go."""
    monkeypatch.setattr(drawing, "KEPT_SIZE_MAX", 300)
    drawings = Drawings(bench.follower, bench.clock)
    await bench.observe(1000.0)
    for minutes in range(1, 20):
        assert (await drawn(drawings, HOUR._replace(end=FIRST + minutes)))["value"] == [1000.0]
    assert 0 < sum(len(body) for _, body in drawings._kept.values()) == drawings._size <= 300
