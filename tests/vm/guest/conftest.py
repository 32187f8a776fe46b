"""Inside the machine: a line for each test to the outside, and one station that all tests share."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.installed.far_end import FarEnd, far_end
from tests.vm.guest.chips import Chips, chips_on
from tests.vm.guest.contacts import Contacts, contacts_on
from tests.vm.guest.stations import Station

_OUTSIDE = Path("/dev/vport0p1")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Tell of a test that has ended, or whose fixtures failed."""
    if report.when != "call" and report.passed:
        return
    tell(
        {
            "name": report.nodeid.rpartition("/")[2],
            "outcome": report.outcome if report.when == "call" else f"{report.outcome} at {report.when}",
            "took_s": round(report.duration, 1),
            "figures": [figure for name, figure in report.user_properties if name == "figure"],
            "why": report.longreprtext,
        }
    )


def tell(what: object) -> None:
    """Send a line to the outside."""
    with _OUTSIDE.open("w") as outside:
        outside.write(json.dumps(what) + "\n")


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Note a figure that stands beside the test in the table."""
    return lambda text: request.node.user_properties.append(("figure", text))


@pytest.fixture(scope="session")
def chips() -> Iterator[Chips]:
    """Give the chips behind /dev/i2c-1."""
    with chips_on() as there:
        yield there


@pytest.fixture(scope="session")
def contacts() -> Iterator[Contacts]:
    """Give the contacts on the lines of a GPIO chip."""
    with contacts_on() as there:
        yield there


@pytest.fixture(scope="session")
def outside() -> Iterator[FarEnd]:
    """Give a stand-in for Logstash."""
    with far_end() as standing_in:
        yield standing_in


@pytest.fixture(scope="session")
def station(chips: Chips, contacts: Contacts, outside: FarEnd) -> Station:
    """Give the installed station, which runs as a unit on all that there is; one for all tests, as starts are slow."""
    there = Station(outside, contacts.chip)
    there.start()
    return there
