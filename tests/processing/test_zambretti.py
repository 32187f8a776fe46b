import pytest
from hypothesis import given
from hypothesis import strategies as st

from weatherd.processing.zambretti import WORDS, zambretti

JULY, JANUARY = 7, 1


def letter(sea_level_hpa: float, tendency_hpa: float, month: int = JULY, **more: float | bool | None) -> str:
    number = zambretti(sea_level_hpa, tendency_hpa, month, **more)  # type: ignore[arg-type]
    assert number is not None
    return chr(ord("A") + number - 1)


@pytest.mark.parametrize(
    ("sea_level_hpa", "tendency_hpa", "expected"),
    [
        (1045.0, 2.0, "A"),
        (1010.0, 2.0, "F"),
        (950.0, 2.0, "Z"),
        (1030.0, 0.0, "A"),
        (1000.0, 0.0, "N"),
        (1000.0, 1.5, "N"),
        (960.0, 0.0, "Z"),
        (1045.0, -1.6, "B"),
        (1010.0, -2.0, "R"),
        (985.0, -2.0, "X"),
    ],
)
def test_the_three_faces_of_the_instrument(sea_level_hpa: float, tendency_hpa: float, expected: str) -> None:
    """Rising, steady and falling pressure each have a scale of their own, from fine to stormy."""
    assert letter(sea_level_hpa, tendency_hpa) == expected


def test_wind_and_season_of_the_south_are_those_of_the_north_turned() -> None:
    """A southerly wind in January at a southern station is what a northerly one in July is in the north."""
    north = letter(1005.0, 2.0, JULY, southern=False, wind_from_deg=0.0)
    assert letter(1005.0, 2.0, JANUARY, southern=True, wind_from_deg=180.0) == north
    assert letter(1005.0, 2.0, JULY, southern=False, wind_from_deg=180.0) > north
    assert letter(1005.0, 2.0, JANUARY, southern=False, wind_from_deg=0.0) > north


def test_without_a_latitude_neither_season_nor_wind_counts() -> None:
    """Which half of the earth it is, is not guessed."""
    assert letter(1005.0, 2.0, JULY, wind_from_deg=180.0) == letter(1005.0, 2.0, JANUARY)


@pytest.mark.parametrize("sea_level_hpa", [946.9, 1050.1])
def test_beyond_its_scale_it_says_nothing(sea_level_hpa: float) -> None:
    """The instrument was made for the pressures of its country."""
    assert zambretti(sea_level_hpa, 0.0, JULY) is None


@given(st.floats(947, 1050), st.floats(-10, 10), st.integers(1, 12), st.booleans(), st.none() | st.floats(0, 360))
def test_on_its_scale_it_always_has_a_word(
    sea_level_hpa: float,
    tendency_hpa: float,
    month: int,
    southern: bool,  # noqa: FBT001  -- drawn
    wind: float | None,
) -> None:
    """Each number that comes out has its words in each language."""
    number = zambretti(sea_level_hpa, tendency_hpa, month, southern=southern, wind_from_deg=wind)
    assert number is not None
    for words in WORDS.values():
        assert words[number - 1]


def test_each_language_has_words_for_each_letter() -> None:
    """26 letters, and no two the same."""
    for words in WORDS.values():
        assert len(set(words)) == 26
