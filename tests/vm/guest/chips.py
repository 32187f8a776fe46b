"""The chips behind /dev/i2c-1: the emulated ones of weatherd.testing, asked by the kernel itself (i2c_user.c)."""

import contextlib
import errno
import os
import struct
import threading
from collections.abc import Iterator

from smbus2 import i2c_msg
from smbus2.smbus2 import I2C_M_RD

from weatherd.testing.chips import Bh1750Chip, Bmp180Chip, Bmp280Chip, Chip, Htu21dChip, SimulatedBus

VECTORS = {
    "bmp280": {"air_temperature": 25.08, "air_pressure": 1006.53},
    "bmp180": {"air_temperature": 15.0, "air_pressure": 699.64},
    "htu21d": {"air_temperature": 24.69, "relative_humidity": 32.34},
    "bh1750": {"illuminance": 28066.67},
}
"""
What the chips of this bus measure.

Source:
    The worked examples of their datasheets: BST-BMP280-DS001, 3.12; BST-BMP180-DS000, 3.5; ROHM 11046EDT01 (0x8390
    counts); and of the HTU21D its words 683A and 4E85, whose checksums HPC199_6 gives.
"""

_HEAD = struct.Struct("=II")
_MESSAGE = struct.Struct("=HHH")
_OUTCOME = struct.Struct("=Ii")
_TRANSFER_MAX = 4096


class Chips(SimulatedBus):
    """
    The chips by their addresses, and what can happen to the bus itself.

    Attributes:
        error: An errno that every transfer ends with; 0 for none.
        hangs: Whether transfers are left without an outcome, until the kernel gives them up.
    """

    def __init__(self) -> None:
        fine = {"air_temperature": 25.0824, "air_pressure": 1006.5326}
        chips: dict[int, Chip] = {
            0x76: Bmp280Chip(lambda: fine),
            0x77: Bmp180Chip(lambda: VECTORS["bmp180"]),
            0x40: Htu21dChip(lambda: {"air_temperature": 24.686, "relative_humidity": 32.339}),
            0x23: Bh1750Chip(lambda: {"illuminance": 0x8390 / 1.2}),
        }
        super().__init__(chips)
        self.error = 0
        self.hangs = False

    def serve(self, file: int) -> None:
        """Answer the kernel's transfers until the file is closed."""
        while True:
            try:
                asked = os.read(file, _TRANSFER_MAX)
            except OSError:
                return
            number, messages = _transfer(asked)
            outcome = self.error or self._outcome(messages)
            if self.hangs:
                continue
            read = b"".join(bytes(message) for message in messages if message.flags & I2C_M_RD)
            with contextlib.suppress(OSError):  # the kernel has given it up
                os.write(file, _OUTCOME.pack(number, -outcome) + (b"" if outcome else read))

    def _outcome(self, messages: list[i2c_msg]) -> int:
        try:
            self.i2c_rdwr(*messages)
        except OSError as error:
            return error.errno or errno.EIO
        return 0


@contextlib.contextmanager
def chips_on() -> Iterator[Chips]:
    """Have chips behind /dev/i2c-1; nobody acknowledges behind this."""
    chips = Chips()
    file = os.open("/dev/i2c-chips", os.O_RDWR)
    threading.Thread(target=chips.serve, args=(file,), daemon=True).start()
    yield chips
    os.close(file)


def _transfer(asked: bytes) -> tuple[int, list[i2c_msg]]:
    """Return the number of a transfer and its messages, as i2c_user.c writes them."""
    number, count = _HEAD.unpack_from(asked)
    at = _HEAD.size
    messages = []
    for _ in range(count):
        address, flags, length = _MESSAGE.unpack_from(asked, at)
        at += _MESSAGE.size
        if flags & I2C_M_RD:
            messages.append(i2c_msg.read(address, length))
        else:
            messages.append(i2c_msg.write(address, asked[at : at + length]))
            at += length
    return number, messages
