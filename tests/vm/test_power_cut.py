"""The plug is pulled again and again while the station observes; then it boots in 1970, and the time becomes right."""

import contextlib
import datetime as dt
import random
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.installed.parts import ROOT
from tests.vm.guests import FOLDER, Told
from tests.vm.image import image
from tests.vm.machine import Line, Machine, running

pytestmark = pytest.mark.vm

COMMIT_PERIOD_S = 1.0
GRACE_S = 0.5
"""What was due is on its way to the disk, through an emulated processor: `fdatasync` takes a while, too."""

RIGHT_S = 1.0
"""What the time of an observation may be off from when its line was written: it waits to be read."""

_BOOT_S_MAX = 120.0
_APART = 1_000_000
"""Numbers of one boot are so far from those of the next."""


class Cut(NamedTuple):
    """
    One pull of the plug.

    Attributes:
        at_s: When, by `time.monotonic`.
        read: The numbers that the daemon had read, each with when that was told.
    """

    at_s: float
    read: Sequence[tuple[int, float]]


class Story(NamedTuple):
    """All the cuts, and what the machine said at the boot that followed them."""

    cuts: Sequence[Cut]
    said: Sequence[dict[str, Any]]

    def arrived(self) -> list[dict[str, Any]]:
        """Return what was delivered in the end."""
        return [said["arrived"] for said in self.said if "arrived" in said]

    def the(self, name: str) -> dict[str, Any]:
        """Return the one thing with this name that it said."""
        found = [said for said in self.said if name in said]
        assert found, f"nothing about {name}, only {self.said[-3:]}"
        return found[0]


@pytest.fixture(scope="module")
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Pull the plug so often, on one disk, and collect what is on it."""
    folder = tmp_path_factory.mktemp("cuts")
    disk = folder / "disk.ext4"
    shutil.copyfile(image(), disk)
    count = request.config.getoption("--cuts")
    chance = random.Random(count)
    cuts = [_cut(folder, disk, number, chance.uniform(2.5, 4.0)) for number in range(count)]
    with _boot(folder, disk, f"TRUE_TIME={time.time()} ", "collect", count, clock="1970-01-02") as machine:
        said = [line.said for line in machine.lines(_BOOT_S_MAX)]
    yield Story(cuts, said)
    disk.unlink()


def test_a_pulled_plug_takes_at_most_the_commit_period(
    story: Story, record_property: Callable[[str, object], None]
) -> None:
    """Each time the journal opens again, and has all that the daemon had read more than a commit period before."""
    there = {document["n"] for document in story.arrived()}
    losses_s = []
    for cut in story.cuts:
        missing = [told_s for number, told_s in cut.read if number not in there]
        losses_s.append(cut.at_s - min(missing) if missing else 0.0)
        assert len(missing) < len(cut.read), "nothing of this boot is there"
    figures = [
        f"{len(story.cuts)} cuts",
        f"{sum(len(cut.read) for cut in story.cuts)} observations",
        f"lost at most {max(losses_s):.2f} s, in the middle {sorted(losses_s)[len(losses_s) // 2]:.2f} s",
    ]
    is_kept = max(losses_s) <= COMMIT_PERIOD_S + GRACE_S
    record_property("told", [list(Told("the plug is pulled", "passed" if is_kept else "failed", 0.0, figures, ""))])
    assert is_kept, figures


def test_a_pulled_plug_damages_no_journal(story: Story) -> None:
    """None was set aside, and no tail was done without."""
    actions = {document["action"] for document in story.arrived()}
    assert "station_started" in actions
    assert not [action for action in actions if action.startswith("journal")]


def test_no_id_stands_for_two_observations(story: Story) -> None:
    """Over all cuts, each id came with one document, and each number under one id."""
    assert story.the("conflicts")["conflicts"] == 0
    arrived = story.arrived()
    numbers = [document["n"] for document in arrived if document["n"] >= 0]
    assert len({document["id"] for document in arrived}) == len(arrived)
    assert len(set(numbers)) == len(numbers)


def test_what_is_observed_in_1970_waits_for_the_right_time(story: Story) -> None:
    """Nothing of a boot with a wrong clock goes out until the clock is right; then it goes out with the right time."""
    first = _first(len(story.cuts))
    early = story.the("early")
    assert early["clock"] < 7 * 86_400
    assert early["held"]
    assert early["early"] == 0
    late = [document for document in story.arrived() if document["n"] >= first]
    assert {document["clock"]["synchronized"] for document in late} == {True}
    offset_s = story.the("offset")["offset"]
    errors_s = sorted(_time(document) - offset_s - document["at_s"] for document in late)
    assert abs(errors_s[len(errors_s) // 2]) <= RIGHT_S, errors_s
    assert errors_s[0] >= -RIGHT_S, errors_s
    assert "clock_stepped" in {document["action"] for document in story.arrived()}
    assert story.the("exit")["exit"] == 0


def _time(document: dict[str, Any]) -> float:
    return dt.datetime.fromisoformat(document["time"]).timestamp()


def _cut(folder: Path, disk: Path, number: int, after_s: float) -> Cut:
    """Boot, let the daemon read for so long, and pull the plug."""
    with _boot(folder, disk, "", "count", number) as machine:
        lines = [_next(machine, _BOOT_S_MAX)]
        while lines[-1].at_s < lines[0].at_s + after_s:
            lines.append(_next(machine, 30.0))
        at_s = machine.pull_the_plug()
    return Cut(at_s, [(line.said["read"], line.at_s) for line in lines])


def _next(machine: Machine, within_s: float) -> Line:
    line = machine.line(within_s)
    assert line is not None, f"the machine went off\n{machine.end()}"
    return line


def _boot(
    folder: Path, disk: Path, variables: str, what: str, number: int, *, clock: str = "utc"
) -> contextlib.AbstractContextManager[Machine]:
    program = f"/opt/weatherd/bin/python -m tests.vm.guest.counting {what} {_first(number)}"
    run = f"#!/bin/sh\ncd /run/vm\n{variables}PYTHONPATH=/run/vm exec {program}\n"
    errand = {
        "run": run,
        "tests/vm/guest": FOLDER,
        "tests/installed/far_end.py": ROOT / "tests/installed/far_end.py",
    }
    return running(folder, errand, disk=disk, init="/srv/minimal", clock=clock)


def _first(number: int) -> int:
    """Return the first number of a boot."""
    return (number + 1) * _APART
