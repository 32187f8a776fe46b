"""Who samples each sensor: forms, judges and derives its observations, and tells when it is lost."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from weatherd import config
from weatherd.backoff import full_jitter
from weatherd.clock import SystemClock
from weatherd.daemon.calibrating import cpu_heat_of, curves_of, version_of
from weatherd.daemon.drivers import (
    Log,
    OnBus,
    OnLine,
    make_anemometer,
    make_rain_gauge,
    make_receiver,
    make_sensor,
    make_source,
    without_heat,
)
from weatherd.daemon.recalling import Recall
from weatherd.daemon.reloading import streams
from weatherd.happenings import Happenings
from weatherd.model import Event, Infrared, Observation
from weatherd.ports import Sensor, Source
from weatherd.processing.derivation import Derivation
from weatherd.processing.documents import Document
from weatherd.processing.limits import LIMITS, Limits, narrowed
from weatherd.processing.quality import QualityControl
from weatherd.queueing import BoundedQueue
from weatherd.sampling.asked import AskedSampler
from weatherd.sampling.condition import Condition
from weatherd.sampling.forming import Former
from weatherd.sampling.heard import HeardSampler
from weatherd.sampling.telling import Listener, ToldSampler

if TYPE_CHECKING:
    from weatherd.sensors.gpio import GpioChip
    from weatherd.sensors.i2c import Bus
    from weatherd.sensors.lirc import Lirc

SENSOR_DELAY_S_MAX = 60.0
"""A sensor that has been plugged in again is noticed within this time."""

JSONLINES = "jsonlines"
"""The model of a sensor that is a stream: what kind of part is behind it, only its labels may know."""

Totals = Callable[[], Mapping[str, int]]
Sampler = AskedSampler | ToldSampler | HeardSampler


class Sampling:
    """
    Sensors and sources, with those that sample them.

    Args:
        lirc: The infrared devices; None if the station has no use for them.
        tell_heard: Is told at once what a receiver hears.
        quality_controls: By sensor, those that judged until now; they are replaced, and what they remember goes on.

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
        lirc: "Lirc | None",
        tell_heard: Callable[[str, Infrared], None],
        young_folder: Path,
        quality_controls: dict[str, QualityControl],
    ) -> None:
        self._derivation = derivation
        self._journal_path = settings.journal.path
        self._young_folder = young_folder
        self._log = log
        self._clock = clock
        self._queue = queue
        self._happenings = happenings
        self.bus = bus
        self._quality_controls = quality_controls
        self.gpio = gpio
        self._lirc = lirc
        self._infrared = settings.infrared
        self._tell_heard = tell_heard
        self.recalls: list[Recall] = [self._recall]
        self.samplers = {sensor.name: self._sampler(sensor) for sensor in sensors}
        self.sources: list[Source] = []
        self.listeners = [self._listener(told) for told in _streams(sensors)]

    def _recall(self, document: Document) -> None:
        """Show the quality control of its sensor what an earlier run observed; the oldest come first."""
        if document.sensor is not None and (control := self._quality_controls.get(document.sensor.name)):
            control.recall(document)

    def _sampler(self, settings: config.Sensor) -> Sampler:
        condition = Condition(settings.name, self._clock, self._happenings)
        self.recalls.append(condition.recall)
        if isinstance(settings, config.JsonLines):
            former = self._former(settings, JSONLINES, condition, samples_count=0)
            return ToldSampler(JSONLINES, self._clock, former, condition, report_period_s=settings.report_period_s)
        if isinstance(settings, config.InfraredReceiver):
            return self._heard(settings, condition)
        if isinstance(settings, config.RainGauge):
            assert self.gpio is not None
            gauge = make_rain_gauge(
                settings,
                self.gpio,
                young_folder=self._young_folder,
                journal=self._journal_path,
                clock=self._clock,
                log=self._log,
            )
            self.recalls.append(gauge.recall)
            return self._asked(settings, gauge, condition, settings.report_period_s, gauge.totals)
        if isinstance(settings, config.Anemometer):
            assert self.gpio is not None
            return self._asked(settings, make_anemometer(settings, self.gpio), condition, settings.report_period_s)
        assert self.bus is not None
        sensor = without_heat(make_sensor(settings, self.bus), cpu_heat_of(settings), self._log)
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

    def _heard(self, settings: config.InfraredReceiver, condition: Condition) -> HeardSampler:
        assert self._lirc is not None
        return HeardSampler(
            make_receiver(settings, self._lirc, self._infrared),
            self._clock,
            self._queue,
            condition,
            tell=self._tell_heard,
            delays=partial(full_jitter, 1.0, SENSOR_DELAY_S_MAX),
        )

    def _listener(self, sensors: Sequence[config.JsonLines]) -> Listener:
        source = make_source(sensors, self._clock, self._log)
        self.sources.append(source)
        told = {name: self.samplers[name] for name in (sensor.name for sensor in sensors)}
        return Listener(
            source,
            {name: sampler for name, sampler in told.items() if isinstance(sampler, ToldSampler)},
            self._clock,
            self._queue,
            delays=partial(full_jitter, 1.0, SENSOR_DELAY_S_MAX),
        )

    def _former(self, settings: config.Sensor, model: str, condition: Condition, *, samples_count: int) -> Former:
        quality_control = QualityControl(
            _limits(settings.limits),
            report_period_s=settings.report_period_s,
            samples_count=samples_count,
            turned=condition.turned,
            calibration=version_of(settings),
        )
        if (before := self._quality_controls.get(settings.name)) is not None:
            quality_control.go_on(before)
        self._quality_controls[settings.name] = quality_control
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
