"""
A transmitter of infrared: sends what the configuration has a name for, one message at a time and not too often.

The kernel sends while we wait, for up to half a second, and gpio-ir-tx keeps a processor's core busy all the while, and
deaf to interrupts. So each message goes out on a `Worker`, which nobody else waits for, and the rate is bounded. What
has begun goes out and is told, even if whoever asked for it has gone. The device is looked for anew each time and given
back at once: nothing is held that somebody else might want.
"""

import asyncio
import contextlib
import errno
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from weatherd.errors import InfraredUnavailable, NoSuchCommand, NotSent, TooOften
from weatherd.model import Infrared
from weatherd.ports import Clock
from weatherd.processing.infrared import (
    CARRIER_HZ,
    CARRIER_HZ_MAX,
    CARRIER_HZ_MIN,
    PROTOCOLS,
    SEND_US_MAX,
    parts,
    timings_mistakes,
    written,
)
from weatherd.sensors import lirc
from weatherd.sensors.worker import Worker
from weatherd.throttling import Allowance

BURST_MAX = 5
"""Messages that may be sent at once."""

GAP_S = 0.04
"""Behind each message, before its repetition or another one, as NEC has it; else two would be heard as one."""

SEND_S_MAX = 8.0
"""For one message with all its repetitions: ten times half a second and the gaps."""

_MICROSECONDS = 1e6


class Command(NamedTuple):
    """
    What is sent.

    Attributes:
        protocol: That the kernel encodes the scancode with; empty for timings.
        scancode: Fits the protocol.
        timings_us: Pulses and spaces in turn, an odd number of them, in microseconds; none with a scancode.
        carrier_hz: For timings.
        repeats: How often it is sent again.
    """

    protocol: str = ""
    scancode: int = 0
    timings_us: Sequence[int] = ()
    carrier_hz: int = CARRIER_HZ
    repeats: int = 0


class Transmitter:
    """
    The device that sends, and what it may.

    Args:
        devices: Those that there are.
        clock: The station's clock.
        sent: Is told of each message that was sent.
        device: Which, as a path; or the first that can.
        commands: By name.
        per_minute_max: Messages in a minute, and at most five at once.
        limit_s: After so long a message is given up.

    Attributes:
        counts: Messages by what became of them: ``sent``, ``too_often``, or ``failed`` where no device took it.
    """

    def __init__(
        self,
        devices: lirc.Lirc,
        clock: Clock,
        sent: Callable[[Infrared], None],
        *,
        device: str,
        commands: Mapping[str, Command],
        per_minute_max: int,
        limit_s: float = SEND_S_MAX,
    ) -> None:
        self.limit_s = limit_s
        self.counts = {"sent": 0, "too_often": 0, "failed": 0}
        self._devices = devices
        self._device = device
        self._commands = commands
        self._clock = clock
        self._sent = sent
        self._per_minute_max = per_minute_max
        self._allowance = Allowance(clock.boottime_s(), min(BURST_MAX, per_minute_max), 60.0 / per_minute_max)
        self._worker = Worker("infrared", self._hangs)
        self._is_stopping = False

    @property
    def commands(self) -> Collection[str]:
        """The names of what can be sent."""
        return self._commands.keys()

    async def send(self, name: str) -> None:
        """
        Send a command; return when it is sent.

        Raises:
            NoSuchCommand: If there is none of that name.
            TooOften: If that is too much in too short a time. Try again later.
            NotSent: If no device sends, or the kernel refuses. Trying again can help.
        """
        command = self._commands.get(name)
        if command is None:
            known = ", ".join(self._commands) or "none"
            raise NoSuchCommand(
                f"there is no infrared command {name[:64]!r}", f"those in [infrared.commands] are: {known}"
            )
        await self._send(command, name)

    async def send_timings(self, timings_us: Sequence[int], carrier_hz: int) -> None:
        """
        Send pulses and spaces that have no name: one message, or several with long spaces between, of two seconds.

        Args:
            timings_us: Pulses and spaces in turn, in microseconds.
            carrier_hz: 20 to 60 kHz.

        Raises:
            NotSent: If they are not what is sent, no device sends, or the kernel refuses.
            TooOften: As `send`.
        """
        if sum(timings_us) > SEND_US_MAX:
            raise NotSent(f"this is not sent: it takes longer than {SEND_US_MAX:,} microseconds", "send less at once")
        for message, _ in parts(timings_us):
            for mistake in timings_mistakes(message):
                raise NotSent(f"this is not sent: {mistake}", "docs/infrared.md tells what is")
        if not CARRIER_HZ_MIN <= carrier_hz <= CARRIER_HZ_MAX:
            allowed = f"{CARRIER_HZ_MIN} to {CARRIER_HZ_MAX} Hz"
            raise NotSent(
                f"this is not sent: found a carrier of {carrier_hz} Hz; allowed is {allowed}",
                "docs/infrared.md tells what is",
            )
        await self._send(Command(timings_us=tuple(timings_us), carrier_hz=carrier_hz), "")

    async def _send(self, command: Command, name: str) -> None:
        if not self._allowance.take(self._clock.boottime_s()):
            self.counts["too_often"] += 1
            raise TooOften(
                f"more than {self._per_minute_max} infrared messages a minute are not sent",
                "wait a moment, or raise infrared.sends_per_minute_max",
            )
        self._look_out()
        loop = asyncio.get_running_loop()

        def work() -> None:
            self._look_out()  # while it waited for its turn
            transmit(self._devices, self._device, command)
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(self._tell, _told(command, name))

        try:
            await self._worker.run(work, self.limit_s)
        except NotSent:
            self.counts["failed"] += 1
            raise

    async def finish(self) -> None:
        """Return when what is being sent has gone out, and send nothing any more. Raises nothing."""
        self._is_stopping = True
        await self._worker.close(lambda: None, self.limit_s)

    def _look_out(self) -> None:
        if self._is_stopping:
            raise NotSent("the station stops, and sends nothing any more", "send it again when it has started")

    def _tell(self, sent: Infrared) -> None:
        self.counts["sent"] += 1
        self._sent(sent)

    def _hangs(self) -> NotSent:
        return NotSent(
            f"a message is not sent after {self.limit_s:g} s: it hangs in the kernel",
            "look at `dmesg`, and restart the machine",
        )


def transmit(devices: lirc.Lirc, device: str, command: Command, sleep: Callable[[float], None] = time.sleep) -> None:
    """
    Send a command on this thread; return when it is sent, and something else may be.

    Args:
        devices: Those that there are.
        device: Which, as a path; or the first that can.
        command: What.
        sleep: Lets the gap behind a message pass.

    Raises:
        NotSent: If no device sends, or the kernel refuses.
    """
    try:
        found = lirc.find(devices, device, lirc.can_send, "sends")
    except InfraredUnavailable as error:
        raise NotSent(error.sentence, error.hint) from error
    try:
        messages = _prepared(found, command)
        for _ in range(1 + command.repeats):
            for message, rest_s in messages:
                found.handle.write(message)
                sleep(rest_s or GAP_S)
    except OSError as error:
        raise _refused(found.path, command, error) from error
    finally:
        found.handle.close()


def _prepared(found: lirc.Found, command: Command) -> Sequence[tuple[bytes, float]]:
    """Set the mode for a command; return its messages, each with the rest behind it in seconds."""
    if command.protocol:
        found.handle.ioctl(lirc.SET_SEND_MODE, lirc.MODE_SCANCODE)
        return [(lirc.to_send(PROTOCOLS[command.protocol].number, command.scancode), 0.0)]
    found.handle.ioctl(lirc.SET_SEND_MODE, lirc.MODE_PULSE)
    if found.features & lirc.CAN_SET_SEND_CARRIER:
        found.handle.ioctl(lirc.SET_SEND_CARRIER, command.carrier_hz)
    return [(lirc.pulses(message), rest_us / _MICROSECONDS) for message, rest_us in parts(command.timings_us)]


def _refused(path: str, command: Command, error: OSError) -> NotSent:
    if error.errno == errno.EINVAL and command.protocol:
        return NotSent(
            f"{path} refuses {command.protocol} {written(command.scancode)}: this kernel has no encoder for it",
            "send its timings_us instead: a receiver with raw = true tells them",
        )
    told = lirc.gone(path, error)
    return NotSent(told.sentence, told.hint)


def _told(command: Command, name: str) -> Infrared:
    if command.protocol:
        return Infrared(command.protocol, written(command.scancode), repeat=command.repeats, command=name)
    timings = () if name else command.timings_us
    return Infrared(repeat=command.repeats, command=name, timings_us=timings, carrier_hz=command.carrier_hz)


def sentence(sent: Infrared) -> str:
    """Tell in words what was sent: ``sent tv_power by infrared: nec 0x40bf``."""
    what = f"{sent.protocol} {sent.scancode}" if sent.protocol else f"pulses at {sent.carrier_hz} Hz"
    if sent.timings_us:
        what = f"{len(sent.timings_us)} timings at {sent.carrier_hz} Hz"
    again = f", and {sent.repeat} times again" if sent.repeat else ""
    return f"sent {sent.command or 'what Home Assistant asked for'} by infrared: {what}{again}"
