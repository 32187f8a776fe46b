from pathlib import Path

import pytest

from tests.fakes import FakeClock, recording_log
from weatherd.config import Sensor, parse
from weatherd.daemon.calibrating import CalibrationHistory, curves_of, version_of
from weatherd.happenings import Happenings
from weatherd.model import Event, Observation, Quality, Station
from weatherd.processing.calibration import Line, Points
from weatherd.processing.documents import Document, DocumentEncoder, decode
from weatherd.queueing import BoundedQueue


def sensor(calibration: str) -> Sensor:
    text = f'[station]\nid = "s"\n[[sensors]]\nname = "barometer"\ndriver = "bmp280"\n{calibration}'
    return parse(text, Path()).sensors[0]


def document(calibration: str) -> Document:
    observation = Observation(
        sensor="barometer",
        model="BMP280",
        observed_at_ms=0,
        recorded_at_ms=0,
        values={"air_pressure": 1000.0},
        quality={"air_pressure": Quality.GOOD},
        clock_synchronized=True,
        calibration=calibration,
    )
    return decode(DocumentEncoder(Station("s"), "00000000").encode(observation, 1))


class Bench:
    def __init__(self) -> None:
        clock = FakeClock()
        self.queue: BoundedQueue[Observation | Event] = BoundedQueue(10)
        self.history = CalibrationHistory(Happenings(self.queue, clock, recording_log()[0]))

    def events(self) -> list[Event]:
        return [entry for entry in self.queue.take(10) if isinstance(entry, Event)]


def test_curves_come_from_the_configuration() -> None:
    """Offset and slope make a line, points a table, and what changes nothing is no calibration."""
    text = """
calibration.air_pressure = { offset = 0.4 }
calibration.air_temperature = { points = [[0.4, 0], [30, 30]] }
"""
    assert curves_of(sensor(text)) == {
        "air_pressure": Line(0.4, 1.0),
        "air_temperature": Points(((0.4, 0.0), (30.0, 30.0))),
    }
    assert curves_of(sensor("calibration.air_pressure = { offset = 0.0, note = 'fine as it is' }")) == {}


def test_a_note_makes_no_other_version() -> None:
    """What people write beside it changes no value."""
    plain, noted = ("{ offset = 0.4 }", "{ offset = 0.4, date = 2026-05-01, note = 'beside the airport' }")
    assert version_of(sensor(f"calibration.air_pressure = {plain}")) == version_of(
        sensor(f"calibration.air_pressure = {noted}")
    )
    assert version_of(sensor("cpu_heat = 0.35")) != version_of(sensor("")) == ""


@pytest.mark.parametrize("over_a_restart", [True, False])
def test_a_change_is_told_once_with_its_date_and_note(over_a_restart: bool) -> None:  # noqa: FBT001  -- a parameter
    """Over a restart what the newest document says is before, over a reload what was configured."""
    bench = Bench()
    before = sensor("calibration.air_pressure = { offset = 0.4 }")
    if over_a_restart:
        bench.history.recall(document("ffffffff"))
        bench.history.recall(document(version_of(before)))
    else:
        bench.history.settle([before])
    after = sensor("calibration.air_pressure = { offset = 0.5, date = 2026-05-01, note = 'beside the airport' }")
    bench.history.settle([after])
    bench.history.settle([after])
    (event,) = bench.events()
    assert (event.action, event.sensor) == ("calibration_changed", "barometer")
    assert event.message == (
        f"the calibration of barometer is now {version_of(after)}; it was {version_of(before)}"
        " (air_pressure: 2026-05-01, beside the airport)"
    )


def test_neither_a_restart_nor_a_new_sensor_is_a_change() -> None:
    """A calibration that stays is not told, nor one that there was nothing before."""
    bench = Bench()
    same = sensor("calibration.air_pressure = { offset = 0.4 }")
    bench.history.recall(document(version_of(same)))
    bench.history.settle([same])
    Bench().history.settle([same])
    assert bench.events() == []


def test_the_end_of_a_calibration_is_a_change() -> None:
    """Documents name none any more, and the event says so."""
    bench = Bench()
    bench.history.recall(document("0cf9e2b0"))
    bench.history.settle([sensor("")])
    (event,) = bench.events()
    assert event.message == "the calibration of barometer is now none; it was 0cf9e2b0"
