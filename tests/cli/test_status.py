from weatherd.cli.status import _quality


def test_what_is_not_good_is_named_with_its_reason() -> None:
    """A sensor's line says what to doubt, and why; where all is good, one word is enough."""
    flags = {"air_pressure": "good", "air_temperature": "doubtful", "relative_humidity": "missing"}
    assert _quality(flags, {"air_temperature": "step"}) == "air_temperature doubtful (step), relative_humidity missing"
    assert _quality({"air_pressure": "good"}, {}) == "good"
