"""
What an answer of Logstash means, and what having none means, in words for people. Pure.

Source:
    Measured on logstash-core 8.8 with logstash-input-http 4.1.13.
"""

import socket
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp

from weatherd.errors import Refused, TooLarge, Unreachable, Unwelcome

# A host that is switched off is found out before the whole timeout has passed.
CONNECT_S_MAX = 10.0

_LATER = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)

_CREDENTIALS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_CREDENTIALS_HINT = "set username and password_file in [sinks.logstash] to what Logstash's http input wants"
_RUNNING_HINT = (
    "is Logstash running, with its http input on this port, and the network up? see urls in [sinks.logstash]"
)
_BUSY_HINT = "Logstash is busy, restarting, or held up by what is behind it: see its own log"
_URLS_HINT = "look at urls in [sinks.logstash]: is that Logstash's http input, and nothing else on the way to it?"
_CLIENT_CERTIFICATE_HINT = "Logstash wants a client certificate that it trusts: set tls.cert_file and tls.key_file"
_HANG_UP_HINT = "it may be busy or restarting; where the url is https, it may want a client certificate"


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What a url answered.

    Args:
        status: HTTP's status code.
        retry_after_s: How long it asked us to wait; None if it did not say.
    """

    status: int
    retry_after_s: float | None


@dataclass(frozen=True, slots=True)
class Silence:
    """
    Why a url gave no answer.

    Args:
        word: For the counters.
        sentence: For people; what comes after the url.
        hint: What they can do about it, or "".
    """

    word: str
    sentence: str
    hint: str = ""


# The first that fits. Detail is the operating system's own word, if it has one.
_SILENCES: tuple[tuple[type[Exception], Silence], ...] = (
    (
        aiohttp.ConnectionTimeoutError,
        Silence("timeout", "did not take the connection within {connect_s_max:g} s", _RUNNING_HINT),
    ),
    (TimeoutError, Silence("timeout", "did not answer within {timeout_s:g} s", _BUSY_HINT)),
    (
        socket.gaierror,
        Silence(
            "unknown_name",
            "has a name that is not known: {detail}",
            "look at the name in urls of [sinks.logstash], and at this computer's network",
        ),
    ),
    (
        ConnectionRefusedError,
        Silence("refused_connection", "refused the connection: nobody listens there", _RUNNING_HINT),
    ),
    (
        aiohttp.ServerDisconnectedError,
        Silence("disconnected", "closed the connection without an answer", _HANG_UP_HINT),
    ),
    (
        # A full Logstash answers 429 and closes while a large body is on its way; a reset may hide that.
        ConnectionError,
        Silence("reset", "reset the connection", _HANG_UP_HINT),
    ),
    (aiohttp.ClientResponseError, Silence("no_http", "answered something that is no HTTP", _URLS_HINT)),
    (OSError, Silence("no_connection", "cannot be reached: {detail}", _RUNNING_HINT)),
    (Exception, Silence("failed", "cannot be talked to: {detail}")),
)


def is_acknowledgement(status: int) -> bool:
    """Tell whether Logstash has what was posted."""
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


def judge(shown: str, answer: Answer) -> None:
    """
    Return if an answer is an acknowledgement, and raise what it means if not.

    Args:
        shown: How the url is called in front of people.
        answer: To uncompressed documents if it is a 400.

    Raises:
        Unreachable: If it says "later".
        Unwelcome: If it is about settings, or nothing that Logstash would answer.
        TooLarge: If the batch is too large.
        Refused: If the documents are at fault.
    """
    status = answer.status
    if is_acknowledgement(status):
        return
    sentence = f"{shown} answered {status}"
    if status in _LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Unreachable(sentence, _BUSY_HINT, retry_after_s=answer.retry_after_s)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        raise TooLarge(sentence, "lower batch_size_max in [sinks.logstash]")
    if status == HTTPStatus.BAD_REQUEST:
        raise Refused(f"{sentence}, also without compression")
    raise Unwelcome(sentence, _CREDENTIALS_HINT if status in _CREDENTIALS else _URLS_HINT)


def explain(error: Exception, timeout_s: float, *, is_tls: bool) -> Silence:
    """
    Tell why there was no answer.

    Args:
        error: What aiohttp, the operating system or OpenSSL raised.
        timeout_s: For the whole attempt.
        is_tls: Whether it can have been OpenSSL.
    """
    cause = _cause(error)
    if is_tls and (silence := _tls_silence(cause)) is not None:
        return silence
    silence = next(silence for type_, silence in _SILENCES if isinstance(cause, type_))
    sentence = silence.sentence.format(
        timeout_s=timeout_s,
        connect_s_max=min(timeout_s, CONNECT_S_MAX),
        detail=getattr(cause, "strerror", None) or type(cause).__name__,
    )
    return Silence(silence.word, sentence, silence.hint)


def _tls_silence(cause: Exception) -> Silence | None:
    """Tell what OpenSSL raised; it is imported only where it is in use."""
    import ssl

    if isinstance(cause, ssl.SSLCertVerificationError):
        sentence = f"shows a certificate that is not trusted: {cause.verify_message}"
        return Silence("untrusted_certificate", sentence, _certificate_hint(cause.verify_code))
    if isinstance(cause, ssl.SSLError):
        reason = (cause.reason or type(cause).__name__).lower().replace("_", " ")
        return Silence("tls_failed", f"does not agree on TLS: {reason}", _tls_hint(reason))
    return None


def _cause(error: Exception) -> Exception:
    """Return the operating system's or OpenSSL's own error where aiohttp wraps one."""
    if isinstance(error, aiohttp.ClientOSError) and isinstance(error.__cause__, OSError):
        return error.__cause__
    return error


def _tls_hint(reason: str) -> str:
    if "alert" in reason and any(word in reason for word in ("certificate", "unknown ca", "handshake")):
        return _CLIENT_CERTIFICATE_HINT
    return "does the url say https where Logstash speaks http, or TLS older than 1.2?"


def _certificate_hint(verify_code: int) -> str:
    # X509_V_ERR_CERT_NOT_YET_VALID, _CERT_HAS_EXPIRED, _HOSTNAME_MISMATCH and _IP_ADDRESS_MISMATCH of OpenSSL's
    # x509_vfy.h.
    if verify_code in {9, 10}:
        return "renew Logstash's certificate, unless it is this computer's clock that is wrong"
    if verify_code in {62, 64}:
        return "use a name in urls of [sinks.logstash] that is in Logstash's certificate"
    return "set tls.ca_file to the certificate of the authority that signed Logstash's"
