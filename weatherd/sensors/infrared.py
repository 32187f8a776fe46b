"""
A receiver of infrared: what a remote says, as the kernel has decoded it, and if it is wanted the pulses themselves.

Keys and timings are read over two handles of one device. The kernel hands a key over before the silence that ends its
message (rc-ir-raw.c, ir_raw_event_thread: first the decoders, then lirc). So when a message is complete, every key in
it can be read, and a message without one is what no decoder knew.
"""

import asyncio
from collections.abc import Callable, Mapping

from weatherd.model import Infrared
from weatherd.processing.infrared import UNKNOWN, name_of, written
from weatherd.sensors import lirc
from weatherd.sensors.keys import Messages, Presses

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

    async def open(self) -> None:
        """Find the device, and set its modes. Raises InfraredUnavailable."""
        await self.close()
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
            await self.close()
            raise lirc.gone(self._path, error) from error
        self._messages = Messages()

    async def run(self, deliver: Callable[[Infrared], None]) -> None:
        """As the port says. Raises InfraredUnavailable."""
        assert self._keys is not None, "open first"
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()

        def read() -> None:
            try:
                self._read(deliver)
            except OSError as error:
                if not ended.done():
                    ended.set_exception(lirc.gone(self._path, error))

        handles = [handle for handle in (self._keys, self._timings) if handle is not None]
        for handle in handles:
            loop.add_reader(handle.fd, read)
        try:
            await ended
        finally:
            for handle in handles:
                loop.remove_reader(handle.fd)

    async def close(self) -> None:
        """Give the device back. Raises nothing."""
        for handle in (self._keys, self._timings):
            if handle is not None:
                handle.close()
        self._keys = self._timings = None

    def _read(self, deliver: Callable[[Infrared], None]) -> None:
        """Read what waits: timings first, so that every key that is in them can be read behind them."""
        assert self._keys is not None
        timings = b"" if self._timings is None else _read(self._timings, lirc.TIMING.size * lirc.SAMPLES_MAX)
        for heard in lirc.scancodes(_read(self._keys, lirc.SCANCODE.size * lirc.SCANCODES_MAX)):
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


def _read(handle: lirc.Handle, size: int) -> bytes:
    try:
        return handle.read(size)
    except BlockingIOError:
        return b""
