import pytest
from hypothesis import given
from hypothesis import strategies as st

from weatherd.config.amounts import (
    DURATION_UNITS,
    SIZE_UNITS,
    parse_duration,
    parse_size,
    write_duration,
    write_size,
)

NO_AMOUNTS = [
    "",
    "256",
    "MB",
    "256MB",
    "256  MB",
    " 256 MB",
    "256 MB ",
    "256 MB\n",
    "-1 MB",
    "+1 MB",
    "1e3 MB",
    "1_000 MB",
    ".5 MB",
    "1. MB",
    "1,5 MB",
    "٣ MB",
    "nan MB",
    "inf d",
    "30 D",
    "30 days",
    "30\td",
    "1 d 2 h",
    "1234567890123 MB",
]


@pytest.mark.parametrize(
    ("text", "size"),
    [("256 MB", 256_000_000), ("1 kB", 1000), ("1 KiB", 1024), ("1.5 GiB", 1_610_612_736), ("0 GB", 0)],
)
def test_a_size_is_read_in_bytes(text: str, size: int) -> None:
    """A number, a space and a unit make bytes, in thousands or in powers of 1024."""
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "duration_s"), [("30 d", 2_592_000.0), ("1.5 h", 5400.0), ("10 min", 600.0), ("0 s", 0.0)]
)
def test_a_duration_is_read_in_seconds(text: str, duration_s: float) -> None:
    """A number, a space and a unit make seconds."""
    assert parse_duration(text) == duration_s


@pytest.mark.parametrize("text", [*NO_AMOUNTS, "256 KB", "256 mb", "256 MIB", "256 XB", "0.0001 kB", "30 d"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """Nothing is guessed: another unit, another space, a sign or half a byte is no size."""
    with pytest.raises(ValueError, match=r"^$"):
        parse_size(text)


@pytest.mark.parametrize("text", [*NO_AMOUNTS, "30 m", "30 w", "256 MB"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """Nothing is guessed, least of all whether m is a minute or a month."""
    with pytest.raises(ValueError, match=r"^$"):
        parse_duration(text)


@given(number=st.integers(0, 10**12 - 1), unit=st.sampled_from(sorted(SIZE_UNITS)))
def test_a_written_size_is_read_as_the_same(number: int, unit: str) -> None:
    """Writing a size loses nothing."""
    size = number * SIZE_UNITS[unit]
    assert parse_size(write_size(size)) == size if size else write_size(size) == "0 B"


@given(number=st.integers(0, 10**6), unit=st.sampled_from(sorted(DURATION_UNITS)))
def test_a_written_duration_is_read_as_the_same(number: int, unit: str) -> None:
    """Writing a duration of whole seconds loses nothing."""
    duration_s = number * DURATION_UNITS[unit]
    assert parse_duration(write_duration(duration_s)) == duration_s


@pytest.mark.parametrize(
    ("duration_s", "text"), [(2_592_000, "30 d"), (90, "90 s"), (7200.0, "2 h"), (0.5, "0.5 s"), (0, "0 s")]
)
def test_the_largest_unit_without_a_fraction_is_written(duration_s: float, text: str) -> None:
    """People read 30 d, not 2592000 s."""
    assert write_duration(duration_s) == text
