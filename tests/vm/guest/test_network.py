"""A way to the far end that is slow, loses packets, or is not there, as the kernel makes one (sch_netem)."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from tests.vm.guest.stations import Station, run, wait_for

_OBSERVATIONS = 40
_ADDRESS = "127.0.0.1/8"
_ATTEMPTS_PER_S_MAX = 5.0
"""With `delay_s_max` of a second and full jitter there are two."""


def test_a_slow_line_that_loses_packets_costs_nothing(station: Station, figure: Callable[[str], None]) -> None:
    """With 100 ms each way and a tenth of the packets lost, observations arrive all along, each once."""
    with _netem("delay", "100ms", "20ms", "loss", "10%"):
        before = station.last_seq()
        wait_for(lambda: station.last_seq() >= before + _OBSERVATIONS, "observations arrive", timeout_s=90.0)
        figure(f"lag while it lasted: {_sink(station)['lag']}")
    _check_all_arrive(station, before)


def test_a_line_that_is_cut_holds_up_what_is_observed_and_no_more(
    station: Station, figure: Callable[[str], None]
) -> None:
    """While nothing comes through, attempts time out, the station observes on and says so; then all arrives once."""
    before, timeouts_count = station.last_seq(), _timeouts_count(station)
    with _netem("loss", "100%"):
        wait_for(lambda: _sink(station)["lag"] >= _OBSERVATIONS, "a backlog grows", timeout_s=90.0)
        wait_for(lambda: _timeouts_count(station) >= timeouts_count + 2, "it tries again after a timeout", 90.0)
        assert _sink(station)["state"] == "lost"
        figure(f"backlog {_sink(station)['lag']}, {_timeouts_count(station) - timeouts_count} timeouts")
    _check_all_arrive(station, before)


def test_an_answer_that_comes_too_late_makes_no_second_observation(
    station: Station, figure: Callable[[str], None]
) -> None:
    """
    With 3 s each way and a timeout of 5 s the far end takes what the station believes lost, and sends once more: under
    the same ids, with the same bytes.
    """
    before, timeouts_count = station.last_seq(), _timeouts_count(station)
    duplicates_count = station.outside.duplicates_count()
    with _netem("delay", "3s"):
        wait_for(lambda: _timeouts_count(station) > timeouts_count, "an answer comes too late", timeout_s=90.0)
    _check_all_arrive(station, before)
    figure(f"{station.outside.duplicates_count() - duplicates_count} documents came twice")
    assert station.outside.duplicates_count() > duplicates_count


def test_attempts_are_few_while_there_is_no_network(station: Station, figure: Callable[[str], None]) -> None:
    """Without an address each attempt fails at once: the station waits between them, and all arrives once."""
    before = station.last_seq()
    run("ip", "address", "delete", _ADDRESS, "dev", "lo")
    try:
        wait_for(lambda: "no_connection" in _sink(station)["attempts"], "there is no way any more", timeout_s=90.0)
        first = station.status()
        wait_for(lambda: _observed_count(station) >= _observed_count_of(first) + _OBSERVATIONS, "it observes on", 90.0)
        last = station.status()
    finally:
        run("ip", "address", "add", _ADDRESS, "dev", "lo")
    took_s = last["station"]["uptime_s"] - first["station"]["uptime_s"]
    attempts_count = _attempts_count(last) - _attempts_count(first)
    figure(f"{attempts_count} attempts in {took_s:.0f} s")
    assert 1 <= attempts_count <= _ATTEMPTS_PER_S_MAX * took_s
    _check_all_arrive(station, before)


@contextlib.contextmanager
def _netem(*how: str) -> Iterator[None]:
    """Let the way to the far end be bad until the end of the block."""
    run("tc", "qdisc", "add", "dev", "lo", "root", "netem", "limit", "10000", *how)
    try:
        yield
    finally:
        run("tc", "qdisc", "delete", "dev", "lo", "root")


def _sink(station: Station) -> dict[str, Any]:
    sink: dict[str, Any] = station.status()["sinks"][0]
    return sink


def _timeouts_count(station: Station) -> int:
    count: int = _sink(station)["attempts"].get("timeout", 0)
    return count


def _attempts_count(status: dict[str, Any]) -> int:
    return sum(status["sinks"][0]["attempts"].values())


def _observed_count(station: Station) -> int:
    return _observed_count_of(station.status())


def _observed_count_of(status: dict[str, Any]) -> int:
    count: int = status["journal"]["last_seq"]
    return count


def _check_all_arrive(station: Station, before: int) -> None:
    """Look at the seqs: none missing up to what there is now, none under two ids, none with other bytes."""
    last = _observed_count(station)
    wait_for(lambda: set(range(before, last + 1)) <= station.outside.seqs(), "all has arrived", timeout_s=90.0)
    assert station.outside.conflicts_count() == 0
    seqs = [document["event"]["sequence"] for document in station.outside.documents()]
    assert len(seqs) == len(set(seqs)), "a seq came under two ids"
