"""A way to the far end that is slow and loses packets, as the kernel makes one (sch_netem on the loopback)."""

import contextlib
from collections.abc import Callable, Iterator

from tests.vm.guest.stations import Station, run, wait_for

_OBSERVATIONS = 40


def test_a_slow_line_that_loses_packets_costs_nothing(station: Station, figure: Callable[[str], None]) -> None:
    """With 100 ms each way and a tenth of the packets lost, all arrives once, and what is fresh is not held up."""
    with _netem("delay", "100ms", "20ms", "loss", "10%"):
        before = station.last_seq()
        wait_for(lambda: station.last_seq() >= before + _OBSERVATIONS, "observations arrive", timeout_s=90.0)
        figure(f"lag while it lasted: {_lag(station)}")
    _check_all_arrive(station, before)


def test_a_line_that_is_cut_holds_up_what_is_observed_and_no_more(
    station: Station, figure: Callable[[str], None]
) -> None:
    """While nothing comes through, the station observes on and says that its sink is lost; then all arrives once."""
    before = station.last_seq()
    with _netem("loss", "100%"):
        wait_for(lambda: _lag(station) >= _OBSERVATIONS, "a backlog grows", timeout_s=90.0)
        figure(f"backlog {_lag(station)}")
    _check_all_arrive(station, before)


@contextlib.contextmanager
def _netem(*how: str) -> Iterator[None]:
    """Let the way to the far end be bad until the end of the block."""
    run("tc", "qdisc", "add", "dev", "lo", "root", "netem", "limit", "10000", *how)
    try:
        yield
    finally:
        run("tc", "qdisc", "delete", "dev", "lo", "root")


def _lag(station: Station) -> int:
    lag: int = station.status()["sinks"][0]["lag"]
    return lag


def _check_all_arrive(station: Station, before: int) -> None:
    """Look at the seqs: none missing up to what there is now, none with other bytes."""
    last: int = station.status()["journal"]["last_seq"]
    wait_for(lambda: set(range(before, last + 1)) <= station.outside.seqs(), "all has arrived", timeout_s=90.0)
    assert station.outside.conflicts_count() == 0
