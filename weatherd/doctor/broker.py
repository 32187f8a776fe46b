"""
Whether the MQTT broker lets the station in, by a real connection that leaves nothing behind.

It is made with the daemon's own settings, but for an id of its own, so that no daemon is pushed out, and without a last
will. Nothing is published: whether topics are allowed shows in `weatherd status`, since only a real message would tell.
"""

import secrets
from collections.abc import Sequence

from weatherd import config
from weatherd.daemon.publishing import address_of
from weatherd.doctor.findings import Finding, fail, ok
from weatherd.errors import SinkError
from weatherd.sinks.mqtt.connection import Connection
from weatherd.sinks.mqtt.topics import topics_of

_NAME = "mqtt at "  # the subject of the finding says it already
_HINT = "look into the broker's log"


async def examine(settings: config.Mqtt, station_id: str) -> Sequence[Finding]:
    """Connect, subscribe to what the daemon would, and leave. Raises ConfigError if a password cannot be used."""
    address = address_of(settings)._replace(session_expiry_s=0)
    shown = address.shown.removeprefix(_NAME)
    connection = Connection(address, f"weatherd-{station_id}-doctor-{secrets.token_hex(4)}", None)
    try:
        await connection.open()
        forbidden = await connection.subscribe([topics_of(settings.topic, station_id).availability])
    except SinkError as error:
        return [fail("sink", "mqtt", error.code, error.sentence.removeprefix(_NAME), error.hint or _HINT)]
    finally:
        await connection.close()
    if forbidden:
        sentence = f"{shown} does not let us subscribe to {forbidden[0]}"
        return [fail("sink", "mqtt", "sink.unwelcome", sentence, "allow it in its access list: docs/fleet.md")]
    return [ok("sink", "mqtt", f"{shown} lets us in")]
