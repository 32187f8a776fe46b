"""The wall clock of the machine, really set, under the running daemon; and what the kernel says of it."""

import datetime as dt
import time
from collections.abc import Iterator

import pytest

from tests.vm.guest.kernel_clock import say_synchronised
from tests.vm.guest.stations import Station, wait_for


@pytest.fixture
def true_time(station: Station) -> Iterator[None]:
    """Leave the clock right behind this, and synchronised, so that the station follows it."""
    offset_s = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    yield
    time.clock_settime(time.CLOCK_REALTIME, time.clock_gettime(time.CLOCK_BOOTTIME) + offset_s)
    say_synchronised()
    wait_for(lambda: abs(_age_s(_next(station))) < 60.0, "the station follows")


def test_a_clock_that_nobody_vouches_for_is_told_as_such(station: Station) -> None:
    """Until the kernel says that it is synchronised, documents say that their time is the station's own estimate."""
    document = _next(station)
    assert document["clock"] == {"synchronized": False, "estimated": True}


def test_the_kernels_word_is_taken(station: Station, true_time: None) -> None:
    """As soon as a time daemon has told the kernel so (STA_UNSYNC goes), documents say that their time is right."""
    say_synchronised()
    wait_for(lambda: _next(station)["clock"] == {"synchronized": True}, "documents say so")


@pytest.mark.parametrize("step_s", [3600.0, -3600.0])
def test_a_step_of_a_synchronised_clock_is_followed(station: Station, true_time: None, step_s: float) -> None:
    """Who vouches for the clock sets it forward, or back: stamps follow, no observation is lost, and it is told."""
    say_synchronised()
    wait_for(lambda: _next(station)["clock"]["synchronized"], "the clock is synchronised")
    before = station.last_seq()
    time.clock_settime(time.CLOCK_REALTIME, time.time() + step_s)
    say_synchronised()  # setting the clock takes the kernel's word away
    wait_for(lambda: station.events("clock_stepped", since=before), "the step is told")
    document = _next(station)
    assert abs(_age_s(document)) < 30.0
    _check_nothing_is_missing(station, since=before)


def test_a_clock_that_falls_back_to_1970_is_not_believed(station: Station, true_time: None) -> None:
    """Set to 1970 by nobody who vouches for it, it is told as a step, and the station keeps its own time."""
    before = station.last_seq()
    was = _time(_next(station))
    time.clock_settime(time.CLOCK_REALTIME, 86_400.0)  # Linux takes no time that is before its boot in 1970
    wait_for(lambda: station.events("clock_stepped", since=before), "the step is told")
    document = _next(station)
    assert _time(document) > was
    assert not document["clock"]["synchronized"]
    _check_nothing_is_missing(station, since=before)


def _next(station: Station) -> dict[str, object]:
    """Return the next observation of the barometer."""
    before = station.last_seq()
    wait_for(lambda: station.observations("bmp280", since=before), "the barometer is observed")
    return station.observations("bmp280", since=before)[-1]


def _check_nothing_is_missing(station: Station, *, since: int) -> None:
    """Look at the seqs that came: each once, none left out, none with other bytes."""
    last = station.last_seq()
    wait_for(lambda: set(range(since, last + 1)) <= station.outside.seqs(), "what was observed has come")
    assert station.outside.conflicts_count() == 0


def _time(document: dict[str, object]) -> float:
    return dt.datetime.fromisoformat(str(document["@timestamp"])).timestamp()


def _age_s(document: dict[str, object]) -> float:
    return time.time() - _time(document)
