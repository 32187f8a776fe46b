"""Contacts on real lines of the kernel: gpio-sim, whose levels a program sets, and which interrupts as a chip does."""

import contextlib
import os
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
        Close one so many times; return how long it took.

        What the machine comes too late with is not made up for: each pulse and each pause has at least its length. Only
        interrupts hold it up, and their threads, which have the priority 50. They share a processor: the two of the
        machine are threads of qemu, of which one may stand still while the other goes on, as none of a Pi does.
        """
        file = os.open(self._pull(line), os.O_WRONLY)
        for thread in (0, *_interrupt_threads()):
            os.sched_setaffinity(thread, {0})
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(40))
        began_s = time.monotonic()
        try:
            for _ in range(count):
                os.pwrite(file, b"pull-down", 0)
                _wait(closed_s)
                os.pwrite(file, b"pull-up", 0)
                _wait(period_s - closed_s)
        finally:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
            os.sched_setaffinity(0, range(os.cpu_count() or 1))
            os.close(file)
        return time.monotonic() - began_s

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


def _interrupt_threads() -> list[int]:
    """Return the kernel's threads that read the lines after an interrupt (gpiolib-cdev.c: edge_irq_thread)."""
    return [int(comm.parent.name) for comm in Path("/proc").glob("[0-9]*/comm") if comm.read_text().startswith("irq/")]


def _wait(time_s: float) -> None:
    """Wait, awake at the end of it: a pulse at 1 kHz is shorter than what a sleep adds."""
    then_s = time.monotonic() + time_s
    while (left_s := then_s - time.monotonic()) > 0.0:
        if left_s > 0.002:
            time.sleep(left_s / 2)
