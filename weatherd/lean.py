"""
asyncio and aiohttp, imported without what a station has no use for: 3 MB, and 5 MB more where nothing speaks TLS.

Each part is left out in a way that its reader foresees, a variable or a module that is not there, for as long as the
import takes.
"""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from importlib.util import find_spec
from typing import Any

_WHILE_IMPORTING = {
    # frozenlist, README: without its compiled half, which brings the runtime library of C++ for lists of a few hooks.
    "FROZENLIST_NO_EXTENSIONS": "1",
    # openssl-env(7): aiohttp makes a context as it is imported, and reads every authority of the system into it. Who
    # needs one makes his own.
    "SSL_CERT_FILE": os.devnull,
}


def import_asyncio_without_tls() -> None:
    """
    Import asyncio for the whole process, which has not imported it yet, and let `import_aiohttp` do the same.

    Nothing that comes from the two can speak TLS in this process any more, so who wants to needs another one. The rest
    can: ``import ssl`` works afterwards, and brings OpenSSL then.

    Source:
        Library reference, ssl: "may not be available"; hashlib: it has its own algorithms beside those of OpenSSL.
    """
    with _without_openssl():
        import asyncio
        import hashlib
        import hmac


def import_aiohttp() -> None:
    """
    Import aiohttp for the whole process, which has no other thread yet.

    From then on each connection over TLS needs a context of its own: aiohttp's trusts nobody.
    """
    from asyncio import sslproto

    with_tls = getattr(sslproto, "ssl", None) is not None
    with _meanwhile(os.environ, _WHILE_IMPORTING), contextlib.nullcontext() if with_tls else _without_openssl():
        import aiohttp


def _without_openssl() -> contextlib.AbstractContextManager[None]:
    """
    Let modules be imported as on a Python that was built without OpenSSL.

    Source:
        Language reference, 5.3.1: a None in `sys.modules` makes the import of a module fail.
    """
    names = ["ssl"]
    if find_spec("_md5") is not None:  # else Python was built with OpenSSL's algorithms alone
        names.append("_hashlib")
    return _meanwhile(sys.modules, dict.fromkeys(names))


@contextlib.contextmanager
def _meanwhile(where: MutableMapping[str, Any], values: Mapping[str, object]) -> Iterator[None]:
    """Set some values, and bring back what was there before."""
    before = {name: where[name] for name in values if name in where}
    where.update(values)
    try:
        yield
    finally:
        for name in values:
            if name in before:
                where[name] = before[name]
            else:
                del where[name]
