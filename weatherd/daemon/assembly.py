"""
Assembly: from the checked configuration to a station's parts.

Values travel from the configuration into constructors here, and nowhere else. A driver, a sink or a bus is imported
only if the configuration has it: each costs memory that a Pi has better use for.
"""

import dataclasses
import os
import secrets
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import structlog

from weatherd import config
from weatherd.backoff import full_jitter, slowly
from weatherd.clock import SystemClock
from weatherd.daemon.calibrating import CalibrationHistory, cpu_heat_of, curves_of, version_of
from weatherd.daemon.drivers import OnBus, make_sensor
from weatherd.daemon.keeping import Keeper
from weatherd.daemon.recalling import Recall
from weatherd.daemon.reloading import Plan, streams
from weatherd.daemon.timekeeping import Timekeeper
from weatherd.forwarding import Forwarder
from weatherd.happenings import Happenings
from weatherd.journal import Notice, SqliteJournal, memory_file
from weatherd.model import Event, Observation
from weatherd.ports import Clock, Sensor, Sink, Source
from weatherd.processing.derivation import Derivation, Sources
from weatherd.processing.documents import Document, DocumentEncoder
from weatherd.processing.limits import LIMITS, Limits, narrowed
from weatherd.processing.quality import QualityControl
from weatherd.queueing import BoundedQueue
from weatherd.recording import Recorder
from weatherd.sampling.asked import AskedSampler
from weatherd.sampling.condition import Condition
from weatherd.sampling.forming import Former
from weatherd.sampling.telling import Listener, ToldSampler

if TYPE_CHECKING:
    from weatherd.sensors.gpio import GpioChip
    from weatherd.sensors.i2c import Adapter, Bus
    from weatherd.sensors.lines import LineReader
    from weatherd.sensors.rain_gauge import RainGauge

JOURNAL_DELAY_S_MAX = 10.0
"""A full disk that has been freed is noticed within this time."""

SENSOR_DELAY_S_MAX = 60.0
"""A sensor that has been plugged in again is noticed within this time."""

SINK_DELAY_S_FIRST = 2.0

LINGER_SHARE_MAX = 0.5
"""Of the commit period, for which a fresh document may wait for company at most."""

JSONLINES = "jsonlines"
"""The model of a sensor that is a stream: what kind of part is behind it, only its labels may know."""

OnLine = config.RainGauge | config.Anemometer

Totals = Callable[[], Mapping[str, int]]
Sampler = AskedSampler | ToldSampler
Log = structlog.typing.FilteringBoundLogger


@dataclasses.dataclass
class Parts:
    """
    A station, built but not running.

    Attributes:
        samplers: One a sensor, in the order of the configuration.
        listeners: One a source; those of the samplers that are told work under them.
        derivation: What all sensors are derived by.
        calibrations: Tells where one has changed.
        recalls: Who is shown the documents of earlier runs at the start.
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
    runtime_folder: Path
    sources: list[Source]
    samplers: list[Sampler]
    listeners: list[Listener]
    derivation: Derivation
    calibrations: CalibrationHistory
    recalls: list[Recall]
    log: Log
    simulated: "Adapter | None"

    def start_sink(self, settings: config.Config) -> Forwarder:
        """Build the sink of a configuration in the place of the one there was."""
        assert settings.sinks.logstash is not None
        sink = _logstash(settings.sinks.logstash, self.clock)
        forwarder = _forwarder(
            sink,
            settings,
            settings.sinks.logstash,
            journal=self.journal,
            clock=self.clock,
            log=self.log,
            happenings=self.happenings,
        )
        self.sinks[:] = [sink]
        self.forwarders[:] = [forwarder]
        return forwarder

    def exchange_sampling(self, settings: config.Config, change: Plan) -> "Sampling":
        """Build what samples the sensors that a configuration begins with, in the place of those that have ended."""
        sampling = Sampling(
            settings,
            change.start,
            log=self.log,
            clock=self.clock,
            queue=self.queue,
            happenings=self.happenings,
            derivation=self.derivation,
            bus=self.bus or _bus(settings, self.clock, self.simulated),
            gpio=self.gpio or _gpio(settings),
            runtime_folder=self.runtime_folder,
        )
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
        runtime_folder: Where young entries are kept if it is in memory.
        simulated: What stands behind ``i2c.bus = "simulated"``; the recorded day's weather by default.

    Raises:
        ConfigError: If a password or a certificate cannot be used.
    """
    run_id = secrets.token_hex(4)
    queue: BoundedQueue[Observation | Event] = BoundedQueue(settings.queue.size_max)
    logstash = settings.sinks.logstash
    sinks = [] if logstash is None else [_logstash(logstash, clock)]
    happenings = Happenings(queue, clock, log)

    def tell(notice: Notice) -> None:
        happenings.tell(notice.name, notice.action, notice.message)

    journal = SqliteJournal(
        settings.journal.path,
        encode=DocumentEncoder(settings.station, run_id).encode,
        clock=clock,
        sinks=[sink.name for sink in sinks],
        size_max=settings.journal.size_max,
        retention_s=settings.journal.retention_s,
        when_full=settings.journal.when_full,
        station_id=settings.station.id,
        memory=memory_file(runtime_folder, settings.journal.path),
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
    bus = _bus(settings, clock, simulated)
    derive = settings.derive
    derivation = Derivation(
        settings.station,
        Sources(derive.temperature or "", derive.humidity or "", derive.pressure or "", derive.wind or ""),
    )
    calibrations = CalibrationHistory(happenings)
    sampling = Sampling(
        settings,
        settings.sensors,
        log=log,
        clock=clock,
        queue=queue,
        happenings=happenings,
        derivation=derivation,
        bus=bus,
        gpio=_gpio(settings),
        runtime_folder=runtime_folder,
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
        runtime_folder=runtime_folder,
        sources=sampling.sources,
        samplers=list(sampling.samplers.values()),
        listeners=sampling.listeners,
        derivation=derivation,
        calibrations=calibrations,
        recalls=[derivation.recall, calibrations.recall, *sampling.recalls],
        log=log,
        simulated=simulated,
    )


def _logstash(settings: config.Logstash, clock: Clock) -> Sink:
    from weatherd.sinks.logstash import LogstashSink
    from weatherd.tls import tls_context

    tls = settings.tls
    return LogstashSink(
        urls=settings.urls,
        clock=clock,
        timeout_s=settings.timeout_s,
        compression=settings.compression,
        in_flight_max=settings.in_flight_max,
        delay_s_max=settings.delay_s_max,
        username=settings.username,
        password=None if settings.password_file is None else config.read_password(settings.password_file),
        ssl_context=None if tls is None else tls_context(tls.ca_file, tls.cert_file, tls.key_file),
    )


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
        # What arrives within the commit period needs no write to the card.
        linger_s=min(settings.linger_s, station.journal.commit_period_s * LINGER_SHARE_MAX),
        in_flight_max=settings.in_flight_max,
        delays=partial(full_jitter, min(SINK_DELAY_S_FIRST, settings.delay_s_max), settings.delay_s_max),
        delays_unwelcome=partial(slowly, settings.delay_s_max),
    )


def _bus(settings: config.Config, clock: Clock, simulated: "Adapter | None") -> "Bus | None":
    if not any(isinstance(sensor, OnBus) for sensor in settings.sensors):
        return None
    return make_bus(settings.i2c.bus, clock, simulated)


def make_bus(bus: int | Literal["simulated"], clock: Clock, simulated: "Adapter | None" = None) -> "Bus":
    """
    Return a bus; nothing is opened yet.

    Args:
        bus: Of ``/dev/i2c-<bus>``, or for emulated chips.
        clock: Tells the emulated chips the time of day.
        simulated: The emulated chips; those in the recorded day's weather by default.
    """
    from weatherd.sensors.i2c import Bus

    if bus != "simulated":
        return Bus.of_linux(bus)
    if simulated is None:
        from weatherd.testing.weather import simulated_bus

        simulated = simulated_bus(clock.now_ms)
    adapter = simulated
    return Bus(lambda: adapter, "the simulated bus")


def _gpio(settings: config.Config) -> "GpioChip | None":
    if not any(isinstance(sensor, OnLine) for sensor in settings.sensors):
        return None
    kind, _, path = settings.gpio.chip.partition(":")
    if kind == "simulated":
        from weatherd.testing.gpio import SimulatedGpio

        return SimulatedGpio(Path(path) if path else None)
    from weatherd.sensors.gpio import LinuxChip

    return LinuxChip(settings.gpio.chip)


def _anemometer(settings: config.Anemometer, gpio: "GpioChip") -> Sensor:
    from weatherd.sensors.anemometer import Anemometer

    return Anemometer(
        gpio,
        settings.name,
        settings.line,
        m_per_s_per_hz=settings.m_per_s_per_hz,
        debounce_s=settings.debounce_ms / 1000,
    )


def _line_reader(settings: config.JsonLines) -> "LineReader":
    from weatherd.sensors.lines import Field, LineReader

    fields = {}
    for quantity, mapped in settings.quantities.items():
        line = settings.conversion(quantity)
        fields[quantity] = Field(mapped.field, line.slope, line.offset, mapped.counter, mapped.counter_max)
    return LineReader(
        fields,
        match=settings.match,
        observed_at=settings.observed_at,
        time_zone=settings.zone,
        labels=settings.labels,
        repeat_window_s=settings.effective_repeat_window_s,
    )


def _source(sensors: Sequence[config.JsonLines], clock: Clock, log: Log) -> Source:
    """Return the one source of sensors with the same command or the same place to listen at."""
    from weatherd.sensors.jsonlines import JsonLinesCommand, JsonLinesListener

    readers = {sensor.name: _line_reader(sensor) for sensor in sensors}
    if (command := sensors[0].command) is not None:
        return JsonLinesCommand(readers, clock, log, command=command)
    listen = sensors[0].listen
    assert listen is not None
    return JsonLinesListener(readers, clock, log, listen=listen)


class Sampling:
    """
    Sensors and sources, with those that sample them.

    Attributes:
        samplers: By the sensor's name.
        sources: One a stream.
        listeners: One a source.
        bus: Of the chips; None if there are none.
        gpio: Of the contacts; None if there are none.
        recalls: Who wants to know the documents of the last day.
    """

    def __init__(
        self,
        settings: config.Config,
        sensors: Sequence[config.Sensor],
        *,
        log: Log,
        clock: SystemClock,
        queue: BoundedQueue[Observation | Event],
        happenings: Happenings,
        derivation: Derivation,
        bus: "Bus | None",
        gpio: "GpioChip | None",
        runtime_folder: Path,
    ) -> None:
        self._derivation = derivation
        self._journal_path = settings.journal.path
        self._runtime_folder = runtime_folder
        self._log = log
        self._clock = clock
        self._queue = queue
        self._happenings = happenings
        self.bus = bus
        self._quality_controls: dict[str, QualityControl] = {}
        self.gpio = gpio
        self.recalls: list[Recall] = [self._recall]
        self.samplers = {sensor.name: self._sampler(sensor) for sensor in sensors}
        self.sources: list[Source] = []
        self.listeners = [self._listener(told) for told in _streams(sensors)]

    def _recall(self, document: Document) -> None:
        """Show the quality control of its sensor what an earlier run observed; the oldest come first."""
        if document.sensor is not None and (control := self._quality_controls.get(document.sensor.name)):
            control.recall(document)

    def _sampler(self, settings: config.Sensor) -> AskedSampler | ToldSampler:
        condition = Condition(settings.name, self._clock, self._happenings)
        if isinstance(settings, config.JsonLines):
            former = self._former(settings, JSONLINES, condition, samples_count=0)
            return ToldSampler(JSONLINES, self._clock, former, condition, report_period_s=settings.report_period_s)
        if isinstance(settings, config.RainGauge):
            gauge = self._rain_gauge(settings)
            self.recalls.append(gauge.recall)
            return self._asked(settings, gauge, condition, settings.report_period_s, gauge.totals)
        if isinstance(settings, config.Anemometer):
            assert self.gpio is not None
            return self._asked(settings, _anemometer(settings, self.gpio), condition, settings.report_period_s)
        assert self.bus is not None
        sensor = self._without_heat(settings, make_sensor(settings, self.bus))
        return self._asked(settings, sensor, condition, settings.sample_period_s)

    def _asked(
        self,
        settings: OnBus | OnLine,
        sensor: Sensor,
        condition: Condition,
        sample_period_s: float,
        totals: Totals = dict,
    ) -> AskedSampler:
        return AskedSampler(
            sensor,
            self._clock,
            self._queue,
            self._former(
                settings,
                sensor.model,
                condition,
                samples_count=round(settings.report_period_s / sample_period_s),
            ),
            condition,
            sample_period_s=sample_period_s,
            report_period_s=settings.report_period_s,
            delays=partial(full_jitter, 1.0, SENSOR_DELAY_S_MAX),
            totals=totals,
        )

    def _rain_gauge(self, settings: config.RainGauge) -> "RainGauge":
        from weatherd.sensors.rain_gauge import RainGauge
        from weatherd.sensors.tally import TallyFile

        assert self.gpio is not None
        # Stations that share the folder have journals of their own, and the tips belong to the journal.
        journal = zlib.crc32(os.fsencode(self._journal_path.absolute()))
        return RainGauge(
            self.gpio,
            settings.name,
            settings.line,
            mm_per_tip=settings.mm_per_tip,
            debounce_s=settings.debounce_ms / 1000,
            time_zone=settings.zone,
            file=TallyFile(self._runtime_folder / f"{settings.name}-{journal:08x}.tally", self._clock.boot_id()),
            clock=self._clock,
            log=self._log,
        )

    def _listener(self, sensors: Sequence[config.JsonLines]) -> Listener:
        source = _source(sensors, self._clock, self._log)
        self.sources.append(source)
        told = {name: self.samplers[name] for name in (sensor.name for sensor in sensors)}
        return Listener(
            source,
            {name: sampler for name, sampler in told.items() if isinstance(sampler, ToldSampler)},
            self._clock,
            self._queue,
            delays=partial(full_jitter, 1.0, SENSOR_DELAY_S_MAX),
        )

    def _without_heat(self, settings: config.Sensor, sensor: Sensor) -> Sensor:
        if not (share := cpu_heat_of(settings)):
            return sensor
        from weatherd.sensors.heat import CpuThermometer, WithoutHeat

        return WithoutHeat(sensor, CpuThermometer(self._log), share)

    def _former(self, settings: config.Sensor, model: str, condition: Condition, *, samples_count: int) -> Former:
        quality_control = self._quality_controls[settings.name] = QualityControl(
            _limits(settings.limits),
            report_period_s=settings.report_period_s,
            samples_count=samples_count,
            turned=condition.turned,
        )
        return Former(
            settings.name,
            model,
            self._derivation,
            self._clock,
            curves_of(settings),
            calibration_version=version_of(settings),
            quality_control=quality_control,
        )


def _limits(narrower: Mapping[Any, config.Limits]) -> Mapping[str, Limits]:
    given = {quantity: msgspec.structs.asdict(limits) for quantity, limits in narrower.items()}
    return {**LIMITS, **{quantity: narrowed(LIMITS[quantity], limits) for quantity, limits in given.items()}}


def _streams(sensors: Sequence[config.Sensor]) -> Iterable[Sequence[config.JsonLines]]:
    """Return the sensors of each program and socket: there is one receiver, and one port."""
    for group in streams(sensors).values():
        told = [sensor for sensor in group if isinstance(sensor, config.JsonLines)]
        if told:
            yield told


# What `weatherd doctor` tries is made as the daemon makes it.
bus_of = _bus
gpio_of = _gpio
make_logstash = _logstash
