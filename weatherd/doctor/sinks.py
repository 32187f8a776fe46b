"""
Whether each sink would take what is observed, by a real attempt that leaves nothing behind.

To an empty array Logstash answers as to any other, after the same check of password and certificate, and makes no
event (measured on logstash-core 8.8 with logstash-input-http 4.1.13).
"""

import asyncio
from collections.abc import Sequence

import msgspec

from weatherd import config
from weatherd.daemon.assembly import make_logstash
from weatherd.doctor.findings import Finding, bounded, fail, ok
from weatherd.errors import SinkError
from weatherd.ports import Clock
from weatherd.sinks.logstash import shown

ATTEMPT_S_MAX = 15.0
"""A Logstash whose queue is blocked answers after 10 s; a person does not wait for longer."""

CHECK_S_MAX = 2 * ATTEMPT_S_MAX + 1.0
"""A batch that is refused compressed is sent once more."""

_NAME = "logstash at "  # the subject of the finding says it already
_HINT = "look into the log of what answers there: Logstash, or a proxy before it"


async def examine(settings: config.Config, clock: Clock) -> Sequence[Finding]:
    """Try every url, and the broker, all at the same time."""
    logstash, mqtt = settings.sinks.logstash, settings.sinks.mqtt
    if logstash is None and mqtt is None:
        return [ok("sink", "sinks", "none: observations stay in the journal")]
    urls = () if logstash is None else logstash.urls
    attempts = [bounded("sink", "logstash", _attempt(logstash, url, clock), CHECK_S_MAX) for url in urls if logstash]
    if mqtt is not None:
        from weatherd.doctor import broker  # noqa: PLC0415 - 5 MB, for those who have one

        attempts.append(bounded("sink", "mqtt", broker.examine(mqtt, settings.station.id), CHECK_S_MAX))
    return [finding for findings in await asyncio.gather(*attempts) for finding in findings]


async def _attempt(settings: config.Logstash, url: str, clock: Clock) -> Sequence[Finding]:
    alone = msgspec.structs.replace(settings, urls=(url,), timeout_s=min(settings.timeout_s, ATTEMPT_S_MAX))
    sink = make_logstash(alone, clock)
    try:
        await sink.deliver([])
    except SinkError as error:
        return [fail("sink", "logstash", error.code, error.sentence.removeprefix(_NAME), error.hint or _HINT)]
    finally:
        await sink.close()
    return [ok("sink", "logstash", f"{shown(url).removeprefix(_NAME)} has taken an empty batch")]
