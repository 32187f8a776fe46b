"""
The life of a station: every loop runs in one TaskGroup, and stops in this order.

    start   journal, listening sockets, control socket; then recorder, forwarders, samplers; READY when every sensor
            has been tried once
    stop    samplers report what they have; the recorder empties the queue into the journal; each sink is tried once
            more, for at most five seconds; then sockets, sinks, bus and journal are closed

Each loop is supervised on its own, so a mistake in one costs that one a restart and nobody else anything.
"""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weatherd import __version__, config
from weatherd.backoff import full_jitter
from weatherd.clock import SystemClock
from weatherd.control import ControlServer, runtime_folders
from weatherd.daemon import status
from weatherd.daemon.assembly import Log, assemble
from weatherd.daemon.supervision import supervise
from weatherd.errors import JournalError, UnavailableError
from weatherd.model import Event
from weatherd.ports import Clock
from weatherd.sampling.asked import AskedSampler
from weatherd.sampling.telling import Listener
from weatherd.systemd import Notifier
from weatherd.waiting import first_of

if TYPE_CHECKING:
    from weatherd.sensors.i2c import Adapter

TRIED_S_MAX = 15.0
"""READY does not wait longer than this for the sensors: a bus may hang."""

SAMPLERS_STOP_S = 3.0
"""For the samplers to hand over what they have; it takes that long only while the queue is full."""

JOURNAL_STOP_S = 10.0
"""For the rest of the queue to reach the card."""

SINKS_STOP_S = 5.0
"""For one more attempt at each sink."""

PRUNE_PERIOD_S = 60.0
STATUS_PERIOD_S = 10.0
SUPERVISION_DELAY_S_MAX = 60.0


class Daemon:
    """
    One station, from its start to its stop.

    Args:
        settings: The checked configuration.
        log: Where people read.
        clock: The station's clock; the system's by default.
        simulated: What stands behind ``i2c.bus = "simulated"``; the recorded day's weather by default.
        runtime_folder: For the control socket; the usual one by default.

    Raises:
        ConfigError: If a password or a certificate cannot be used.
    """

    def __init__(
        self,
        settings: config.Config,
        log: Log,
        *,
        clock: Clock | None = None,
        simulated: "Adapter | None" = None,
        runtime_folder: Path | None = None,
    ) -> None:
        self._log = log
        self._clock = clock or SystemClock()
        self._started_ms = self._clock.now_ms()
        self._started_s = self._clock.boottime_s()
        self._stop = asyncio.Event()
        self._notifier = Notifier()
        self.parts = assemble(settings, log, self._clock, simulated)
        self._asked = [sampler for sampler in self.parts.samplers if isinstance(sampler, AskedSampler)]
        self._loops: list[AskedSampler | Listener] = [*self._asked, *self.parts.listeners]
        self._sampling: list[asyncio.Task[None]] = []
        self.ready = asyncio.Event()
        self._control = ControlServer(runtime_folder or runtime_folders()[0], {"status": self.status})

    def stop(self) -> None:
        """Ask the station to stop; `run` returns when it has."""
        self._stop.set()

    def status(self) -> dict[str, Any]:
        """Describe every part, as plain values for JSON."""
        return status.status(self.parts, self._started_ms, self._started_s)

    async def run(self) -> None:
        """
        Run until `stop` is called.

        Raises:
            JournalError: If the journal cannot be opened.
            UnavailableError: If a port to listen on is taken.
        """
        await self.parts.journal.open()
        try:
            await self._open_doors()
            self._tell_start()
            async with asyncio.TaskGroup() as group:
                await self._run_loops(group)
        finally:
            await self._close()
        self._log.info("daemon.stopped", message=f"the station has stopped: {status.sentence(self.parts)}")

    async def _open_doors(self) -> None:
        for source in self.parts.sources:
            await source.open()
        try:
            await self._control.open()
        except UnavailableError as error:
            self._log.warning("daemon.status_unavailable", message=str(error), code=error.code, hint=error.hint)

    def _tell_start(self) -> None:
        self.parts.queue.push(
            Event(
                action="station_started",
                message=f"weatherd {__version__} has started",
                observed_at_ms=self._started_ms,
                clock_synchronized=self._clock.synchronized(),
            )
        )

    async def _run_loops(self, group: asyncio.TaskGroup) -> None:
        recording = self._start(group, "recording", self.parts.recorder.run)
        others = [self._start(group, f"sink {one.sink.name}", one.run) for one in self.parts.forwarders]
        others += [self._start(group, "pruning", self._prune), self._start(group, "watching", self._watch)]
        self._sampling = [self._start(group, f"sampling {one.name}", one.run) for one in self._loops]
        await first_of(self._wait_until_tried(), self._stop.wait())
        if not self._stop.is_set():
            self._notifier.ready()
            self.ready.set()
            self._log.info("daemon.started", message=f"the station runs: {status.sentence(self.parts)}")
            settle_memory()
        await self._stop.wait()
        self._notifier.stopping()
        self._log.info("daemon.stopping", message="the station stops: the journal first, then each sink once more")
        await self._stop_sampling()
        for forwarder in self.parts.forwarders:
            forwarder.hurry()  # what is delivered makes room in a full journal
        self.parts.queue.close()
        await asyncio.wait([recording], timeout=JOURNAL_STOP_S)
        if not recording.done():
            self.parts.recorder.give_up()
        await self._finish_forwarding()
        for task in (recording, *others):
            task.cancel()

    def _start(self, group: asyncio.TaskGroup, name: str, run: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        delays = full_jitter(1.0, SUPERVISION_DELAY_S_MAX)
        return group.create_task(supervise(name, run, self._clock, self._log, delays), name=name)

    async def _wait_until_tried(self) -> None:
        try:
            async with asyncio.timeout(TRIED_S_MAX):
                for loop in self._loops:
                    await loop.tried.wait()
        except TimeoutError:
            self._log.warning("daemon.sensors_slow", message="not every sensor could be tried yet; the station runs on")

    async def _watch(self) -> None:
        """Feed the watchdog while the loop and the sampling go on, and keep the line of `systemctl status` true."""
        period_s = min(STATUS_PERIOD_S, (self._notifier.watchdog_period_s or 2 * STATUS_PERIOD_S) / 2)
        pause_s = min(1.0, period_s)  # at first much changes
        while True:
            if all(sampler.goes_on() for sampler in self._asked):
                self._notifier.alive()
            self._notifier.status(status.sentence(self.parts))
            await self._clock.sleep(pause_s)
            pause_s = min(2 * pause_s, period_s)

    async def _prune(self) -> None:
        told_count = self.parts.journal.quarantine_dropped_count
        while True:
            await self._clock.sleep(PRUNE_PERIOD_S)
            try:
                await self.parts.journal.prune()
            except JournalError as error:
                self._log.warning("daemon.prune_failed", message=str(error), code=error.code, hint=error.hint)
            count = self.parts.journal.quarantine_dropped_count - told_count
            if count:
                told_count += count
                message = f"{count} documents had to leave the full quarantine"
                self.parts.happenings.tell("daemon.quarantine_dropped", "quarantine_dropped", message, count=count)

    async def _stop_sampling(self) -> None:
        for task in self._sampling:
            task.cancel()
        await asyncio.gather(*self._sampling, return_exceptions=True)
        try:
            async with asyncio.timeout(SAMPLERS_STOP_S):
                await asyncio.gather(*(loop.finish() for loop in self._loops))
        except TimeoutError:
            count = sum(listener.unqueued_count for listener in self.parts.listeners)
            self._log.error("daemon.sampling_cut_off", message=f"{count} observations found no room before the stop")

    async def _finish_forwarding(self) -> None:
        try:
            async with asyncio.timeout(SINKS_STOP_S):
                await asyncio.gather(*(forwarder.finish() for forwarder in self.parts.forwarders))
        except TimeoutError:
            self._log.info("daemon.forwarding_cut_off", message="what is left is kept and will be sent after a start")

    async def _close(self) -> None:
        await self._control.close()
        for source in self.parts.sources:
            await source.close()
        for sink in self.parts.sinks:
            await sink.close()
        if self.parts.bus is not None:
            await self.parts.bus.close()
        try:
            async with asyncio.timeout(JOURNAL_STOP_S):
                await self.parts.journal.close()
        except JournalError as error:
            self._log.error("daemon.journal_not_closed", message=str(error), code=error.code, hint=error.hint)
        except TimeoutError:
            self._log.error(
                "daemon.journal_not_closed", message="the disk does not answer; the journal is left as it is"
            )


def settle_memory() -> None:
    """
    Let the garbage collector leave alone what stays for ever.

    One full collection of the 37,000 objects that the imports made takes 17 ms on a fast machine, and would hold up the
    loop for longer than 20 ms on a Pi; frozen, they are never looked at again.
    """
    gc.collect()
    gc.freeze()
