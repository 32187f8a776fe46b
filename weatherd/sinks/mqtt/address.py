"""Where the broker is, and what we say of ourselves there."""

import ssl
from typing import NamedTuple
from urllib.parse import urlsplit


class Address(NamedTuple):
    """
    Where and as whom to connect.

    Attributes:
        url: ``mqtt``, ``mqtts``, ``ws`` or ``wss``.
        password: In no error and no log.
        ssl_context: From `weatherd.tls`; for ``mqtts`` and ``wss``.
        is_version_5: Else MQTT 3.1.1.
        session_expiry_s: So long the broker keeps a broken connection's session, and its last will to itself.
    """

    url: str
    username: str | None = None
    password: str | None = None
    ssl_context: ssl.SSLContext | None = None
    is_version_5: bool = True
    keep_alive_s: int = 60
    session_expiry_s: int = 0
    message_expiry_s: int = 300
    timeout_s: float = 10.0

    @property
    def shown(self) -> str:
        """How it is called in front of people."""
        parts = urlsplit(self.url)
        return f"mqtt at {parts.scheme}://{parts.netloc}"
