"""Whether the time is right."""

from weatherd.clock import RELEASE_MS, SystemClock
from weatherd.doctor.findings import Finding, fail, ok, warn
from weatherd.processing.documents import iso_8601

_HINT = (
    "`timedatectl` shows it, `sudo timedatectl set-ntp true` lets systemd-timesyncd set it; "
    "without a network, a clock module does; in a container, it is the host's"
)


def synchronized(clock: SystemClock, hold_max_s: float) -> Finding:
    """
    Tell whether the kernel says that the clock is synchronised.

    Args:
        clock: The station's.
        hold_max_s: How long documents wait for that, after a boot.
    """
    now_ms = clock.now_ms()
    if clock.synchronized():
        return ok("clock", "clock", f"synchronised: {iso_8601(now_ms)}")
    if now_ms < RELEASE_MS:
        sentence = f"says {iso_8601(now_ms)}, which is before this release was made"
        return fail("clock", "clock", "clock.wrong", sentence, _HINT)
    left_s = hold_max_s - clock.boottime_s()
    waits = f"documents wait for up to {left_s:.0f} s" if left_s > 0 else "documents are sent, and say so"
    return warn("clock", "clock", "clock.not_synchronized", f"not synchronised: {waits}", _HINT)
