"""
LM75: a thermometer, as an example of a driver that lives outside weatherd.

A chip on the I2C bus is a subclass of `ChipSensor` with three methods, all called on the bus's thread: `_connect` finds
the chip, `_read` measures, `_watch` sees every transfer and names what no healthy chip says. They talk through
`self._i2c`, which has the methods of ``busio.I2C``; so a CircuitPython driver can be used as well.
"""

from collections.abc import Mapping
from typing import Any

from weatherd.errors import AllOnes
from weatherd.model import Measurement
from weatherd.sensors.chips import ChipSensor
from weatherd.sensors.i2c import Bus

TEMPERATURE = 0x00
CONFIGURATION = 0x01

# Texas Instruments LM75B datasheet, SNOS808, section 7.6: registers.
STEP_DEGC = 0.5
UNUSED_BITS = 7


class Acme(ChipSensor):
    """
    An LM75, behind weatherd's `Sensor` port. Air temperature in degC, -55 to 125, in steps of 0.5.

    Args:
        bus: The bus it is on.
        name: Its name in the configuration.
        options: What the configuration gives it: ``address``, 0x48 to 0x4F.
    """

    model = "LM75"
    quantities = ("air_temperature",)
    measure_deadline_s = 0.25

    def __init__(self, bus: Bus, name: str, options: Mapping[str, Any]) -> None:
        super().__init__(bus, name, options.get("address", 0x48))

    def _connect(self) -> int:
        return self._i2c.read_register(self._address, CONFIGURATION)

    def _read(self) -> Measurement:
        word = bytearray(2)
        self._i2c.writeto_then_readfrom(self._address, bytes([TEMPERATURE]), word)
        return {"air_temperature": (int.from_bytes(word, signed=True) >> UNUSED_BITS) * STEP_DEGC}

    def _watch(self, written: bytes, read: bytes) -> None:
        if written[:1] == bytes([TEMPERATURE]) and read == b"\xff\xff":  # the unused bits of a healthy chip are zero
            raise AllOnes("the LM75 says nothing but ones", "check the wires and the power")
