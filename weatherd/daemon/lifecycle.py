"""
The life of a station: every loop runs in one TaskGroup, and stops in this order.

    start   journal, listening sockets, control socket; then recorder, forwarders, samplers; READY when every sensor
            has been tried once. A disk that takes nothing holds up nobody: samplers fill the queue meanwhile, and the
            journal is opened, and what works on it started, as soon as the disk does
    stop    samplers report what they have, and what is being sent by infrared goes out; the recorder empties the queue
            into the journal; each sink is tried once more, for at most five seconds; then sockets, sinks, bus and
            journal are closed

Each loop is supervised on its own, so a mistake in one costs that one a restart and nobody else anything.
"""

import asyncio
import ctypes
import gc
import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weatherd import __version__, config
from weatherd.backoff import full_jitter
from weatherd.clock import SystemClock
from weatherd.control import runtime_folders
from weatherd.control.server import ControlServer
from weatherd.daemon import status
from weatherd.daemon.answers import answers
from weatherd.daemon.assembly import JOURNAL_DELAY_S_MAX, assemble
from weatherd.daemon.drivers import Log
from weatherd.daemon.reaping import Reaper
from weatherd.daemon.recalling import Recall, recall
from weatherd.daemon.reloading import Plan, plan
from weatherd.daemon.samplers import Sampler
from weatherd.daemon.supervision import supervise
from weatherd.errors import ConfigError, JournalError, JournalUnavailable, UnavailableError
from weatherd.journal import memory_outlives_us
from weatherd.lean import import_aiohttp
from weatherd.looping import passes
from weatherd.model import Event
from weatherd.sampling.asked import AskedSampler
from weatherd.sampling.heard import HeardSampler
from weatherd.sampling.telling import Listener, ToldSampler
from weatherd.systemd import Notifier
from weatherd.waiting import first_of

if TYPE_CHECKING:
    from weatherd.sensors.i2c import Adapter

TRIED_S_MAX = 15.0
"""READY does not wait longer than this for the sensors: a bus may hang."""

SAMPLERS_STOP_S = 3.0
"""For the samplers to hand over what they have; it takes that long only while the queue is full."""

SENDING_STOP_S = 3.0
"""For a message by infrared with its repetitions; few take longer."""

JOURNAL_STOP_S = 10.0
"""For the rest of the queue to reach the card."""

HISTORY_STOP_S = 5.0
"""For the panel's minutes to reach the card; what does not is in the journal."""

SINKS_STOP_S = 5.0
"""For one more attempt at each sink."""

STATUS_PERIOD_S = 10.0
SUPERVISION_DELAY_S_MAX = 60.0

Loop = AskedSampler | Listener | HeardSampler

_TMPFS_HINT = "use the systemd unit, or set RUNTIME_DIRECTORY to a folder on a tmpfs that outlives the process"


class Daemon:
    """
    One station, from its start to its stop.

    Args:
        settings: The checked configuration.
        log: Where people read.
        reread: Reads the configuration again; without it, `reload` finds no change.
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
        reread: Callable[[], config.Config] | None = None,
        clock: SystemClock | None = None,
        simulated: "Adapter | None" = None,
        runtime_folder: Path | None = None,
    ) -> None:
        self._log = log
        self._clock = clock or SystemClock()
        self._stop = asyncio.Event()
        self._reload = asyncio.Event()
        self._reread = reread or (lambda: settings)
        self._next: config.Config | None = None
        self._notifier = Notifier()
        folder = runtime_folder or runtime_folders()[0]
        self.parts = assemble(settings, log, self._clock, folder, simulated)
        if self.parts.follower is not None:
            import_aiohttp()
            from weatherd.daemon.showing import make_showing

            self.parts.showing = make_showing(self.parts)
        self.parts.start_mqtt(settings)
        self._sampling: dict[Loop, asyncio.Task[None]] = {}
        self._recording: asyncio.Task[None] | None = None
        self._forwarding: list[asyncio.Task[None]] = []
        self._publishing: list[asyncio.Task[None]] = []
        self._is_journal_open = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.ready = asyncio.Event()
        told = answers(self.parts.journal, self.status, self._reread, self._stop, self.parts.transmitter)
        self._control = ControlServer(folder, told)

    def stop(self) -> None:
        """Ask the station to stop; `run` returns when it has."""
        self._next = None
        self._stop.set()

    def reload(self) -> None:
        """Ask the station to read its configuration again, and to change what changed there."""
        self._reload.set()

    def status(self) -> dict[str, Any]:
        """Describe every part, as plain values for JSON."""
        return status.status(self.parts)

    async def run(self) -> config.Config | None:
        """
        Run until `stop` is called.

        Returns:
            The configuration to begin anew with, if one was read that changes what all parts share; else None.

        Raises:
            JournalError: If the journal cannot be opened, and that is not for the disk to mend.
            UnavailableError: If a port to listen on is taken.
        """
        try:
            await self._take_up()
            await self._open_doors()
            self._tell_start()
            async with asyncio.TaskGroup() as group:
                await self._run_loops(group)
        finally:
            await self._close()
        self._log.info("daemon.stopped", message=f"the station has stopped: {status.sentence(self.parts)}")
        return self._next

    async def _take_up(self) -> None:
        """Go on where the journal ends, or without it where only the disk keeps it from being opened."""
        try:
            await self._open_journal()
            await self._recall(self.parts.recalls)
        except JournalUnavailable as error:
            if not error.may_pass:
                raise
            self.parts.recorder.pause(error)

    async def _open_journal(self) -> None:
        """Open the journal, and go on where it ends."""
        journal = self.parts.journal
        if not self._is_journal_open:
            await journal.open()
            self._is_journal_open = True
        recorded_at_ms = await journal.newest_recorded_at_ms()
        if recorded_at_ms is not None:
            self._clock.not_before(recorded_at_ms)
        if not journal.is_in_memory and memory_outlives_us():  # else that is meant so: see its docstring
            message = (
                "the runtime folder is not in memory: young observations are kept on the card, which wears it more"
            )
            self._log.warning("daemon.runtime_folder_on_card", message=message, hint=_TMPFS_HINT)

    async def _recall(self, recalls: Sequence[Recall]) -> None:
        """Show what was observed before the start to those who need it."""
        await recall(self.parts.journal, self._clock, self._log, recalls)
        self.parts.calibrations.settle(self.parts.settings.sensors)

    async def _open_doors(self) -> None:
        for source in self.parts.sources:
            await source.open()
        try:
            await self._control.open()
        except UnavailableError as error:
            self._log.warning("daemon.status_unavailable", message=str(error), code=error.code, hint=error.hint)

    def _tell_start(self) -> None:
        now_ms = self._clock.now_ms()
        self.parts.queue.push(
            Event(
                action="station_started",
                message=f"weatherd {__version__} has started",
                observed_at_ms=now_ms,
                clock_offset_ms=self._clock.offset_ms(),
                clock_synchronized=self._clock.synchronized(),
            )
        )

    async def _run_loops(self, group: asyncio.TaskGroup) -> None:
        if self._is_journal_open:
            self._start_keeping(group)
        else:
            self._start(group, "opening the journal", partial(self._open_journal_late, group))
        self._start(group, "watching", self._watch)
        if self.parts.showing is not None:
            self._start(group, "panel", self.parts.showing.run)
        if os.getpid() == 1:
            self._start(group, "reaping", Reaper(self._clock).run)
        self._start_sampling(group, [*_loops(self.parts.samplers), *self.parts.listeners])
        await first_of(self._wait_until_tried(), self._stop.wait())
        if not self._stop.is_set():
            settle_memory()  # it holds up the loop; who waits for READY before he writes does not notice
            self._notifier.ready()
            self.ready.set()
            self._log.info("daemon.started", message=f"the station runs: {status.sentence(self.parts)}")
            forget_the_start()
        await self._reload_until_stopped(group)
        if self._next is None:
            self._notifier.stopping()
        self._log.info("daemon.stopping", message="the station stops: the journal first, then each sink once more")
        await asyncio.gather(self._stop_sampling(list(self._sampling)), self._stop_sending())
        for forwarder in self.parts.forwarders:
            forwarder.hurry()  # what is delivered makes room in a full journal
        self.parts.queue.close()
        if self._recording is not None:
            await asyncio.wait([self._recording], timeout=JOURNAL_STOP_S)
        if self._recording is None or not self._recording.done():
            self.parts.recorder.give_up()
        await self._finish_forwarding()
        for task in self._tasks:
            task.cancel()

    def _start_keeping(self, group: asyncio.TaskGroup) -> None:
        """Start what works on the open journal."""
        self._recording = self._start(group, "recording", self.parts.recorder.run)
        self._start_forwarding(group)
        self._start_publishing(group)
        self._start(group, "keeping", self.parts.keeper.run)
        self._start(group, "timekeeping", self.parts.timekeeper.run)
        if self.parts.follower is not None:
            self._start(group, "following", self.parts.follower.run)

    async def _open_journal_late(self, group: asyncio.TaskGroup) -> None:
        """Open the journal as soon as the disk lets us; what else is wrong with it by then is told, and waits too."""
        for delay_s in full_jitter(1.0, JOURNAL_DELAY_S_MAX):
            await self._clock.sleep(delay_s)
            try:
                await self._open_journal()
            except JournalError as error:
                self.parts.recorder.pause(error)
            else:
                # The others have begun without their past.
                await self._recall([self.parts.calibrations.recall])
                self._start_keeping(group)
                return

    def _start_sampling(self, group: asyncio.TaskGroup, loops: Sequence[Loop]) -> None:
        for loop in loops:
            self._sampling[loop] = self._start(group, f"sampling {loop.name}", loop.run)

    def _start_forwarding(self, group: asyncio.TaskGroup) -> None:
        self._forwarding = [self._start(group, f"sink {one.sink.name}", one.run) for one in self.parts.forwarders]

    def _start_publishing(self, group: asyncio.TaskGroup) -> None:
        if self.parts.mqtt is not None:
            self._publishing = [self._start(group, "publishing", self.parts.mqtt.run)]

    async def _reload_until_stopped(self, group: asyncio.TaskGroup) -> None:
        """Read the configuration again whenever that is asked for, until one needs the whole station to begin anew."""
        while not self._stop.is_set():
            await first_of(self._reload.wait(), self._stop.wait())
            if self._stop.is_set():
                return
            self._reload.clear()
            self._notifier.reloading()
            try:
                settings = await asyncio.to_thread(self._reread)
                await self._change(group, settings)
            except (ConfigError, UnavailableError) as error:
                message = f"the configuration is left as it was: {error}"
                self._log.error("daemon.reload_refused", message=message, code=error.code, hint=error.hint)
            if self._next is None:
                self._notifier.ready()
            else:
                self._stop.set()

    async def _change(self, group: asyncio.TaskGroup, settings: config.Config) -> None:
        """Bring the station from the configuration that it has to another one."""
        change = plan(self.parts.settings, settings)
        if change.whole:
            self._next = settings
            self._log.info("daemon.reloaded", message="the configuration was read again: the station begins anew")
            return
        if change.sink or change.mqtt:
            await self._exchange_sinks(group, settings, change)
        await self._exchange_sensors(group, settings, change)
        self.parts.settings = settings
        message = "nothing has changed" if change.is_nothing else "what has changed was started anew"
        self._log.info("daemon.reloaded", message=f"the configuration was read again: {message}")

    async def _exchange_sinks(self, group: asyncio.TaskGroup, settings: config.Config, change: Plan) -> None:
        """Deliver from where the sinks before are; what those have under way is sent again, with the same ids."""
        before = list(self.parts.sinks)
        if change.mqtt and self.parts.mqtt is not None and _moves(self.parts.settings.sinks.mqtt, settings.sinks.mqtt):
            self.parts.mqtt.moves()
        if change.sink:
            self.parts.start_sink(settings)
        if change.mqtt:
            self.parts.start_mqtt(settings)
        ended = [*self._forwarding, *(self._publishing if change.mqtt else ())]
        for task in ended:
            task.cancel()
        await asyncio.gather(*ended, return_exceptions=True)
        for sink in before:
            if sink not in self.parts.sinks:
                await sink.close()
        if self._is_journal_open:
            self._start_forwarding(group)
            if change.mqtt:
                self._start_publishing(group)

    async def _exchange_sensors(self, group: asyncio.TaskGroup, settings: config.Config, change: Plan) -> None:
        """End what has changed, with what it has measured, and begin what is new; the others go on meanwhile."""
        ended = [loop for loop in self._sampling if loop.names & change.stop]
        await self._stop_sampling(ended)
        sampling = self.parts.exchange_sampling(settings, change)
        self.parts.calibrations.settle(settings.sensors)
        for source in sampling.sources:
            try:
                await source.open()
            except UnavailableError as error:
                self._log.error("daemon.source_unavailable", message=str(error), code=error.code, hint=error.hint)
        self._start_sampling(group, [*_loops(sampling.samplers.values()), *sampling.listeners])

    def _start(self, group: asyncio.TaskGroup, name: str, run: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        delays = full_jitter(1.0, SUPERVISION_DELAY_S_MAX)
        task = group.create_task(supervise(name, run, self._clock, self._log, delays), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _wait_until_tried(self) -> None:
        try:
            async with asyncio.timeout(TRIED_S_MAX):
                for loop in list(self._sampling):
                    await loop.tried.wait()
        except TimeoutError:
            self._log.warning("daemon.sensors_slow", message="not every sensor could be tried yet; the station runs on")

    async def _watch(self) -> None:
        """Feed the watchdog while the loop and the sampling go on, and keep the line of `systemctl status` true."""
        period_s = min(STATUS_PERIOD_S, (self._notifier.watchdog_period_s or 2 * STATUS_PERIOD_S) / 2)
        pause_s = min(1.0, period_s)  # at first much changes
        while True:
            if status.sampling_goes_on(self.parts):
                self._notifier.alive()
            self._notifier.status(status.sentence(self.parts))
            await self._clock.sleep(pause_s)
            pause_s = min(2 * pause_s, period_s)

    async def _stop_sampling(self, loops: Sequence[Loop]) -> None:
        tasks = [self._sampling.pop(loop) for loop in loops]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            async with asyncio.timeout(SAMPLERS_STOP_S):
                await asyncio.gather(*(loop.finish() for loop in loops))
        except TimeoutError:
            count = sum(loop.unqueued_count for loop in loops if not isinstance(loop, AskedSampler))
            self._log.error("daemon.sampling_cut_off", message=f"{count} observations found no room before the stop")

    async def _stop_sending(self) -> None:
        """Let what is being sent by infrared go out, and be told, while the queue still takes it."""
        if self.parts.transmitter is None:
            return
        try:
            async with asyncio.timeout(SENDING_STOP_S):
                await self.parts.transmitter.finish()
        except TimeoutError:
            self._log.error("daemon.sending_cut_off", message="a message by infrared was not over before the stop")

    async def _finish_forwarding(self) -> None:
        try:
            async with asyncio.timeout(SINKS_STOP_S):
                fresh = [] if self.parts.mqtt is None else [self.parts.mqtt.finish()]
                await asyncio.gather(*fresh, *(forwarder.finish() for forwarder in self.parts.forwarders))
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
        await self._close_history()
        try:
            async with asyncio.timeout(JOURNAL_STOP_S):
                await self.parts.journal.close()
        except JournalError as error:
            self._log.error("daemon.journal_not_closed", message=str(error), code=error.code, hint=error.hint)
        except TimeoutError:
            self._log.error(
                "daemon.journal_not_closed", message="the disk does not answer; the journal is left as it is"
            )

    async def _close_history(self) -> None:
        if self.parts.follower is None:
            return
        try:
            async with asyncio.timeout(HISTORY_STOP_S):
                await self.parts.follower.close()
        except TimeoutError:
            self._log.info("daemon.history_not_closed", message="what is left of it is gathered after a start")


def _loops(samplers: Iterable[Sampler]) -> Sequence[Loop]:
    """Return those that run by themselves, and not under a listener."""
    return [sampler for sampler in samplers if not isinstance(sampler, ToldSampler)]


def _moves(before: config.Mqtt | None, after: config.Mqtt | None) -> bool:
    return before is not None and after is not None and before.topic != after.topic


def forget_the_start() -> None:
    """Time the loop from now on: imports and the first look at everything held it up, and harmed nobody."""
    if (timed := passes()) is not None:
        timed.begin_again()


def settle_memory() -> None:
    """
    Let the garbage collector leave alone what stays for ever, and give back what only the start needed.

    One full collection of the 37,000 objects that the imports made takes 17 ms on a fast machine, and would hold up the
    loop for longer than 20 ms on a Pi; frozen, they are never looked at again.

    Source:
        malloc_trim(3), of glibc alone: 0.8 MB of free pages that it keeps between others.
    """
    gc.collect()
    gc.freeze()
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)
