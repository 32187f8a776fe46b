"""
Sampling of a receiver of infrared: each press of a key is an event, told when it is over, with its repeats counted.

What is heard goes to whoever listens at once, and into the journal at a bounded rate: a lamp that flickers, or a remote
under a cushion, must not flood an index that is kept for years. Events wait here while the queue is full, and push no
observation out of it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator

import msgspec

from weatherd.errors import SensorError
from weatherd.model import Event, Infrared, Observation
from weatherd.ports import Clock, Receiver
from weatherd.queueing import BoundedQueue
from weatherd.sampling.condition import Condition
from weatherd.throttling import Allowance

ACTION = "infrared_received"

RELEASED_S = 0.3
"""A key that is not heard for so long is let go of; a held one is heard each 125 ms at least."""

EVENTS_BURST_MAX = 20
"""Events of one receiver that may come at once."""

EVENT_PERIOD_S = 5.0
"""Behind them, one more in each of these: at most 17,280 a day, whatever happens."""

UNQUEUED_MAX = 50
"""Events that wait for room in the queue; the oldest give way."""

_HEALTHY_S = 60.0
"""A device that was there for so long is looked for as if for the first time when it has gone."""


class HeardSampler:
    """
    Listen to one receiver for ever.

    Args:
        receiver: The receiver.
        clock: The station's clock.
        queue: Where events go; they can wait.
        condition: Tells when the receiver is lost and found.
        tell: Is told at once what is heard, each repeat of a key too.
        delays: Makes the delays between attempts at a receiver that is not there.
    """

    calibration = ""
    skipped_count = lost_edges_count = 0

    def __init__(
        self,
        receiver: Receiver,
        clock: Clock,
        queue: BoundedQueue[Observation | Event],
        condition: Condition,
        *,
        tell: Callable[[str, Infrared], None],
        delays: Callable[[], Iterator[float]],
    ) -> None:
        self.name = receiver.name
        self.names = frozenset({receiver.name})
        self.model = receiver.model
        self.condition = condition
        self.tried = asyncio.Event()
        self.counts: dict[str, int] = {"keys": 0, "repeats": 0, "timings": 0, "unknown": 0, "left_out": 0}
        self._receiver = receiver
        self._clock = clock
        self._queue = queue
        self._tell = tell
        self._new_delays = delays
        self._allowance = Allowance(clock.boottime_s(), EVENTS_BURST_MAX, EVENT_PERIOD_S)
        self._left_out_count = 0
        self._press: Event | None = None
        self._heard_s = 0.0
        self._stirred = asyncio.Event()
        self._unqueued: deque[Observation | Event] = deque(maxlen=UNQUEUED_MAX)

    @property
    def unqueued_count(self) -> int:
        """Events that wait for room in the queue."""
        return len(self._unqueued)

    async def run(self) -> None:
        """Listen until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            group.create_task(self._settle())

    async def finish(self) -> None:
        """Tell the press that is not over yet; after `run` has been cancelled."""
        self._end_press()
        await self._queue.put(self._unqueued)
        await self._receiver.close()

    async def _listen(self) -> None:
        delays = self._new_delays()
        while True:
            began_s = self._clock.boottime_s()
            try:
                await self._receiver.open()
                self.condition.working()
                self.tried.set()
                await self._receiver.run(self._hear)
            except SensorError as error:
                self.condition.failed(error)
                self.condition.lost(error)
                self.tried.set()
            if self._clock.boottime_s() - began_s > _HEALTHY_S:
                delays = self._new_delays()
            await self._clock.sleep(next(delays))

    async def _settle(self) -> None:
        """End each press when its key is let go of, and let events into the queue."""
        while True:
            self._stirred.clear()
            await self._queue.put(self._unqueued)
            if self._press is None:
                await self._stirred.wait()
                continue
            rest_s = self._heard_s + RELEASED_S - self._clock.boottime_s()
            if rest_s > 0:
                await self._clock.sleep(rest_s)
            else:
                self._end_press()

    def _hear(self, heard: Infrared) -> None:
        self._tell(self.name, heard)
        self.counts[_kind(heard)] += 1
        if not heard.protocol:
            return  # the timings of a key that is told by itself
        if heard.repeat and self._press is not None and _is_same(heard, self._press.infrared):
            self._press = msgspec.structs.replace(self._press, infrared=heard)
        else:
            self._end_press()
            self._press = self._begun(heard)
        self._heard_s = self._clock.boottime_s()
        self._stirred.set()

    def _begun(self, heard: Infrared) -> Event:
        return Event(
            action=ACTION,
            message="",
            observed_at_ms=self._clock.now_ms(),
            clock_synchronized=self._clock.synchronized(),
            sensor=self.name,
            clock_offset_ms=self._clock.offset_ms(),
            infrared=heard,
        )

    def _end_press(self) -> None:
        press, self._press = self._press, None
        if press is None:
            return
        if not self._allowance.take(self._clock.boottime_s()):
            self._left_out_count += 1
            self.counts["left_out"] += 1
            return
        assert press.infrared is not None
        heard = msgspec.structs.replace(press.infrared, left_out_count=self._left_out_count)
        self._left_out_count = 0
        self._unqueued.append(
            msgspec.structs.replace(press, infrared=heard, message=f"{self.name} heard {sentence(heard)}")
        )


def sentence(heard: Infrared) -> str:
    """Tell in words what was heard: ``nec 0x40bf (tv_power), held for 3 repeats``."""
    if heard.timings_us:
        words = f"{len(heard.timings_us)} timings that no decoder of the kernel knows"
    else:
        words = f"{heard.protocol} {heard.scancode}"
    if heard.command:
        words += f" ({heard.command})"
    if heard.repeat:
        words += ", held for 1 repeat" if heard.repeat == 1 else f", held for {heard.repeat:,} repeats"
    if heard.left_out_count:
        words += f"; {heard.left_out_count:,} before it were too many to be told"
    return words


def _kind(heard: Infrared) -> str:
    if heard.timings_us:
        return "unknown" if heard.protocol else "timings"
    return "repeats" if heard.repeat else "keys"


def _is_same(heard: Infrared, before: Infrared | None) -> bool:
    return before is not None and (heard.protocol, heard.scancode) == (before.protocol, before.scancode)
