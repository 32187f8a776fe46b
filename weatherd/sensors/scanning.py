"""
Which chips answer on a bus, and what they are, asked as gently as can be.

An empty write changes nothing in nearly every chip, but spoils some EEPROMs; a read of one byte is harmless there, but
takes from other chips a value that somebody waits for. So EEPROMs are read, all others are written to, and only where
the adapter has no empty write (that of the Pi 5 among them) they are read as well.

A chip that answers at an address of a part that we know is asked for its id, its serial number or a register with a
known content. Nothing is reset, configured or started.

Source:
    The probing commands of i2cdetect(8), i2c-tools; its warnings about both.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from weatherd.errors import SensorError
from weatherd.sensors.htu21d import crc8
from weatherd.sensors.i2c import Bus, DriverBus

FIRST_ADDRESS, LAST_ADDRESS = 0x08, 0x77
"""Below and above, addresses are reserved (UM10204, I2C-bus specification, section 3.1.12)."""

PROBE_DEADLINE_S = 2.0
"""Of one address: a few transfers of a millisecond each, and as much again for a busy Pi Zero."""

_EEPROMS = range(0x50, 0x58)

_BOSCH_ID, _BMP3_ID = 0xD0, 0x00
_BY_BOSCH_ID = {0x55: "BMP180", 0x58: "BMP280", 0x60: "BME280", 0x61: "BME680"}
_BY_BMP3_ID = {0x50: "BMP388 or BMP390", 0x60: "BMP388 or BMP390"}

_HTU21D_USER_REGISTER = 0xE7
_HTU21D_OTP_OFF = 0b10  # set after a reset, and nobody clears it (datasheet HPC199, user register)

_SHT4X_SERIAL, _SHT4X_SERIAL_S = b"\x89", 0.001  # SHT4x datasheet, table 8: at once; one millisecond is plenty
_SENSIRION_START = 0xFF  # of the checksum: SHT4x datasheet, section 4.4
_SHT3X_STATUS = b"\xf3\x2d"  # SHT3x-DIS datasheet, section 4.11

_ADS1115_CONFIG = 0x01
_ADS1115_COMPARATOR = 0b11111, 0b00011  # off, as it is after a reset and as every driver leaves it (SBAS444, table 8-3)


class Found(NamedTuple):
    """
    What answers at an address.

    Attributes:
        address: Where.
        model: A key of `parts.PARTS`; empty where it is not known.
        kernel_driver: The kernel's own driver that has it; empty if none. Then nobody else asks the chip.
    """

    address: int
    model: str = ""
    kernel_driver: str = ""


async def scan(bus: Bus, driver_of: Callable[[int], str] = lambda _: "") -> list[Found]:
    """
    Ask at every address who is there, one after the other, in their order.

    Args:
        bus: The bus.
        driver_of: Tells which driver of the kernel has an address; see `weatherd.sensors.kernel`.

    Raises:
        BusUnavailable: If the bus cannot be opened, or fails as a whole.
        DeadlineExceeded: If the kernel does not come back from a transfer.
    """
    i2c = DriverBus(bus)
    found: list[Found] = []
    for address in range(FIRST_ADDRESS, LAST_ADDRESS + 1):
        if driver := driver_of(address):
            found.append(Found(address, kernel_driver=driver))
            continue
        model = await i2c.run(partial(_look_at, i2c, address), PROBE_DEADLINE_S)
        if model is not None:
            found.append(Found(address, model))
    return found


def _look_at(i2c: DriverBus, address: int) -> str | None:
    """Return the model of what answers at an address, empty if that is not known; None if nobody does."""
    identify = _IDENTIFY.get(address)
    model = _asked(identify, i2c, address) if identify else ""
    if model:
        return model
    return "" if _answers(i2c, address) else None


def _asked(identify: "Identify", i2c: DriverBus, address: int) -> str:
    """Return what a chip says that it is; empty if it does not, or nobody is there. A broken bus shows at the probe."""
    try:
        return identify(i2c, address)
    except (OSError, SensorError):
        return ""


def _answers(i2c: DriverBus, address: int) -> bool:
    """Tell whether anybody acknowledges."""
    if address not in _EEPROMS:
        return i2c.acknowledges(address)
    try:
        i2c.readfrom_into(address, bytearray(1))
    except OSError:
        return False
    return True


def _bosch(i2c: DriverBus, address: int) -> str:
    by_id = _BY_BOSCH_ID.get(i2c.read_register(address, _BOSCH_ID))
    return by_id or _BY_BMP3_ID.get(i2c.read_register(address, _BMP3_ID), "")


def _htu21d(i2c: DriverBus, address: int) -> str:
    value = i2c.read_register(address, _HTU21D_USER_REGISTER)
    return "HTU21D" if value & _HTU21D_OTP_OFF and value != 0xFF else ""  # noqa: PLR2004 - every bit


def _sensirion(i2c: DriverBus, address: int) -> str:
    for model, command, pause_s, size in (
        ("SHT4x", _SHT4X_SERIAL, _SHT4X_SERIAL_S, 6),
        ("SHT3x", _SHT3X_STATUS, 0.0, 3),
    ):
        answer = bytearray(size)
        try:
            i2c.writeto(address, command)
            time.sleep(pause_s)
            i2c.readfrom_into(address, answer)
        except OSError:
            continue  # it does not know the command: it may know the other one
        if all(crc8(answer[start : start + 2], _SENSIRION_START) == answer[start + 2] for start in range(0, size, 3)):
            return model
    return ""


def _ads1115(i2c: DriverBus, address: int) -> str:
    config = bytearray(2)
    i2c.writeto_then_readfrom(address, bytes([_ADS1115_CONFIG]), config)
    mask, off = _ADS1115_COMPARATOR
    return "ADS1115" if config[1] & mask == off else ""


def _bh1750(i2c: DriverBus, address: int) -> str:
    """Take its word for it: a BH1750 has nothing to tell it by, and hardly any other chip is at its addresses."""
    return "BH1750" if i2c.acknowledges(address) else ""


Identify = Callable[[DriverBus, int], str]

_IDENTIFY: Mapping[int, Identify] = {
    0x23: _bh1750,
    0x5C: _bh1750,
    0x40: _htu21d,
    **dict.fromkeys((0x44, 0x45, 0x46), _sensirion),
    **dict.fromkeys(range(0x48, 0x4C), _ads1115),
    **dict.fromkeys((0x76, 0x77), _bosch),
}
