import pytest

from weatherd.model import Observation, Quality
from weatherd.sampling.newest import worst


@pytest.mark.parametrize(
    ("flags", "there", "expected"),
    [
        ({"a": "good", "b": "good"}, "ab", "good"),
        ({"a": "good", "b": "unchecked"}, "ab", "unchecked"),
        ({"a": "good", "b": "inconsistent"}, "ab", "inconsistent"),
        ({"a": "doubtful", "b": "inconsistent"}, "ab", "doubtful"),
        ({"a": "doubtful", "b": "erroneous", "c": "good"}, "abc", "erroneous"),
        ({"a": "good", "b": "missing"}, "a", "good"),
        ({"a": "missing"}, "", "missing"),
        ({}, "", "missing"),
    ],
)
def test_an_observation_is_as_good_as_its_worst_value(flags: dict[str, str], there: str, expected: str) -> None:
    """What is missing beside others takes nothing from them."""
    observation = Observation(
        sensor="s",
        model="m",
        observed_at_ms=0,
        recorded_at_ms=0,
        values=dict.fromkeys(there, 1.0),
        quality={quantity: Quality(flag) for quantity, flag in flags.items()},
        clock_synchronized=True,
    )
    assert worst(observation) is Quality(expected)
