"""
Reaping: as the first process of a container, the daemon inherits the orphans of every program in it.

A program that is started through a script leaves children behind when it is ended. When those end they stay as zombies
until their parent asks for their exit codes, and their parent is then process 1. With an init program in the container
(`docker run --init`) that is not us, and there is nothing to do.
"""

import contextlib
import os

from weatherd.ports import Clock

REAP_PERIOD_S = 2.0
"""Far longer than it takes to ask for the exit code of a program that somebody waits for."""


class Reaper:
    """
    Reap orphans, and no process that somebody here waits for.

    Args:
        clock: The station's clock.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen_pid = 0

    async def run(self) -> None:
        """Reap until cancelled."""
        while True:
            self.reap()
            await self._clock.sleep(REAP_PERIOD_S)

    def reap(self) -> None:
        """
        Reap every orphan that has ended.

        The programs of sensors are leaders of their process groups, and what a driver may start is in our own group:
        one of those is reaped only if it still waits in the next round, which shows that nobody asks for it.
        """
        with contextlib.suppress(ChildProcessError):  # there are no children
            while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
                pid = ended.si_pid
                if os.getpgid(pid) in {pid, os.getpgid(0)} and pid != self._seen_pid:
                    self._seen_pid = pid
                    return
                os.waitpid(pid, 0)
