"""The station as installed, on a real kernel: I2C, GPIO, infrared, clock, limits, network; one boot for all of it."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import pytest

from tests.vm import guests
from tests.vm.guests import Told

pytestmark = pytest.mark.vm


class Boot(NamedTuple):
    """
    What one boot told.

    Attributes:
        told: Of each test function, in the order in which it came.
        end: Why it ended before its time; empty if it did not.
    """

    told: Mapping[str, Sequence[Told]]
    end: str


@pytest.fixture(scope="module")
def boot(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Boot:
    """Let the machine run those tests that are asked for."""
    wanted = [
        item.callspec.params["name"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.module is request.module and hasattr(item, "callspec")
    ]
    told: dict[str, list[Told]] = defaultdict(list)
    end = ""
    try:
        for one in guests.boot(tmp_path_factory.mktemp("machine"), wanted):
            told[one.function].append(one)
    except AssertionError as error:
        end = str(error)
    return Boot(told, end)


@pytest.mark.parametrize("name", guests.there_are())
def test_in_the_machine(name: str, boot: Boot, record_property: Callable[[str, object], None]) -> None:
    """What the test of this name states in tests/vm/guest was seen in the machine."""
    told = boot.told[name]
    record_property("told", [list(one) for one in told])
    assert told, f"the machine ended before. {boot.end}"
    for one in told:
        assert one.outcome == "passed", f"{one.name}\n{one.why}"


def test_every_test_of_the_machine_has_its_turn() -> None:
    """A file of tests in the guest's folder is one of those that run, in their order."""
    assert {path.name for path in guests.FOLDER.glob("test_*.py")} <= set(guests.FILES)
