"""
Drawing: the history of a series as it goes over the wire, made once for all who look at the same curve.

Fifty pages that are open ask for the same curves each minute. A curve stays good for a small part of its step, in which
hardly anything can change that somebody would see.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from weatherd.daemon.following import Follower
from weatherd.history import Bin, Series
from weatherd.ports import Clock
from weatherd.processing.documents import rounded
from weatherd.processing.limits import AMOUNTS

GOOD_STEPS = 1 / 30
"""So much of its step a curve stays good: 2 s of a minute, 10 s of five, a minute of half an hour."""

GOOD_AMOUNT_S = 0.5
"""An amount stays good only so long, for a single shower shows in its sum, however long the step is."""

KEPT_SIZE_MAX = 1_000_000
"""Bytes of curves that are kept: a few dozen."""


class Curve(NamedTuple):
    """
    What is drawn of a series.

    Attributes:
        series: Whose it is.
        step_ms: The length of a step.
        first: The number of the first step since 1970.
        end: The number of the step behind the last one.
    """

    series: Series
    step_ms: int
    first: int
    end: int


class Drawings:
    """
    Curves as JSON, the youngest ones kept.

    Args:
        follower: Who has the history.
        clock: The station's clock.
    """

    def __init__(self, follower: Follower, clock: Clock) -> None:
        self._follower = follower
        self._clock = clock
        self._kept: OrderedDict[Curve, tuple[float, bytes]] = OrderedDict()
        self._size = 0
        self._drawing: dict[Curve, asyncio.Task[bytes]] = {}

    async def curve(self, curve: Curve) -> msgspec.Raw:
        """Return a curve; who asks while it is being made waits for the same one. Raises HistoryUnavailable."""
        made_s, body = self._kept.get(curve, (0.0, b""))
        if body and self._clock.boottime_s() - made_s < _good_s(curve):
            return msgspec.Raw(body)
        task = self._drawing.get(curve)
        if task is None:
            task = self._drawing[curve] = asyncio.create_task(self._draw(curve))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())  # whoever asked may be gone
        return msgspec.Raw(await asyncio.shield(task))

    async def _draw(self, curve: Curve) -> bytes:
        made_s = self._clock.boottime_s()
        try:
            span_ms = (curve.first * curve.step_ms, curve.end * curve.step_ms)
            bins = await self._follower.bins(curve.series, curve.step_ms, *span_ms)
            body = await asyncio.to_thread(_encoded, curve.series, bins)
        finally:
            del self._drawing[curve]
        self._keep(curve, made_s, body)
        return body

    def _keep(self, curve: Curve, made_s: float, body: bytes) -> None:
        _, before = self._kept.pop(curve, (0.0, b""))
        self._kept[curve] = (made_s, body)
        self._size += len(body) - len(before)
        while self._size > KEPT_SIZE_MAX:
            _, (_, oldest) = self._kept.popitem(last=False)
            self._size -= len(oldest)


def _good_s(curve: Curve) -> float:
    return GOOD_AMOUNT_S if curve.series.quantity in AMOUNTS else curve.step_ms / 1000 * GOOD_STEPS


def _encoded(series: Series, bins: Sequence[Bin]) -> bytes:
    quantity = series.quantity
    shape = {
        "sensor": series.sensor,
        "time": [one.start_ms // 1000 for one in bins],
        "value": [rounded(quantity, one.value) for one in bins],
        "min": [rounded(quantity, one.least) for one in bins],
        "max": [rounded(quantity, one.greatest) for one in bins],
        "count": [one.weight for one in bins],
        "quality": [one.quality for one in bins],
    }
    return msgspec.json.encode(shape)
