"""
HTU21D: relative humidity and temperature, by Adafruit's driver, with a watch on what the chip says.

The driver checks the CRC, but takes the words of a dead line for weather (0000 has a valid CRC and means
-6 % at -46.85 degC), and reads for ever when the chip has gone or says a first byte of FF. So the watch
looks first.
"""

import time
from collections.abc import Sequence
from typing import Any

from weatherd.errors import AllOnes, AllZeros, BadChecksum
from weatherd.model import Measurement
from weatherd.sensors.chips import ChipSensor
from weatherd.sensors.i2c import Bus, without_a_board

MEASURE_DEADLINE_S = 0.25
"""The driver sleeps 50 and 16 ms, the longest conversions there are; thrice that for a busy Pi Zero."""

# MEAS HTU21D(F) datasheet, HPC199: soft reset, user register, status bits.
_RESET_LEFT_S = 0.006  # a reset takes up to 15 ms, of which the driver waits for 10
_READ_USER_REGISTER = 0xE7
_STATUS_BITS = 0b11

_HINT = "check the wires and the power"


class Htu21d(ChipSensor):
    """
    An HTU21D, behind the `Sensor` port. Relative humidity in %, air temperature in degC.

    Nothing is rounded or clipped: humidity comes as the chip gives it, -6 to 119 %.

    Args:
        bus: The bus it is on.
        name: Its name in the configuration.
        address: 0x40; the chip has no other.
    """

    model = "HTU21D"
    quantities: Sequence[str] = ("relative_humidity", "air_temperature")

    measure_deadline_s = MEASURE_DEADLINE_S

    def __init__(self, bus: Bus, name: str, address: int = 0x40) -> None:
        super().__init__(bus, name, address)

    def _connect(self) -> Any:
        with without_a_board():
            from adafruit_htu21d import HTU21D  # noqa: PLC0415 - 3 MB, for those who have the chip

        driver = HTU21D(self._i2c, self._address)
        time.sleep(_RESET_LEFT_S)
        self._i2c.read_register(self._address, _READ_USER_REGISTER)
        return driver

    def _read(self) -> Measurement:
        return {
            "relative_humidity": float(self._driver.relative_humidity),
            "air_temperature": float(self._driver.temperature),
        }

    def _watch(self, written: bytes, read: bytes) -> None:
        if len(read) == 3:  # noqa: PLR2004 - msb, lsb, checksum
            check_word(read)
        elif read and written[0] == _READ_USER_REGISTER:
            check_user_register(read[0])


def crc8(data: bytes | bytearray, start: int = 0) -> int:
    """
    Return the chip's checksum of some bytes, 0 to 255: polynomial 0x131, starting at 0.

    Args:
        data: In the order in which they came.
        start: That of the HTU21D; chips of other makers have the same polynomial with another start.

    Source:
        MEAS application note "CRC calculation of the HTU21D", with its vectors DC -> 79, 683A -> 7C, 4E85 -> 6B.
    """
    crc = start
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1) ^ (0x131 if crc & 0x80 else 0)
    return crc


def check_word(word: bytes) -> None:
    """
    Refuse a word that is no measurement.

    Args:
        word: Exactly 3 bytes, ``msb lsb crc``; the two lowest bits of lsb are the chip's status.

    Raises:
        AllOnes: If every bit is one, or the first byte with a good checksum: FFFC is the chip's word for an
            open circuit, and the driver would wait for ever for another one. At 118.5 % or 128.2 degC no
            weather is lost.
        AllZeros: If every bit but those of the status is zero: the chip's word for a short circuit.
        BadChecksum: If any other word does not fit its checksum.

    Source:
        MEAS HTU21D(F) datasheet, HPC199: diagnostic states, CRC.
    """
    if word == b"\xff\xff\xff":
        raise AllOnes("the HTU21D says nothing but ones", _HINT)
    if crc8(word[:2]) != word[2]:
        raise BadChecksum(f"the HTU21D's word {word[:2].hex()} does not fit its checksum {word[2]:02x}", _HINT)
    if word[0] == 0xFF:  # noqa: PLR2004 - every bit
        raise AllOnes(f"the HTU21D says {word[:2].hex()}: an open circuit inside", "replace the chip")
    if word[0] == 0 and word[1] & ~_STATUS_BITS == 0:
        raise AllZeros(f"the HTU21D says {word[:2].hex()}: a short circuit, or a line held low", _HINT)


def check_user_register(value: int) -> None:
    """
    Refuse a user register, 0 to 255, that none has after a reset: bit 1 is set then, bits 0, 2 and 7 are not.

    Raises:
        AllOnes, AllZeros: If every bit is.
    """
    if value == 0xFF:  # noqa: PLR2004 - every bit
        raise AllOnes("the HTU21D's user register is all ones", _HINT)
    if value == 0:
        raise AllZeros("the HTU21D's user register is all zeros", _HINT)
