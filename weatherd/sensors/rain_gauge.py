"""
Tipping bucket on a GPIO line: each tip once, whatever happens to the process.

    N   tips ever, in a file in memory that is written at each tip (`weatherd.sensors.tally`)
    M   tips that stand in observations: `statistics.rainfall_amount.total` of the newest one in the journal

At a start, N - M tips are owed, and go into the first observation. So a tip is neither lost nor counted twice,
whichever moment the process was killed in: before the file was written it was not counted, afterwards it is owed until
an observation with it is in the journal. After a power cut the file is gone and N = M: what it takes are the tips of
the report period it came in. Where the journal is gone instead, the file knows M as of the last but one measurement.
"""

import datetime as dt
import time
from collections.abc import Callable, Mapping, Sequence

import structlog

from weatherd.errors import Chattering
from weatherd.model import Measurement
from weatherd.ports import Clock
from weatherd.processing.documents import Document, time_ms_of
from weatherd.sensors.edges import EdgeSensor
from weatherd.sensors.gpio import GpioChip
from weatherd.sensors.rain import RATE_MM_PER_H_MAX, Day, Rate
from weatherd.sensors.tally import Tally, TallyFile

AMOUNT, RATE, OF_DAY = "rainfall_amount", "rainfall_rate", "rainfall_amount_of_day"


class RainGauge(EdgeSensor):
    """
    A tipping bucket, behind the `Sensor` port. Amounts in mm, the rate in mm/h; 0 while it does not rain.

    A measurement is of the time since the one before.

    Args:
        chip: The chip of the line.
        name: Its name in the configuration.
        line: The number of the line, from 0.
        mm_per_tip: Rain that one tip stands for.
        debounce_s: How long the contact must have been open before a tip counts.
        time_zone: Whose midnight begins a day.
        file: Keeps the tips over the end of the process.
        clock: Tells which day it is.
        log: Is told if the file cannot be written.
        monotonic_ns: The clock of the edges.
    """

    model = "tipping bucket"
    quantities: Sequence[str] = (AMOUNT, RATE, OF_DAY)

    def __init__(
        self,
        chip: GpioChip,
        name: str,
        line: int,
        *,
        mm_per_tip: float,
        debounce_s: float,
        time_zone: dt.tzinfo,
        file: TallyFile,
        clock: Clock,
        log: structlog.typing.FilteringBoundLogger,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        super().__init__(chip, name, line, debounce_s=debounce_s, monotonic_ns=monotonic_ns)
        self._mm_per_tip = mm_per_tip
        self._file = file
        self._clock = clock
        self._log = log
        self._rate = Rate(mm_per_tip)
        self._day = Day(time_zone)
        self._recalled: Tally | None = None
        self._total = 0
        self._given = 0  # as of the last measurement
        self._certain = 0  # as of the one before, whose observation was formed long ago
        self._refused_count = 0
        self._has_begun = False
        self._kept: Tally | None = None
        self._is_kept = True

    def totals(self) -> Mapping[str, int]:
        """Return how many tips there were ever, as of the last measurement."""
        return {AMOUNT: self._given}

    def recall(self, document: Document) -> None:
        """Take up what an earlier observation says, before the first `open`; the oldest first, of any sensor."""
        if document.sensor is None or document.sensor.name != self.name:
            return
        spread, amount = document.statistics.get(AMOUNT), (document.weather or {}).get(OF_DAY)
        if spread is None or spread.total is None or amount is None:
            return
        time_ms = time_ms_of(document.timestamp)
        self._recalled = Tally(spread.total, spread.total, self._day.number_of(time_ms), amount)

    async def close(self) -> None:
        """Give the line back, and keep what was counted. Raises nothing."""
        await super().close()
        if self._has_begun:
            self._certain = self._given
            self._keep()

    def _began(self) -> None:
        if not self._has_begun:
            self._take_up(self._recalled, self._file.read())
            self._has_begun = True
        self._keep()

    def _take_up(self, recalled: Tally | None, kept: Tally | None) -> None:
        """Go on from the newest observation and the file; each of them may be missing."""
        known = kept or recalled or Tally()
        self._given = self._certain = known.given if recalled is None else recalled.total
        # A file behind the journal is of another life: a journal that was brought back.
        self._total = max(known.total, self._given)
        self._day.go_on(known.day, known.day_amount, self._clock.now_ms())

    def _closed(self, at_ns: int) -> None:
        if not self._rate.tip(at_ns):
            self._refused_count += 1
            return
        self._total += 1
        age_ms = (self._monotonic_ns() - at_ns) // 1_000_000
        self._day.add(self._mm_per_tip, self._clock.now_ms() - age_ms)
        self._keep()

    def _measured(self, now_ns: int) -> Measurement:
        if self._refused_count:
            raise self._taken_back()
        tips = self._total - self._given
        self._certain, self._given = self._given, self._total
        self._keep()
        return {
            AMOUNT: tips * self._mm_per_tip,
            RATE: self._rate.mm_per_h(now_ns),
            OF_DAY: self._day.told(self._clock.now_ms()),
        }

    def _taken_back(self) -> Chattering:
        """Take back the tips since the last measurement: a contact that chatters tells of no rain."""
        count = self._refused_count + self._total - self._given
        self._day.add((self._given - self._total) * self._mm_per_tip, self._clock.now_ms())
        self._total = self._given
        self._refused_count = 0
        self._keep()
        return Chattering(
            f"the contact closed {count} times, more than a rain of {RATE_MM_PER_H_MAX:g} mm/h can make it",
            "look for water in the plug and for a loose wire; or raise debounce_ms",
        )

    def _keep(self) -> None:
        """Write the file. Without it the gauge goes on, but what a killed process has not reported is lost."""
        tally = Tally(self._total, self._certain, self._day.number, self._day.amount_mm)
        if tally == self._kept:
            return
        try:
            self._file.write(tally)
        except OSError as error:
            if self._is_kept:
                self._log.error("rain_gauge.not_kept", message=f"{self.name}: tips are not kept: {error}")
            self._kept, self._is_kept = None, False
        else:
            self._kept, self._is_kept = tally, True
