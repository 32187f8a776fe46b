"""
BMP280: pressure and temperature, by Adafruit's driver, with a watch on what the chip says.

The driver takes reset registers and an empty calibration for weather, and asks a busy chip for ever
(every 2 ms, about seventy transfers a measurement). The watch names the former, and waits out the
conversion before the driver asks; the bus ends the latter.

The driver's `pressure` and `temperature` each start a conversion, and the temperature that belongs to the
pressure stays inside. So a measurement is two conversions of 38 to 43 ms; to take one only would need the
driver's private parts.
"""

import time
from collections.abc import Sequence
from typing import Any

from weatherd.errors import AllOnes, AllZeros, ResetRegisters
from weatherd.model import Measurement
from weatherd.sensors.bosch import CHIP_ID, Part, check_chip_id
from weatherd.sensors.chips import ChipSensor
from weatherd.sensors.i2c import Bus, without_a_board

MEASURE_DEADLINE_S = 0.25
"""Two conversions of at most 43.2 ms each (datasheet, section 3.8.1), and as much again for a busy Pi Zero."""

RESET_WORD = 0x80000
"""Pressure and temperature before the first conversion (datasheet, section 4.3.6 and 4.3.7)."""

# Bosch BMP280 datasheet, BST-BMP280-DS001, section 4.2: memory map.
_CALIBRATION = 0x88
_STATUS = 0xF3
_CTRL_MEAS = 0xF4
_DATA = (0xF7, 0xFA)

_FORCED = 0b01


class Bmp280(ChipSensor):
    """
    A BMP280, behind the `Sensor` port. Air pressure in hPa, air temperature in degC, not rounded.

    Args:
        bus: The bus it is on.
        name: Its name in the configuration.
        address: 0x77, or 0x76 where SDO is tied to ground.
    """

    model = "BMP280"
    quantities: Sequence[str] = ("air_pressure", "air_temperature")

    measure_deadline_s = MEASURE_DEADLINE_S

    def __init__(self, bus: Bus, name: str, address: int = 0x77) -> None:
        super().__init__(bus, name, address)

    def _connect(self) -> Any:
        check_chip_id(self._i2c.read_register(self._address, CHIP_ID), self._address, Part.BMP280)
        with without_a_board():  # the constructor imports, too
            from adafruit_bmp280 import Adafruit_BMP280_I2C  # noqa: PLC0415 - 3 MB, for those who have the chip

            return Adafruit_BMP280_I2C(self._i2c, self._address)

    def _read(self) -> Measurement:
        return {
            "air_pressure": float(self._driver.pressure),
            "air_temperature": float(self._driver.temperature),
        }

    def _watch(self, written: bytes, read: bytes) -> None:
        if read:
            check_registers(written[0], read)
        elif written[0] == _CTRL_MEAS and written[1] & 0b11 == _FORCED:
            time.sleep(self._driver.measurement_time_typical / 1000)


def check_registers(register: int, read: bytes) -> None:
    """
    Refuse what no healthy BMP280 says, whatever the driver would make of it.

    Args:
        register: The first register read.
        read: What it and those after it hold, at least 1 byte. Words are ``msb lsb xlsb``, 20 bits used.

    Raises:
        AllOnes: If calibration, status or data are. Of the status only two bits are ever set.
        AllZeros: If calibration or data are; a status of zero is that of an idle chip.
        ResetRegisters: If a data word is 0x80000. Once in a great while that is true weather: a temperature like any
            other, 0.0025 degC wide. Transient: the next one is different.

    Source:
        Bosch BMP280 datasheet, BST-BMP280-DS001, section 4.2 and 4.3.
    """
    if register not in {_CALIBRATION, _STATUS, *_DATA}:
        return
    if not read.strip(b"\xff"):
        raise AllOnes(f"the BMP280's registers from 0x{register:02x} are all ones", "check wires and power")
    if not read.strip(b"\x00") and register != _STATUS:
        raise AllZeros(f"the BMP280's registers from 0x{register:02x} are all zeros", "check wires and power")
    if register in _DATA and int.from_bytes(read[:3]) >> 4 == RESET_WORD:
        raise ResetRegisters(
            "the BMP280 has not measured: its registers hold the reset value",
            "the chip is tried again; if it stays so, check its power",
        )
