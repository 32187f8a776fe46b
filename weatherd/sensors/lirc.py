"""
The door to infrared: what the kernel's /dev/lirc* can do, in the kernel's own words.

    remote ─ receiver ─ pin ─> rc-core ─┬─ its decoders ─> scancodes ─┐
                                        └─ pulses and spaces ─────────┴─> /dev/lircN ─> read
    write ─> /dev/lircN ─> rc-core ─ its encoders ─> pin ─ transmitter

A device is chosen by what it can do and not by its number, which depends on the order in which the drivers came: the
pHAT has two, of which gpio-ir only hears and gpio-ir-tx only sends. Each opened handle has a mode, buffers and a
position of its own, so keys and timings of one device are read over two handles, and nobody takes anything from
another reader.

Everything here is a call of the kernel's, and `weatherd.testing.lirc` keeps the same promises without one.

Source:
    Linux 6.1, include/uapi/linux/lirc.h, include/uapi/asm-generic/ioctl.h; Documentation/userspace-api/media/rc.
"""

import array
import errno
import fcntl
import os
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from weatherd.errors import InfraredUnavailable

AUTO = "auto"
"""Instead of a path: the first device that can do what is wanted."""

_WRITE, _READ = 1, 2
_TYPE, _SIZE = ord("i"), 4


def _request(direction: int, number: int) -> int:
    return direction << 30 | _SIZE << 16 | _TYPE << 8 | number


GET_FEATURES = _request(_READ, 0x00)
GET_REC_MODE = _request(_READ, 0x02)
SET_SEND_MODE = _request(_WRITE, 0x11)
SET_REC_MODE = _request(_WRITE, 0x12)
SET_SEND_CARRIER = _request(_WRITE, 0x13)

MODE_PULSE = 0x02
MODE_MODE2 = 0x04
MODE_SCANCODE = 0x08

CAN_SEND_PULSE = MODE_PULSE
CAN_SET_SEND_CARRIER = 0x0100
CAN_REC_MODE2 = MODE_MODE2 << 16
CAN_REC_SCANCODE = MODE_SCANCODE << 16

FLAG_TOGGLE = 1
FLAG_REPEAT = 2

MODE2_SPACE = 0x00000000
MODE2_PULSE = 0x01000000
MODE2_FREQUENCY = 0x02000000
MODE2_TIMEOUT = 0x03000000
MODE2_OVERFLOW = 0x04000000
VALUE_MASK = 0x00FFFFFF
KIND_MASK = 0xFF000000

SCANCODE = struct.Struct("=QHHIQ")
"""``struct lirc_scancode``, 24 bytes in the order of the machine: timestamp, flags, protocol, keycode, scancode."""

TIMING = struct.Struct("=I")

SCANCODES_MAX = 32
"""As many wait in the kernel for each handle; it drops what comes when they are not read (lirc_dev.c, lirc_open)."""

SAMPLES_MAX = 512
"""The same of pulses and spaces (rc-core-priv.h, MAX_IR_EVENT_SIZE)."""

OVERLAYS = "dtoverlay=gpio-ir,gpio_pin=18 and dtoverlay=gpio-ir-tx,gpio_pin=17"

_HINTS = {
    errno.EACCES: "let the user in with `sudo usermod -aG video USER`, and start weatherd again",
    errno.EPERM: "let the user in with `sudo usermod -aG video USER`, and start weatherd again",
    errno.ENOENT: f"add {OVERLAYS} to /boot/firmware/config.txt, and restart the machine",
    errno.ENODEV: "the driver has gone: look at `dmesg`",
    errno.EBUSY: "another program has it to itself: `sudo fuser -v /dev/lirc*` tells which",
    errno.ENOTTY: "this is no lirc device of Linux 4.16 or later: `ls -l /dev/lirc*` lists those that there are",
}


class Handle(Protocol):
    """
    An opened device. Writing waits until all is sent, and meanwhile some drivers let everybody else wait who reads,
    sets, opens or closes the same device; so each call is for a thread that nobody needs.
    """

    fd: int

    def ioctl(self, request: int, value: int = 0) -> int:
        """Ask or set one thing; return what the kernel says. Raises OSError."""
        ...

    def read(self, size: int) -> bytes:
        """Return what there is, up to a size. Raises OSError: BlockingIOError (EAGAIN) if there is nothing."""
        ...

    def write(self, message: bytes) -> None:
        """Send a message; return when it is sent, up to half a second later. Raises OSError."""
        ...

    def close(self) -> None:
        """Give the device back. Raises nothing."""
        ...


class Lirc(Protocol):
    """The devices that there are."""

    def paths(self) -> Sequence[str]:
        """Return the path of each, in the order of their numbers."""
        ...

    def open(self, path: str) -> Handle:
        """Open a device. Raises OSError."""
        ...


class Scancode(NamedTuple):
    """
    What the kernel has decoded.

    Attributes:
        at_ns: When, by CLOCK_MONOTONIC; 0 to send.
        flags: `FLAG_TOGGLE`, `FLAG_REPEAT`; 0 to send.
        protocol: Its number.
        keycode: What the key map of the device calls it; 0 if it has no name, and to send.
        scancode: Which key of which remote.
    """

    at_ns: int
    flags: int
    protocol: int
    keycode: int
    scancode: int


class Sample(NamedTuple):
    """One word of a device that tells timings: `MODE2_PULSE` or another kind, and microseconds, or hertz."""

    kind: int
    value: int


class LinuxLirc:
    """
    The devices of this machine.

    Args:
        folder: Where they are.
    """

    def __init__(self, folder: Path = Path("/dev")) -> None:
        self._folder = folder

    def paths(self) -> Sequence[str]:
        """As the port says."""
        found = [(int(number[1]), path) for path in self._folder.iterdir() if (number := _LIRC.fullmatch(path.name))]
        return [str(path) for _, path in sorted(found)]

    def open(self, path: str) -> Handle:
        """As the port says."""
        return LinuxHandle(os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))


_LIRC = re.compile(r"lirc([0-9]+)")


class LinuxHandle:
    """
    A device of the kernel's.

    Args:
        fd: Opened for reading and writing, without waiting.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def ioctl(self, request: int, value: int = 0) -> int:
        """As the port says."""
        word = array.array("I", [value])
        fcntl.ioctl(self.fd, request, word)
        return word[0]

    def read(self, size: int) -> bytes:
        """As the port says."""
        return os.read(self.fd, size)

    def write(self, message: bytes) -> None:
        """As the port says."""
        os.write(self.fd, message)

    def close(self) -> None:
        """As the port says."""
        os.close(self.fd)


def can_receive(features: int) -> bool:
    """Tell whether a device with these features hears keys."""
    return bool(features & (CAN_REC_MODE2 | CAN_REC_SCANCODE))


def can_receive_timings(features: int) -> bool:
    """Tell whether a device with these features tells pulses and spaces."""
    return bool(features & CAN_REC_MODE2)


def can_send(features: int) -> bool:
    """Tell whether a device with these features sends."""
    return bool(features & CAN_SEND_PULSE)


class Found(NamedTuple):
    """An opened device that can do what was wanted."""

    path: str
    handle: Handle
    features: int


def find(lirc: Lirc, wanted: str, can: Callable[[int], bool], does: str) -> Found:
    """
    Open the device that is wanted, or the first that can do what is wanted.

    Args:
        lirc: The devices.
        wanted: A path, or `AUTO`.
        can: Tells of a device's features whether they are enough.
        does: What is wanted, in words: ``hears``.

    Raises:
        InfraredUnavailable: If there is none. Transient: its driver may come.
    """
    paths = lirc.paths() if wanted == AUTO else [wanted]
    refused: InfraredUnavailable | None = None
    for path in paths:
        try:
            handle = lirc.open(path)
        except OSError as error:
            refused = refused or gone(path, error)
            continue
        try:
            features = handle.ioctl(GET_FEATURES)
        except OSError as error:
            handle.close()
            refused = refused or gone(path, error)
            continue
        if can(features):
            return Found(path, handle, features)
        handle.close()
    if refused is not None:
        raise refused
    if not paths:
        raise InfraredUnavailable("there is no infrared device, no /dev/lirc*", _HINTS[errno.ENOENT])
    names = " and ".join(paths)
    raise InfraredUnavailable(f"{names}: none of these {does}", f"for the pHAT add {OVERLAYS} to config.txt")


def gone(path: str, error: OSError) -> InfraredUnavailable:
    """Return what people are told of a device that does not work."""
    return InfraredUnavailable(
        f"{path} cannot be used: {error.strerror or error}",
        _HINTS.get(error.errno or 0, "look at `dmesg`, and at the device in the configuration"),
    )


def scancodes(read: bytes) -> Iterator[Scancode]:
    """Yield the scancodes in what was read."""
    return map(Scancode._make, SCANCODE.iter_unpack(read))


def samples(read: bytes) -> Iterator[Sample]:
    """Yield the words in what was read from a device that tells timings."""
    return (Sample(word & KIND_MASK, word & VALUE_MASK) for (word,) in TIMING.iter_unpack(read))


def to_send(protocol: int, scancode: int) -> bytes:
    """Return the message that lets the kernel encode a scancode."""
    return SCANCODE.pack(0, 0, protocol, 0, scancode)


def pulses(timings_us: Sequence[int]) -> bytes:
    """Return the message that lets the kernel send pulses and spaces, in turn."""
    return struct.pack(f"={len(timings_us)}I", *timings_us)
