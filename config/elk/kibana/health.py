"""The views of quality and of the stations' health: what is doubtful and why, who was heard, what happened."""

from lens import (
    Columns,
    Lens,
    Series,
    by_query,
    by_time,
    by_value,
    chart,
    count,
    last_text,
    last_time,
    number,
    table,
    tile,
)
from texts import Say
from values import any_of, last_of

STATIONS_MAX = 1000
"""Rows of a table; Kibana takes no more."""

FLAGS = ("good", "inconsistent", "doubtful", "erroneous", "missing", "unchecked")
REASONED = ("air_temperature", "relative_humidity", "air_pressure", "wind_speed", "rainfall_amount", "illuminance")
OBSERVATIONS = 'event.dataset: ("weatherd.observation" or "weatherd.observation.reduced")'
EVENTS = 'event.dataset: "weatherd.event"'
LOSSES = (
    "observations_dropped",
    "backlog_thinned",
    "documents_quarantined",
    "quarantine_dropped",
    "entries_unreadable",
    "journal_damaged",
    "journal_tail_lost",
)
HAPPENINGS = {
    "started": ("station_started",),
    "sensor_lost": ("sensor_lost",),
    "sensor_found": ("sensor_found",),
    "sensor_stuck": ("sensor_stuck",),
    "sensor_unstuck": ("sensor_unstuck",),
    "clock_stepped": ("clock_stepped",),
    "calibration_changed": ("calibration_changed",),
    "mqtt_trouble": ("mqtt_unwelcome", "mqtt_not_taken", "mqtt_twin"),
    "infrared": ("infrared_received", "infrared_sent"),
    "data_lost": LOSSES,
}
"""The actions of events (docs/logstash.md), as people would call them."""


def tiles(say: Say) -> list[Lens]:
    """Show in four numbers whether anybody should look closer."""
    return [
        tile("stations-heard", number("unique_count", "station.id", say("stations_heard"), decimals=0)),
        tile("not-good", count(say("not_good"), where=f"quality.*: ({any_of(FLAGS[1:])})")),
        tile("unsynchronized", count(say("unsynchronized"), where="clock.synchronized: false")),
        tile("losses", count(say("losses"), where=f"event.action: ({any_of(LOSSES)})")),
    ]


def stations(say: Say) -> Lens:
    """Show each station: when it was heard last, and what it said."""
    columns = {
        "station": by_value("station.id", say("station"), STATIONS_MAX),
        "name": last_text("station.name", say("name")),
        "seen": last_time("@timestamp", say("last_seen"), where=OBSERVATIONS),
        "recorded": last_time("event.created", say("recorded_at"), where=OBSERVATIONS),
        "temperature": last_of(say, "air_temperature"),
        "humidity": last_of(say, "relative_humidity"),
        "pressure": last_of(say, "air_pressure_at_mean_sea_level"),
        "observations": count(say("observations"), where=OBSERVATIONS),
        "unsynchronized": count(say("unsynchronized"), where="clock.synchronized: false"),
        "backlog": count(say("backlog"), where='event.dataset: "weatherd.observation.reduced"'),
    }
    return table("stations", say("stations_title"), columns)


def quality_over_time(say: Say) -> Lens:
    """Show how many documents had a value of each flag that is not good."""
    columns = {
        "x": by_time(say("time")),
        "split": by_query(say("quality_title"), {say(flag): f'quality.*: "{flag}"' for flag in FLAGS[1:]}),
        "documents": count(say("documents")),
    }
    return chart("quality", say("quality_title"), [Series("flags", "bar_stacked", columns)])


def reasons(say: Say) -> Lens:
    """Show for each quantity why it was not good: a layer each, for each has a field of its own."""
    series = [Series(quantity, "bar_horizontal_stacked", reasons_of(say, quantity)) for quantity in REASONED]
    return chart("reasons", say("reasons_title"), series)


def reasons_of(say: Say, quantity: str) -> Columns:
    """Return the columns of one quantity's reasons."""
    field = f"quality_reasons.{quantity}"
    # A reason may stand beside a good value, too: a pressure reduced with a short history.
    where = f'{field}: * and not quality.{quantity}: "good"'
    return {"x": by_value(field, say("reason"), 20), "documents": count(say(quantity), where=where)}


def quality_of_stations(say: Say) -> Lens:
    """Show which station is doubtful."""
    columns = {"station": by_value("station.id", say("station"), STATIONS_MAX)}
    columns |= {flag: count(say(flag), where=f'quality.*: "{flag}"') for flag in FLAGS}
    return table("quality-of-stations", say("quality_of_stations_title"), columns, OBSERVATIONS)


def events_over_time(say: Say) -> Lens:
    """Show when sensors were lost and found, the clock stepped, data lost."""
    queries = {say(key): f"event.action: ({any_of(actions)})" for key, actions in HAPPENINGS.items()}
    known = any_of(action for actions in HAPPENINGS.values() for action in actions)
    queries[say("other")] = f"not event.action: ({known})"
    columns = {
        "x": by_time(say("time")),
        "split": by_query(say("action"), queries),
        "events": count(say("events")),
    }
    return chart("events", say("events_title"), [Series("events", "bar_stacked", columns)], query=EVENTS)


def events_by_kind(say: Say) -> Lens:
    """Show each kind of event of each station: how often, and when last."""
    columns = {
        "action": by_value("event.action", say("action"), 50),
        "station": by_value("station.id", say("station"), STATIONS_MAX),
        "events": count(say("events")),
        "sensor": last_text("sensor.name", say("sensor")),
        "time": last_time("@timestamp", say("last_time")),
    }
    return table("events-by-kind", say("events_by_kind_title"), columns, EVENTS)
