"""
The heat of the Pi, taken out of what a thermometer on its board says.

It stands between a sensor and the one who asks it, and keeps the promises of the `Sensor` port: the temperature that it
gives is corrected, and the one that the chip gave is kept beside it as `uncorrected_air_temperature`. Where the
processor's temperature cannot be read there is no corrected value, only the uncorrected one.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import structlog

from weatherd.model import Measurement
from weatherd.ports import Sensor
from weatherd.processing.calibration import without_heat

CPU_THERMOMETER = Path("/sys/class/thermal/thermal_zone0/temp")
"""Where Linux tells the processor's temperature, in thousandths of a degree (Documentation/driver-api/thermal)."""

READ_S_MAX = 0.2
"""How long the processor's temperature may take; on a Pi the firmware is asked for it."""

_CPU_DEGC_MIN, _CPU_DEGC_MAX = -40.0, 125.0


class CpuThermometer:
    """
    Read the processor's temperature beside the loop, one read at a time.

    Args:
        log: Where people read that it cannot be read, once.
        path: Of the file.
    """

    def __init__(self, log: structlog.typing.FilteringBoundLogger, path: Path = CPU_THERMOMETER) -> None:
        self._log = log
        self._path = path
        self._reading: asyncio.Future[float] | None = None
        self._is_known = True

    async def read(self) -> float | None:
        """Return degC, -40 to 125; None if it cannot be read in time."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.get_running_loop().run_in_executor(None, _read, self._path)
            self._reading.add_done_callback(_look)
        try:
            async with asyncio.timeout(READ_S_MAX):
                cpu_degc = await asyncio.shield(self._reading)
        except (OSError, ValueError) as error:  # TimeoutError is an OSError
            self._tell(error)
            return None
        self._is_known = True
        return cpu_degc

    def _tell(self, error: Exception) -> None:
        if self._is_known:
            self._is_known = False
            message = f"the processor's temperature cannot be read: {str(error) or 'no answer in time'}"
            hint = f"is there a file {self._path}? Without it, take cpu_heat out of the configuration"
            self._log.warning("sensors.cpu_heat_unknown", message=message, hint=hint)


def _look(reading: asyncio.Future[float]) -> None:
    """Look at an error that nobody waited for any more, so that asyncio does not log it as forgotten."""
    if not reading.cancelled():
        reading.exception()


def _read(path: Path) -> float:
    cpu_degc = int(path.read_bytes()) / 1000
    if not _CPU_DEGC_MIN <= cpu_degc <= _CPU_DEGC_MAX:
        raise ValueError(f"{cpu_degc} degC is no temperature of a processor")
    return cpu_degc


class WithoutHeat:
    """
    Take the heat of the processor out of a sensor's temperature.

    Args:
        sensor: Measures `air_temperature`, among others.
        thermometer: Of the processor.
        share: The `cpu_heat` of the configuration.
    """

    def __init__(self, sensor: Sensor, thermometer: CpuThermometer, share: float) -> None:
        self.name = sensor.name
        self.model = sensor.model
        self.quantities: Sequence[str] = (*sensor.quantities, "uncorrected_air_temperature")
        self._sensor = sensor
        self._thermometer = thermometer
        self._share = share

    async def open(self) -> None:
        """Open the sensor."""
        await self._sensor.open()

    async def measure(self) -> Measurement:
        """Measure, and correct the temperature."""
        measurement = dict(await self._sensor.measure())
        said_degc = measurement.pop("air_temperature", None)
        if said_degc is None:
            return measurement
        measurement["uncorrected_air_temperature"] = said_degc
        if (cpu_degc := await self._thermometer.read()) is not None:
            measurement["air_temperature"] = without_heat(said_degc, cpu_degc, self._share)
        return measurement

    async def close(self) -> None:
        """Close the sensor."""
        await self._sensor.close()
