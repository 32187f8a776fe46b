"""
What a broker's answer means, or its silence.

    bad user name or password, not authorised,     Unwelcome: a setting is wrong, here or there
    client id, protocol version, another server
    everything else, and no answer                 Unreachable: try again after a delay

With MQTT 3.1.1 a broker acknowledges what it throws away: only with MQTT 5 it says that a topic is forbidden, or that
it is full.

Source:
    MQTT Version 5.0, OASIS Standard: 2.4 (reason codes), 3.2.2.2 (CONNACK), 3.4.2.1 (PUBACK), 3.14.2.1 (DISCONNECT).
"""

import socket
import ssl
from collections.abc import Mapping
from typing import NamedTuple

from weatherd.errors import SinkError, Unreachable, Unwelcome

REFUSED_FROM = 0x80
"""Reason codes from here on are refusals."""

NOT_AUTHORIZED = 0x87
SESSION_TAKEN_OVER = 0x8E
PACKET_TOO_LARGE = 0x95
QUOTA_EXCEEDED = 0x97

_CREDENTIALS = "look at username and password_file in [sinks.mqtt], and at the broker's list of users"
LOOK_AT_SCHEME = "look at scheme and port of the url: mqtt or mqtts? Then into the broker's log"
_TOO_LARGE = "raise its limit; in Mosquitto: max_packet_size, message_size_limit"
_SETTINGS: Mapping[int, tuple[str, str]] = {
    0x84: ("does not speak this version of MQTT", 'set protocol = "3.1.1" in [sinks.mqtt]'),
    0x85: ("refuses our client id", "let it accept ids that begin with weatherd-"),
    0x86: ("refuses user name or password", _CREDENTIALS),
    NOT_AUTHORIZED: ("says that we are not authorised", _CREDENTIALS),
    0x8A: ("has banned us", "look into its log"),
    SESSION_TAKEN_OVER: ("gave our session to another client with our id", "see to it that each client has its own id"),
    0x8C: ("wants another way of authentication", "let it accept user name and password, or a certificate"),
    PACKET_TOO_LARGE: ("takes no message as large as one of ours", _TOO_LARGE),
    0x9A: ("keeps no retained messages", "use one that does: availability and discovery are retained"),
    0x9B: ("takes no messages with QoS 1", "use one that does"),
    0x9C: ("says to use another server", "set its url in [sinks.mqtt]"),
    0x9D: ("says that it has moved", "set its new url in [sinks.mqtt]"),
}
"""Answers that only a person can change, with sentence and hint."""


_RUN_OUT = "renew the broker's certificate, unless it is this computer's clock that is wrong"
_OTHER_NAME = "use a name in url of [sinks.mqtt] that is in the broker's certificate"
_CERTIFICATE_HINTS: Mapping[int, str] = {9: _RUN_OUT, 10: _RUN_OUT, 62: _OTHER_NAME, 64: _OTHER_NAME}
"""By X509_V_ERR_CERT_NOT_YET_VALID, _CERT_HAS_EXPIRED, _HOSTNAME_MISMATCH and _IP_ADDRESS_MISMATCH (x509_vfy.h)."""


class Refusal(NamedTuple):
    """A message that the broker did not take: where to, and its reason code."""

    topic: str
    code: int
    text: str


def refused_connection(shown: str, code: int, text: str) -> SinkError:
    """Return the error for a connection that the broker refuses or ends, with a reason code."""
    known = _SETTINGS.get(code)
    if known is not None:
        return Unwelcome(f"{shown} {known[0]}", known[1])
    return Unreachable(f"{shown} refused or ended the connection: {text.lower()}", "look into the broker's log")


def refused_message(shown: str, refusal: Refusal) -> SinkError:
    """Return the error for a message that the broker does not take."""
    if refusal.code == NOT_AUTHORIZED:
        return Unwelcome(
            f"{shown} does not let us publish on {refusal.topic}", "allow it in the broker's access list: docs/fleet.md"
        )
    if refusal.code == PACKET_TOO_LARGE:
        return Unwelcome(f"{shown} takes no message as large as the one on {refusal.topic}", _TOO_LARGE)
    if refusal.code == QUOTA_EXCEEDED:
        return Unreachable(f"{shown} is full: quota exceeded", "raise its limits, or make room there")
    return Unreachable(
        f"{shown} did not take a message on {refusal.topic}: {refusal.text.lower()}", "look into the broker's log"
    )


def silence(shown: str, error: BaseException | None, timeout_s: float) -> SinkError:
    """Return the error for a connection that could not be made, by what the network said."""
    match error:
        case ssl.SSLCertVerificationError():
            sentence, hint = (
                f"shows a certificate that is not trusted: {error.verify_message}",
                _CERTIFICATE_HINTS.get(error.verify_code, "name the authority that signed it in tls.ca_file"),
            )
        case ssl.SSLError():
            sentence, hint = (
                f"does not agree on TLS: {(getattr(error, 'reason', '') or str(error)).lower().replace('_', ' ')}",
                "look at the port, and at cert_file and key_file under tls",
            )
        case socket.gaierror():
            sentence, hint = "has a name that is not known", "look at the url in [sinks.mqtt], and at the network"
        case ConnectionRefusedError():
            sentence, hint = "refused the connection: nobody listens there", "start the broker, or look at the port"
        case TimeoutError() | None:
            sentence, hint = f"did not answer within {timeout_s:g} s", "look at the network, and at the url"
        case ConnectionError():
            sentence, hint = "closed the connection", LOOK_AT_SCHEME
        case OSError() if error.strerror:
            sentence, hint = f"cannot be reached: {error.strerror}", "look at the network"
        case _:
            sentence, hint = f"closed the connection: {error}", LOOK_AT_SCHEME
    return Unreachable(f"{shown} {sentence}", hint)
