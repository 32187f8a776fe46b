"""What `weatherd status` shows: how every part is, as plain values for JSON."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from weatherd import __version__
from weatherd.daemon.assembly import Parts
from weatherd.daemon.samplers import Sampler
from weatherd.errors import SamplingStuck, WeatherdError
from weatherd.forwarding import Forwarder
from weatherd.model import QUANTITIES
from weatherd.processing.documents import iso_8601
from weatherd.sampling.asked import AskedSampler
from weatherd.sampling.condition import State
from weatherd.sampling.heard import HeardSampler

if TYPE_CHECKING:
    from weatherd.sinks.mqtt.sink import MqttSink


def status(parts: Parts) -> dict[str, Any]:
    """Describe a running station: what the API tells at its paths, together, and what concerns only this machine."""
    return {
        "station": station(parts),
        "daemon": {"pid": os.getpid(), "run_id": parts.run_id},
        "trouble": _error(trouble(parts)),
        "panel": panel(parts),
        "clock": clock(parts),
        "sensors": sensors(parts),
        "journal": {"path": str(parts.settings.journal.path), **journal(parts)},
        "sinks": sinks(parts),
    }


def station(parts: Parts) -> dict[str, Any]:
    """Describe the station itself."""
    its = parts.settings.station
    return {
        "id": its.id,
        "name": its.name,
        "latitude": its.latitude,
        "longitude": its.longitude,
        "elevation_m": its.elevation_m,
        "version": __version__,
        "language": parts.settings.panel.language,
        "started_at": iso_8601(parts.started_ms),
        "uptime_s": round(parts.clock.boottime_s() - parts.started_s, 1),
        "sensors": [sensor.name for sensor in parts.settings.sensors],
        "quantities": [{"name": one.name, "unit": one.unit, "decimals": one.decimals} for one in QUANTITIES.values()],
    }


def sensors(parts: Parts) -> list[dict[str, Any]]:
    """Describe each sensor, in the order of the configuration."""
    lines = {sensor: counts for source in parts.sources for sensor, counts in source.counts.items()}
    return [_sensor(sampler, lines) for sampler in parts.samplers]


def sinks(parts: Parts) -> list[dict[str, Any]]:
    """Describe each sink."""
    described = [_sink(forwarder, parts) for forwarder in parts.forwarders if forwarder.sink is not parts.mqtt]
    return [*described, *([] if parts.mqtt is None else [_mqtt(parts.mqtt, parts)])]


def clock(parts: Parts) -> dict[str, Any]:
    """Describe the time."""
    return {"now": iso_8601(parts.clock.now_ms()), "synchronized": parts.clock.synchronized()}


def journal(parts: Parts) -> dict[str, Any]:
    """Describe the journal and the queue before it."""
    return {
        "queue_depth": parts.queue.depth,
        "queue_size_max": parts.settings.queue.size_max,
        "queue_dropped_count": parts.queue.dropped_count,
        "size": parts.journal.size,
        "size_max": parts.settings.journal.size_max,
        "last_seq": parts.journal.last_seq,
        "dropped_count": parts.journal.dropped_count,
        "quarantined_count": sum(parts.journal.quarantined.values()),
        "quarantine_dropped_count": parts.journal.contents.count("quarantine_dropped"),
        "thinned_count": parts.journal.contents.count("thinned"),
        "reduced_count": parts.journal.contents.count("reduced"),
        "in_memory": parts.journal.is_in_memory,
        "holding": parts.journal.is_holding,
        "unreadable_count": sum(forwarder.unreadable_count for forwarder in parts.forwarders),
        "error": _error(parts.recorder.error or parts.keeper.error or _journal_error(parts)),
    }


def panel(parts: Parts) -> dict[str, Any] | None:
    """Describe the panel and its history; None where it is turned off."""
    if parts.follower is None or parts.showing is None:
        return None
    return {"url": parts.showing.url, "error": _error(parts.showing.error or parts.follower.error)}


def trouble(parts: Parts) -> WeatherdError | None:
    """
    Tell why a station does not do its work; None while it does.

    Whoever restarts it when this is not None does no harm. A sink that is away, or a sensor that is lost, is no trouble
    of the station's: a new start would not bring it back.
    """
    if stuck := _stuck(parts):
        names = ", ".join(stuck)
        return SamplingStuck(
            f"sampling is stuck: {names} was not asked for minutes", "restart the daemon, and see its log"
        )
    return parts.recorder.trouble


def sampling_goes_on(parts: Parts) -> bool:
    """Tell whether every sensor that is asked was asked in time, with or without an answer."""
    return not _stuck(parts)


def _stuck(parts: Parts) -> list[str]:
    return [one.name for one in parts.samplers if isinstance(one, AskedSampler) and not one.goes_on()]


def state_of(forwarder: Forwarder) -> str:
    """Return the state of a sink: lost, answers, or untried."""
    return "lost" if forwarder.error else "answers" if forwarder.sink.attempts else "untried"


def sentence(parts: Parts) -> str:
    """Sum up the station in one line, for `systemctl status`."""
    states = [sampler.condition.state for sampler in parts.samplers]
    starting = f", {states.count(State.STARTING)} starting" if State.STARTING in states else ""
    told = [f"{one['name']} {_WORDS[one['state']]}, {one['lag']} to send" for one in sinks(parts)]
    return f"{states.count(State.WORKING)} of {len(states)} sensors work{starting}; {', '.join(told) or 'no sink'}"


_WORDS = {"lost": "does not answer", "answers": "answers", "untried": "was not tried yet"}


def _journal_error(parts: Parts) -> WeatherdError | None:
    return next((forwarder.journal_error for forwarder in parts.forwarders if forwarder.journal_error), None)


def _sensor(sampler: Sampler, lines: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    condition = sampler.condition
    described: dict[str, Any] = {
        "name": condition.sensor,
        "model": sampler.model,
        "state": condition.state,
        "since": iso_8601(condition.since_ms),
        "observed_at": None if condition.observed_at_ms is None else iso_8601(condition.observed_at_ms),
        "observations_count": condition.observations_count,
        "failures_count": condition.failures_count,
        "skipped_count": sampler.skipped_count,
        "lost_edges_count": sampler.lost_edges_count,
        "calibration": sampler.calibration,
        "quality": dict(condition.quality),
        "quality_reasons": dict(condition.quality_reasons),
        "error": _error(condition.error) if condition.state is not State.WORKING else None,
    }
    if condition.sensor in lines:
        described["lines"] = dict(lines[condition.sensor])
    if isinstance(sampler, HeardSampler):
        described["heard"] = dict(sampler.counts)
    return described


def _sink(forwarder: Forwarder, parts: Parts) -> dict[str, Any]:
    next_s = forwarder.attempt_next_s
    since_ms = forwarder.error_since_ms
    return {
        "name": forwarder.sink.name,
        "state": state_of(forwarder),
        "since": None if since_ms is None else iso_8601(since_ms),
        "lag": forwarder.lag,
        "backlog": forwarder.backlog_count,
        "delivered_count": forwarder.delivered_count,
        "quarantined_count": parts.journal.quarantined.get(forwarder.sink.name, 0),
        "attempts": dict(forwarder.sink.attempts),
        "attempt_next_in_s": None if next_s is None else max(0.0, round(next_s - parts.clock.boottime_s(), 1)),
        "error": _error(forwarder.error),
    }


def _mqtt(sink: "MqttSink", parts: Parts) -> dict[str, Any]:
    """Describe the sink that lives on what is fresh, and its forwarder, if it takes a backlog."""
    forwarder = next((one for one in parts.forwarders if one.sink is sink), None)
    next_s, since_ms, error = sink.attempt_next_s, sink.error_since_ms, sink.error
    if error is None and forwarder is not None:
        error = forwarder.error
    return {
        "name": sink.name,
        "state": "lost" if error else "answers" if sink.attempts else "untried",
        "since": None if since_ms is None else iso_8601(since_ms),
        "lag": 0 if forwarder is None else forwarder.lag,
        "backlog": 0 if forwarder is None else forwarder.backlog_count,
        "delivered_count": sink.ledger.delivered_count if forwarder is None else forwarder.delivered_count,
        "quarantined_count": parts.journal.quarantined.get(sink.name, 0),
        "attempts": dict(sink.attempts),
        "attempt_next_in_s": None if next_s is None else max(0.0, round(next_s - parts.clock.boottime_s(), 1)),
        "error": _error(error),
    }


def _error(error: WeatherdError | None) -> dict[str, str] | None:
    return None if error is None else {"code": error.code, "message": error.sentence, "hint": error.hint}
