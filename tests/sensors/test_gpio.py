"""The door to GPIO: libgpiod's own types, as far as a machine without GPIO has them, and errors that help."""

import errno
import os
from pathlib import Path

import gpiod
import pytest

from weatherd.errors import LineUnavailable
from weatherd.model import Edge
from weatherd.sensors.gpio import READ_MAX, LinuxChip, LinuxRequest, edge_of, request


class FakeChip:
    """A chip that refuses as it is told."""

    name = "/dev/gpiochip0"

    def __init__(self, error: int, holder: str = "") -> None:
        self._error = error
        self._holder = holder

    def request(self, line: int, consumer: str) -> LinuxRequest:
        raise OSError(self._error, os.strerror(self._error))

    def consumer(self, line: int) -> str:
        return self._holder


class FakeRequest:
    """What libgpiod gives for one line, with events of libgpiod's own type."""

    def __init__(self, events: list[gpiod.EdgeEvent]) -> None:
        self.fd = 7
        self.events = events
        self.value = gpiod.line.Value.ACTIVE

    def get_value(self, line: int) -> gpiod.line.Value:
        assert line == 17
        return self.value

    def wait_edge_events(self, timeout: float) -> bool:
        assert timeout == 0, "the loop never waits"
        return bool(self.events)

    def read_edge_events(self, max_events: int) -> list[gpiod.EdgeEvent]:
        assert self.events, "the real one would wait for ever"
        taken, self.events = self.events[:max_events], self.events[max_events:]
        return taken

    def release(self) -> None:
        self.fd = -1


def event(kind: gpiod.EdgeEvent.Type, seqno: int) -> gpiod.EdgeEvent:
    return gpiod.EdgeEvent(kind.value, 1_000_000_007, 17, seqno + 100, seqno)


def test_an_event_of_libgpiod_is_an_edge() -> None:
    """With a pull-up, a rising edge opens the contact; the number is that of the line."""
    assert edge_of(event(gpiod.EdgeEvent.Type.RISING_EDGE, 3)) == Edge(1_000_000_007, True, 3)
    assert edge_of(event(gpiod.EdgeEvent.Type.FALLING_EDGE, 4)) == Edge(1_000_000_007, False, 4)


def test_a_line_is_read_without_waiting() -> None:
    """So much as keeps the loop for no more than a moment; where nothing waits, nothing is read."""
    found = FakeRequest([event(gpiod.EdgeEvent.Type.FALLING_EDGE, number) for number in range(1, READ_MAX + 3)])
    line = LinuxRequest(found, 17)  # type: ignore[arg-type]  # keeps the promises of libgpiod's that are used
    assert (line.fd, line.is_open()) == (7, True)
    found.value = gpiod.line.Value.INACTIVE
    assert not line.is_open()
    assert [len(line.read()) for _ in range(3)] == [READ_MAX, 2, 0]
    line.release()
    assert found.fd == -1


def test_a_missing_chip_says_how_to_find_the_right_one(tmp_path: Path) -> None:
    """Through libgpiod itself."""
    with pytest.raises(LineUnavailable, match=r"line 17 of .*/gpiochip9 cannot be used: No such file") as raised:
        request(LinuxChip(str(tmp_path / "gpiochip9")), 17, "weatherd rain")
    assert "gpiodetect" in raised.value.hint
    assert "Pi 5" in raised.value.hint


@pytest.mark.parametrize("path", ["/dev/null", "/tmp"])
def test_what_is_no_chip_says_so(path: str) -> None:
    """Through libgpiod itself."""
    with pytest.raises(LineUnavailable) as raised:
        request(LinuxChip(path), 17, "weatherd rain")
    assert "gpiodetect" in raised.value.hint


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (errno.EACCES, "sudo usermod -aG gpio USER"),
        (errno.EPERM, "sudo usermod -aG gpio USER"),
        (errno.EINVAL, "GPIO number, not a pin"),
        (errno.ENODEV, "gpiodetect"),
        (errno.EIO, "dmesg"),
    ],
)
def test_each_refusal_has_its_hint(error: int, hint: str) -> None:
    """Absent, not allowed, no such line, or something that only the kernel's log can tell."""
    with pytest.raises(LineUnavailable, match=os.strerror(error)) as raised:
        request(FakeChip(error), 17, "weatherd rain")
    assert hint in raised.value.hint


@pytest.mark.parametrize(("holder", "words"), [("onewire@4", "onewire@4"), ("", "another program")])
def test_a_line_of_another_names_him(holder: str, words: str) -> None:
    """As far as the chip tells."""
    with pytest.raises(LineUnavailable, match=f"line 4 of /dev/gpiochip0 is taken by {words}"):
        request(FakeChip(errno.EBUSY, holder), 4, "weatherd rain")


def test_who_has_a_line_of_a_chip_that_is_gone_is_not_known(tmp_path: Path) -> None:
    """The question makes no second error out of the first."""
    assert LinuxChip(str(tmp_path / "gpiochip9")).consumer(4) == ""
