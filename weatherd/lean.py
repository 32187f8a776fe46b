"""
aiohttp, imported without what a station has no use for: 3 MB.

Both parts can be left out by a variable that its reader documents, for as long as the import takes.
"""

import os

_WHILE_IMPORTING = {
    # frozenlist, README: without its compiled half, which brings the runtime library of C++ for lists of a few hooks.
    "FROZENLIST_NO_EXTENSIONS": "1",
    # openssl-env(7): aiohttp makes a context as it is imported, and reads every authority of the system into it. Who
    # needs one makes his own.
    "SSL_CERT_FILE": os.devnull,
}


def import_aiohttp() -> None:
    """
    Import aiohttp for the whole process, which has no other thread yet.

    From then on each connection over TLS needs a context of its own: aiohttp's trusts nobody.
    """
    before = {name: os.environ.get(name) for name in _WHILE_IMPORTING}
    os.environ.update(_WHILE_IMPORTING)
    try:
        import aiohttp  # noqa: F401, PLC0415
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
