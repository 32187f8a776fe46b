"""The station as MQTT sees it: the port `weatherd.sinks.mqtt.port.StationNow`, over a station's parts."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

from weatherd import __version__, config
from weatherd.backoff import full_jitter, slowly
from weatherd.daemon.answers import sending
from weatherd.daemon.assembly import SINK_DELAY_S_FIRST, Parts
from weatherd.daemon.freshness import current_s, stale_s
from weatherd.daemon.samplers import Sampler
from weatherd.daemon.tapping import Tap
from weatherd.model import Heard, Station
from weatherd.processing.derivable import derivable
from weatherd.processing.documents import Document, iso_8601
from weatherd.sampling.asked import AskedSampler
from weatherd.sampling.condition import Condition, State
from weatherd.sinks.mqtt.address import Address
from weatherd.sinks.mqtt.port import Fresh, InfraredNow, SensorNow
from weatherd.sinks.mqtt.sink import MqttSink, Wishes
from weatherd.sinks.mqtt.topics import topics_of
from weatherd.tls import tls_context

REQUEUE_MAX = 1000
"""Documents that one command takes out of quarantine at most."""


class StationNow:
    """See the station."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._tap = Tap(parts.journal)
        self._measured: Mapping[str, Collection[str] | None] = {}
        self._observable: Mapping[str, Collection[str] | None] = {}

    @property
    def station(self) -> Station:
        """The station itself."""
        return self._parts.settings.station

    @property
    def run_id(self) -> str:
        """Drawn anew at each start of the daemon."""
        return self._parts.run_id

    @property
    def version(self) -> str:
        """That of weatherd."""
        return __version__

    @property
    def last_seq(self) -> int:
        """The seq of the newest entry of the journal."""
        return self._tap.last_seq

    async def wait_beyond(self, seq: int) -> None:
        """Wait until the journal has an entry with a higher seq."""
        await self._tap.wait_beyond(seq)

    async def fresh(self, seq: int) -> Fresh:
        """Return some entries of the journal from a seq on. Raises JournalError."""
        return Fresh(*await self._tap.read(seq, _pair))

    def sensors(self) -> Sequence[SensorNow]:
        """Return each sensor."""
        samplers = {sampler.condition.sensor: sampler for sampler in self._parts.samplers}
        configured = [one for one in self._parts.settings.sensors if one.name in samplers]
        self._look_at({one.name: _measured(one, samplers[one.name]) for one in configured})
        return [self._sensor(one, samplers[one.name].condition) for one in configured]

    def status(self) -> Mapping[str, Any]:
        """Return how the station is."""
        return {
            "lag": max((forwarder.lag for forwarder in self._parts.forwarders), default=0),
            "clock_synchronized": self._parts.clock.synchronized(),
            "started_at": iso_8601(self._parts.started_ms),
            "version": __version__,
            "run_id": self._parts.run_id,
        }

    async def report(self, sensor: str | None) -> int:
        """End the report period of a sensor now, or of all. Raises KeyError if there is no such sensor."""
        names = {sampler.condition.sensor for sampler in self._parts.samplers}
        if sensor is not None and sensor not in names:
            raise KeyError(sensor)
        wanted = names if sensor is None else {sensor}
        count = 0
        for sampler in list(self._parts.samplers):
            if isinstance(sampler, AskedSampler) and sampler.names & wanted:
                count += sampler.report_now()
        for listener in list(self._parts.listeners):
            count += await listener.report_now(listener.names & wanted)
        return count

    async def requeue(self) -> int:
        """Take documents of the sinks that there are out of quarantine. Raises JournalUnavailable."""
        journal = self._parts.journal
        sinks = {forwarder.sink.name for forwarder in self._parts.forwarders}
        found: dict[str, list[int]] = {}
        row_id = looked_at = 0
        while looked_at < REQUEUE_MAX and (page := await journal.quarantined_behind(row_id)):
            row_id = page[-1].id
            looked_at += len(page)
            for one in page:
                if one.sink in sinks:
                    found.setdefault(one.sink, []).append(one.seq)
        return sum([await journal.requeue(sink, seqs) for sink, seqs in found.items()])

    @property
    def heard_count(self) -> int:
        """The number of what was heard last."""
        return self._parts.hearing.count

    def heard(self, number: int) -> Sequence[Heard]:
        """Return what was heard behind a number."""
        return self._parts.hearing.behind(number)

    async def wait_heard(self, number: int) -> None:
        """Wait until something was heard behind a number."""
        await self._parts.hearing.wait_beyond(number)

    def infrared(self) -> InfraredNow:
        """Return which infrared is there for Home Assistant."""
        settings = self._parts.settings
        return InfraredNow(
            [one.name for one in settings.sensors if isinstance(one, config.InfraredReceiver) and one.home_assistant],
            settings.infrared is not None and settings.infrared.home_assistant,
        )

    async def send_infrared(self, name: str) -> None:
        """Send a command of the configuration. Raises InfraredError."""
        await sending(self._parts.transmitter).send(name)

    async def send_timings(self, timings_us: Sequence[int], carrier_hz: int) -> None:
        """Send pulses and spaces. Raises InfraredError."""
        await sending(self._parts.transmitter).send_timings(timings_us, carrier_hz)

    def _look_at(self, measured: Mapping[str, Collection[str] | None]) -> None:
        """Tell anew what may be observed, if other quantities are measured than before."""
        if measured == self._measured:
            return
        derivation = self._parts.derivation
        self._measured = measured
        self._observable = {
            name: None if own is None else {*own, *derivable(name, measured, derivation.sources, derivation.station)}
            for name, own in measured.items()
        }

    def _sensor(self, settings: config.Sensor, condition: Condition) -> SensorNow:
        stale_after_s = stale_s(settings.report_period_s)
        observed_s, now_s = condition.observed_s, self._parts.clock.boottime_s()
        return SensorNow(
            condition.sensor,
            self._observable[settings.name],
            condition.newest,
            condition.state is State.WORKING and (observed_s is None or now_s - observed_s <= stale_after_s),
            stale_after_s,
            current_s(settings.report_period_s),
        )


def make_mqtt(parts: Parts, settings: config.Mqtt) -> MqttSink:
    """
    Make the sink of a table.

    Raises:
        ConfigError: If a password or a certificate cannot be used.
    """
    return MqttSink(
        address_of(settings),
        topics_of(settings.topic, parts.settings.station.id),
        Wishes(settings.discovery_prefix if settings.home_assistant else None, settings.commands),
        StationNow(parts),
        clock=parts.clock,
        log=parts.log,
        happenings=parts.happenings,
        delays=partial(full_jitter, min(SINK_DELAY_S_FIRST, settings.delay_s_max), settings.delay_s_max),
        delays_unwelcome=partial(slowly, settings.delay_s_max),
    )


def address_of(settings: config.Mqtt) -> Address:
    """Return where to connect, and as whom. Raises ConfigError if a password or a certificate cannot be used."""
    tls = settings.tls
    return Address(
        settings.url,
        settings.username,
        None if settings.password_file is None else config.read_password(settings.password_file),
        None if tls is None else tls_context(tls.ca_file, tls.cert_file, tls.key_file),
        settings.protocol == "5",
        settings.keep_alive_s,
        settings.session_expiry_s,
        settings.message_expiry_s,
        settings.timeout_s,
    )


def _measured(settings: config.Sensor, sampler: Sampler) -> Collection[str] | None:
    if isinstance(sampler, AskedSampler):
        return sampler.quantities or None
    return settings.quantities if isinstance(settings, config.JsonLines) else ()


def _pair(seq: int, document: Document) -> tuple[int, Document]:
    return seq, document
