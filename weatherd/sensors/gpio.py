"""
The door to GPIO: a line of a chip that is requested for its edges, and read without waiting.

    contact ─ pin ─> interrupt, stamped by the kernel ─> its buffer ─> file descriptor ─> event loop ─> Contact

The kernel keeps up to 1,024 edges of a line until somebody reads them, so a loop that is busy for a moment shifts no
time and loses no edge. If more come, the oldest give way, and a gap in their numbers tells how many (Linux,
drivers/gpio/gpiolib-cdev.c, linereq_put_event). Its own debouncing is not used: it would tell of a closure only after
the bouncing is over, and not all chips do it alike.
"""

import errno
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from weatherd.errors import LineUnavailable
from weatherd.model import Edge

if TYPE_CHECKING:
    import gpiod

EVENTS_MAX = 1024
"""Edges that wait in the kernel: as many as it grants for any number of lines (gpiolib-cdev.c: 16 a line, 64 lines)."""

READ_MAX = 128
"""Edges that are read at once: a few milliseconds on a Pi Zero, in which nobody else has the loop."""

_NO_CHIP = (
    "list the chips with `gpiodetect` and set gpio.chip in weatherd.toml: the 40 pins are on /dev/gpiochip0, "
    "on a Pi 5 with an older kernel on /dev/gpiochip4"
)
_HINTS = {
    errno.ENOENT: _NO_CHIP,
    errno.ENODEV: _NO_CHIP,
    errno.ENOTTY: _NO_CHIP,
    errno.EACCES: "let the user in with `sudo usermod -aG gpio USER`, and start weatherd again",
    errno.EPERM: "let the user in with `sudo usermod -aG gpio USER`, and start weatherd again",
    errno.EINVAL: "the chip has no such line: `gpioinfo` lists those that it has; line is a GPIO number, not a pin",
    errno.ENXIO: "the chip cannot tell of edges on this line: use one of the 40 pins",
}


class Request(Protocol):
    """One line that is ours: edges come until it is released."""

    fd: int

    def is_open(self) -> bool:
        """Tell whether the line is high now. Raises OSError if its chip has gone."""
        ...

    def read(self) -> Sequence[Edge]:
        """Return the oldest edges that wait, at most `READ_MAX`, perhaps none. Raises OSError if the chip has gone."""
        ...

    def release(self) -> None:
        """Give the line back. Raises nothing."""
        ...


class GpioChip(Protocol):
    """A chip whose lines can be requested."""

    name: str

    def request(self, line: int, consumer: str) -> Request:
        """Make a line ours: an input that is pulled up, with both edges. Raises OSError as the kernel does."""
        ...

    def consumer(self, line: int) -> str:
        """Return who has a line, in his own words; nothing if nobody has, or the chip does not tell."""
        ...


def request(chip: GpioChip, line: int, consumer: str) -> Request:
    """
    Make a line ours.

    Args:
        chip: The chip.
        line: The number of the line on it, from 0.
        consumer: Who we are, for `gpioinfo` and others who want the line; the kernel keeps 31 bytes.

    Raises:
        LineUnavailable: If it cannot be had. Transient: the chip may come, the other may let go of it.
    """
    try:
        return chip.request(line, consumer)
    except OSError as error:
        if error.errno == errno.EBUSY:
            holder = chip.consumer(line) or "another program"
            raise LineUnavailable(
                f"line {line} of {chip.name} is taken by {holder}",
                "stop what uses it, or wire the sensor to another line; `gpioinfo` shows who has which",
            ) from error
        raise gone(chip, line, error) from error


def gone(chip: GpioChip, line: int, error: OSError) -> LineUnavailable:
    """Return what people are told of a line that does not work."""
    return LineUnavailable(
        f"line {line} of {chip.name} cannot be used: {error.strerror or error}",
        _HINTS.get(error.errno or 0, "check gpio.chip in the configuration, and `dmesg`"),
    )


class LinuxChip:
    """
    A chip of this machine, through libgpiod.

    Args:
        path: ``/dev/gpiochip0``. Nothing is opened yet.
    """

    def __init__(self, path: str) -> None:
        self.name = path

    def request(self, line: int, consumer: str) -> Request:
        """As the port says."""
        import gpiod  # noqa: PLC0415 - 4 MB, for those who have a sensor on a line

        settings = gpiod.LineSettings(
            direction=gpiod.line.Direction.INPUT,
            edge_detection=gpiod.line.Edge.BOTH,
            bias=gpiod.line.Bias.PULL_UP,
            event_clock=gpiod.line.Clock.MONOTONIC,
        )
        found = gpiod.request_lines(self.name, consumer=consumer, config={line: settings}, event_buffer_size=EVENTS_MAX)
        return LinuxRequest(found, line)

    def consumer(self, line: int) -> str:
        """As the port says."""
        import gpiod  # noqa: PLC0415 - as above

        try:
            with gpiod.Chip(self.name) as chip:
                return chip.get_line_info(line).consumer or ""
        except OSError:
            return ""


class LinuxRequest:
    """
    A line of libgpiod's.

    Args:
        request: For one line, with both edges.
        line: Its number.
    """

    def __init__(self, request: "gpiod.LineRequest", line: int) -> None:
        self._request = request
        self._line = line
        self.fd = request.fd

    def is_open(self) -> bool:
        """As the port says."""
        import gpiod  # noqa: PLC0415 - imported already

        return self._request.get_value(self._line) is gpiod.line.Value.ACTIVE

    def read(self) -> Sequence[Edge]:
        """As the port says."""
        if not self._request.wait_edge_events(0):
            return ()
        return [edge_of(event) for event in self._request.read_edge_events(READ_MAX)]

    def release(self) -> None:
        """As the port says."""
        self._request.release()


def edge_of(event: "gpiod.EdgeEvent") -> Edge:
    """Return libgpiod's event as ours."""
    return Edge(event.timestamp_ns, event.event_type is event.Type.RISING_EDGE, event.line_seqno)
