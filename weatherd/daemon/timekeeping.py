"""What depends on when the time is known: estimates wait for it, are corrected by it, and its steps are told."""

from collections.abc import Callable, Iterator

import structlog

from weatherd.clock import RELEASE_MS, Step, SystemClock
from weatherd.errors import JournalError
from weatherd.happenings import Happenings
from weatherd.journal import SqliteJournal

WAIT_PERIOD_S_FIRST = 1.0
"""While the time is not known, the kernel is asked so often at first, and then ever more seldom: a time daemon that has
not come in an hour makes nobody wait for a second."""

WATCH_PERIOD_S = 10.0
"""Steps of a clock that is known are told so often; of one that is not known, at least as often."""


class Timekeeper:
    """
    Let go of what is held back once the time is known, or after a while, and tell of steps.

    Args:
        journal: Holds estimates back.
        clock: The station's clock.
        log: Where people read.
        happenings: Where steps are told.
        hold_max_s: How long after the boot estimates are held back; if the wall clock shows a time that has been long
            ago, so long after the start.
        delays: Makes the delays between attempts to correct what is in the journal.
    """

    def __init__(
        self,
        journal: SqliteJournal,
        clock: SystemClock,
        log: structlog.typing.FilteringBoundLogger,
        happenings: Happenings,
        *,
        hold_max_s: float,
        delays: Callable[[], Iterator[float]],
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._log = log
        self._happenings = happenings
        self._delays = delays
        started_s = clock.boottime_s() if clock.now_ms() < RELEASE_MS else 0.0
        self._held_until_s = started_s + hold_max_s
        self.steps_count = 0
        self._release_if_late()

    async def run(self) -> None:
        """Watch the clock until cancelled."""
        pause_s = WAIT_PERIOD_S_FIRST
        while not self._is_known():
            self._release_if_late()
            self._tell_steps()
            await self._clock.sleep(pause_s)
            pause_s = min(2 * pause_s, WATCH_PERIOD_S)
        await self._correct()
        while True:
            self._tell_steps()
            await self._clock.sleep(WATCH_PERIOD_S)
            self._clock.synchronized()  # looks at the clocks

    def _is_known(self) -> bool:
        self._clock.synchronized()  # looks at the clocks
        return self._clock.offset_ms() is None

    def _release_if_late(self) -> None:
        if self._journal.is_holding and self._clock.boottime_s() >= self._held_until_s:
            self._journal.release()
            message = "nobody says that the time is right; documents go out with the station's own estimate, and say so"
            self._log.warning("timekeeping.unsynchronized", message=message)

    async def _correct(self) -> None:
        """Correct what was stamped before the time was known."""
        for delay_s in self._delays():
            try:
                await self._journal.correct(self._clock.known_offset_ms())
            except JournalError as error:
                message = f"the stamps in the journal are not corrected yet: {error}"
                self._log.error("timekeeping.paused", message=message, code=error.code, hint=error.hint)
                await self._clock.sleep(delay_s)
            else:
                return

    def _tell_steps(self) -> None:
        for step in self._clock.steps():
            self.steps_count += 1
            self._happenings.tell("timekeeping.clock_stepped", "clock_stepped", _sentence(step), step_ms=step.step_ms)


def _sentence(step: Step) -> str:
    what = f"the clock was stepped by {step.step_ms / 1000:+,.1f} s"
    if not step.adopted:
        return f"{what} while nobody says that it is right; the station keeps its own time"
    return what if step.synchronized else f"{what}, though nobody says that it is right"
