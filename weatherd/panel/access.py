"""
Who is answered: calls by our own name, from our own pages, with the token where there is one.

A page of somebody else in the browser of somebody who can reach the station must not read it: neither directly
(`Origin`, `Sec-Fetch-Site`) nor by letting its own name point to our address (`Host`; DNS rebinding). An IP address as
the host is no such name, so it is always right.
"""

import hashlib
import hmac
import ipaddress
import re
import socket
from collections import OrderedDict
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import urlsplit

from aiohttp import web

from weatherd.panel.problems import Problem
from weatherd.ports import Clock

COOKIE = "weatherd"
COOKIE_AGE_S = 90 * 86_400

ATTEMPTS_MAX = 10
"""Wrong tokens that one address may send in `ATTEMPTS_PERIOD_S`."""

ATTEMPTS_PERIOD_S = 60.0

ADDRESSES_MAX = 1000
"""Addresses of which wrong tokens are remembered."""

_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,253})(:[0-9]{1,5})?")


class Hosts:
    """
    The names by which we may be called.

    Args:
        names: More of them than this machine's own.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        own = socket.gethostname().lower()
        short = own.partition(".")[0]
        self._names = frozenset(("localhost", own, short, f"{short}.local", *names))

    def check(self, request: web.BaseRequest) -> None:
        """
        Refuse a request that calls somebody else, or comes from a page of somebody else.

        Raises:
            Problem: With what is wrong.
        """
        hosts = request.headers.getall("Host", [])
        found = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
        if found is None:
            raise Problem(HTTPStatus.BAD_REQUEST, "request.host", "the request does not say, in one way, whom it calls")
        if not self._is_ours(found["name"]):
            raise Problem(
                HTTPStatus.MISDIRECTED_REQUEST,
                "request.host",
                f"{found['name']} is no name of this station; add it to panel.hosts",
            )
        _check_origin(request, hosts[0])

    def _is_ours(self, name: str) -> bool:
        name = name.strip("[]").lower().removesuffix(".")
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._names or name.endswith(".localhost")
        return True


def _check_origin(request: web.BaseRequest, host: str) -> None:
    origin = request.headers.get("Origin")
    if origin is not None and _netloc(origin) != host.lower():
        raise Problem(HTTPStatus.FORBIDDEN, "request.origin", "a page of another site may not ask here")
    site = request.headers.get("Sec-Fetch-Site", "none")
    is_link = request.method == "GET" and request.headers.get("Sec-Fetch-Mode") == "navigate"
    is_whole = request.headers.get("Sec-Fetch-Dest", "document") == "document"
    if site not in {"same-origin", "none"} and not (is_link and is_whole):
        raise Problem(HTTPStatus.FORBIDDEN, "request.origin", "a page of another site may not ask here")


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""  # brackets without an address between them, or letters that look like others


class Token:
    """
    The token that callers must know, and what browsers keep of it.

    Browsers send a cookie that is made of the token and cannot be turned back into it: it outlives a restart of ours,
    and dies with the token.

    Args:
        token: Printable ASCII.
        clock: Tells the time of wrong ones.
        secure: Whether the panel is reached by TLS alone, so that the cookie goes nowhere else.
    """

    def __init__(self, token: str, clock: Clock, *, secure: bool) -> None:
        self._token = token.encode()
        self._cookie = hmac.new(self._token, b"weatherd panel cookie 1", hashlib.sha256).hexdigest()
        self._clock = clock
        self._secure = secure
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()

    def check(self, request: web.BaseRequest) -> None:
        """
        Refuse a request without the token, and without a cookie that comes of it.

        Raises:
            Problem: 401, or 429 where an address tries too often.
        """
        if self.has_cookie(request):
            return
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer" and given and self.fits(given.strip(), request.remote or ""):
            return
        raise Problem(
            HTTPStatus.UNAUTHORIZED,
            "request.token",
            "this panel wants its token: Authorization: Bearer …, or /login in a browser",
            {"WWW-Authenticate": 'Bearer realm="weatherd"'},
        )

    def has_cookie(self, request: web.BaseRequest) -> bool:
        """Tell whether the cookie is there and right."""
        given = request.cookies.get(COOKIE, "")
        return hmac.compare_digest(given.encode(errors="replace"), self._cookie.encode())

    def fits(self, given: str, address: str) -> bool:
        """
        Tell whether a token is right, and remember who sends wrong ones.

        Raises:
            Problem: 429, if the address has sent too many wrong ones; then not even the right one is looked at.
        """
        now_s = self._clock.boottime_s()
        times = [one for one in self._wrong.get(address, ()) if now_s - one < ATTEMPTS_PERIOD_S]
        if len(times) >= ATTEMPTS_MAX:
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                "request.too_many_attempts",
                "too many wrong tokens; try again in a minute",
                {"Retry-After": f"{ATTEMPTS_PERIOD_S:.0f}"},
            )
        if hmac.compare_digest(given.encode(errors="replace"), self._token):
            return True
        self._wrong[address] = [*times, now_s]
        self._wrong.move_to_end(address)
        if len(self._wrong) > ADDRESSES_MAX:
            self._wrong.popitem(last=False)
        return False

    def cookie(self) -> str:
        """Return the header that gives a browser its cookie."""
        secure = "; Secure" if self._secure else ""
        return f"{COOKIE}={self._cookie}; Path=/; Max-Age={COOKIE_AGE_S}; HttpOnly; SameSite=Strict{secure}"
