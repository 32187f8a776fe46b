"""TLS 1.2 and later: what a sink trusts and shows of itself, and what the panel shows to those who call."""

import ssl
from pathlib import Path

from weatherd.errors import ConfigError


def tls_context(
    ca_file: Path | str | None = None, cert_file: Path | str | None = None, key_file: Path | str | None = None
) -> ssl.SSLContext:
    """
    Return a context for connections to a server.

    Args:
        ca_file: Certificates (PEM) of the authorities to trust, and of no others; None for the system's.
        cert_file: Our certificate (PEM), and those between it and its authority; None to show none.
        key_file: Its private key (PEM, without a pass phrase); None if that is in `cert_file`.

    Raises:
        ConfigError: If files cannot be used, with a line for each.
    """
    mistakes = tls_mistakes(ca_file, cert_file, key_file)
    if mistakes:
        lines = "\n".join(f"tls.{key}: {message}" for key, message in mistakes)
        raise ConfigError(lines, "each file is PEM text, readable for weatherd")
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Python 3.13 refuses authorities without a key usage, such as those that Elastic's own tools make.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if cert_file is not None:
        context.load_cert_chain(cert_file, key_file)
    return context


def server_context(cert_file: Path | str, key_file: Path | str) -> ssl.SSLContext:
    """
    Return a context for connections that others open to us.

    Args:
        cert_file: Our certificate (PEM), and those between it and its authority.
        key_file: Its private key (PEM, without a pass phrase).

    Raises:
        ConfigError: If files cannot be used, with a line for each.
    """
    mistakes = tls_mistakes(None, cert_file, key_file)
    if mistakes:
        lines = "\n".join(f"tls.{key}: {message}" for key, message in mistakes)
        raise ConfigError(lines, "each file is PEM text, readable for weatherd")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(cert_file, key_file)
    return context


def tls_mistakes(
    ca_file: Path | str | None = None, cert_file: Path | str | None = None, key_file: Path | str | None = None
) -> list[tuple[str, str]]:
    """Return what is wrong with the files of `tls_context`: the key and a sentence of each mistake."""
    holds_key = "key_file" if key_file is not None else "cert_file"
    mistakes = [
        *_mistakes("ca_file", ca_file, "CERTIFICATE", "certificate"),
        *_mistakes("cert_file", cert_file, "CERTIFICATE", "certificate"),
        *_mistakes(holds_key, key_file or cert_file, "PRIVATE KEY", "private key"),
    ]
    if key_file is not None and cert_file is None:
        mistakes.append(("key_file", "is of no use without tls.cert_file"))
    if cert_file is not None and not mistakes:
        mistakes += _mismatch(cert_file, key_file)
    return list(dict.fromkeys(mistakes))


def _mistakes(key: str, file: Path | str | None, label: str, what: str) -> list[tuple[str, str]]:
    """Return what is wrong with a file before OpenSSL sees it, since it tells little."""
    if file is None:
        return []
    try:
        text = Path(file).read_text("ascii", "replace")
    except OSError as error:
        return [(key, f"{file} cannot be read: {error.strerror}")]
    if f"{label}-----" not in text:
        return [(key, f"{file} holds no {what}")]
    if label == "CERTIFICATE" and not _is_certificate(file):
        return [(key, f"{file} holds a damaged certificate")]
    if label != "CERTIFICATE" and "ENCRYPTED" in text:
        return [(key, f"{file} holds a private key that wants a pass phrase, and nobody is there to type it")]
    return []


def _is_certificate(file: Path | str) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except ssl.SSLError:
        return False
    return True


def _mismatch(cert_file: Path | str, key_file: Path | str | None) -> list[tuple[str, str]]:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(cert_file, key_file)
    except ssl.SSLError as error:
        what = "does not match" if error.reason == "KEY_VALUES_MISMATCH" else "cannot be used with"
        return [("key_file", f"the private key in {key_file or cert_file} {what} the certificate in {cert_file}")]
    return []
