import subprocess
import sys

BEGINNING = """
import sys
from weatherd.lean import import_aiohttp, import_asyncio_without_tls
"""


def printed(program: str) -> list[str]:
    run = subprocess.run([sys.executable, "-c", BEGINNING + program], capture_output=True, text=True, check=True)
    assert run.stderr == ""
    return run.stdout.splitlines()


def test_openssl_is_not_in_memory_without_tls() -> None:
    """Neither asyncio nor aiohttp, nor an algorithm of hashlib or hmac, brings one of its libraries."""
    maps, digest, code = printed("""
import_asyncio_without_tls()
import_aiohttp()
import aiohttp, hashlib, hmac
print([line for line in open("/proc/self/maps") if "libssl" in line or "libcrypto" in line])
print(hashlib.sha256(b"abc").hexdigest()[:8])
print(hmac.new(b"key", b"The quick brown fox jumps over the lazy dog", hashlib.sha256).hexdigest()[:8])
""")
    assert maps == "[]"
    assert digest == "ba7816bf"  # FIPS 180-2, appendix B.1
    assert code == "f7bc83f4"


def test_others_can_have_tls_afterwards() -> None:
    """A certificate can be looked at in a process whose asyncio was imported without."""
    assert printed("""
import_asyncio_without_tls()
import_aiohttp()
import ssl, _hashlib
print(ssl.create_default_context().minimum_version.name)
""") == ["TLSv1_2"]


def test_aiohttp_has_tls_where_asyncio_has_it() -> None:
    """What was imported in another order, or for a configuration that wants it, is as everywhere."""
    assert printed("""
import asyncio
import_aiohttp()
import aiohttp, ssl
print(aiohttp.TCPConnector.__module__, aiohttp.connector.ssl is ssl, asyncio.sslproto.ssl is ssl)
""") == ["aiohttp.connector True True"]


def test_the_lists_of_modules_and_variables_are_left_as_they_were() -> None:
    """Children of the daemon, and later imports, find no trace of it."""
    assert printed("""
import os, ssl
before = dict(os.environ)
import_asyncio_without_tls()
import_aiohttp()
print(sys.modules["ssl"] is ssl, None in sys.modules.values(), os.environ == before)
""") == ["True False True"]
