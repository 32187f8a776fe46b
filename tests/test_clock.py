import subprocess
import sys
import time

from weatherd.clock import SystemClock


def test_the_boot_clock_goes_on() -> None:
    """Seconds since boot, never less than before."""
    clock = SystemClock()
    before_s = clock.boottime_s()
    assert 0 < before_s <= clock.boottime_s()


def test_wall_time_is_in_milliseconds() -> None:
    """Between two readings of the system's clock."""
    before_ms = time.time_ns() // 1_000_000
    assert before_ms <= SystemClock().now_ms() <= time.time_ns() // 1_000_000


def test_the_kernel_is_asked_whether_the_clock_is_synchronised() -> None:
    """The answer is that of adjtimex, asked another way."""
    program = "import ctypes; print(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512)))"
    state = int(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout)
    assert SystemClock().synchronized() is (0 <= state < 5)


async def test_sleep_waits_at_least_so_long() -> None:
    """A sleeper does not wake early."""
    clock = SystemClock()
    before_s = clock.boottime_s()
    await clock.sleep(0.01)
    assert clock.boottime_s() - before_s >= 0.0099
