"""The station as installed, on a real kernel: I2C, GPIO, infrared, clock, limits, network; one boot for all of it."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import pytest

from tests.vm import guests
from tests.vm.guests import Told

pytestmark = pytest.mark.vm


@pytest.fixture(scope="module")
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Sequence[Told]]:
    """Let the machine run those tests that are asked for, and return what it told of each function."""
    wanted = [
        item.callspec.params["name"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.module is request.module and hasattr(item, "callspec")
    ]
    found: dict[str, list[Told]] = defaultdict(list)
    for one in guests.boot(tmp_path_factory.mktemp("machine"), wanted):
        found[one.function].append(one)
    return found


@pytest.mark.parametrize("name", guests.there_are())
def test_in_the_machine(
    name: str, told: Mapping[str, Sequence[Told]], record_property: Callable[[str, object], None]
) -> None:
    """What the test of this name states in tests/vm/guest was seen in the machine."""
    record_property("told", [list(one) for one in told[name]])
    assert told[name], "the machine went off before"
    for one in told[name]:
        assert one.outcome == "passed", f"{one.name}\n{one.why}"


def test_every_test_of_the_machine_has_its_turn() -> None:
    """A file of tests in the guest's folder is one of those that run, in their order."""
    assert {path.name for path in guests.FOLDER.glob("test_*.py")} <= set(guests.FILES)
