"""
The real clock: the only reader of time outside the tests.

A Pi has no clock battery, so its wall time jumps when the network comes up. What must not jump (periods, delays,
ages) is measured by the boot clock; what a document says is wall time, with the kernel's word on whether it is
synchronised.
"""

import asyncio
import ctypes
import math
import time

from weatherd.ports import Clock

_TIMEX_SIZE = 512  # struct timex is 208 bytes with 64-bit time_t; the rest is room for future fields
_ASK_PERIOD_S = 1.0
_TIME_ERROR = 5  # adjtimex(2): "the clock is not synchronised"


class SystemClock(Clock):
    """Read the kernel's clocks."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._timex = ctypes.create_string_buffer(_TIMEX_SIZE)
        self._asked_s = -math.inf
        self._synchronized = False

    def boottime_s(self) -> float:
        """Return CLOCK_BOOTTIME: unlike CLOCK_MONOTONIC it goes on through a suspension."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def now_ms(self) -> int:
        """Return the wall time, UTC."""
        return time.time_ns() // 1_000_000

    def synchronized(self) -> bool:
        """
        Ask the kernel whether a time daemon keeps the wall clock right.

        A container or a sandbox may forbid the call; then nobody knows, and nobody says so. The answer is kept for a
        second: every observation asks.

        Source:
            adjtimex(2), return value; `modes = 0` only reads.
        """
        now_s = self.boottime_s()
        if now_s - self._asked_s >= _ASK_PERIOD_S:
            self._asked_s = now_s
            self._synchronized = 0 <= self._libc.adjtimex(self._timex) < _TIME_ERROR
        return self._synchronized

    async def sleep(self, delay_s: float) -> None:
        """Wait on the event loop's timer."""
        await asyncio.sleep(delay_s)
