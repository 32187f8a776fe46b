"""What all sensors on a GPIO line have in common: interrupts count as they come, and a measurement tells what came."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from weatherd.errors import LineUnavailable
from weatherd.model import Measurement
from weatherd.sensors.contact import Contact
from weatherd.sensors.gpio import EVENTS_MAX, READ_MAX, GpioChip, Request, gone, request


class EdgeSensor(ABC):
    """
    A contact on a line, behind the `Sensor` port.

    The event loop reads the line whenever there are edges. Their times are the kernel's, so nothing that keeps the loop
    busy shifts them.

    Args:
        chip: The chip of the line.
        name: Its name in the configuration.
        line: The number of the line, from 0.
        debounce_s: How long the contact must have been open before a closure counts.
        monotonic_ns: The clock of the edges.
    """

    model: str
    quantities: Sequence[str]

    def __init__(
        self,
        chip: GpioChip,
        name: str,
        line: int,
        *,
        debounce_s: float,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.name = name
        self._chip = chip
        self._line = line
        self._contact = Contact(debounce_s)
        self._monotonic_ns = monotonic_ns
        self._request: Request | None = None
        self._error: LineUnavailable | None = None

    @property
    def lost_edges_count(self) -> int:
        """Edges that came faster than they could be read, since the start."""
        return self._contact.lost_count

    async def open(self) -> None:
        """Request the line. Raises LineUnavailable."""
        self._release()
        self._error = None
        self._request = request(self._chip, self._line, f"weatherd {self.name}")
        try:
            is_open = self._request.is_open()
        except OSError as error:
            self._release()
            raise gone(self._chip, self._line, error) from error
        self._contact.start(self._monotonic_ns(), is_open=is_open)
        asyncio.get_running_loop().add_reader(self._request.fd, self._read)
        self._began()

    async def measure(self) -> Measurement:
        """Tell what came since the last measurement. Raises LineUnavailable if the chip has gone."""
        for _ in range(EVENTS_MAX // READ_MAX):  # what came while the loop was busy belongs to the time before
            if self._error is not None or not self._read():
                break
            await asyncio.sleep(0)
        if self._error is not None:
            raise self._error
        return self._measured(self._monotonic_ns())

    async def close(self) -> None:
        """Give the line back. Raises nothing."""
        self._release()

    def _read(self) -> bool:
        """Take in edges that wait; tell whether there were any."""
        assert self._request is not None, "open first"
        try:
            edges = self._request.read()
        except OSError as error:
            self._error = gone(self._chip, self._line, error)
            self._release()
            return False
        for edge in edges:
            if self._contact.closes(edge):
                self._closed(edge.at_ns)
        return bool(edges)

    def _release(self) -> None:
        if self._request is not None:
            asyncio.get_running_loop().remove_reader(self._request.fd)
            self._request.release()
            self._request = None

    def _began(self) -> None:  # noqa: B027 - most have nothing to do
        """Take note that edges come from now on."""

    @abstractmethod
    def _closed(self, at_ns: int) -> None:
        """Take note of a closure at a time of CLOCK_MONOTONIC."""

    @abstractmethod
    def _measured(self, now_ns: int) -> Measurement:
        """Return what came since the last time that this was asked, until now."""
