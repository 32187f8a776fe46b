"""
Assembly: from the checked configuration to a station's parts.

Values travel from the configuration into constructors here, and nowhere else. A driver, a sink or a bus is imported
only if the configuration has it: each costs memory that a Pi has better use for.
"""

import dataclasses
import secrets
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from weatherd import config
from weatherd.backoff import full_jitter, slowly
from weatherd.clock import SystemClock
from weatherd.daemon.calibrating import CalibrationHistory
from weatherd.daemon.drivers import Log, bus_of, gpio_of, lirc_of, make_transmitter
from weatherd.daemon.hearing import Hearing
from weatherd.daemon.keeping import SECURE_SHARE, Keeper
from weatherd.daemon.recalling import Recall
from weatherd.daemon.reloading import Plan
from weatherd.daemon.samplers import Sampler, Sampling
from weatherd.daemon.timekeeping import Timekeeper
from weatherd.forwarding import Forwarder
from weatherd.happenings import Happenings
from weatherd.journal import Notice, SqliteJournal, memory_file, young_folder
from weatherd.lean import import_aiohttp
from weatherd.model import Event, Observation
from weatherd.ports import Clock, Sink, Source
from weatherd.processing.derivation import Derivation, Sources
from weatherd.processing.documents import DocumentEncoder
from weatherd.processing.quality import QualityControl
from weatherd.queueing import BoundedQueue
from weatherd.recording import Recorder
from weatherd.sampling.telling import Listener

if TYPE_CHECKING:
    import ssl

    from weatherd.daemon.following import Follower
    from weatherd.daemon.showing import Showing
    from weatherd.sensors.gpio import GpioChip
    from weatherd.sensors.i2c import Adapter, Bus
    from weatherd.sensors.lirc import Lirc
    from weatherd.sensors.transmitter import Transmitter
    from weatherd.sinks.mqtt.sink import MqttSink

JOURNAL_DELAY_S_MAX = 10.0
"""A full disk that has been freed is noticed within this time."""

HISTORY_RETENTION_MS = 10 * 366 * 86_400_000
"""Ten years of minutes and hours: a few MB a year."""

SINK_DELAY_S_FIRST = 2.0

BACKLOG_BATCH_SIZE_MAX = 100
"""Documents of a backlog that are on their way to an MQTT broker, each in a message of its own."""


@dataclasses.dataclass
class Parts:
    """
    A station, built but not running.

    Attributes:
        samplers: One a sensor, in the order of the configuration.
        listeners: One a source; those of the samplers that are told work under them.
        derivation: What all sensors are derived by.
        calibrations: Tells where one has changed.
        quality_controls: By sensor, who judges it.
        young_folder: For the files that keep what is young over the end of the process.
        recalls: Who is shown the documents of earlier runs at the start.
        started_ms: Wall time of the start.
        started_s: The same by the boot clock.
        follower: Who keeps the history; None where the panel, for which it is kept, is turned off.
        showing: Who keeps the panel open, likewise.
        lirc: The infrared devices; None if the station neither hears nor sends.
        hearing: What receivers have heard lately.
        transmitter: What sends by infrared; None if nothing may be sent.
        mqtt: The sink that lives on what is fresh; among `sinks`, with a forwarder, only where it takes a backlog.
    """

    settings: config.Config
    clock: SystemClock
    run_id: str
    queue: BoundedQueue[Observation | Event]
    journal: SqliteJournal
    happenings: Happenings
    recorder: Recorder
    keeper: Keeper
    timekeeper: Timekeeper
    sinks: list[Sink]
    forwarders: list[Forwarder]
    bus: "Bus | None"
    gpio: "GpioChip | None"
    lirc: "Lirc | None"
    hearing: Hearing
    transmitter: "Transmitter | None"
    young_folder: Path
    sources: list[Source]
    samplers: list[Sampler]
    listeners: list[Listener]
    derivation: Derivation
    calibrations: CalibrationHistory
    recalls: list[Recall]
    quality_controls: dict[str, QualityControl]
    log: Log
    simulated: "Adapter | None"
    started_ms: int
    started_s: float
    follower: "Follower | None"
    showing: "Showing | None" = None
    mqtt: "MqttSink | None" = None

    def start_mqtt(self, settings: config.Config) -> None:
        """Build the sink MQTT of a configuration, if it has one, in the place of the one there was."""
        wanted = settings.sinks.mqtt
        if wanted is None:
            self.mqtt = None
            return
        from weatherd.daemon.publishing import make_mqtt

        self.mqtt = sink = make_mqtt(self, wanted)
        if not wanted.backlog:
            return
        forwarder = Forwarder(
            sink,
            self.journal,
            self.clock,
            self.log,
            self.happenings,
            batch_size_max=BACKLOG_BATCH_SIZE_MAX,
            linger_s=settings.journal.commit_period_s,  # until then it was sent while it was fresh
            secured_after_s=settings.journal.commit_period_s * SECURE_SHARE,
            in_flight_max=1,
            delays=partial(full_jitter, min(SINK_DELAY_S_FIRST, wanted.delay_s_max), wanted.delay_s_max),
            delays_unwelcome=partial(slowly, wanted.delay_s_max),
        )
        self._put(sink, forwarder)

    def _put(self, sink: Sink, forwarder: Forwarder) -> None:
        """Put a sink in the place of the one of its name."""
        self.sinks[:] = [*(one for one in self.sinks if one.name != sink.name), sink]
        self.forwarders[:] = [*(one for one in self.forwarders if one.sink.name != sink.name), forwarder]

    def start_sink(self, settings: config.Config) -> Forwarder:
        """Build the sink Logstash of a configuration in the place of the one there was."""
        assert settings.sinks.logstash is not None
        sink = make_logstash(settings.sinks.logstash, self.clock)
        forwarder = _forwarder(
            sink,
            settings,
            settings.sinks.logstash,
            journal=self.journal,
            clock=self.clock,
            log=self.log,
            happenings=self.happenings,
        )
        self._put(sink, forwarder)
        return forwarder

    def exchange_sampling(self, settings: config.Config, change: Plan) -> "Sampling":
        """Build what samples the sensors that a configuration begins with, in the place of those that have ended."""
        self.lirc = lirc_of(settings) if self.settings.infrared is None else self.lirc  # else none of it has changed
        sampling = Sampling(
            settings,
            change.start,
            log=self.log,
            clock=self.clock,
            queue=self.queue,
            happenings=self.happenings,
            derivation=self.derivation,
            bus=self.bus or bus_of(settings, self.clock, self.simulated),
            gpio=self.gpio or gpio_of(settings),
            lirc=self.lirc,
            tell_heard=self.hearing.tell,
            young_folder=self.young_folder,
            quality_controls=self.quality_controls,
        )
        for gone in change.stop.difference(sensor.name for sensor in settings.sensors):
            del self.quality_controls[gone]
        self.bus, self.gpio = sampling.bus, sampling.gpio
        listeners = [one for one in self.listeners if not one.names & change.stop]
        self.listeners[:] = [*listeners, *sampling.listeners]
        self.sources[:] = [one.source for one in self.listeners]
        samplers = {one.condition.sensor: one for one in self.samplers} | sampling.samplers
        self.samplers[:] = [samplers[sensor.name] for sensor in settings.sensors]
        return sampling


def assemble(
    settings: config.Config, log: Log, clock: SystemClock, runtime_folder: Path, simulated: "Adapter | None" = None
) -> Parts:
    """
    Build every part of a station.

    Args:
        settings: The checked configuration.
        log: Where people read.
        clock: The station's clock.
        runtime_folder: Where young entries are kept if it is in memory that outlives the process.
        simulated: What stands behind ``i2c.bus = "simulated"``; the recorded day's weather by default.

    Raises:
        ConfigError: If a password or a certificate cannot be used.
    """
    run_id = secrets.token_hex(4)
    young = young_folder(runtime_folder, settings.journal.path)
    queue: BoundedQueue[Observation | Event] = BoundedQueue(settings.queue.size_max)
    logstash = settings.sinks.logstash
    sinks = [] if logstash is None else [make_logstash(logstash, clock)]
    happenings = Happenings(queue, clock, log)

    def tell(notice: Notice) -> None:
        happenings.tell(notice.name, notice.action, notice.message)

    journal = SqliteJournal(
        settings.journal.path,
        encode=DocumentEncoder(settings.station, run_id).encode,
        clock=clock,
        sinks=_names(settings.sinks),
        size_max=settings.journal.size_max,
        retention_s=settings.journal.retention_s,
        when_full=settings.journal.when_full,
        station_id=settings.station.id,
        memory=memory_file(young, settings.journal.path),
        boot_id=clock.boot_id(),
        held=clock.offset_ms() is not None,
        tell=tell,
    )
    journal_delays = partial(full_jitter, 1.0, JOURNAL_DELAY_S_MAX)
    recorder = Recorder(
        queue,
        journal,
        clock,
        log,
        happenings,
        crowd_size=settings.queue.size_max // 2,
        delays=journal_delays,
    )
    keeper = Keeper(
        journal,
        clock,
        log,
        happenings,
        commit_period_s=settings.journal.commit_period_s,
        history_period_s=settings.journal.history_period_s,
        delays=journal_delays,
    )
    timekeeper = Timekeeper(
        journal, clock, log, happenings, hold_max_s=settings.clock.hold_max_s, delays=journal_delays
    )
    bus = bus_of(settings, clock, simulated)
    derivation = Derivation(
        settings.station,
        Sources(**{key: name or "" for key, name in msgspec.structs.asdict(settings.derive).items()}),
    )
    calibrations = CalibrationHistory(happenings)
    quality_controls: dict[str, QualityControl] = {}
    lirc, hearing = lirc_of(settings), Hearing(clock)
    sampling = Sampling(
        settings,
        settings.sensors,
        log=log,
        clock=clock,
        queue=queue,
        happenings=happenings,
        derivation=derivation,
        bus=bus,
        gpio=gpio_of(settings),
        lirc=lirc,
        tell_heard=hearing.tell,
        young_folder=young,
        quality_controls=quality_controls,
    )
    return Parts(
        settings=settings,
        clock=clock,
        run_id=run_id,
        queue=queue,
        journal=journal,
        recorder=recorder,
        keeper=keeper,
        timekeeper=timekeeper,
        sinks=sinks,
        happenings=happenings,
        forwarders=[
            _forwarder(sink, settings, logstash, journal=journal, clock=clock, log=log, happenings=happenings)
            for sink in sinks
            if logstash
        ],
        bus=bus,
        gpio=sampling.gpio,
        lirc=lirc,
        hearing=hearing,
        transmitter=(
            None
            if settings.infrared is None or lirc is None
            else make_transmitter(settings.infrared, lirc, clock, happenings)
        ),
        young_folder=young,
        sources=sampling.sources,
        samplers=list(sampling.samplers.values()),
        listeners=sampling.listeners,
        derivation=derivation,
        calibrations=calibrations,
        recalls=[derivation.recall, calibrations.recall, *sampling.recalls],
        quality_controls=quality_controls,
        log=log,
        simulated=simulated,
        started_ms=clock.now_ms(),
        started_s=clock.boottime_s(),
        follower=None if settings.panel.listen is None else _follower(settings, journal, clock, log),
    )


def _names(sinks: config.Sinks) -> list[str]:
    """Return the sinks that have a position in the journal."""
    has_one = {"logstash": sinks.logstash is not None, "mqtt": sinks.mqtt is not None and sinks.mqtt.backlog}
    return [name for name, has in has_one.items() if has]


def _follower(settings: config.Config, journal: SqliteJournal, clock: Clock, log: Log) -> "Follower":
    from weatherd.daemon.following import Follower
    from weatherd.history import History

    path = history_path(settings.journal.path)

    def tell_lost(reason: str) -> None:
        message = f"the panel's minutes are gathered from the journal again: {path} was damaged, {reason}"
        log.warning("following.begun_anew", message=message)

    history = History(path, retention_ms=HISTORY_RETENTION_MS, tell_lost=tell_lost, now_ms=clock.now_ms)
    return Follower(history, journal, clock, log, partial(full_jitter, 1.0, JOURNAL_DELAY_S_MAX))


def history_path(journal: Path) -> Path:
    """Return where the history of a journal is: beside it, ``journal-history.db``."""
    return journal.with_name(f"{journal.stem}-history{journal.suffix}")


def make_logstash(settings: config.Logstash, clock: Clock) -> Sink:
    """Make the sink of a table. Raises ConfigError if a password or a certificate cannot be used."""
    import_aiohttp()
    from weatherd.sinks.logstash import LogstashSink

    return LogstashSink(
        urls=settings.urls,
        clock=clock,
        timeout_s=settings.timeout_s,
        compression=settings.compression,
        in_flight_max=settings.in_flight_max,
        delay_s_max=settings.delay_s_max,
        username=settings.username,
        password=None if settings.password_file is None else config.read_password(settings.password_file),
        ssl_context=_context(settings),
    )


def _context(settings: config.Logstash) -> "ssl.SSLContext | None":
    """Return what the table says of TLS; where it says nothing, what the system trusts; None if no url needs it."""
    if not config.any_https(settings.urls):
        return None
    from weatherd.tls import tls_context

    tls = settings.tls or config.Tls()
    return tls_context(tls.ca_file, tls.cert_file, tls.key_file)


def _forwarder(
    sink: Sink,
    station: config.Config,
    settings: config.Logstash,
    *,
    journal: SqliteJournal,
    clock: Clock,
    log: Log,
    happenings: Happenings,
) -> Forwarder:
    return Forwarder(
        sink,
        journal,
        clock,
        log,
        happenings,
        batch_size_max=settings.batch_size_max,
        linger_s=settings.linger_s,
        secured_after_s=station.journal.commit_period_s * SECURE_SHARE,
        in_flight_max=settings.in_flight_max,
        delays=partial(full_jitter, min(SINK_DELAY_S_FIRST, settings.delay_s_max), settings.delay_s_max),
        delays_unwelcome=partial(slowly, settings.delay_s_max),
    )
