"""A real lirc device, the kernel's rc-loopback, where what is sent is received: its calls, decoders and refusals."""

import asyncio
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.vm.guest.stations import Station, run, wait_for
from weatherd.errors import InfraredUnavailable
from weatherd.model import Infrared
from weatherd.processing.infrared import PROTOCOLS, written
from weatherd.sensors import lirc
from weatherd.sensors.infrared import InfraredReceiver
from weatherd.sensors.transmitter import Command, transmit
from weatherd.testing import nec
from weatherd.testing.lirc import SimulatedLirc

DEVICES = lirc.LinuxLirc()
POWER = 0x40BF
STRANGE = (3000, 1500, 400, 400, 400, 1200, 400)
DECODERS = "+nec +rc-5 +rc-6 +sony"

INFRARED = """
[[sensors]]
name = "remote"
driver = "infrared"
raw = true

[infrared.commands]
tv_power = { protocol = "nec", scancode = 0x40bf }
fan = { timings_us = [3000, 1500, 400, 400, 400, 1200, 400] }
"""


@pytest.fixture(scope="module", autouse=True)
def _decoders() -> None:
    """Turn on the decoders of some protocols, as docs/infrared.md says it."""
    subprocess.run(["modprobe", "rc-loopback"], check=True)
    wait_for(DEVICES.paths, "there is a lirc device")
    turn_on()


def turn_on() -> None:
    for protocols in Path("/sys/class/lirc").glob("lirc*/device/protocols"):
        protocols.write_text(DECODERS)


def heard(commands: Sequence[Command], count: int, *, raw: bool = False) -> list[Infrared]:
    """Send commands, and return what a receiver has heard as soon as there is so much."""

    async def listen() -> list[Infrared]:
        told: list[Infrared] = []
        enough = asyncio.Event()

        def take(one: Infrared) -> None:
            told.append(one)
            if len(told) >= count:
                enough.set()

        receiver = InfraredReceiver(DEVICES, "remote", device="auto", raw=raw, names={})
        await receiver.open()
        listening = asyncio.create_task(receiver.run(take))
        await asyncio.sleep(0)
        for command in commands:
            await asyncio.to_thread(transmit, DEVICES, "auto", command)
        async with asyncio.timeout(30):
            await enough.wait()
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await receiver.close()
        return told

    return asyncio.run(listen())


def test_the_device_says_what_it_can_do() -> None:
    """The loopback hears, tells timings, sends and sets its carrier; our words for that are the kernel's."""
    found = lirc.find(DEVICES, lirc.AUTO, lirc.can_receive_timings, "tells timings")
    try:
        assert lirc.can_receive(found.features)
        assert lirc.can_send(found.features)
        assert found.features & lirc.CAN_SET_SEND_CARRIER
        assert found.handle.ioctl(lirc.GET_REC_MODE) == lirc.MODE_MODE2
        found.handle.ioctl(lirc.SET_REC_MODE, lirc.MODE_SCANCODE)
        assert found.handle.ioctl(lirc.GET_REC_MODE) == lirc.MODE_SCANCODE
    finally:
        found.handle.close()


@pytest.mark.parametrize(
    ("protocol", "scancode"),
    [("nec", POWER), ("necx", 0x866B01), ("nec32", 0x12345678), ("rc5", 0x1E01), ("rc6_0", 0x0C), ("sony12", 0x10015)],
)
def test_the_kernel_decodes_what_it_has_encoded(protocol: str, scancode: int) -> None:
    """
    The number of the protocol and the bits of the scancode mean to us what they mean to the kernel. Another decoder may
    think that it knows it, too: that of RC-5 does so of RC-6.
    """
    assert Infrared(protocol, written(scancode)) in heard([Command(protocol, scancode)], 1)


def test_pulses_are_told_as_they_were_sent() -> None:
    """With the key where the kernel decodes one, and as unknown where it does not; in this order."""
    frame = tuple(nec.encode(POWER))
    told = heard([Command(timings_us=frame), Command(timings_us=STRANGE)], 3, raw=True)
    assert told == [
        Infrared("nec", "0x40bf"),
        Infrared("", timings_us=list(frame)),
        Infrared("unknown", timings_us=list(STRANGE)),
    ]


def test_a_held_key_is_one_press() -> None:
    """NEC's sign of a held key comes with the kernel's flag and time, and is counted."""
    held = (*nec.encode(POWER), 40_000, *nec.REPEAT_US, 96_000, *nec.REPEAT_US)
    assert [one.repeat for one in heard([Command(timings_us=held)], 3)] == [0, 1, 2]


def refusals(handle: lirc.Handle) -> list[int | None]:
    """Ask a device for what it may refuse, and return the errors."""
    modes: list[Callable[[], object]] = [
        lambda: handle.ioctl(lirc.SET_REC_MODE, lirc.MODE_PULSE),
        lambda: handle.ioctl(lirc.SET_SEND_MODE, lirc.MODE_MODE2),
        lambda: handle.ioctl(0x1234),
        lambda: handle.read(3),
        lambda: handle.read(4),
        lambda: handle.ioctl(lirc.SET_SEND_MODE, lirc.MODE_PULSE),
    ]
    messages = [[9000, 4500], [9000, 0, 560], [560] * 1025, [500_001], [250_000, 200_000, 50_001], [9000, 4500, 560]]
    pulses: list[Callable[[], object]] = [lambda one=one: handle.write(lirc.pulses(one)) for one in messages]
    keys = [
        lirc.to_send(PROTOCOLS["xmp"].number, 1),
        lirc.to_send(PROTOCOLS["nec"].number, 2**32),
        lirc.SCANCODE.pack(0, 1, 9, 0, POWER),
        lirc.SCANCODE.pack(1, 0, 9, 0, POWER),
        b"\0" * 23,
        lirc.to_send(PROTOCOLS["nec"].number, POWER),
    ]
    scancodes: list[Callable[[], object]] = [lambda one=one: handle.write(one) for one in keys]
    return [
        *map(refusal, modes),
        *map(refusal, pulses),
        refusal(lambda: handle.ioctl(lirc.SET_SEND_MODE, lirc.MODE_SCANCODE)),
        *map(refusal, scancodes),
    ]


def refusal(work: Callable[[], object]) -> int | None:
    try:
        work()
    except OSError as error:
        return error.errno
    return None


def test_the_emulated_device_refuses_what_the_kernel_refuses() -> None:
    """Each call ends with the same error, or with none, at both."""
    real = lirc.find(DEVICES, lirc.AUTO, lirc.can_send, "sends").handle
    emulated = SimulatedLirc.loopback(lambda _: None).open("the simulated device")
    try:
        assert refusals(real) == refusals(emulated)
    finally:
        real.close()
        emulated.close()


def test_sending_takes_as_long_as_the_message() -> None:
    """So it is done on a thread: 400 ms of pulses let a write wait for 400 ms."""
    began_s = time.monotonic()
    transmit(DEVICES, "auto", Command(timings_us=(100_000, 200_000, 100_000)))
    assert time.monotonic() - began_s >= 0.39


def test_the_station_hears_and_sends_as_a_unit(station: Station) -> None:
    """The device belongs to video, the unit's sandbox lets the daemon at it, and both sides reach the far end."""
    (path,) = DEVICES.paths()
    assert run("stat", "-c", "%G %a", path).split() == ["video", "660"]
    station.configuration = station.configuration.replace("[sinks.logstash]", f"{INFRARED}\n[sinks.logstash]")
    since = station.last_seq()
    station.start()
    assert run("weatherd", "ir", "list").split() == ["tv_power", "fan"]
    for name in ("tv_power", "fan"):
        assert run("weatherd", "ir", "send", name) == f"sent {name}\n"
    wait_for(lambda: len(station.events("infrared_received", since=since)) >= 2, "both are heard")
    received = [one["infrared"] for one in station.events("infrared_received", since=since)]
    assert sorted(received, key=lambda one: one["protocol"]) == [
        {"protocol": "nec", "scancode": "0x40bf", "command": "tv_power"},
        {"protocol": "unknown", "timings_us": list(STRANGE)},
    ]
    sent = [one["infrared"]["command"] for one in station.events("infrared_sent", since=since)]
    assert sorted(sent) == ["fan", "tv_power"]
    assert station.status_of("remote")["state"] == "working"


def test_a_device_that_goes_away_is_told_and_found_again(station: Station) -> None:
    """The driver is unloaded under a daemon that listens, and loaded again."""
    since = station.last_seq()
    run("modprobe", "--remove", "rc-loopback")
    wait_for(lambda: station.events("sensor_lost", since=since), "the receiver is lost", 60.0)
    assert [one["event"]["reason"] for one in station.events("sensor_lost", since=since)] == ["no_infrared"]
    with pytest.raises(InfraredUnavailable, match="there is no infrared device"):
        lirc.find(DEVICES, lirc.AUTO, lirc.can_receive, "hears")
    run("modprobe", "rc-loopback")
    wait_for(lambda: station.events("sensor_found", since=since), "it is found again", 120.0)
    turn_on()
    run("weatherd", "ir", "send", "tv_power")
    wait_for(lambda: station.events("infrared_received", since=since), "it hears again")
