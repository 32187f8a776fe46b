"""
BH1750: illuminance from moonlight to full sun, by a driver of our own that ranges itself.

Adafruit's driver leaves the measurement time as it is, so it saturates at 27,306 lx, a third of the sun, says so to
nobody, and holds the bus for 360 ms to begin with. Here the chip measures once for each sample, the bus is free for
others in the meantime, and the light of one sample sets the measurement time of the next.

The chip has no identity, no checksum and no sign of being busy, and all zeros is darkness. So a dead chip that still
acknowledges cannot be told from night: only a zero right after light is asked for a second time.
"""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from weatherd.errors import AllOnes
from weatherd.model import Measurement
from weatherd.sensors.chips import ChipSensor
from weatherd.sensors.i2c import Bus

TRANSFER_DEADLINE_S = 0.25
"""For the few bytes before a conversion, and for the two after it."""

# ROHM BH1750FVI datasheet, 11046EDT01: instruction set; "how to change measurement time".
_POWER_ON = 0x01
_RESET = 0x07
_TIME_HIGH = 0x40
_TIME_LOW = 0x60
_ONCE = 0x20
_ONCE_FINE = 0x21  # H-resolution mode 2: twice the counts
_TIME_DEFAULT = 69
_LONGEST_S = 0.180  # of a conversion with the default measurement time
_COUNTS_PER_LX = 1.2

SATURATED = 0xFFFF

FULL_SHARE_MAX = 0.8
"""Of the full scale, above which the next measurement is shorter."""

FULL_SHARE_WANTED = 0.5
"""Of the full scale that a longer measurement may reach at most; less than the other, or light in between would make
the chip change at each sample."""

_LIGHT_LX = 10.0
_HINT = "check the wires and the power; if the sun shines straight on the chip, put a diffuser before it"


class Setting(NamedTuple):
    """How the chip measures: the command, and the measurement time register, 31 to 254."""

    command: int
    time: int

    @property
    def lx_per_count(self) -> float:
        """The resolution in lx (FACTS: counts / 1.2 * 69 / MTreg; half of it in H-resolution mode 2)."""
        fine = 2 if self.command == _ONCE_FINE else 1
        return _TIME_DEFAULT / (_COUNTS_PER_LX * self.time * fine)

    @property
    def full_scale_lx(self) -> float:
        """Illuminance in lx at which it saturates."""
        return SATURATED * self.lx_per_count

    @property
    def longest_s(self) -> float:
        """How long a conversion takes at most."""
        return _LONGEST_S * self.time / _TIME_DEFAULT


SETTINGS = (Setting(_ONCE_FINE, 254), Setting(_ONCE, 69), Setting(_ONCE, 31))
"""From dark to bright: 0.113 lx a count, up to 7,418 lx, in 663 ms; up to 54,612 lx in 180 ms; 121,557 lx in 81 ms."""

NIGHT, DAY, SUN = SETTINGS


class Bh1750(ChipSensor):
    """
    A BH1750, behind the `Sensor` port. Illuminance in lx, 0 to 121,555, not rounded.

    A measurement takes up to 0.75 s: in darkness, or where light comes out of it.

    Args:
        bus: The bus it is on.
        name: Its name in the configuration.
        address: 0x23, or 0x5C where ADDR is tied to the supply.
    """

    model = "BH1750"
    quantities: Sequence[str] = ("illuminance",)

    measure_deadline_s = TRANSFER_DEADLINE_S

    def __init__(self, bus: Bus, name: str, address: int = 0x23) -> None:
        super().__init__(bus, name, address)
        self._setting = DAY
        self._last_lx = 0.0

    async def measure(self) -> Measurement:
        """Take one measurement, or a second one where the first says nothing. Raises as the port says."""
        counts = await self._convert(self._setting)
        if counts == SATURATED:
            self._setting = SUN
            counts = await self._convert(self._setting)
        elif counts == 0 and self._last_lx >= _LIGHT_LX:
            counts = await self._convert(self._setting)
        if counts == SATURATED:
            raise AllOnes(f"the BH1750 is saturated at {SUN.full_scale_lx:,.0f} lx, or no chip spoke", _HINT)
        self._last_lx = counts * self._setting.lx_per_count
        self._setting = next_setting(self._setting, self._last_lx)
        return {"illuminance": self._last_lx}

    async def _convert(self, setting: Setting) -> int:
        await self._i2c.run(lambda: self._start(setting), self.measure_deadline_s)
        await asyncio.sleep(setting.longest_s)
        return await self._i2c.run(self._counts, self.measure_deadline_s)

    def _read(self) -> Measurement:
        raise AssertionError  # `measure` has its own way

    def _watch(self, written: bytes, read: bytes) -> None:
        """Let everything pass: ones are too much light, and zeros none."""

    def _connect(self) -> bool:
        self._write(_POWER_ON, _RESET)
        if self._counts() == SATURATED:
            raise AllOnes("the BH1750 says nothing but ones after a reset", _HINT)
        return True

    def _start(self, setting: Setting) -> None:
        """Begin one conversion. The result of the one before is erased: it cannot pass for a new one."""
        high, low = _TIME_HIGH | setting.time >> 5, _TIME_LOW | setting.time & 0b11111
        self._write(_POWER_ON, _RESET, high, low, setting.command)

    def _write(self, *commands: int) -> None:
        for command in commands:
            self._i2c.writeto(self._address, bytes([command]))

    def _counts(self) -> int:
        data = bytearray(2)
        self._i2c.readfrom_into(self._address, data)
        return int.from_bytes(data)


def next_setting(setting: Setting, illuminance_lx: float) -> Setting:
    """
    Choose how to measure the next time.

    Args:
        setting: The one by which was measured.
        illuminance_lx: What was measured, 0 or more.

    Returns:
        The longest measurement which that light fills to half at most; or the same one again, while it is filled to
        less than four fifths.
    """
    wanted = next((one for one in SETTINGS if illuminance_lx <= FULL_SHARE_WANTED * one.full_scale_lx), SUN)
    is_longer = wanted.time > setting.time
    is_too_long = illuminance_lx > FULL_SHARE_MAX * setting.full_scale_lx
    return wanted if is_longer or is_too_long else setting
