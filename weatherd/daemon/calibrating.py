"""Calibrations of the configuration: their curves, their versions, and an event where one has changed."""

from collections.abc import Mapping, Sequence

from weatherd import config
from weatherd.happenings import Happenings
from weatherd.processing.calibration import Curve, Line, Points, version
from weatherd.processing.documents import Document


def curves_of(sensor: config.Sensor) -> Mapping[str, Curve]:
    """Return the curve of each quantity of a sensor that is calibrated; what changes nothing is left out."""
    curves: dict[str, Curve] = {}
    for quantity, given in sensor.calibration.items():
        points = tuple((measured, true) for measured, true in given.points)
        curves[quantity] = Points(points) if points else Line(given.offset, given.slope)
    return {quantity: curve for quantity, curve in curves.items() if curve != Line()}


def cpu_heat_of(sensor: config.Sensor) -> float:
    """Return the share of the processor's heat in a sensor's temperature; 0 for none."""
    share: float = getattr(sensor, "cpu_heat", 0.0)
    return share


def version_of(sensor: config.Sensor) -> str:
    """Return the version of a sensor's calibration; empty if it has none."""
    return version(curves_of(sensor), cpu_heat_of(sensor))


class CalibrationHistory:
    """
    Remember the version of each sensor's calibration, and tell a change.

    Args:
        happenings: Where it is told.
    """

    def __init__(self, happenings: Happenings) -> None:
        self._happenings = happenings
        self._versions: dict[str, str] = {}

    def recall(self, document: Document) -> None:
        """Take in an observation of an earlier run."""
        if document.sensor is not None:
            self._versions[document.sensor.name] = document.sensor.calibration

    def settle(self, sensors: Sequence[config.Sensor]) -> None:
        """Tell which calibrations are others than before; a sensor that is new has none before."""
        for sensor in sensors:
            now = version_of(sensor)
            before = self._versions.get(sensor.name, now)
            self._versions[sensor.name] = now
            if now != before:
                self._tell(sensor, before, now)

    def _tell(self, sensor: config.Sensor, before: str, now: str) -> None:
        notes = [
            f"{quantity}: {', '.join(str(one) for one in (given.date, given.note) if one)}"
            for quantity, given in sensor.calibration.items()
            if given.date or given.note
        ]
        message = f"the calibration of {sensor.name} is now {now or 'none'}; it was {before or 'none'}"
        if notes:
            message += f" ({'; '.join(notes)})"
        self._happenings.tell("daemon.calibration_changed", "calibration_changed", message, sensor=sensor.name)
