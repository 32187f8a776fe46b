"""
The real clock: the only reader of time outside the tests.

A Pi has no clock battery, so its wall time jumps when the network comes up. What must not jump (periods, delays,
ages) is measured by the boot clock; what a document says is wall time, with the kernel's word on whether it is
synchronised.
"""

import asyncio
import ctypes
import time

from weatherd.ports import Clock

_TIMEX_SIZE = 512  # struct timex is 208 bytes with 64-bit time_t; the rest is room for future fields
_TIME_ERROR = 5  # adjtimex(2): "the clock is not synchronised"


class SystemClock(Clock):
    """Read the kernel's clocks."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)

    def boottime_s(self) -> float:
        """Return CLOCK_BOOTTIME: unlike CLOCK_MONOTONIC it goes on through a suspension."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def now_ms(self) -> int:
        """Return the wall time, UTC."""
        return time.time_ns() // 1_000_000

    def synchronized(self) -> bool:
        """
        Ask the kernel whether a time daemon keeps the wall clock right.

        A container or a sandbox may forbid the call; then nobody knows, and nobody says so.

        Source:
            adjtimex(2), return value; `modes = 0` only reads.
        """
        state: int = self._libc.adjtimex(ctypes.create_string_buffer(_TIMEX_SIZE))
        return 0 <= state < _TIME_ERROR

    async def sleep(self, delay_s: float) -> None:
        """Wait on the event loop's timer."""
        await asyncio.sleep(delay_s)
