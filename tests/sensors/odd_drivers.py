"""Drivers as CircuitPython has them, each with a bad habit."""

import math
import sys
import threading
import time
from typing import Any, NoReturn

ADDRESS = 0x40


class Good:
    """Does what it should, and keeps what it was constructed with."""

    def __init__(self, i2c: Any, address: int = ADDRESS, **others: Any) -> None:
        self.i2c = i2c
        self.address = address
        self.gain = others.get("gain", 1.0)
        self.others = others
        self.thread = threading.get_ident()

    @property
    def temperature(self) -> float:
        return 20.5 * self.gain

    nothing = None
    text = "20.5"
    truth = True
    not_a_number = math.nan
    infinite = -math.inf
    huge = 10**400
    whole = 21
    a_list = (1.0, 2.0)


class OwnError(Exception):
    """An error class that nobody else knows, and that cannot even be printed."""

    def __str__(self) -> NoReturn:
        raise RuntimeError("no words for it")


class Fails(Good):
    """Raises its own error when it is read."""

    @property
    def temperature(self) -> float:
        raise OwnError


class Exits(Good):
    """Ends the program."""

    @property
    def temperature(self) -> float:
        sys.exit("a chip is missing")


class Interrupts(Good):
    """Behaves like Ctrl-C."""

    @property
    def temperature(self) -> float:
        raise KeyboardInterrupt


class Prints(Good):
    """Prints at each turn."""

    @property
    def temperature(self) -> float:
        print("reading the chip")  # noqa: T201 - that is its habit
        return 20.5


class Sleeps(Good):
    """Sleeps until it is woken."""

    awake = threading.Event()

    @property
    def temperature(self) -> float:
        self.awake.wait(60)
        return 20.5


class Spins(Good):
    """Waits on the bus for ever, and swallows every OSError."""

    @property
    def temperature(self) -> float:
        while True:
            try:
                self.i2c.writeto(self.address, b"\x00")
                time.sleep(0.001)
            except OSError:
                continue


class Gluttonous(Good):
    """Fills the memory until there is none."""

    @property
    def temperature(self) -> float:
        eaten = Eaten()
        raise MemoryError(eaten.size)


class Eaten:
    """Some memory; tells how much of it is alive."""

    alive_count = 0

    def __init__(self) -> None:
        self.size = 10**9
        Eaten.alive_count += 1

    def __del__(self) -> None:
        Eaten.alive_count -= 1


class RefusesToBegin(Good):
    """Does not like its chip."""

    def __init__(self, i2c: Any) -> None:
        raise RuntimeError("Failed to find SHT9! Chip ID 0x17")


def a_function() -> None:
    """Is no class."""
