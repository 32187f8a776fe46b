import errno
import select
import threading

import pytest

from weatherd.sensors import lirc
from weatherd.testing import nec
from weatherd.testing.lirc import Device, SimulatedHandle, SimulatedLirc

POWER = 0x40BF


def refusal(work: object) -> int | None:
    """Return the number of the error that a call ends with."""
    try:
        work()  # type: ignore[operator]
    except OSError as error:
        return error.errno
    return None


def is_readable(handle: SimulatedHandle) -> bool:
    """Tell whether somebody who waits for the device would be woken now."""
    return bool(select.select([handle.fd], [], [], 0)[0])


def opened(device: Device, mode: int | None = None) -> SimulatedHandle:
    """Open a device, in a mode."""
    handle = SimulatedLirc({"/dev/lirc0": device}, lambda _: None).open("/dev/lirc0")
    if mode is not None:
        handle.ioctl(lirc.SET_REC_MODE, mode)
    return handle


def test_a_scancode_that_is_sent_is_received() -> None:
    """The loopback encodes, hears itself and decodes; nothing waits before and after."""
    handle = SimulatedLirc.loopback(lambda _: None).open("the simulated device")
    handle.ioctl(lirc.SET_REC_MODE, lirc.MODE_SCANCODE)
    handle.ioctl(lirc.SET_SEND_MODE, lirc.MODE_SCANCODE)
    assert not is_readable(handle)
    handle.write(lirc.to_send(9, POWER))
    assert is_readable(handle)
    (heard,) = lirc.scancodes(handle.read(24 * 32))
    assert (heard.protocol, heard.scancode, heard.flags, heard.keycode) == (9, POWER, 0, 0)
    assert refusal(lambda: handle.read(24)) == errno.EAGAIN
    assert not is_readable(handle)
    handle.close()


def test_timings_that_are_sent_are_received_with_the_silence_behind_them() -> None:
    """Pulses and spaces as they were, a time-out, and before the next message the gap between the two."""
    handle = SimulatedLirc.loopback(lambda _: None).open("the simulated device")
    handle.write(lirc.pulses([9000, 4500, 560]))
    handle.write(lirc.pulses([700, 300, 700]))
    kinds = [sample.kind for sample in lirc.samples(handle.read(2048))]
    message = [lirc.MODE2_PULSE, lirc.MODE2_SPACE, lirc.MODE2_PULSE, lirc.MODE2_TIMEOUT]
    assert kinds == [*message, lirc.MODE2_SPACE, *message]
    handle.close()


def test_every_handle_hears_everything_in_its_own_mode() -> None:
    """Two readers take nothing from each other, and one more that comes late hears only what comes then."""
    device = Device()
    keys, timings = opened(device, lirc.MODE_SCANCODE), opened(device, lirc.MODE_MODE2)
    device.hear(nec.encode(POWER))
    late = opened(device)
    assert len(keys.read(2400)) == 24
    assert len(timings.read(2048)) == 4 * (67 + 1)
    assert refusal(lambda: late.read(2048)) == errno.EAGAIN
    for handle in (keys, timings, late):
        handle.close()


def test_a_decoder_that_is_off_decodes_nothing() -> None:
    """The timings are told all the same."""
    device = Device()
    device.protocols.clear()
    keys, timings = opened(device, lirc.MODE_SCANCODE), opened(device, lirc.MODE_MODE2)
    device.hear(nec.encode(POWER))
    assert not is_readable(keys)
    assert is_readable(timings)
    keys.close()
    timings.close()


def test_a_key_that_is_held_repeats_as_the_kernel_tells_it() -> None:
    """NEC's own sign for it has the flag; a remote's whole frame once more has none, as no key has a name."""
    device = Device()
    handle = opened(device, lirc.MODE_SCANCODE)
    device.hear(nec.REPEAT_US)
    assert not is_readable(handle)  # of which key, nobody knows
    for message in (nec.encode(POWER), nec.REPEAT_US, nec.encode(POWER)):
        device.hear(message)
    assert [(one.scancode, one.flags) for one in lirc.scancodes(handle.read(2400))] == [
        (POWER, 0),
        (POWER, lirc.FLAG_REPEAT),
        (POWER, 0),
    ]
    handle.close()


def test_what_is_not_read_in_time_is_dropped() -> None:
    """32 scancodes wait, and 512 words about timings; the oldest stay."""
    device = Device()
    keys, timings = opened(device, lirc.MODE_SCANCODE), opened(device, lirc.MODE_MODE2)
    for scancode in range(40):
        device.hear(nec.encode(scancode))
    assert [one.scancode for one in lirc.scancodes(keys.read(2400))] == list(range(32))
    assert len(timings.read(4 * 1024)) == 4 * 512
    keys.close()
    timings.close()


@pytest.mark.parametrize(
    ("device", "request_", "value", "number"),
    [
        (Device(receives=False, sends=True), lirc.SET_REC_MODE, lirc.MODE_SCANCODE, errno.ENOTTY),
        (Device(receives=False, sends=True), lirc.GET_REC_MODE, 0, errno.ENOTTY),
        (Device(), lirc.SET_SEND_MODE, lirc.MODE_PULSE, errno.ENOTTY),
        (Device(), lirc.SET_SEND_CARRIER, 38_000, errno.ENOTTY),
        (Device(), lirc.SET_REC_MODE, lirc.MODE_PULSE, errno.EINVAL),
        (Device(decodes=True), lirc.SET_REC_MODE, lirc.MODE_MODE2, errno.EINVAL),
        (Device(sends=True), lirc.SET_SEND_MODE, lirc.MODE_MODE2, errno.EINVAL),
        (Device(sends=True), lirc.SET_SEND_CARRIER, 500_001, errno.EINVAL),
        (Device(), 0x1234, 0, errno.ENOTTY),
        (Device(), lirc.SET_REC_MODE, lirc.MODE_SCANCODE, None),
        (Device(sends=True), lirc.SET_SEND_CARRIER, 38_000, None),
    ],
)
def test_what_a_device_cannot_do_is_refused_as_the_kernel_refuses_it(
    device: Device, request_: int, value: int, number: int | None
) -> None:
    """ENOTTY for what it does not have, EINVAL for what it does not know."""
    handle = opened(device)
    assert refusal(lambda: handle.ioctl(request_, value)) == number
    handle.close()


@pytest.mark.parametrize(
    ("mode", "message", "number"),
    [
        (lirc.MODE_PULSE, lirc.pulses([9000, 4500]), errno.EINVAL),
        (lirc.MODE_PULSE, lirc.pulses([9000, 0, 560]), errno.EINVAL),
        (lirc.MODE_PULSE, lirc.pulses([560] * 1025), errno.EINVAL),
        (lirc.MODE_PULSE, lirc.pulses([500_001]), errno.EINVAL),
        (lirc.MODE_PULSE, lirc.pulses([250_000, 200_000, 50_001]), errno.EINVAL),
        (lirc.MODE_PULSE, b"\0\0\0", errno.EINVAL),
        (lirc.MODE_PULSE, lirc.pulses([250_000, 200_000, 50_000]), None),
        (lirc.MODE_SCANCODE, lirc.to_send(2, 0x1E01), errno.EINVAL),
        (lirc.MODE_SCANCODE, lirc.SCANCODE.pack(0, 1, 9, 0, POWER), errno.EINVAL),
        (lirc.MODE_SCANCODE, lirc.SCANCODE.pack(0, 0, 9, 0, 2**32), errno.EINVAL),
        (lirc.MODE_SCANCODE, b"\0" * 23, errno.EINVAL),
        (lirc.MODE_SCANCODE, lirc.to_send(9, POWER), None),
    ],
)
def test_a_message_that_the_kernel_would_not_send_is_not_sent(mode: int, message: bytes, number: int | None) -> None:
    """Neither an even number of timings nor none, nor more than half a second, nor a protocol without an encoder."""
    device = Device(receives=False, sends=True)
    handle = opened(device)
    handle.ioctl(lirc.SET_SEND_MODE, mode)
    assert refusal(lambda: handle.write(message)) == number
    assert len(device.sent) == (number is None)
    handle.close()


def test_a_device_that_is_unplugged_wakes_who_waits_and_refuses_everything() -> None:
    """Reading, writing, asking and opening end with ENODEV, and the file descriptor is readable, as by a hang-up."""
    device = Device(sends=True)
    handle = opened(device)
    waiter = threading.Thread(target=select.select, args=([handle.fd], [], [], 10))
    waiter.start()
    device.unplug()
    waiter.join(5)
    assert not waiter.is_alive()
    assert refusal(lambda: handle.read(2048)) == errno.ENODEV
    assert refusal(lambda: handle.write(lirc.pulses([560]))) == errno.ENODEV
    assert refusal(lambda: handle.ioctl(lirc.GET_FEATURES)) == errno.ENODEV
    assert refusal(lambda: opened(device)) == errno.ENODEV
    handle.close()


def test_writing_takes_as_long_as_the_message() -> None:
    """The time that passes is the sum of the timings, in seconds."""
    passed: list[float] = []
    device = Device(sends=True)
    handle = SimulatedLirc({"/dev/lirc0": device}, passed.append).open("/dev/lirc0")
    handle.write(lirc.pulses([9000, 4500, 560]))
    assert passed == [0.01406]
    handle.close()


@pytest.mark.parametrize("scancode", [0x0000, 0x40BF, 0xFFFF, 0x0001, 0x8000])
def test_nec_is_decoded_as_it_was_encoded(scancode: int) -> None:
    """Both ends of the range, and single bits; a tenth longer or shorter it is still the same."""
    timings = nec.encode(scancode)
    assert len(timings) == 67
    for stretch in (0.9, 1.0, 1.1):
        assert list(nec.decode([round(one * stretch) for one in timings])) == [scancode]


def test_one_flipped_bit_is_no_scancode() -> None:
    """The inverses do not fit any more; whichever bit it is."""
    timings = nec.encode(POWER)
    for place in range(3, 67, 2):
        flipped = [*timings]
        flipped[place] = 563 if timings[place] > 1000 else 1688
        assert list(nec.decode(flipped)) == []
