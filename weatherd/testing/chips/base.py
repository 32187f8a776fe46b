"""What all emulated chips share: power, faults, a cable that can be pulled, and the bus they are on."""

import ctypes
import enum
import errno
import math
import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar

from smbus2 import i2c_msg
from smbus2.smbus2 import I2C_M_RD

from weatherd.model import Measurement

Weather = Callable[[], Measurement]
"""Tells the weather of this moment; air temperature and whatever else the chip measures must be in it."""

BYTE = 0xFF


class Fault(enum.Enum):
    """A way in which a chip breaks."""

    UNPLUGGED = "nobody acknowledges"
    STUCK_BUSY = "a conversion never ends"
    BAD_CRC = "every checksum is wrong"
    ALL_ONES = "whatever is read is all ones"
    ALL_ZEROS = "whatever is read is all zeros"
    RESET_REGISTERS = "conversions leave no result"


def not_acknowledged() -> OSError:
    """Return what the kernel of a Pi says when nobody acknowledges."""
    return OSError(errno.EREMOTEIO, os.strerror(errno.EREMOTEIO))


class Chip(ABC):
    """
    What all emulated chips share: power, faults, and a cable that can be pulled.

    Args:
        weather: The weather that the chip is in. Called on the bus's thread, at the end of a conversion.
        monotonic_s: Seconds that never go back.
    """

    faults: ClassVar[frozenset[Fault]]

    def __init__(self, weather: Weather, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._weather = weather
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._fault: Fault | None = None
        self._messages_left = math.inf
        self._power_on()
        self._ready_at_s = monotonic_s()  # its power has been on for long

    @property
    def fault(self) -> Fault | None:
        """The way in which the chip is broken; None for a healthy one."""
        return self._fault

    @fault.setter
    def fault(self, fault: Fault | None) -> None:
        if fault is not None and fault not in self.faults:
            raise ValueError(f"{type(self).__name__} cannot have the fault {fault.name}")
        with self._lock:
            if self._fault is Fault.UNPLUGGED:
                self._power_on()
            self._fault = fault
            self._messages_left = math.inf

    def unplug_after(self, messages: int) -> None:
        """Answer that many more messages, 0 or more, and then nobody until `fault` is set."""
        with self._lock:
            self._messages_left = messages

    def write(self, data: bytes) -> None:
        """Take the bytes of one message, perhaps none. Raises OSError where the chip does not acknowledge."""
        with self._lock:
            self._feel_message()
            if self._fault not in {Fault.ALL_ONES, Fault.ALL_ZEROS}:
                self._write(data)

    def read(self, count: int) -> bytes:
        """Return exactly `count` bytes. Raises OSError where the chip does not acknowledge."""
        with self._lock:
            self._feel_message()
            if self._fault is Fault.ALL_ONES:
                return b"\xff" * count
            if self._fault is Fault.ALL_ZEROS:
                return bytes(count)
            return self._read(count)

    def _feel_message(self) -> None:
        if self._messages_left == 0:
            self._fault = Fault.UNPLUGGED
        if self._fault is Fault.UNPLUGGED:
            raise not_acknowledged()
        self._messages_left -= 1

    @abstractmethod
    def _power_on(self) -> None: ...

    @abstractmethod
    def _write(self, data: bytes) -> None: ...

    @abstractmethod
    def _read(self, count: int) -> bytes: ...


class SimulatedBus:
    """
    A bus with emulated chips on it, in the place of `smbus2.SMBus`.

    Args:
        chips: The chips by their addresses.
    """

    def __init__(self, chips: Mapping[int, Chip]) -> None:
        self.chips = chips

    def i2c_rdwr(self, *i2c_msgs: i2c_msg) -> None:
        """Transfer messages; those read are filled in. Raises OSError as the kernel does."""
        for message in i2c_msgs:
            chip = self.chips.get(message.addr)
            if chip is None:
                raise not_acknowledged()
            if message.flags & I2C_M_RD:
                ctypes.memmove(message.buf, chip.read(message.len), message.len)
            else:
                chip.write(bytes(message))

    def close(self) -> None:
        """Do nothing: the chips stay where they are."""
