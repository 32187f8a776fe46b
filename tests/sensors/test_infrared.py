import asyncio
import errno
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from tests.end_to_end.stations import eventually
from weatherd.errors import InfraredUnavailable
from weatherd.model import Infrared
from weatherd.sensors.infrared import InfraredReceiver
from weatherd.sensors.transmitter import Command, transmit
from weatherd.testing import nec
from weatherd.testing.lirc import Device, SimulatedHandle, SimulatedLirc

POWER = 0x40BF
NAMES = {("nec", POWER): "tv_power"}
STRANGE = [3000, 1500, 400, 400, 400, 1200, 400]


def receiver(devices: SimulatedLirc, *, device: str = "auto", raw: bool = False) -> InfraredReceiver:
    return InfraredReceiver(devices, "remote", device=device, raw=raw, names=NAMES)


@asynccontextmanager
async def heard(devices: SimulatedLirc, *, raw: bool = False) -> AsyncIterator[list[Infrared]]:
    """Listen, and give what is heard."""
    told: list[Infrared] = []
    listening = receiver(devices, raw=raw)
    await listening.open()
    running = asyncio.create_task(listening.run(told.append))
    await asyncio.sleep(0)
    try:
        yield told
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await listening.close()


async def test_a_key_is_told_with_its_name_and_its_repeats() -> None:
    """What the configuration may send is known when a remote says it; another key has no name."""
    devices = SimulatedLirc.phat()
    ear = devices.devices["/dev/lirc1"]
    async with heard(devices) as told:
        for message in (nec.encode(POWER), nec.REPEAT_US, nec.encode(0x0102)):
            ear.hear(message)
        await eventually(lambda: len(told) == 3)
    assert told == [
        Infrared("nec", "0x40bf", 0, "tv_power"),
        Infrared("nec", "0x40bf", 1, "tv_power"),
        Infrared("nec", "0x0102"),
    ]


async def test_without_raw_what_no_decoder_knows_is_not_told() -> None:
    """A lamp, or a remote of another make, makes no word."""
    devices = SimulatedLirc.phat()
    async with heard(devices) as told:
        devices.devices["/dev/lirc1"].hear(STRANGE)
        devices.devices["/dev/lirc1"].hear(nec.encode(POWER))
        await eventually(lambda: bool(told))
    assert [one.scancode for one in told] == ["0x40bf"]


async def test_with_raw_the_pulses_are_told_and_what_is_unknown_is_called_so() -> None:
    """Those of a key that was decoded have no protocol: the key is told by itself, before."""
    devices = SimulatedLirc.phat()
    async with heard(devices, raw=True) as told:
        for message in (nec.encode(POWER), STRANGE, nec.REPEAT_US):
            devices.devices["/dev/lirc1"].hear(message)
            count = len(told) + (1 if message is STRANGE else 2)
            await eventually(lambda count=count: len(told) == count)
    assert told == [
        Infrared("nec", "0x40bf", 0, "tv_power"),
        Infrared("", timings_us=list(nec.encode(POWER))),
        Infrared("unknown", timings_us=STRANGE),
        Infrared("nec", "0x40bf", 1, "tv_power"),
        Infrared("", timings_us=list(nec.REPEAT_US)),
    ]


async def test_with_raw_each_decoder_that_is_off_makes_its_remotes_unknown() -> None:
    """So a remote can be used whose protocol the kernel does not have."""
    devices = SimulatedLirc.phat()
    devices.devices["/dev/lirc1"].protocols.clear()
    async with heard(devices, raw=True) as told:
        devices.devices["/dev/lirc1"].hear(nec.encode(POWER))
        await eventually(lambda: bool(told))
    assert told == [Infrared("unknown", timings_us=list(nec.encode(POWER)))]


async def test_a_device_that_has_gone_is_told_and_may_come_back() -> None:
    """What waits for it ends with an error at once, and it can be opened again when it is there."""
    devices = SimulatedLirc.phat()
    ear = devices.devices["/dev/lirc1"]
    listening = receiver(devices, raw=True)
    await listening.open()
    running = asyncio.create_task(listening.run(lambda _: None))
    await asyncio.sleep(0)
    ear.unplug()
    with pytest.raises(InfraredUnavailable, match="/dev/lirc1 cannot be used: No such device"):
        await asyncio.wait_for(running, 5)
    with pytest.raises(InfraredUnavailable):
        await listening.open()
    ear.is_registered = True
    await listening.open()
    await listening.close()
    await listening.close()


async def test_who_looks_for_the_device_anew_gives_back_what_he_had() -> None:
    """However often it goes and comes."""
    devices = SimulatedLirc.phat()
    ear = devices.devices["/dev/lirc1"]
    listening = receiver(devices, raw=True)
    for _ in range(3):
        await listening.open()
        assert ear.open_count == 2
        running = asyncio.create_task(listening.run(lambda _: None))
        await asyncio.sleep(0)
        ear.unplug()
        with pytest.raises(InfraredUnavailable):
            await asyncio.wait_for(running, 5)
        ear.is_registered = True
    await listening.close()
    assert [device.open_count for device in devices.devices.values()] == [0, 0]


async def test_a_message_that_was_broken_off_is_none_with_the_next_one() -> None:
    """What came before the device was looked for anew has no end, and is left out."""
    device = Device()
    listening = receiver(SimulatedLirc({"/dev/lirc0": device}), raw=True)
    told: list[Infrared] = []
    ends: list[tuple[list[int], Callable[[], bool]]] = [
        ([1 << 24 | 9000, 4500], lambda: len(listening._messages._timings) == 2),
        ([1 << 24 | 3000, 1500, 1 << 24 | 400, 3 << 24], lambda: bool(told)),
    ]
    for words, is_taken in ends:
        await listening.open()
        running = asyncio.create_task(listening.run(told.append))
        await asyncio.sleep(0)
        for word in words:
            device._put_sample(word)
        for handle in device._handles:
            handle.wake()
        await eventually(is_taken)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    await listening.close()
    assert told == [Infrared("unknown", timings_us=[3000, 1500, 400])]


async def test_nobody_waits_for_a_device_any_more_when_listening_has_ended() -> None:
    """Else the loop would wake for every word of a device that nobody reads, or of another file of the same number."""
    device = Device()
    async with heard(SimulatedLirc({"/dev/lirc0": device}), raw=True):
        fds = [handle.fd for handle in device._handles]
        await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    assert [loop.remove_reader(fd) for fd in fds] == [False, False]


@pytest.mark.parametrize(
    ("devices", "raw", "message", "hint"),
    [
        (SimulatedLirc({}), False, "there is no infrared device", "dtoverlay=gpio-ir,gpio_pin=18"),
        (
            SimulatedLirc({"/dev/lirc0": Device(receives=False, sends=True)}),
            False,
            "/dev/lirc0: none of these hears",
            "dtoverlay=gpio-ir,gpio_pin=18",
        ),
        (SimulatedLirc({"/dev/lirc0": Device(decodes=True)}), True, "none of these tells timings", "dtoverlay"),
    ],
)
async def test_what_is_missing_is_told_with_the_way_to_mend_it(
    devices: SimulatedLirc,
    raw: bool,  # noqa: FBT001
    message: str,
    hint: str,
) -> None:
    """No device, one that only sends, and one that decodes by itself where pulses are wanted."""
    with pytest.raises(InfraredUnavailable, match=message) as raised:
        await receiver(devices, raw=raw).open()
    assert hint in raised.value.hint


async def test_a_device_that_decodes_by_itself_tells_keys() -> None:
    """A receiver of a USB box has scancodes and no pulses."""
    device = Device(decodes=True)
    async with heard(SimulatedLirc({"/dev/lirc0": device})) as told:
        device.hear(nec.encode(POWER))
        await eventually(lambda: bool(told))
    assert told == [Infrared("nec", "0x40bf", 0, "tv_power")]


async def test_who_may_not_is_told_of_the_group() -> None:
    """The device belongs to video."""
    device = Device()
    device.refusal = errno.EACCES
    with pytest.raises(InfraredUnavailable, match="Permission denied") as raised:
        await receiver(SimulatedLirc({"/dev/lirc0": device}), device="/dev/lirc0").open()
    assert "usermod -aG video" in raised.value.hint


async def test_the_loop_goes_on_while_the_device_that_is_heard_sends() -> None:
    """Its driver lets who reads and who opens it wait; the key that came first is told when it is over."""
    began, goes_on = threading.Event(), threading.Event()

    def hold(_: float) -> None:
        began.set()
        assert goes_on.wait(10)

    device = Device(sends=True, makes_wait=True)
    devices = SimulatedLirc({"/dev/lirc0": device}, hold)
    async with heard(devices) as told:
        sending = asyncio.create_task(asyncio.to_thread(transmit, devices, "auto", Command(timings_us=(560,))))
        await asyncio.to_thread(began.wait, 10)
        device.hear(nec.encode(POWER))
        second = receiver(devices)
        opening = asyncio.create_task(second.open())
        for _ in range(10):
            await asyncio.sleep(0)
        assert told == []
        assert not opening.done()
        goes_on.set()
        await sending
        await opening
        await second.close()
        await eventually(lambda: bool(told))
    assert told == [Infrared("nec", "0x40bf", 0, "tv_power")]


async def test_a_device_that_hangs_is_told_and_looked_for_again_without_another_thread() -> None:
    """Whoever asks meanwhile is refused at once; when it comes back it can be opened."""
    goes_on = threading.Event()

    class Hanging(SimulatedLirc):
        opened_count = 0

        def open(self, path: str) -> SimulatedHandle:
            self.opened_count += 1
            assert goes_on.wait(10)
            return super().open(path)

    devices = Hanging({"/dev/lirc0": Device()})
    listening = receiver(devices)
    listening.call_s_max = 0.01
    for _ in range(3):
        with pytest.raises(InfraredUnavailable, match="an infrared device hangs in the kernel") as raised:
            await listening.open()
        assert "dmesg" in raised.value.hint
    assert devices.opened_count == 1
    listening.call_s_max = 5.0
    goes_on.set()
    await eventually(lambda: not listening._worker.is_held)
    await listening.open()
    await listening.close()


class Odd(SimulatedLirc):
    """A device that says what it is told to say when somebody reads."""

    def __init__(self, says: bytes | OSError) -> None:
        super().__init__({"/dev/lirc0": Device()})
        self.says = says

    def open(self, path: str) -> SimulatedHandle:
        said = self.says

        class Handle(SimulatedHandle):
            def read(self, size: int) -> bytes:
                super().read(size)
                if isinstance(said, OSError):
                    raise said
                return said

        return Handle(self.devices[path], lambda _: None)


@pytest.mark.parametrize(
    ("says", "message"),
    [
        (b"", "it says 0 bytes, where each word has 24"),
        (bytes(23), "it says 23 bytes, where each word has 24"),
        (bytes(25), "it says 25 bytes"),
        (OSError(errno.EIO, "Input/output error"), "/dev/lirc0 cannot be used: Input/output error"),
    ],
)
async def test_a_device_that_talks_nonsense_is_given_up(says: bytes | OSError, message: str) -> None:
    """An end, or a piece of a word, would else be read for ever: it is lost, and looked for again."""
    devices = Odd(says)
    listening = receiver(devices)
    await listening.open()
    running = asyncio.create_task(listening.run(lambda _: None))
    await asyncio.sleep(0)
    devices.devices["/dev/lirc0"].hear(nec.encode(POWER))
    with pytest.raises(InfraredUnavailable, match=message):
        await asyncio.wait_for(running, 5)
    await listening.close()


async def test_a_device_that_somebody_else_has_to_himself_is_told() -> None:
    """A kernel before 4.16, or a driver of another make, lets only one program in."""
    device = Device()
    device.refusal = errno.EBUSY
    with pytest.raises(InfraredUnavailable, match="busy") as raised:
        await receiver(SimulatedLirc({"/dev/lirc0": device})).open()
    assert "fuser" in raised.value.hint


async def test_words_of_kinds_that_nobody_knows_are_passed_over() -> None:
    """A newer kernel may tell more; the message around them is whole."""
    device = Device()
    async with heard(SimulatedLirc({"/dev/lirc0": device}), raw=True) as told:
        for kind in (5, 0x7F, 0xFF):
            device._put_sample(kind << 24 | 1234)
        device.hear(STRANGE)
        await eventually(lambda: bool(told))
    assert told == [Infrared("unknown", timings_us=STRANGE)]
