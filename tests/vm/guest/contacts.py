"""Contacts on real lines of the kernel: gpio-sim, whose levels a program sets, and which interrupts as a chip does."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import gpiod

from tests.vm.guest.stations import wait_for

RAIN, FAST, TAKEN, WIND = 17, 22, 5, 27
"""The lines, as the configuration of the station has them."""

SOMEBODY = "irrigation"

_CHIP = Path("/sys/kernel/config/gpio-sim/contacts")
_LINES = 32


class Contacts:
    """
    Contacts between lines and ground, all of them open at first.

    Args:
        bank: Of gpio-sim, switched on.
    """

    def __init__(self, bank: Path) -> None:
        device = (_CHIP / "dev_name").read_text().strip()
        name = (bank / "chip_name").read_text().strip()
        self.chip = f"/dev/{name}"
        self._lines = Path(f"/sys/devices/platform/{device}/{name}")
        self._taken: gpiod.LineRequest | None = None

    def take(self, line: int) -> None:
        """Have a line requested by somebody else, until `let_go`."""
        self._taken = gpiod.request_lines(self.chip, consumer=SOMEBODY, config={line: None})

    def let_go(self) -> None:
        """Let somebody else give his line back."""
        assert self._taken is not None
        self._taken.release()

    def set_open(self, line: int, *, is_open: bool) -> None:
        """Open or close one."""
        self._pull(line).write_text("pull-up" if is_open else "pull-down")

    def pulse(self, line: int, count: int, *, period_s: float, closed_s: float) -> float:
        """
        Close one so many times, each at its time counted from the first; return how long it took.

        Only interrupts come before it, and their threads, which have the priority 50.
        """
        file = os.open(self._pull(line), os.O_WRONLY)
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(40))
        try:
            with _never_idle():
                began_s = time.monotonic()
                for number in range(count):
                    os.pwrite(file, b"pull-down", 0)
                    _sleep_until(began_s + number * period_s + closed_s)
                    os.pwrite(file, b"pull-up", 0)
                    _sleep_until(began_s + (number + 1) * period_s)
                return time.monotonic() - began_s
        finally:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
            os.close(file)

    def _pull(self, line: int) -> Path:
        return self._lines / f"sim_gpio{line}" / "pull"


@contextlib.contextmanager
def contacts_on() -> Iterator[Contacts]:
    """Have a GPIO chip with contacts on its lines."""
    bank = _CHIP / "bank"
    bank.mkdir(parents=True)
    (bank / "num_lines").write_text(str(_LINES))
    (_CHIP / "live").write_text("1")
    contacts = Contacts(bank)
    for line in (RAIN, FAST, TAKEN, WIND):
        contacts.set_open(line, is_open=True)
    wait_for(lambda: Path(contacts.chip).group() == "gpio", "udev has given the lines to their group")
    contacts.take(TAKEN)
    yield contacts  # they stay: the machine ends with the tests, and the station has them until then


@contextlib.contextmanager
def _never_idle() -> Iterator[None]:
    """Give the processor something to do: while it has nothing, the machine's time goes by ours, which is uneven."""
    with subprocess.Popen(("chrt", "--idle", "0", sys.executable, "-c", "while True: pass")) as busy:
        try:
            yield
        finally:
            busy.kill()


def _sleep_until(then_s: float) -> None:
    time.sleep(max(0.0, then_s - time.monotonic()))
