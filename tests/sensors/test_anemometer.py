"""The anemometer on the simulated chip: mean and gust, by the kernel's times."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weatherd.errors import Chattering
from weatherd.model import Measurement
from weatherd.sensors.anemometer import Anemometer
from weatherd.testing.gpio import SimulatedGpio

LINE = 27
S = 10**9


class Bench:
    """An anemometer with 1 m/s at 1 Hz, on a clock that the test sets."""

    def __init__(self, debounce_s: float = 0.001) -> None:
        self.now_ns = 1000 * S
        self.chip = SimulatedGpio(monotonic_ns=lambda: self.now_ns)
        self.sensor = Anemometer(
            self.chip, "wind", LINE, m_per_s_per_hz=1.0, debounce_s=debounce_s, monotonic_ns=lambda: self.now_ns
        )

    async def open(self) -> None:
        await self.sensor.open()

    def turn(self, hz: float, duration_s: float) -> None:
        """Let the cups turn evenly for a while; nobody reads meanwhile."""
        end_ns = self.now_ns + round(duration_s * S)
        for _ in range(round(hz * duration_s)):
            self.now_ns += round(S / hz)
            self.chip.pulse(LINE, width_s=0.2 / hz)
        self.now_ns = end_ns

    def rest(self, duration_s: float) -> None:
        self.now_ns += round(duration_s * S)

    async def measure(self) -> Measurement:
        return await self.sensor.measure()


@pytest.fixture
async def bench() -> Bench:
    bench = Bench()
    await bench.open()
    return bench


async def test_when_nothing_turns_the_wind_is_zero(bench: Bench) -> None:
    """A calm is a measurement."""
    bench.rest(10)
    assert await bench.measure() == {"wind_speed": 0.0, "wind_speed_of_gust": 0.0}
    await bench.sensor.close()


async def test_an_even_wind_has_no_gusts(bench: Bench) -> None:
    """Ten pulses a second are 10 m/s, in the mean and in the strongest three seconds."""
    bench.turn(10, 10)
    wind = await bench.measure()
    assert wind["wind_speed"] == pytest.approx(10.0)
    assert wind["wind_speed_of_gust"] == pytest.approx(10.0)
    await bench.sensor.close()


async def test_a_gust_is_the_strongest_three_seconds(bench: Bench) -> None:
    """Three seconds of 20 m/s within ten seconds of 5 m/s; one second of 40 m/s is no gust of 40."""
    bench.turn(5, 4)
    bench.turn(20, 3)
    bench.turn(5, 3)
    wind = await bench.measure()
    assert wind["wind_speed"] == pytest.approx((5 * 7 + 20 * 3) / 10)
    assert wind["wind_speed_of_gust"] == pytest.approx(20.0, abs=0.34)
    bench.turn(5, 5)
    bench.turn(40, 1)
    bench.turn(5, 4)
    assert (await bench.measure())["wind_speed_of_gust"] == pytest.approx((40 + 2 * 5) / 3, abs=0.34)
    await bench.sensor.close()


async def test_a_gust_may_have_begun_before(bench: Bench) -> None:
    """Three seconds across the end of a report period are seen in the second of the two."""
    bench.turn(2, 8)
    bench.turn(20, 2)
    await bench.measure()
    bench.turn(20, 1)
    bench.turn(2, 9)
    assert (await bench.measure())["wind_speed_of_gust"] == pytest.approx(20.0, abs=0.34)
    await bench.sensor.close()


async def test_a_kilohertz_is_counted(bench: Bench) -> None:
    """The fastest parts; and edges that nobody read in time are counted as lost, not guessed."""
    fast = Bench(debounce_s=0.0002)
    await fast.open()
    for _ in range(20):
        fast.turn(1000, 0.5)
        assert (await fast.measure())["wind_speed"] == pytest.approx(1000.0, rel=0.001)
    assert fast.sensor.lost_edges_count == 0
    fast.turn(1000, 1.0)
    await fast.measure()
    assert fast.sensor.lost_edges_count == 2000 - 1024
    await fast.sensor.close()
    await bench.sensor.close()


async def test_bouncing_cups_turn_no_faster(bench: Bench) -> None:
    """A contact that bounces for half a millisecond counts once a turn."""
    for _ in range(25):
        bench.rest(0.2)
        bench.chip.pulse(LINE, width_s=0.02, bounces=10, bounce_s=0.0005)
    assert (await bench.measure())["wind_speed"] == pytest.approx(5.0)
    await bench.sensor.close()


async def test_in_a_light_wind_the_gust_is_the_mean(bench: Bench) -> None:
    """With a pulse each four seconds no three seconds hold two, and the mean is what is known."""
    bench.turn(0.25, 12)
    assert await bench.measure() == {"wind_speed": 0.25, "wind_speed_of_gust": 0.25}
    await bench.sensor.close()


async def test_a_pulse_right_after_the_start_is_no_storm(bench: Bench) -> None:
    """One pulse in five milliseconds is not 200 m/s."""
    bench.rest(0.005)
    bench.chip.pulse(LINE, width_s=0.002)
    assert (await bench.measure())["wind_speed"] == pytest.approx(2.0)
    await bench.sensor.close()


async def test_after_a_pause_nothing_of_before_counts(bench: Bench) -> None:
    """A sensor that was lost begins anew when it is opened again."""
    bench.turn(10, 5)
    bench.sensor._read()
    await bench.sensor.close()
    bench.rest(5)
    await bench.open()
    bench.rest(10)
    assert await bench.measure() == {"wind_speed": 0.0, "wind_speed_of_gust": 0.0}
    await bench.sensor.close()


@given(pauses_s=st.lists(st.floats(0.005, 8.0), max_size=60))
async def test_no_gust_is_below_the_mean(pauses_s: list[float]) -> None:
    """In whatever wind, also in the light one in which a pulse comes each several seconds."""
    bench = Bench()
    await bench.open()
    for number, pause_s in enumerate(pauses_s):
        bench.rest(pause_s)
        bench.chip.pulse(LINE, width_s=0.001)
        if number % 7 == 6:
            wind = await bench.measure()
            assert wind["wind_speed_of_gust"] >= wind["wind_speed"] >= 0.0
    await bench.sensor.close()


async def test_a_contact_that_never_rests_is_no_calm() -> None:
    """A wet plug, or a storm too fast for the debounce time, would read as nearly 0: it is named instead."""
    bench = Bench(debounce_s=0.02)
    await bench.open()
    bench.turn(60, 5)
    with pytest.raises(Chattering, match=r"did not come to rest for 5\.0 s"):
        await bench.measure()
    bench.rest(5)
    assert await bench.measure() == {"wind_speed": 0.0, "wind_speed_of_gust": 0.0}
    await bench.sensor.close()


async def test_a_contact_that_bounces_for_long_is_still_counted() -> None:
    """Half a second of bouncing at each turn is one pulse, and no chatter."""
    bench = Bench(debounce_s=0.02)
    await bench.open()
    for _ in range(5):
        bench.rest(2)
        bench.chip.pulse(LINE, width_s=0.25, bounces=50, bounce_s=0.25)
    assert (await bench.measure())["wind_speed"] == pytest.approx(0.5)
    await bench.sensor.close()
