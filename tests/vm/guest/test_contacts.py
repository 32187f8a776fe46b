"""Edges of real lines, through libgpiod's file descriptor, as gpio-sim's interrupts make them."""

import os
import signal
import time
from collections.abc import Callable

import pytest

from tests.vm.guest.contacts import FAST, RAIN, SOMEBODY, TAKEN, WIND, Contacts
from tests.vm.guest.stations import Station, run, wait_for


def test_the_lines_belong_to_their_group(station: Station, contacts: Contacts) -> None:
    """By our rule udev has given the chip to the group gpio."""
    assert run("stat", "-c", "%G %a", contacts.chip).split() == ["gpio", "660"]


def test_a_contact_that_bounces_counts_once(station: Station, contacts: Contacts) -> None:
    """Five tips, each of which bounces at both ends, are five tips of rain."""
    station.let_pass("rain", 1)  # what it has not seen open, or not for long enough, does not close
    before = _total(station, "rain")
    for _ in range(5):
        for is_open in (False, True):
            contacts.pulse(RAIN, 5, period_s=0.002, closed_s=0.001)
            contacts.set_open(RAIN, is_open=is_open)
            time.sleep(0.4)
    assert _told(station, "rain", before + 5) == before + 5


@pytest.mark.parametrize("hertz", [100, 1000])
def test_each_pulse_of_a_burst_counts(
    station: Station, contacts: Contacts, hertz: int, figure: Callable[[str], None]
) -> None:
    """At 100 Hz and at 1 kHz as many pulses are counted as there were, and the kernel had to drop none."""
    before = _total(station, "fast")
    took_s = contacts.pulse(FAST, 450, period_s=1 / hertz, closed_s=0.5 / hertz)
    figure(f"450 pulses at {450 / took_s:.0f} Hz")
    assert 450 / took_s == pytest.approx(hertz, rel=0.1)
    assert _told(station, "fast", before + 450) == before + 450
    assert station.status_of("fast")["lost_edges_count"] == 0


def test_a_busy_loop_shifts_and_loses_no_edge(station: Station, contacts: Contacts) -> None:
    """
    While the daemon stands still for 200 ms, 100 pulses come and go: the kernel keeps them, with their own times, or
    debouncing would take them as one.
    """
    before = _total(station, "fast")
    os.kill(station.pid(), signal.SIGSTOP)
    try:
        took_s = contacts.pulse(FAST, 100, period_s=0.002, closed_s=0.001)
    finally:
        os.kill(station.pid(), signal.SIGCONT)
    assert took_s >= 0.2
    assert _told(station, "fast", before + 100) == before + 100


@pytest.mark.parametrize("hertz", [200, 1000])
def test_wind_is_measured_by_its_pulses(
    station: Station, contacts: Contacts, hertz: int, figure: Callable[[str], None]
) -> None:
    """400 pulses, 200 or 1,000 a second, make the means and the gust that belong to them."""
    before = station.last_seq()
    took_s = contacts.pulse(WIND, 400, period_s=1 / hertz, closed_s=0.5 / hertz)
    station.let_pass("wind", 4)
    winds = [document["weather"] for document in station.observations("wind", since=before)]
    gust = max(wind["wind_speed_of_gust"] for wind in winds)
    run_m = sum(wind["wind_speed"] for wind in winds)  # a report each second
    figure(f"{400 / took_s:.0f} pulses a second: gust {gust:.2f} m/s, run of the wind {run_m:.2f} m, 0.01 m each")
    of_three_s = 400 * 0.01 * min(1.0, 3.0 / took_s) / 3.0
    assert 0.95 * of_three_s <= gust <= 1.1 * 0.01 * hertz
    assert run_m == pytest.approx(400 * 0.01, rel=0.05)


def test_a_line_that_somebody_else_has_is_told_clearly(station: Station, contacts: Contacts) -> None:
    """The log says who has it and what to do; when he lets go of it, the sensor is found."""
    told = [entry for entry in station.log() if "taken by" in entry["message"]]
    assert f"line {TAKEN} of {contacts.chip} is taken by {SOMEBODY}" in told[0]["message"]
    assert station.status_of("taken")["error"]["hint"].startswith("stop what uses it")
    contacts.let_go()
    wait_for(lambda: station.observations("taken"), "the sensor is observed", timeout_s=90.0)


def _told(station: Station, sensor: str, expected: int) -> int:
    """Return how many tips of a gauge were told when no more come."""
    deadline = time.monotonic() + 30.0
    while _total(station, sensor) < expected and time.monotonic() < deadline:
        station.let_pass(sensor, 1)
    station.let_pass(sensor, 2)
    return _total(station, sensor)


def _total(station: Station, sensor: str) -> int:
    """Return how many tips of a gauge were ever told."""
    spreads = (document["statistics"]["rainfall_amount"] for document in station.observations(sensor))
    return max((spread.get("total", 0) for spread in spreads), default=0)
