"""
Every counter of the station, for Prometheus: read from the parts when somebody asks, and kept nowhere twice.

Names follow Prometheus's conventions (docs "Metric and label naming"): base units, ``_total`` for what only grows. What
a journal remembers over restarts grows over restarts too; all else begins at 0 with the process. Labels are names of
the configuration and words of ours, so the number of series is bounded: about 15 a sensor, 10 a sink and 50 a station.
Most are there from the start, with 0, so that the first increase is seen.
"""

import asyncio
import itertools
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from prometheus_client import ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from weatherd import __version__
from weatherd.daemon import status
from weatherd.daemon.assembly import Parts
from weatherd.daemon.samplers import Sampler
from weatherd.forwarding import Forwarder
from weatherd.looping import BOUNDS_S, passes
from weatherd.model import Quality
from weatherd.sampling.condition import State
from weatherd.sampling.heard import HeardSampler

SINK_STATES = ("untried", "answers", "lost")

Values = Mapping[str, float]
_Part = TypeVar("_Part")


class Counters:
    """
    Tell how a station is, in the text format of Prometheus, version 0.0.4.

    Args:
        parts: The station's.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._process = ProcessCollector(registry=None)

    async def text(self) -> bytes:
        """Return every counter; they are read at one moment, and written on a thread, since a Pi needs a while."""
        families = list(families_of(self._parts))
        return await asyncio.to_thread(self._written, families)

    def _written(self, families: Iterable[Metric]) -> bytes:
        return generate_latest(_Read([*families, *self._process.collect()]))


class _Read(Collector):
    """What was read already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def families_of(parts: Parts) -> Iterator[Metric]:
    """Yield everything that is counted, by name."""
    return itertools.chain(
        _station(parts),
        _sensors(parts.samplers),
        _lines(parts),
        _infrared(parts),
        _queue(parts),
        _journal(parts),
        _sinks(parts),
        _clock(parts),
        _panel(parts),
        _loop(),
    )


def _station(parts: Parts) -> Iterator[Metric]:
    yield InfoMetricFamily(
        "weatherd_build", "What runs.", {"version": __version__, "python_version": platform.python_version()}
    )
    yield InfoMetricFamily("weatherd_station", "Whose station it is.", {"station": parts.settings.station.id})
    yield _gauge(
        "weatherd_start_time_seconds",
        "When the station started, in whole seconds since 1970, by what it knows of the time now.",
        round(parts.started_s + parts.clock.known_offset_ms() / 1000),
    )
    yield _gauge(
        "weatherd_ready",
        "1 while the station does its work, as /readyz tells; 0 where sampling is stuck or the journal takes nothing.",
        status.trouble(parts) is None,
    )


def _sensors(samplers: Iterable[Sampler]) -> Iterator[Metric]:
    info = InfoMetricFamily("weatherd_sensor", "What kind of part a sensor is.", labels=["sensor"])
    states = GaugeMetricFamily("weatherd_sensor_state", "1 for the state that a sensor is in.", labels=_by("state"))
    observed = GaugeMetricFamily(
        "weatherd_sensor_observed_timestamp_seconds",
        "The time of a sensor's newest observation since the start, in seconds since 1970.",
        labels=["sensor"],
    )
    observations = CounterMetricFamily(
        "weatherd_observations",
        "Observations since the start, by the worst flag of their values; missing: not one value was there.",
        labels=_by("quality"),
    )
    for sampler in samplers:
        condition = sampler.condition
        sensor = condition.sensor
        info.add_metric([sensor], {"model": sampler.model})
        for state in State:
            states.add_metric([sensor, state], condition.state is state)
        if condition.observed_at_ms is not None:
            observed.add_metric([sensor], condition.observed_at_ms / 1000)
        for quality in Quality:
            observations.add_metric([sensor, quality], condition.qualities[quality])
    yield from (info, states, observed, observations)
    yield from _counted_of_sensors(samplers)


def _counted_of_sensors(samplers: Iterable[Sampler]) -> Iterator[Metric]:
    each = {sampler.condition.sensor: sampler for sampler in samplers}
    yield _counter_each(
        "weatherd_measurement_failures",
        "Attempts at a measurement that gave none, since the start.",
        "sensor",
        _of_each(each, lambda one: one.condition.failures_count),
    )
    yield _counter_each(
        "weatherd_measurements_skipped",
        "Ticks of the sample period that came too late, since the start.",
        "sensor",
        _of_each(each, lambda one: one.skipped_count),
    )
    yield _counter_each(
        "weatherd_edges_lost",
        "Edges of a contact that the kernel had to drop, since the start.",
        "sensor",
        _of_each(each, lambda one: one.lost_edges_count),
    )


def _lines(parts: Parts) -> Iterator[Metric]:
    lines = CounterMetricFamily(
        "weatherd_lines", "Lines that a program or a socket sent for a sensor, since the start.", labels=["sensor"]
    )
    outcomes = CounterMetricFamily(
        "weatherd_line_outcomes", "Lines by what became of them; one may count twice.", labels=_by("outcome")
    )
    for source in parts.sources:
        for sensor, counts in source.counts.items():
            lines.add_metric([sensor], counts.get("lines", 0))
            for outcome, count in counts.items():
                if outcome != "lines":
                    outcomes.add_metric([sensor, outcome], count)
    yield from (lines, outcomes)


def _infrared(parts: Parts) -> Iterator[Metric]:
    heard = CounterMetricFamily(
        "weatherd_infrared_heard",
        "What a receiver of infrared has heard, since the start: presses of keys, their repeats, and timings, both of "
        "keys and of what no decoder knows.",
        labels=_by("kind"),
    )
    left_out = CounterMetricFamily(
        "weatherd_infrared_left_out",
        "Presses that a receiver has heard, and that were too many to be events, since the start.",
        labels=["sensor"],
    )
    for sampler in parts.samplers:
        if isinstance(sampler, HeardSampler):
            for kind, count in sampler.counts.items():
                if kind != "left_out":
                    heard.add_metric([sampler.name, kind], count)
            left_out.add_metric([sampler.name], sampler.counts["left_out"])
    yield from (heard, left_out)
    if parts.transmitter is not None:
        yield _counter_each(
            "weatherd_infrared_messages",
            "Messages that were to be sent by infrared, by what became of them, since the start.",
            "outcome",
            parts.transmitter.counts,
        )


def _queue(parts: Parts) -> Iterator[Metric]:
    yield _gauge("weatherd_queue_depth", "What waits for the journal.", parts.queue.depth)
    yield _gauge("weatherd_queue_depth_max", "What may wait for the journal at most.", parts.settings.queue.size_max)
    yield _counter(
        "weatherd_queue_dropped",
        "Observations and events of this run that found no room in the queue: lost.",
        parts.queue.dropped_count,
    )


def _journal(parts: Parts) -> Iterator[Metric]:
    journal = parts.journal
    told = status.journal(parts)
    yield _gauge("weatherd_journal_size_bytes", "What the journal uses of its room.", journal.size)
    yield _gauge("weatherd_journal_size_max_bytes", "The journal's room.", told["size_max"])
    entries = max(0, journal.last_seq - journal.first_seq + 1)
    yield _gauge("weatherd_journal_entries", "Entries from the oldest that is kept to the newest.", entries)
    yield _counter(
        "weatherd_journal_appended",
        "Entries that the journal took since it was made: its newest seq.",
        journal.last_seq,
    )
    yield _gauge(
        "weatherd_journal_failing", "1 while the journal or its card takes nothing.", told["error"] is not None
    )
    yield _gauge("weatherd_journal_holding", "1 while documents wait for the time to be known.", told["holding"])
    yield _gauge(
        "weatherd_journal_in_memory", "1 if what is young is kept in memory, which spares the card.", told["in_memory"]
    )
    for name, help_text in (
        ("dropped", "Entries that had to go before every sink had them: lost."),
        ("thinned", "Observations of a full journal that were reduced to one-minute means."),
        ("reduced", "The one-minute means that they became."),
    ):
        yield _counter(f"weatherd_journal_{name}", f"{help_text} Since it was made.", told[f"{name}_count"])
    yield _counter(
        "weatherd_quarantine_dropped",
        "Documents that had to leave a full quarantine: lost. Since the journal was made.",
        told["quarantine_dropped_count"],
    )


def _sinks(parts: Parts) -> Iterator[Metric]:
    each = {one["name"]: one for one in status.sinks(parts)}  # among them one that has no forwarder
    states = GaugeMetricFamily("weatherd_sink_state", "1 for the state that a sink is in.", labels=["sink", "state"])
    attempts = CounterMetricFamily(
        "weatherd_sink_attempts", "Attempts since the start, by the answer they had.", labels=["sink", "answer"]
    )
    for sink, one in each.items():
        for state in SINK_STATES:
            states.add_metric([sink, state], state == one["state"])
        for answer, count in one["attempts"].items():
            attempts.add_metric([sink, answer], count)
    yield from (states, attempts)
    yield from _entries_of_sinks(each, parts.forwarders, parts.journal.quarantined)


def _entries_of_sinks(
    each: Mapping[str, Mapping[str, int]], forwarders: Iterable[Forwarder], quarantined: Mapping[str, int]
) -> Iterator[Metric]:
    for name, help_text in (
        ("lag", "Entries that a sink does not have yet."),
        ("backlog", "Those of them that an outage left behind."),
    ):
        values = {sink: one[name] for sink, one in each.items()}
        yield _gauge_each(f"weatherd_sink_{name}_entries", help_text, "sink", values)
    yield _gauge_each(
        "weatherd_sink_quarantined_documents",
        "Documents that a sink refuses for good, and that are kept here.",
        "sink",
        {**dict.fromkeys(each, 0), **quarantined},
    )
    yield _counter_each(
        "weatherd_sink_delivered",
        "Documents that a sink has acknowledged since the start.",
        "sink",
        {sink: one["delivered_count"] for sink, one in each.items()},
    )
    yield _counter_each(
        "weatherd_sink_unreadable",
        "Entries that a sink will never have, as the journal was damaged: lost. Since the start.",
        "sink",
        {forwarder.sink.name: forwarder.unreadable_count for forwarder in forwarders},
    )


def _clock(parts: Parts) -> Iterator[Metric]:
    yield _gauge(
        "weatherd_clock_synchronized", "1 while the kernel says that the time is right.", parts.clock.synchronized()
    )
    yield _counter(
        "weatherd_clock_steps", "Steps of the wall clock, of half a second or more.", parts.timekeeper.steps_count
    )


def _panel(parts: Parts) -> Iterator[Metric]:
    if parts.follower is None or parts.showing is None:
        return
    server = parts.showing.server
    yield _gauge(
        "weatherd_history_lag_entries",
        "Entries of the journal that the panel's history does not have yet.",
        max(0, parts.journal.last_seq - parts.follower.position),
    )
    yield _gauge("weatherd_panel_connections", "Open connections to the panel.", server.connections_count)
    yield _gauge("weatherd_panel_viewers", "Viewers of the stream.", server.stream.viewers_count)


def _loop() -> Iterator[Metric]:
    timed = passes()
    if timed is None:
        return
    below = list(itertools.accumulate(timed.counts))
    yield HistogramMetricFamily(
        "weatherd_loop_lag_seconds",
        "How long whatever was due had to wait for the event loop at most: the time of each of its passes.",
        buckets=list(zip([*map(str, BOUNDS_S), "+Inf"], below, strict=True)),
        sum_value=timed.sum_s,
    )
    yield _gauge("weatherd_loop_lag_max_seconds", "The longest pass since the station was ready.", timed.longest_s)


def _by(label: str) -> list[str]:
    return ["sensor", label]


def _of_each(parts: Mapping[str, _Part], look: Callable[[_Part], float]) -> Values:
    return {name: look(part) for name, part in parts.items()}


def _gauge(name: str, help_text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help_text, value=float(value))


def _counter(name: str, help_text: str, value: float) -> Metric:
    return CounterMetricFamily(name, help_text, value=float(value))


def _gauge_each(name: str, help_text: str, label: str, values: Values) -> Metric:
    family = GaugeMetricFamily(name, help_text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _counter_each(name: str, help_text: str, label: str, values: Values) -> Metric:
    family = CounterMetricFamily(name, help_text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
