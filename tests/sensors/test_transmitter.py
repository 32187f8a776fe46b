import asyncio
import errno
import threading

import pytest

from tests.end_to_end.stations import eventually
from tests.fakes import FakeClock
from weatherd.errors import InfraredError, NoSuchCommand, NotSent, TooOften
from weatherd.model import Infrared
from weatherd.sensors.transmitter import GAP_S, Command, Transmitter, sentence, transmit
from weatherd.testing import nec
from weatherd.testing.lirc import Device, SimulatedLirc

POWER = 0x40BF
COMMANDS = {
    "tv_power": Command("nec", POWER),
    "fan": Command(timings_us=(9000, 4500, 560), carrier_hz=36_000, repeats=2),
    "hifi": Command("rc5", 0x1E01),
}


class Bench:
    def __init__(
        self, devices: SimulatedLirc | None = None, *, per_minute_max: int = 20, limit_s: float = 10.0
    ) -> None:
        self.clock = FakeClock()
        self.devices = devices or SimulatedLirc.phat(lambda _: None)
        self.told: list[Infrared] = []
        self.transmitter = Transmitter(
            self.devices,
            self.clock,
            self.told.append,
            device="auto",
            commands=COMMANDS,
            per_minute_max=per_minute_max,
            limit_s=limit_s,
        )

    @property
    def sent(self) -> list[tuple[list[int], int]]:
        """Everything that went out, with its carrier."""
        return [(list(timings), hz) for device in self.devices.devices.values() for timings, hz in device.sent]


async def test_a_scancode_is_encoded_by_the_kernel() -> None:
    """With the carrier of its protocol; who asks is told when it is out."""
    bench = Bench()
    await bench.transmitter.send("tv_power")
    assert bench.sent == [(list(nec.encode(POWER)), 38_000)]
    assert bench.told == [Infrared("nec", "0x40bf", command="tv_power")]
    assert bench.transmitter.counts == {"sent": 1, "too_often": 0, "failed": 0}


async def test_timings_go_out_at_their_carrier_and_as_often_as_wanted() -> None:
    """A command with two repetitions is three messages, and one that is told."""
    bench = Bench()
    await bench.transmitter.send("fan")
    assert bench.sent == [([9000, 4500, 560], 36_000)] * 3
    assert bench.told == [Infrared(repeat=2, command="fan", carrier_hz=36_000)]


def test_there_is_a_rest_behind_each_message() -> None:
    """As long as a remote takes it, before a repetition, and before whatever is sent next."""
    passed: list[float] = []
    transmit(SimulatedLirc.phat(lambda _: None), "auto", COMMANDS["fan"], passed.append)
    assert passed == [GAP_S, GAP_S, GAP_S]


async def test_what_has_no_name_is_told_with_its_timings() -> None:
    """Nothing else says what it was."""
    bench = Bench()
    await bench.transmitter.send_timings([9000, 4500, 560], 40_000)
    assert bench.sent == [([9000, 4500, 560], 40_000)]
    assert bench.told == [Infrared(timings_us=(9000, 4500, 560), carrier_hz=40_000)]


async def test_a_held_key_is_sent_in_pieces_with_its_rests() -> None:
    """The kernel takes half a second at once; what it takes is not torn apart."""
    bench = Bench()
    frame, rest = [9000, 4500, 560], 200_000
    await bench.transmitter.send_timings([*frame, rest, *frame, rest, *frame, rest, *frame], 38_000)
    assert bench.sent == [(frame, 38_000)] * 4
    await bench.transmitter.send_timings([*frame, rest, *frame], 38_000)
    assert bench.sent[4:] == [([*frame, rest, *frame], 38_000)]
    passed: list[float] = []
    transmit(bench.devices, "auto", Command(timings_us=(*frame, rest, *frame, 2 * rest, *frame)), passed.append)
    assert passed == [0.2, 0.4, GAP_S]


async def refused(bench: Bench, name: str) -> InfraredError:
    """Return why a command is not sent."""
    with pytest.raises(InfraredError) as raised:
        await bench.transmitter.send(name)
    return raised.value


async def test_a_name_that_there_is_not_is_told_those_that_there_are() -> None:
    """And takes nothing from what may be sent."""
    error = await refused(Bench(), "tv_powr")
    assert isinstance(error, NoSuchCommand)
    assert "tv_power, fan, hifi" in error.hint


async def test_five_go_at_once_and_then_as_many_a_minute_as_are_allowed() -> None:
    """Whoever asks; what is too much is refused, and not kept for later."""
    bench = Bench(per_minute_max=20)
    for _ in range(5):
        await bench.transmitter.send("tv_power")
    error = await refused(bench, "tv_power")
    assert isinstance(error, TooOften)
    assert "more than 20 infrared messages a minute" in error.sentence
    assert "sends_per_minute_max" in error.hint
    await bench.clock.advance(2.9)
    assert isinstance(await refused(bench, "tv_power"), TooOften)
    await bench.clock.advance(0.2)
    await bench.transmitter.send("tv_power")
    assert len(bench.sent) == 6
    assert bench.transmitter.counts == {"sent": 6, "too_often": 2, "failed": 0}


async def test_a_station_that_may_send_once_a_minute_sends_once() -> None:
    """There is no burst of five then."""
    bench = Bench(per_minute_max=1)
    await bench.transmitter.send("tv_power")
    assert isinstance(await refused(bench, "tv_power"), TooOften)
    await bench.clock.advance(60.0)
    await bench.transmitter.send("tv_power")


@pytest.mark.parametrize(
    ("timings", "carrier_hz", "message"),
    [
        ([], 38_000, "found 0 timings; allowed is an odd number"),
        ([9000, 4500], 38_000, "an odd number"),
        ([9000, 4500, 0], 38_000, "found 0; allowed are 20 microseconds"),
        ([260_000, 19_000, 230_000], 38_000, "takes 509,000 microseconds"),
        ([400_000, 600_000, 400_000, 600_000, 20], 38_000, "longer than 2,000,000"),
        ([560] * 1025, 38_000, "found 1025 timings"),
        ([560], 19_999, "a carrier of 19999 Hz"),
        ([560], 60_001, "a carrier of 60001 Hz"),
    ],
)
async def test_what_is_no_message_is_not_sent(timings: list[int], carrier_hz: int, message: str) -> None:
    """Too long, too many, even, or at no remote's carrier: nothing goes out, and it takes nothing from what may."""
    bench = Bench(per_minute_max=1)
    with pytest.raises(NotSent, match=message):
        await bench.transmitter.send_timings(timings, carrier_hz)
    assert bench.sent == []
    await bench.transmitter.send("tv_power")


async def test_a_protocol_without_an_encoder_is_told() -> None:
    """The way around it is named."""
    error = await refused(Bench(), "hifi")
    assert isinstance(error, NotSent)
    assert error.sentence == "/dev/lirc0 refuses rc5 0x1e01: this kernel has no encoder for it"
    assert "timings_us" in error.hint


@pytest.mark.parametrize(
    ("devices", "message", "hint"),
    [
        (SimulatedLirc({}), "there is no infrared device", "dtoverlay=gpio-ir-tx,gpio_pin=17"),
        (SimulatedLirc({"/dev/lirc0": Device()}), "/dev/lirc0: none of these sends", "gpio-ir-tx"),
    ],
)
async def test_without_a_transmitter_nothing_is_sent(devices: SimulatedLirc, message: str, hint: str) -> None:
    """A receiver alone is none; the line to add is told."""
    error = await refused(Bench(devices), "tv_power")
    assert isinstance(error, NotSent)
    assert message in error.sentence
    assert hint in error.hint


async def test_who_may_not_send_is_told_of_the_group() -> None:
    """And a device that lets him in again is used at once."""
    bench = Bench()
    bench.devices.devices["/dev/lirc0"].refusal = errno.EACCES
    error = await refused(bench, "tv_power")
    assert "Permission denied" in error.sentence
    assert "usermod -aG video" in error.hint
    bench.devices.devices["/dev/lirc0"].refusal = None
    await bench.transmitter.send("tv_power")


async def test_a_device_with_one_carrier_sends_with_that() -> None:
    """It has no call to choose another one, and is not asked to."""
    device = Device(receives=False, sends=True)
    device.sets_carrier = False
    bench = Bench(SimulatedLirc({"/dev/lirc0": device}, lambda _: None))
    await bench.transmitter.send("fan")
    assert bench.sent == [([9000, 4500, 560], device.carrier_hz)] * 3


async def test_two_seconds_are_sent_and_not_a_microsecond_more() -> None:
    """Of pulses and rests together, the latter as long as they like."""
    bench = Bench()
    frame = [400_000, 90_000] * 4
    await bench.transmitter.send_timings([*frame, 40_000], 38_000)
    assert [len(timings) for timings, _ in bench.sent] == [1] * 5
    with pytest.raises(NotSent, match="longer than 2,000,000"):
        await bench.transmitter.send_timings([*frame, 40_001], 38_000)


async def test_the_device_is_given_back_whatever_became_of_the_message() -> None:
    """Sent or refused: nobody else finds it taken."""
    bench = Bench()
    await bench.transmitter.send("tv_power")
    await refused(bench, "hifi")
    assert [device.open_count for device in bench.devices.devices.values()] == [0, 0]


async def test_messages_go_out_one_after_the_other_while_the_loop_goes_on() -> None:
    """The second waits for the first, which takes its time in the kernel; nobody else does."""
    goes_on, began, both = threading.Event(), threading.Event(), []

    def hold(duration_s: float) -> None:
        both.append(duration_s)
        began.set()
        assert goes_on.wait(10)

    bench = Bench(SimulatedLirc.phat(hold))
    sending = [asyncio.create_task(bench.transmitter.send("tv_power")) for _ in range(2)]
    await asyncio.to_thread(began.wait, 10)
    assert len(both) == 1
    assert not any(task.done() for task in sending)
    goes_on.set()
    await asyncio.gather(*sending)
    assert len(both) == 2


async def test_a_message_that_hangs_in_the_kernel_holds_up_nobody_for_ever() -> None:
    """It is given up after a while, and the next is refused at once until it has come back."""
    goes_on = threading.Event()
    bench = Bench(SimulatedLirc.phat(lambda _: goes_on.wait(10) and None), limit_s=0.05)
    assert "not sent after 0.05 s" in (await refused(bench, "tv_power")).sentence
    assert "hangs in the kernel" in (await refused(bench, "tv_power")).sentence
    bench.transmitter.limit_s = 10.0
    goes_on.set()
    await eventually(lambda: not bench.transmitter._worker.is_held)
    assert len(bench.told) == 1  # it went out after all
    await bench.transmitter.send("tv_power")
    assert bench.transmitter.counts == {"sent": 2, "too_often": 0, "failed": 2}


async def test_what_has_begun_goes_out_and_is_told_though_nobody_waits_for_it() -> None:
    """Somebody pressed Ctrl-C, or was out of patience: the next message waits for its end, and goes out too."""
    goes_on, began = threading.Event(), threading.Event()

    def hold(_: float) -> None:
        began.set()
        assert goes_on.wait(10)

    bench = Bench(SimulatedLirc.phat(hold))
    asking = asyncio.create_task(bench.transmitter.send("tv_power"))
    await asyncio.to_thread(began.wait, 10)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    after = asyncio.create_task(bench.transmitter.send("fan"))
    await asyncio.sleep(0)
    assert bench.told == []
    goes_on.set()
    await after
    assert [one.command for one in bench.told] == ["tv_power", "fan"]


async def test_a_message_on_its_way_is_over_before_the_stop_and_no_other_begins() -> None:
    """Those that wait for their turn are refused with the reason."""
    goes_on, began = threading.Event(), threading.Event()

    def hold(_: float) -> None:
        began.set()
        assert goes_on.wait(10)

    bench = Bench(SimulatedLirc.phat(hold))
    first, second = (asyncio.create_task(bench.transmitter.send("tv_power")) for _ in range(2))
    await asyncio.to_thread(began.wait, 10)
    stopping = asyncio.create_task(bench.transmitter.finish())
    await asyncio.sleep(0)
    assert not stopping.done()
    goes_on.set()
    await stopping
    await first
    with pytest.raises(NotSent, match="the station stops"):
        await second
    assert isinstance(await refused(bench, "tv_power"), NotSent)
    assert (len(bench.sent), len(bench.told)) == (1, 1)


async def test_a_transmitter_that_never_sent_stops_at_once() -> None:
    """And may be asked to stop twice."""
    bench = Bench()
    await bench.transmitter.finish()
    await bench.transmitter.finish()


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (Infrared("nec", "0x40bf", command="tv_power"), "sent tv_power by infrared: nec 0x40bf"),
        (
            Infrared(repeat=2, command="fan", carrier_hz=36_000),
            "sent fan by infrared: pulses at 36000 Hz, and 2 times again",
        ),
        (
            Infrared(timings_us=(9000, 4500, 560), carrier_hz=38_000),
            "sent what Home Assistant asked for by infrared: 3 timings at 38000 Hz",
        ),
    ],
)
def test_what_was_sent_is_told_in_words(sent: Infrared, words: str) -> None:
    """Its name, and what it was."""
    assert sentence(sent) == words
