"""The order of the tests themselves."""

import pytest

from tests.order import LONGEST, ROOT, place


@pytest.mark.parametrize("name", LONGEST)
def test_what_comes_first_is_there(name: str) -> None:
    """A file that was renamed would silently come late."""
    assert (ROOT / name).exists()


def test_the_longest_come_first() -> None:
    """Whatever their names, and the others keep their order."""
    found = ["tests/cli/test_b.py::b", f"{LONGEST[1]}::a", "tests/cli/test_a.py::a", f"{LONGEST[0]}::z"]
    assert sorted(found, key=place) == [found[3], found[1], found[0], found[2]]
