"""
A receiver of infrared: what a remote says, as the kernel has decoded it, and if it is wanted the pulses themselves.

Keys and timings are read over two handles of one device. The kernel hands a key over before the silence that ends its
message (rc-ir-raw.c, ir_raw_event_thread: first the decoders, then lirc). So when a message is complete, every key in
it can be read, and a message without one is what no decoder knew.

Every call of a device's waits while the same device sends, maybe for us, and that takes half a second (lirc_dev.c:
read, ioctl and transmit hold one mutex). So the loop only waits for it to be readable, and all else is done on a
`Worker`.
"""

import asyncio
import errno
from collections.abc import Callable, Iterable, Mapping

from weatherd.errors import InfraredUnavailable
from weatherd.model import Infrared
from weatherd.processing.infrared import UNKNOWN, name_of, written
from weatherd.sensors import lirc
from weatherd.sensors.keys import Messages, Presses
from weatherd.sensors.worker import Worker

CALL_S_MAX = 5.0
"""For the calls of one turn: some messages are sent meanwhile, of half a second each."""

Names = Mapping[tuple[str, int], str]
"""By protocol and scancode, what the configuration calls it."""


class InfraredReceiver:
    """
    A device that hears, behind the `Receiver` port.

    Args:
        devices: Those that there are.
        name: Its name in the configuration.
        device: Which, as a path; or the first that can do it.
        raw: Whether timings are wanted as well.
        names: What the configuration calls some keys.

    Attributes:
        call_s_max: After so long the device is given up.
    """

    model = "infrared"

    def __init__(self, devices: lirc.Lirc, name: str, *, device: str, raw: bool, names: Names) -> None:
        self.name = name
        self._devices = devices
        self._device = device
        self._raw = raw
        self._names = names
        self._path = device
        self._keys: lirc.Handle | None = None
        self._timings: lirc.Handle | None = None
        self._presses = Presses()
        self._messages = Messages()
        self._heard_a_key = False
        self.call_s_max = CALL_S_MAX
        self._worker = Worker(f"infrared {name}", self._hangs)

    async def open(self) -> None:
        """Find the device, and set its modes. Raises InfraredUnavailable."""
        await self._worker.run(self._open, self.call_s_max)
        self._messages = Messages()
        self._heard_a_key = False

    async def run(self, deliver: Callable[[Infrared], None]) -> None:
        """As the port says. Raises InfraredUnavailable."""
        assert self._keys is not None, "open first"
        fds = [handle.fd for handle in (self._keys, self._timings) if handle is not None]
        while True:
            await _readable(fds)
            self._take(*await self._worker.run(self._read, self.call_s_max), deliver)

    async def close(self) -> None:
        """Give the device back. Raises nothing."""
        await self._worker.close(self._release, self.call_s_max)

    def _hangs(self) -> InfraredUnavailable:
        which = "an infrared device" if self._path == lirc.AUTO else self._path
        return InfraredUnavailable(f"{which} hangs in the kernel", "look at `dmesg`, and restart the machine")

    def _open(self) -> None:
        """Open the device anew, on the thread."""
        self._release()
        can, does = (
            (lirc.can_receive_timings, "tells timings, as raw = true wants it")
            if self._raw
            else (lirc.can_receive, "hears")
        )
        self._path, self._keys, _ = lirc.find(self._devices, self._device, can, does)
        try:
            self._keys.ioctl(lirc.SET_REC_MODE, lirc.MODE_SCANCODE)
            if self._raw:
                self._timings = self._devices.open(self._path)
                self._timings.ioctl(lirc.SET_REC_MODE, lirc.MODE_MODE2)
        except OSError as error:
            self._release()
            raise lirc.gone(self._path, error) from error

    def _release(self) -> None:
        for handle in (self._keys, self._timings):
            if handle is not None:
                handle.close()
        self._keys = self._timings = None

    def _read(self) -> tuple[bytes, bytes]:
        """Read what waits, on the thread: timings first, so that every key that is in them can be read behind them."""
        assert self._keys is not None
        try:
            timings = b"" if self._timings is None else _waiting(self._timings, lirc.TIMING.size, lirc.SAMPLES_MAX)
            return timings, _waiting(self._keys, lirc.SCANCODE.size, lirc.SCANCODES_MAX)
        except OSError as error:
            raise lirc.gone(self._path, error) from error

    def _take(self, timings: bytes, keys: bytes, deliver: Callable[[Infrared], None]) -> None:
        for heard in lirc.scancodes(keys):
            self._heard_a_key = True
            deliver(self._key(heard))
        for sample in lirc.samples(timings):
            if (message := self._messages.take(sample)) is not None:
                protocol = "" if self._heard_a_key else UNKNOWN
                self._heard_a_key = False
                if message:
                    deliver(Infrared(protocol, timings_us=message))

    def _key(self, heard: lirc.Scancode) -> Infrared:
        protocol = name_of(heard.protocol)
        return Infrared(
            protocol,
            written(heard.scancode),
            repeat=self._presses.take(heard),
            command=self._names.get((protocol, heard.scancode), ""),
        )


async def _readable(fds: Iterable[int]) -> None:
    """Wait until one of them has something to be read, or has gone."""
    loop = asyncio.get_running_loop()
    stirred = asyncio.Event()
    for fd in fds:
        loop.add_reader(fd, stirred.set)
    try:
        await stirred.wait()
    finally:
        for fd in fds:
            loop.remove_reader(fd)


def _waiting(handle: lirc.Handle, size: int, count_max: int) -> bytes:
    """
    Return the words that wait to be read, of a size in bytes each.

    Raises:
        OSError: If the device has gone, or ends, or says a piece of a word: none of the kernel's does, and who reads on
            reads for ever.
    """
    try:
        read = handle.read(size * count_max)
    except BlockingIOError:
        return b""
    if not read or len(read) % size:
        raise OSError(errno.EIO, f"it says {len(read)} bytes, where each word has {size}")
    return read
