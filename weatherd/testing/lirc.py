"""
Emulated infrared devices, for benches, the demo and tests: what is sent is received.

    lirc = SimulatedLirc.loopback()     one device that sends and hears itself, as the kernel's rc-loopback
    lirc = SimulatedLirc.phat()         the two of an ANAVI pHAT: one only sends, one only hears

They stand in the place of the kernel, behind the door `weatherd.sensors.lirc`, and refuse what it refuses, with the
same errors. Each handle has a mode, a buffer of limited size and a real file descriptor that becomes readable; any
number of handles may be open, and all hear everything. Writing takes as long as the message, and a device may let all
other calls wait meanwhile. A device can be unplugged.
One decoder is there, that of NEC; no key has a name.

Source:
    Linux 6.1, drivers/media/rc/lirc_dev.c, rc-loopback.c, gpio-ir-recv.c and gpio-ir-tx.c.
"""

import contextlib
import errno
import os
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from weatherd.testing import nec

# The kernel's words, written down once more and not taken from the door: a wrong one there must not be wrong here too.
GET_FEATURES, GET_REC_MODE = 0x80046900, 0x80046902
SET_SEND_MODE, SET_REC_MODE, SET_SEND_CARRIER = 0x40046911, 0x40046912, 0x40046913
PULSE, MODE2, SCANCODE = 2, 4, 8
CAN_SET_SEND_CARRIER = 0x100
SPACE_WORD, PULSE_WORD, TIMEOUT_WORD = 0, 1 << 24, 3 << 24
VALUE_MAX = (1 << 24) - 1
FLAG_REPEAT = 2
NEC = 9

TIMEOUT_US = 125_000
"""A space so long ends a message (rc-core.h, IR_DEFAULT_TIMEOUT)."""

DURATION_US_MAX = 500_000
TIMINGS_MAX = 1024
CARRIER_HZ_MAX = 500_000
SCANCODES_MAX = 32
SAMPLES_MAX = 512

_scancode = struct.Struct("=QHHIQ")


class Device:
    """
    One emulated device.

    Args:
        receives: Whether it hears.
        sends: Whether it sends.
        decodes: Whether it is a receiver that decodes by itself, and tells no timings.
        makes_wait: Whether all other calls of it wait while it sends, as where the driver itself waits for the light
            to be out (lirc_dev.c, ir_lirc_transmit_ir holds the mutex that read, ioctl, open and close take).

    Attributes:
        sending: Held while it sends, if it makes others wait.
        heard_by: The devices that see its light.
        refusal: What opening it fails with, as errno; None if it does not.
        is_registered: False when it is unplugged.
        sets_carrier: Whether what sends has a carrier that can be chosen.
        protocols: The decoders that are turned on, as numbers.
        carrier_hz: That of what it sends.
        sent: Pulses and spaces of each message, with its carrier, the newest last.
    """

    def __init__(
        self, *, receives: bool = True, sends: bool = False, decodes: bool = False, makes_wait: bool = False
    ) -> None:
        self.receives = receives
        self.sends = sends
        self.decodes = decodes
        self.makes_wait = makes_wait
        self.sending = threading.Lock()
        self.heard_by: list[Device] = []
        self.refusal: int | None = None
        self.is_registered = True
        self.sets_carrier = True
        self.protocols = {NEC}
        self.carrier_hz = 36_000
        self.sent: deque[tuple[Sequence[int], int]] = deque(maxlen=100)
        self._handles: list[SimulatedHandle] = []
        self._last_scancode: int | None = None
        self._gap_began_ns: int | None = None
        self._lock = threading.Lock()  # as the device's own mutex: who sends, and who reads, are different threads

    @property
    def features(self) -> int:
        """What it says that it can do."""
        hears = (SCANCODE << 16 if self.decodes else MODE2 << 16) if self.receives else 0
        sends = PULSE | (CAN_SET_SEND_CARRIER if self.sets_carrier else 0)
        return hears | (sends if self.sends else 0)

    @property
    def open_count(self) -> int:
        """How many handles of it are open."""
        return len(self._handles)

    def attach(self, handle: "SimulatedHandle") -> None:
        """Let a handle hear everything from now on."""
        with self._lock:
            self._handles.append(handle)

    def detach(self, handle: "SimulatedHandle") -> None:
        """Let it hear nothing any more."""
        with self._lock:
            self._handles.remove(handle)

    def hear(self, timings_us: Sequence[int]) -> None:
        """Hear a message of pulses and spaces in turn, which is over now."""
        with self._lock:
            keys = list(nec.decode(timings_us)) if NEC in self.protocols else []
            for scancode in keys:
                self._put_scancode(scancode)
            now_ns = time.monotonic_ns()
            if self._gap_began_ns is not None:
                self._put_sample(SPACE_WORD | min((now_ns - self._gap_began_ns) // 1000, VALUE_MAX))
            for number, timing in enumerate(timings_us):
                self._put_sample((SPACE_WORD if number % 2 else PULSE_WORD) | timing)
            self._put_sample(TIMEOUT_WORD | TIMEOUT_US)
            self._gap_began_ns = now_ns
            for handle in self._handles:
                handle.wake()

    def unplug(self) -> None:
        """Let it go, and wake whoever waits for it."""
        with self._lock:
            self.is_registered = False
            for handle in self._handles:
                handle.wake()

    def _put_scancode(self, scancode: int | None) -> None:
        if scancode is None and self._last_scancode is None:
            return
        flags = FLAG_REPEAT if scancode is None else 0
        self._last_scancode = self._last_scancode if scancode is None else scancode
        word = _scancode.pack(time.monotonic_ns(), flags, NEC, 0, self._last_scancode)
        for handle in self._handles:
            handle.put(SCANCODE, word)

    def _put_sample(self, word: int) -> None:
        if not self.decodes:
            for handle in self._handles:
                handle.put(MODE2, struct.pack("=I", word))


class SimulatedLirc:
    """
    Some emulated devices.

    Args:
        devices: By path.
        sleep: Lets the time of a message pass.
    """

    def __init__(self, devices: Mapping[str, Device], sleep: Callable[[float], None] = time.sleep) -> None:
        self.devices = dict(devices)
        self._sleep = sleep

    @classmethod
    def loopback(cls, sleep: Callable[[float], None] = time.sleep) -> "SimulatedLirc":
        """Return one device that hears what it sends."""
        device = Device(sends=True)
        device.heard_by.append(device)
        return cls({"the simulated device": device}, sleep)

    @classmethod
    def phat(cls, sleep: Callable[[float], None] = time.sleep) -> "SimulatedLirc":
        """Return a transmitter and a receiver that sees its light; the transmitter has the lower number."""
        transmitter, receiver = Device(receives=False, sends=True, makes_wait=True), Device()
        transmitter.heard_by.append(receiver)
        return cls({"/dev/lirc0": transmitter, "/dev/lirc1": receiver}, sleep)

    def paths(self) -> Sequence[str]:
        """Return the path of each device."""
        return list(self.devices)

    def open(self, path: str) -> "SimulatedHandle":
        """Open a device. Raises OSError as the kernel does."""
        device = self.devices.get(path)
        if device is None:
            raise _error(errno.ENOENT)
        if device.refusal is not None:
            raise _error(device.refusal)
        if not device.is_registered:
            raise _error(errno.ENODEV)
        with device.sending:
            return SimulatedHandle(device, self._sleep)


class SimulatedHandle:
    """An opened emulated device."""

    def __init__(self, device: Device, sleep: Callable[[float], None]) -> None:
        self._device = device
        self._sleep = sleep
        self._send_mode = PULSE
        self._rec_mode = SCANCODE if device.decodes else MODE2
        self._waiting: Mapping[int, deque[bytes]] = {SCANCODE: deque(), MODE2: deque()}
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        device.attach(self)

    def ioctl(self, request: int, value: int = 0) -> int:
        """Ask or set one thing."""
        with self._device.sending:
            return self._ioctl(self._look(), request, value)

    def _ioctl(self, device: Device, request: int, value: int) -> int:
        match request:
            case 0x80046900:  # GET_FEATURES
                return device.features
            case 0x80046902 if device.receives:  # GET_REC_MODE
                return self._rec_mode
            case 0x40046912 if device.receives:  # SET_REC_MODE
                if value not in ({SCANCODE} if device.decodes else {SCANCODE, MODE2}):
                    raise _error(errno.EINVAL)
                self._rec_mode = value
            case 0x40046911 if device.sends:  # SET_SEND_MODE
                if value not in {PULSE, SCANCODE}:
                    raise _error(errno.EINVAL)
                self._send_mode = value
            case 0x40046913 if device.sends and device.sets_carrier:  # SET_SEND_CARRIER
                if value > CARRIER_HZ_MAX:
                    raise _error(errno.EINVAL)
                device.carrier_hz = value
            case _:
                raise _error(errno.ENOTTY)
        return value

    def read(self, size: int) -> bytes:
        """Return what waits, up to a size."""
        device = self._device
        if not device.receives:
            raise _error(errno.EINVAL)
        with device.sending:
            self._look()
        word_size = _scancode.size if self._rec_mode == SCANCODE else 4
        if size < word_size or size % word_size:
            raise _error(errno.EINVAL)
        waiting = self._waiting[self._rec_mode]
        read = b"".join(waiting.popleft() for _ in range(min(len(waiting), size // word_size)))
        if not waiting:
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self.fd)
        if not read:
            raise _error(errno.EAGAIN)
        return read

    def write(self, message: bytes) -> None:
        """Send a message; what sees its light has heard it when this returns."""
        device = self._look()
        if not device.sends:
            raise _error(errno.EINVAL)
        timings = self._encoded(message) if self._send_mode == SCANCODE else self._pulses(message)
        if not all(timings) or sum(timings) > DURATION_US_MAX:
            raise _error(errno.EINVAL)
        if self._send_mode == SCANCODE:
            device.carrier_hz = 38_000
        device.sent.append((timings, device.carrier_hz))
        with device.sending if device.makes_wait else contextlib.nullcontext():
            self._sleep(sum(timings) / 1e6)
        for other in device.heard_by:
            other.hear(timings)

    def close(self) -> None:
        """Give the device back."""
        with self._device.sending:
            self._device.detach(self)
        os.close(self.fd)

    def put(self, mode: int, word: bytes) -> None:
        """Let a word wait to be read; it is dropped if too many do."""
        if self._device.receives and len(self._waiting[mode]) < (SCANCODES_MAX if mode == SCANCODE else SAMPLES_MAX):
            self._waiting[mode].append(word)

    def wake(self) -> None:
        """Let the file descriptor be readable, if something waits to be read or the device has gone."""
        if self._waiting[self._rec_mode] or not self._device.is_registered:
            os.eventfd_write(self.fd, 1)

    def _encoded(self, message: bytes) -> Sequence[int]:
        if len(message) != _scancode.size:
            raise _error(errno.EINVAL)
        at_ns, flags, protocol, keycode, scancode = _scancode.unpack(message)
        if at_ns or flags or keycode or protocol != NEC or scancode > 2**32 - 1:
            raise _error(errno.EINVAL)
        return nec.encode(scancode)

    def _pulses(self, message: bytes) -> Sequence[int]:
        count, rest = divmod(len(message), 4)
        if rest or count % 2 == 0 or count > TIMINGS_MAX:
            raise _error(errno.EINVAL)
        return struct.unpack(f"={count}I", message)

    def _look(self) -> Device:
        if not self._device.is_registered:
            raise _error(errno.ENODEV)
        return self._device


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
