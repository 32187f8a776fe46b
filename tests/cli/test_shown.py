"""A document as one line for people."""

import pytest

from weatherd.cli.shown import line

BAROMETER = {
    "@timestamp": "2026-11-23T15:14:10.000Z",
    "sensor": {"name": "barometer", "model": "BMP280"},
    "weather": {"air_pressure": 776.1, "air_temperature": -22.8, "air_pressure_at_mean_sea_level": 1054.62},
    "quality": {"air_pressure": "good", "air_temperature": "doubtful", "air_pressure_at_mean_sea_level": "doubtful"},
    "quality_reasons": {"air_temperature": "step", "air_pressure": "short_history"},
}

FIRST = "15:14:10  barometer   air pressure 776.1 hPa"
WHOLE = (
    "15:14:10  barometer   air pressure 776.1 hPa  air temperature -22.8 °C, doubtful (step)  "
    "air pressure at mean sea level 1054.62 hPa, doubtful"
)


def test_a_flag_that_is_not_good_stands_behind_its_value() -> None:
    """Good values stand alone, even where there is a remark; behind the others is their flag, and who set it."""
    assert line(BAROMETER, None) == WHOLE


def test_a_missing_value_is_told_before_all_others() -> None:
    """What was not measured has a flag and a reason, and no narrow terminal can hide it."""
    half = {
        **BAROMETER,
        "weather": {"air_temperature": 4.0},
        "quality": {"air_temperature": "good", "relative_humidity": "missing"},
        "quality_reasons": {"relative_humidity": "bad_checksum"},
    }
    assert line(half, None).endswith("  relative humidity missing (bad_checksum)  air temperature 4 °C")


def test_a_code_has_no_unit() -> None:
    """The unit 1 is not written."""
    code = {**BAROMETER, "weather": {"zambretti_indication": 4.0}, "quality": {"zambretti_indication": "good"}}
    assert line(code, None).endswith("zambretti indication 4")


@pytest.mark.parametrize("width", range(len(FIRST) + 3, len(WHOLE) + 2))
def test_a_line_is_never_wider_than_the_terminal(width: int) -> None:
    """What does not fit is left out as a whole, value by value, and an ellipsis says so; what fits is not touched."""
    shown = line(BAROMETER, width)
    assert len(shown) <= width
    if width >= len(WHOLE):
        assert shown == WHOLE
    else:
        assert shown.endswith("  …")
        assert WHOLE.startswith(shown.removesuffix("  …"))
        assert shown.removesuffix("  …").endswith(("hPa", "(step)"))


def test_the_first_value_is_shown_however_narrow_the_terminal() -> None:
    """A line that says nothing would be worse than one that is broken."""
    assert line(BAROMETER, 30) == f"{FIRST}  …"


def test_an_event_is_its_sentence() -> None:
    """What happened is told in its own words, as long as they are."""
    event = {
        "@timestamp": "2026-11-23T15:14:10.000Z",
        "message": "hygrometer is back",
        "sensor": {"name": "hygrometer"},
    }
    assert line(event, 20) == "15:14:10  event       hygrometer is back"


def test_long_names_keep_the_columns() -> None:
    """Whoever follows a station with a long name sees values below each other, events included."""
    event = {"@timestamp": "2026-11-23T15:14:10.000Z", "message": "hygrometer is back"}
    assert line(event, None, 14) == "15:14:10  event           hygrometer is back"
    assert line(BAROMETER, None, 14).startswith("15:14:10  barometer       air pressure 776.1 hPa")


def test_large_and_unknown_values_are_told_as_they_are() -> None:
    """No digit of a document is rounded away, and a quantity of another version has no unit."""
    told = {"illuminance": 1234567.25, "depth_of_fog": 3.5}
    assert line({**BAROMETER, "weather": told, "quality": dict.fromkeys(told, "good")}, None).endswith(
        "  illuminance 1234567.25 lx  depth of fog 3.5"
    )
