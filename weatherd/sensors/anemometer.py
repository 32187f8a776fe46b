"""Cup anemometer on a GPIO line: wind speed from the pulses of a contact, mean and gust."""

import time
from collections import deque
from collections.abc import Callable, Sequence

from weatherd.errors import Chattering
from weatherd.model import Measurement
from weatherd.sensors.edges import EdgeSensor
from weatherd.sensors.gpio import GpioChip

GUST_S = 3.0
"""A gust is the highest mean of 3 s (WMO-No. 8, volume I, chapter 5, section 5.1.1: peak gust)."""

_GUST_NS = round(GUST_S * 1e9)
_PULSES_MAX = 10_000
"""In three seconds: thrice what the fastest parts give, 1 kHz."""

_RESTLESS_NS_MAX = 10**9
"""No contact bounces for so long: it chatters, or the wind is too fast for the debounce time. Both look like a calm."""

_ELAPSED_S_MIN = 0.5
"""A pulse in a shorter time, just after the start, says nothing about the wind."""


class Anemometer(EdgeSensor):
    """
    A cup anemometer, behind the `Sensor` port. Wind speeds in m/s, 0 when nothing turns.

    A contact that chatters all the time tells of no wind, not of a calm: it raises Chattering.

    A measurement is of the time since the one before. The mean is all pulses over that time; the gust is the most
    intervals between pulses that lie within three seconds, over three seconds; they may have begun before that time.
    In a light wind, with a pulse in several seconds, that is less than the mean, which then counts for both.

    Args:
        chip: The chip of the line.
        name: Its name in the configuration.
        line: The number of the line, from 0.
        m_per_s_per_hz: Wind speed of one pulse a second.
        debounce_s: How long the contact must have been open before a pulse counts.
        monotonic_ns: The clock of the edges.
    """

    model = "cup anemometer"
    quantities: Sequence[str] = ("wind_speed", "wind_speed_of_gust")

    def __init__(
        self,
        chip: GpioChip,
        name: str,
        line: int,
        *,
        m_per_s_per_hz: float,
        debounce_s: float,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        super().__init__(chip, name, line, debounce_s=debounce_s, monotonic_ns=monotonic_ns)
        self._m_per_s_per_hz = m_per_s_per_hz
        self._since_ns = 0
        self._count = 0
        self._gust_count = 0
        self._recent_ns: deque[int] = deque(maxlen=_PULSES_MAX)

    def _began(self) -> None:
        self._since_ns = self._monotonic_ns()
        self._count = self._gust_count = 0
        self._recent_ns.clear()

    def _closed(self, at_ns: int) -> None:
        self._count += 1
        self._recent_ns.append(at_ns)
        while at_ns - self._recent_ns[0] > _GUST_NS:
            self._recent_ns.popleft()
        self._gust_count = max(self._gust_count, len(self._recent_ns) - 1)

    def _measured(self, now_ns: int) -> Measurement:
        elapsed_s = max((now_ns - self._since_ns) / 1e9, _ELAPSED_S_MIN)
        mean = self._count / elapsed_s * self._m_per_s_per_hz
        gust = self._gust_count / GUST_S * self._m_per_s_per_hz
        self._since_ns = now_ns
        self._count = self._gust_count = 0
        restless_ns, self._contact.restless_ns = self._contact.restless_ns, 0
        if restless_ns > _RESTLESS_NS_MAX:
            raise Chattering(
                f"the contact did not come to rest for {restless_ns / 1e9:.1f} s, so that nobody can count its pulses",
                "look for water in the plug and for a loose wire; or lower debounce_ms",
            )
        return {"wind_speed": mean, "wind_speed_of_gust": max(gust, mean)}
