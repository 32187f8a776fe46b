"""
The I2C bus: one thread, one measurement at a time, and a deadline on every wait.

    event loop                     │  the bus's own thread
    sensor ─> DriverBus.run ─> Bus.run ─> job ─> driver ─> DriverBus.writeto … ─> adapter.i2c_rdwr ─> chip

Adafruit's drivers know their chips, but wait for ever: on a busy bit that never clears, on a chip that has
gone. They ask only for an object with five methods, and that object is `DriverBus`. What it promises:

1. A measurement owns the bus from its first transfer to its last.
2. After its deadline every further transfer raises a `SensorError`. That is no OSError, so it ends the loops
   in which drivers swallow OSError.
3. A transfer that nobody acknowledges is an OSError to the driver while there is time (an HTU21D stays silent
   while it measures), after a short pause, so that a driver which spins on it burns no processor.
4. Every byte read passes the sensor's `watch` before the driver sees it: lies are named where they appear.
5. What leaves `run` is a value or a `SensorError`.

The thread is a `Worker`: a transfer that hangs in the kernel blocks nobody.

Time here is `time.monotonic`, by which the drivers sleep too.
"""

import contextlib
import errno
import os
import sys
import time
import traceback
import types
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

from smbus2 import SMBus, i2c_msg

from weatherd.errors import BusUnavailable, DeadlineExceeded, DriverFailed, NoAnswer, SensorError
from weatherd.sensors.worker import Worker

Result = TypeVar("Result")

Watch = Callable[[bytes, bytes], None]
"""
Sees every transfer: the bytes last written to the chip, and those just read (none for a mere write).
Raises a `SensorError` for what no healthy chip says.
"""

OPEN_DEADLINE_S = 2.0
"""To find a chip and construct its driver: milliseconds, but the first one imports from a slow card."""

GRACE_S = 1.5
"""How long after its deadline a job may take to come back: the last transfer, which the kernel's driver for
the Pi gives up after one second (Linux, drivers/i2c/busses/i2c-bcm2835.c), and the probe that follows."""

NACK_PAUSE_S = 0.002
"""Before a driver learns that nobody acknowledged. The shortest conversion of an HTU21D takes 3 ms."""

NOT_ACKNOWLEDGED = frozenset({errno.EREMOTEIO, errno.ENXIO})
"""What adapters say when nobody acknowledges: ENXIO by Linux, Documentation/i2c/fault-codes.rst, and EREMOTEIO
by those of all Raspberry Pis."""

_OPEN_HINTS = {
    errno.ENOENT: "turn I2C on with `sudo raspi-config nonint do_i2c 0`, load i2c-dev, and check i2c.bus",
    errno.EACCES: "let the user in with `sudo usermod -aG i2c USER`, and start weatherd again",
}


_WORDS_LENGTH_MAX = 300

_BOARD_MODULES = ("board", "busio", "digitalio")


@contextlib.contextmanager
def without_a_board() -> Iterator[None]:
    """
    Import a driver without Blinka's search for the board.

    The drivers import `busio` and `digitalio` for annotations alone. To serve them Blinka looks for the board in /proc
    and opens its GPIO, which a sandbox forbids. So for the time of the import these modules are empty shells.
    """
    before = {name: sys.modules[name] for name in _BOARD_MODULES if name in sys.modules}
    sys.modules.update({name: _Shell(name) for name in _BOARD_MODULES})
    try:
        yield
    finally:
        for name in _BOARD_MODULES:
            del sys.modules[name]
        sys.modules.update(before)


class _Shell(types.ModuleType):
    """A module in which every name stands for anything."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return object


class Adapter(Protocol):
    """The part of `smbus2.SMBus` that is used here; the emulated bus has it too."""

    def i2c_rdwr(self, *i2c_msgs: i2c_msg) -> None:
        """Transfer messages without a stop between them. Raises OSError as the kernel does."""
        ...

    def close(self) -> None:
        """Give the bus back."""
        ...


class Bus:
    """
    One I2C bus, its thread, and the turns that measurements take on it.

    Args:
        opener: Opens the bus. Called on the bus's thread at the first job, and again after a failure.
        name: What people call it: ``/dev/i2c-1``.
    """

    def __init__(self, opener: Callable[[], Adapter], name: str) -> None:
        self.name = name
        self._opener = opener
        self._adapter: Adapter | None = None  # belongs to the thread
        self._worker = Worker(name, self._hangs)

    @classmethod
    def of_linux(cls, number: int) -> "Bus":
        """Return the bus behind ``/dev/i2c-<number>``. Nothing is opened yet."""
        return cls(lambda: SMBus(number), f"/dev/i2c-{number}")

    async def run(self, job: Callable[[Adapter], Result], limit_s: float) -> Result:
        """
        Run a job on the bus's thread, when all that asked before have had their turn.

        Args:
            job: Gets the open bus. While it runs nobody else does.
            limit_s: Seconds from its start after which the wait for it ends, though not the job itself.

        Raises:
            BusUnavailable: If the bus cannot be opened. Transient.
            DeadlineExceeded: If this job, or one before it, does not come back. Transient.
            Exception: Whatever the job raised.
        """
        return await self._worker.run(lambda: self._with_adapter(job), limit_s)

    async def close(self) -> None:
        """Close the bus and end its thread; a later job starts both again. Raises nothing."""
        await self._worker.close(self._release, GRACE_S)

    def _hangs(self) -> DeadlineExceeded:
        return DeadlineExceeded(
            f"a measurement on {self.name} does not come back: the kernel holds a transfer, or a driver sleeps",
            "cut the power of the chips on the bus; if that does not help, restart weatherd, then the machine",
        )

    def _with_adapter(self, job: Callable[[Adapter], Result]) -> Result:
        try:
            if self._adapter is None:
                self._adapter = self._open()
            return job(self._adapter)
        except BusUnavailable:
            self._release()  # an adapter on USB may come back as another file
            raise

    def _open(self) -> Adapter:
        try:
            return self._opener()
        except OSError as error:
            raise BusUnavailable(
                f"{self.name} cannot be opened: {error.strerror or error}",
                _OPEN_HINTS.get(error.errno or 0, "check i2c.bus in the configuration, and `dmesg`"),
            ) from error

    def _release(self) -> None:
        adapter, self._adapter = self._adapter, None
        if adapter is not None:
            with contextlib.suppress(OSError):
                adapter.close()


def in_words(error: BaseException) -> str:
    """Return an error's class and words on not too long a line, even of an error that has broken ones."""
    lines = "".join(traceback.format_exception_only(error)).split()
    said = " ".join(lines).partition(": ")[2][:_WORDS_LENGTH_MAX]
    return f"{type(error).__name__}: {said or 'no words'}"


class DriverBus:
    """
    The bus as one sensor's driver sees it: ``busio.I2C``, as far as drivers use it.

    Args:
        bus: The bus it stands on.
        watch: Sees every transfer of this sensor.
    """

    def __init__(self, bus: Bus, watch: Watch = lambda _written, _read: None) -> None:
        self._bus = bus
        self._watch = watch
        self._adapter: Adapter | None = None
        self._deadline_s = 0.0
        self._written = b""
        self._silent: int | None = None  # the address that did not acknowledge the last transfer

    async def run(self, job: Callable[[], Result], deadline_s: float) -> Result:
        """
        Run one measurement on the bus's thread. Its transfers go through this very object.

        Args:
            job: Calls the driver.
            deadline_s: Seconds that it may take, from its start on the thread.

        Raises:
            NoAnswer: If nobody acknowledges at the address.
            DeadlineExceeded: If time is up, though the chip still answers; or the kernel does not return.
            BusUnavailable: If the bus cannot be opened, or fails as a whole.
            DriverFailed: If the driver raised something of its own.
            SensorError: What `watch` raised. All of these are transient.
        """

        def measurement(adapter: Adapter) -> Result:
            self._adapter = adapter
            self._deadline_s = time.monotonic() + deadline_s
            self._silent = None
            try:
                return job()
            except SensorError:
                raise
            except BaseException as error:  # a driver that calls sys.exit ends neither this thread nor the process
                traceback.clear_frames(error.__traceback__)  # or what it has filled the memory with would live on
                raise self._name(error) from error
            finally:
                self._adapter = None

        return await self._bus.run(measurement, deadline_s + GRACE_S)

    def try_lock(self) -> bool:
        """Return True: the whole measurement owns the bus."""
        return True

    def unlock(self) -> None:
        """Do nothing, for the same reason."""

    def writeto(self, address: int, buffer: Any, *, start: int = 0, end: int | None = None) -> None:
        """
        Write a slice of a buffer; an empty one asks whether anybody acknowledges.

        Raises:
            OSError: EREMOTEIO or ENXIO if nobody acknowledges.
            SensorError: See `run`.
        """
        self._transfer(address, bytes(memoryview(buffer)[start:end]), 0)

    def readfrom_into(self, address: int, buffer: Any, *, start: int = 0, end: int | None = None) -> None:
        """Read as many bytes as the slice of a buffer holds. Raises as `writeto` does."""
        place = memoryview(buffer)[start:end]
        place[:] = self._transfer(address, b"", len(place))

    def writeto_then_readfrom(
        self,
        address: int,
        out_buffer: Any,
        in_buffer: Any,
        *,
        out_start: int = 0,
        out_end: int | None = None,
        in_start: int = 0,
        in_end: int | None = None,
    ) -> None:
        """Write, then read without a stop between them. Raises as `writeto` does."""
        place = memoryview(in_buffer)[in_start:in_end]
        place[:] = self._transfer(address, bytes(memoryview(out_buffer)[out_start:out_end]), len(place))

    def read_register(self, address: int, register: int) -> int:
        """Return the byte behind a register or command, 0 to 255. Raises as `writeto` does."""
        return self._transfer(address, bytes([register]), 1)[0]

    def acknowledges(self, address: int) -> bool:
        """
        Tell whether anybody answers at an address, by a write of no bytes.

        Some adapters have no such transfer (EOPNOTSUPP; that of the Pi 5 among them): they read one byte,
        which a busy HTU21D does not acknowledge either.

        Raises:
            BusUnavailable: If the bus fails as a whole.
        """
        for message in (i2c_msg.write(address, b""), i2c_msg.read(address, 1)):
            try:
                self._exchange(message)
            except OSError as error:
                if error.errno != errno.EOPNOTSUPP:
                    return False
            else:
                return True
        return False

    def _transfer(self, address: int, out: bytes, count: int) -> bytes:
        if time.monotonic() >= self._deadline_s:
            raise self._overdue(address)
        messages = [i2c_msg.write(address, out)] if out or not count else []
        if count:
            messages.append(i2c_msg.read(address, count))
        try:
            self._exchange(*messages)
        except OSError as error:
            if error.errno == errno.EOPNOTSUPP and not out and not count:
                return b""  # the adapter cannot ask; a chip that is not there shows at the next transfer
            self._silent = address if error.errno in NOT_ACKNOWLEDGED else None
            time.sleep(min(NACK_PAUSE_S, max(self._deadline_s - time.monotonic(), 0.0)))
            raise
        self._silent = None
        self._written = out or self._written
        read = bytes(messages[-1]) if count else b""
        if out or count:
            self._watch(self._written, read)
        return read

    def _exchange(self, *messages: i2c_msg) -> None:
        """Hand messages to the adapter; only a missing acknowledge or transfer stays an OSError."""
        assert self._adapter is not None, "a driver may use its bus within `run` only"
        try:
            self._adapter.i2c_rdwr(*messages)
        except OSError as error:
            if error.errno in NOT_ACKNOWLEDGED or error.errno == errno.EOPNOTSUPP:
                raise
            raise BusUnavailable(
                f"a transfer on {self._bus.name} failed: {os.strerror(error.errno or errno.EIO)}",
                "a chip or a short holds a line low: cut the chips' power, unplug them one by one, see `dmesg`",
            ) from error

    def _overdue(self, address: int) -> SensorError:
        if not self.acknowledges(address):
            return self._no_answer(address)
        return DeadlineExceeded(
            f"the chip at 0x{address:02x} on {self._bus.name} answers, but its measurement does not end",
            "the chip is tried again; if it stays so, cut its power for a second",
        )

    def _name(self, error: BaseException) -> SensorError:
        """Give what a driver let through, or made of a missing acknowledge, its name."""
        if self._silent is not None:
            return self._no_answer(self._silent)
        return DriverFailed(
            f"the driver gave up on {self._bus.name}: {in_words(error)}",
            "the sensor is tried again; if it stays so, compare the chip and its driver",
        )

    def _no_answer(self, address: int) -> NoAnswer:
        return NoAnswer(
            f"nobody acknowledges at 0x{address:02x} on {self._bus.name}",
            "check the plug, the power and the address; `weatherd scan` shows which chips answer",
        )
