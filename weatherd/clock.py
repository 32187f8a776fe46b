"""
The real clock: the only reader of time outside the tests.

A Pi has no clock battery: its wall clock starts wrong, and steps when the network comes up. The boot clock never
steps. So the station's time is the boot clock and an offset, and the wall clock is asked for the offset only:

1. While the kernel says that the wall clock is synchronised, the offset follows it. From then on no stamp is an
   estimate.
2. Until it first says so, the offset is that of the start, or larger, so that the time is not before what is in the
   journal. A step of the wall clock is followed, because somebody may have set it by hand; but not to a time before the
   journal's, or before this release.
3. When it said so once and no longer does, the offset follows the wall clock as long as that does not step. The boot
   clock goes on being true.

Only a step changes what lies between Linux's two clocks: where a time daemon makes the wall clock run faster or slower,
the boot clock runs with it (clock_gettime(2)). Whoever steps the wall clock takes the kernel's word away with the same
call, or gives it (adjtimex(2), STA_UNSYNC); so at a step the kernel is asked anew, and the clocks are read after it.
"""

import asyncio
import ctypes
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from weatherd.ports import Clock

RELEASE_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z, the year of this release: a wall clock before it is wrong, whatever the kernel says."""

_MS_NS = 1_000_000
_STEP_NS = 500 * _MS_NS
_APART_NS_MAX = 1 * _MS_NS
_READINGS_MAX = 3
_STEPS_MAX = 16
_BEHIND_MS = 1000
_ASK_PERIOD_NS = 1_000_000_000
_TIMEX_SIZE = 512  # struct timex is 208 bytes with 64-bit time_t; the rest is room for future fields
_TIME_ERROR = 5  # adjtimex(2): "the clock is not synchronised"
_boottime_ns = partial(time.clock_gettime_ns, time.CLOCK_BOOTTIME)
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # random(4)
_BOOT_ID_LENGTH = 8


class Step(NamedTuple):
    """
    The station's time was changed by more than half a second, or would have been.

    Attributes:
        step_ms: By how much; less than zero for a step back.
        adopted: Whether it was changed.
        synchronized: Whether the kernel said that the wall clock is synchronised.
        observed_at_ms: The station's time when it was noticed; the new one if it was changed.
    """

    step_ms: int
    adopted: bool
    synchronized: bool
    observed_at_ms: int


class SystemClock(Clock):
    """
    Read the kernel's clocks.

    Args:
        boottime_ns: Reads the boot clock.
        wall_ns: Reads the wall clock.
        adjtimex: Asks the kernel for the state of the wall clock; the answer is that of adjtimex(2).
        boot_id: Where the kernel names the boot.
    """

    def __init__(
        self,
        *,
        boottime_ns: Callable[[], int] = _boottime_ns,
        wall_ns: Callable[[], int] = time.time_ns,
        adjtimex: Callable[[], int] | None = None,
        boot_id: Path = _BOOT_ID,
    ) -> None:
        self._boottime_ns = boottime_ns
        self._wall_ns = wall_ns
        self._adjtimex = adjtimex or _adjtimex()
        self._boot_id = boot_id
        self._lock = threading.Lock()  # emulated chips ask for the time from the thread of their bus
        self._kernel_agrees = False
        self._synchronized = False
        self._was_synchronized = False
        self._floor_ns = RELEASE_MS * _MS_NS
        self._steps: deque[Step] = deque(maxlen=_STEPS_MAX)
        self._asked_ns = boottime_ns() - _ASK_PERIOD_NS
        boot_ns, now_ns = self._read()
        self._offset_ns = self._wall_offset_ns = now_ns - boot_ns
        self._look()

    def boottime_s(self) -> float:
        """Return CLOCK_BOOTTIME: unlike CLOCK_MONOTONIC it goes on through a suspension."""
        return self._boottime_ns() / 1e9

    def now_ms(self) -> int:
        """Return the station's time, UTC."""
        with self._lock:
            return (self._look() + self._offset_ns) // _MS_NS

    def synchronized(self) -> bool:
        """
        Tell whether the kernel says that a time daemon keeps the wall clock right, and that can be.

        A container or a sandbox may forbid to ask; then nobody knows, and nobody says so.
        """
        with self._lock:
            self._look()
            return self._synchronized

    def offset_ms(self) -> int | None:
        """
        Return what the last `now_ms` added to the boot clock while that is an estimate; None once it was synchronised.

        It does not look at the clocks itself, so that it fits the stamp that was taken before it.
        """
        return None if self._was_synchronized else self.known_offset_ms()

    def known_offset_ms(self) -> int:
        """Return what the last `now_ms` added to the boot clock, be it an estimate or not."""
        return self._offset_ns // _MS_NS

    def not_before(self, time_ms: int) -> None:
        """
        Keep the order of what is recorded: as long as the time is an estimate, it is after what was recorded before.

        Args:
            time_ms: The newest time in the journal.
        """
        with self._lock:
            boot_ns = self._look()
            if self._was_synchronized:
                return
            self._floor_ns = max(self._floor_ns, time_ms * _MS_NS)
            if boot_ns + self._offset_ns < time_ms * _MS_NS:
                self._move(boot_ns, (time_ms + _BEHIND_MS) * _MS_NS - boot_ns, adopted=True)

    def steps(self) -> Sequence[Step]:
        """Return the steps since the last call, the oldest first; of very many, the newest."""
        with self._lock:
            steps = tuple(self._steps)
            self._steps.clear()
        return steps

    def boot_id(self) -> str:
        """Return eight hex digits that name this boot of the machine; empty if the kernel does not tell."""
        try:
            return self._boot_id.read_text(encoding="ascii")[:_BOOT_ID_LENGTH]
        except (OSError, UnicodeError):
            return ""

    async def sleep(self, delay_s: float) -> None:
        """Wait on the event loop's timer."""
        await asyncio.sleep(delay_s)

    async def sleep_unless(self, event: asyncio.Event, delay_s: float) -> None:
        """Wait for an event, which the event loop's timer sets: a third of what `asyncio.timeout` costs."""
        timer = asyncio.get_running_loop().call_later(delay_s, event.set)
        try:
            await event.wait()
        finally:
            timer.cancel()

    def _look(self) -> int:
        """Compare the clocks, change the offset where the rules say so, and return the boot clock."""
        if self._boottime_ns() - self._asked_ns >= _ASK_PERIOD_NS:
            self._ask()
        boot_ns, wall_ns = self._read()
        if abs(wall_ns - boot_ns - self._wall_offset_ns) > _STEP_NS:
            self._ask()
            boot_ns, wall_ns = self._read()
        offset_ns = wall_ns - boot_ns
        has_stepped = abs(offset_ns - self._wall_offset_ns) > _STEP_NS
        self._synchronized = self._kernel_agrees and wall_ns >= RELEASE_MS * _MS_NS
        self._was_synchronized |= self._synchronized
        if self._synchronized:
            adopted = True
        elif self._was_synchronized:
            adopted = abs(offset_ns - self._offset_ns) <= _STEP_NS
        else:
            adopted = has_stepped and wall_ns >= self._floor_ns
        if adopted or has_stepped:
            self._wall_offset_ns = offset_ns
            self._move(boot_ns, offset_ns, adopted=adopted)
        return boot_ns

    def _move(self, boot_ns: int, offset_ns: int, *, adopted: bool) -> None:
        """Change the offset or refuse to, and remember a step."""
        step_ns = offset_ns - self._offset_ns
        if adopted:
            self._offset_ns = offset_ns
        if abs(step_ns) > _STEP_NS:
            now_ms = (boot_ns + self._offset_ns) // _MS_NS
            self._steps.append(Step(round(step_ns / _MS_NS), adopted, self._synchronized, now_ms))

    def _ask(self) -> None:
        """Ask the kernel: once a second at most, because every observation asks us, and at a step of the wall clock."""
        self._asked_ns = self._boottime_ns()
        self._kernel_agrees = 0 <= self._adjtimex() < _TIME_ERROR

    def _read(self) -> tuple[int, int]:
        """Read both clocks as one: a process that had to wait in between must not take that for a step."""
        readings: list[tuple[int, int, int]] = []
        for _ in range(_READINGS_MAX):
            before_ns = self._boottime_ns()
            wall_ns = self._wall_ns()
            apart_ns = self._boottime_ns() - before_ns
            if apart_ns <= _APART_NS_MAX:
                return before_ns + apart_ns // 2, wall_ns
            readings.append((apart_ns, before_ns + apart_ns // 2, wall_ns))
        _, boot_ns, wall_ns = min(readings)
        return boot_ns, wall_ns


def _adjtimex() -> Callable[[], int]:
    """
    Return a function that asks the kernel for the state of the wall clock.

    Source:
        adjtimex(2), return value; `modes = 0` only reads.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    timex = ctypes.create_string_buffer(_TIMEX_SIZE)
    return lambda: int(libc.adjtimex(timex))
