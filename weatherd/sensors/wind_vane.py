"""
Wind vane: sixteen positions of switches and resistors, as a voltage at an ADS1115 on the I2C bus.

The ADS1115 has two registers that matter, so it is read here, without a driver of others: a conversion is started by
the configuration, which says when it is done.
"""

import time
from collections.abc import Sequence

from weatherd.errors import AllOnes, AllZeros, ResetRegisters
from weatherd.model import Measurement
from weatherd.processing.vane import Positions
from weatherd.sensors.chips import ChipSensor
from weatherd.sensors.i2c import Bus

MEASURE_DEADLINE_S = 0.25
"""A conversion takes 8.6 ms at most; the rest is for a busy Pi Zero."""

# TI ADS1115 data sheet SBAS444E, section 9.6: registers, and the fields of the configuration.
_CONVERSION, _CONFIG = 0x00, 0x01
_START_OR_DONE = 1 << 15
_SINGLE_ENDED = 0b100 << 12  # plus the channel
_FULL_SCALE_V = 6.144  # gain 000: the input may not be above the chip's own supply
_SINGLE_SHOT = 1 << 8
_128_PER_S = 0b100 << 5
_COMPARATOR_OFF = 0b11
_CONVERSION_S = 1 / 128 * 1.1


class WindVane(ChipSensor):
    """
    A vane at one channel of an ADS1115, behind the `Sensor` port. Direction in degrees that the wind comes from.

    Args:
        bus: The bus it is on.
        name: Its name in the configuration.
        address: 0x48 to 0x4B, by what ADDR is wired to.
        channel: 0 to 3.
        supply_v: Above the pull-up.
        pull_up_ohm: Of the divider.
        position_ohms: From north clockwise.
        north_deg: Where the vane's own north points to.
    """

    model = "wind vane"
    quantities: Sequence[str] = ("wind_from_direction",)
    measure_deadline_s = MEASURE_DEADLINE_S

    def __init__(
        self,
        bus: Bus,
        name: str,
        address: int = 0x48,
        *,
        channel: int,
        supply_v: float,
        pull_up_ohm: float,
        position_ohms: Sequence[float],
        north_deg: float,
    ) -> None:
        super().__init__(bus, name, address)
        self._config = (_SINGLE_ENDED + (channel << 12)) | _SINGLE_SHOT | _128_PER_S | _COMPARATOR_OFF
        self._positions = Positions(position_ohms, pull_up_ohm, supply_v)
        self._north_deg = north_deg

    def _connect(self) -> object:
        self._word(_CONFIG)
        return self

    def _read(self) -> Measurement:
        start = bytes([_CONFIG]) + (self._config | _START_OR_DONE).to_bytes(2)
        self._i2c.writeto(self._address, start)
        time.sleep(_CONVERSION_S)
        while not (config := self._word(_CONFIG)) & _START_OR_DONE:
            time.sleep(_CONVERSION_S / 4)
        if config != self._config | _START_OR_DONE:
            raise ResetRegisters(f"the ADS1115 has forgotten its configuration ({config:04x})", "check its power")
        word = self._word(_CONVERSION)
        volt = (word - 0x10000 if word & 0x8000 else word) * _FULL_SCALE_V / 0x8000
        return {"wind_from_direction": (self._positions.direction(volt) + self._north_deg) % 360}

    def _word(self, register: int) -> int:
        read = bytearray(2)
        self._i2c.writeto_then_readfrom(self._address, bytes([register]), read)
        return int.from_bytes(read)

    def _watch(self, written: bytes, read: bytes) -> None:
        """No configuration is all ones or all zeros: the comparator is off, and its other bits are zero then."""
        if read and written[0] == _CONFIG:
            if read == b"\xff\xff":
                raise AllOnes("the ADS1115 says nothing but ones", "check the wires and the power")
            if read == b"\0\0":
                raise AllZeros("the ADS1115 says nothing but zeros", "check the wires and the power")
