"""
BMP180: pressure and temperature, by a driver of our own.

The packages for it check no chip id, or measure with a single sample only. What is read is read twice, because the
chip has no checksum and its registers stay as they are: one bit that was changed on the way is noticed.
"""

import struct
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from weatherd.errors import AllOnes, AllZeros, BadChecksum, NoMeasurement, ResetRegisters
from weatherd.model import Measurement
from weatherd.sensors.bosch import CHIP_ID, Part, check_chip_id
from weatherd.sensors.chips import ChipSensor
from weatherd.sensors.i2c import Bus

MEASURE_DEADLINE_S = 0.25
"""Two conversions take 30 ms at most, and a stuck chip is asked for the rest of it."""

OVERSAMPLING: Mapping[str, int] = {
    "ultra_low_power": 0,
    "standard": 1,
    "high_resolution": 2,
    "ultra_high_resolution": 3,
}
"""The datasheet's modes (section 3.3.1): 1, 2, 4 or 8 samples make one value."""

# Bosch BMP180 datasheet, BST-BMP180-DS000: section 4 (registers), section 3.3.1 (longest conversions).
_CALIBRATION, _CALIBRATION_SIZE = 0xAA, 22
_CONTROL = 0xF4
_DATA = 0xF6
_START_TEMPERATURE = 0x2E
_START_PRESSURE = 0x34
_BUSY = 0b100000
_TEMPERATURE_S = 0.0045
_PRESSURE_S = (0.0045, 0.0075, 0.0135, 0.0255)
_POLL_S = 0.001

RESET_DATA = b"\x80\x00\x00"
"""Data registers before the first conversion (datasheet, section 4)."""

_HINT = "check the wires and the power"


class Calibration(NamedTuple):
    """
    The calibration words of one chip.

    Source:
        BMP180 datasheet, section 3.4: addresses, signs.
    """

    ac1: int
    ac2: int
    ac3: int
    ac4: int
    ac5: int
    ac6: int
    b1: int
    b2: int
    mb: int
    mc: int
    md: int


class Bmp180(ChipSensor):
    """
    A BMP180, behind the `Sensor` port. Air pressure in hPa, air temperature in degC, not rounded.

    Args:
        bus: The bus it is on.
        name: Its name in the configuration.
        address: 0x77; the chip has no other.
        oversampling: 0 to 3, see `OVERSAMPLING`.
    """

    model = "BMP180"
    quantities: Sequence[str] = ("air_pressure", "air_temperature")

    measure_deadline_s = MEASURE_DEADLINE_S

    def __init__(self, bus: Bus, name: str, address: int = 0x77, oversampling: int = 3) -> None:
        super().__init__(bus, name, address)
        self._oversampling = oversampling

    def _connect(self) -> Calibration:
        check_chip_id(self._i2c.read_register(self._address, CHIP_ID), self._address, Part.BMP180)
        return decode_calibration(self._read_twice(_CALIBRATION, _CALIBRATION_SIZE))

    def _read(self) -> Measurement:
        data = self._convert(_START_TEMPERATURE, _TEMPERATURE_S)
        b5 = fine_temperature(int.from_bytes(data[:2]), self._driver)
        data = self._convert(_START_PRESSURE | self._oversampling << 6, _PRESSURE_S[self._oversampling])
        up = int.from_bytes(data) / 256
        return {
            "air_pressure": compensate_pressure(up, b5, self._driver) / 100,
            "air_temperature": b5 / 160,
        }

    def _convert(self, command: int, wait_s: float) -> bytes:
        """Start a conversion, wait for its end, and return the three data registers."""
        self._i2c.writeto(self._address, bytes([_CONTROL, command]))
        time.sleep(wait_s)
        while self._i2c.read_register(self._address, _CONTROL) & _BUSY:  # the bus ends it at the deadline
            time.sleep(_POLL_S)
        return self._read_twice(_DATA, 3)

    def _read_twice(self, register: int, count: int) -> bytes:
        first, second = bytearray(count), bytearray(count)
        for read in (first, second):
            self._i2c.writeto_then_readfrom(self._address, bytes([register]), read)
        if first != second:
            raise BadChecksum(f"the BMP180's registers from 0x{register:02x} read differently each time", _HINT)
        return bytes(first)

    def _watch(self, written: bytes, read: bytes) -> None:
        if read:
            check_registers(written[0], read)


def check_registers(register: int, read: bytes) -> None:
    """
    Refuse what no healthy BMP180 says.

    Args:
        register: The first register read.
        read: What it and those after it hold, at least 1 byte.

    Raises:
        AllOnes: If calibration, control or data are.
        AllZeros: If calibration or data are.
        ResetRegisters: If the data are 0x800000, which the compensation takes for weather (51.2 degC with the
            datasheet's words). Once in a great while it is true weather, 0.0063 degC or 0.08 hPa wide or less.
            Transient: the next one is different.

    Source:
        Bosch BMP180 datasheet, BST-BMP180-DS000, section 4.
    """
    if register not in {_CALIBRATION, _CONTROL, _DATA}:
        return
    if not read.strip(b"\xff"):
        raise AllOnes(f"the BMP180's registers from 0x{register:02x} are all ones", _HINT)
    if not read.strip(b"\x00") and register != _CONTROL:
        raise AllZeros(f"the BMP180's registers from 0x{register:02x} are all zeros", _HINT)
    if register == _DATA and read == RESET_DATA:
        raise ResetRegisters(
            "the BMP180 has not measured: its registers hold the reset value",
            "the chip is tried again; if it stays so, check its power",
        )


def decode_calibration(registers: bytes) -> Calibration:
    """
    Decode the calibration words.

    Args:
        registers: Exactly 22 bytes from 0xAA on: 11 words, big-endian, the fourth to sixth unsigned.

    Raises:
        AllOnes, AllZeros: If any word is 0xFFFF or 0: the datasheet's own check of the transfer. Transient, unless the
            chip has lost its memory.

    Source:
        BMP180 datasheet, section 3.4.
    """
    words = Calibration(*struct.unpack(">hhhHHHhhhhh", registers))
    for name, word in zip(Calibration._fields, words, strict=True):
        if word in {-1, 0xFFFF}:
            raise AllOnes(f"the BMP180's calibration word {name.upper()} is all ones", _HINT)
        if word == 0:
            raise AllZeros(f"the BMP180's calibration word {name.upper()} is all zeros", _HINT)
    return words


def fine_temperature(ut: int, words: Calibration) -> float:
    """
    Compensate a raw temperature word.

    Args:
        ut: 0 to 65535.
        words: Those of this very chip.

    Returns:
        The datasheet's B5: 160 times the temperature in degC, -40 to 85 degC. In floating point: the integers of the
        datasheet end at 0.1 degC, a single step of the word is 0.006 degC.

    Raises:
        NoMeasurement: If the word is beyond what the formula can take. Transient: read again.

    Source:
        BMP180 datasheet, section 3.5.
    """
    x1 = (ut - words.ac6) * words.ac5 / 2**15
    if x1 + words.md <= 0:
        raise NoMeasurement(f"the BMP180's temperature word {ut:04x} is no temperature", _HINT)
    return x1 + words.mc * 2**11 / (x1 + words.md)


def compensate_pressure(up: float, b5: float, words: Calibration) -> float:
    """
    Compensate a raw pressure word.

    Args:
        up: In units of a single sample's 16 bits, 0 to 65536; oversampling adds binary places.
        b5: From `fine_temperature`, of the same moment.
        words: Those of this very chip.

    Returns:
        Station pressure in Pa, 30,000 to 110,000. Not rounded.

    Source:
        BMP180 datasheet, section 3.5, where B3 and B7 grow with the oversampling and that cancels out.
    """
    b6 = b5 - 4000
    b3 = words.ac1 + (words.b2 * b6**2 / 2**12 + words.ac2 * b6) / 2**13
    b4 = words.ac4 * (words.ac3 * b6 / 2**13 + words.b1 * b6**2 / 2**28 + 2**17) / 2**17
    p = (up - b3) * 100_000 / b4
    return p + (p**2 * 3038 / 2**32 - p * 7357 / 2**16 + 3791) / 16
