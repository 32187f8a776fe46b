import socket
import ssl
from pathlib import Path

import pytest

from weatherd.errors import SinkError, Unreachable, Unwelcome
from weatherd.sinks.mqtt.answers import Refusal, refused_connection, refused_message, silence

SHOWN = "mqtt at mqtt://a:1883"

# MQTT 5.0, table 3-1 and 3.14.2.1: every reason with which a server refuses or ends a connection.
CODES = {
    0x80: Unreachable,  # unspecified error
    0x81: Unreachable,  # malformed packet
    0x82: Unreachable,  # protocol error
    0x83: Unreachable,  # implementation specific error
    0x84: Unwelcome,  # unsupported protocol version
    0x85: Unwelcome,  # client identifier not valid
    0x86: Unwelcome,  # bad user name or password
    0x87: Unwelcome,  # not authorised
    0x88: Unreachable,  # server unavailable
    0x89: Unreachable,  # server busy
    0x8A: Unwelcome,  # banned
    0x8B: Unreachable,  # server shutting down
    0x8C: Unwelcome,  # bad authentication method
    0x8D: Unreachable,  # keep alive timeout
    0x8E: Unwelcome,  # session taken over
    0x95: Unwelcome,  # packet too large
    0x97: Unreachable,  # quota exceeded
    0x9A: Unwelcome,  # retain not supported
    0x9B: Unwelcome,  # QoS not supported
    0x9C: Unwelcome,  # use another server
    0x9D: Unwelcome,  # server moved
    0x9F: Unreachable,  # connection rate exceeded
}


@pytest.mark.parametrize(("code", "kind"), CODES.items())
def test_a_refused_connection_is_for_a_person_or_for_time_to_mend(code: int, kind: type[SinkError]) -> None:
    """What only a setting can change is tried again slowly and said loudly; the rest may pass."""
    error = refused_connection(SHOWN, code, "The Reason")
    assert type(error) is kind
    assert error.sentence.startswith(SHOWN)
    assert error.hint


def test_a_message_that_is_not_taken_is_told_by_its_topic_and_reason() -> None:
    """A forbidden topic is named; a full broker is full for all."""
    forbidden = refused_message(SHOWN, Refusal("a/b", 0x87, "Not authorized"))
    assert isinstance(forbidden, Unwelcome)
    assert "a/b" in forbidden.sentence
    page = Path(__file__).parents[3] / forbidden.hint.rpartition(" ")[2]
    assert "pattern readwrite" in page.read_text()  # there they find one to copy
    full = refused_message(SHOWN, Refusal("a/b", 0x97, "Quota exceeded"))
    assert (type(full), full.sentence) == (Unreachable, f"{SHOWN} is full: quota exceeded")
    other = refused_message(SHOWN, Refusal("a/b", 0x99, "Payload format invalid"))
    assert (type(other), other.sentence) == (
        Unreachable,
        f"{SHOWN} did not take a message on a/b: payload format invalid",
    )


def test_a_message_that_is_too_large_is_for_a_person_to_mend() -> None:
    """The topic and the limit are named."""
    error = refused_message(SHOWN, Refusal("a/b", 0x95, "Packet too large"))
    assert isinstance(error, Unwelcome)
    assert "a/b" in error.sentence
    assert "max_packet_size" in error.hint


@pytest.mark.parametrize(
    ("code", "words"), [(9, "clock"), (10, "renew"), (62, "a name in url"), (64, "a name in url"), (20, "tls.ca_file")]
)
def test_a_certificate_that_is_not_trusted_has_the_hint_that_mends_it(code: int, words: str) -> None:
    """One that has run out is not mended by another authority."""
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, "why"
    told = silence(SHOWN, error, 3.0)
    assert told.sentence == f"{SHOWN} shows a certificate that is not trusted: why"
    assert words in told.hint


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (None, "did not answer within 3 s"),
        (TimeoutError(), "did not answer within 3 s"),
        (ConnectionRefusedError(111, "x"), "nobody listens there"),
        (socket.gaierror(-2, "x"), "has a name that is not known"),
        (OSError(113, "No route to host"), "cannot be reached: No route to host"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), "does not agree on TLS"),
        (RuntimeError("odd"), "closed the connection: odd"),
    ],
    ids=repr,
)
def test_silence_is_told_by_what_the_network_said(error: BaseException | None, words: str) -> None:
    """And all of it may pass."""
    told = silence(SHOWN, error, 3.0)
    assert isinstance(told, Unreachable)
    assert words in told.sentence
    assert told.hint


@pytest.mark.parametrize(
    "error", [ConnectionResetError(104, "x"), BrokenPipeError(32, "x"), RuntimeError("odd")], ids=repr
)
def test_a_broker_that_hangs_up_may_want_tls_or_none(error: BaseException) -> None:
    """The commonest cause is a scheme that does not belong to the port."""
    told = silence(SHOWN, error, 3.0)
    assert told.sentence.startswith(f"{SHOWN} closed the connection")
    assert "mqtt or mqtts" in told.hint
