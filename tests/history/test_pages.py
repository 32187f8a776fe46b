import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weatherd.history.bins import HOUR_MS, MINUTE_MS, Bin
from weatherd.history.pages import FLAGS, PageDamaged, pack, unpack
from weatherd.model import Quality

DAY_MS = 24 * HOUR_MS


def day(count: int = 1440) -> list[Bin]:
    values = [round(15.0 + 8.0 * math.sin(minute / 229.0), 2) for minute in range(count)]
    return [
        Bin(DAY_MS + n * MINUTE_MS, value, round(value - 0.05, 2), round(value + 0.07, 2), 60, Quality.GOOD)
        for n, value in enumerate(values)
    ]


_hundredths = st.integers(-10_000_000, 10_000_000).map(lambda number: number / 100)


@given(
    st.dictionaries(
        st.integers(0, 1439),
        st.tuples(
            _hundredths, st.integers(0, 500), st.integers(0, 500), st.integers(1, 100_000), st.sampled_from(FLAGS)
        ),
        min_size=1,
    )
)
def test_a_page_gives_back_what_was_packed(told: dict[int, tuple[float, int, int, int, Quality]]) -> None:
    """With the decimals of the quantity, gaps, extremes, weights and flags."""
    bins = [
        Bin(DAY_MS + minute * MINUTE_MS, value, value - low / 100, value + high / 100, weight, flag)
        for minute, (value, low, high, weight, flag) in sorted(told.items())
    ]
    result = unpack("air_temperature", pack("air_temperature", bins, DAY_MS, MINUTE_MS), DAY_MS, MINUTE_MS)
    assert [(one.start_ms, one.weight, one.quality) for one in result] == [
        (one.start_ms, one.weight, one.quality) for one in bins
    ]
    for one, expected in zip(result, bins, strict=True):
        assert one[1:4] == pytest.approx(expected[1:4], abs=1e-9, rel=1e-12)


def test_a_quiet_day_is_a_few_kilobytes() -> None:
    """1440 minutes of 8 numbers would be 92 kB."""
    assert len(pack("air_temperature", day(), DAY_MS, MINUTE_MS)) < 4_000


def test_every_flag_has_a_number() -> None:
    """A new flag must be given one, behind the others, or a page could not tell it."""
    assert set(FLAGS) == set(Quality)


@pytest.mark.parametrize("place", [0, 5, 100, -1])
def test_a_flipped_bit_is_no_weather(place: int) -> None:
    """The stream has a checksum."""
    page = bytearray(pack("air_temperature", day(), DAY_MS, MINUTE_MS))
    page[place] ^= 0x10
    with pytest.raises(PageDamaged):
        unpack("air_temperature", bytes(page), DAY_MS, MINUTE_MS)


@pytest.mark.parametrize("page", [b"", b"x", pack("air_temperature", day(), DAY_MS, MINUTE_MS)[:-20]])
def test_what_is_cut_off_is_no_page(page: bytes) -> None:
    """Nothing, a byte, and a page without its end."""
    with pytest.raises(PageDamaged):
        unpack("air_temperature", page, DAY_MS, MINUTE_MS)


def test_an_enormous_number_does_not_break_a_page() -> None:
    """It is cut to what 64 bits hold, with room for differences."""
    bins = [Bin(DAY_MS, -1e300, -1e300, 1e300, 1, Quality.ERRONEOUS)]
    [result] = unpack("air_temperature", pack("air_temperature", bins, DAY_MS, MINUTE_MS), DAY_MS, MINUTE_MS)
    assert result.value < -1e15
    assert result.greatest > 1e15
