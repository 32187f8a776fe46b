from weatherd.cli.status import _quality, _sensor


def test_what_is_not_good_is_named_with_its_reason() -> None:
    """A sensor's line says what to doubt, and why; where all is good, one word is enough."""
    flags = {"air_pressure": "good", "air_temperature": "doubtful", "relative_humidity": "missing"}
    assert _quality(flags, {"air_temperature": "step"}) == "air_temperature doubtful (step), relative_humidity missing"
    assert _quality({"air_pressure": "good"}, {}) == "good"


def test_lost_edges_and_a_calibration_are_told() -> None:
    """Both stand below their sensor where there are any, and in no other."""
    plain = {
        "name": "wind",
        "model": "cup anemometer",
        "state": "working",
        "observed_at": None,
        "quality": {},
        "quality_reasons": {},
        "skipped_count": 0,
        "lost_edges_count": 0,
        "calibration": "",
        "error": None,
    }
    assert len(list(_sensor(plain))) == 1
    _, edges, calibration = _sensor({**plain, "lost_edges_count": 1032, "calibration": "85ca0be3"})
    assert (edges, calibration) == ("    1,032 edges were lost in the kernel", "    calibration 85ca0be3")
