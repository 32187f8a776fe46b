"""
Emulated chips at register level, and the bus they are on, behind the calls of smbus2.

They obey physics as far as a driver can feel it: a conversion takes its time, a busy HTU21D does not
acknowledge, a BMP280 that never converted holds its reset value. And they can be broken, as chips break:

    chip.fault = Fault.BAD_CRC      from the next transfer on
    chip.unplug_after(3)            after three more messages: in the middle of a measurement
    chip.fault = None               mended; a chip that was unplugged starts from its power-on state

Times are the longest of the datasheets. Of the HTU21D the hold-master commands are left out: no driver that
we know uses them on a Pi, whose I2C controller is bad at clock stretching.

A chip may be broken from any thread while its bus is used on another.
"""

from weatherd.testing.chips.ads1115 import Ads1115Chip
from weatherd.testing.chips.base import Chip, Fault, SimulatedBus, Weather, not_acknowledged
from weatherd.testing.chips.bh1750 import Bh1750Chip
from weatherd.testing.chips.bmp180 import Bmp180Chip
from weatherd.testing.chips.bmp280 import (
    DATASHEET_CALIBRATION,
    Bmp280Chip,
    Calibration,
    fine_temperature,
    pressure_reading,
    temperature_reading,
)
from weatherd.testing.chips.htu21d import Htu21dChip, crc8

__all__ = [
    "DATASHEET_CALIBRATION",
    "Ads1115Chip",
    "Bh1750Chip",
    "Bmp180Chip",
    "Bmp280Chip",
    "Calibration",
    "Chip",
    "Fault",
    "Htu21dChip",
    "SimulatedBus",
    "Weather",
    "crc8",
    "fine_temperature",
    "not_acknowledged",
    "pressure_reading",
    "temperature_reading",
]
