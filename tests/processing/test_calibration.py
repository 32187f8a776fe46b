from weatherd.processing.calibration import Line, calibrate


def test_slope_comes_before_offset() -> None:
    """A calibrated value is slope * measured + offset."""
    lines = {"air_pressure": Line(offset=0.4, slope=2.0)}
    assert calibrate({"air_pressure": 500.0}, lines) == {"air_pressure": 1000.4}


def test_quantities_without_a_line_stay_as_they_are() -> None:
    """Calibrating one quantity leaves the others alone, and the given measurement too."""
    measurement = {"air_pressure": 1000.0, "air_temperature": 20.0}
    calibrated = calibrate(measurement, {"air_temperature": Line(offset=-0.5)})
    assert calibrated == {"air_pressure": 1000.0, "air_temperature": 19.5}
    assert measurement == {"air_pressure": 1000.0, "air_temperature": 20.0}


def test_without_lines_nothing_is_copied() -> None:
    """No calibration costs nothing."""
    measurement = {"air_pressure": 1000.0}
    assert calibrate(measurement, {}) is measurement
